"""Sharpening of luma that leaves noise alone and does not draw halos; `unsharp` is that of the default look.

Both work on a luma formed of R, G and B and add its change to all three, so that differences of colour stay. Linear
values are right for `capture_sharpen`, which undoes a blur; `unsharp` suits any encoding.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from isp_ns.ops.filters import fir_valid, gaussian_taps, local_extrema, pad_mirror

__all__ = ["LUMA_WEIGHTS", "capture_halo", "capture_sharpen", "unsharp", "unsharp_halo"]

LUMA_WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Luma of linear sRGB. Source: ITU-R BT.709-6, item 3.2."""

_CUT_SIGMAS = 2.5
_SPAN_TO_SIGMA = 1 / 2.97
"""Standard deviation over the range of nine normal samples. Source: Tippett 1925, Biometrika 17 (d₂ for n = 9)."""


def _radius(sigma_px: float) -> int:
    return max(1, math.ceil(_CUT_SIGMAS * sigma_px))


def unsharp_halo(sigma_px: float = 0.8) -> int:
    """Pixels around a tile that `unsharp` depends on.

    Args:
        sigma_px: as there.

    Source: none; the Gaussian is cut at 2.5 sigma.
    """
    return _radius(sigma_px)


def capture_halo(sigma_px: float = 0.6, iterations: int = 4) -> int:
    """Pixels around a tile that `capture_sharpen` depends on.

    Args:
        sigma_px: as there.
        iterations: as there.

    Source: none; two blurs in each iteration.
    """
    return 2 * iterations * _radius(sigma_px) + 1


def _luma(image: Tensor, weights: Sequence[float]) -> Tensor:
    """(1, H, W) weighted sum of planes."""
    out = image[:1] * weights[0]
    for plane, weight in zip(image[1:], weights[1:], strict=True):
        out.add_(plane, alpha=weight)
    return out


def _blur(image: Tensor, taps: Sequence[float]) -> Tensor:
    padded = pad_mirror(image, len(taps) - 1)
    return fir_valid(fir_valid(padded, taps, -2), taps, -1)


def _residual_gain(taps: Sequence[float]) -> float:
    """Factor by which (identity − separable blur) scales the variance of white noise."""
    line = taps[0] ** 2 + 2 * sum(t * t for t in taps[1:])
    return 1.0 - 2.0 * taps[0] ** 2 + line**2


def _luma_noise(noise: Sequence[tuple[float, float]], weights: Sequence[float]) -> tuple[float, float]:
    """(scale, offset) of luma for a grey, from one pair or one for each plane."""
    pairs = tuple(noise) * (len(weights) if len(noise) == 1 else 1)
    scale = sum(w * w * s for w, (s, _) in zip(weights, pairs, strict=True))
    return scale, sum(w * w * o for w, (_, o) in zip(weights, pairs, strict=True))


def unsharp(
    image: Tensor,
    noise: Sequence[tuple[float, float]] = ((0.0, 0.0),),
    *,
    amount: float = 0.6,
    sigma_px: float = 0.8,
    threshold_sigma: float = 2.5,
    overshoot: float = 0.1,
    luma_weights: Sequence[float] = LUMA_WEIGHTS,
) -> Tensor:
    """Unsharp mask on luma with a threshold by the noise model and bounded overshoot; halo `unsharp_halo(sigma_px)`.

    Args:
        image: (3, H, W), or (1, H, W) with one luma weight.
        noise: (scale, offset) pairs of the planes, as they are now.
        amount: share of the detail that is added, 0 for none.
        sigma_px: standard deviation of the blur whose residual is the detail, in pixels.
        threshold_sigma: size of detail, in standard deviations of its noise, of which half is sharpened.
        overshoot: how far luma may leave the range of its 3×3 neighbourhood, as a share of that range.
        luma_weights: weight of each plane in luma, summing to 1.

    Returns:
        The image's shape; the input itself if the amount is 0.

    Source: unsharp masking, Gonzalez and Woods, "Digital Image Processing", section 3.6; the threshold is a Wiener
    weight d²/(d² + t²).
    """
    if amount == 0:
        return image
    luma, taps = _luma(image, luma_weights), gaussian_taps(sigma_px, _radius(sigma_px))
    detail = luma - _blur(luma, taps)
    scale, offset = (threshold_sigma**2 * _residual_gain(taps) * v for v in _luma_noise(noise, luma_weights))
    if scale or offset:
        energy = detail * detail
        floor = (luma * scale).add_(offset).clamp_(min=1e-12).add_(energy)
        detail.mul_(energy.div_(floor))
    low, high = local_extrema(luma)
    span = (high - low).mul_(overshoot)
    change = torch.clamp(detail.mul_(amount).add_(luma), low.sub_(span), high.add_(span)).sub_(luma)
    return image + change


def capture_sharpen(
    image: Tensor,
    noise: Sequence[tuple[float, float]] = ((0.0, 0.0),),
    *,
    sigma_px: float = 0.6,
    iterations: int = 4,
    threshold_sigma: float = 2.0,
    overshoot: float = 0.25,
    luma_weights: Sequence[float] = LUMA_WEIGHTS,
) -> Tensor:
    """Undo the blur of lens, sensor and demosaicing by Richardson-Lucy deconvolution of luma; halo `capture_halo`.

    Args:
        image: (3, H, W) linear, or (1, H, W) with one luma weight.
        noise: (scale, offset) pairs of the planes, as they are now.
        sigma_px: standard deviation of the Gaussian blur to undo, in pixels.
        iterations: steps of the deconvolution.
        threshold_sigma: local contrast, in standard deviations of the noise, at which half of the effect is reached.
        overshoot: how far luma may leave the range of its 3×3 neighbourhood, as a share of that range.
        luma_weights: weight of each plane in luma, summing to 1.

    Returns:
        The image's shape.

    Source: Richardson 1972, JOSA 62(1), and Lucy 1974, Astronomical Journal 79(6).
    """
    luma, taps = _luma(image, luma_weights), gaussian_taps(sigma_px, _radius(sigma_px))
    seen = luma.clamp(min=1e-5)
    estimate = seen.clone()
    for _ in range(iterations):
        estimate.mul_(_blur(seen / _blur(estimate, taps), taps))
    low, high = local_extrema(luma)
    span = high - low
    change = estimate.sub_(seen)
    scale, offset = (threshold_sigma**2 * v for v in _luma_noise(noise, luma_weights))
    if scale or offset:
        energy = (span * span).mul_(_SPAN_TO_SIGMA**2)
        floor = (luma * scale).add_(offset).clamp_(min=1e-12).add_(energy)
        change.mul_(energy.div_(floor))
    span.mul_(overshoot)
    change = torch.clamp(change.add_(luma), low.sub_(span), high.add_(span)).sub_(luma)
    return image + change
