"""What is known about a photograph: levels, colour, noise, exposure, each value with its source.

`Meta` is frozen; a stage that changes what the numbers mean returns a frame with a new one. Values are plain
tuples and floats so that two metas can be compared; the few big tables (gain maps, LUTs) are tensors.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from torch import Tensor

__all__ = ["Box", "Cfa", "GainMap", "IlluminantCalibration", "Matrix3", "Meta", "WarpRectilinear"]

Matrix3 = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
Box = tuple[int, int, int, int]
"""(top, left, bottom, right), half open, in pixels."""


class Cfa(str):
    """A 2×2 colour filter array as its four letters in reading order, for example `Cfa("GRBG")`."""

    def __new__(cls, pattern: str) -> Self:
        """Check and keep `pattern`; raises ValueError unless it has one R, two G on a diagonal and one B."""
        letters = str(pattern).upper()
        if letters not in ("RGGB", "BGGR", "GRBG", "GBRG"):
            raise ValueError(f"{pattern!r} is not a Bayer pattern; use RGGB, BGGR, GRBG or GBRG in reading order")
        return super().__new__(cls, letters)

    def phase(self, y: int, x: int) -> "Cfa":
        """The pattern seen from pixel (y, x) on."""
        return Cfa("".join(self[2 * ((row + y) % 2) + (col + x) % 2] for row in (0, 1) for col in (0, 1)))

    def planes(self) -> tuple[tuple[int, int, int], ...]:
        """(colour index in "RGB", row, column) of the four positions in reading order."""
        return tuple(("RGB".index(letter), i // 2, i % 2) for i, letter in enumerate(self))


@dataclass(frozen=True, eq=False)
class GainMap:
    """A grid of gains over the image (DNG 1.4, opcode 9).

    `gains` is (rows, columns, planes); `origin` and `spacing` are (vertical, horizontal) and relative to the
    image size; `area` is the box of pixels it applies to, every `pitch`-th of them (row, column).
    """

    area: Box
    pitch: tuple[int, int]
    plane: int
    planes: int
    origin: tuple[float, float]
    spacing: tuple[float, float]
    gains: Tensor


@dataclass(frozen=True)
class WarpRectilinear:
    """Radial and tangential distortion by colour plane (DNG 1.4, opcode 1).

    `coefficients` holds (kr0, kr1, kr2, kr3, kt0, kt1) for one plane or for each of three; `centre` is (y, x)
    relative to the image size.
    """

    coefficients: tuple[tuple[float, float, float, float, float, float], ...]
    centre: tuple[float, float]


@dataclass(frozen=True)
class IlluminantCalibration:
    """Colour matrices measured under one illuminant (DNG 1.4, chapter 6).

    `cct_k` is the correlated colour temperature in kelvin; `color_matrix` maps XYZ to camera RGB, `forward_matrix`
    maps white-balanced camera RGB to XYZ (D50).
    """

    cct_k: float
    color_matrix: Matrix3
    forward_matrix: Matrix3 | None = None
    camera_calibration: Matrix3 | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Meta:
    """All that is known about the pixels of a frame. `source[name]` tells where the value of a field came from.

    Sources in use: "dng", "libraw", "exif", "profile", "user", "name", "default", "estimate", "stage".
    """

    # the camera and the shot
    make: str | None = None
    model: str | None = None
    lens: str | None = None
    iso: float | None = None
    exposure_s: float | None = None
    aperture: float | None = None
    focal_mm: float | None = None
    focal_35mm: float | None = None
    distance_m: float | None = None
    datetime: str | None = None
    """EXIF DateTimeOriginal, "YYYY:MM:DD hh:mm:ss"."""
    gps: Mapping[str, Any] | None = None

    # geometry
    cfa: Cfa | None = None
    """Pattern at the sensor's pixel (0, 0); `Frame.cfa` follows a crop."""
    orientation: int = 1
    """EXIF orientation, 1..8, still to be applied."""
    pixel_aspect: float = 1.0
    """Width of a pixel over its height, still to be applied."""
    default_crop: tuple[float, float, float, float] | None = None
    """(top, left, bottom, right) in pixels of the full frame, still to be applied."""
    warp: WarpRectilinear | None = None

    # levels of the stored counts
    linearization: Tensor | None = None
    """LUT from stored value to linear count, not yet applied."""
    black: tuple[tuple[float, ...], ...] = ((0.0,),)
    """Repeating pattern of black levels from the frame's pixel (0, 0), in counts."""
    black_rows: Tensor | None = None
    """Extra black per row (DNG BlackLevelDeltaV), in counts."""
    black_columns: Tensor | None = None
    """Extra black per column (DNG BlackLevelDeltaH), in counts."""
    white: tuple[float, ...] = (65535.0,)
    """Saturation, in counts: one value, or one for each of R, G, B."""
    baseline_exposure_ev: float = 0.0
    defects: Tensor | None = None
    """(N, 2) rows and columns of known defective pixels."""
    gain_maps: tuple[GainMap, ...] = ()
    shading: Tensor | None = None
    """(3 or 4, rows, columns) gains of a camera profile, stretched over the full frame."""

    # colour
    calibrations: tuple[IlluminantCalibration, ...] = ()
    camera_to_srgb: Matrix3 | None = None
    """Fallback when there is no calibration: white-balanced camera RGB to linear sRGB, rows summing to 1."""
    analog_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    as_shot_neutral: tuple[float, float, float] | None = None
    """Camera RGB of a neutral object; white-balance gains are its reciprocals."""
    as_shot_white_xy: tuple[float, float] | None = None
    daylight_neutral: tuple[float, float, float] | None = None
    space: str | None = None
    """RGB space of a display or linear RGB frame, by the names of `isp_ns.ops.colour.SPACES`."""

    depth_unit: str | None = None
    """Of a depth frame: "m", or "relative" where the focal length is unknown."""

    # noise: variance = scale · x + offset for x in 0..1 (DNG NoiseProfile), one pair for each of R, G, B
    noise: tuple[tuple[float, float], tuple[float, float], tuple[float, float]] | None = None

    source: Mapping[str, str] = field(default_factory=dict)

    def with_values(self, source: str, **values: Any) -> "Meta":
        """A copy with `values` set and their source noted.

        Raises:
            TypeError: if a name is not a field.
        """
        known = {f.name for f in fields(self)} - {"source"}
        unknown = sorted(set(values) - known)
        if unknown:
            raise TypeError(f"Meta has no field {', '.join(unknown)}")
        return replace(self, **values, source={**self.source, **dict.fromkeys(values, source)})
