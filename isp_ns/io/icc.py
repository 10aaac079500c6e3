"""ICC profiles of the RGB spaces, built from their primaries and curve, and recognised when they are read.

A profile has a matrix and a parametric curve, about 600 bytes, and says exactly what the pixels are: nothing is
tabulated. Source: ICC.1:2022 (profile version 4.4), clauses 7 to 10.
"""

import hashlib
import struct
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from isp_ns.ops.spaces import SPACES, TRANSFERS, RgbSpace, get_space, rgb_to_xyz_matrix, white_xyz

__all__ = ["icc_profile", "recognise_icc"]

_PCS_WHITE = np.array([0.9642, 1.0, 0.8249])
"""D50 as ICC.1 prints it, clause 7.2.16."""

_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_VERSION = 0x04400000
_DATE = (2026, 1, 1, 0, 0, 0)
_PROBES = np.linspace(0.05, 0.95, 10)
Floats = NDArray[np.float64]


@cache
def icc_profile(space: str, *, grey: bool = False) -> bytes:
    """The ICC profile of an RGB space.

    Args:
        space: A name of `isp_ns.ops.spaces.SPACES`.
        grey: A one-channel profile with the space's curve and white instead.

    Returns:
        The bytes of a version 4 display profile; the same for every call.

    Raises:
        ValueError: if there is no such space.

    Source: ICC.1:2022, clauses 8.3 (matrix/TRC), 8.4 (grey), 10.18 (parametric curves); annex E (adaptation).
    """
    rgb = get_space(space)
    to_pcs = _adaptation(rgb)
    curve = _parametric_curve(rgb)
    tags: list[tuple[bytes, bytes]] = [
        (b"desc", _text(f"isp_ns {space}{' grey' if grey else ''}")),
        (b"cprt", _text("No copyright, use freely")),
        (b"wtpt", _xyz(_PCS_WHITE)),
        (b"chad", b"sf32\0\0\0\0" + _fixed(to_pcs.ravel())),
    ]
    if grey:
        tags.append((b"kTRC", curve))
    else:
        columns = _colorants(to_pcs @ rgb_to_xyz_matrix(space).numpy())
        tags += [(name, _xyz(columns[:, index])) for index, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))]
        tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    return _assemble(tags, b"GRAY" if grey else b"RGB ")


def _adaptation(rgb: RgbSpace) -> Floats:
    """Linear Bradford adaptation from the white of the space to the white of the connection space."""
    gains = (_BRADFORD @ _PCS_WHITE) / (_BRADFORD @ white_xyz(rgb.white_xy).numpy())
    return np.linalg.solve(_BRADFORD, gains[:, None] * _BRADFORD)


def _colorants(columns: Floats) -> Floats:
    """Colorants rounded to what a profile stores such that they still sum to the stored white exactly."""
    steps = np.round(columns * 65536)
    steps[:, 1] += np.round(_PCS_WHITE * 65536) - steps.sum(axis=1)
    return np.asarray(steps / 65536)


def _fixed(values: Sequence[float] | Floats) -> bytes:
    """s15Fixed16 numbers."""
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def _xyz(values: Floats) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(values)


def _text(words: str) -> bytes:
    """A multiLocalizedUnicode with one record, in US English."""
    body = words.encode("utf-16-be")
    return struct.pack(">4sIII2s2sII", b"mluc", 0, 1, 12, b"en", b"US", len(body), 28) + body


def _parametric_curve(rgb: RgbSpace) -> bytes:
    """The decoding curve: type 3, x = (a·e + b)^g above d and c·e below; type 0 with g = 1 without an encoding."""
    transfer = TRANSFERS[rgb.transfer]
    if transfer is None:
        return struct.pack(">4sIHH", b"para", 0, 0, 0) + _fixed([1.0])
    values = (
        1.0 / transfer.exponent,
        1.0 / transfer.scale,
        transfer.offset / transfer.scale,
        1.0 / transfer.slope,
        transfer.slope * transfer.knee,
    )
    return struct.pack(">4sIHH", b"para", 0, 3, 0) + _fixed(values)


def _assemble(tags: list[tuple[bytes, bytes]], colour: bytes) -> bytes:
    """Header, tag table and data; equal data is stored once. The profile's ID is its MD5, clause 7.2.18."""
    start = 128 + 4 + 12 * len(tags)
    data, places = b"", dict[bytes, int]()
    for _, body in tags:
        if body not in places:
            places[body] = start + len(data)
            data += body + b"\0" * (-len(body) % 4)
    table = b"".join(struct.pack(">4sII", name, places[body], len(body)) for name, body in tags)
    size = start + len(data)
    head = struct.pack(">I4sI4s4s4s6H4s", size, b"\0" * 4, _VERSION, b"mntr", colour, b"XYZ ", *_DATE, b"acsp")
    head += b"\0" * 28 + _fixed(_PCS_WHITE) + b"\0" * 48
    profile = head + struct.pack(">I", len(tags)) + table + data
    return profile[:84] + hashlib.md5(profile, usedforsecurity=False).digest() + profile[100:]


def recognise_icc(profile: bytes) -> str | None:
    """The name of the RGB space that a profile describes, None when it is none of `SPACES`.

    Colorants may differ by 0.002 and the curve by 0.005 of full scale, which covers the rounding of other makers'
    profiles and tells all spaces apart.

    Source: ICC.1:2022, clauses 8.3, 10.6 (curves), 10.18 (parametric curves).
    """
    try:
        tags = _read_tags(profile)
        columns = np.stack([_read_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")], axis=1)
        curves = [_read_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
    except (KeyError, ValueError, IndexError, struct.error):
        return None
    for name in SPACES:
        expected = _read_tags(icc_profile(name))
        wanted = np.stack([_read_xyz(expected[tag]) for tag in (b"rXYZ", b"gXYZ", b"bXYZ")], axis=1)
        curve = _read_curve(expected[b"rTRC"])
        if np.abs(columns - wanted).max() < 0.002 and all(np.abs(each - curve).max() < 0.005 for each in curves):
            return name
    return None


def _read_tags(profile: bytes) -> dict[bytes, bytes]:
    """The tags of a profile by their signatures."""
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = (struct.unpack_from(">4sII", profile, 132 + 12 * index) for index in range(min(count, 100)))
    return {name: profile[offset : offset + size] for name, offset, size in entries}


def _read_xyz(body: bytes) -> Floats:
    return np.array(struct.unpack_from(">3i", body, 8)) / 65536


def _read_curve(body: bytes) -> Floats:
    """The decoded values of ten probes."""
    if body[:4] == b"curv":
        (count,) = struct.unpack_from(">I", body, 8)
        if count == 0:
            return _PROBES
        values = np.frombuffer(body, ">u2", count, 12)
        if count == 1:
            return np.asarray(_PROBES ** (float(values[0]) / 256))
        return np.interp(_PROBES, np.linspace(0, 1, count), values / 65535)
    (kind,) = struct.unpack_from(">H", body, 8)
    count = (1, 3, 4, 5, 7)[kind]
    g, a, b, c, d, e, f = (np.array(struct.unpack_from(f">{count}i", body, 12)) / 65536).tolist() + [0.0] * (7 - count)
    if kind == 0:
        return np.asarray(_PROBES**g)
    power = np.maximum(a * _PROBES + b, 0.0) ** g
    if kind in (1, 2):
        return np.asarray(np.where(-b / a <= _PROBES, power, 0.0) + (c if kind == 2 else 0.0))
    return np.asarray(np.where(d <= _PROBES, power + e, c * _PROBES + f))
