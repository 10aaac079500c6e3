"""The frame in which every denoiser of this package works: unit noise in opponent planes, luma first.

A variance-stabilising transform gives each sample noise of standard deviation 1, an orthonormal opponent transform
keeps it so and parts luma from chroma, and a filter that knows nothing of cameras does the work between. The same
filter so serves a mosaic, whose four phases are planes at half the size, and an RGB image.
"""

import math
from collections.abc import Callable, Sequence

from torch import Tensor

from isp_ns.ops.filters import merge_phases, split_phases
from isp_ns.ops.noise import (
    NoisePairs,
    anscombe,
    channel_noise,
    inverse_anscombe,
    noise_sigma,
    unbiased_inverse_anscombe,
)

__all__ = [
    "NEGLIGIBLE_SIGMA",
    "PlaneFilter",
    "denoise_mosaic_with",
    "denoise_rgb_with",
    "is_negligible",
    "opponent_matrix",
]

PlaneFilter = Callable[[Tensor], Tensor]
"""Smooths (C, h, w) planes of unit white noise, luma first, and returns new planes of the same shape."""

NEGLIGIBLE_SIGMA = 0.002
"""Noise at an 18 % grey, in units of white, that is left alone: half a step of 8-bit sRGB."""


def is_negligible(noise: NoisePairs, negligible_sigma: float = NEGLIGIBLE_SIGMA) -> bool:
    """Whether noise is too small to be worth removing, so that a denoiser returns its input.

    Args:
        noise: (scale, offset) pairs of the noise model.
        negligible_sigma: standard deviation at an 18 % grey below which it is.

    Source: none; the slope of the sRGB curve at 18 % is 1.0, so 0.002 is half of 1/255.
    """
    return noise_sigma(noise) < negligible_sigma


def opponent_matrix(letters: str) -> tuple[tuple[float, ...], ...]:
    """Orthonormal transform from colour samples to luma and differences of colour.

    Args:
        letters: "RGB", or the four letters of a Bayer cell in reading order.

    Returns:
        Rows of weights by letter: luma first; last, for a cell, the difference of its greens.

    Source: for the cell, the 4-point Hadamard matrix up to order; for RGB, the opponent colours of Ohta et al. 1980
    (Karhunen-Loève approximation), made orthonormal.
    """
    half, root = 0.5, math.sqrt(0.5)
    if letters == "RGB":
        third, sixth = math.sqrt(1 / 3), math.sqrt(1 / 6)
        return (third, third, third), (root, 0.0, -root), (-sixth, 2 * sixth, -sixth)
    first_green = letters.index("G")
    greens = tuple(0.0 if c != "G" else (root if i == first_green else -root) for i, c in enumerate(letters))
    return (
        (half,) * 4,
        tuple({"R": root, "G": 0.0, "B": -root}[c] for c in letters),
        tuple(half if c == "G" else -half for c in letters),
        greens,
    )


def _transform(planes: Tensor, rows: Sequence[Sequence[float]]) -> Tensor:
    """Linear combinations of planes: out[i] = Σ rows[i][j] · planes[j]."""
    matrix = planes.new_tensor(rows)
    return (matrix @ planes.flatten(1)).view(planes.shape)


def _stabilised(
    planes: Tensor, letters: str, noise: NoisePairs, plane_filter: PlaneFilter, *, averages: bool = True
) -> Tensor:
    """Run a filter on planes brought to unit noise and opponent colours, and bring them back."""
    scale, offset = channel_noise(noise, planes, letters)
    forward = opponent_matrix(letters)
    smooth = plane_filter(_transform(anscombe(planes, scale, offset), forward))
    back = tuple(zip(*forward, strict=True))
    inverse = unbiased_inverse_anscombe if averages else inverse_anscombe
    return inverse(_transform(smooth, back), scale, offset)


def denoise_mosaic_with(mosaic: Tensor, pattern: str, noise: NoisePairs, plane_filter: PlaneFilter) -> Tensor:
    """Denoise a mosaic with a filter of planes; the halo is twice that of the filter, plus 2.

    Luma is formed of the 2×2 cells that begin at the first pixel: tiles begin at even rows and columns of the whole.

    Args:
        mosaic: (1, H, W) linear, black 0, unclipped below black.
        pattern: four letters of the CFA at the first pixel.
        noise: (scale, offset) pairs of the noise model.
        plane_filter: works on (4, ceil(H/2), ceil(W/2)).

    Returns:
        (1, H, W).

    Source: variance stabilisation of Mäkitalo and Foi 2013, IEEE TIP 22(1); opponent transform of the Bayer cell as
    in Danielyan et al. 2009, "Cross-color BM3D filtering of noisy raw data".
    """
    size = (mosaic.shape[-2], mosaic.shape[-1])
    return merge_phases(_stabilised(split_phases(mosaic), pattern, noise, plane_filter), size)


def denoise_rgb_with(image: Tensor, noise: NoisePairs, plane_filter: PlaneFilter, *, averages: bool = True) -> Tensor:
    """Denoise an RGB image with white noise with a filter of planes; the halo is that of the filter.

    Args:
        image: (3, H, W) linear, black 0, unclipped below black.
        noise: (scale, offset) pairs of the noise model.
        plane_filter: works on (3, H, W).
        averages: whether the filter averages the noise of all planes away, so that the mean of the square root, which
            lies below the root of the mean, is to be made up for.

    Returns:
        (3, H, W).

    Source: see `denoise_mosaic_with`.
    """
    return _stabilised(image, "RGB", noise, plane_filter, averages=averages)
