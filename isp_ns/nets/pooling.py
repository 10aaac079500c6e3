"""Features on a canonical grid: what the depth and label heads read, whatever the size of the picture.

A photo has 12 to 50 megapixels, a picture that heads are trained on 0.3. The grid has 160 cells on the long side, those
of z_t for 640 pixels. Learned features tell of the texture of the pixels that they were made of: their mean over the
cells of a large photo is unlike what they are at 640 pixels. Colours are alike. So of a larger picture the colours that
are packed in z_b are shrunk to 640 pixels on the long side, and enter the space again as a mosaic: heads see what they
would see of the same photo from a small sensor. So do pictures that never were a mosaic. What is interpolated from many
tiles is the sum of their shares.
"""

import functools
import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from isp_ns.nets.encoder import PACKED_RGB
from isp_ns.nets.layers import unpack

__all__ = [
    "POOLED_LONG",
    "TILE_ALIGN_PX",
    "MosaicEncoder",
    "enter_space",
    "mirror_cells",
    "on_grid",
    "pack_cells",
    "packed_channels",
    "pool_features",
    "pool_tile",
    "pooled_channels",
    "pooled_size",
    "share_size",
    "spread_cells",
]

POOLED_LONG = 160
"""Cells on the long side of the canonical grid: those of z_t for a picture of 640 × 480 pixels."""

TILE_ALIGN_PX = 16
"""Where tiles may begin, so that the blocks of large pictures are the same in all of them."""

_SHORTEST = 8
_COLOURS = 3
_BLOCKS_PX = (8, 4, 2)
_BLOCKS_PER_PIXEL = 2
_CELL_PX = 4
_CUBIC_REACH = 2
_PACKED_SIDE = 4
"""Pixels of colour on each side of a packed cell."""

_Window = tuple[tuple[int, int], tuple[int, int]]
"""First and stop of rows and of columns of a grid."""


@dataclass(frozen=True)
class _Place:
    """Where the share of a tile belongs.

    Attributes:
        grid: rows and columns of the grid of the whole picture.
        full_px: size of the picture.
        origin_px: where the tile begins in it.
        window: the cells of the grid that the tile may have a share in.
    """

    grid: tuple[int, int]
    full_px: tuple[int, int]
    origin_px: tuple[int, int]
    window: _Window

    def twice(self) -> "_Place":
        """The same place on a grid of twice as many rows and columns."""
        rows, columns = ((2 * first, 2 * stop) for first, stop in self.window)
        grid = (2 * self.grid[0], 2 * self.grid[1])
        return _Place(grid, self.full_px, self.origin_px, (rows, columns))


class MosaicEncoder(Protocol):
    """What takes a mosaic into a space, such as `isp_ns.nets.space.NeuralSpace`."""

    def encode(self, mosaic: Tensor, *, encoding: str) -> tuple[Tensor, Tensor]:
        """An RGGB mosaic (B, 1, H, W) to z_b and z_t."""
        ...


def pooled_size(height_px: int, width_px: int) -> tuple[int, int]:
    """Rows and columns of the canonical grid of a picture.

    Source: our own choice; the long side is that of z_t for the pictures of NYU-v2.
    """
    scale = POOLED_LONG / max(height_px, width_px)
    return max(_SHORTEST, round(height_px * scale)), max(_SHORTEST, round(width_px * scale))


def pooled_channels(z_b: int, z_t: int) -> int:
    """Channels of pooled features for a space of `z_b` and `z_t` channels.

    Source: `pool_features`.
    """
    return z_b + z_t


def _by_colours(full_size_px: tuple[int, int], of_mosaic: bool) -> bool:
    return not of_mosaic or max(full_size_px) > _CELL_PX * POOLED_LONG


def share_size(height_px: int, width_px: int, *, of_mosaic: bool = True) -> tuple[int, int]:
    """Rows and columns of the grid that shares of tiles are on: four times the canonical one where colours are pooled.

    Args:
        height_px: of the full picture.
        width_px: of the full picture.
        of_mosaic: whether the features are of a mosaic.

    Source: see `pool_tile`.
    """
    rows, columns = pooled_size(height_px, width_px)
    by_colours = _by_colours((height_px, width_px), of_mosaic)
    return (_CELL_PX * rows, _CELL_PX * columns) if by_colours else (rows, columns)


def _cubic(distance: Tensor) -> Tensor:
    near = (1.5 * distance - 2.5) * distance.square() + 1
    far = ((2.5 - 0.5 * distance) * distance - 4) * distance + 2
    return torch.where(distance < 1, near, torch.where(distance < _CUBIC_REACH, far, 0.0))


def _shrinking(cells: int, length: float) -> Tensor:
    """(cells, ⌈length⌉) weights of cubic interpolation without aliasing, from a line of `length` source cells.

    A mean over equal parts would be soft where there are hardly more source cells than `cells`, and sharp where there
    are many, and heads see the difference.

    Source: Keys 1981, "Cubic convolution interpolation for digital image processing", stretched by the ratio.
    """
    ratio = length / cells
    centres = (torch.arange(cells, dtype=torch.float64) + 0.5) * ratio
    places = torch.arange(math.ceil(length), dtype=torch.float64) + 0.5
    weights = _cubic((places - centres[:, None]).abs() / ratio)
    return weights / weights.sum(1, keepdim=True)


def _between(cells: int, length: float) -> Tensor:
    """(cells, ⌈length⌉) weights of linear interpolation, where there are fewer source cells than `cells`."""
    last = math.ceil(length) - 1
    middle = ((torch.arange(cells, dtype=torch.float64) + 0.5) * (length / cells) - 0.5).clamp(0, last)
    place = torch.arange(last + 1, dtype=torch.float64)
    return (1 - (middle[:, None] - place).abs()).clamp_(min=0)


@functools.lru_cache(maxsize=8)
def _weights(cells: int, length: float) -> Tensor:
    """Weights of interpolation, float32; kept, as all tiles have parts of the same."""
    return (_shrinking if length >= cells else _between)(cells, length).float()


def _window(
    grid: tuple[int, int], full_px: tuple[int, int], start_px: tuple[int, int], size_px: tuple[int, int]
) -> _Window:
    """The cells of the grid that a tile may have a share in.

    Interpolation reaches a cell of z_t further where the grid is finer, and two of the grid where it is coarser.
    """
    rows, columns = (
        (
            max(0, (start - _CELL_PX) * cells // full - _CUBIC_REACH),
            min(cells, -(-(start + count + _CELL_PX) * cells // full) + _CUBIC_REACH),
        )
        for cells, full, start, count in zip(grid, full_px, start_px, size_px, strict=True)
    )
    return rows, columns


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


def _shares(cells: Tensor, scale: int, place: _Place) -> Tensor:
    """Weighted sums of cells (B, h, w, C) of `scale` pixels onto the window of a place, (B, C, rows, columns)."""
    rows, columns = (
        _weights(size, full / scale)[slice(*wanted), origin // scale : origin // scale + count].to(cells.device)
        for size, full, origin, count, wanted in zip(
            place.grid, place.full_px, place.origin_px, cells.shape[1:3], place.window, strict=True
        )
    )
    summed = (rows @ cells.float().flatten(2)).unflatten(2, cells.shape[2:])  # type: ignore[no-untyped-call]
    out: Tensor = (columns @ summed).permute(0, 3, 1, 2)
    return out


def _interpolated(z: Tensor, scale: int, place: _Place) -> Tensor:
    """A tile's share of a map with one cell per `scale` pixels on a grid that has as many cells, or more."""
    size = (z.shape[-2], z.shape[-1])
    if place.full_px == (scale * size[0], scale * size[1]):
        # The weights of a whole picture are the identity, or those of plain interpolation.
        z = z.float()
        return z if size == place.grid else F.interpolate(z, place.grid, mode="bilinear", align_corners=False)
    return _shares(z.permute(0, 2, 3, 1), scale, place)


def _small_colours(z_b: Tensor, size_px: tuple[int, int], place: _Place) -> Tensor:
    """A tile's share of the picture that z_b carries, on another grid of pixels."""
    ratio = min(full / pixels for pixels, full in zip(place.grid, place.full_px, strict=True))
    block_px = next((block for block in _BLOCKS_PX if ratio >= _BLOCKS_PER_PIXEL * block), 1)
    if block_px == 1:
        rgb = unpack(z_b[:, :PACKED_RGB])[..., : size_px[0], : size_px[1]]
        return _shares(rgb.permute(0, 2, 3, 1), 1, place)
    # With the channels last, as they come; the four pixels of a cell are added last, when there are few of them.
    cells = z_b.permute(0, 2, 3, 1)[..., :PACKED_RGB]
    if block_px > 2:
        cells = _means(_means(cells, 1, block_px // 2), 2, block_px // 2)
    packed = _shares(cells, block_px, place)
    colours: Tensor = packed.unflatten(1, (_COLOURS, 4)).mean(2)  # type: ignore[no-untyped-call]
    return colours


def pool_tile(
    z_b: Tensor,
    z_t: Tensor,
    *,
    size_px: tuple[int, int],
    full_size_px: tuple[int, int],
    origin_px: tuple[int, int] = (0, 0),
    of_mosaic: bool = True,
) -> tuple[Tensor, tuple[int, int]]:
    """A tile's share of what is pooled of its picture, of no more cells than it has a share in.

    Shares of disjoint tiles that cover the picture add up to the whole.

    Args:
        z_b: (B, C_b, ⌈H/2⌉, ⌈W/2⌉); the first 12 channels are the packed picture.
        z_t: (B, C_t, ⌈H/4⌉, ⌈W/4⌉).
        size_px: H and W of the tile; cells beyond them do not count.
        full_size_px: of the full picture.
        origin_px: where the tile begins, multiples of 16.
        of_mosaic: whether the features are of a mosaic.

    Returns:
        (B, C, rows, columns), float32, and the row and column of the grid that it begins at: of a mosaic of up to 640
        pixels features as from `pool_features`; of anything else its colours on four times the canonical grid,
        which are for `enter_space`.

    Raises:
        ValueError: if a tile does not begin at multiples of 16.

    Source: cubic interpolation without aliasing (Keys 1981), after means of whole blocks of large pictures; linear
        interpolation where the picture has fewer cells than the grid.
    """
    if any(start % TILE_ALIGN_PX for start in origin_px):
        raise ValueError(f"a tile of features begins at multiples of {TILE_ALIGN_PX} pixels, not at {origin_px}")
    grid = share_size(*full_size_px, of_mosaic=of_mosaic)
    place = _Place(grid, full_size_px, origin_px, _window(grid, full_size_px, origin_px, size_px))
    (top, _), (left, _) = place.window
    fine = z_b[..., : -(-size_px[0] // 2), : -(-size_px[1] // 2)]
    if _by_colours(full_size_px, of_mosaic):
        return _small_colours(fine, size_px, place), (top, left)
    coarse = z_t[..., : -(-size_px[0] // 4), : -(-size_px[1] // 4)]
    pooled_b, pooled_t = _interpolated(fine, 2, place.twice()), _interpolated(coarse, 4, place)
    return _joined(pooled_b, pooled_t), (top, left)


def _joined(z_b: Tensor, z_t: Tensor) -> Tensor:
    """z_b on twice the grid and z_t on the grid as one map on the grid: only of colours, the detail is kept."""
    colours = z_b[:, :PACKED_RGB].unflatten(1, (_COLOURS, 4)).mean(2)  # type: ignore[no-untyped-call]
    return torch.cat([F.pixel_unshuffle(colours, 2), F.avg_pool2d(z_b[:, PACKED_RGB:], 2), z_t], 1)


def enter_space(pooled: Tensor, space: MosaicEncoder) -> Tensor:
    """What is pooled of a whole picture as features, whatever its size.

    Args:
        pooled: (B, C, rows, columns) features, which stay as they are, or colours.
        space: that they are of.

    Returns:
        (B, C_b + C_t, rows, columns) on the canonical grid, as from `pool_features`.

    Source: our own. E_rgb would take the colours as they are, but its learned features differ from those of E_raw, as
        what the decoder has to add to a picture differs from what it adds to a mosaic.
    """
    if pooled.shape[1] != _COLOURS:
        return pooled
    mosaic = pooled[:, 1:2].clone()
    for plane, start in ((0, 0), (2, 1)):
        mosaic[:, 0, start::2, start::2] = pooled[:, plane, start::2, start::2]
    # It is coded already, as the picture in z_b is.
    z_b, z_t = space.encode(mosaic, encoding="identity")
    return _joined(z_b.float(), z_t.float())


def pool_features(z_b: Tensor, z_t: Tensor, *, size_px: tuple[int, int], space: MosaicEncoder) -> Tensor:
    """The features of a whole picture on its canonical grid.

    Args:
        z_b: (B, C_b, ⌈H/2⌉, ⌈W/2⌉); the first 12 channels are the packed picture.
        z_t: (B, C_t, ⌈H/4⌉, ⌈W/4⌉).
        size_px: H and W; cells beyond them do not count.
        space: that larger pictures enter again.

    Returns:
        (B, C_b + C_t, rows, columns), float32: colours on twice the grid, packed, the learned channels of z_b, z_t.

    Source: see `pool_tile` and `enter_space`.
    """
    share, _ = pool_tile(z_b, z_t, size_px=size_px, full_size_px=size_px)
    return enter_space(share, space)


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


def pack_cells(pooled: Tensor, side: int = 2) -> Tensor:
    """Squares of cells as one: colours packed, so that their detail is kept, and the mean of all other channels.

    Args:
        pooled: (B, C, rows, columns) as from `pool_features`.
        side: cells on each side of a square, even.

    Returns:
        (B, C - 12 + 48, ⌈rows/side⌉, ⌈columns/side⌉); the first 48 are 4 × 4 pixels of each colour.

    Source: pixel shuffling (Shi et al. 2016).
    """
    down, right = (-length % side for length in pooled.shape[-2:])
    whole = F.pad(pooled, (0, right, 0, down), mode="replicate") if down or right else pooled
    colours = F.pixel_shuffle(whole[:, :PACKED_RGB], 2)
    if side > 2:
        colours = F.avg_pool2d(colours, side // 2)
    others = F.avg_pool2d(whole[:, PACKED_RGB:], side)
    return torch.cat([F.pixel_unshuffle(colours, _PACKED_SIDE), others], 1)


def packed_channels(pooled: int) -> int:
    """Channels of packed cells of features of `pooled` channels.

    Source: `pack_cells`.
    """
    return pooled - PACKED_RGB + _COLOURS * _PACKED_SIDE**2


def mirror_cells(packed: Tensor) -> Tensor:
    """Packed cells of the same scene, mirrored left to right.

    Args:
        packed: as from `pack_cells`; features of a mirrored mosaic come from mirrored kernels, so that this is exact.

    Source: definition of pixel packing.
    """
    count = _COLOURS * _PACKED_SIDE**2
    turned = packed.flip(-1)
    pixels = turned[:, :count].unflatten(1, (-1, _PACKED_SIDE))  # type: ignore[no-untyped-call]
    return torch.cat([pixels.flip(2).flatten(1, 2), turned[:, count:]], 1)


def spread_cells(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Packed cells as colours (B, 3, 4 · rows, 4 · columns) and all other channels (B, ·, rows, columns).

    Args:
        packed: as from `pack_cells`.

    Source: the inverse of pixel packing (Shi et al. 2016).
    """
    count = _COLOURS * _PACKED_SIDE**2
    return F.pixel_shuffle(packed[:, :count], _PACKED_SIDE), packed[:, count:]
