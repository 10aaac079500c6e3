"""DNG files: mosaics and linear images with the metadata that other raw developers need.

Source: DNG 1.4 (Adobe, 2012), chapters 2 to 7; DNG 1.6 for IlluminantData.
"""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp_ns.core.errors import OutputError
from isp_ns.core.frame import Frame
from isp_ns.core.meta import IlluminantCalibration, Meta
from isp_ns.io.dngtags import CFA_PHOTOMETRIC, LINEAR_PHOTOMETRIC
from isp_ns.io.exifwrite import ExifData, rational_tag, short_tag
from isp_ns.io.opcodes import Opcode, pack_gain_map, pack_opcodes, pack_warp
from isp_ns.io.pixels import as_planes
from isp_ns.io.tiffwrite import ExtraTag, write_tiff
from isp_ns.ops.spaces import SPACES, xyz_to_rgb_matrix
from isp_ns.ops.temperature import cct_to_xy

__all__ = ["write_dng"]

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _SRATIONAL, _DOUBLE = 1, 2, 3, 4, 5, 7, 10, 12
_FLOAT_BLACK = 1024.0
"""Black of float pixels in counts: room for the noise below it."""

_CODES_BY_K = {2850.0: 17, 5000.0: 23, 5500.0: 20, 6500.0: 21, 7500.0: 22, 3200.0: 24}
_OTHER_LIGHT = 255
_CALIBRATION_TAGS = (
    (50778, 50721, 50964, 50723, 52533),
    (50779, 50722, 50965, 50724, 52534),
    (52529, 52531, 52532, 52530, 52535),
)
Matrix = NDArray[np.float64]


def write_dng(path: Path, frame: Frame, exif: ExifData) -> None:
    """Write a frame as a DNG: a mosaic with its CFA, or a linear image.

    uint16 counts are stored as they are with their levels. Float pixels (black 0, white 1) are stored in 16 bits with
    black at 1024, so that noise below black survives; values above 1 are clipped.

    Args:
        path: The file to make.
        frame: On a `sensor`, `sensor_rgb`, `sensor_mono`, `mosaic`, `camera_rgb` or `linear_rgb` port.
        exif: Tags of the shot.

    Raises:
        OutputError: for pixels that are encoded for a display.

    Source: DNG 1.4, chapter 2 (structure) and 4 (tags).
    """
    if frame.meta.space is not None and SPACES[frame.meta.space].transfer != "linear":
        raise OutputError(
            f"{path.name}: a DNG holds linear pixels, these are encoded for {frame.meta.space}; write TIFF"
        )
    channels = frame.data.shape[0]
    if channels not in (1, 3):
        raise OutputError(f"{path.name}: a DNG has 1 or 3 planes, not {channels}")
    planes = as_planes(frame.data)
    counts = np.issubdtype(planes.dtype, np.integer)
    pixels = planes.astype(np.uint16, copy=False) if counts else _to_counts(planes)
    mosaic = channels == 1 and frame.meta.cfa is not None
    tags = _layout_tags(frame, mosaic) + _level_tags(frame.meta, counts, channels) + _geometry_tags(frame)
    if mosaic or channels == 3:
        tags += _colour_tags(frame.meta)
    tags += _correction_tags(frame.meta) if counts else []
    tags += _camera_tags(frame.meta, version=(1, 6) if any(tag[0] in (52533, 52534, 52535) for tag in tags) else (1, 4))
    write_tiff(
        path,
        np.ascontiguousarray(pixels.transpose(1, 2, 0)),
        exif=ExifData({**exif.ifd0, 274: short_tag(frame.meta.orientation)}, exif.exif, exif.gps, exif.xmp),
        photometric=CFA_PHOTOMETRIC if mosaic else LINEAR_PHOTOMETRIC,
        tags=tuple(tags),
    )


def _to_counts(planes: NDArray[Any]) -> NDArray[np.uint16]:
    """Float pixels in counts."""
    scaled = np.nan_to_num(planes.astype(np.float32)) * np.float32(65535 - _FLOAT_BLACK)
    return np.asarray(np.clip(np.rint(scaled + np.float32(_FLOAT_BLACK)), 0, 65535), dtype=np.uint16)


def _tag(number: int, kind: int, *values: Any) -> ExtraTag:
    """A tag of numbers; rationals are given as numbers."""
    if kind in (_RATIONAL, _SRATIONAL):
        tag = rational_tag(*values, signed=kind == _SRATIONAL)
        return number, kind, len(values), tuple(part for pair in tag.rationals() for part in pair), True
    return number, kind, len(values), values if len(values) > 1 else values[0], True


def _blob(number: int, kind: int, data: bytes) -> ExtraTag:
    return number, kind, len(data), data, True


def _layout_tags(frame: Frame, mosaic: bool) -> list[ExtraTag]:
    """CFA and active area."""
    height, width = frame.size
    tags = [_tag(50829, _LONG, 0, 0, height, width)]
    if mosaic:
        pattern = bytes("RGB".index(letter) for letter in frame.cfa)
        tags += [
            _tag(33421, _SHORT, 2, 2),
            _blob(33422, _BYTE, pattern),
            _blob(50710, _BYTE, b"\0\1\2"),
            _tag(50711, _SHORT, 1),
        ]
    return tags


def _level_tags(meta: Meta, counts: bool, channels: int) -> list[ExtraTag]:
    """Black, white, linearisation and noise."""
    black = np.asarray(meta.black if counts else ((_FLOAT_BLACK,),))
    white = meta.white if counts else (65535.0,)
    whites = [round(value) for value in (white if len(white) == channels == 3 else (min(white),) * channels)]
    tags = [
        _tag(50713, _SHORT, *black.shape),
        _tag(50714, _RATIONAL, *np.repeat(black.ravel(), channels).tolist()),
        _tag(50717, _LONG, *whites),
    ]
    if counts:
        for number, deltas in ((50715, meta.black_columns), (50716, meta.black_rows)):
            if deltas is not None:
                tags.append(_tag(number, _SRATIONAL, *deltas.tolist()))
        if meta.linearization is not None:
            tags.append(_tag(50712, _SHORT, *(int(value) for value in meta.linearization.tolist())))
    if meta.noise is not None:
        pairs = meta.noise if channels == 3 or meta.cfa is not None else meta.noise[:1]
        same = len(set(pairs)) == 1
        tags.append(_tag(51041, _DOUBLE, *(value for pair in (pairs[:1] if same else pairs) for value in pair)))
    return tags


def _geometry_tags(frame: Frame) -> list[ExtraTag]:
    """Crop, pixel shape and exposure offset."""
    meta, (height, width) = frame.meta, frame.size
    top, left, bottom, right = meta.default_crop or (0.0, 0.0, float(height), float(width))
    tags = [
        _tag(50719, _RATIONAL, left, top),
        _tag(50720, _RATIONAL, right - left, bottom - top),
        _tag(50718, _RATIONAL, meta.pixel_aspect, 1.0),
    ]
    if meta.baseline_exposure_ev:
        tags.append(_tag(50730, _SRATIONAL, meta.baseline_exposure_ev))
    return tags


def _colour_tags(meta: Meta) -> list[ExtraTag]:
    """Matrices of up to three illuminants, analog balance and the neutral of the shot."""
    neutral = meta.as_shot_neutral
    if meta.space is not None:
        neutral = (1.0, 1.0, 1.0)
        matrix = xyz_to_rgb_matrix(meta.space).numpy()
        sets: tuple[IlluminantCalibration, ...] = (_calibration(6500.0, matrix),)
    else:
        sets = meta.calibrations[:3] or (_calibration(6500.0, _fallback_matrix(meta)),)
    tags = [_tag(50727, _RATIONAL, *meta.analog_balance)]
    for each, numbers in zip(sets, _CALIBRATION_TAGS, strict=False):
        tags += _calibration_tags(each, numbers)
    if meta.as_shot_white_xy is not None and neutral is None:
        tags.append(_tag(50729, _RATIONAL, *meta.as_shot_white_xy))
    elif neutral is not None:
        scale = max(neutral)
        tags.append(_tag(50728, _RATIONAL, *(value / scale for value in neutral)))
    return tags


def _calibration(kelvin: float, matrix: Matrix) -> IlluminantCalibration:
    red, green, blue = ((float(a), float(b), float(c)) for a, b, c in matrix)
    return IlluminantCalibration(kelvin, (red, green, blue))


def _fallback_matrix(meta: Meta) -> Matrix:
    """XYZ to camera from `camera_to_srgb`, or from linear sRGB primaries when nothing is known."""
    to_camera = np.linalg.inv(np.asarray(meta.camera_to_srgb)) if meta.camera_to_srgb is not None else np.eye(3)
    balance = np.diag(meta.as_shot_neutral or (1.0, 1.0, 1.0))
    return np.asarray(balance @ to_camera @ xyz_to_rgb_matrix("linear-srgb").numpy())


def _calibration_tags(each: IlluminantCalibration, numbers: tuple[int, ...]) -> list[ExtraTag]:
    """The tags of one illuminant; a temperature that no light source has is given as a chromaticity."""
    illuminant, colour, forward, camera, data = numbers
    nearest = min(_CODES_BY_K, key=lambda kelvin: abs(kelvin - each.cct_k))
    code = _CODES_BY_K[nearest] if math.isclose(nearest, each.cct_k, rel_tol=0.01) else _OTHER_LIGHT
    tags = [_tag(illuminant, _SHORT, code)]
    if code == _OTHER_LIGHT:
        parts = [part for pair in rational_tag(*cct_to_xy(each.cct_k)).rationals() for part in pair]
        tags.append(_blob(data, _UNDEFINED, struct.pack("<H4I", 0, *parts)))
    matrices = ((colour, each.color_matrix), (forward, each.forward_matrix), (camera, each.camera_calibration))
    return tags + [
        _tag(number, _SRATIONAL, *np.ravel(matrix).tolist()) for number, matrix in matrices if matrix is not None
    ]


def _correction_tags(meta: Meta) -> list[ExtraTag]:
    """Opcode lists: defects (1), gain maps (2), distortion (3)."""
    lists: dict[int, list[Opcode]] = {51008: [], 51009: [], 51022: []}
    if meta.defects is not None and len(meta.defects):
        points = meta.defects.cpu().numpy().astype(">u4")
        lists[51008].append(Opcode(5, True, struct.pack(">3I", 0, len(points), 0) + points.tobytes()))
    for each in meta.gain_maps:
        gains = each.gains.cpu().numpy()
        lists[51009].append(
            pack_gain_map(each.area, each.pitch, each.plane, each.planes, each.origin, each.spacing, gains)
        )
    if meta.warp is not None:
        lists[51022].append(pack_warp(meta.warp.coefficients, meta.warp.centre))
    return [_blob(number, _UNDEFINED, pack_opcodes(codes)) for number, codes in lists.items() if codes]


def _camera_tags(meta: Meta, version: tuple[int, int]) -> list[ExtraTag]:
    """Version and the name of the camera, which DNG demands."""
    name = " ".join(filter(None, (meta.make, meta.model))) or "Unknown camera"
    backward = b"\1\3\0\0" if meta.gain_maps or meta.warp is not None or meta.defects is not None else b"\1\1\0\0"
    return [
        _blob(50706, _BYTE, bytes([*version, 0, 0])),
        _blob(50707, _BYTE, backward),
        (50708, _ASCII, len(name.encode()) + 1, name, True),
    ]
