"""EXIF blocks for results: built from a frame's metadata, completed with what the source file says about the shot.

Carried over are camera, exposure, lens, dates, place and authorship. Left out is what describes the raw file and not
the picture: maker notes, previews, CFA, sensor resolution, positions in the original frame.

Source: EXIF 2.32 (CIPA DC-008), section 4.6; TIFF 6.0, section 2.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isp_ns.io.exifread import ExifBlock, find_exif
from isp_ns.io.tiff import EXIF_IFD, GPS_IFD, TYPE_SIZES, Tag

if TYPE_CHECKING:
    from isp_ns.core.meta import Meta

__all__ = [
    "JPEG_EXIF",
    "JPEG_IFD0",
    "ExifData",
    "ascii_tag",
    "carried_exif",
    "meta_exif",
    "pack_exif",
    "pack_ifd",
    "rational_tag",
    "short_tag",
]

ORIENTATION, SOFTWARE = 274, 305
_MAX_VALUE_BYTES = 4096

_CARRIED_IFD0 = frozenset({270, 271, 272, 306, 315, 33432})
_EXPOSURE_TAGS = frozenset(
    {33434, 33437, 34850, 34855, 36867, 37377, 37378, 37379, 37380, 37381, 37382, 37383, 37384, 37385, 37386}
)
_LEFT_OUT_EXIF = frozenset(
    {
        37121,  # ComponentsConfiguration
        37122,  # CompressedBitsPerPixel
        37396,  # SubjectArea
        37500,  # MakerNote
        40960,  # FlashpixVersion
        40961,  # ColorSpace
        40962,  # PixelXDimension
        40963,  # PixelYDimension
        40965,  # InteroperabilityIFD
        41486,  # FocalPlaneXResolution
        41487,  # FocalPlaneYResolution
        41488,  # FocalPlaneResolutionUnit
        41492,  # SubjectLocation
        41730,  # CFAPattern
        41995,  # DeviceSettingDescription
    }
)


@dataclass(frozen=True)
class ExifData:
    """Tags by directory; `xmp` is a packet of XMP, empty when there is none."""

    ifd0: Mapping[int, Tag] = field(default_factory=dict)
    exif: Mapping[int, Tag] = field(default_factory=dict)
    gps: Mapping[int, Tag] = field(default_factory=dict)
    xmp: bytes = b""

    def over(self, base: "ExifData") -> "ExifData":
        """These tags in addition to those of `base`; where both have one, these win."""
        return ExifData(
            {**base.ifd0, **self.ifd0}, {**base.exif, **self.exif}, {**base.gps, **self.gps}, self.xmp or base.xmp
        )


def ascii_tag(text: str) -> Tag:
    """A text value."""
    data = text.encode() + b"\0"
    return Tag(2, len(data), data, "<")


def short_tag(*values: int) -> Tag:
    """Unsigned 16-bit values."""
    return Tag(3, len(values), struct.pack(f"<{len(values)}H", *values), "<")


def long_tag(*values: int) -> Tag:
    """Unsigned 32-bit values."""
    return Tag(4, len(values), struct.pack(f"<{len(values)}I", *values), "<")


def rational_tag(*values: float, signed: bool = False) -> Tag:
    """Fractions, as close as a denominator of a million allows."""
    fractions = [Fraction(value).limit_denominator(1_000_000) for value in values]
    flat = [part for each in fractions for part in (each.numerator, each.denominator)]
    return Tag(10 if signed else 5, len(values), struct.pack(f"<{len(flat)}{'i' if signed else 'I'}", *flat), "<")


def undefined_tag(data: bytes) -> Tag:
    """Bytes without a type."""
    return Tag(7, len(data), data, "<")


JPEG_IFD0 = {282: rational_tag(72), 283: rational_tag(72), 296: short_tag(2), 531: short_tag(1)}
"""What EXIF demands of the first directory in a JPEG: resolution (72 per inch, that is unknown) and chroma position."""


JPEG_EXIF = {37121: undefined_tag(b"\1\2\3\0")}
"""What EXIF demands of the Exif directory in a JPEG: that the components are Y, Cb and Cr."""


def _positive_rational(value: float | None) -> Tag | None:
    return rational_tag(value) if value is not None and math.isfinite(value) and 0 < value < 4e9 else None


def _known(tags: Mapping[int, Tag | None]) -> dict[int, Tag]:
    return {number: tag for number, tag in tags.items() if tag is not None}


def meta_exif(meta: "Meta", *, software: str = "isp_ns", size: tuple[int, int] | None = None) -> ExifData:
    """The EXIF of a frame's metadata.

    Args:
        meta: What is known about the shot.
        software: For the tag of that name.
        size: Height and width of the picture as it is stored.

    Source: EXIF 2.32, table 4 to 8.
    """

    def text(value: str | None) -> Tag | None:
        return ascii_tag(value) if value else None

    iso = meta.iso if meta.iso is not None and math.isfinite(meta.iso) and meta.iso >= 1 else None
    exif = {
        33434: _positive_rational(meta.exposure_s),
        33437: _positive_rational(meta.aperture),
        34855: short_tag(min(round(iso), 65535)) if iso else None,
        34864: short_tag(3) if iso else None,
        34867: long_tag(round(iso)) if iso and iso > 65535 else None,
        36864: undefined_tag(b"0232"),
        40960: undefined_tag(b"0100"),
        36867: text(meta.datetime),
        37382: _positive_rational(meta.distance_m),
        37386: _positive_rational(meta.focal_mm),
        40961: short_tag(1 if meta.space == "srgb" else 0xFFFF),
        40962: long_tag(size[1]) if size else None,
        40963: long_tag(size[0]) if size else None,
        41989: short_tag(min(round(meta.focal_35mm), 65535)) if meta.focal_35mm else None,
        42036: text(meta.lens),
    }
    ifd0 = {271: text(meta.make), 272: text(meta.model), SOFTWARE: text(software), 306: text(meta.datetime)}
    return ExifData(_known(ifd0), _known(exif), _gps(meta.gps))


def _gps(place: Mapping[str, Any] | None) -> dict[int, Tag]:
    """GPS tags of a position: degrees north and east, metres above sea level, UTC."""
    if not place or "latitude_deg" not in place or "longitude_deg" not in place:
        return {}
    latitude, longitude = float(place["latitude_deg"]), float(place["longitude_deg"])
    tags = {
        0: Tag(1, 4, b"\2\3\0\0", "<"),
        1: ascii_tag("S" if latitude < 0 else "N"),
        2: _degrees(latitude),
        3: ascii_tag("W" if longitude < 0 else "E"),
        4: _degrees(longitude),
    }
    if "altitude_m" in place:
        tags[5] = Tag(1, 1, b"\1" if place["altitude_m"] < 0 else b"\0", "<")
        tags[6] = rational_tag(abs(float(place["altitude_m"])))
    date, _, time = str(place.get("datetime_utc", "")).partition(" ")
    if time.count(":") == 2:
        tags[7] = rational_tag(*(float(part) for part in time.split(":")))
        tags[29] = ascii_tag(date)
    return tags


def _degrees(value: float) -> Tag:
    """Degrees, minutes and seconds to a ten-thousandth of a second, about 3 mm on the ground."""
    seconds = round(abs(value) * 3600 * 10000)
    degrees, rest = divmod(seconds, 3600 * 10000)
    minutes, rest = divmod(rest, 60 * 10000)
    return Tag(5, 3, struct.pack("<6I", degrees, 1, minutes, 1, rest, 10000), "<")


def carried_exif(source: Path) -> ExifData:
    """The shot's tags of a source file, read by this library: TIFF-based raws, RAF, CR3, RW2, MRW, JPEG, PNG, WebP.

    Raises:
        OSError: if the file cannot be read.
    """
    with source.open("rb") as file:
        block = find_exif(file)
    return select_exif(block) if block is not None else ExifData()


def select_exif(block: ExifBlock) -> ExifData:
    """The tags of a block that are true of the picture as well as of the raw file."""
    ifd0 = {number: tag for number, tag in block.ifd0.tags.items() if number in _CARRIED_IFD0}
    early = {number: tag for number, tag in block.ifd0.tags.items() if number in _EXPOSURE_TAGS}
    exif = {n: tag for n, tag in block.exif.tags.items() if 33434 <= n < 50000 and n not in _LEFT_OUT_EXIF}
    return ExifData(_small(ifd0), _small({**early, **exif}), _small(dict(block.gps.tags)))


def _small(tags: dict[int, Tag]) -> dict[int, Tag]:
    """Tags with a value that is neither blank nor large."""
    return {n: tag for n, tag in tags.items() if len(tag.data) <= _MAX_VALUE_BYTES and (tag.type != 2 or tag.text())}


def pack_ifd(tags: Mapping[int, Tag], offset: int) -> bytes:
    """A little-endian directory that will lie at byte `offset` of its file, followed by its values."""
    entries, values = b"", b""
    after = offset + 2 + 12 * len(tags) + 4
    for number in sorted(tags):
        tag = tags[number]
        data = tag.to_order("<")
        count = len(data) // TYPE_SIZES[tag.type]
        entries += struct.pack("<HHI", number, tag.type, count)
        if len(data) <= 4:
            entries += data.ljust(4, b"\0")
        else:
            entries += struct.pack("<I", after + len(values))
            values += data + b"\0" * (len(data) % 2)
    return struct.pack("<H", len(tags)) + entries + b"\0\0\0\0" + values


def pack_exif(data: ExifData) -> bytes:
    """The TIFF block of an APP1 segment, an eXIf chunk or a file of its own.

    Source: EXIF 2.32, section 4.5.
    """
    ifd0 = dict(data.ifd0)
    pointers = [(number, tags) for number, tags in ((EXIF_IFD, data.exif), (GPS_IFD, data.gps)) if tags]
    ifd0.update({number: long_tag(0) for number, _ in pointers})
    offset = 8 + len(pack_ifd(ifd0, 8))
    blocks = b""
    for number, tags in pointers:
        ifd0[number] = long_tag(offset + len(blocks))
        blocks += pack_ifd(tags, offset + len(blocks))
    return b"II*\0" + struct.pack("<I", 8) + pack_ifd(ifd0, 8) + blocks
