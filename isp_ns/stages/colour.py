"""Stages between colour spaces: from the camera's own RGB to a working space, and gains on RGB."""

import functools
from typing import Annotated, Literal

import torch
from torch import Tensor

from isp_ns.core.meta import IlluminantCalibration, Matrix3, Meta
from isp_ns.core.parameters import Between
from isp_ns.core.ports import CameraRgb, Gains, LinearRgb, Luma
from isp_ns.core.stage import stage
from isp_ns.ops.colour import apply_matrix
from isp_ns.ops.dng_colour import camera_to_space
from isp_ns.stages.raw import balanced, least_one

__all__ = ["camera_to_linear", "gains", "grey_to_linear"]

Working = Literal["linear-srgb", "linear-rec2020", "linear-display-p3", "linear-prophoto", "acescg"]


@stage("colour.gains")
def gains(rgb: CameraRgb, gains: Gains) -> CameraRgb:
    """Multiply the channels of camera RGB by their white-balance gains, the smallest gain scaled to 1."""
    scaled = least_one(gains)
    return balanced(rgb.with_data(rgb.data * scaled[:, None, None].to(rgb.data)), scaled)


@stage("colour.camera_to_linear")
def camera_to_linear(
    rgb: CameraRgb,
    *,
    space: Working = "linear-rec2020",
    matrix: Literal["auto", "none"] = "auto",
    gain_ev: Annotated[float, Between(-10, 10)] = 0.0,
    baseline: bool = True,
) -> LinearRgb:
    """Turn white-balanced camera RGB into linear RGB of a working space, exposure included.

    Args:
        rgb: camera RGB whose neutral is (1, 1, 1).
        space: the working space.
        matrix: "auto" takes the best matrices that the metadata has, "none" takes camera RGB for linear sRGB.
        gain_ev: exposure to add, in EV.
        baseline: whether to add the camera's BaselineExposure too.

    Source: DNG 1.4, chapter 6, with the fall-backs of `isp_ns.ops.dng_colour.camera_to_space`.
    """
    meta = rgb.meta
    exposure_ev = gain_ev + (meta.baseline_exposure_ev if baseline else 0.0)
    to_space = _matrix(
        space,
        meta.as_shot_neutral or (1.0, 1.0, 1.0),
        meta.calibrations if matrix == "auto" else (),
        meta.analog_balance,
        meta.camera_to_srgb if matrix == "auto" else None,
        exposure_ev,
    )
    data = apply_matrix(rgb.data, to_space)
    return rgb.with_data(data).with_meta(space=space, baseline_exposure_ev=0.0, noise=_through(meta, to_space))


@stage("colour.grey_to_linear")
def grey_to_linear(
    grey: Luma, *, space: Working = "linear-rec2020", gain_ev: Annotated[float, Between(-10, 10)] = 0.0
) -> LinearRgb:
    """Show a monochrome image as neutral RGB of a working space.

    Args:
        grey: linear values, black = 0, white = 1.
        space: the working space.
        gain_ev: exposure to add to the camera's BaselineExposure, in EV.
    """
    data = (grey.data * 2.0 ** (gain_ev + grey.meta.baseline_exposure_ev)).expand(3, -1, -1).contiguous()
    return grey.with_data(data).with_meta(space=space, baseline_exposure_ev=0.0)


@functools.lru_cache(maxsize=32)
def _matrix(
    space: str,
    neutral: tuple[float, float, float],
    calibrations: tuple[IlluminantCalibration, ...],
    analog_balance: tuple[float, float, float],
    camera_to_srgb: Matrix3 | None,
    exposure_ev: float,
) -> Tensor:
    found = camera_to_space(space, neutral, calibrations, analog_balance=analog_balance, camera_to_srgb=camera_to_srgb)
    scaled: Tensor = found.matrix * 2.0**exposure_ev
    return scaled.float()


def _through(meta: Meta, matrix: Tensor) -> tuple[tuple[float, float], ...] | None:
    """The noise model behind a matrix: variances add with squared weights, taking grey for the signal."""
    if meta.noise is None:
        return None
    noise = torch.tensor(meta.noise, dtype=torch.float64)
    squared = matrix.double() ** 2
    gain = matrix.double().sum(1).clamp_min(1e-6)
    scale, offset = squared @ noise[:, 0] / gain, squared @ noise[:, 1]
    return tuple(zip(scale.tolist(), offset.tolist(), strict=True))
