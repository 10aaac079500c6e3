"""Adobe camera profiles (DCP): their matrices, hue/saturation tables and tone curve, and how these act on pixels.

A DCP is a TIFF directory with a signature of its own; the same tags occur in DNG files. Tables and curve act on
linear RGB of ROMM primaries ("prophoto" in `spaces.SPACES`).
Source: Adobe, Digital Negative Specification 1.4.0.0 (2012), chapters 4 and 6; DNG 1.6.0.0 for a third illuminant.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from isp_ns.ops.dng_colour import Calibration, calibration_weights
from isp_ns.ops.temperature import ILLUMINANT_CCT_K
from isp_ns.ops.tone import apply_curve
from isp_ns.ops.transfer import decode, encode

__all__ = [
    "DcpProfile",
    "HueSatMap",
    "apply_dcp_look",
    "apply_hue_sat_map",
    "hue_sat_map_for",
    "parse_dcp",
    "spline_curve",
]

Tags = dict[int, tuple[float | int | str, ...]]

_SIGNATURES = {b"IIRC": "<", b"MMCR": ">", b"II*\0": "<", b"MM\0*": ">"}
_FORMATS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d"}
_RATIONALS = {5: "I", 10: "i"}
_TEXT = (2, 7)

_UNIQUE_CAMERA_MODEL, _PROFILE_NAME, _COPYRIGHT = 50708, 50936, 50942
_ILLUMINANTS = (50778, 50779, 52529)
_COLOR_MATRICES = (50721, 50722, 52531)
_FORWARD_MATRICES = (50964, 50965, 52532)
_HUE_SAT_DIMS, _HUE_SAT_DATA, _HUE_SAT_ENCODING = 50937, (50938, 50939, 52537), 51107
_TONE_CURVE = 50940
_LOOK_DIMS, _LOOK_DATA, _LOOK_ENCODING = 50981, 50982, 51108
_BASELINE_EXPOSURE_OFFSET, _DEFAULT_BLACK_RENDER = 51109, 51110
_CURVE_SAMPLES = 4096


@dataclass(frozen=True, eq=False)
class HueSatMap:
    """A table of changes by hue, saturation and value.

    `deltas` is (values, hues, saturations, 3): hue shift in degrees, saturation factor, value factor. Hues start at
    red and wrap; saturations and values run from 0 to 1. With `encoded`, value is encoded with the sRGB curve.

    Source: DNG 1.4, ProfileHueSatMapDims, ProfileHueSatMapData1 and ProfileHueSatMapEncoding.
    """

    deltas: Tensor
    encoded: bool = False


@dataclass(frozen=True, eq=False)
class DcpProfile:
    """A camera profile. `hue_sat_maps` has one map per calibration, one for all, or none; the rest is
    absent as None or 0.

    Source: DNG 1.4, "Camera Profile Tags".
    """

    name: str
    camera: str
    copyright: str
    calibrations: tuple[Calibration, ...]
    hue_sat_maps: tuple[HueSatMap, ...]
    look_table: HueSatMap | None
    tone_curve: tuple[tuple[float, float], ...] | None
    baseline_exposure_offset_ev: float
    black_subtraction: bool


def parse_dcp(data: bytes) -> DcpProfile:
    """Read a camera profile.

    Args:
        data: The whole file: a DCP, or a TIFF or DNG whose first directory has the profile's tags.

    Returns:
        The profile.

    Raises:
        ValueError: if it is no profile, is cut short, or has no colour matrix.

    Source: DNG 1.4, "Camera Profile Tags" and chapter 5, "Extra camera profiles".
    """
    tags = _read_directory(data)
    calibrations = _calibrations(tags)
    if not calibrations:
        raise ValueError("the camera profile has no ColorMatrix1; it is damaged or not a camera profile")
    encoded = bool(_number(tags, _HUE_SAT_ENCODING))
    maps = [_table(tags, _HUE_SAT_DIMS, tag, encoded) for tag in _HUE_SAT_DATA]
    present = tuple(m for m in maps if m is not None)
    curve = [float(value) for value in tags.get(_TONE_CURVE, ())]
    return DcpProfile(
        name=_text(tags, _PROFILE_NAME),
        camera=_text(tags, _UNIQUE_CAMERA_MODEL),
        copyright=_text(tags, _COPYRIGHT),
        calibrations=calibrations,
        hue_sat_maps=present if len(present) == len(calibrations) else present[:1],
        look_table=_table(tags, _LOOK_DIMS, _LOOK_DATA, bool(_number(tags, _LOOK_ENCODING))),
        tone_curve=tuple(zip(curve[::2], curve[1::2], strict=True)) if len(curve) >= 4 else None,
        baseline_exposure_offset_ev=_number(tags, _BASELINE_EXPOSURE_OFFSET),
        black_subtraction=_number(tags, _DEFAULT_BLACK_RENDER) == 0,
    )


def _read_directory(data: bytes) -> Tags:
    """The first directory of a TIFF-like file, values by tag."""
    order = _SIGNATURES.get(data[:4])
    if order is None:
        raise ValueError(f"not a camera profile: it starts with {data[:4]!r}, not with 'IIRC'")
    try:
        (start,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, start)
        entries = [struct.unpack_from(order + "HHI", data, start + 2 + 12 * i) for i in range(count)]
        values = [_values(data, order, kind, n, start + 10 + 12 * i) for i, (_, kind, n) in enumerate(entries)]
    except struct.error as error:
        raise ValueError(f"the camera profile is cut short at {len(data)} bytes: {error}") from error
    return {tag: value for (tag, _, _), value in zip(entries, values, strict=True)}


def _values(data: bytes, order: str, kind: int, count: int, place: int) -> tuple[float | int | str, ...]:
    """The values of one directory entry whose value field is at `place`; () for an unknown type."""
    code = "B" if kind in _TEXT else _FORMATS.get(kind) or _RATIONALS.get(kind)
    if code is None:
        return ()
    number = count * 2 if kind in _RATIONALS else count
    layout = struct.Struct(f"{order}{number}{code}")
    if layout.size > 4:
        (place,) = struct.unpack_from(order + "I", data, place)
    values = layout.unpack_from(data, place)
    if kind in _TEXT:
        return (bytes(values).split(b"\0")[0].decode("utf-8", "replace"),)
    if kind in _RATIONALS:
        return tuple(n / d if d else 0.0 for n, d in zip(values[::2], values[1::2], strict=True))
    return values


def _number(tags: Tags, tag: int) -> float:
    """The first value of a tag, 0 if absent."""
    values = tags.get(tag, ())
    return float(values[0]) if values else 0.0


def _text(tags: Tags, tag: int) -> str:
    """The text of a tag, "" if absent. Newer writers store it as bytes."""
    values = tags.get(tag, ())
    if values and not isinstance(values[0], str):
        return bytes(int(value) for value in values).split(b"\0")[0].decode("utf-8", "replace")
    return str(values[0]) if values else ""


def _rows(tags: Tags, tag: int) -> tuple[tuple[float, ...], ...] | None:
    """A 3 by 3 matrix tag as rows, None if absent."""
    values = [float(value) for value in tags.get(tag, ())]
    if len(values) != 9:
        return None
    return tuple(tuple(values[i : i + 3]) for i in (0, 3, 6))


def _calibrations(tags: Tags) -> tuple[Calibration, ...]:
    """Calibrations of the profile; the first alone if an illuminant has no known temperature."""
    found = []
    for illuminant, color, forward in zip(_ILLUMINANTS, _COLOR_MATRICES, _FORWARD_MATRICES, strict=True):
        matrix = _rows(tags, color)
        if matrix is not None:
            found.append((ILLUMINANT_CCT_K.get(int(_number(tags, illuminant)), 0.0), matrix, _rows(tags, forward)))
    if any(cct_k == 0.0 for cct_k, _, _ in found):
        found = [(found[0][0] or ILLUMINANT_CCT_K[21], *found[0][1:])]
    return tuple(Calibration(*entry) for entry in found)


def _table(tags: Tags, dims: int, data: int, encoded: bool) -> HueSatMap | None:
    """A hue/saturation/value table, None if absent."""
    values, sizes = tags.get(data), [int(size) for size in tags.get(dims, ())]
    if not values or len(sizes) < 2:
        return None
    hues, saturations, levels = (*sizes, 1)[:3]
    if hues * saturations * levels * 3 != len(values):
        raise ValueError(f"the profile's table has {len(values)} values, not {hues} x {saturations} x {levels} x 3")
    deltas = torch.tensor([float(value) for value in values]).view(max(levels, 1), hues, saturations, 3)
    return HueSatMap(deltas, encoded)


def hue_sat_map_for(profile: DcpProfile, white_xy: Sequence[float]) -> HueSatMap | None:
    """The hue/saturation map of a profile for a white, interpolated as its matrices are; None if it has none.

    Source: DNG 1.4, "ProfileHueSatMapData1" and chapter 6.
    """
    maps = profile.hue_sat_maps
    if len(maps) < 2:
        return maps[0] if maps else None
    weights = calibration_weights(white_xy, [c.cct_k for c in profile.calibrations])
    deltas = sum((m.deltas * w for m, w in zip(maps, weights, strict=True)), torch.zeros_like(maps[0].deltas))
    return HueSatMap(deltas, maps[0].encoded)


def _hue_saturation_value(rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue in 0..6, saturation and value of RGB without negative values, each (H, W)."""
    red, green, blue = rgb.unbind(0)
    value = rgb.amax(0)
    chroma = value - rgb.amin(0)
    divisor = chroma.clamp(min=1e-12)
    hue = torch.where(
        value == red,
        (green - blue) / divisor,
        torch.where(value == green, (blue - red) / divisor + 2.0, (red - green) / divisor + 4.0),
    )
    return hue.remainder_(6.0), chroma / value.clamp(min=1e-12), value


def _rgb_of(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """RGB of hue in sixths of a turn, saturation and value; (3, H, W)."""
    chroma = value * saturation
    out = hue.new_empty(3, *hue.shape)
    for plane, start in zip(out, (5.0, 3.0, 1.0), strict=True):
        place = (hue + start).remainder_(6.0)
        dip = torch.minimum(place, 4.0 - place).clamp_(0.0, 1.0)
        torch.addcmul(value, chroma, dip, value=-1.0, out=plane)
    return out


def apply_hue_sat_map(rgb: Tensor, table: HueSatMap) -> Tensor:
    """Change hue, saturation and value by a table with trilinear interpolation.

    Args:
        rgb: (3, H, W) linear ROMM RGB; negative values are clipped to 0, values above 1 use the table's end.
        table: The table.

    Returns:
        (3, H, W) linear ROMM RGB, no value below 0.

    Source: DNG 1.4, chapter 6, "Hue/Saturation/Value Mapping Table".
    """
    hue, saturation, value = _hue_saturation_value(rgb.clamp(min=0.0))
    level = encode(value, "srgb") if table.encoded else value
    # Hue wraps: the table gets its first hue once more at the end.
    wrapped = torch.cat((table.deltas, table.deltas[:, :1]), dim=1).to(rgb).permute(3, 0, 1, 2)[None]
    points = torch.stack((saturation * 2.0 - 1.0, hue / 3.0 - 1.0, level.clamp(0.0, 1.0) * 2.0 - 1.0), dim=-1)
    deltas = F.grid_sample(wrapped, points[None, None], mode="bilinear", padding_mode="border", align_corners=True)
    shift, richer, brighter = deltas[0, :, 0]
    level = level * brighter
    value = decode(level, "srgb") if table.encoded else level
    return _rgb_of(hue + shift / 60.0, (saturation * richer).clamp_(0.0, 1.0), value)


def spline_curve(points: Sequence[tuple[float, float]]) -> Callable[[Tensor], Tensor]:
    """A tone curve through points by a natural cubic spline, as a function of a tensor.

    Args:
        points: (x, y) with x rising from 0 to 1, linear.

    Returns:
        A function of tensors of any shape; outside 0..1 it holds its end values. It reads a table of 4096 samples
        with linear interpolation.

    Raises:
        ValueError: if there are fewer than two points or x does not rise.

    Source: DNG 1.4, ProfileToneCurve; de Boor, "A Practical Guide to Splines" (1978), natural end conditions.
    """
    x, y = torch.tensor(points, dtype=torch.float64).reshape(-1, 2).T.contiguous()
    step = x.diff()
    if len(x) < 2 or not bool((step > 0).all()):
        raise ValueError("a tone curve needs two or more points with rising x")
    system = torch.eye(len(x), dtype=torch.float64)
    right = torch.zeros(len(x), dtype=torch.float64)
    for i in range(1, len(x) - 1):
        system[i, i - 1 : i + 2] = torch.stack((step[i - 1], 2.0 * (step[i - 1] + step[i]), step[i]))
        right[i] = 6.0 * ((y[i + 1] - y[i]) / step[i] - (y[i] - y[i - 1]) / step[i - 1])
    bend = system.inverse() @ right
    at = torch.linspace(0.0, 1.0, _CURVE_SAMPLES, dtype=torch.float64).clamp(float(x[0]), float(x[-1]))
    left = (torch.searchsorted(x, at, right=True) - 1).clamp(0, len(x) - 2)
    h, a, b = step[left], x[left + 1] - at, at - x[left]
    table = (bend[left] * a**3 + bend[left + 1] * b**3) / (6.0 * h)
    table += (y[left] / h - bend[left] * h / 6.0) * a + (y[left + 1] / h - bend[left + 1] * h / 6.0) * b
    return _table_curve(table)


def _table_curve(table: Tensor) -> Callable[[Tensor], Tensor]:
    """A function of tensors that reads even samples over 0..1 with linear interpolation."""
    size = len(table)

    def curve(values: Tensor) -> Tensor:
        samples = table.to(values)
        place = values.clamp(0.0, 1.0).mul_(size - 1)
        index = place.to(torch.int32).clamp_(0, size - 2)
        place.sub_(index)
        flat = index.reshape(-1)
        low, high = samples.index_select(0, flat), samples.index_select(0, flat + 1)
        return torch.lerp(low.view(values.shape), high.view(values.shape), place)

    return curve


def apply_dcp_look(rgb: Tensor, profile: DcpProfile, white_xy: Sequence[float], *, exposure_ev: float = 0.0) -> Tensor:
    """The rendering of a profile: hue/saturation map, exposure, look table, tone curve, in this order.

    Args:
        rgb: (3, H, W) linear ROMM RGB, made with the profile's matrices.
        profile: The profile.
        white_xy: Chromaticity of the scene's white.
        exposure_ev: Exposure, BaselineExposure included, to which the profile's offset is added.

    Returns:
        (3, H, W) linear ROMM RGB, display light in 0..1 if the profile has a tone curve.

    Source: DNG 1.4, chapter 6.
    """
    table = hue_sat_map_for(profile, white_xy)
    if table is not None:
        rgb = apply_hue_sat_map(rgb, table)
    rgb = rgb * 2.0 ** (exposure_ev + profile.baseline_exposure_offset_ev)
    if profile.look_table is not None:
        rgb = apply_hue_sat_map(rgb, profile.look_table)
    if profile.tone_curve is not None:
        rgb = apply_curve(rgb, spline_curve(profile.tone_curve))
    return rgb
