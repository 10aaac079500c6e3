"""Signal-to-noise ratios of pictures."""

import math

from isp_ns.metrics.images import Image, image_pair, round_to_bits

__all__ = ["cpsnr", "psnr"]


def psnr(test: Image, truth: Image, *, data_range: float = 1.0, crop: int = 0) -> float:
    """Peak signal-to-noise ratio over all pixels and channels.

    Args:
        test: (C, H, W), float with white at 1 or unsigned integers; in any domain, linear or encoded.
        truth: (C, H, W), the same domain.
        data_range: the peak, in the scale where white is 1.
        crop: pixels to leave out at each side.

    Returns:
        Decibels; infinite for equal pictures. Nothing is clipped.

    Raises:
        ValueError: if the pictures cannot be compared or `data_range` is not positive.

    Source: Huynh-Thu and Ghanbari, "Scope of validity of PSNR in image/video quality assessment" (2008).
    """
    if not data_range > 0:
        raise ValueError(f"data_range must be positive, got {data_range}")
    first, second = image_pair(test, truth, crop)
    error = float((first - second).square().mean())
    return 10 * math.log10(data_range**2 / error) if error > 0 else math.inf


def cpsnr(test: Image, truth: Image, *, crop: int = 0, bits: int | None = 8) -> float:
    """Colour PSNR as the demosaicking papers score it: one MSE over three channels, of what a file would hold.

    Args:
        test: (3, H, W), display-encoded, white at 1 or unsigned integers; clipped to 0..1 first.
        truth: (3, H, W), the same domain.
        crop: pixels to leave out at each side; papers differ, say which.
        bits: depth that `test` is rounded to; None leaves it unrounded.

    Returns:
        Decibels; infinite for equal pictures.

    Raises:
        ValueError: if the pictures cannot be compared or have not three channels.

    Source: Menon and Calvagno, "Color image demosaicking: an overview" (2011).
    """
    first, second = image_pair(test, truth)
    if first.shape[0] != 3:
        raise ValueError(f"CPSNR is of three channels, these pictures have {first.shape[0]}")
    stored = first.clamp(0, 1) if bits is None else round_to_bits(first, bits)
    return psnr(stored, second, crop=crop)
