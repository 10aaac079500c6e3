"""Depth and labels as stages of the family `neural`: pool the features, run the heads once, spread their answer.

Everything heavy happens on the small grid of `isp_ns.nets.pooling`; the full size is interpolated tile by tile.
"""

import functools
import math
from typing import Annotated

import torch
from torch import Tensor

from isp_ns.core.errors import ModelError
from isp_ns.core.frame import Frame
from isp_ns.core.meta import Meta
from isp_ns.core.ports import Depth, FeatureMaps, Labels, Port, Stats
from isp_ns.core.reach import WHOLE, Local, Params, Reduce
from isp_ns.core.stage import stage
from isp_ns.core.threads import one_thread
from isp_ns.nets.heads import CANONICAL_FOCAL_CELLS, depth_at
from isp_ns.nets.layers import batch_of_one
from isp_ns.nets.pooling import TILE_ALIGN_PX, enter_space, on_grid, pack_cells, pool_tile, pooled_size, share_size
from isp_ns.stages.neural_weights import check_heads, heads_card, heads_of, space_of

__all__ = ["context", "depth", "focal_share", "pool", "segment"]

Place = Annotated[Frame, Port("sensor|sensor_rgb|mosaic|camera_rgb|linear_rgb|display_rgb")]
"""Any frame of the picture: only where it lies and what is known of the shot is read, so the cheapest one serves."""

_FILM_WIDTH_MM = 36.0
_NO_METRES = "relative"
_BLOCKS_PER_CELL = 16


def _space_id(params: Params) -> str:
    return heads_card(str(params["weights"])).space_id


def _channels(weights: str, task: str) -> slice:
    """Where the answer of a task lies among the channels that `neural.context` makes."""
    card, start = heads_card(weights), 0
    tasks = card.domain["tasks"]
    for name, classes in tasks.items():
        width = classes or (3 if card.sizes.get("by_focal") else 2)
        if name == task:
            return slice(start, start + width)
        start += width
    raise ModelError(f"the heads {weights} have no {task}; they have {', '.join(tasks)}")


def focal_share(meta: Meta) -> float | None:
    """The focal length as a share of the long side of the picture, or None where nothing is known.

    Source: EXIF FocalLengthIn35mmFilm (41989), by the width of 35-mm film.
    """
    return meta.focal_35mm / _FILM_WIDTH_MM if meta.focal_35mm else None


def _whole(share: Frame) -> Tensor:
    return on_grid(share.data, share.origin, share.full_size)


def _features(total: Frame, params: Params) -> Tensor:
    """What all tiles have pooled, as features; colours enter the space again."""
    check_heads(str(params["weights"]), str(params["space"]))
    pooled = _whole(total)[None]
    with one_thread():
        return enter_space(pooled, space_of(str(params["space"]), device=pooled.device))[0]


def _added(total: Frame, share: Frame) -> Frame:
    """The sum of shares so far, on the whole grid, and the share of one more tile."""
    data = total.data if total.size == total.full_size else _whole(total)
    top, left, bottom, right = share.box
    data[:, top:bottom, left:right] += share.data
    return Frame(data)


@stage("neural.pool", reach=Reduce(_added, _features, align=TILE_ALIGN_PX), narrow=_space_id)
def pool(
    features: FeatureMaps, *, weights: str = "nyu-lite", space: str = "ns-lite"
) -> Annotated[Frame, Port("stats")]:
    """Bring features to the canonical grid that heads read, whatever the size of the picture.

    The features of a mosaic of up to 640 pixels are read as they are; the colours of anything else enter the space
    again, at that size.

    Args:
        features: of the space that the heads were trained on.
        weights: name of the heads.
        space: weights of the space.

    Returns:
        A tile's share, as a frame of a few cells of the grid; a tensor of the whole grid when all are added.

    Raises:
        ModelError: if the heads were trained on other features.

    Source: see `isp_ns.nets.pooling`.
    """
    of_mosaic = features.meta.cfa is not None
    share, first = pool_tile(
        batch_of_one(features.b),
        batch_of_one(features.t),
        size_px=features.size,
        full_size_px=features.full_size,
        origin_px=features.origin,
        of_mosaic=of_mosaic,
    )
    return Frame(share[0], origin=first, full_size=share_size(*features.full_size, of_mosaic=of_mosaic))


@stage("neural.context", reach=WHOLE)
def context(pooled: Stats, *, weights: str = "nyu-lite") -> Stats:
    """Run the heads on pooled features: the answers of all their tasks, on half of the canonical grid.

    They answer for the picture and for its mirror image; the mean of both counts.

    Args:
        pooled: what `neural.pool` made.
        weights: name of the heads.

    Source: see `isp_ns.nets.heads.PerceptionNet`.
    """
    with one_thread():
        return torch.cat(list(heads_of(weights, pooled.device).answer(pack_cells(pooled[None].float())).values()), 1)[0]


@functools.lru_cache(maxsize=128)
def _line(cells: int, per_px: float, start_px: int, stop_px: int, step_px: int) -> tuple[Tensor, slice]:
    """Weights of linear interpolation along one axis, (blocks, used cells), and which cells of the answer are used.

    Kept, as tiles of one row or column have the same. Blocks of `step_px` pixels begin at its multiples in the full
    picture, and their middles count.
    """
    blocks = torch.arange(start_px // step_px, -(-stop_px // step_px))
    at = ((blocks + 0.5) * (step_px * per_px) - 0.5).clamp(0, cells - 1)
    first, stop = int(at[0]), min(int(at[-1]) + 2, cells)
    weights = 1 - (at[:, None] - torch.arange(first, stop)).abs()
    return weights.clamp_(min=0), slice(first, stop)


def _lines(grid: Tensor, place: Frame, step_px: int = 1) -> tuple[tuple[Tensor, slice], tuple[Tensor, slice]]:
    """The weights of rows and of columns that spread a grid (C, h, w) over a part of the picture."""
    cells = pooled_size(*place.full_size)
    # A cell of the answer is two cells of the canonical grid, and the last one may hang over the edge.
    rows, columns = (
        _line(
            grid.shape[1 + axis], cells[axis] / place.full_size[axis] / 2, place.box[axis], place.box[2 + axis], step_px
        )
        for axis in (0, 1)
    )
    return rows, columns


def _spread(grid: Tensor, place: Frame) -> Tensor:
    """A grid (C, h, w) over the full picture, at the pixels of `place`, (C, H, W), bilinear."""
    (rows, vertical), (columns, horizontal) = _lines(grid, place)
    out: Tensor = rows @ grid[:, vertical, horizontal] @ columns.mT
    return out


def _winners(logits: Tensor, place: Frame, step_px: int) -> Tensor:
    """The class of each block of pixels, (1, rows, columns), uint8: the first of the highest interpolated logits."""
    (rows, vertical), (columns, horizontal) = _lines(logits, place, step_px)
    corners = logits[:, vertical, horizontal]
    classes = _possible(corners.flatten(1))
    # The first of equals, as argmax finds it, but seven times as fast.
    winners = (rows @ corners[classes] @ columns.mT).max(0, keepdim=True).indices
    return classes.to(torch.uint8)[winners]


def _possible(corners: Tensor) -> Tensor:
    """Which classes may win between corners (classes, corners): a class below another at all of them never does."""
    below = (corners[:, None] < corners).all(2).any(1)
    return (~below).nonzero().flatten()


def _label_step_px(full_size: tuple[int, int]) -> int:
    """Side of the blocks of pixels that get one label: at least sixteen for each cell of the answer."""
    cell_px = 2 * max(full_size) / max(pooled_size(*full_size))
    return max(1, 2 ** int(math.log2(cell_px / _BLOCKS_PER_CELL))) if cell_px >= _BLOCKS_PER_CELL else 1


@stage("neural.depth", reach=Local())
def depth(place: Place, context: Stats, *, weights: str = "nyu-lite") -> Depth:
    """Depth in metres; relative, with a median of 1, where the focal length is unknown.

    Args:
        place: any frame of the picture; its pixels are not read.
        context: what `neural.context` made with the same weights.
        weights: name of the heads.

    Source: canonical camera: Yin et al. 2023, "Metric3D".
    """
    output = context[_channels(weights, "depth")][None]
    focal = focal_share(place.meta)
    if focal is None:
        log_depth = depth_at(output, torch.zeros(1))[0]
        scale = -log_depth.median()
        meta = place.meta.with_values("stage", depth_unit=_NO_METRES)
    else:
        focal_cells = focal * max(pooled_size(*place.full_size))
        scale = torch.log(torch.tensor(focal_cells / CANONICAL_FOCAL_CELLS))
        # Slopes hold where they were learned.
        log_depth = depth_at(output, scale.clamp(*heads_card(weights).domain.get("log_focal", (0.0, 0.0))))[0]
        meta = place.meta.with_values("stage", depth_unit="m")
    return Frame(_spread(log_depth + scale, place).exp_(), meta, place.origin, place.full_size)


@stage("neural.segment", reach=Local())
def segment(place: Place, context: Stats, *, weights: str = "nyu-lite") -> Labels:
    """Class numbers, uint8; the card of the weights has their names and colours.

    Args:
        place: any frame of the picture; its pixels are not read.
        context: what `neural.context` made with the same weights.
        weights: name of the heads.

    Source: see `isp_ns.nets.heads.LabelDecoder`.
    """
    logits = context[_channels(weights, "labels")]
    step_px = _label_step_px(place.full_size)
    labels = _winners(logits, place, step_px)
    if step_px > 1:
        # Columns first: rows are then copied whole.
        labels = labels.repeat_interleave(step_px, 2).repeat_interleave(step_px, 1)
        top, left = (start % step_px for start in place.origin)
        labels = labels[:, top : top + place.size[0], left : left + place.size[1]].contiguous()
    return Frame(labels, place.meta, place.origin, place.full_size)
