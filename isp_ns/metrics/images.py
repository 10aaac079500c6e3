"""What the picture metrics take: frames or tensors, integers or floats, brought to one scale."""

import torch
from torch import Tensor

from isp_ns.core.frame import Frame

__all__ = ["Image", "image_pair", "round_to_bits"]

Image = Tensor | Frame
"""(C, H, W): float where 1 is white, or an unsigned integer type where its largest value is."""


def image_pair(test: Image, truth: Image, crop: int = 0) -> tuple[Tensor, Tensor]:
    """Two pictures as float64 tensors with white at 1, their border cut off.

    Args:
        test: (C, H, W).
        truth: (C, H, W), the same size.
        crop: pixels to leave out at each side.

    Returns:
        Both as (C, H - 2 crop, W - 2 crop), on the CPU.

    Raises:
        ValueError: if the sizes differ, a tensor is not (C, H, W), or the crop leaves nothing.

    Source: none; conversion of units.
    """
    pair = _as_float(test), _as_float(truth)
    if pair[0].shape != pair[1].shape:
        raise ValueError(f"pictures of {tuple(pair[0].shape)} and {tuple(pair[1].shape)} cannot be compared")
    height, width = pair[0].shape[1:]
    if crop < 0 or 2 * crop >= min(height, width):
        raise ValueError(f"a crop of {crop} pixels leaves nothing of a picture of {height}×{width}")
    first, second = (image[:, crop : height - crop, crop : width - crop] for image in pair)
    return first, second


def round_to_bits(image: Tensor, bits: int) -> Tensor:
    """Clip to 0..1 and round to `bits` bits, as a file of that depth would.

    Source: ITU-R BT.2100, full-range quantisation.
    """
    peak = 2**bits - 1
    return image.clamp(0, 1).mul(peak).round().div(peak)


def _as_float(image: Image) -> Tensor:
    data = image.data
    if data.dim() != 3:
        raise ValueError(f"a picture is (C, H, W), got a tensor of shape {tuple(data.shape)}")
    peak = 1.0 if data.is_floating_point() else float(torch.iinfo(data.dtype).max)
    return data.detach().to(device="cpu", dtype=torch.float64) / peak
