"""Chroma noise of a demosaiced image: blotches of colour, larger than a pixel, smoothed along the edges of luma.

In each window a difference of colour is modelled as a straight line of luma; what the line does not explain is kept in
the share that noise does not explain either, so that colour edges between equally bright surfaces stay. Luma is left
as it is.
"""

import torch
from torch import Tensor

from isp_ns.ops.denoise import NEGLIGIBLE_SIGMA, denoise_rgb_with, is_negligible
from isp_ns.ops.filters import box_mean
from isp_ns.ops.noise import NoisePairs

__all__ = ["chroma_halo", "smooth_chroma"]


def chroma_halo(radius_px: int = 6) -> int:
    """Pixels around a tile that `smooth_chroma` depends on.

    Args:
        radius_px: as there.

    Source: none; two box means, one after the other.
    """
    return 2 * radius_px


def smooth_chroma(
    image: Tensor,
    noise: NoisePairs,
    *,
    strength: float = 2.0,
    radius_px: int = 6,
    negligible_sigma: float = NEGLIGIBLE_SIGMA,
) -> Tensor:
    """Smooth the colour of an RGB image and not its luma, driven by the noise model; halo `chroma_halo(radius_px)`.

    Args:
        image: (3, H, W) linear, black 0, unclipped below black.
        noise: (scale, offset) pairs of its channels, gains included.
        strength: by how much the variance of chroma noise is overstated; demosaicing makes its coarse part 2 to 4
            times that of the samples.
        radius_px: half side of the windows in pixels, at least 1; the largest blotch removed.
        negligible_sigma: noise at an 18 % grey below which the input is returned as it is.

    Returns:
        (3, H, W).

    Source: guided filter of He, Sun and Tang, ECCV 2010, its residual shrunk by the local Wiener filter of Lee 1980,
    IEEE TPAMI 2(2).
    """
    if is_negligible(noise, negligible_sigma):
        return image

    def smooth(planes: Tensor) -> Tensor:
        return torch.cat([planes[:1], _follow_luma(planes[:1], planes[1:], radius_px, strength)])

    # Luma passes as it is: there is no average whose bias would have to be made up for.
    return denoise_rgb_with(image, noise, smooth, averages=False)


def _follow_luma(luma: Tensor, chroma: Tensor, radius_px: int, strength: float) -> Tensor:
    """Local lines of luma through chroma of unit noise, plus the share of the rest that is not noise."""
    mean_luma, mean_chroma = box_mean(luma, radius_px), box_mean(chroma, radius_px)
    variance = box_mean(luma * luma, radius_px).addcmul_(mean_luma, mean_luma, value=-1).clamp_(min=0)
    covariance = box_mean(luma * chroma, radius_px).addcmul_(mean_luma, mean_chroma, value=-1)
    unexplained = box_mean(chroma * chroma, radius_px).addcmul_(mean_chroma, mean_chroma, value=-1)
    slope = covariance / variance.add_(1.0)
    unexplained.addcmul_(slope, covariance, value=-1).clamp_(min=1e-6)
    share = unexplained.reciprocal_().mul_(-strength).add_(1.0).clamp_(min=0)
    base = mean_chroma.addcmul_(slope, mean_luma, value=-1)
    line = box_mean(base, radius_px).addcmul_(box_mean(slope, radius_px), luma)
    return line.addcmul_(box_mean(share, 1), chroma - line)
