"""Local tone mapping: brighten dark areas and hold back bright ones, without touching detail or ringing at edges.

The brightness of the surroundings of every pixel, its base, comes from a small grid over rows, columns and log
luminance. The grid is filled by a statistic that adds up over tiles; the pixels then need only the grid and their
own place in the full image, so that tiles have no halo and no seams.
Source: Chen, Paris and Durand, "Real-time Edge-Aware Image Processing with the Bilateral Grid" (2007); Durand and
Dorsey, "Fast Bilateral Filtering for the Display of High-Dynamic-Range Images" (2002).
"""

import torch
from torch import Tensor

from isp_ns.ops.colour import luminance
from isp_ns.ops.tone import GREY

__all__ = ["base_grid", "local_exposure", "local_tone_stats"]

_ROWS = _COLUMNS = 16
_DARKEST_EV, _BRIGHTEST_EV = -14, 4
_LEVELS = _BRIGHTEST_EV - _DARKEST_EV + 1
_STEP_PX = 4


def _log_light(rgb: Tensor, space: str) -> Tensor:
    """log2 of luminance, (H, W), within the range of the grid."""
    light = luminance(rgb, space)[0]
    return light.clamp_(2.0**_DARKEST_EV, 2.0**_BRIGHTEST_EV).log2_()


def local_tone_stats(
    rgb: Tensor, *, origin: tuple[int, int] = (0, 0), full_size: tuple[int, int] | None = None, space: str = "srgb"
) -> Tensor:
    """Count and sum of log luminance by grid cell, from every fourth pixel; those of tiles add up.

    Args:
        rgb: (3, H, W) linear.
        origin: Row and column of the tile's first pixel in the full image.
        full_size: Height and width of the full image; that of `rgb` if left out.
        space: RGB space of the pixels, for the luminance weights.

    Returns:
        (2, levels, rows, columns) float64.

    Source: Chen et al. (2007), grid creation.
    """
    size = full_size or (rgb.shape[-2], rgb.shape[-1])
    first = [-start % _STEP_PX for start in origin]
    light = _log_light(rgb[:, first[0] :: _STEP_PX, first[1] :: _STEP_PX], space)
    axes = [
        torch.arange(n, device=rgb.device) * _STEP_PX + o + f
        for n, o, f in zip(light.shape, origin, first, strict=True)
    ]
    rows = axes[0] * _ROWS // size[0]
    columns = axes[1] * _COLUMNS // size[1]
    level = light.sub(_DARKEST_EV).round().long()
    index = ((level * _ROWS + rows[:, None]) * _COLUMNS + columns).flatten()
    cells = _LEVELS * _ROWS * _COLUMNS
    count = torch.bincount(index, minlength=cells).double()
    total = torch.bincount(index, weights=light.flatten().double(), minlength=cells)
    return torch.stack((count, total)).view(2, _LEVELS, _ROWS, _COLUMNS)


def base_grid(stats: Tensor) -> Tensor:
    """The base, log2 of the light around, by grid cell.

    Args:
        stats: Sum of `local_tone_stats`.

    Returns:
        (levels, rows, columns) float32; cells without pixels around have the light of their level.

    Source: Chen et al. (2007), grid processing with a Gaussian.
    """
    own = torch.arange(_DARKEST_EV, _BRIGHTEST_EV + 1, dtype=torch.float64)[:, None, None]
    count, total = (_smooth(_smooth(part)) for part in stats.cpu())
    prior = 1e-6 * float(stats[0].sum()) + 1e-12
    return ((total + prior * own) / (count + prior)).float()


def _smooth(grid: Tensor) -> Tensor:
    """1-2-1 filter along the three axes, the edge cells repeated."""
    for axis in range(3):
        last = grid.shape[axis] - 1
        before = torch.cat((grid.narrow(axis, 0, 1), grid.narrow(axis, 0, last)), axis)
        after = torch.cat((grid.narrow(axis, 1, last), grid.narrow(axis, last, 1)), axis)
        grid = (before + 2.0 * grid + after) / 4.0
    return grid


def _places(start: int, count: int, size: int, cells: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Index of the lower neighbour cell and distance from it, for `count` pixels of an axis of `size` pixels."""
    centre = (torch.arange(start, start + count, device=device, dtype=torch.float64) + 0.5) / size * cells - 0.5
    centre = centre.clamp(0.0, cells - 1.0)
    lower = centre.floor().clamp(max=cells - 2)
    return lower.to(torch.int32), (centre - lower).float()


def _sample(grid: Tensor, light: Tensor, origin: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Trilinear look-up of the grid at every pixel, (H, W)."""
    height, width = light.shape
    row, row_part = _places(origin[0], height, size[0], _ROWS, light.device)
    column, column_part = _places(origin[1], width, size[1], _COLUMNS, light.device)
    lines = torch.lerp(grid[:, row], grid[:, row + 1], row_part[:, None]).flatten()
    place = light.sub(_DARKEST_EV)
    level = place.to(torch.int32).clamp_(0, _LEVELS - 2)
    place.sub_(level)
    index = level.mul_(height).add_(torch.arange(height, device=light.device, dtype=torch.int32)[:, None])
    index = index.mul_(_COLUMNS).add_(column).flatten()
    next_level = height * _COLUMNS
    corners = [lines.index_select(0, index + step).view_as(light) for step in (0, 1, next_level, next_level + 1)]
    darker, brighter = corners[0].lerp_(corners[1], column_part), corners[2].lerp_(corners[3], column_part)
    return darker.lerp_(brighter, place)


def local_exposure(
    rgb: Tensor,
    grid: Tensor,
    *,
    strength: float = 0.3,
    limit_ev: float = 2.0,
    grey: float = GREY,
    origin: tuple[int, int] = (0, 0),
    full_size: tuple[int, int] | None = None,
    space: str = "srgb",
) -> Tensor:
    """Move the base of every pixel towards grey, and leave its detail and its chromaticity.

    Args:
        rgb: (3, H, W) linear.
        grid: Result of `base_grid` for the full image.
        strength: Part of the distance to grey in EV that is taken away, 0..1; 0 changes nothing.
        limit_ev: Largest change of exposure either way.
        grey: Light that stays as it is.
        origin: Row and column of the tile's first pixel in the full image.
        full_size: Height and width of the full image; that of `rgb` if left out.
        space: RGB space of the pixels, for the luminance weights.

    Returns:
        (3, H, W) linear, not clipped.

    Source: Durand and Dorsey (2002), section 6, compression of the base.
    """
    light = _log_light(rgb, space)
    base = _sample(grid.to(rgb), light, origin, full_size or (rgb.shape[-2], rgb.shape[-1]))
    darker_by = base.neg_().add_(torch.tensor(grey).log2())
    return rgb * darker_by.mul_(strength).clamp_(-limit_ev, limit_ev).exp2_()
