"""Features on a canonical grid: what the depth and label heads read, whatever the size of the picture.

A photo has 12 to 50 megapixels, a picture that heads are trained on 0.3. The mean of the features over the cells of
one grid, 160 on the long side, makes them alike; tile by tile it is a sum of shares.
"""

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from isp_ns.nets.encoder import PACKED_RGB

__all__ = ["POOLED_LONG", "TILE_ALIGN_PX", "on_grid", "pool_features", "pool_tile", "pooled_channels", "pooled_size"]

POOLED_LONG = 160
"""Cells on the long side of the canonical grid: those of z_t for a picture of 640 × 480 pixels."""

TILE_ALIGN_PX = 16
"""Where tiles may begin, so that the blocks of large pictures are the same in all of them."""

_SHORTEST = 8
_COLOURS = 3
_BLOCKS = (4, 2)
_CELLS_PER_BLOCK = 2
_COARSE_PX = 4

_Window = tuple[tuple[int, int], tuple[int, int]]
"""First and stop of rows and of columns of a grid."""


def pooled_size(height_px: int, width_px: int) -> tuple[int, int]:
    """Rows and columns of the canonical grid of a picture.

    Source: our own choice; the long side is that of z_t for the pictures of NYU-v2.
    """
    scale = POOLED_LONG / max(height_px, width_px)
    return max(_SHORTEST, round(height_px * scale)), max(_SHORTEST, round(width_px * scale))


def pooled_channels(z_b: int, z_t: int) -> int:
    """Channels of pooled features for a space of `z_b` and `z_t` channels.

    Source: z_b on twice the grid gives four channels for each; its packed picture counts as three colours.
    """
    return 4 * (_COLOURS + z_b - PACKED_RGB) + z_t


def _overlaps(cells: int, length: float, start: int, count: int) -> Tensor:
    """(cells, count) share of source cells start … start + count - 1 in the mean over each of `cells` equal parts."""
    edges = torch.arange(cells + 1, dtype=torch.float64) * (length / cells)
    left = torch.arange(start, start + count, dtype=torch.float64)
    right = (left + 1).clamp(max=length)
    shared = torch.minimum(edges[1:, None], right) - torch.maximum(edges[:-1, None], left)
    return shared.clamp_(min=0) * (cells / length)


def _between(cells: int, length: float, start: int, count: int) -> Tensor:
    """(cells, count) weights of linear interpolation, where there are fewer source cells than `cells`."""
    last = math.ceil(length) - 1
    middle = ((torch.arange(cells, dtype=torch.float64) + 0.5) * (length / cells) - 0.5).clamp(0, last)
    place = torch.arange(start, start + count, dtype=torch.float64)
    return (1 - (middle[:, None] - place).abs()).clamp_(min=0)


@functools.lru_cache(maxsize=64)
def _weights(cells: int, length: float, start: int, count: int, first: int, stop: int) -> Tensor:
    """The rows first … stop - 1 of the weights, float32; kept, as tiles of one row or column have the same."""
    make = _overlaps if length >= cells else _between
    return make(cells, length, start, count)[first:stop].float()


def _window(
    grid: tuple[int, int], full_px: tuple[int, int], start_px: tuple[int, int], size_px: tuple[int, int]
) -> _Window:
    """The cells of the grid that a tile may have a share in; interpolation reaches one cell of z_t further."""
    rows, columns = (
        (max(0, start - _COARSE_PX) * cells // full, -(-min(full, start + count + _COARSE_PX) * cells // full))
        for cells, full, start, count in zip(grid, full_px, start_px, size_px, strict=True)
    )
    return rows, columns


def _block(grid: tuple[int, int], full_size_px: tuple[int, int], scale: int) -> int:
    """Side of the blocks of cells that are averaged first: large pictures have several for each cell of the grid."""
    ratio = min(full / scale / cells for cells, full in zip(grid, full_size_px, strict=True))
    return next((block for block in _BLOCKS if ratio >= _CELLS_PER_BLOCK * block), 1)


def _means(cells: Tensor, axis: int, block: int) -> Tensor:
    """The means of blocks of cells along an axis, float32; the last one may have fewer."""
    blocks, rest = divmod(cells.shape[axis], block)
    whole = cells.narrow(axis, 0, blocks * block).unflatten(axis, (blocks, block))  # type: ignore[no-untyped-call]
    # Added one by one: over so few cells `mean` takes up to four times as long.
    first, *others = whole.unbind(axis + 1)
    means: Tensor = functools.reduce(Tensor.add, others, first.float()).div(block)
    if not rest:
        return means
    last = cells.narrow(axis, blocks * block, rest).mean(axis, keepdim=True, dtype=torch.float32)
    return torch.cat([means, last], axis)


def _shares(
    z: Tensor,
    scale: int,
    grid: tuple[int, int],
    full_size_px: tuple[int, int],
    origin_px: tuple[int, int],
    window: _Window,
) -> Tensor:
    """Area-weighted sums of a map with one cell per `scale` pixels onto the window of `grid`, (B, C, rows, columns)."""
    size = (z.shape[-2], z.shape[-1])
    if full_size_px == (scale * size[0], scale * size[1]) and size[0] <= grid[0] and size[1] <= grid[1]:
        # The weights of a whole picture are the identity, or those of plain interpolation.
        return z.float() if size == grid else F.interpolate(z.float(), grid, mode="bilinear", align_corners=False)
    # With the channels last, as they come, so that nothing large is copied.
    cells = z.permute(0, 2, 3, 1)
    block = _block(grid, full_size_px, scale)
    if block > 1:
        cells, scale = _means(_means(cells, 1, block), 2, block), scale * block
    rows, columns = (
        _weights(cells, full / scale, origin // scale, count, *wanted).to(z.device)
        for cells, full, origin, count, wanted in zip(
            grid, full_size_px, origin_px, cells.shape[1:3], window, strict=True
        )
    )
    summed = (rows @ cells.float().flatten(2)).unflatten(2, cells.shape[2:])  # type: ignore[no-untyped-call]
    out: Tensor = (columns @ summed).permute(0, 3, 1, 2)
    return out


def pool_tile(
    z_b: Tensor,
    z_t: Tensor,
    *,
    size_px: tuple[int, int],
    full_size_px: tuple[int, int],
    origin_px: tuple[int, int] = (0, 0),
) -> tuple[Tensor, tuple[int, int]]:
    """A tile's share of the pooled features of its picture, of no more cells than it has a share in.

    Args:
        z_b: (B, C_b, ⌈H/2⌉, ⌈W/2⌉); the first 12 channels are the packed picture.
        z_t: (B, C_t, ⌈H/4⌉, ⌈W/4⌉).
        size_px: H and W of the tile; cells beyond them do not count.
        full_size_px: of the full picture.
        origin_px: where the tile begins, multiples of 16.

    Returns:
        (B, C, rows, columns), float32, as from `pool_features`, and the row and column of the grid that it begins at.

    Raises:
        ValueError: if a tile does not begin at multiples of 16.

    Source: see `pool_features`.
    """
    if any(start % TILE_ALIGN_PX for start in origin_px):
        raise ValueError(f"a tile of features begins at multiples of {TILE_ALIGN_PX} pixels, not at {origin_px}")
    grid = pooled_size(*full_size_px)
    (top, bottom), (left, right) = window = _window(grid, full_size_px, origin_px, size_px)
    fine = z_b[..., : -(-size_px[0] // 2), : -(-size_px[1] // 2)]
    coarse = z_t[..., : -(-size_px[0] // 4), : -(-size_px[1] // 4)]
    twice = (2 * top, 2 * bottom), (2 * left, 2 * right)
    pooled_b = _shares(fine, 2, (2 * grid[0], 2 * grid[1]), full_size_px, origin_px, twice)
    colours = pooled_b[:, :PACKED_RGB].unflatten(1, (_COLOURS, 4)).mean(2)  # type: ignore[no-untyped-call]
    detail = F.pixel_unshuffle(torch.cat([colours, pooled_b[:, PACKED_RGB:]], 1), 2)
    return torch.cat([detail, _shares(coarse, 4, grid, full_size_px, origin_px, window)], 1), (top, left)


def pool_features(
    z_b: Tensor,
    z_t: Tensor,
    *,
    size_px: tuple[int, int],
    full_size_px: tuple[int, int] | None = None,
    origin_px: tuple[int, int] = (0, 0),
) -> Tensor:
    """The mean of features over the cells of the canonical grid of the full picture, or a tile's share of it.

    Shares of disjoint tiles that cover the picture add up to the whole.

    Args:
        z_b: (B, C_b, ⌈H/2⌉, ⌈W/2⌉); the first 12 channels are the packed picture.
        z_t: (B, C_t, ⌈H/4⌉, ⌈W/4⌉).
        size_px: H and W of the picture or tile; cells beyond them do not count.
        full_size_px: of the full picture; `size_px` if left out.
        origin_px: where the tile begins, multiples of 16.

    Returns:
        (B, 4·(3 + C_b - 12) + C_t, rows, columns), float32: z_b on twice the grid, packed, then z_t.

    Raises:
        ValueError: if a tile does not begin at multiples of 16.

    Source: area-weighted mean; linear interpolation where the picture has fewer cells than the grid.
    """
    full = full_size_px or size_px
    share, first = pool_tile(z_b, z_t, size_px=size_px, full_size_px=full, origin_px=origin_px)
    return on_grid(share, first, pooled_size(*full))


def on_grid(share: Tensor, first: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """A share of some cells on the whole grid, zero elsewhere.

    Args:
        share: (..., rows, columns).
        first: row and column of the grid that it begins at.
        grid: rows and columns of the grid.

    Source: see `pool_tile`.
    """
    (top, left), (rows, columns) = first, share.shape[-2:]
    return F.pad(share, (left, grid[1] - left - columns, top, grid[0] - top - rows))
