"""Wavelet shrinkage with known noise; the denoiser of the default look is `shrink_mosaic`.

An undecimated (à trous) transform with the linear spline splits planes into levels of detail; each coefficient is
scaled by the share of its neighbourhood's energy that noise does not explain. No threshold is global, so tiles agree.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from isp_ns.ops.denoise import NEGLIGIBLE_SIGMA, denoise_mosaic_with, denoise_rgb_with, is_negligible
from isp_ns.ops.filters import pad_mirror, window_sum_valid
from isp_ns.ops.noise import NoisePairs

__all__ = ["DETAIL_SIGMA", "shrink_halo", "shrink_mosaic", "shrink_planes", "shrink_rgb"]

DETAIL_SIGMA = (0.800391, 0.272879, 0.119779, 0.057766, 0.028616, 0.014275)
"""Standard deviation of each level's coefficients for unit white noise: the norm of the level's kernel.

Source: computed from the kernel [1, 2, 1]/4 in both directions, à trous.
"""

_FINE_RADIUS = 2
"""Half side of the window of local energy at the finest level; coarser levels take 3×3 at their own spacing."""


def shrink_halo(levels: int = 3) -> int:
    """Pixels of a plane around a tile that shrinkage depends on; a mosaic needs twice as many, plus 2.

    Args:
        levels: as in `shrink_planes`.

    Source: none; reach of the kernels of all levels.
    """
    return (1 << levels) - 1 + max(_FINE_RADIUS, 1 << (levels - 1))


def _smooth(planes: Tensor, step: int) -> Tensor:
    """Linear spline [1, 2, 1]/4 in both directions, taps `step` apart."""
    out = pad_mirror(planes, step)
    for axis in (-2, -2, -1, -1):
        length = out.shape[axis] - step
        out = out.narrow(axis, 0, length) + out.narrow(axis, step, length)
    return out.mul_(1 / 16)


def _local_energy(detail: Tensor, level: int) -> tuple[Tensor, int]:
    """Sum of squares over the window of a level, and how many it sums."""
    squares = detail * detail
    if level == 0:
        side = 2 * _FINE_RADIUS + 1
        padded = pad_mirror(squares, _FINE_RADIUS)
        return window_sum_valid(window_sum_valid(padded, side, -2), side, -1), side**2
    step = 2**level
    out = pad_mirror(squares, step)
    for axis in (-2, -1):
        length = out.shape[axis] - 2 * step
        ends = out.narrow(axis, 0, length) + out.narrow(axis, 2 * step, length)
        out = ends.add_(out.narrow(axis, step, length))
    return out, 9


def shrink_planes(planes: Tensor, strengths: Sequence[float], *, levels: int = 3) -> Tensor:
    """Remove unit white noise from planes by local Wiener shrinkage of wavelet coefficients; halo `shrink_halo`.

    Args:
        planes: (C, h, w) with noise of standard deviation 1.
        strengths: for each plane, by how much the variance of the noise is overstated; 2 is best by squared error,
            0 leaves the plane alone.
        levels: scales treated, 1 to 6.

    Returns:
        (C, h, w).

    Raises:
        ValueError: if strengths are not one for each plane, or levels are out of range.

    Source: Mihçak et al. 1999, IEEE Signal Processing Letters 6(12) (local Wiener filter of wavelet coefficients), on
    the à trous transform of Shensa 1992, IEEE TSP 40(10).
    """
    if len(strengths) != len(planes) or not 1 <= levels <= len(DETAIL_SIGMA):
        raise ValueError(
            f"{len(planes)} planes, {len(strengths)} strengths, {levels} levels: give one strength for each plane "
            f"and 1 to {len(DETAIL_SIGMA)} levels"
        )
    strength = planes.new_tensor(strengths)[:, None, None]
    kept = torch.zeros_like(planes)
    for level in range(levels):
        smooth = _smooth(planes, 2**level)
        detail = planes - smooth
        energy, count = _local_energy(detail, level)
        noise_energy = strength * (count * DETAIL_SIGMA[level] ** 2)
        share = energy.clamp_(min=1e-12).reciprocal_().mul_(-noise_energy).add_(1.0).clamp_(min=0)
        kept.addcmul_(detail, share)
        planes = smooth
    return kept.add_(planes)


def shrink_mosaic(
    mosaic: Tensor,
    pattern: str,
    noise: NoisePairs,
    *,
    luma: float = 1.5,
    chroma: float = 2.5,
    levels: int = 3,
    negligible_sigma: float = NEGLIGIBLE_SIGMA,
) -> Tensor:
    """Denoise a mosaic before demosaicing, driven by the noise model; halo 2·`shrink_halo(levels)` + 2, align 2.

    Args:
        mosaic: (1, H, W) linear, black 0, unclipped below black.
        pattern: four letters of the CFA at the first pixel.
        noise: (scale, offset) pairs of the noise model.
        luma: strength on luma, 0 for none, 2 for the least squared error.
        chroma: strength on the three differences of colour.
        levels: scales treated, 1 to 6; each doubles the size of the coarsest grain removed.
        negligible_sigma: noise at an 18 % grey below which the input is returned as it is.

    Returns:
        (1, H, W).

    Source: see `shrink_planes` and `isp_ns.ops.denoise.denoise_mosaic_with`.
    """
    if is_negligible(noise, negligible_sigma):
        return mosaic
    strengths = (luma, chroma, chroma, chroma)
    return denoise_mosaic_with(mosaic, pattern, noise, partial(shrink_planes, strengths=strengths, levels=levels))


def shrink_rgb(
    image: Tensor,
    noise: NoisePairs,
    *,
    luma: float = 1.5,
    chroma: float = 2.5,
    levels: int = 4,
    negligible_sigma: float = NEGLIGIBLE_SIGMA,
) -> Tensor:
    """Denoise an RGB image with white noise, driven by the noise model; halo `shrink_halo(levels)`.

    Args:
        image: (3, H, W) linear, black 0, unclipped below black.
        noise: (scale, offset) pairs of the noise model.
        luma: strength on luma, 0 for none, 2 for the least squared error.
        chroma: strength on the two differences of colour.
        levels: scales treated, 1 to 6.
        negligible_sigma: noise at an 18 % grey below which the input is returned as it is.

    Returns:
        (3, H, W).

    Source: see `shrink_planes` and `isp_ns.ops.denoise.denoise_rgb_with`.
    """
    if is_negligible(noise, negligible_sigma):
        return image
    return denoise_rgb_with(image, noise, partial(shrink_planes, strengths=(luma, chroma, chroma), levels=levels))
