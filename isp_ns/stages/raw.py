"""Stages on the mosaic before colour: levels, defects, shading, white-balance gains."""

from typing import Annotated

import torch

from isp_ns.core.errors import StageError
from isp_ns.core.frame import Frame
from isp_ns.core.meta import Meta
from isp_ns.core.parameters import Between
from isp_ns.core.ports import Balanceable, CameraRgb, Gains, Luma, Mosaic, Same, Sensor, SensorMono, SensorRgb, Stats
from isp_ns.core.reach import Local
from isp_ns.core.stage import stage
from isp_ns.ops import defects as defect_ops
from isp_ns.ops import levels
from isp_ns.ops.aberration import aberration_halo, correct_aberration_mosaic
from isp_ns.ops.green import equilibrate_green, green_halo
from isp_ns.ops.noise import scale_noise
from isp_ns.ops.shading import apply_gain_map, apply_shading
from isp_ns.ops.white_balance import apply_gains

__all__ = [
    "aberration",
    "black_level",
    "black_level_mono",
    "black_level_rgb",
    "defects",
    "equilibrate",
    "gains",
    "shading",
]

QUIET = ((1e-4, 1e-6),) * 3
"""Noise model of a good sensor at base ISO, for files that have none and are too small to estimate one from.

Source: BaselineNoise 1 at ISO 100 is about S = 2e-5, O = 4.5e-7; five times that is on the safe side."""


def _levelled(raw: Frame, pattern: str | None) -> Frame:
    """Counts to linear values with black = 0 and white = 1, by what the metadata says of the levels."""
    meta, counts = raw.meta, raw.data
    if meta.linearization is not None:
        counts = levels.linearise(counts, meta.linearization)
    data = levels.normalise(
        counts,
        black=meta.black,
        white=meta.white if pattern or counts.shape[0] == 3 else meta.white[:1],
        pattern=pattern,
        origin=raw.origin,
        black_rows=meta.black_rows,
        black_columns=meta.black_columns,
    )
    return raw.with_data(data).with_meta(
        linearization=None, black=((0.0,),), white=(1.0,), black_rows=None, black_columns=None
    )


@stage("raw.black_level")
def black_level(raw: Sensor) -> Mosaic:
    """Remove the black level and scale to the white level, by CFA position; linearise by LUT where there is one.

    Source: DNG 1.4, chapter 5, "Mapping Raw Values to Linear Reference Values".
    """
    return _levelled(raw, raw.cfa)


@stage("raw.black_level_rgb")
def black_level_rgb(raw: SensorRgb) -> CameraRgb:
    """Remove the black level of a linear (already demosaicked) file and scale to its white level.

    Source: DNG 1.4, chapter 5.
    """
    return _levelled(raw, None)


@stage("raw.black_level_mono")
def black_level_mono(raw: SensorMono) -> Luma:
    """Remove the black level of a monochrome sensor and scale to its white level.

    Source: DNG 1.4, chapter 5.
    """
    return _levelled(raw, None)


def noise_of(meta: Meta) -> tuple[tuple[float, float], ...]:
    """The noise model of a frame, or that of a quiet sensor where none is known."""
    return meta.noise or QUIET


@stage("raw.defects", reach=Local(halo=defect_ops.HALO, align=2))
def defects(
    raw: Mosaic,
    *,
    threshold_sigma: Annotated[float, Between(3, 100)] = 6.0,
    contrast: Annotated[float, Between(0, 10)] = 0.7,
) -> Mosaic:
    """Replace hot and dead pixels, found in the picture or listed in the camera's profile.

    Args:
        raw: linear mosaic.
        threshold_sigma: how far beyond its neighbours a defect lies, in standard deviations of the noise.
        contrast: how far beyond them it lies besides, as a share of their own spread.

    Source: see `isp_ns.ops.defects`.
    """
    data = defect_ops.correct_defects(
        raw.data,
        raw.cfa,
        noise_of(raw.meta),
        listed=raw.meta.defects,
        origin=raw.origin,
        threshold_sigma=threshold_sigma,
        contrast=contrast,
    )
    return raw.with_data(data)


@stage("raw.equilibrate_green", reach=Local(halo=lambda p: green_halo(p["radius_px"]), align=2))
def equilibrate(
    raw: Mosaic,
    *,
    radius_px: Annotated[int, Between(2, 32)] = 4,
    limit: Annotated[float, Between(0, 0.5)] = 0.04,
) -> Mosaic:
    """Remove the local difference between the greens of red and of blue rows.

    Args:
        raw: linear mosaic.
        radius_px: half side of the averaging window.
        limit: greatest imbalance taken for one, as a share of the level; more counts as detail.

    Source: see `isp_ns.ops.green`.
    """
    return raw.with_data(equilibrate_green(raw.data, raw.cfa, noise_of(raw.meta), radius_px=radius_px, limit=limit))


@stage("raw.shading", reach=Local(align=2))
def shading(image: Balanceable) -> Same:
    """Correct lens shading: by the grid of the camera's profile, or else by the gain maps of the DNG.

    Source: DNG 1.4, chapter 7, GainMap in OpcodeList2; see `isp_ns.ops.shading`.
    """
    meta, place = image.meta, {"origin": image.origin, "full_size": image.full_size}
    if meta.shading is not None:
        pattern = image.cfa if image.data.shape[0] == 1 else None
        return image.with_data(apply_shading(image.data, meta.shading, pattern=pattern, **place))
    data = image.data
    for gain_map in meta.gain_maps:
        data = apply_gain_map(
            data,
            gain_map.gains,
            area=gain_map.area,
            pitch=gain_map.pitch,
            plane=gain_map.plane,
            planes=gain_map.planes,
            map_origin=gain_map.origin,
            map_spacing=gain_map.spacing,
            **place,
        )
    return image.with_data(data)


@stage("raw.gains", reach=Local(align=2))
def gains(raw: Mosaic, gains: Gains) -> Mosaic:
    """Multiply each colour of the mosaic by its white-balance gain, the smallest gain scaled to 1.

    Afterwards grey is equal in R, G and B, every colour can still reach white, and the noise model of the metadata is
    that of the balanced values.

    Source: the scaling of dcraw and LibRaw with clipped highlights.
    """
    scaled = least_one(gains)
    return balanced(raw.with_data(apply_gains(raw.data, raw.cfa, scaled)), scaled)


def least_one(gains: torch.Tensor) -> torch.Tensor:
    """(3,) gains scaled so that the smallest is 1: with less, clipped areas would come out grey.

    Raises:
        StageError: if a gain is not positive.
    """
    if not bool((gains > 0).all()):
        raise StageError(f"white-balance gains are positive, not {gains.tolist()}; check the white balance")
    return gains / gains.min()


def balanced(frame: Frame, gains: torch.Tensor) -> Frame:
    """Note in the metadata of a frame that `gains` (3,) have been applied."""
    values = gains.tolist()
    neutral = tuple(1.0 / value for value in values)
    noise = scale_noise(frame.meta.noise, values) if frame.meta.noise else None
    return frame.with_meta(as_shot_neutral=neutral, noise=noise, white=tuple(values))


ABERRATION_HALO_PX = 16
"""Pixels that a correction of lateral colour may reach: ten pixels of displacement and the kernel."""


@stage("raw.aberration", reach=Local(halo=ABERRATION_HALO_PX, align=2))
def aberration(raw: Mosaic, scales: Stats) -> Mosaic:
    """Bring the red and blue samples to the size of green, by the scales that `measure.aberration` found.

    Raises:
        StageError: if the scales move samples further than any lens does.

    Source: see `isp_ns.ops.aberration.correct_aberration_mosaic`.
    """
    terms = scales.tolist()
    if aberration_halo(terms, raw.full_size) > ABERRATION_HALO_PX:
        raise StageError(f"lateral colour of scales {terms} is more than any lens has; leave the correction out")
    data = correct_aberration_mosaic(raw.data, raw.cfa, terms, origin=raw.origin, full_size=raw.full_size)
    return raw.with_data(data)
