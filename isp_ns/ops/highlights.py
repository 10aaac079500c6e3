"""Clipped highlights: cut them level, or rebuild them from the channels that did not clip.

White balance lifts the channels of a saturated pixel to different levels, (2, 1, 1.6) for instance, which every
later stage takes for pink. Both functions here end with neutral white. They work on white-balanced linear values,
a mosaic or camera RGB, before the colour matrix; `clip` is the level at which each colour saturates, that is its
gain where the sensor's white is 1.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from isp_ns.ops.filters import pad_mirror, window_sum_valid
from isp_ns.ops.white_balance import cells

__all__ = [
    "HIGHLIGHT_HALO_PX",
    "clip_highlights",
    "reconstruct_highlights",
    "reconstruct_mosaic_highlights",
]

HIGHLIGHT_HALO_PX = 12
"""How far the reconstruction looks around a pixel, in pixels of the image or mosaic."""

_ONSET, _FULL = 0.88, 0.96
"""Parts of its clip level between which a value comes to count as clipped. Sensors saturate some per cent below the
white level of their files, by colour; what is not clipped after all is predicted close to what it is."""

_WHITE_ONSET, _WHITE_FULL = 0.80, 0.90
"""Parts of their clip levels between which all three channels together come to count as clipped. These may be lower:
no object has the colour of the balanced clip levels."""


def clip_highlights(image: Tensor, clip: Sequence[float]) -> Tensor:
    """Clip every channel at the lowest of the saturation levels, so that saturated areas are neutral.

    Args:
        image: Any shape, white-balanced linear.
        clip: Saturation level of each colour.

    Returns:
        The same shape; nothing below that level changes.

    Source: dcraw's and LibRaw's default highlight mode; the arithmetic is a minimum.
    """
    return image.clamp(max=min(float(level) for level in clip))


def reconstruct_highlights(rgb: Tensor, clip: Sequence[float]) -> Tensor:
    """Rebuild clipped channels of white-balanced camera RGB.

    A clipped channel is predicted from those that are not, with the ratios between channels of the bright,
    unclipped pixels around. It never falls below its clip level or the lesser of the other two channels, and never
    rises above the largest: no prediction can give the pixel a colour cast that it did not have. Where all channels
    clip, the result runs into white at the highest level.

    Args:
        rgb: (3, H, W) linear, white-balanced, not clipped; tiles start at even pixels and need a halo of
            `HIGHLIGHT_HALO_PX`.
        clip: Saturation level of R, G and B in these values.

    Returns:
        (3, H, W); the input itself if nothing in it is clipped.

    Raises:
        ValueError: if the shapes do not fit.

    Source: after Zhang and Brainard, "Estimation of saturated pixel values in digital color imaging" (2004), and
    Masood, Zhu and Tappen, "Automatic Correction of Saturated Regions in Photographs using Cross-Channel
    Correlation" (2009): channel correlations of the surroundings, here as local means without their solver.
    """
    if rgb.dim() != 3 or rgb.shape[0] != 3 or len(clip) != 3:
        raise ValueError(f"camera RGB (3, H, W) and three clip levels are needed, got {tuple(rgb.shape)}, {len(clip)}")
    area = _clipped_area(rgb, clip)
    if area is None:
        return rgb
    rows, columns = area
    halo = HIGHLIGHT_HALO_PX
    top, left = max(rows.start - halo, 0), max(columns.start - halo, 0)
    around = rgb[:, top : rows.stop + halo : 2, left : columns.stop + halo : 2]
    chroma = _doubled(_surrounding_chroma(around, clip, halo // 2))
    part, place = rgb[:, rows, columns], (rows.start - top, columns.start - left)
    near = chroma[:, place[0] : place[0] + part.shape[1], place[1] : place[1] + part.shape[2]]
    out = rgb.clone()
    out[:, rows, columns] = _rebuild(part, near, clip)
    return out


def _clipped_area(rgb: Tensor, clip: Sequence[float]) -> tuple[slice, slice] | None:
    """Rows and columns, from even ones on, that hold every value near its clip level; None if there is none."""
    level = rgb.new_tensor([_ONSET * float(value) for value in clip])[:, None]
    columns = (rgb.amax(-2) > level).any(0).nonzero()
    if not len(columns):
        return None
    rows = (rgb.amax(-1) > level).any(0).nonzero()
    spans = [(int(hits[0]) // 2 * 2, int(hits[-1]) + 1) for hits in (rows, columns)]
    return slice(*spans[0]), slice(*spans[1])


def reconstruct_mosaic_highlights(mosaic: Tensor, pattern: str, clip: Sequence[float]) -> Tensor:
    """`reconstruct_highlights` for a white-balanced mosaic: what it adds to a 2×2 cell is added to its colours.

    Args:
        mosaic: (1, H, W) linear, white-balanced, not clipped; tiles start at even pixels and need a halo of
            `HIGHLIGHT_HALO_PX`.
        pattern: Four letters of the CFA at the first pixel, in reading order.
        clip: Saturation level of R, G and B in these values.

    Returns:
        (1, H, W); the input itself if nothing in it is clipped.

    Source: as `reconstruct_highlights`.
    """
    height, width = mosaic.shape[-2:]
    levels = [float(clip["RGB".index(letter)]) for letter in pattern]
    columns = [mosaic[0, row::2].amax(0) for row in range(min(2, height))]
    present = [i for i in range(4) if i // 2 < height and i % 2 < width]
    if all(float(columns[i // 2][i % 2 :: 2].amax()) <= _ONSET * levels[i] for i in present):
        return mosaic
    even = pad_mirror(mosaic, (0, height % 2, 0, width % 2)) if height % 2 or width % 2 else mosaic
    rgb = cells(even, pattern)
    lift = _rebuild(rgb, _surrounding_chroma(rgb, clip, HIGHLIGHT_HALO_PX // 2), clip).sub_(rgb)
    out = torch.empty_like(mosaic)
    for i, letter in enumerate(pattern):
        plane, target = (image[0, i // 2 :: 2, i % 2 :: 2] for image in (mosaic, out))
        torch.add(plane, lift["RGB".index(letter), : plane.shape[0], : plane.shape[1]], out=target)
    return out


def _ramp(values: Tensor, start: float, end: float) -> Tensor:
    """0 up to `start`, 1 from `end` on, a straight line between."""
    scale = 1.0 / (end - start)
    return values.mul(scale).sub_(scale * start).clamp_(0.0, 1.0)


def _clipped(values: Tensor, level: float) -> Tensor:
    """How much values count as clipped, 0..1."""
    return _ramp(values, _ONSET * level, _FULL * level)


def _rebuild(rgb: Tensor, chroma: Tensor, clip: Sequence[float]) -> Tensor:
    """Predict the clipped channels of `rgb` in surroundings of a `chroma`, both (3, H, W)."""
    planes = rgb.unbind(0)
    highest = rgb.amax(0)
    clipped = [_clipped(plane, float(level)) for plane, level in zip(planes, clip, strict=True)]
    # The light is fitted to the unclipped channels; a small share of the highest decides where all are clipped.
    light, scale = highest * 1e-3, torch.full_like(highest, 1e-3)
    for plane, ratio, weight in zip(planes, chroma.unbind(0), clipped, strict=True):
        light.add_(plane).addcmul_(plane, weight, value=-1.0)
        scale.add_(ratio).addcmul_(ratio, weight, value=-1.0)
    light.div_(scale)
    fills = [plane.mul(1.0 / float(level)) for plane, level in zip(planes, clip, strict=True)]
    white = _ramp(fills[0].clamp_(max=fills[1]).clamp_(max=fills[2]), _WHITE_ONSET, _WHITE_FULL)
    white.mul_(torch.maximum(torch.maximum(clipped[0], clipped[1]), clipped[2]))
    out = torch.empty_like(rgb)
    for i, (plane, ratio, weight) in enumerate(zip(planes, chroma.unbind(0), clipped, strict=True)):
        floor = torch.minimum(planes[i - 1], planes[i - 2]).clamp_(min=plane)
        estimate = ratio.mul(light).clamp_(floor, highest)
        torch.lerp(plane, estimate, weight, out=out[i]).lerp_(highest, white)
    return out


def _surrounding_chroma(rgb: Tensor, clip: Sequence[float], radius: int) -> Tensor:
    """Ratios of the channels to their mean over bright, unclipped pixels around; 1 where there are none."""
    level = rgb.new_tensor([float(value) for value in clip])[:, None, None]
    fill = (rgb / level).amax(0)
    weight = fill.sub(0.2).mul_(4.0).clamp_(0.0, 1.0).mul_(fill.neg_().add_(_ONSET).mul_(20.0).clamp_(0.0, 1.0))
    padded = F.pad(rgb.clamp(min=0.0).mul_(weight), (radius,) * 4)
    side = 2 * radius + 1
    sums = window_sum_valid(window_sum_valid(padded, side, -2), side, -1)
    sums.add_(0.01 * side * side)
    return sums.div_(sums.mean(0))


def _doubled(half: Tensor) -> Tensor:
    """(C, H, W) to (C, 2H, 2W), every pixel repeated in both directions."""
    out = half.new_empty(half.shape[0], 2 * half.shape[1], 2 * half.shape[2])
    out[:, ::2, ::2] = half
    out[:, ::2, 1::2] = half
    out[:, 1::2] = out[:, ::2]
    return out
