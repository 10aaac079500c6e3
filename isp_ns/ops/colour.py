"""Colour of pixels: matrices, luminance, saturation, vibrance and the way back into the gamut.

Tensors are (3, H, W) or (B, 3, H, W), linear, relative to white = 1 and not clipped. Names of RGB spaces are those
of `SPACES`.
"""

import torch
from torch import Tensor

from isp_ns.ops.spaces import SPACES, luminance_weights

__all__ = ["SPACES", "apply_matrix", "compress_gamut", "luminance", "saturation", "vibrance"]


def apply_matrix(rgb: Tensor, matrix: Tensor) -> Tensor:
    """Multiply every pixel by a colour matrix.

    Args:
        rgb: (3, H, W) or (B, 3, H, W).
        matrix: (3, 3), output rows by input columns.

    Returns:
        The shape and dtype of `rgb`.

    Raises:
        ValueError: if the shapes do not fit.

    Source: none; a matrix product, the fastest of five forms on tiles of 256 and 512 pixels.
    """
    if matrix.shape != (3, 3) or rgb.dim() not in (3, 4) or rgb.shape[-3] != 3:
        raise ValueError(
            f"a (3, 3) matrix and (3, H, W) pixels are needed, got {tuple(matrix.shape)} and {tuple(rgb.shape)}"
        )
    return torch.matmul(matrix.to(rgb), rgb.flatten(-2)).view(rgb.shape)


def luminance(rgb: Tensor, space: str = "srgb") -> Tensor:
    """Luminance Y of linear RGB: (..., 3, H, W) to (..., 1, H, W), with Y = 1 for white.

    Source: the Y row of the space's matrix to XYZ.
    """
    red, green, blue = luminance_weights(space)
    planes = rgb.unbind(-3)
    return (planes[0] * red).add_(planes[1], alpha=green).add_(planes[2], alpha=blue).unsqueeze(-3)


def saturation(rgb: Tensor, amount: float, space: str = "srgb") -> Tensor:
    """Scale the distance of every colour from the grey of its luminance.

    Args:
        rgb: (..., 3, H, W) linear.
        amount: 0 gives grey, 1 changes nothing, above 1 is more colourful.
        space: RGB space of the pixels, for the luminance weights.

    Returns:
        The same shape and the same luminance, not clipped.

    Source: Haeberli, "Matrix Operations for Image Processing" (1993).
    """
    return torch.lerp(luminance(rgb, space).expand_as(rgb), rgb, amount)


def vibrance(rgb: Tensor, amount: float, space: str = "srgb") -> Tensor:
    """Saturation that acts on pale colours and leaves vivid ones nearly as they are.

    The saturation of a pixel is multiplied by 1 + amount · (1 - s)², with s = (max - min) / max.

    Args:
        rgb: (..., 3, H, W) linear.
        amount: -1..1 or so; 0 changes nothing.
        space: RGB space of the pixels, for the luminance weights.

    Returns:
        The same shape and luminance, not clipped.

    Source: own definition; the saturation is that of HSV, Smith (1978).
    """
    top, bottom = rgb.amax(-3, keepdim=True), rgb.amin(-3, keepdim=True)
    paleness = (bottom / top.clamp(min=1e-9)).clamp_(0.0, 1.0)
    return torch.lerp(luminance(rgb, space).expand_as(rgb), rgb, paleness.square_().mul_(amount).add_(1.0))


def compress_gamut(rgb: Tensor, space: str = "srgb", *, threshold: float = 0.9) -> Tensor:
    """Bring linear RGB into 0..1 along the line to the grey of the same luminance, gently near the border.

    Each colour's distance from that grey is measured in units of the distance at which the line leaves the cube.
    Below `threshold` nothing changes, above it distances are compressed towards 1. Luminance (clipped to 0..1) and
    the direction of the colour are kept, so that no hue turns as it does when channels clip one by one.

    Args:
        rgb: (..., 3, H, W) linear, in the space that it is to fit.
        space: RGB space of the pixels, for the luminance weights.
        threshold: Where compression begins, 0..1; 1 is a hard limit.

    Returns:
        The same shape, within 0..1.

    Source: compression along lines of constant hue and lightness, Morovič, "Color Gamut Mapping" (2008), chapter 10.
    """
    grey = luminance(rgb, space).clamp_(0.0, 1.0)
    above = (rgb.amax(-3, keepdim=True) - grey) / (1.0 - grey).clamp_(min=1e-6)
    below = (grey - rgb.amin(-3, keepdim=True)) / grey.clamp(min=1e-6)
    distance = torch.maximum(above, below).clamp_(min=1e-6)
    room = max(1.0 - threshold, 1e-6)
    excess = (distance - threshold).clamp_(min=0.0)
    kept = distance.clamp(max=threshold).add_(excess.div(excess.div(room).add_(1.0)))
    return torch.lerp(grey.expand_as(rgb), rgb, kept.div_(distance)).clamp_(0.0, 1.0)
