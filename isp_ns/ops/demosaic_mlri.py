"""Residual interpolation: the best classical demosaicking of the toolkit, a few dozen passes over quarter planes.

Green comes from horizontal and vertical estimates that follow the local slope between the colours, fused by how calm
their colour differences are on each side; red and blue follow green by a local linear model whose residual is
interpolated. Sources of the parts:

    slopes      Kiku, Monno, Tanaka, Okutomi, "Minimized-Laplacian residual interpolation for color image demosaicking",
                SPIE 9023 (2014)
    fusion      Pekkucuksen, Altunbasak, "Gradient based threshold free color filter array interpolation", ICIP 2010,
                and "Multiscale gradients-based color filter array interpolation", IEEE TIP 22(1), 2013 (the update)
    red, blue   Kiku, Monno, Tanaka, Okutomi, "Beyond color difference: residual interpolation for color image
                demosaicking", IEEE TIP 25(3), 2016

Different here: windows are smaller, and both regressions are ridge regressions towards slope 1, where they become the
plain colour difference; that keeps them calm in noise and flat areas.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from isp_ns.ops.cfa import to_rggb
from isp_ns.ops.demosaic_lattice import Lattice, join_cells, split_lattice, window

__all__ = ["MLRI_HALO", "mlri"]

MLRI_HALO = 14
"""Pixels around a tile that `mlri` looks at."""

_INSET = 10
"""Sites that the steps use up at each side."""

_SLOPE_RIDGE = 2e-3
"""Added to sums of three squared Laplacians (times 16) of values of 0..1."""

_CALM_FLOOR = 1e-4
"""Added to squared sums of nine or so gradients, so that flat areas weigh all sides equally."""

_MODEL_RIDGE = 1e-2
"""Added to the variance of green over 3×3 sites."""

_UPDATE = 0.5
"""Share of the neighbours in the updated colour difference."""

Size = tuple[int, int]


class _Direction(NamedTuple):
    """What one direction says, (2, h, w) at the sites: smoothed colour difference and squared gradients."""

    difference: Tensor
    unrest: Tensor
    before: Tensor
    after: Tensor


def mlri(mosaic: Tensor, pattern: str) -> Tensor:
    """Demosaic by residual interpolation.

    Args:
        mosaic: (1, H, W) float, white-balanced; the regularisation expects white near 1 and a gamma-like encoding, see
            `isp_ns.ops.demosaic.companded` for linear data. Unclipped, negative and noisy values are fine. H and W at
            least 2, odd sizes included.
        pattern: the 2×2 cell at the first pixel, "RGGB" for example.

    Returns:
        (3, H, W) unclipped, the mosaic's own samples kept as they are. Not differentiable.

    Raises:
        ValueError: if `mosaic` or `pattern` is not what is said above.

    Source: Kiku et al. (2014, 2016), Pekkucuksen and Altunbasak (2010, 2013); see the module.
    """
    height, width = mosaic.shape[-2:]
    extended, (top, left) = to_rggb(mosaic, pattern, 2 * _INSET + 2)
    with torch.no_grad():
        lattice = split_lattice(extended)
        rgb = _colours(lattice, _green_difference(lattice))
    top, left = top - 2 * _INSET, left - 2 * _INSET
    return rgb[:, top : top + height, left : left + width]


def _green_difference(lattice: Lattice) -> Tensor:
    """Green minus the site's own colour, (2, h - 14, w - 14)."""
    sites, right, below = lattice
    rows, columns = sites.shape[-2:]
    size = rows - 12, columns - 12
    across = _direction(sites, right, size)
    down = _Direction(*(part.mT for part in _direction(sites.mT, below.mT, size[::-1])))
    share = across.unrest.div(across.unrest + down.unrest)
    difference = torch.lerp(across.difference, down.difference, share)
    return _updated(difference, across, down, (rows - 14, columns - 14))


def _updated(difference: Tensor, across: _Direction, down: _Direction, size: Size) -> Tensor:
    """The colour difference drawn to its four neighbours, each weighted by how calm the way there is."""
    ways = (across.before, across.after, down.before, down.after)
    weights = [window(unrest, size).reciprocal() for unrest in ways]
    neighbours = [window(difference, size, dy, dx) for dy, dx in ((0, -1), (0, 1), (-1, 0), (1, 0))]
    weighted = weights[0] * neighbours[0]
    for weight, neighbour in zip(weights[1:], neighbours[1:], strict=True):
        weighted.addcmul_(weight, neighbour)
    total = weights[0].add_(weights[1]).add_(weights[2]).add_(weights[3])
    return torch.lerp(window(difference, size), weighted.div_(total), _UPDATE)


def _direction(sites: Tensor, right: Tensor, size: Size) -> _Direction:
    """The horizontal view of the green sites; the vertical one is this on transposed lattices."""
    band = size[0] + 2, sites.shape[-1]
    sites, right = window(sites, band), window(right, band)
    span = band[0], band[1] - 6
    at_site = _estimate(sites[..., 1:], _mean_of_pairs(right))[..., :-1].sub_(window(sites, span))
    at_green = _estimate(right[..., :-1], _mean_of_pairs(sites))[..., 1:].neg_().add_(window(right, span))
    span = band[0], band[1] - 8
    smooth = window(at_green, span, 0, -1).add(window(at_green, span)).add_(window(at_site, span)).mul_(1 / 3)
    site_step = window(at_green, span).sub(window(at_green, span, 0, -1)).abs_()
    green_step = window(at_site, span, 0, 1).sub(window(at_site, span)).abs_()
    return _Direction(window(smooth, size), *_unrest(site_step, green_step, size))


def _estimate(known: Tensor, mean: Tensor) -> Tensor:
    """The missing colour along a row: its linear interpolation bent like the known colour, times the local slope.

    `mean` is the linear interpolation of the missing colour at the places of `known`. The slope is the one that
    minimises the Laplacian of the residual over three places. Two places less at each end.
    """
    bend, missing_bend = _curvature(known), _curvature(mean)
    energy = _sum_of_three(bend * bend).add_(_SLOPE_RIDGE)
    slope = _sum_of_three(missing_bend.mul_(bend)).add_(_SLOPE_RIDGE).div_(energy)
    return torch.addcmul(mean[..., 2:-2], slope, bend[..., 1:-1], value=-0.25)


def _mean_of_pairs(x: Tensor) -> Tensor:
    return torch.lerp(x[..., :-1], x[..., 1:], 0.5)


def _curvature(x: Tensor) -> Tensor:
    return torch.sub(x[..., :-2] + x[..., 2:], x[..., 1:-1], alpha=2)


def _sum_of_three(x: Tensor) -> Tensor:
    return torch.add(x[..., :-2], x[..., 2:]).add_(x[..., 1:-1])


def _unrest(site_step: Tensor, green_step: Tensor, size: Size) -> tuple[Tensor, Tensor, Tensor]:
    """Squared sums of the gradients over 3×3 pixels around each site, and towards the site before and after it."""
    band = size[0], size[1] + 2
    at_site, at_green = window(site_step, band).clone(), window(green_step, band).clone()
    for total, views in zip(at_site, _above_and_below_site(green_step, band), strict=True):
        total.add_(views[0]).add_(views[1])
    for total, views in zip(at_green, _above_and_below_green(site_step, band), strict=True):
        total.add_(views[0]).add_(views[1])
    around = window(at_green, size, 0, -1).add(window(at_green, size)).add_(window(at_site, size))
    ahead = at_site[..., :-1].add(at_site[..., 1:]).add_(at_green[..., :-1])
    floor = around.new_tensor(_CALM_FLOOR)
    around, ahead = torch.addcmul(floor, around, around), torch.addcmul(floor, ahead, ahead)
    return around, ahead[..., :-1], ahead[..., 1:]


def _above_and_below_site(right: Tensor, size: Size) -> tuple[tuple[Tensor, Tensor], ...]:
    """For red and for blue sites: the views of the `right` values in the pixels above and below."""
    red = window(right[1], size, -1, -1), window(right[1], size, 0, -1)
    blue = window(right[0], size), window(right[0], size, 1)
    return red, blue


def _above_and_below_green(sites: Tensor, size: Size) -> tuple[tuple[Tensor, Tensor], ...]:
    """For the greens at the right of red and of blue: the views of the site values above and below."""
    of_red = window(sites[1], size, -1), window(sites[1], size)
    of_blue = window(sites[0], size, 0, 1), window(sites[0], size, 1, 1)
    return of_red, of_blue


def _colours(lattice: Lattice, difference: Tensor) -> Tensor:
    """Red and blue everywhere, and the image put together.

    A colour is modelled as green less (slope · green + rest) around its sites; slope and rest are smooth, so their
    linear interpolation serves at the other pixels.
    """
    rows, columns = lattice.sites.shape[-2:]
    size = rows - 18, columns - 18
    green = window(lattice.sites, (rows - 14, columns - 14)) + difference
    slope = _slope(green, difference)
    green = window(green, size)
    rest = torch.addcmul(window(difference, size), slope, green, value=-1)
    opposite = torch.stack([green[1, :-1, :-1], green[0, 1:, 1:]])
    right, below, across = (
        torch.addcmul(between_rest, between_slope, at_green).neg_().add_(at_green)
        for between_slope, between_rest, at_green in zip(
            _between(slope),
            _between(rest),
            (window(lattice.right, size)[..., :-1], window(lattice.below, size)[..., :-1, :], opposite),
            strict=True,
        )
    )
    return _assemble(lattice, green, right, below, across)


def _slope(green: Tensor, difference: Tensor) -> Tensor:
    """Regression of the colour difference on green over 3×3 sites, ridge towards 0, then averaged over 3×3 sites."""
    green_sum, difference_sum = _sum_of_nine(green), _sum_of_nine(difference)
    covariance = _sum_of_nine(green * difference).addcmul_(green_sum, difference_sum, value=-1 / 9)
    variance = _sum_of_nine(green * green).addcmul_(green_sum, green_sum, value=-1 / 9)
    return _sum_of_nine(covariance.div_(variance.add_(9 * _MODEL_RIDGE))).mul_(1 / 9)


def _sum_of_nine(x: Tensor) -> Tensor:
    return _sum_of_three(_sum_of_three(x).mT).mT


def _between(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Linear interpolation of a site lattice to the right, below, and to the middle of four sites."""
    right = torch.lerp(x[..., :-1], x[..., 1:], 0.5)
    below = torch.lerp(x[:, :-1], x[:, 1:], 0.5)
    return right, below, torch.lerp(right[:, :-1], right[:, 1:], 0.5)


def _assemble(lattice: Lattice, green: Tensor, right: Tensor, below: Tensor, across: Tensor) -> Tensor:
    """The image, from the own colour at the other pixels; these arrays start at the first site of `green`."""
    size = green.shape[-2] - 2, green.shape[-1] - 2
    here, next_ = slice(0, size[0]), slice(1, size[0] + 1)
    first, second = slice(0, size[1]), slice(1, size[1] + 1)
    red, blue = window(lattice.sites, size)
    green_at_red, green_at_blue = window(green, size)
    return join_cells(
        [
            (red, right[0, next_, second], below[0, next_, second], across[0, next_, second]),
            (green_at_red, window(lattice.right[0], size), window(lattice.below[0], size), green_at_blue),
            (across[1, here, first], below[1, here, second], right[1, next_, first], blue),
        ]
    )
