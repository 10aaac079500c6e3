"""Lateral chromatic aberration: red and blue images a little larger or smaller than the green one.

The estimate slides the green image along the radius under red and under blue and notes, by distance from the centre,
how well blocks correlate; these curves add over tiles. Their peaks give the displacement by radius, and a polynomial
through it the scale of each colour. The correction reads red and blue at the displaced places.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from isp_ns.ops.filters import box_mean, pad_mirror, starlet_smooth
from isp_ns.ops.warp import radial_coordinates, resample

__all__ = [
    "RADII",
    "SHIFTS_PX",
    "aberration_halo",
    "aberration_statistics",
    "correct_aberration_mosaic",
    "correct_aberration_rgb",
    "scales_from_statistics",
]

RADII = 12
"""Bins of the distance from the centre, 1 being a corner."""

SHIFTS_PX = tuple(range(-5, 6))
"""Radial displacements tried, in mosaic pixels."""

_SIDE = 16
_MARGIN = 3
_LEAST_CORRELATION = 0.5
"""Mean squared correlation at its peak below which a ring of the image gives no evidence."""
_LEAST_WEIGHT = 0.02


def aberration_statistics(
    mosaic: Tensor, pattern: str, *, origin: tuple[int, int] = (0, 0), full_size: tuple[int, int], every: int = 1
) -> Tensor:
    """Correlation of red and blue with green by radius and displacement; add those of tiles to get that of the whole.

    Args:
        mosaic: (1, H, W) linear.
        pattern: four letters of the CFA at the first pixel.
        origin: (row, column) of the first pixel in the full frame.
        full_size: (height, width) of the full frame.
        every: use every n-th block of 32 pixels in both directions, for speed.

    Returns:
        (2, RADII, len(SHIFTS_PX) + 1) weighted squared correlations, red first; last the sum of the weights.

    Source: none; block matching along the radius, scored by normalised cross-correlation.
    """
    score = mosaic.new_zeros(2, RADII, len(SHIFTS_PX) + 1)
    if min(mosaic.shape[-2:]) < 2 * (_SIDE + 2 * _MARGIN) + 2:
        return score
    padded = pad_mirror(mosaic, 1)
    green = (padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1]).add_(padded[:, 1:-1, :-2]).add_(padded[:, 1:-1, 2:])
    for index, letter in enumerate("RB"):
        row, column = divmod(pattern.index(letter), 2)
        planes = torch.cat([mosaic[:, row::2, column::2], green[:, row::2, column::2].mul(0.25)])
        site = (origin[0] + row, origin[1] + column)
        _add_correlations(score[index], planes, site, full_size, every)
    return score


def _add_correlations(
    score: Tensor, planes: Tensor, site: tuple[int, int], full_size: tuple[int, int], every: int
) -> None:
    """Add the scores of the blocks of one colour plane and the green plane at its sites."""
    smooth = starlet_smooth(planes)
    band = smooth - box_mean(smooth, 4)
    tops, lefts = (
        torch.arange(_MARGIN, size - _SIDE - _MARGIN + 1, _SIDE * every, device=planes.device)
        for size in planes.shape[1:]
    )
    centre = torch.cartesian_prod(tops, lefts) + 0.5 * (_SIDE - 1)
    middle = centre.new_tensor([(full_size[0] - 1) / 2 - site[0], (full_size[1] - 1) / 2 - site[1]]) / 2
    radius = (centre - middle).norm(dim=1).clamp(min=1e-6)
    outward = (centre - middle) / radius[:, None]
    steps = torch.arange(_SIDE, dtype=centre.dtype, device=centre.device) - 0.5 * (_SIDE - 1)
    own = _read_blocks(band[:1], centre, steps)
    contrast = own.square().mean((1, 2)) / _read_blocks(smooth[:1], centre, steps).mean((1, 2)).square().clamp(min=1e-6)
    weight = contrast.clamp(max=0.02)
    corner = math.hypot(*full_size) / 4
    bins = (radius / corner * RADII).long().clamp(max=RADII - 1)
    score[:, -1].index_add_(0, bins, weight)
    shifts = centre.new_tensor(SHIFTS_PX)[:, None, None] / 2
    others = _read_blocks(band[1:], (centre - outward * shifts).flatten(0, 1), steps).view(len(shifts), *own.shape)
    product = (own * others).mean((2, 3)).clamp_(min=0).square_()
    energy = own.square().mean((1, 2)) * others.square().mean((2, 3))
    score[:, :-1].index_add_(0, bins, (weight * product / energy.clamp_(min=1e-20)).T)


def _read_blocks(plane: Tensor, centre: Tensor, steps: Tensor) -> Tensor:
    """Blocks of a (1, h, w) plane around real-valued centres, by cubic interpolation: (N, side, side)."""
    shape = (len(centre), len(steps), len(steps))
    rows = (centre[:, 0, None, None] + steps[:, None]).expand(shape)
    columns = (centre[:, 1, None, None] + steps).expand(shape)
    return resample(plane, torch.stack([rows, columns]).flatten(1, 2)[None]).view(shape)


def scales_from_statistics(score: Tensor, full_size: tuple[int, int]) -> tuple[tuple[float, float], ...]:
    """Radial scale of red and of blue from the added statistics of `aberration_statistics`.

    Args:
        score: (2, RADII, len(SHIFTS_PX) + 1).
        full_size: (height, width) of the full frame.

    Returns:
        For red and for blue (a0, a1): the colour lies at radius r·(1 + a0 + a1·r²) where green lies at r, r being 1 in
        the corners. Zeros where the picture gives no evidence.

    Source: none; parabola through each peak, weighted least squares over the radii.
    """
    corner = math.hypot(*full_size) / 2
    radii = (torch.arange(RADII, dtype=torch.float64) + 0.5) / RADII
    return tuple(_fit_scale(curves.double().cpu(), radii, corner) for curves in score)


def _fit_scale(score: Tensor, radii: Tensor, corner: float) -> tuple[float, float]:
    """Weighted least squares of the peaks' displacements against radius and its cube."""
    curves, total = score[:, :-1], score[:, -1]
    peak = curves.argmax(1)
    inner = peak.clamp(1, curves.shape[1] - 2)
    before, top, after = (curves.gather(1, (inner + k)[:, None])[:, 0] for k in (-1, 0, 1))
    curvature = (2 * top - before - after).clamp(min=1e-12)
    usable = (peak == inner) & (total > _LEAST_WEIGHT) & (top > _LEAST_CORRELATION * total)
    if not bool(usable.any()):
        return 0.0, 0.0
    shift = inner + 0.5 * (after - before) / curvature + SHIFTS_PX[0]
    weight = torch.where(usable, curvature, 0.0).sqrt()
    basis = torch.stack([radii, radii**3], 1) * corner
    ridge = torch.diag(weight.new_tensor([0.0, 0.02 * corner * float(weight.max())]))
    matrix = torch.cat([basis * weight[:, None], ridge])
    solution = torch.linalg.lstsq(matrix, torch.cat([shift * weight, weight.new_zeros(2)])[:, None]).solution[:, 0]
    return float(solution[0]), float(solution[1])


def aberration_halo(scales: Sequence[Sequence[float]], full_size: tuple[int, int]) -> int:
    """Pixels around a tile that the correction depends on; even, so that tiles keep their phase.

    Args:
        scales: (a0, a1, ...) of red and of blue.
        full_size: (height, width) of the full frame.

    Source: none; greatest displacement, sampled along the radius, and the cubic kernel on a plane of every other pixel.
    """
    corner = math.hypot(*full_size) / 2
    radii = torch.linspace(0, 1, 65, dtype=torch.float64)
    shifts = [sum(a * radii ** (2 * k + 1) for k, a in enumerate(terms)) * corner for terms in scales]
    greatest = max((float(torch.as_tensor(shift).abs().max()) for shift in shifts), default=0.0)
    return 2 * math.ceil(greatest / 2) + 6


def correct_aberration_rgb(
    image: Tensor,
    scales: Sequence[Sequence[float]],
    *,
    origin: tuple[int, int] = (0, 0),
    full_size: tuple[int, int] | None = None,
) -> Tensor:
    """Bring red and blue of an RGB image to the size of green, which stays as it is; halo `aberration_halo`.

    Args:
        image: (3, H, W).
        scales: (a0, a1, ...) of red and of blue, see `scales_from_statistics`.
        origin: (row, column) of the first pixel in the full frame.
        full_size: (height, width) of the full frame; the image's own by default.

    Returns:
        (3, H, W), the input itself if both scales are 0.

    Source: see `isp_ns.ops.warp.resample`.
    """
    if not any(any(terms) for terms in scales):
        return image
    height, width = image.shape[-2:]
    box = (origin[0], origin[1], origin[0] + height, origin[1] + width)
    coordinates = radial_coordinates(box, full_size or (height, width), scales, image.device)
    out = image.clone()
    out[::2] = resample(image[::2], coordinates, origin)
    return out


def correct_aberration_mosaic(
    mosaic: Tensor,
    pattern: str,
    scales: Sequence[Sequence[float]],
    *,
    origin: tuple[int, int] = (0, 0),
    full_size: tuple[int, int] | None = None,
) -> Tensor:
    """Bring the red and blue samples of a mosaic to the size of green; halo `aberration_halo`.

    Args:
        mosaic: (1, H, W).
        pattern: four letters of the CFA at the first pixel.
        scales: (a0, a1, ...) of red and of blue, see `scales_from_statistics`.
        origin: (row, column) of the first pixel in the full frame.
        full_size: (height, width) of the full frame; the mosaic's own by default.

    Returns:
        (1, H, W), green as it was; the input itself if both scales are 0.

    Source: see `isp_ns.ops.warp.resample`.
    """
    if not any(any(terms) for terms in scales):
        return mosaic
    height, width = mosaic.shape[-2:]
    box = (origin[0], origin[1], origin[0] + height, origin[1] + width)
    out = mosaic.clone()
    for letter, terms in zip("RB", scales, strict=True):
        row, column = divmod(pattern.index(letter), 2)
        plane = mosaic[:, row::2, column::2]
        if not plane.numel():
            continue
        places = radial_coordinates(box, full_size or (height, width), [terms], mosaic.device)[..., row::2, column::2]
        start = places.new_tensor([origin[0] + row, origin[1] + column])[:, None, None]
        out[:, row::2, column::2] = resample(plane, (places - start) / 2)
    return out
