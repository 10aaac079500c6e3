"""Gains that vary over the frame: the shading grid of a camera profile and the GainMap of a DNG file. Halo 0.

A tile is told where it lies in the full frame, and gets what the whole would have got there. The gain of a pixel is
bilinear in the grid, which separates into two small matrix products.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["apply_gain_map", "apply_shading", "bilinear_gains"]


def _weights(count: int, positions: Tensor) -> Tensor:
    """(N, count) weights of linear interpolation between grid nodes at clamped float64 positions."""
    positions = positions.clamp(0, count - 1)
    nodes = torch.arange(count, dtype=positions.dtype, device=positions.device)
    return (1.0 - (positions[:, None] - nodes).abs()).clamp_(min=0)


def bilinear_gains(grid: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Evaluate a grid of gains at the crossings of rows and columns.

    Args:
        grid: (C, R, S) gains.
        rows: (H,) float64 row positions in units of grid nodes, clamped to the grid.
        columns: (W,) float64 column positions likewise.

    Returns:
        (C, H, W) float32 gains.

    Source: none; bilinear interpolation.
    """
    vertical = _weights(grid.shape[1], rows) @ grid.to(rows)
    return vertical.float() @ _weights(grid.shape[2], columns).T.float()


def apply_shading(
    image: Tensor,
    grid: Tensor,
    *,
    pattern: str | None = None,
    origin: tuple[int, int] = (0, 0),
    full_size: tuple[int, int] | None = None,
) -> Tensor:
    """Multiply by the shading gains of a camera profile, whose grid is stretched over the full frame.

    The first and last nodes lie on the centres of the first and last pixels.

    Args:
        image: (1, H, W) mosaic when `pattern` is given, else (C, H, W) planes.
        grid: (3, R, S) gains of R, G, B; or (4, R, S) of the positions of the full frame's 2×2 cell in reading order.
        pattern: four letters of the CFA at the first pixel.
        origin: (row, column) of the first pixel in the full frame.
        full_size: (height, width) of the full frame; the image's own by default.

    Returns:
        The image's shape, float32.

    Raises:
        ValueError: if the grid's planes fit neither a mosaic nor the image.

    Source: flat-field correction, EMVA standard 1288, on non-uniformity.
    """
    if len(grid) not in ((3, 4) if pattern else (1, len(image))):
        raise ValueError(f"a shading grid of {len(grid)} planes does not fit; give 3 (R, G, B) or 4 for a mosaic")
    height, width = full_size or image.shape[-2:]
    rows, columns = (
        torch.arange(length, dtype=torch.float64, device=image.device) + start
        for length, start in zip(image.shape[-2:], origin, strict=True)
    )
    rows = rows * ((grid.shape[1] - 1) / max(height - 1, 1))
    columns = columns * ((grid.shape[2] - 1) / max(width - 1, 1))
    if pattern is None:
        return image * bilinear_gains(grid, rows, columns)
    out = image.clone()
    for i, letter in enumerate(pattern):
        y, x = divmod(i, 2)
        cell = 2 * ((y + origin[0]) % 2) + (x + origin[1]) % 2
        plane = "RGB".index(letter) if len(grid) == 3 else cell
        out[:, y::2, x::2].mul_(bilinear_gains(grid[plane, None], rows[y::2], columns[x::2]))
    return out


def apply_gain_map(
    image: Tensor,
    gains: Tensor,
    *,
    area: tuple[int, int, int, int],
    pitch: tuple[int, int],
    plane: int,
    planes: int,
    map_origin: tuple[float, float],
    map_spacing: tuple[float, float],
    origin: tuple[int, int] = (0, 0),
    full_size: tuple[int, int] | None = None,
) -> Tensor:
    """Multiply the pixels of an area by a GainMap, opcode 9. The result is not clipped, as the opcode would have it.

    Args:
        image: (C, H, W) mosaic or planes, a tile of the full image.
        gains: (rows, columns, map planes).
        area: (top, left, bottom, right) of the full image.
        pitch: every how many rows and columns of the area a pixel is changed.
        plane: first plane changed.
        planes: how many planes are changed.
        map_origin: (vertical, horizontal) place of the first node, relative to the full image.
        map_spacing: (vertical, horizontal) distance of nodes, relative to the full image.
        origin: (row, column) of the first pixel in the full image.
        full_size: (height, width) of the full image; the image's own by default.

    Returns:
        (C, H, W), the input itself if the area does not meet it.

    Source: DNG 1.4, chapter 7, opcode GainMap; a pixel's place is that of its centre, (index + 1/2) / size.
    """
    size = full_size or (image.shape[-2], image.shape[-1])
    indices, positions = [], []
    for axis in (0, 1):
        index = _pitched(area[axis], area[axis + 2], pitch[axis], origin[axis], image.shape[-2:][axis])
        centre = (torch.tensor(index, dtype=torch.float64) + 0.5) / size[axis]
        single = gains.shape[axis] == 1
        positions.append((centre - map_origin[axis]) / (1.0 if single else map_spacing[axis]))
        indices.append([i - origin[axis] for i in index])
    if not indices[0] or not indices[1]:
        return image
    out = image.clone()
    rows, columns = (slice(i[0], i[-1] + 1, step) for i, step in zip(indices, pitch, strict=True))
    for target in range(plane, min(plane + planes, image.shape[0])):
        grid = gains[..., min(target, gains.shape[2] - 1)][None]
        field = bilinear_gains(grid, positions[0].to(gains.device), positions[1].to(gains.device))
        out[target, rows, columns].mul_(field[0].to(out))
    return out


def _pitched(start: int, stop: int, pitch: int, origin: int, length: int) -> Sequence[int]:
    """Full-image indices start, start + pitch, ... below stop that lie in a tile."""
    first = start + max(0, -(-(origin - start) // pitch)) * pitch
    return range(first, min(stop, origin + length), pitch)
