"""Pictures of graphs: nodes in layers from top to bottom, wires between them, as SVG or PNG."""

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from isp_ns.core.graph import Graph

__all__ = ["draw_png", "draw_svg"]

BOX = (190, 44)
GAP = (30, 46)
MARGIN = 20
FONT_PX = 13
INK, FILL, ENDS, GREY = "#222222", "#eef3fa", "#f6edd9", "#777777"


Point = tuple[float, float]


@dataclass(frozen=True)
class _Box:
    """A node at its place: the middle of its top edge, two lines of text, and whether it is an end of the graph."""

    x: float
    y: float
    title: str
    subtitle: str
    is_end: bool


@dataclass(frozen=True)
class _Wire:
    """A wire from the bottom of one box to the top of another, by points, and the kind that it carries."""

    points: tuple[Point, ...]
    kind: str


@dataclass(frozen=True)
class _Drawing:
    width: float
    height: float
    boxes: tuple[_Box, ...]
    wires: tuple[_Wire, ...]


def draw_svg(graph: Graph) -> str:
    """The graph as an SVG document."""
    drawing = _layout(graph)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawing.width:g} {drawing.height:g}"'
    style = f'font-family="sans-serif" font-size="{FONT_PX}" text-anchor="middle"'
    lines = [f'{head} width="{drawing.width:g}" height="{drawing.height:g}" {style}>']
    lines.append('<rect width="100%" height="100%" fill="white"/>')
    lines += [line for wire in drawing.wires for line in _svg_wire(wire)]
    lines += [line for box in drawing.boxes for line in _svg_box(box)]
    return "\n".join([*lines, "</svg>\n"])


def draw_png(graph: Graph) -> bytes:
    """The graph as the bytes of a PNG file."""
    from PIL import Image, ImageDraw, ImageFont

    drawing = _layout(graph)
    image = Image.new("RGB", (round(drawing.width), round(drawing.height)), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(FONT_PX)
    for wire in drawing.wires:
        draw.line(list(wire.points), fill=GREY, width=1)
        draw.text(_label(wire, rise=-7), wire.kind, fill=GREY, font=font)
    for box in drawing.boxes:
        corners = (box.x - BOX[0] / 2, box.y, box.x + BOX[0] / 2, box.y + BOX[1])
        draw.rounded_rectangle(corners, 6, fill=ENDS if box.is_end else FILL, outline=INK)
        draw.text((box.x, box.y + 13), box.title, fill=INK, font=font, anchor="mm")
        draw.text((box.x, box.y + 31), box.subtitle, fill=GREY, font=font, anchor="mm")
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _svg_wire(wire: _Wire) -> Iterator[str]:
    parts = [f"M{wire.points[0][0]:g},{wire.points[0][1]:g}"]
    for (x0, y0), (x1, y1) in itertools.pairwise(wire.points):
        middle = (y0 + y1) / 2
        parts.append(f"C{x0:g},{middle:g} {x1:g},{middle:g} {x1:g},{y1:g}")
    yield f'<path d="{" ".join(parts)}" fill="none" stroke="{GREY}"/>'
    x, y = _label(wire, rise=4)
    yield f'<text x="{x:g}" y="{y:g}" fill="{GREY}" text-anchor="start">{escape(wire.kind)}</text>'


def _label(wire: _Wire, rise: float) -> Point:
    """Where the kind of a wire is written: beside the middle of its last leg."""
    (x0, y0), (x1, y1) = wire.points[-2:]
    return (x0 + x1) / 2 + 4, (y0 + y1) / 2 + rise


def _svg_box(box: _Box) -> Iterator[str]:
    fill = ENDS if box.is_end else FILL
    place = f'x="{box.x - BOX[0] / 2:g}" y="{box.y:g}" width="{BOX[0]}" height="{BOX[1]}"'
    yield f'<rect {place} rx="6" fill="{fill}" stroke="{INK}"/>'
    yield f'<text x="{box.x:g}" y="{box.y + 18:g}" fill="{INK}">{escape(box.title)}</text>'
    yield f'<text x="{box.x:g}" y="{box.y + 35:g}" fill="{GREY}">{escape(box.subtitle)}</text>'


def _layout(graph: Graph) -> _Drawing:
    """Every node one layer below the lowest of its inputs; wires that pass layers have a place of their own there."""
    texts = {name: (name, kind, True) for name, kind in graph.inputs.items()}
    sources: dict[str, tuple[str, ...]] = dict.fromkeys(graph.inputs, ())
    for name in graph.order():
        texts[name] = (name, graph.nodes[name].stage, False)
        sources[name] = graph.nodes[name].inputs
    for name, source in graph.outputs.items():
        texts[f">{name}"] = (name, "output", True)
        sources[f">{name}"] = (source,)
    rows: dict[str, int] = {}
    for name, above in sources.items():
        rows[name] = max((rows[source] + 1 for source in above), default=0)
    taken: set[tuple[int, int]] = set()
    columns: dict[str, int] = {}
    for name, row in rows.items():
        columns[name] = _free(taken, max((columns[source] for source in sources[name][:1]), default=0), row)
    wires = [
        _Wire(tuple(_points(source, name, rows, columns, taken)), str(graph.port(source)))
        for name, above in sources.items()
        for source in above
    ]
    boxes = [_Box(_x(columns[n]), _y(rows[n]), title, text, is_end) for n, (title, text, is_end) in texts.items()]
    right, bottom = (1 + max(place[axis] for place in taken) for axis in (0, 1))
    size = (_x(right) - BOX[0] / 2 - GAP[0] + MARGIN, _y(bottom) - GAP[1] + MARGIN)
    return _Drawing(*size, tuple(boxes), tuple(wires))


def _points(
    source: str, name: str, rows: dict[str, int], columns: dict[str, int], taken: set[tuple[int, int]]
) -> Iterator[Point]:
    """From the bottom of a box to the top of another, past the boxes of the layers in between."""
    yield _x(columns[source]), _y(rows[source]) + BOX[1]
    for row in range(rows[source] + 1, rows[name]):
        x = _x(_free(taken, columns[source], row))
        yield x, _y(row)
        yield x, _y(row) + BOX[1]
    yield _x(columns[name]), _y(rows[name])


def _free(taken: set[tuple[int, int]], column: int, row: int) -> int:
    """The first free column of a layer from `column` on, taken now."""
    while (column, row) in taken:
        column += 1
    taken.add((column, row))
    return column


def _x(column: int) -> float:
    return MARGIN + BOX[0] / 2 + column * (BOX[0] + GAP[0])


def _y(row: int) -> float:
    return MARGIN + row * (BOX[1] + GAP[1])
