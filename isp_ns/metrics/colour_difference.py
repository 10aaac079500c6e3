"""Colour differences in CIELAB."""

import math

import torch
from torch import Tensor

from isp_ns.metrics.images import Image, image_pair
from isp_ns.ops.colour import apply_matrix
from isp_ns.ops.spaces import get_space, rgb_to_xyz_matrix, white_xyz
from isp_ns.ops.transfer import decode

__all__ = ["cielab", "delta_e_1976", "delta_e_2000", "mean_delta_e_2000"]

_EPSILON, _KAPPA = 216 / 24389, 24389 / 27


def cielab(rgb: Tensor, space: str = "srgb") -> Tensor:
    """CIE 1976 L*a*b* of encoded RGB, relative to the white of its space.

    Args:
        rgb: (3, H, W) encoded for `space`, 0..1; values outside are not clipped.
        space: name of an RGB space.

    Returns:
        (3, H, W) float64: L* in 0..100, a*, b*.

    Raises:
        ValueError: if there is no such space.

    Source: CIE 15:2004, section 8.2.1, with the exact ε = 216/24389 and κ = 24389/27.
    """
    matrix = rgb_to_xyz_matrix(space) / white_xyz(get_space(space).white_xy)[:, None]
    ratio = apply_matrix(decode(rgb.double(), space), matrix)
    cube_root = ratio.clamp(min=_EPSILON) ** (1 / 3)
    x, y, z = torch.where(ratio > _EPSILON, cube_root, (_KAPPA * ratio + 16) / 116)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def delta_e_1976(lab_1: Tensor, lab_2: Tensor) -> Tensor:
    """CIELAB distance of two (3, ...) tensors; returns (...).

    Source: CIE 15:2004, section 8.2.1.
    """
    return (lab_1 - lab_2).square().sum(0).sqrt()


def delta_e_2000(lab_1: Tensor, lab_2: Tensor) -> Tensor:
    """CIEDE2000 colour difference with unit weights.

    Args:
        lab_1: (3, ...) L*, a*, b*.
        lab_2: (3, ...), the same shape.

    Returns:
        (...) ΔE00, about 1 for a difference that is just noticed.

    Source: Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula: implementation notes, supplementary test data,
    and mathematical observations", Color Research and Application 30(1), 2005.
    """
    (l1, chroma_1, hue_1), (l2, chroma_2, hue_2) = _scaled_lch(lab_1, lab_2)
    chromatic = chroma_1 * chroma_2 > 0
    step, hue_mean = _hue_step_and_mean(hue_1, hue_2, chromatic)
    delta_hue = 2 * (chroma_1 * chroma_2).sqrt() * torch.sin(step / 2)
    lightness, chroma = (l1 + l2) / 2, (chroma_1 + chroma_2) / 2
    offset = (lightness - 50).square()
    scale_l = 1 + 0.015 * offset / (20 + offset).sqrt()
    scale_c = 1 + 0.045 * chroma
    scale_h = 1 + 0.015 * chroma * _hue_weight(hue_mean)
    part_l, part_c, part_h = (l2 - l1) / scale_l, (chroma_2 - chroma_1) / scale_c, delta_hue / scale_h
    angle = torch.deg2rad(60 * torch.exp(-((torch.rad2deg(hue_mean) - 275) / 25).square()))
    rotation = -torch.sin(angle) * 2 * _saturation(chroma)
    total = part_l.square() + part_c.square() + part_h.square() + rotation * part_c * part_h
    return total.clamp(min=0).sqrt()


def mean_delta_e_2000(test: Image, truth: Image, *, space: str = "srgb", crop: int = 0) -> float:
    """Mean CIEDE2000 difference of two pictures.

    Args:
        test: (3, H, W) encoded for `space`, float with white at 1 or unsigned integers.
        truth: (3, H, W), the same space.
        space: name of an RGB space.
        crop: pixels to leave out at each side.

    Returns:
        ΔE00, 0 or more.

    Raises:
        ValueError: if the pictures cannot be compared or there is no such space.

    Source: Sharma, Wu, Dalal (2005).
    """
    first, second = image_pair(test, truth, crop)
    return float(delta_e_2000(cielab(first, space), cielab(second, space)).mean())


def _saturation(chroma: Tensor) -> Tensor:
    """√(C⁷ / (C⁷ + 25⁷))."""
    power = chroma**7
    return (power / (power + 25.0**7)).sqrt()


def _scaled_lch(lab_1: Tensor, lab_2: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], ...]:
    """Lightness, chroma and hue (0..2π) with a* stretched near the grey axis: eq. 2 to 7."""
    chroma = (torch.hypot(lab_1[1], lab_1[2]) + torch.hypot(lab_2[1], lab_2[2])) / 2
    stretch = 1.5 - 0.5 * _saturation(chroma)
    return tuple(
        (
            lightness,
            torch.hypot(stretch * a, b),
            torch.atan2(b, stretch * a).remainder(2 * math.pi),
        )
        for lightness, a, b in (lab_1, lab_2)
    )


def _hue_step_and_mean(hue_1: Tensor, hue_2: Tensor, chromatic: Tensor) -> tuple[Tensor, Tensor]:
    """The way from one hue to the other and the hue halfway, the shorter way round: eq. 10 and 14."""
    step = hue_2 - hue_1
    far = step.abs() > math.pi
    short = torch.where(far, step - 2 * math.pi * step.sign(), step)
    total = hue_1 + hue_2
    around = torch.where(total < 2 * math.pi, total + 2 * math.pi, total - 2 * math.pi)
    mean = torch.where(far, around, total) / 2
    return torch.where(chromatic, short, 0), torch.where(chromatic, mean, total)


def _hue_weight(hue: Tensor) -> Tensor:
    """T, eq. 15."""
    return (
        1
        - 0.17 * torch.cos(hue - math.radians(30))
        + 0.24 * torch.cos(2 * hue)
        + 0.32 * torch.cos(3 * hue + math.radians(6))
        - 0.20 * torch.cos(4 * hue - math.radians(63))
    )
