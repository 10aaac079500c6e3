"""White balance: estimates of the light from the picture, gains from what is known, and gains on a mosaic.

An estimate is made in two steps, so that it can run over tiles: `*_stats` gives numbers that add up over tiles, and
`*_gains` turns their sum into gains. Both work on cells, which are camera RGB (3, h, w): `cells` makes one of each
2×2 of a mosaic. Gains are (3,) float64 for R, G and B, with green = 1; where the picture says nothing, all are 1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from isp_ns.ops.dng_colour import CalibrationLike, camera_neutral
from isp_ns.ops.filters import fir_valid, gaussian_radius, gaussian_taps
from isp_ns.ops.temperature import cct_to_xy

__all__ = [
    "apply_gains",
    "cells",
    "gains_from_kelvin",
    "gains_from_neutral",
    "gains_from_xy",
    "grey_edge_halo_px",
    "grey_edge_stats",
    "grey_gains",
    "grey_stats",
    "white_patch_gains",
    "white_patch_stats",
]

_PATCH_BINS = 2048
_PATCH_TOP = 2.0


def cells(mosaic: Tensor, pattern: str) -> Tensor:
    """Camera RGB at half size: each 2×2 of the mosaic gives one pixel, its greens averaged.

    Args:
        mosaic: (1, H, W); an odd last row or column is left out.
        pattern: Four letters of the CFA at the first pixel, in reading order.

    Returns:
        (3, H // 2, W // 2).

    Source: none; index arithmetic.
    """
    height, width = mosaic.shape[-2] // 2 * 2, mosaic.shape[-1] // 2 * 2
    out = mosaic.new_zeros(3, height // 2, width // 2)
    for i, letter in enumerate(pattern):
        plane = mosaic[0, i // 2 : height : 2, i % 2 : width : 2]
        out["RGB".index(letter)].add_(plane, alpha=1.0 / pattern.count(letter))
    return out


def _valid(rgb: Tensor, dark: float, bright: float) -> Tensor:
    """(H, W) 1 where the mean is above `dark` and no channel reaches `bright`, else 0."""
    return ((rgb.mean(0) > dark) & (rgb.amax(0) < bright)).to(rgb.dtype)


def grey_stats(rgb: Tensor, *, norm: float = 1.0, dark: float = 0.02, bright: float = 0.95) -> Tensor:
    """Sums for `grey_gains`: grey world with `norm` 1, shades of grey with more.

    Args:
        rgb: (3, H, W) camera RGB before white balance, black = 0, white = 1.
        norm: Minkowski norm p, at least 1; 6 is usual for shades of grey.
        dark: Pixels whose mean is at or below are left out.
        bright: Pixels with a channel at or above are left out: they are clipped, or nearly.

    Returns:
        (4,) float64: sum of x^p by channel, and the number of pixels.

    Source: Buchsbaum (1980) for grey world; Finlayson and Trezzi, "Shades of Gray and Colour Constancy" (2004).
    """
    valid = _valid(rgb, dark, bright)
    powers = rgb.clamp(min=0.0)
    powers = powers if norm == 1.0 else powers.pow_(norm)
    return torch.cat(((powers * valid).sum((1, 2), dtype=torch.float64), valid.sum(dtype=torch.float64)[None]))


def grey_gains(stats: Tensor, *, norm: float = 1.0) -> Tensor:
    """Gains that make the Minkowski mean of the picture, or of its edges, grey.

    Args:
        stats: Sum of `grey_stats` or `grey_edge_stats`.
        norm: The norm that the statistics were made with.

    Returns:
        (3,) float64, green = 1.

    Source: as `grey_stats` and `grey_edge_stats`.
    """
    return _gains(stats[:3].clamp(min=0.0).pow(1.0 / norm))


def _gains(light: Tensor) -> Tensor:
    """Gains from the camera RGB of the light; 1 for each if a channel has no light."""
    if not bool((light > 0).all()):
        return torch.ones(3, dtype=torch.float64)
    return light[1] / light.double()


def grey_edge_halo_px(sigma_px: float) -> int:
    """Pixels on each side of a mosaic tile that `grey_edge_stats` uses up. Source: none; kernel radius."""
    return 2 * (gaussian_radius(sigma_px) + 1)


def grey_edge_stats(
    rgb: Tensor, *, norm: float = 6.0, sigma_px: float = 2.0, dark: float = 0.02, bright: float = 0.95
) -> Tensor:
    """Sums for `grey_gains` from the edges of the picture: the average edge is taken to be grey.

    The outermost `gaussian_radius(sigma_px)` + 1 pixels of `rgb` are used up, so tiles that overlap by twice that
    add up exactly. Edges next to a clipped pixel do not count.

    Args:
        rgb: (3, H, W) camera RGB before white balance, black = 0, white = 1.
        norm: Minkowski norm p, at least 1.
        sigma_px: Scale of the derivative, in pixels of `rgb`.
        dark: As `grey_stats`.
        bright: As `grey_stats`.

    Returns:
        (4,) float64: sum of |gradient|^p by channel, and the number of pixels.

    Source: van de Weijer, Gevers and Gijsenij, "Edge-Based Color Constancy" (2007), first order.
    """
    taps = gaussian_taps(sigma_px)
    planes = torch.cat((rgb, _valid(rgb, dark, bright)[None]))
    if min(planes.shape[-2:]) <= 2 * len(taps):
        return torch.zeros(4, dtype=torch.float64)
    smooth = fir_valid(fir_valid(planes, taps, -2), taps, -1)
    dx = smooth[:3, 1:-1, 2:] - smooth[:3, 1:-1, :-2]
    dy = smooth[:3, 2:, 1:-1] - smooth[:3, :-2, 1:-1]
    valid = (smooth[3, 1:-1, 1:-1] > 1.0 - 1e-4).to(rgb.dtype)
    powers = torch.hypot(dx, dy).pow_(norm)
    return torch.cat(((powers * valid).sum((1, 2), dtype=torch.float64), valid.sum(dtype=torch.float64)[None]))


def white_patch_stats(rgb: Tensor, *, bright: float = 0.98) -> Tensor:
    """Histograms for `white_patch_gains`.

    Args:
        rgb: (3, H, W) camera RGB before white balance, black = 0, white = 1.
        bright: Pixels with a channel at or above are left out.

    Returns:
        (3, 2048) float64 counts, in even bins from 0 to 2.

    Source: Land and McCann, "Lightness and Retinex Theory" (1971).
    """
    kept = rgb[:, _valid(rgb, 0.0, bright).bool()]
    index = kept.mul(_PATCH_BINS / _PATCH_TOP).to(torch.int32).clamp_(0, _PATCH_BINS - 1)
    return torch.stack([torch.bincount(channel, minlength=_PATCH_BINS) for channel in index]).double()


def white_patch_gains(stats: Tensor, *, fraction: float = 0.01) -> Tensor:
    """Gains that make the brightest part of each channel equal.

    Args:
        stats: Sum of `white_patch_stats`.
        fraction: How much of the picture is above the level that counts as its brightest; 0 is the maximum.

    Returns:
        (3,) float64, green = 1.

    Source: Land and McCann (1971), with a percentile in place of the maximum.
    """
    total = stats.sum(1, keepdim=True)
    if float(total.min()) <= 0.0:
        return torch.ones(3, dtype=torch.float64)
    above = stats.flip(1).cumsum(1).flip(1)
    level = (above > fraction * total).sum(1).double().sub(0.5)
    return _gains(level)


def gains_from_neutral(neutral: Sequence[float] | Tensor) -> Tensor:
    """Gains for the camera RGB of a neutral object: an as-shot or daylight neutral, or the mean of a box.

    Args:
        neutral: Three positive numbers, any scale.

    Returns:
        (3,) float64, green = 1.

    Raises:
        ValueError: if a value is not positive.

    Source: DNG 1.4, AsShotNeutral (p. 37).
    """
    light = torch.as_tensor(neutral, dtype=torch.float64)
    if light.shape != (3,) or not bool((light > 0).all()) or not bool(light.isfinite().all()):
        raise ValueError(f"a neutral is three positive numbers, got {light.tolist()}")
    return light[1] / light


def gains_from_xy(
    white_xy: Sequence[float],
    calibrations: Sequence[CalibrationLike],
    analog_balance: Sequence[float] = (1.0, 1.0, 1.0),
) -> Tensor:
    """Gains for a white of known chromaticity, through the colour matrices of the camera.

    Args:
        white_xy: CIE 1931 chromaticity of the light.
        calibrations: One to three calibrations of the camera.
        analog_balance: Gains that were applied to the stored values.

    Returns:
        (3,) float64, green = 1.

    Raises:
        ValueError: as `dng_colour.camera_neutral`.

    Source: DNG 1.4, p. 80.
    """
    return gains_from_neutral(camera_neutral(white_xy, calibrations, analog_balance))


def gains_from_kelvin(
    cct_k: float,
    tint: float,
    calibrations: Sequence[CalibrationLike],
    analog_balance: Sequence[float] = (1.0, 1.0, 1.0),
) -> Tensor:
    """Gains for a light of known temperature and tint; see `temperature.cct_to_xy` and `gains_from_xy`.

    Source: DNG 1.4, p. 80; Robertson (1968).
    """
    return gains_from_xy(cct_to_xy(cct_k, tint), calibrations, analog_balance)


def apply_gains(mosaic: Tensor, pattern: str, gains: Sequence[float] | Tensor) -> Tensor:
    """Multiply each colour of a mosaic by its gain.

    Args:
        mosaic: (1, H, W).
        pattern: Four letters of the CFA at the first pixel, in reading order.
        gains: For R, G and B.

    Returns:
        (1, H, W); the input is not changed.

    Source: none; a product by rows, five times as fast as one by strided planes.
    """
    red, green, blue = (float(gain) for gain in gains)
    by_letter = {"R": red, "G": green, "B": blue}
    out = torch.empty_like(mosaic)
    for row in (0, 1):
        pair = mosaic.new_tensor([by_letter[letter] for letter in pattern[2 * row : 2 * row + 2]])
        line = pair.repeat((mosaic.shape[-1] + 1) // 2)[: mosaic.shape[-1]]
        torch.mul(mosaic[:, row::2], line, out=out[:, row::2])
    return out
