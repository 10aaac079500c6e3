"""Stages on the mosaic before colour: levels, defects, shading, white-balance gains."""

import torch

from isp_ns.core.errors import StageError
from isp_ns.core.frame import Frame
from isp_ns.core.ports import CameraRgb, Gains, Luma, Mosaic, Sensor, SensorMono, SensorRgb
from isp_ns.core.reach import Local
from isp_ns.core.stage import stage
from isp_ns.ops import levels
from isp_ns.ops.noise import scale_noise
from isp_ns.ops.white_balance import apply_gains

__all__ = ["black_level", "black_level_mono", "black_level_rgb", "gains"]


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


@stage("raw.gains", reach=Local(align=2))
def gains(raw: Mosaic, gains: Gains) -> Mosaic:
    """Multiply each colour of the mosaic by its white-balance gain.

    Afterwards grey is equal in R, G and B, and the noise model of the metadata is that of the balanced values.
    """
    return balanced(raw.with_data(apply_gains(raw.data, raw.cfa, gains)), gains)


def balanced(frame: Frame, gains: torch.Tensor) -> Frame:
    """Note in the metadata of a frame that `gains` (3,) have been applied."""
    values = gains.tolist()
    if min(values) <= 0:
        raise StageError(f"white-balance gains are positive, not {values}; check the white balance")
    neutral = tuple(1.0 / value for value in values)
    noise = scale_noise(frame.meta.noise, values) if frame.meta.noise else None
    return frame.with_meta(as_shot_neutral=neutral, noise=noise, white=tuple(values))
