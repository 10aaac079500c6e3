"""Chroma noise of a demosaiced image: blotches of colour, larger than a pixel, smoothed along the edges of luma.

In each window a difference of colour is modelled as a straight line of luma; what the line does not explain is kept in
the share that noise does not explain either, so that colour edges between equally bright surfaces stay. Luma is left
as it is.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from isp_ns.ops.denoise import NEGLIGIBLE_SIGMA, denoise_rgb_with, is_negligible
from isp_ns.ops.filters import box_mean, double_size
from isp_ns.ops.noise import NoisePairs

__all__ = ["chroma_halo", "smooth_chroma"]

_HALVED_NOISE = 0.5
"""Variance of unit noise after the mean of 2×2 pixels; 1/4 if it were white, more behind a demosaicker."""


def chroma_halo(radius_px: int = 6) -> int:
    """Pixels around a tile that `smooth_chroma` depends on.

    Args:
        radius_px: as there.

    Source: none; two box means, one after the other, and the cells of half size.
    """
    return 2 * radius_px + 4


def smooth_chroma(
    image: Tensor,
    noise: NoisePairs,
    *,
    strength: float = 2.0,
    radius_px: int = 6,
    negligible_sigma: float = NEGLIGIBLE_SIGMA,
) -> Tensor:
    """Smooth the colour of an RGB image and not its luma, driven by the noise model; halo `chroma_halo(radius_px)`.

    Tiles begin at even rows and columns of the whole.

    Args:
        image: (3, H, W) linear, black 0, unclipped below black.
        noise: (scale, offset) pairs of its channels, gains included.
        strength: by how much the variance of chroma noise is overstated; demosaicing makes its coarse part 2 to 4
            times that of the samples.
        radius_px: half side of the windows in pixels, at least 1; the largest blotch removed.
        negligible_sigma: noise at an 18 % grey below which the input is returned as it is.

    Returns:
        (3, H, W).

    Source: guided filter of He, Sun and Tang, ECCV 2010, at half size as in He and Sun 2015 (arXiv 1505.00996), its
    residual shrunk by the local Wiener filter of Lee 1980,
    IEEE TPAMI 2(2).
    """
    if is_negligible(noise, negligible_sigma):
        return image

    def smooth(planes: Tensor) -> Tensor:
        return torch.cat([planes[:1], _follow_luma(planes[:1], planes[1:], radius_px, strength)])

    # Luma passes as it is: there is no average whose bias would have to be made up for.
    return denoise_rgb_with(image, noise, smooth, averages=False)


def _follow_luma(luma: Tensor, chroma: Tensor, radius_px: int, strength: float) -> Tensor:
    """Local lines of luma through chroma of unit noise, plus the share of the rest that is not noise.

    Lines and shares vary slowly: they are found at half size and applied at full size.
    """
    height, width = luma.shape[-2:]
    halved = _halved(torch.cat([luma, chroma]))
    lines = _lines(halved[:1], halved[1:], max(1, radius_px // 2), strength)
    full = double_size(lines)[:, :height, :width]
    base, slope, share = full[:2], full[2:4], full[4:]
    line = torch.addcmul(base, slope, luma)
    return line.addcmul_(share, chroma - line)


def _lines(luma: Tensor, chroma: Tensor, radius: int, strength: float) -> Tensor:
    """(6, h, w): base and slope of the local lines, and the share of the rest to keep, for both planes of chroma."""
    mean_luma, mean_chroma = box_mean(luma, radius), box_mean(chroma, radius)
    variance = box_mean(luma * luma, radius).addcmul_(mean_luma, mean_luma, value=-1).clamp_(min=0)
    covariance = box_mean(luma * chroma, radius).addcmul_(mean_luma, mean_chroma, value=-1)
    unexplained = box_mean(chroma * chroma, radius).addcmul_(mean_chroma, mean_chroma, value=-1)
    slope = covariance / variance.add_(_HALVED_NOISE)
    unexplained.addcmul_(slope, covariance, value=-1).clamp_(min=1e-6)
    share = unexplained.reciprocal_().mul_(-strength * _HALVED_NOISE).add_(1.0).clamp_(min=0)
    base = mean_chroma.addcmul_(slope, mean_luma, value=-1)
    return torch.cat([box_mean(torch.cat([base, slope]), radius), box_mean(share, 1)])


def _halved(planes: Tensor) -> Tensor:
    """Means of 2×2 pixels, the last row and column repeated where there is an odd one."""
    height, width = planes.shape[-2:]
    if height % 2 or width % 2:
        planes = F.pad(planes[None], (0, width % 2, 0, height % 2), mode="replicate")[0]
    rows = planes[:, 0::2] + planes[:, 1::2]
    return (rows[..., 0::2] + rows[..., 1::2]).mul_(0.25)
