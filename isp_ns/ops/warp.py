"""Geometric correction by an inverse map: for each output pixel, where in the input it comes from.

A tile is a footprint operation: from the output box one gets the coordinates it reads, from these the input box, and
from the pixels of that box the output. Coordinates are (row, column) of pixel centres in the full image, float64, so
that a tile in the far corner is as exact as one at the origin. Beyond the image its outermost samples are repeated.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["SUPPORT_PX", "box_grid", "footprint", "radial_coordinates", "rectilinear_coordinates", "resample"]

SUPPORT_PX = 2
"""Pixels beyond a coordinate that the bicubic kernel reads."""

Box = tuple[int, int, int, int]


def box_grid(box: Box, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Rows (h, 1) and columns (1, w) of the pixels of a box, float64.

    Args:
        box: (top, left, bottom, right), half open.
        device: where the tensors live.

    Source: none.
    """
    top, left, bottom, right = box
    rows = torch.arange(top, bottom, dtype=torch.float64, device=device)
    columns = torch.arange(left, right, dtype=torch.float64, device=device)
    return rows[:, None], columns[None]


def rectilinear_coordinates(
    box: Box,
    full_size: tuple[int, int],
    coefficients: Sequence[Sequence[float]],
    centre: tuple[float, float],
    device: torch.device | None = None,
) -> Tensor:
    """Where the pixels of an output box come from under the opcode WarpRectilinear.

    Args:
        box: (top, left, bottom, right) of the output in the full image.
        full_size: (height, width) of the full image.
        coefficients: (kr0, kr1, kr2, kr3, kt0, kt1) for all planes, or one such set for each plane.
        centre: (y, x) of the optical centre relative to the image, from 0 at the first pixel to 1 at the last.
        device: where the result lives.

    Returns:
        (P, 2, h, w) float64 rows and columns in the input, P the number of sets.

    Source: DNG 1.4, chapter 7, opcode WarpRectilinear.
    """
    rows, columns = box_grid(box, device)
    last = (full_size[0] - 1, full_size[1] - 1)
    y0, x0 = centre[0] * last[0], centre[1] * last[1]
    unit = max(max(y0, last[0] - y0) ** 2 + max(x0, last[1] - x0) ** 2, 1e-12) ** 0.5
    dy, dx = (rows - y0) / unit, (columns - x0) / unit
    r2 = dy * dy + dx * dx
    maps = []
    for kr0, kr1, kr2, kr3, kt0, kt1 in coefficients:
        radial = ((kr3 * r2 + kr2) * r2 + kr1) * r2 + kr0
        x, y = radial * dx, radial * dy
        if kt0 or kt1:
            x += kt0 * 2 * dx * dy + kt1 * (r2 + 2 * dx * dx)
            y += kt1 * 2 * dx * dy + kt0 * (r2 + 2 * dy * dy)
        maps.append(torch.stack([y0 + unit * y, x0 + unit * x]))
    return torch.stack(maps)


def radial_coordinates(
    box: Box, full_size: tuple[int, int], scales: Sequence[Sequence[float]], device: torch.device | None = None
) -> Tensor:
    """Where the pixels of an output box come from when each plane is scaled about the image centre.

    Args:
        box: (top, left, bottom, right) of the output in the full image.
        full_size: (height, width) of the full image.
        scales: for each plane (a0, a1, ...): the input radius is r·(1 + a0 + a1·r² + ...), r being 1 in the corners.
        device: where the result lives.

    Returns:
        (P, 2, h, w) float64 rows and columns in the input.

    Raises:
        ValueError: if a plane has more than four terms.

    Source: the radial part of `rectilinear_coordinates`.
    """
    if any(len(terms) > 4 for terms in scales):
        raise ValueError("a radial scale has at most four terms: constant, r², r⁴ and r⁶")
    sets = [tuple(terms) + (0.0,) * (6 - len(terms)) for terms in scales]
    return rectilinear_coordinates(box, full_size, [(1.0 + s[0], *s[1:]) for s in sets], (0.5, 0.5), device)


def footprint(coordinates: Tensor, full_size: tuple[int, int], support_px: int = SUPPORT_PX) -> Box:
    """The input box that `resample` needs for given coordinates.

    Args:
        coordinates: (P, 2, h, w) rows and columns in the full input.
        full_size: (height, width) of the full input.
        support_px: pixels beyond a coordinate that are read.

    Returns:
        (top, left, bottom, right), within the input and at least one pixel.

    Source: none.
    """
    flat = coordinates.transpose(0, 1).flatten(1)
    low, high = flat.amin(1).floor().tolist(), flat.amax(1).ceil().tolist()
    starts = [min(max(int(v) - support_px, 0), size - 1) for v, size in zip(low, full_size, strict=True)]
    stops = [max(min(int(v) + support_px + 1, size), 1) for v, size in zip(high, full_size, strict=True)]
    (top, left), (bottom, right) = starts, stops
    return top, left, max(bottom, top + 1), max(right, left + 1)


def resample(image: Tensor, coordinates: Tensor, origin: tuple[int, int] = (0, 0), *, mode: str = "bicubic") -> Tensor:
    """Read an image at given coordinates.

    Args:
        image: (C, H, W), the pixels of the input box.
        coordinates: (1, 2, h, w) rows and columns in the full input for all planes, or (C, 2, h, w).
        origin: (row, column) of the image's first pixel in the full input.
        mode: "bicubic", "bilinear" or "nearest".

    Returns:
        (C, h, w) of the image's dtype.

    Raises:
        ValueError: if there are neither one set of coordinates nor one for each plane.

    Source: cubic convolution, Keys 1981, IEEE TASSP 29(6), with a = −0.75.
    """
    if len(coordinates) not in (1, len(image)):
        raise ValueError(f"{len(coordinates)} sets of coordinates for {len(image)} planes: give one, or one for each")
    height, width = image.shape[-2:]
    y = (coordinates[:, 0] - origin[0]) * (2.0 / max(height - 1, 1)) - 1.0
    x = (coordinates[:, 1] - origin[1]) * (2.0 / max(width - 1, 1)) - 1.0
    grid = torch.stack([x, y], -1).to(image.dtype)
    batch = image[:, None] if len(grid) > 1 else image[None]
    out = F.grid_sample(batch, grid, mode=mode, padding_mode="border", align_corners=True)
    return out.reshape(len(image), *grid.shape[1:3])
