"""JPEG files: strips encoded on several threads, joined by restart markers, with EXIF, XMP and ICC segments.

Every strip is a restart interval of the joined file, which is an ordinary baseline JPEG for any reader.
Source: ITU-T T.81, B.2 (segments), E.1.4 (restart intervals); ICC.1:2022, annex B.4; XMP part 3, 1.1.3; EXIF 2.32, 4.7.
"""

import struct
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp_ns.core.errors import OutputError

__all__ = ["encode_jpeg", "split_segments", "tiny_jpeg"]

_MCU = {"444": (8, 8), "422": (8, 16), "420": (16, 16)}
_SOF0, _SOS, _DRI = 0xC0, 0xDA, 0xDD
_STRIP_MCU_ROWS = 32
_MAX_INTERVAL = 65535
_MAX_SEGMENT = 65533
_MAX_SIDE = 65500
_XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
_ICC_HEADER = b"ICC_PROFILE\0"


def encode_jpeg(
    planes: NDArray[Any],
    *,
    quality: int = 95,
    subsampling: str = "444",
    exif: bytes = b"",
    xmp: bytes = b"",
    icc: bytes = b"",
) -> bytes:
    """Encode (3, H, W) or (1, H, W) pixels, float 0..1 or unsigned integers, as a baseline JPEG.

    Args:
        planes: Encoded for display.
        quality: 1 to 100, as libjpeg counts.
        subsampling: "444", "422" or "420".
        exif: A TIFF block, as `pack_exif` makes it; left out when it does not fit a segment.
        xmp: An XMP packet; left out when it does not fit a segment.
        icc: An ICC profile.

    Raises:
        OutputError: if the size or an option is beyond what JPEG can hold.
    """
    from isp_ns.io.pixels import each_strip, interleave_strip

    channels, height, width = planes.shape
    if max(height, width) > _MAX_SIDE:
        raise OutputError(f"JPEG holds at most {_MAX_SIDE} pixels a side, not {width}x{height}; write TIFF or PNG")
    if not 1 <= quality <= 100 or subsampling not in _MCU:
        raise OutputError(f"JPEG quality is 1..100 and subsampling 444, 422 or 420, not {quality} and {subsampling}")
    # A single component is never interleaved: its unit is one block of 8 by 8.
    mcu_height, mcu_width = _MCU[subsampling] if channels == 3 else (8, 8)
    per_row = -(-width // mcu_width)
    mcu_rows = max(min(_STRIP_MCU_ROWS, _MAX_INTERVAL // per_row), 1)

    def work(top: int, bottom: int) -> bytes:
        return _encode_strip(interleave_strip(planes[:, top:bottom], np.uint8), quality, subsampling)

    strips = list(each_strip(work, height, mcu_rows * mcu_height))
    return _join(strips, height, per_row * mcu_rows, _application_segments(exif, xmp, icc))


def _encode_strip(pixels: NDArray[Any], quality: int, subsampling: str) -> bytes:
    """One JPEG of (h, W, C) bytes, with the standard Huffman tables."""
    import imagecodecs

    colour = pixels.shape[2] == 3
    flat, chroma = (pixels, subsampling) if colour else (pixels[:, :, 0], None)
    return bytes(imagecodecs.jpeg8_encode(flat, level=quality, subsampling=chroma, optimize=False))


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _application_segments(exif: bytes, xmp: bytes, icc: bytes) -> bytes:
    """APP1 with EXIF, APP1 with XMP, APP2 with the profile in parts."""
    found = b""
    for body in (b"Exif\0\0" + exif if exif else b"", _XMP_HEADER + xmp if xmp else b""):
        if body and len(body) <= _MAX_SEGMENT:
            found += _segment(0xE1, body)
    room = _MAX_SEGMENT - len(_ICC_HEADER) - 2
    parts = [icc[start : start + room] for start in range(0, len(icc), room)]
    for index, part in enumerate(parts):
        found += _segment(0xE2, _ICC_HEADER + bytes([index + 1, len(parts)]) + part)
    return found


def split_segments(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """The (marker, body) segments of a JPEG before its first scan, and where that scan's segment begins.

    Raises:
        ValueError: if it is not a JPEG, or is cut short before the scan.

    Source: ITU-T T.81, B.1.1.
    """
    if data[:2] != b"\xff\xd8":
        raise ValueError("this does not begin as a JPEG")
    segments: list[tuple[int, bytes]] = []
    offset = 2
    while data[offset : offset + 1] == b"\xff" and offset + 4 <= len(data):
        marker, length = data[offset + 1], struct.unpack_from(">H", data, offset + 2)[0]
        if marker == _SOS:
            return segments, offset
        segments.append((marker, data[offset + 4 : offset + 2 + length]))
        offset += 2 + length
    raise ValueError("the JPEG is cut short before its scan")


def _join(strips: list[bytes], height: int, interval: int, application: bytes) -> bytes:
    """One JPEG of strips that share their tables: each becomes a restart interval."""
    segments, scan = split_segments(strips[0])
    out = [b"\xff\xd8"]
    for index, (marker, body) in enumerate(segments):
        if marker == _SOF0:
            body = body[:1] + struct.pack(">H", height) + body[3:]
        out.append(_segment(marker, body))
        if index == 0:
            out.append(application)
    if len(strips) > 1:
        out.append(_segment(_DRI, struct.pack(">H", interval)))
    (scan_header,) = struct.unpack_from(">H", strips[0], scan + 2)
    out.append(strips[0][scan : scan + 2 + scan_header])
    for index, strip in enumerate(strips):
        start = split_segments(strip)[1] + 2 + scan_header
        out += [strip[start:-2], bytes([0xFF, 0xD0 + index % 8]) if index < len(strips) - 1 else b"\xff\xd9"]
    return b"".join(out)


@cache
def tiny_jpeg() -> bytes:
    """A grey JPEG of one block, to hang metadata on."""
    return _encode_strip(np.zeros((8, 8, 1), np.uint8), 50, "444")
