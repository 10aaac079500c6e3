"""What the tags of a DNG say about its pixels: geometry, levels, colour, noise and corrections.

LibRaw drops or rounds much of this, so the tags are read here. Source: DNG 1.4, chapters 4 to 7; DNG 1.6 for the
third illuminant and IlluminantData.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from isp_ns.core.errors import UnsupportedSensorError
from isp_ns.io.decoded import Facts, matrix3, positive
from isp_ns.io.tiff import Ifd, TiffFile
from isp_ns.ops.temperature import ILLUMINANT_CCT_K, xy_to_cct

__all__ = ["RawImage", "colour_facts", "find_raw_image", "is_dng", "level_facts"]

CFA_PHOTOMETRIC, LINEAR_PHOTOMETRIC = 32803, 34892
UNCOMPRESSED, LOSSY_JPEG = 1, 34892
_DNG_VERSION = 50706
_D65_XYZ = (0.95047, 1.0, 1.08883)
_D65_K = 6504.0
_UNKNOWN_ILLUMINANT_K = 5000.0

_CALIBRATION_TAGS = (
    (50778, 50721, 50964, 50723, 52533),
    (50779, 50722, 50965, 50724, 52534),
    (52529, 52531, 52532, 52530, 52535),
)
"""CalibrationIlluminant, ColorMatrix, ForwardMatrix, CameraCalibration, IlluminantData of the three sets."""


def is_dng(tiff: TiffFile) -> bool:
    """Whether a TIFF is a DNG: it has a DNGVersion."""
    return _DNG_VERSION in tiff.first.tags


@dataclass(frozen=True)
class RawImage:
    """The directory of a DNG that holds the raw image, and its geometry in pixels of the stored frame."""

    ifd: Ifd
    first: Ifd
    height: int
    width: int
    active: tuple[int, int, int, int]
    """ActiveArea: (top, left, bottom, right)."""

    @property
    def linear(self) -> bool:
        """Whether the image is LinearRaw: no mosaic."""
        return self.ifd.integer(262) == LINEAR_PHOTOMETRIC

    @property
    def samples(self) -> int:
        """Samples per pixel."""
        return self.ifd.integer(277, 1)

    @property
    def bits(self) -> int:
        """Bits per sample."""
        return self.ifd.integer(258, 16)

    @property
    def compression(self) -> int:
        """The TIFF compression code; 1 is none."""
        return self.ifd.integer(259, UNCOMPRESSED)

    @property
    def is_float(self) -> bool:
        """Whether samples are floating point."""
        return self.ifd.integer(339, 1) == 3

    @property
    def rescaled(self) -> bool:
        """Whether LibRaw gives other numbers than are stored, so that the tags' levels do not apply."""
        return self.is_float or self.compression == LOSSY_JPEG

    @property
    def cfa(self) -> str:
        """The letters of the CFA in reading order from ActiveArea's first pixel; "" when there is none."""
        return "".join("RGBCMYW"[int(index)] if index < 7 else "?" for index in self.ifd.numbers(33422))

    @property
    def cfa_size(self) -> tuple[int, int]:
        """Rows and columns of the repeating CFA."""
        rows, columns = ([int(value) for value in self.ifd.numbers(33421)] + [2, 2])[:2]
        return rows, columns

    def value(self, tag: int) -> tuple[float, ...]:
        """A tag of the raw image, or of the first directory where writers also put it."""
        return self.ifd.numbers(tag) or self.first.numbers(tag)

    def blob(self, tag: int) -> bytes:
        """The bytes of a tag of the raw image or of the first directory."""
        return self.ifd.blob(tag) or self.first.blob(tag)


def find_raw_image(tiff: TiffFile) -> RawImage | None:
    """The full-resolution raw image of a DNG; None when the file has none (a preview only, or damaged).

    Source: DNG 1.4, chapter 2: NewSubFileType 0 marks the main image.
    """
    for ifd in tiff.all():
        if ifd.integer(254) == 0 and ifd.integer(262) in (CFA_PHOTOMETRIC, LINEAR_PHOTOMETRIC):
            height, width = ifd.integer(257), ifd.integer(256)
            area = [int(value) for value in ifd.numbers(50829)]
            whole = (0, 0, height, width)
            inside = len(area) == 4 and 0 <= area[0] < area[2] <= height and 0 <= area[1] < area[3] <= width
            top, left, bottom, right = area if inside else whole
            return RawImage(ifd, tiff.first, height, width, (top, left, bottom, right))
    return None


def check_layout(raw: RawImage, name: str) -> None:
    """Refuse, by name, mosaics and plane orders that nothing after this could treat right.

    Raises:
        UnsupportedSensorError: naming the CFA.
    """
    if raw.linear:
        return
    letters, (rows, columns) = raw.cfa, raw.cfa_size
    named = f"{rows}x{columns} mosaic {letters or '(not given)'}"
    if (rows, columns) == (4, 4):
        raise UnsupportedSensorError(
            f"{name}: a Quad-Bayer sensor ({named}) is not supported; use a binned or remosaiced file of it"
        )
    if len(letters) != rows * columns or not set(letters) <= set("RGB"):
        raise UnsupportedSensorError(f"{name}: its {named} is not of red, green and blue filters and is not supported")
    if raw.value(50710) not in ((), (0, 1, 2)):
        raise UnsupportedSensorError(f"{name}: colour planes in another order than red, green, blue are not supported")
    if raw.ifd.integer(50711, 1) != 1:
        raise UnsupportedSensorError(f"{name}: a staggered (not rectangular) mosaic is not supported")


def _pattern(raw: RawImage) -> tuple[tuple[tuple[float, ...], ...], tuple[float, ...]] | None:
    """Black as a repeating pattern of plane 0, and the black of each plane at the first pixel."""
    values = [value if math.isfinite(value) else 0.0 for value in raw.value(50714)]
    rows, columns = ([int(value) for value in raw.value(50713)] + [1, 1])[:2] if raw.value(50713) else (1, 1)
    planes = raw.samples
    if not values or rows < 1 or columns < 1 or len(values) < rows * columns:
        return None
    if len(values) < rows * columns * planes:
        planes = 1
    grid = np.asarray(values[: rows * columns * planes], dtype=np.float64).reshape(rows, columns, planes)
    return tuple(tuple(float(v) for v in row) for row in grid[:, :, 0]), tuple(float(v) for v in grid[0, 0])


def level_facts(facts: Facts, raw: RawImage) -> tuple[float, ...]:
    """Note black and white levels, crop, pixel shape, noise and exposure offset.

    Returns:
        What to add to the counts of each plane of a linear image so that one black level fits all planes.

    Source: DNG 1.4, chapter 4 (BlackLevel, BlackLevelDeltaH and V, WhiteLevel), NoiseProfile.
    """
    black = _pattern(raw)
    pattern, by_plane = black if black is not None else (((0.0,),), (0.0,))
    lift = tuple(max(by_plane) - value for value in by_plane)
    if raw.linear and len(set(by_plane)) > 1:
        pattern = ((max(by_plane),),)
    if not raw.rescaled:
        facts.set("dng", black=pattern, white=_white(raw, pattern, lift))
    for name, tag, length in (
        ("black_columns", 50715, raw.active[3] - raw.active[1]),
        ("black_rows", 50716, raw.active[2] - raw.active[0]),
    ):
        deltas = np.asarray(raw.value(tag), dtype=np.float32)
        if deltas.size == length and np.isfinite(deltas).all() and deltas.any():
            facts.set("dng", **{name: deltas})
    exposure = raw.first.number(50730)
    facts.set(
        "dng", noise=_noise(raw), baseline_exposure_ev=None if exposure is None or math.isnan(exposure) else exposure
    )
    scale = raw.value(50718)
    if len(scale) == 2 and positive(scale) and not math.isclose(scale[0], scale[1], rel_tol=1e-4):
        facts.set("dng", pixel_aspect=scale[0] / scale[1])
    facts.set("dng", default_crop=_default_crop(raw))
    return lift


def _white(raw: RawImage, pattern: tuple[tuple[float, ...], ...], lift: tuple[float, ...]) -> tuple[float, ...]:
    """WhiteLevel, the largest count of the bits where the tag is absent or impossible."""
    largest = float(2 ** min(raw.bits, 16) - 1)
    if 50712 in raw.ifd.tags or 50712 in raw.first.tags:
        largest = 65535.0
    highest_black = max(max(row) for row in pattern)
    given = [float(value) if highest_black < value <= largest else largest for value in raw.value(50717)]
    if len(given) >= 3 and raw.linear:
        return tuple(value + extra for value, extra in zip(given[:3], (*lift, 0.0, 0.0), strict=False))
    white = given[0] if given else largest
    return tuple(white + extra for extra in lift) if any(lift) else (white,)


def _noise(raw: RawImage) -> tuple[tuple[float, float], ...] | None:
    """NoiseProfile as one (scale, offset) for each of R, G, B."""
    values = raw.value(51041)
    pairs = list(zip(values[::2], values[1::2], strict=False))
    sane = all(math.isfinite(s) and math.isfinite(o) and s >= 0 for s, o in pairs) and any(
        s > 0 or o > 0 for s, o in pairs
    )
    if not pairs or len(values) % 2 or not sane:
        return None
    return tuple(pairs[:3]) if len(pairs) >= 3 else (pairs[0],) * 3


def _default_crop(raw: RawImage) -> tuple[float, float, float, float] | None:
    """DefaultCrop as (top, left, bottom, right) of the active area; None when absent, wrong or the whole area."""
    origin, size = raw.value(50719), raw.value(50720)
    height, width = raw.active[2] - raw.active[0], raw.active[3] - raw.active[1]
    if len(origin) != 2 or len(size) != 2 or not positive(size) or not all(map(math.isfinite, origin)):
        return None
    (left, top), (across, down) = origin, size
    box = (top, left, top + down, left + across)
    inside = top >= 0 and left >= 0 and box[2] <= height + 1e-3 and box[3] <= width + 1e-3
    return box if inside and box != (0, 0, height, width) else None


def _illuminant_k(ifd: Ifd, code_tag: int, data_tag: int) -> float | None:
    """Colour temperature of a calibration illuminant; None when the file does not tell."""
    code = ifd.integer(code_tag)
    if code != 255:
        return ILLUMINANT_CCT_K.get(code)
    data = ifd.tags.get(data_tag)
    if data is None or len(data.data) < 18:
        return None
    numbers = np.frombuffer(data.data[2:18], f"{data.order}u4").astype(np.float64)
    if int.from_bytes(data.data[:2], "little" if data.order == "<" else "big") != 0 or not numbers[1::2].all():
        return None
    x, y = numbers[0] / numbers[1], numbers[2] / numbers[3]
    return xy_to_cct((float(x), float(y)))[0] if 0 < x < 1 and 0 < y < 1 else None


def _signatures_match(ifd: Ifd) -> bool:
    """Whether CameraCalibration belongs to the profile. Source: DNG 1.4, ProfileCalibrationSignature."""
    return ifd.text(50931) == ifd.text(50932)


def calibrations(first: Ifd) -> tuple[dict[str, Any], ...]:
    """The colour calibrations of up to three illuminants, those without a usable matrix left out.

    Source: DNG 1.4, chapter 6.
    """
    found = []
    for illuminant, colour, forward, camera, data in _CALIBRATION_TAGS:
        matrix = matrix3(first.numbers(colour))
        if matrix is not None:
            kelvin = _illuminant_k(first, illuminant, data)
            found.append(
                {
                    "cct_k": kelvin,
                    "color_matrix": matrix,
                    "forward_matrix": matrix3(first.numbers(forward)),
                    "camera_calibration": matrix3(first.numbers(camera)) if _signatures_match(first) else None,
                }
            )
    known = [each for each in found if each["cct_k"] is not None] or found[:1]
    return tuple({**each, "cct_k": each["cct_k"] or _UNKNOWN_ILLUMINANT_K} for each in known)


def normal_neutral(values: tuple[float, ...]) -> tuple[float, float, float] | None:
    """A camera neutral scaled to green = 1; None unless it is three positive numbers within reason."""
    if len(values) < 3 or not positive(values[:3]):
        return None
    red, green, blue = (value / values[1] for value in values[:3])
    return (red, green, blue) if all(0.02 < value < 50 for value in (red, blue)) else None


def _daylight(found: tuple[dict[str, Any], ...], balance: tuple[float, ...]) -> tuple[float, float, float] | None:
    """Camera RGB of the D65 white by the calibration nearest to it."""
    best = min(found, key=lambda each: abs(1 / each["cct_k"] - 1 / _D65_K))
    matrix = np.diag(balance) @ np.asarray(best["camera_calibration"] or np.eye(3)) @ np.asarray(best["color_matrix"])
    return normal_neutral(tuple(float(value) for value in matrix @ np.asarray(_D65_XYZ)))


def colour_facts(facts: Facts, first: Ifd, mosaic: bool) -> None:
    """Note calibrations, analog balance and the white balance of the shot.

    A neutral of exactly (1, 1, 1) in a mosaic is what writers put when they know nothing, and counts as absent.

    Source: DNG 1.4, chapter 4 (AsShotNeutral, AsShotWhiteXY, AnalogBalance) and chapter 6.
    """
    found = calibrations(first)
    balance = first.numbers(50727)
    balance = balance if len(balance) == 3 and positive(balance) else (1.0, 1.0, 1.0)
    if found:
        facts.set("dng", calibrations=found, analog_balance=balance, daylight_neutral=_daylight(found, balance))
    neutral = normal_neutral(first.numbers(50728))
    if neutral is not None and not (mosaic and neutral == (1.0, 1.0, 1.0)):
        facts.set("dng", as_shot_neutral=neutral)
    white = first.numbers(50729)
    if len(white) == 2 and all(0.1 < value < 0.7 for value in white):
        facts.set("dng", as_shot_white_xy=(white[0], white[1]))
