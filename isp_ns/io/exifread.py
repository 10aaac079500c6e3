"""Finds the EXIF block of a camera file or an image and reads the shot from it.

Source: EXIF 2.32 (CIPA DC-008), sections 4.6.4 to 4.6.6; JPEG APP1, PNG eXIf, WebP EXIF, ISO BMFF boxes of CR3, the
embedded preview of RAF and RW2, the TTW block of MRW, and the CIFF heap of CRW for the camera's name.
"""

import io
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from isp_ns.io.decoded import Facts
from isp_ns.io.tiff import EXIF_IFD, GPS_IFD, Ifd, Tag, TiffFile, read_tiff

__all__ = ["ExifBlock", "find_exif", "shot_facts"]

_CR3_UUID = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_MAX_BLOCK = 16 << 20


@dataclass(frozen=True)
class ExifBlock:
    """The three directories that describe a shot: IFD0 (camera), Exif (exposure) and GPS."""

    ifd0: Ifd
    exif: Ifd
    gps: Ifd

    @classmethod
    def of(cls, tiff: TiffFile | None) -> "ExifBlock | None":
        """The block of a TIFF file or of an EXIF segment; None when there is nothing in it."""
        if tiff is None or not tiff.ifds:
            return None
        return cls(tiff.first, tiff.first.child(EXIF_IFD), tiff.first.child(GPS_IFD))


def find_exif(file: BinaryIO, tiff: TiffFile | None = None) -> ExifBlock | None:
    """The EXIF block of an open file of any kind; None when there is none.

    Args:
        file: Open for reading in binary.
        tiff: The file's directories, when it is a TIFF and they are read already.
    """
    file.seek(0)
    head = file.read(128)
    if tiff is None:
        tiff = read_tiff(file)
    if tiff is not None:
        return _tiff_block(file, tiff)
    if head.startswith(b"\xff\xd8"):
        return _jpeg_block(file, 0)
    if head.startswith(b"FUJIFILMCCD-RAW") and len(head) >= 92:
        return _jpeg_block(file, struct.unpack(">I", head[84:88])[0])
    if head.startswith(b"\x89PNG"):
        return _first_block(_png_chunks(file), b"eXIf")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _first_block(_riff_chunks(file), b"EXIF")
    if head[4:11] == b"ftypcrx":
        return _cr3_block(file)
    if head.startswith(b"\0MRM"):
        return _first_block(_mrw_blocks(file), b"\0TTW")
    return _ciff_block(file) if head[6:14] == b"HEAPCCDR" else None


def _tiff_block(file: BinaryIO, tiff: TiffFile) -> ExifBlock | None:
    """The block of a TIFF; Panasonic keeps its own in the embedded JPEG."""
    preview = tiff.first.tags.get(0x2E)
    if tiff.magic == 0x55 and preview is not None:
        embedded = _jpeg_block(io.BytesIO(preview.data), 0)
        if embedded is not None:
            return embedded
    return ExifBlock.of(tiff)


def _jpeg_block(file: BinaryIO, start: int) -> ExifBlock | None:
    """The first APP1 Exif segment of the JPEG that starts at byte `start`."""
    file.seek(start)
    if file.read(2) != b"\xff\xd8":
        return None
    while len(head := file.read(4)) == 4 and head[0] == 0xFF and head[1] != 0xDA:
        length = struct.unpack(">H", head[2:])[0] - 2
        body = file.read(max(length, 0))
        if head[1] == 0xE1 and body.startswith(b"Exif\0\0"):
            return ExifBlock.of(read_tiff(body[6:]))
    return None


def _first_block(chunks: Iterator[tuple[bytes, bytes]], name: bytes) -> ExifBlock | None:
    """The EXIF of the first chunk called `name`."""
    for found, body in chunks:
        if found == name:
            return ExifBlock.of(read_tiff(body.removeprefix(b"Exif\0\0")))
    return None


def _chunks(
    file: BinaryIO, form: str, name_first: bool, skip_after: int, wanted: bytes
) -> Iterator[tuple[bytes, bytes]]:
    """Chunks of a name and a length; only the bodies of `wanted` are read."""
    while len(head := file.read(8)) == 8:
        name, size = (head[:4], head[4:]) if name_first else (head[4:], head[:4])
        length = struct.unpack(form, size)[0]
        body = file.read(min(length, _MAX_BLOCK)) if name == wanted else b""
        file.seek(length - len(body) + skip_after + (length % 2 if wanted == b"EXIF" else 0), io.SEEK_CUR)
        yield name, body


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    file.seek(8)
    return _chunks(file, ">I", False, 4, b"eXIf")


def _riff_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    file.seek(12)
    return _chunks(file, "<I", True, 0, b"EXIF")


def _mrw_blocks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    file.seek(8)
    return _chunks(file, ">I", True, 0, b"\0TTW")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of an ISO base media file inside `data`."""
    offset = 0
    while offset + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, offset)
        if size < 8:
            return
        yield name, data[offset + 8 : offset + size]
        offset += size


def _cr3_block(file: BinaryIO) -> ExifBlock | None:
    """Canon's CMT1 (IFD0), CMT2 (Exif) and CMT4 (GPS) inside moov."""
    file.seek(0)
    moov = next((body for name, body in _boxes(file.read(_MAX_BLOCK)) if name == b"moov"), b"")
    canon = next((body[16:] for name, body in _boxes(moov) if name == b"uuid" and body[:16] == _CR3_UUID), b"")
    parts = {name: read_tiff(body) for name, body in _boxes(canon) if name.startswith(b"CMT")}
    ifds = [tiff.first if (tiff := parts.get(name)) else Ifd({}) for name in (b"CMT1", b"CMT2", b"CMT4")]
    return ExifBlock(*ifds) if any(ifd.tags for ifd in ifds) else None


def _ciff_block(file: BinaryIO) -> ExifBlock | None:
    """Make and model of a CRW file, as the tags that EXIF would hold them in.

    Source: the CIFF specification, revision 1.0r4 (Canon, 1997): heaps with their directory at the end.
    """
    file.seek(0)
    data = file.read(_MAX_BLOCK)
    order = "<" if data[:2] == b"II" else ">"
    names = _ciff_find(data, order, struct.unpack_from(f"{order}I", data, 2)[0], len(data), 0)
    words = names.split(b"\0")[:2]
    if len(words) < 2:
        return None
    tags = {number: Tag(2, len(word) + 1, word + b"\0", "<") for number, word in zip((271, 272), words, strict=True)}
    return ExifBlock(Ifd(tags), Ifd({}), Ifd({}))


def _ciff_find(data: bytes, order: str, start: int, end: int, depth: int) -> bytes:
    """The value of tag 0x080A (make and model) in the heap between two offsets, b"" when it is not there."""
    if depth > 4 or not 0 <= start < end - 4 or end > len(data):
        return b""
    table = start + struct.unpack_from(f"{order}I", data, end - 4)[0]
    if not start <= table <= end - 6:
        return b""
    for index in range(min(struct.unpack_from(f"{order}H", data, table)[0], (end - table - 2) // 10)):
        tag, size, offset = struct.unpack_from(f"{order}HII", data, table + 2 + 10 * index)
        if tag == 0x080A:
            return data[start + offset : start + offset + size]
        if tag & 0x3800 in (0x2800, 0x3000):
            found = _ciff_find(data, order, start + offset, start + offset + size, depth + 1)
            if found:
                return found
    return b""


def _above_zero(value: float | None) -> float | None:
    """A measured value; cameras write 0 for what they do not know."""
    return float(value) if value is not None and math.isfinite(value) and value > 0 else None


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _degrees(values: tuple[float, ...], reference: str | None, negative: str) -> float | None:
    """Degrees, minutes and seconds as signed degrees."""
    if not values or not all(math.isfinite(value) for value in values):
        return None
    degrees = math.fsum(value / 60.0**power for power, value in enumerate(values[:3]))
    return -degrees if (reference or "").upper().startswith(negative) else degrees


def _gps(ifd: Ifd) -> dict[str, Any] | None:
    """Position: degrees north and east, metres above sea level, UTC time; None without a position."""
    found = {
        "latitude_deg": _degrees(ifd.numbers(2), ifd.text(1), "S"),
        "longitude_deg": _degrees(ifd.numbers(4), ifd.text(3), "W"),
    }
    if None in found.values():
        return None
    altitude, below = ifd.number(6), ifd.blob(5)[:1] == b"\1"
    found["altitude_m"] = None if altitude is None else (-altitude if below else altitude)
    time, date = ifd.numbers(7), ifd.text(29)
    stamp = None
    if len(time) == 3 and date and all(math.isfinite(value) for value in time):
        stamp = f"{date} {int(time[0]):02d}:{int(time[1]):02d}:{int(time[2]):02d}"
    return {
        **{name: value for name, value in found.items() if value is not None},
        **({"datetime_utc": stamp} if stamp else {}),
    }


def _datetime(text: str | None) -> str | None:
    """An EXIF date, None unless it has digits in it (cameras write blanks or zeros for an unset clock)."""
    return text if text and any(letter in "123456789" for letter in text) else None


def shot_facts(facts: Facts, block: ExifBlock | None) -> None:
    """Note camera, lens, exposure, date and position from an EXIF block. Zeros count as absent."""
    if block is None:
        return
    ifd0, exif = block.ifd0, block.exif
    both = (exif, ifd0)  # TIFF/EP and old cameras keep exposure tags in IFD0

    def number(tag: int) -> float | None:
        return _first(*(_above_zero(ifd.number(tag)) for ifd in both))

    facts.set(
        "exif",
        make=ifd0.text(271),
        model=ifd0.text(272),
        lens=exif.text(42036),
        iso=_first(number(34855) if number(34855) != 65535 else None, number(34866), number(34855)),
        exposure_s=number(33434),
        aperture=number(33437),
        focal_mm=number(37386),
        focal_35mm=_above_zero(exif.number(41989)),
        distance_m=number(37382) if (number(37382) or 0) < 4e9 else None,
        datetime=_datetime(exif.text(36867) or ifd0.text(36867)) or _datetime(ifd0.text(306)),
        gps=_gps(block.gps),
    )
