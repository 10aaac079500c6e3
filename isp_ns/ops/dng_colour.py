"""The colour model of DNG: which matrix takes camera RGB to a known space, for the white of this photograph.

Everything here is small (3, 3) arithmetic in float64; the result is one matrix for the pixels. Camera RGB is
called balanced when it was divided by the camera's neutral, so that a grey object has R = G = B.
Source: Adobe, Digital Negative Specification 1.4.0.0 (2012) and 1.6.0.0 (2021), chapter 6.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from isp_ns.ops.spaces import (
    D50_XY,
    D65_XY,
    adaptation_matrix,
    get_space,
    rgb_to_rgb_matrix,
    rgb_to_xyz_matrix,
    white_xyz,
    xyz_to_rgb_matrix,
)
from isp_ns.ops.temperature import xy_to_cct

__all__ = [
    "Calibration",
    "CalibrationLike",
    "CameraMatrix",
    "calibration_weights",
    "camera_neutral",
    "camera_to_space",
    "camera_to_xyz_d50",
    "is_usable",
    "neutral_to_xy",
    "xyz_to_camera_matrix",
]

Matrix = Sequence[Sequence[float]] | Tensor

_MAX_ITERATIONS = 30
_XY_TOLERANCE = 1e-7


class CalibrationLike(Protocol):
    """What the functions here read of a calibration; `Calibration` and the frames' metadata both have it.

    Source: DNG 1.4, ColorMatrix, ForwardMatrix and CameraCalibration tags.
    """

    @property
    def cct_k(self) -> float:
        """Correlated colour temperature of the calibration illuminant, kelvin."""

    @property
    def color_matrix(self) -> Matrix:
        """XYZ to camera RGB under that illuminant."""

    @property
    def forward_matrix(self) -> Matrix | None:
        """Balanced camera RGB to XYZ (D50)."""

    @property
    def camera_calibration(self) -> Matrix | None:
        """Reference camera to this camera; None is the identity."""


class Calibration(NamedTuple):
    """Colour matrices measured under one illuminant.

    Source: DNG 1.4, ColorMatrix, ForwardMatrix and CameraCalibration tags.
    """

    cct_k: float
    color_matrix: Matrix
    forward_matrix: Matrix | None = None
    camera_calibration: Matrix | None = None


class CameraMatrix(NamedTuple):
    """A colour conversion and what is known about it.

    `matrix` (3, 3) float64 takes balanced camera RGB to linear RGB of the space asked for, (1, 1, 1) onto
    (1, 1, 1). `source` is "dng", "xyz_to_camera", "camera_to_srgb" or "default". `white_xy` is the chromaticity of
    the scene's white, where the source tells it.

    Source: as `camera_to_space`.
    """

    matrix: Tensor
    source: str
    white_xy: tuple[float, float] | None


def _matrix(values: Matrix) -> Tensor:
    """`values` as a (3, 3) float64 tensor; raises ValueError on another shape."""
    matrix = torch.as_tensor(values, dtype=torch.float64)
    if matrix.shape != (3, 3):
        raise ValueError(f"a colour matrix is 3 by 3, got {tuple(matrix.shape)}; four-colour cameras are not supported")
    return matrix


def _vector(values: Sequence[float] | Tensor, what: str) -> Tensor:
    """`values` as three positive float64 numbers."""
    vector = torch.as_tensor(values, dtype=torch.float64)
    if vector.shape != (3,) or not bool((vector > 0).all()) or not bool(vector.isfinite().all()):
        raise ValueError(f"{what} must be three positive numbers, got {vector.tolist()}")
    return vector


def is_usable(matrix: Matrix | None) -> bool:
    """Whether a colour matrix can be worked with: there, finite and invertible. Files often carry all zeros.

    Source: none; condition number.
    """
    if matrix is None:
        return False
    values = _matrix(matrix)
    return bool(values.isfinite().all()) and bool(torch.linalg.cond(values) < 1e6)


def calibration_weights(white_xy: Sequence[float], ccts_k: Sequence[float]) -> tuple[float, ...]:
    """How much each of one to three calibrations counts under a white; the weights sum to 1.

    Two calibrations are interpolated linearly in reciprocal temperature, the nearer one alone outside their range.
    Three are weighted by distance in the plane of reciprocal temperature and tint.

    Args:
        white_xy: Chromaticity of the scene's white.
        ccts_k: Temperatures of the calibration illuminants, kelvin, in any order.

    Raises:
        ValueError: if there are none or more than three.

    Source: DNG 1.4, p. 79 (two); DNG 1.6, chapter 6 (three).
    """
    if not 1 <= len(ccts_k) <= 3:
        raise ValueError(f"DNG has one to three calibrations, got {len(ccts_k)}")
    if len(ccts_k) == 3:
        return _triple_weights(white_xy, ccts_k)
    if len(ccts_k) == 1 or ccts_k[0] == ccts_k[1]:
        return (1.0,) + (0.0,) * (len(ccts_k) - 1)
    first, second = (1.0 / cct for cct in ccts_k)
    weight = (1.0 / xy_to_cct(white_xy)[0] - second) / (first - second)
    weight = min(max(weight, 0.0), 1.0)
    return weight, 1.0 - weight


def _triple_weights(white_xy: Sequence[float], ccts_k: Sequence[float]) -> tuple[float, ...]:
    """Smooth-stepped inverse squared distances in (1500 K / T, tint / 200), small weights cut off."""
    cct_k, tint = xy_to_cct(white_xy)
    here = torch.tensor([min(1500.0 / cct_k, 1.0), tint / 200.0], dtype=torch.float64)
    lights = torch.tensor([[min(1500.0 / cct, 1.0), 0.0] for cct in ccts_k], dtype=torch.float64)
    weights = 1.0 / ((lights - here).square().sum(dim=1) + 1e-8)
    weights = weights / weights.sum()
    weights = weights * weights * (3.0 - 2.0 * weights)
    weights = ((weights - 0.02) / 0.98).clamp(0.0, 1.0)
    return tuple((weights / weights.sum()).tolist())


def _blend(matrices: Sequence[Matrix | None], weights: Sequence[float]) -> Tensor | None:
    """Weighted mean of the matrices that are there; None if none is."""
    present = [(_matrix(m), w) for m, w in zip(matrices, weights, strict=True) if is_usable(m) and m is not None]
    if not present:
        return None
    total = sum(weight for _, weight in present)
    if total <= 0.0:
        return present[0][0]
    return torch.stack([matrix * (weight / total) for matrix, weight in present]).sum(dim=0)


def _usable(calibrations: Sequence[CalibrationLike]) -> list[CalibrationLike]:
    """The calibrations whose colour matrix can be used; raises ValueError if there is none."""
    usable = [c for c in calibrations if is_usable(c.color_matrix)]
    if not usable:
        raise ValueError("no calibration has a usable colour matrix (all zeros or singular)")
    return usable


def _individual_matrix(
    weights: Sequence[float], calibrations: Sequence[CalibrationLike], analog_balance: Sequence[float]
) -> Tensor:
    """AnalogBalance · CameraCalibration: how this camera differs from the reference camera of the matrices."""
    identity = torch.eye(3, dtype=torch.float64)
    own = [identity if c.camera_calibration is None else c.camera_calibration for c in calibrations]
    blended = _blend(own, weights)
    return _vector(analog_balance, "the analog balance")[:, None] * (identity if blended is None else blended)


def xyz_to_camera_matrix(
    white_xy: Sequence[float],
    calibrations: Sequence[CalibrationLike],
    analog_balance: Sequence[float] = (1.0, 1.0, 1.0),
) -> Tensor:
    """XYZ to camera RGB, interpolated for a white: AnalogBalance · CameraCalibration · ColorMatrix.

    Args:
        white_xy: Chromaticity of the scene's white.
        calibrations: One to three of them; those with an unusable colour matrix are left out. Calibration
            matrices of the single camera belong here only if the two calibration signatures of the file match.
        analog_balance: Gains that were applied to the stored values.

    Returns:
        (3, 3) float64.

    Raises:
        ValueError: if no colour matrix is usable.

    Source: DNG 1.4, p. 79-80.
    """
    usable = _usable(calibrations)
    weights = calibration_weights(white_xy, [c.cct_k for c in usable])
    color = _blend([c.color_matrix for c in usable], weights)
    if color is None:
        raise ValueError("no calibration has a usable colour matrix (all zeros or singular)")
    return _individual_matrix(weights, usable, analog_balance) @ color


def camera_neutral(
    white_xy: Sequence[float],
    calibrations: Sequence[CalibrationLike],
    analog_balance: Sequence[float] = (1.0, 1.0, 1.0),
) -> Tensor:
    """Camera RGB of a neutral object under a white, its largest value 1. Returns (3,) float64.

    Raises:
        ValueError: if no colour matrix is usable, or the white lies outside what the camera can see.

    Source: DNG 1.4, p. 80.
    """
    neutral = xyz_to_camera_matrix(white_xy, calibrations, analog_balance) @ white_xyz(white_xy)
    return _vector(neutral / neutral.max(), "the camera neutral of this white")


def neutral_to_xy(
    neutral: Sequence[float] | Tensor,
    calibrations: Sequence[CalibrationLike],
    analog_balance: Sequence[float] = (1.0, 1.0, 1.0),
) -> tuple[float, float]:
    """Chromaticity of the white that gives a camera neutral: the inverse of `camera_neutral`.

    The matrix depends on the answer, so it is found by iteration, at most 30 times; if that ends between two
    values, their mean is returned.

    Raises:
        ValueError: if the neutral is not positive, no matrix is usable, or the neutral is no possible light.

    Source: DNG 1.4, p. 80-81.
    """
    target = _vector(neutral, "the camera neutral")
    last = xy = D50_XY
    for _ in range(_MAX_ITERATIONS):
        last = xy
        matrix = xyz_to_camera_matrix(last, calibrations, analog_balance)
        x, y, z = (matrix.inverse() @ target).tolist()
        if not min(x, y, z) > 0.0:
            raise ValueError(f"camera neutral {target.tolist()} is no light that these colour matrices can explain")
        xy = (x / (x + y + z), y / (x + y + z))
        if abs(xy[0] - last[0]) + abs(xy[1] - last[1]) < _XY_TOLERANCE:
            return xy
    return (xy[0] + last[0]) / 2.0, (xy[1] + last[1]) / 2.0


def camera_to_xyz_d50(
    neutral: Sequence[float] | Tensor,
    calibrations: Sequence[CalibrationLike],
    analog_balance: Sequence[float] = (1.0, 1.0, 1.0),
) -> Tensor:
    """Balanced camera RGB to XYZ relative to D50; (1, 1, 1) maps onto the XYZ of D50.

    With forward matrices these are used; without, the colours are adapted from the scene's white to D50.

    Args:
        neutral: Camera RGB of a neutral object, any scale.
        calibrations: One to three of them, as for `xyz_to_camera_matrix`.
        analog_balance: Gains that were applied to the stored values.

    Returns:
        (3, 3) float64.

    Raises:
        ValueError: as `neutral_to_xy`.

    Source: DNG 1.4, p. 81-82. The division by the neutral, which the specification has inside the matrix, is left
    to the white balance in front of it.
    """
    target = _vector(neutral, "the camera neutral")
    usable = _usable(calibrations)
    white = neutral_to_xy(target, usable, analog_balance)
    weights = calibration_weights(white, [c.cct_k for c in usable])
    individual = _individual_matrix(weights, usable, analog_balance)
    forward = _blend([c.forward_matrix for c in usable], weights)
    if forward is not None:
        to_reference = individual.inverse()
        balanced = to_reference * target / (to_reference @ target)[:, None]
        return (white_xyz(D50_XY) / forward.sum(dim=1))[:, None] * forward @ balanced
    to_xyz = xyz_to_camera_matrix(white, usable, analog_balance).inverse() * target
    x, y, z = to_xyz.sum(dim=1).tolist()
    seen = (x / (x + y + z), y / (x + y + z))
    adapted = adaptation_matrix(seen, D50_XY) @ to_xyz
    return adapted.div(y)


def camera_to_space(
    space: str,
    neutral: Sequence[float] | Tensor,
    calibrations: Sequence[CalibrationLike] = (),
    *,
    analog_balance: Sequence[float] = (1.0, 1.0, 1.0),
    xyz_to_camera: Matrix | None = None,
    camera_to_srgb: Matrix | None = None,
) -> CameraMatrix:
    """The one matrix from balanced camera RGB to linear RGB of a space, from the best data that there is.

    Tried in this order: the calibrations of a DNG or profile; a single daylight matrix `xyz_to_camera`; a matrix
    `camera_to_srgb` for balanced camera RGB; the camera's own RGB taken for linear sRGB. Matrices that are all
    zeros or singular count as absent.

    Args:
        space: A name of `spaces.SPACES`; the result is linear RGB whatever its transfer.
        neutral: Camera RGB of a neutral object, any scale; its reciprocals are the gains in front of the matrix.
        calibrations: One to three of them, as for `xyz_to_camera_matrix`.
        analog_balance: Gains that were applied to the stored values.
        xyz_to_camera: XYZ (D65) to camera RGB, (3, 3).
        camera_to_srgb: Balanced camera RGB to linear sRGB, (3, 3), rows summing to 1.

    Returns:
        The matrix, its source and the white; neutral input gives neutral output, exactly. A neutral that no light
        can give under the calibrations, as a misled automatic white balance may find, has no white.

    Raises:
        ValueError: if the space is unknown or a matrix is not 3 by 3.

    Source: DNG 1.4, chapter 6; for `xyz_to_camera`, rows normalised before inversion as in Brooks et al.,
    "Unprocessing Images for Learned Raw Denoising", CVPR 2019.
    """
    get_space(space)
    if any(is_usable(c.color_matrix) for c in calibrations):
        return _from_calibrations(space, neutral, calibrations, analog_balance)
    if is_usable(xyz_to_camera) and xyz_to_camera is not None:
        return CameraMatrix(_von_kries(space, _matrix(xyz_to_camera)), "xyz_to_camera", None)
    from_srgb = rgb_to_rgb_matrix("srgb", space)
    if is_usable(camera_to_srgb) and camera_to_srgb is not None:
        return CameraMatrix(_neutral_rows(from_srgb @ _matrix(camera_to_srgb)), "camera_to_srgb", None)
    return CameraMatrix(_neutral_rows(from_srgb), "default", None)


def _from_calibrations(
    space: str,
    neutral: Sequence[float] | Tensor,
    calibrations: Sequence[CalibrationLike],
    analog_balance: Sequence[float],
) -> CameraMatrix:
    """`camera_to_space` from DNG calibrations."""
    _vector(neutral, "the camera neutral")
    try:
        white = neutral_to_xy(neutral, calibrations, analog_balance)
    except ValueError:
        # An automatic white balance can be misled to a neutral that no light gives: keep grey grey at daylight.
        daylight = xyz_to_camera_matrix(D65_XY, calibrations, analog_balance)
        return CameraMatrix(_von_kries(space, daylight), "dng", None)
    to_space = xyz_to_rgb_matrix(space) @ adaptation_matrix(D50_XY, get_space(space).white_xy)
    matrix = to_space @ camera_to_xyz_d50(neutral, calibrations, analog_balance)
    return CameraMatrix(_neutral_rows(matrix), "dng", white)


def _von_kries(space: str, xyz_to_camera: Tensor) -> Tensor:
    """Balanced camera RGB to a space by one matrix for D65, the white adapted by the camera's own gains."""
    from_camera: Tensor = _neutral_rows(xyz_to_camera @ rgb_to_xyz_matrix("srgb")).inverse()
    return _neutral_rows(rgb_to_rgb_matrix("srgb", space) @ from_camera)


def _neutral_rows(matrix: Tensor) -> Tensor:
    """`matrix` with each row divided by its sum, so that neutral stays neutral to the last digit."""
    return matrix / matrix.sum(dim=1, keepdim=True)
