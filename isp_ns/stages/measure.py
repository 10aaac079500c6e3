"""Measuring stages: white balance and exposure as values on a wire, from metadata or from all pixels."""

from typing import Annotated

import torch
from torch import Tensor

from isp_ns.core.errors import MetadataError
from isp_ns.core.frame import Frame
from isp_ns.core.meta import Box, Meta
from isp_ns.core.parameters import Between
from isp_ns.core.ports import Balanceable, Gains, LinearRgb, Mosaic, Stats
from isp_ns.core.reach import Params, Reduce
from isp_ns.core.stage import stage
from isp_ns.ops import tone
from isp_ns.ops import white_balance as wb
from isp_ns.ops.aberration import RADII, aberration_statistics, scales_from_statistics
from isp_ns.ops.dng_colour import camera_neutral, is_usable
from isp_ns.ops.local_tone import base_grid, local_tone_stats

__all__ = [
    "aberration",
    "as_shot",
    "box",
    "daylight",
    "exposure",
    "gains",
    "grey_edge",
    "grey_world",
    "kelvin",
    "local_tone",
    "shades_of_grey",
    "white_patch",
]

D65_XY = (0.3127, 0.3290)
Share = Annotated[float, Between(0.0, 1.0)]


def as_shot_gains(meta: Meta) -> Tensor:
    """(3,) gains of the camera's own white balance; daylight, then unity, where the file has none."""
    if meta.as_shot_neutral is not None:
        return wb.gains_from_neutral(meta.as_shot_neutral).float()
    if meta.as_shot_white_xy is not None and _calibrated(meta):
        return _from_neutral(camera_neutral(meta.as_shot_white_xy, meta.calibrations, meta.analog_balance))
    return daylight_gains(meta)


def daylight_gains(meta: Meta) -> Tensor:
    """(3,) gains for D65, through the colour matrices where there are any."""
    if _calibrated(meta):
        return _from_neutral(camera_neutral(D65_XY, meta.calibrations, meta.analog_balance))
    return _from_neutral(torch.tensor(meta.daylight_neutral or (1.0, 1.0, 1.0)))


def _from_neutral(neutral: Tensor) -> Tensor:
    return wb.gains_from_neutral(neutral).float()


def _calibrated(meta: Meta) -> bool:
    return any(is_usable(calibration.color_matrix) for calibration in meta.calibrations)


def _rgb(frame: Frame) -> Tensor:
    """(3, h, w) camera RGB of a mosaic's 2×2 cells, or of an image as it is."""
    return wb.cells(frame.data, frame.cfa) if frame.data.shape[0] == 1 else frame.data


@stage("measure.as_shot")
def as_shot(raw: Balanceable) -> Gains:
    """White-balance gains as the camera set them.

    Source: DNG 1.4, tags AsShotNeutral (50728) and AsShotWhiteXY (50729).
    """
    return as_shot_gains(raw.meta)


@stage("measure.daylight")
def daylight(raw: Balanceable) -> Gains:
    """White-balance gains for daylight (D65), from the camera's matrices.

    Raises:
        MetadataError: if the camera's matrices are unknown, and its balance in daylight too.

    Source: DNG 1.4, chapter 6.
    """
    if not _calibrated(raw.meta) and raw.meta.daylight_neutral is None:
        raise MetadataError("daylight needs the camera's colour matrix, and this file has none; give gains")
    return daylight_gains(raw.meta)


@stage("measure.kelvin")
def kelvin(raw: Balanceable, *, cct_k: Annotated[float, Between(1500, 25000)] = 5500.0, tint: float = 0.0) -> Gains:
    """White-balance gains for a light of known colour temperature.

    Args:
        raw: the image; only its metadata is read.
        cct_k: correlated colour temperature in kelvin.
        tint: distance from the black-body curve, positive towards magenta, in Adobe's units.

    Source: DNG 1.4, chapter 6; Robertson (1968).
    """
    meta = raw.meta
    if not _calibrated(meta):
        raise MetadataError("a colour temperature needs the camera's colour matrix, and this file has none; give gains")
    return wb.gains_from_kelvin(cct_k, tint, meta.calibrations, meta.analog_balance).float()


@stage("measure.gains")
def gains(
    raw: Balanceable,
    *,
    red: Annotated[float, Between(0.01, 100)] = 1.0,
    green: Annotated[float, Between(0.01, 100)] = 1.0,
    blue: Annotated[float, Between(0.01, 100)] = 1.0,
) -> Gains:
    """White-balance gains given by hand.

    Args:
        raw: the image; it is not read.
        red: gain of red.
        green: gain of green.
        blue: gain of blue.
    """
    del raw
    return torch.tensor([red, green, blue]) / green


@stage("measure.grey_world", reach=Reduce(finish=lambda stats, _: wb.grey_gains(stats).float()))
def grey_world(raw: Balanceable, *, discard_dark: Share = 0.02, discard_bright: Share = 0.95) -> Gains:
    """White-balance gains that make the mean of the image grey.

    Args:
        raw: linear values before white balance.
        discard_dark: pixels whose mean is below are left out.
        discard_bright: pixels with a channel above are left out.

    Source: Buchsbaum, "A Spatial Processor Model for Object Colour Perception" (1980).
    """
    return wb.grey_stats(_rgb(raw), dark=discard_dark, bright=discard_bright)


def _grey_gains(stats: Tensor, params: Params) -> Tensor:
    return wb.grey_gains(stats, norm=params["norm"]).float()


@stage("measure.shades_of_grey", reach=Reduce(finish=_grey_gains))
def shades_of_grey(raw: Balanceable, *, norm: Annotated[float, Between(1, 20)] = 6.0) -> Gains:
    """White-balance gains that make a Minkowski mean of the image grey.

    Args:
        raw: linear values before white balance.
        norm: order of the mean; 1 is grey world, large values near white patch.

    Source: Finlayson and Trezzi, "Shades of Gray and Colour Constancy" (2004).
    """
    return wb.grey_stats(_rgb(raw), norm=norm)


@stage(
    "measure.grey_edge",
    reach=Reduce(finish=_grey_gains, halo=lambda p: wb.grey_edge_halo_px(p["sigma_px"])),
)
def grey_edge(
    raw: Balanceable,
    *,
    norm: Annotated[float, Between(1, 20)] = 6.0,
    sigma_px: Annotated[float, Between(0.5, 8)] = 2.0,
) -> Gains:
    """White-balance gains that make the average edge of the image grey.

    Args:
        raw: linear values before white balance.
        norm: order of the mean over edges.
        sigma_px: scale of the derivative, in pixels of the 2×2 cells.

    Source: van de Weijer, Gevers and Gijsenij, "Edge-Based Color Constancy" (2007).
    """
    return wb.grey_edge_stats(_rgb(raw), norm=norm, sigma_px=sigma_px)


def _patch_gains(stats: Tensor, params: Params) -> Tensor:
    return wb.white_patch_gains(stats, fraction=params["fraction"]).float()


@stage("measure.white_patch", reach=Reduce(finish=_patch_gains))
def white_patch(raw: Balanceable, *, fraction: Annotated[float, Between(0, 0.5)] = 0.01) -> Gains:
    """White-balance gains that make the brightest part of each channel equal.

    Args:
        raw: linear values before white balance.
        fraction: the share of pixels that count as brightest.

    Source: Land and McCann, "Lightness and Retinex Theory" (1971).
    """
    return wb.white_patch_stats(_rgb(raw))


def _box_gains(sums: Tensor, params: Params) -> Tensor:
    if not float(sums[-1]):
        raise MetadataError(
            f"the box of {params['height']} x {params['width']} pixels at row {params['top']}, column "
            f"{params['left']} holds no cell of this picture; move it, or make it larger"
        )
    return wb.grey_gains(sums).float()


@stage("measure.box", reach=Reduce(finish=_box_gains))
def box(
    raw: Balanceable,
    *,
    top: int = 0,
    left: int = 0,
    height: Annotated[int, Between(1, 100000)] = 64,
    width: Annotated[int, Between(1, 100000)] = 64,
) -> Gains:
    """White-balance gains that make the mean of a box grey, such as a patch of a chart.

    Args:
        raw: linear values before white balance.
        top: first row of the box, in pixels of the sensor.
        left: first column of the box.
        height: rows of the box.
        width: columns of the box.
    """
    inside = _overlap(raw.box, (top, left, top + height, left + width))
    if inside is None:
        return torch.zeros(4, dtype=torch.float64)
    rgb = _rgb(raw.crop(inside))
    count = torch.tensor([float(rgb[0].numel())], dtype=torch.float64)
    return torch.cat([rgb.sum((1, 2), dtype=torch.float64), count])


def _overlap(one: Box, other: Box) -> Box | None:
    top, left = max(one[0], other[0]), max(one[1], other[1])
    bottom, right = min(one[2], other[2]), min(one[3], other[3])
    return (top, left, bottom, right) if bottom - top >= 2 and right - left >= 2 else None


@stage("measure.exposure", reach=Reduce(finish=lambda stats, _: torch.tensor([tone.exposure_ev(stats)])))
def exposure(rgb: LinearRgb) -> Stats:
    """Exposure correction in EV that brings the image's middle to mid-grey; (1,).

    Source: see `isp_ns.ops.tone.exposure_ev`.
    """
    return tone.exposure_stats(rgb.data, rgb.meta.space or "linear-srgb")


@stage("measure.local_tone", reach=Reduce(finish=lambda stats, _: base_grid(stats)))
def local_tone(rgb: LinearRgb) -> Stats:
    """How bright the image is by region and level, for `tone.local`: (levels, rows, columns) in EV.

    Source: Chen et al., "Real-time Edge-Aware Image Processing with the Bilateral Grid" (2007).
    """
    return local_tone_stats(rgb.data, origin=rgb.origin, full_size=rgb.full_size, space=rgb.meta.space or "linear-srgb")


def _aberration(stats: Tensor, _: Params) -> Tensor:
    """Radial scales from added scores; the last entries are the frame's size, counted once per tile."""
    height, width, tiles = stats[-3:].tolist()
    score = stats[:-3].reshape(2, RADII, -1)
    return torch.tensor(scales_from_statistics(score, (round(height / tiles), round(width / tiles))))


@stage("measure.aberration", reach=Reduce(finish=_aberration))
def aberration(raw: Mosaic, *, every: Annotated[int, Between(1, 16)] = 3) -> Stats:
    """Lateral chromatic aberration from the picture's own edges, for `raw.aberration`: (2, 2) radial scales.

    Args:
        raw: linear mosaic.
        every: use every n-th block in both directions.

    Source: see `isp_ns.ops.aberration`.
    """
    score = aberration_statistics(raw.data, raw.cfa, origin=raw.origin, full_size=raw.full_size, every=every)
    return torch.cat([score.double().flatten(), torch.tensor([*raw.full_size, 1.0], dtype=torch.float64)])
