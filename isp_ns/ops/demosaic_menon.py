"""Directional demosaicking with a posteriori decision and refining (DDFAPD).

Source: Menon, Andriani, Calvagno, "Demosaicing with directional filtering and a posteriori decision", IEEE
Transactions on Image Processing 16(1), 2007.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from isp_ns.ops.cfa import to_rggb
from isp_ns.ops.demosaic_lattice import (
    Lattice,
    join_cells,
    opposite_of_below,
    opposite_of_right,
    split_lattice,
    window,
)

__all__ = ["MENON_HALO", "menon"]

MENON_HALO = 8
"""Pixels around a tile that `menon` looks at."""

_INSET = 8
"""Sites that the steps use up at each side."""

Size = tuple[int, int]


class _Own(NamedTuple):
    """Red and blue at the greens of their own lattice: `right` and `below` as in Lattice."""

    right: Tensor
    below: Tensor


def menon(mosaic: Tensor, pattern: str, *, refine: bool = True) -> Tensor:
    """Demosaic by interpolating along the direction of the smoother colour difference.

    Args:
        mosaic: (1, H, W) float, white-balanced values of any range; H and W at least 2, odd sizes included.
        pattern: the 2×2 cell at the first pixel, "RGGB" for example.
        refine: smooth the colour differences along the chosen direction afterwards, the paper's refining step.

    Returns:
        (3, H, W) unclipped, the mosaic's own samples kept as they are. Not differentiable.

    Raises:
        ValueError: if `mosaic` or `pattern` is not what is said above.

    Source: Menon, Andriani, Calvagno (2007).
    """
    height, width = mosaic.shape[-2:]
    extended, (top, left) = to_rggb(mosaic, pattern, 2 * _INSET + 2)
    with torch.no_grad():
        rgb = _interpolate(split_lattice(extended), refine)
    top, left = top - 2 * _INSET, left - 2 * _INSET
    return rgb[:, top : top + height, left : left + width]


def _interpolate(lattice: Lattice, refine: bool) -> Tensor:
    sites, right, below = lattice
    rows, columns = sites.shape[-2:]

    def size(inset: int) -> Size:
        return rows - 2 * inset, columns - 2 * inset

    difference_h = _difference(sites, right)
    difference_v = _difference(sites.mT, below.mT).mT
    activity_v = _activity(difference_v.mT, size(3)[::-1]).mT
    horizontal = activity_v >= _activity(difference_h, size(3))
    difference = torch.where(horizontal, window(difference_h, size(3)), window(difference_v, size(3)))

    own = _own_at_green(lattice, difference, size(4))
    between = _other_minus_own(own, size(5))
    other = _along(horizontal, *between, size(6), 0.5)
    if refine:
        steps = _means(difference, size(4))
        smooth = _along(horizontal, *steps, size(5), 1 / 3).add_(window(difference, size(5)), alpha=1 / 3)
        difference = smooth
        own = _own_at_green(lattice, difference, size(6))
        between = _other_minus_own(own, size(7))
        other = _along(horizontal, *between, size(8), 1 / 3).add_(window(other, size(8)), alpha=1 / 3)
    return _assemble(lattice, difference, own, other, size(_INSET))


def _difference(sites: Tensor, right: Tensor) -> Tensor:
    """Site minus green, green interpolated along the rows (eq. 1 of the paper); one site less at each side."""
    rows, columns = sites.shape[-2:]
    size = rows - 2, columns - 2
    curvature = window(sites, size, 0, -1) + window(sites, size, 0, 1)
    green = window(right, size, 0, -1) + window(right, size)
    return torch.sub(window(sites, size), green).mul_(0.5).add_(curvature, alpha=0.25)


def _activity(difference: Tensor, size: Size) -> Tensor:
    """How much the colour difference changes along the rows around each site: the paper's δ_H over 5×5 pixels."""
    near = size[0] + 2, size[1] + 2
    step = window(difference, near).sub(window(difference, near, 0, 1)).abs_()
    both = window(step, (near[0], size[1])) + window(step, (near[0], size[1]), 0, -1)
    # Weight 3 as 2 + 1: products with powers of two are exact, so a tile decides as the whole does.
    total = torch.add(window(both, size, -1), window(both, size, 1))
    total.add_(window(both, size), alpha=2).add_(window(both, size))
    total[0].add_(window(step[1], size, -1, -1)).add_(window(step[1], size, 0, -1))
    total[1].add_(window(step[0], size)).add_(window(step[0], size, 1))
    return total


def _means(difference: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Means of two neighbouring sites, at the greens to the right and below."""
    here = window(difference, size)
    right = torch.add(here, window(difference, size, 0, 1)).mul_(0.5)
    below = torch.add(here, window(difference, size, 1, 0)).mul_(0.5)
    return right, below


def _own_at_green(lattice: Lattice, difference: Tensor, size: Size) -> _Own:
    right, below = _means(difference, size)
    return _Own(right.add_(window(lattice.right, size)), below.add_(window(lattice.below, size)))


def _other_minus_own(own: _Own, size: Size) -> tuple[Tensor, Tensor]:
    """Blue minus red on the red lattice's greens, red minus blue on the blue one's: at the right and below."""
    right = torch.stack(opposite_of_right(own.below, size)).sub_(window(own.right, size))
    below = torch.stack(opposite_of_below(own.right, size)).sub_(window(own.below, size))
    return right, below


def _along(horizontal: Tensor, right: Tensor, below: Tensor, size: Size, weight: float) -> Tensor:
    """The two neighbouring greens' values, left and right or above and below, summed and weighted."""
    row_sum = window(right, size, 0, -1) + window(right, size)
    column_sum = window(below, size, -1, 0) + window(below, size)
    return torch.where(window(horizontal, size), row_sum, column_sum).mul_(weight)


def _assemble(lattice: Lattice, difference: Tensor, own: _Own, other: Tensor, size: Size) -> Tensor:
    red, blue = window(lattice.sites, size)
    blue_at_red, red_at_blue = window(lattice.sites, size) + window(other, size)
    green_at_red, green_at_blue = window(lattice.sites, size) - window(difference, size)
    blue_at_gr = window(own.below[1], size, -1, 0)
    blue_at_gb = window(own.right[1], size, 0, -1)
    return join_cells(
        [
            (red, window(own.right[0], size), window(own.below[0], size), red_at_blue),
            (green_at_red, window(lattice.right[0], size), window(lattice.below[0], size), green_at_blue),
            (blue_at_red, blue_at_gr, blue_at_gb, blue),
        ]
    )
