"""TIFF files of 8, 16 and 32 bits with ICC, XMP and EXIF directories.

tifffile writes the image; the EXIF and GPS directories are appended to the file and their pointers set.
Source: TIFF 6.0; EXIF 2.32, section 4.6.3 (pointers); XMP part 3 (tag 700).
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from isp_ns.core.errors import OutputError
from isp_ns.io.exifwrite import ExifData, pack_ifd
from isp_ns.io.tiff import EXIF_IFD, GPS_IFD, TYPE_CODES, Tag

__all__ = ["COMPRESSIONS", "ExtraTag", "write_tiff"]

COMPRESSIONS = {"none": None, "deflate": "adobe_deflate", "lzw": "lzw", "zstd": "zstd"}
"""Lossless TIFF compressions by name."""

ExtraTag = tuple[int, int, int, Any, bool]
_BY_TIFFFILE = frozenset(
    {254, 256, 257, 258, 259, 262, 273, 277, 278, 279, 282, 283, 284, 296, 305, 339, EXIF_IFD, GPS_IFD}
)
_XMP, _PHOTOMETRIC = 700, 262


def write_tiff(
    path: Path,
    pixels: NDArray[Any],
    *,
    exif: ExifData,
    icc: bytes = b"",
    compression: str = "none",
    photometric: int | None = None,
    tags: tuple[ExtraTag, ...] = (),
) -> None:
    """Write (H, W, C) pixels as a TIFF of one page.

    Args:
        path: The file to make.
        pixels: uint8, uint16 or float32; one channel, or three.
        exif: Its first directory goes into the image's own.
        icc: An ICC profile.
        compression: A name of `COMPRESSIONS`.
        photometric: TIFF's PhotometricInterpretation, set afterwards; by default RGB or black-is-zero.
        tags: More tags as tifffile takes them: (number, type, count, value, True).

    Raises:
        OutputError: if the compression is unknown.
    """
    import tifffile

    if compression not in COMPRESSIONS:
        raise OutputError(f"TIFF compression is one of {', '.join(COMPRESSIONS)}, not {compression!r}")
    codec = COMPRESSIONS[compression]
    flat = pixels if pixels.shape[2] > 1 else pixels[:, :, 0]
    pointers = [(number, found) for number, found in ((EXIF_IFD, exif.exif), (GPS_IFD, exif.gps)) if found]
    own = tuple(_extra(number, tag) for number, tag in exif.ifd0.items() if number not in _BY_TIFFFILE)
    xmp = ((_XMP, 1, len(exif.xmp), exif.xmp, True),) if exif.xmp else ()
    software = exif.ifd0.get(305)
    tifffile.imwrite(
        path,
        flat,
        photometric="rgb" if pixels.shape[2] == 3 else "minisblack",
        planarconfig="contig" if pixels.shape[2] > 1 else None,
        compression=codec,
        predictor=codec is not None,
        iccprofile=icc or None,
        software=software.text().encode() if software is not None else False,
        resolution=(300, 300),
        resolutionunit="inch",
        metadata=None,
        subfiletype=0,
        bigtiff=pixels.nbytes > 0xF0000000,
        extratags=(*own, *tags, *xmp),
    )
    _append_directories(path, pointers, photometric)


def _extra(number: int, tag: Tag) -> ExtraTag:
    """A tag as tifffile takes it."""
    if tag.type == 2:
        # Bytes, as cameras and people write UTF-8 here, where tifffile takes no text but ASCII.
        text = tag.text().encode() + b"\0"
        return number, tag.type, len(text), text, True
    if tag.type in (1, 6, 7):
        return number, tag.type, tag.count, tag.data, True
    code = TYPE_CODES[tag.type]
    values = struct.unpack(f"<{tag.count * len(code)}{code[0]}", tag.to_order("<"))
    return number, tag.type, tag.count, values, True


def _append_directories(path: Path, pointers: list[tuple[int, Mapping[int, Tag]]], photometric: int | None) -> None:
    """Put the directories at the end of the file, and after them the first directory again, now pointing to them.

    `photometric` replaces that of the first directory: tifffile does not write every combination that DNG allows.

    A file beyond 4 GB (BigTIFF) is left without them.
    """
    with path.open("r+b") as file:
        magic, start = struct.unpack("<2xHI", file.read(8))
        if magic != 42 or not (pointers or photometric):
            return
        file.seek(start)
        (count,) = struct.unpack("<H", file.read(2))
        entries = [file.read(12) for _ in range(count)]
        for number, tags in pointers:
            offset = _even_end(file)
            file.write(pack_ifd(tags, offset))
            entries.append(struct.pack("<HHII", number, 4, 1, offset))
        if photometric is not None:
            entries = [entry for entry in entries if entry[:2] != struct.pack("<H", _PHOTOMETRIC)]
            entries.append(struct.pack("<HHIHH", _PHOTOMETRIC, 3, 1, photometric, 0))
        entries.sort(key=lambda entry: int.from_bytes(entry[:2], "little"))
        offset = _even_end(file)
        file.write(struct.pack("<H", len(entries)) + b"".join(entries) + b"\0\0\0\0")
        file.seek(4)
        file.write(struct.pack("<I", offset))


def _even_end(file: BinaryIO) -> int:
    """Go to the end of the file, made even."""
    offset = file.seek(0, 2)
    return offset + (file.write(b"\0") if offset % 2 else 0)
