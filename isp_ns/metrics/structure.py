"""Structural similarity, of one and of several scales."""

import torch
import torch.nn.functional as F
from torch import Tensor

from isp_ns.metrics.images import Image, image_pair
from isp_ns.ops.filters import fir_valid, gaussian_taps

__all__ = ["MS_SSIM_WEIGHTS", "ms_ssim", "ssim"]

_RADIUS_PX = 5
_TAPS = gaussian_taps(1.5, _RADIUS_PX)
_K1, _K2 = 0.01, 0.03

MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales, finest first. Source: Wang, Simoncelli, Bovik (2003), section 3.2."""


def ssim(test: Image, truth: Image, *, data_range: float = 1.0, crop: int = 0) -> float:
    """Structural similarity, the mean over pixels and channels.

    The window is a Gaussian of σ = 1.5 pixels over 11×11, moments are not bias-corrected, and only places where the
    whole window fits count: scikit-image's `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`.

    Args:
        test: (C, H, W), float with white at 1 or unsigned integers; usually display-encoded.
        truth: (C, H, W), the same domain.
        data_range: the peak, in the scale where white is 1.
        crop: pixels to leave out at each side.

    Returns:
        At most 1, which means equal.

    Raises:
        ValueError: if the pictures cannot be compared or are smaller than 11×11 pixels.

    Source: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", IEEE TIP 13(4), 2004.
    """
    first, second = image_pair(test, truth, crop)
    luminance, contrast = _similarity(first, second, data_range)
    return float((luminance * contrast).mean())


def ms_ssim(test: Image, truth: Image, *, data_range: float = 1.0, crop: int = 0) -> float:
    """Multi-scale structural similarity: contrast and structure at five scales, luminance at the coarsest.

    Args:
        test: (C, H, W), float with white at 1 or unsigned integers; usually display-encoded.
        truth: (C, H, W), the same domain.
        data_range: the peak, in the scale where white is 1.
        crop: pixels to leave out at each side.

    Returns:
        0..1, the mean over channels; negative contrast terms count as 0.

    Raises:
        ValueError: if the pictures cannot be compared or are smaller than 176×176 pixels.

    Source: Wang, Simoncelli, Bovik, "Multi-scale structural similarity for image quality assessment", Asilomar 2003.
    """
    first, second = image_pair(test, truth, crop)
    score = torch.ones(first.shape[0], dtype=first.dtype)
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        if scale:
            first, second = F.avg_pool2d(first, 2), F.avg_pool2d(second, 2)
        luminance, contrast = _similarity(first, second, data_range)
        coarsest = scale == len(MS_SSIM_WEIGHTS) - 1
        term = luminance * contrast if coarsest else contrast
        score *= term.mean((1, 2)).clamp(min=0) ** weight
    return float(score.mean())


def _similarity(first: Tensor, second: Tensor, data_range: float) -> tuple[Tensor, Tensor]:
    """The luminance term and the contrast-structure term, each (C, H - 10, W - 10)."""
    if min(first.shape[1:]) <= 2 * _RADIUS_PX:
        raise ValueError(
            f"structural similarity needs 11×11 pixels at its coarsest scale, got {tuple(first.shape[1:])}"
        )
    mean_1, mean_2 = _window_mean(first), _window_mean(second)
    variance_1 = _window_mean(first * first) - mean_1 * mean_1
    variance_2 = _window_mean(second * second) - mean_2 * mean_2
    covariance = _window_mean(first * second) - mean_1 * mean_2
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    luminance = (2 * mean_1 * mean_2 + c1) / (mean_1 * mean_1 + mean_2 * mean_2 + c1)
    return luminance, (2 * covariance + c2) / (variance_1 + variance_2 + c2)


def _window_mean(image: Tensor) -> Tensor:
    return fir_valid(fir_valid(image, _TAPS, -1), _TAPS, -2)
