"""Which pixels are measured: all of a small picture, windows spread evenly over a large one."""

import torch
from torch import Tensor

from isp_ns.core.meta import Box

__all__ = ["WHOLE_PIXELS", "cut", "measured_boxes", "stated"]

WHOLE_PIXELS = 1_500_000
"""Pictures up to this many pixels are measured whole."""

WINDOW_PX = 256
WINDOWS_PER_SIDE = 4


def measured_boxes(size: tuple[int, int], crop_px: int) -> list[Box]:
    """The boxes of a picture that are measured, `crop_px` away from its sides.

    Args:
        size: height and width in pixels.
        crop_px: border to leave out.

    Raises:
        ValueError: if the crop leaves nothing.

    Source: none; systematic sampling.
    """
    height, width = size[0] - 2 * crop_px, size[1] - 2 * crop_px
    if min(height, width) < 1:
        raise ValueError(f"a crop of {crop_px} pixels leaves nothing of a picture of {size[1]}×{size[0]}")
    if height * width <= WHOLE_PIXELS or min(height, width) < WINDOWS_PER_SIDE * WINDOW_PX:
        return [(crop_px, crop_px, crop_px + height, crop_px + width)]
    tops, lefts = (
        torch.linspace(crop_px, crop_px + side - WINDOW_PX, WINDOWS_PER_SIDE).int().tolist() for side in (height, width)
    )
    return [(top, left, top + WINDOW_PX, left + WINDOW_PX) for top in tops for left in lefts]


def cut(image: Tensor, box: Box) -> Tensor:
    """The part of (C, H, W) inside a box."""
    top, left, bottom, right = box
    return image[:, top:bottom, left:right]


def stated(crop_px: int) -> str:
    """Which pixels are measured, in words."""
    count = WINDOWS_PER_SIDE**2
    return (
        f"all pixels but {crop_px} at each side; of pictures above {WHOLE_PIXELS / 1e6:g} megapixels {count} windows "
        f"of {WINDOW_PX}×{WINDOW_PX}, spread evenly"
    )
