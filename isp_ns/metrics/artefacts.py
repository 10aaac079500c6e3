"""How much demosaicking disturbs what was smooth: zippers and false colours, as shares of the pixels."""

import torch
from torch import Tensor

from isp_ns.metrics.colour_difference import cielab, delta_e_1976
from isp_ns.metrics.images import Image, image_pair

__all__ = ["JUST_NOTICEABLE", "false_colour", "zipper"]

JUST_NOTICEABLE = 2.3
"""CIELAB distance that is just noticed. Source: Mahy, Van Eycken, Oosterlinck, Color Research and Application 19(2),
1994."""


def zipper(test: Image, truth: Image, *, space: str = "srgb", crop: int = 0) -> float:
    """Share of pixels whose contrast to the neighbour most like them has changed noticeably.

    In the truth each pixel has a most similar one among its eight neighbours; a pixel is a zipper where the CIELAB
    distance to that neighbour differs by more than 2.3 in the test picture.

    Args:
        test: (3, H, W) encoded for `space`, float with white at 1 or unsigned integers.
        truth: (3, H, W), the same space.
        space: name of an RGB space.
        crop: pixels to leave out at each side, at least the outermost, which lack neighbours.

    Returns:
        0..1.

    Raises:
        ValueError: if the pictures cannot be compared or are smaller than 3×3 pixels.

    Source: Lu and Tan, "Color filter array demosaicking: new method and performance measures", IEEE TIP 12(10),
    2003.
    """
    first, second = image_pair(test, truth, max(crop - 1, 0))
    if min(first.shape[1:]) < 3:
        raise ValueError(f"the zipper measure needs 3×3 pixels, got {tuple(first.shape[1:])}")
    original = _neighbour_distances(cielab(second, space))
    nearest = original.argmin(0, keepdim=True)
    change = _neighbour_distances(cielab(first, space)).gather(0, nearest) - original.gather(0, nearest)
    return float((change.abs() > JUST_NOTICEABLE).double().mean())


def false_colour(test: Image, truth: Image, *, space: str = "srgb", crop: int = 0) -> float:
    """Share of pixels whose chromaticity is noticeably wrong, whatever their lightness.

    Args:
        test: (3, H, W) encoded for `space`, float with white at 1 or unsigned integers.
        truth: (3, H, W), the same space.
        space: name of an RGB space.
        crop: pixels to leave out at each side.

    Returns:
        0..1: where the distance in the a*b* plane is above 2.3.

    Raises:
        ValueError: if the pictures cannot be compared.

    Source: CIE 15:2004, section 8.2.1, for the a*b* distance; Mahy et al. (1994) for the threshold.
    """
    first, second = image_pair(test, truth, crop)
    chroma_error = delta_e_1976(cielab(first, space)[1:], cielab(second, space)[1:])
    return float((chroma_error > JUST_NOTICEABLE).double().mean())


def _neighbour_distances(lab: Tensor) -> Tensor:
    """(8, H - 2, W - 2): CIELAB distance of each inner pixel to its neighbours."""
    height, width = lab.shape[1] - 2, lab.shape[2] - 2
    centre = lab[:, 1:-1, 1:-1]
    offsets = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]
    return torch.stack([delta_e_1976(lab[:, y : y + height, x : x + width], centre) for y, x in offsets])
