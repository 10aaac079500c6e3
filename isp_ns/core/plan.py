"""How a run is cut: passes over the image, and tiles within a pass. Nothing here touches a pixel.

A pass runs all its nodes tile by tile, so that a tile stays in cache from the first stage to the last. A new pass
begins where a stage needs the whole image (WHOLE), where a value gathered from all tiles (Reduce) is used, and where
halos have added up so far that tiles would mostly recompute their neighbours' work.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from isp_ns.core.graph import Graph
from isp_ns.core.meta import Box, Meta
from isp_ns.core.reach import Footprint, Local, Placement, Reduce, Whole

__all__ = ["Pass", "Step", "Tile", "needed_boxes", "plan_passes", "plan_tiles"]

SMALLEST_TILE_PX = 128
TILE_PX = 512
LARGEST_TILE_PX = 768
RECOMPUTE_SHARE = 0.40
"""Largest share of a tile's pixels that halos may add before the graph is cut or the tiles grow."""

NOTHING: Box = (0, 0, 0, 0)
Size = tuple[int, int]


@dataclass(frozen=True)
class Step:
    """A node with all that the runner asks of it while a pass runs."""

    name: str
    pixels: tuple[str, ...]
    """The inputs that carry pixels."""
    reach: Local | Reduce | Footprint | Whole
    params: Mapping[str, object]
    is_value: bool
    size: Size
    placement: Placement | None = None

    @property
    def reads_metadata(self) -> bool:
        """Whether the node makes a value from metadata or other values alone."""
        return self.is_value and (isinstance(self.reach, Local) or not self.pixels)


@dataclass(frozen=True)
class Pass:
    """Nodes that run together over the tiles, and those whose results are kept."""

    steps: tuple[Step, ...]
    sinks: tuple[str, ...]
    halo_px: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether this is a single stage that gets the image in one piece."""
        return isinstance(self.steps[0].reach, Whole)


@dataclass(frozen=True)
class Tile:
    """The part of each sink that one job makes."""

    boxes: Mapping[str, Box] = field(default_factory=dict)


def plan_passes(
    graph: Graph, wanted: Sequence[str], sizes: Mapping[str, Size], metas: Mapping[str, Meta]
) -> list[Pass]:
    """Sort the nodes that `wanted` needs into passes.

    Args:
        graph: the pipeline.
        wanted: node names.
        sizes: (H, W) of each input that carries pixels.
        metas: metadata of each input that carries pixels.
    """
    steps: dict[str, Step] = {}
    sizes, metas = dict(sizes), dict(metas)
    level: dict[str, int] = dict.fromkeys(graph.inputs, 0)
    halo: dict[str, int] = dict.fromkeys(graph.inputs, 0)
    for name in graph.order(wanted):
        step = steps[name] = _step(graph, name, sizes, metas)
        level[name], halo[name] = _place(graph, step, steps, level, halo)
    passes = []
    for number in sorted({level[name] for name in steps}):
        members = [steps[name] for name in steps if level[name] == number]
        groups = [[s] for s in members if isinstance(s.reach, Whole)]
        groups.append([s for s in members if not isinstance(s.reach, Whole)])
        for group in filter(None, groups):
            kept = [s.name for s in group if s.name in wanted or _read_later(graph, s.name, number, level)]
            passes.append(Pass(tuple(group), tuple(kept), max(halo[s.name] for s in group)))
    return passes


def plan_tiles(plan: Pass, sizes: Mapping[str, Size], tile_px: int | None, workers: int = 1) -> list[Tile]:
    """Tiles that cover all sinks of a pass.

    Args:
        plan: the pass.
        sizes: (H, W) by node.
        tile_px: side of a tile; None chooses it from the halo, smaller where a small image would leave workers idle.
        workers: how many tiles are worked on at a time.
    """
    spatial = [s.name for s in plan.steps if s.name in plan.sinks and (not s.is_value or isinstance(s.reach, Reduce))]
    if not spatial or plan.is_whole:
        return [Tile({name: (0, 0, *sizes[name]) for name in spatial})]
    height, width = (max(sizes[name][axis] for name in spatial) for axis in (0, 1))
    side = tile_px or _tile_px(plan.halo_px)
    if tile_px is None and math.ceil(height / side) * math.ceil(width / side) < workers:
        side = max(SMALLEST_TILE_PX, math.ceil(max(height, width) / workers))
    rows, columns = math.ceil(height / side), math.ceil(width / side)
    tiles = []
    for row, column in itertools.product(range(rows), range(columns)):
        boxes = {name: _part(sizes[name], (row, rows), (column, columns)) for name in spatial}
        tiles.append(Tile({name: box for name, box in boxes.items() if not _empty(box)}))
    return tiles


def needed_boxes(plan: Pass, tile: Tile, sizes: Mapping[str, Size]) -> tuple[dict[str, Box], dict[str, Box]]:
    """What each node of a pass must make for a tile, and what it must be given.

    Returns:
        (made, given): boxes by node name; a node that this tile does not need is absent.
    """
    made = dict(tile.boxes)
    given: dict[str, Box] = {}
    for step in reversed(plan.steps):
        box = made.get(step.name, NOTHING)
        if step.reads_metadata:
            made[step.name] = given[step.name] = NOTHING
        elif step.name in made:
            # A node that only metadata is asked of still needs a few pixels to run on.
            made[step.name] = box = (0, 0, min(16, step.size[0]), min(16, step.size[1])) if _empty(box) else box
            given[step.name] = _in_box(step, box, sizes)
        else:
            continue
        for source in step.pixels:
            made[source] = _union(made.get(source, NOTHING), given[step.name])
    return made, given


def _step(graph: Graph, name: str, sizes: dict[str, Size], metas: dict[str, Meta]) -> Step:
    here = graph.nodes[name]
    spec, params = here.spec, here.values
    pixels = tuple(source for source in here.inputs if not graph.port(source).is_value)
    is_value = spec.output.is_value
    if not pixels:
        # Cheap values are made anew in every tile; one that says WHOLE is dear, and made once in a pass of its own.
        reach = spec.reach if isinstance(spec.reach, Whole) else Local()
        return Step(name, (), reach, params, is_value, (0, 0))
    size, meta, placement = sizes[pixels[0]], metas[pixels[0]], None
    if isinstance(spec.reach, Footprint):
        placement = spec.reach.place(meta, size, params)
        size, meta = placement.size, placement.meta
    elif isinstance(spec.reach, Local) and not is_value:
        size = spec.reach.out_size(size)
    sizes[name], metas[name] = size, meta
    return Step(name, pixels, spec.reach, params, is_value, size, placement)


def _place(
    graph: Graph, step: Step, steps: Mapping[str, Step], level: Mapping[str, int], halo: Mapping[str, int]
) -> tuple[int, int]:
    """Pass number of a node and the halo that has added up when it is reached."""
    sources = graph.nodes[step.name].inputs
    whole = isinstance(step.reach, Whole)
    number = max((level[s] + _ends_pass(steps.get(s), whole) for s in sources), default=0)
    if whole:
        return number, 0
    own = step.reach.halo_px(step.params) if isinstance(step.reach, Local | Reduce) else 0
    before = max((halo[s] for s in sources if s in steps and level[s] == number), default=0)
    if before and _share(before + own, LARGEST_TILE_PX) > RECOMPUTE_SHARE:
        return number + 1, own
    return number, before + own


def _ends_pass(source: Step | None, reader_is_whole: bool) -> int:
    if source is None:
        return 0
    return int(reader_is_whole or isinstance(source.reach, Reduce | Whole))


def _read_later(graph: Graph, name: str, number: int, level: Mapping[str, int]) -> bool:
    return any(name in here.inputs and level.get(reader, 0) > number for reader, here in graph.nodes.items())


def _share(halo_px: int, tile_px: int) -> float:
    return ((tile_px + 2 * halo_px) / tile_px) ** 2 - 1


def _tile_px(halo_px: int) -> int:
    fits = (side for side in range(TILE_PX, LARGEST_TILE_PX, 128) if _share(halo_px, side) <= RECOMPUTE_SHARE)
    return next(fits, LARGEST_TILE_PX)


def _part(size: Size, row: tuple[int, int], column: tuple[int, int]) -> Box:
    """The share (index, count) of an image in rows and columns; inner edges at multiples of 16, the most asked for."""

    def edges(length: int, part: tuple[int, int]) -> tuple[int, int]:
        low, high = (length * (part[0] + end) // part[1] for end in (0, 1))
        return low // 16 * 16, high if part[0] + 1 == part[1] else high // 16 * 16

    (top, bottom), (left, right) = edges(size[0], row), edges(size[1], column)
    return top, left, bottom, right


def _in_box(step: Step, box: Box, sizes: Mapping[str, Size]) -> Box:
    source_size = sizes[step.pixels[0]]
    if step.placement is not None:
        return _inside(step.placement.in_box(box), source_size)
    if isinstance(step.reach, Local):
        return step.reach.in_box(box, source_size, step.params)
    if isinstance(step.reach, Reduce):
        return Local(step.reach.halo, step.reach.align).in_box(box, source_size, step.params)
    return 0, 0, *source_size


def _inside(box: Box, size: Size) -> Box:
    top, left, bottom, right = box
    return max(0, top), max(0, left), min(size[0], bottom), min(size[1], right)


def _empty(box: Box) -> bool:
    return box[2] <= box[0] or box[3] <= box[1]


def _union(one: Box, other: Box) -> Box:
    if _empty(one) or _empty(other):
        return other if _empty(one) else one
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
