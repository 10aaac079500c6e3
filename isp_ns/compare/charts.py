"""Charts as inline SVG: measures against sensitivity, lightness and time, readable in light and dark and without sight.

Every pipeline keeps its colour and its marker on all charts. The numbers are in the tables as well.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from isp_ns.io.markup import Html, join, tag

__all__ = ["Axis", "Series", "chart"]

WIDTH, HEIGHT = 460, 290
LEFT, RIGHT, TOP, BOTTOM = 50, 96, 30, 44
LABEL_GAP = 15
COLOURS = 8
"""How many colours the style sheet has."""


@dataclass(frozen=True)
class Series:
    """The points (x, y) of one pipeline; `index` is its place among all, which gives colour and marker."""

    name: str
    index: int
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Axis:
    """An axis: its title, whether it is logarithmic, marks of its own in place of round numbers."""

    title: str
    logarithmic: bool = False
    marks: tuple[float, ...] = ()


def chart(title: str, series: Sequence[Series], x: Axis, y: Axis, *, lines: bool = True) -> Html:
    """A line or scatter chart with a caption.

    Args:
        title: what it shows.
        series: at least one with a point.
        x: the axis across.
        y: the axis up.
        lines: join the points of a series.
    """
    points = [point for each in series for point in each.points]
    across = _scale([point[0] for point in points], x, LEFT, WIDTH - RIGHT)
    up = _scale([point[1] for point in points], y, HEIGHT - BOTTOM, TOP)
    ends = _label_places([up.place(each.points[-1][1]) for each in series if each.points])
    drawn = [each for each in series if each.points]
    body = join(
        _grid(across, up, x, y),
        [_series(each, across, up, end, lines) for each, end in zip(drawn, ends, strict=True)],
    )
    described = "; ".join(
        f"{each.name}: " + ", ".join(f"{_number(a)} → {_number(b)}" for a, b in each.points) for each in drawn
    )
    picture = tag(
        "svg",
        tag("title", title),
        tag("desc", f"{y.title} against {x.title}. {described}"),
        body,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        class_="chart",
    )
    return tag("figure", tag("figcaption", title), picture)


@dataclass(frozen=True)
class _Scale:
    place: Callable[[float], float]
    marks: tuple[float, ...]


def _scale(values: Sequence[float], axis: Axis, start: float, end: float) -> _Scale:
    """From values to coordinates, with the marks to print."""
    low, high = min(values), max(values)
    if axis.logarithmic:
        low, high = math.log2(low), math.log2(high)
        pad = max(0.08 * (high - low), 0.15)
        low, high = low - pad, high + pad
        marks = axis.marks or _powers(low, high)
    else:
        step = _step(max(high - low, 1e-3 * max(abs(high), 1.0)))
        low, high = math.floor(low / step) * step, math.ceil(high / step) * step
        high = high if high > low else low + step
        marks = axis.marks or tuple(low + step * i for i in range(round((high - low) / step) + 1))

    def place(value: float) -> float:
        at = math.log2(value) if axis.logarithmic else value
        return start + (at - low) / (high - low) * (end - start)

    return _Scale(place, marks)


def _step(span: float) -> float:
    """A round step that cuts a span into about five."""
    raw = span / 4
    power = 10.0 ** math.floor(math.log10(raw))
    return power * next(each for each in (1, 2, 2.5, 5, 10) if each * power >= raw * 0.999)


def _powers(low: float, high: float) -> tuple[float, ...]:
    """Round numbers between two powers of two."""
    marks = [base * 10.0**k for k in range(-3, 7) for base in (1, 2, 5)]
    inside = [mark for mark in marks if low <= math.log2(mark) <= high]
    if len(inside) > 5:
        inside = [mark for mark in inside if f"{mark:g}"[0] == "1"] or inside[::2]
    return tuple(inside) if len(inside) > 1 else _round_within(2**low, 2**high)


def _round_within(low: float, high: float) -> tuple[float, ...]:
    """Round numbers, evenly apart, where powers are too far apart for an axis."""
    step = _step(high - low)
    first = math.ceil(low / step)
    return tuple(step * i for i in range(first, math.floor(high / step) + 1)) or (math.sqrt(low * high),)


def _grid(across: _Scale, up: _Scale, x: Axis, y: Axis) -> Html:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    rows = [
        join(
            tag("line", x1=LEFT, x2=right, y1=_at(up.place(mark)), y2=_at(up.place(mark)), class_="grid"),
            tag("text", _number(mark), x=LEFT - 8, y=_at(up.place(mark) + 4), class_="mark end"),
        )
        for mark in up.marks
    ]
    columns = [
        tag("text", _number(mark), x=_at(across.place(mark)), y=bottom + 18, class_="mark middle")
        for mark in across.marks
    ]
    titles = (
        tag("text", x.title, x=(LEFT + right) / 2, y=HEIGHT - 6, class_="axis middle"),
        tag("text", y.title, x=LEFT - 40, y=12, class_="axis"),
    )
    base = tag("line", x1=LEFT, x2=right, y1=bottom, y2=bottom, class_="base")
    return tag("g", rows, columns, base, titles, aria_hidden="true")


def _series(each: Series, across: _Scale, up: _Scale, label_y: float, lines: bool) -> Html:
    places = [(across.place(a), up.place(b)) for a, b in each.points]
    path = " ".join(f"{'L' if i else 'M'}{_at(a)} {_at(b)}" for i, (a, b) in enumerate(places))
    last_x, last_y = places[-1]
    name = each.name if len(each.name) <= 14 else each.name[:13] + "…"
    parts = [
        tag("path", d=path, class_="curve") if lines and len(places) > 1 else None,
        [tag("path", tag("title", _point_title(each, i)), d=_marker(each.index, *at)) for i, at in enumerate(places)],
        abs(label_y - last_y) > 3
        and tag("path", d=f"M{_at(last_x + 6)} {_at(last_y)}L{_at(last_x + 13)} {_at(label_y)}", class_="leader"),
        tag("text", name, x=_at(last_x + 15), y=_at(label_y + 4), class_="label"),
    ]
    return tag("g", parts, class_=f"series c{each.index % COLOURS}", aria_hidden="true")


def _point_title(each: Series, index: int) -> str:
    across, up = each.points[index]
    return f"{each.name}: {_number(across)}, {_number(up)}"


def _marker(index: int, x: float, y: float) -> str:
    """A path around (x, y): disc, square, diamond and triangle in turn."""
    r = 4.5
    if index % 4 == 0:
        return f"M{_at(x - r)} {_at(y)}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 {-2 * r} 0z"
    if index % 4 == 1:
        return f"M{_at(x - 4)} {_at(y - 4)}h8v8h-8z"
    if index % 4 == 2:
        return f"M{_at(x)} {_at(y - 5.5)}l5.5 5.5l-5.5 5.5l-5.5 -5.5z"
    return f"M{_at(x)} {_at(y - 5.5)}l5.5 9.5h-11z"


def _label_places(wanted: Sequence[float]) -> list[float]:
    """Heights for labels near `wanted` that do not touch."""
    places = list(wanted)
    for _ in range(40):
        order = sorted(range(len(places)), key=lambda i: places[i])
        for low, high in itertools.pairwise(order):
            gap = LABEL_GAP - (places[high] - places[low])
            if gap > 0:
                places[low] -= gap / 2
                places[high] += gap / 2
    return [min(max(place, TOP + 4), HEIGHT - BOTTOM) for place in places]


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def _at(value: float) -> str:
    return f"{value:.1f}"
