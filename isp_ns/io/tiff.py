"""A reader of TIFF tags that never trusts the file: every offset and count is checked before it is followed.

TIFF directories carry the metadata of DNG and of most camera formats, and the EXIF block of JPEG, PNG and others.
Values are kept as bytes and turned into numbers when asked for, so that a directory can also be carried over as it is.
Source: TIFF 6.0 (Adobe, 1992), section 2; DNG 1.4, chapter 2.
"""

import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

__all__ = ["Ifd", "Order", "Tag", "TiffFile", "read_tiff"]

Order = Literal["<", ">"]
"""Byte order in the notation of `struct`: little or big endian."""

TYPE_CODES = {
    1: "B",
    2: "s",
    3: "H",
    4: "I",
    5: "II",
    6: "b",
    7: "s",
    8: "h",
    9: "i",
    10: "ii",
    11: "f",
    12: "d",
    13: "I",
}
TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
MAGICS = {42, 0x4F52, 0x5352, 0x0055}
"""42 is TIFF; the others are Olympus ORF (two kinds) and Panasonic RW2, which differ from it by this number only."""

SUB_IFDS, EXIF_IFD, GPS_IFD, INTEROP_IFD = 330, 34665, 34853, 40965
_MAX_ENTRIES = 1024
_MAX_IFDS = 64
_MAX_VALUE_BYTES = 256 << 20


@dataclass(frozen=True)
class Tag:
    """One entry of a directory: its TIFF type, how many values, and their bytes in byte order `order`."""

    type: int
    count: int
    data: bytes
    order: Order

    def numbers(self) -> tuple[float, ...]:
        """The values as numbers; rationals become floats, a rational over 0 becomes nan. Text gives ()."""
        code = TYPE_CODES[self.type]
        if code == "s":
            return tuple(self.data) if self.type == 7 else ()
        values = struct.unpack(f"{self.order}{self.count * len(code)}{code[0]}", self.data)
        if len(code) == 1:
            return values
        return tuple(n / d if d else float("nan") for n, d in zip(values[::2], values[1::2], strict=True))

    def rationals(self) -> tuple[tuple[int, int], ...]:
        """Numerators and denominators of a rational tag; () for other types."""
        if self.type not in (5, 10):
            return ()
        values = struct.unpack(f"{self.order}{self.count * 2}{TYPE_CODES[self.type][0]}", self.data)
        return tuple(zip(values[::2], values[1::2], strict=True))

    def text(self) -> str:
        """The value as text up to its first zero byte, stripped."""
        return self.data.split(b"\0")[0].decode("utf-8", "replace").strip()

    def to_order(self, order: Order) -> bytes:
        """The bytes of the values in another byte order."""
        code = TYPE_CODES[self.type]
        if order == self.order or TYPE_SIZES[self.type] == 1:
            return self.data
        count = self.count * len(code)
        return struct.pack(f"{order}{count}{code[0]}", *struct.unpack(f"{self.order}{count}{code[0]}", self.data))


@dataclass(frozen=True)
class Ifd:
    """One directory of tags, with the directories that it points to."""

    tags: Mapping[int, Tag]
    children: Mapping[int, tuple["Ifd", ...]] = field(default_factory=dict)

    def numbers(self, tag: int) -> tuple[float, ...]:
        """The values of `tag` as numbers, () when it is absent."""
        found = self.tags.get(tag)
        return found.numbers() if found is not None else ()

    def number(self, tag: int) -> float | None:
        """The first value of `tag`, None when it is absent or not finite."""
        values = self.numbers(tag)
        return values[0] if values and abs(values[0]) < float("inf") else None

    def integer(self, tag: int, default: int = 0) -> int:
        """The first value of `tag` as an integer."""
        value = self.number(tag)
        return default if value is None else int(value)

    def text(self, tag: int) -> str | None:
        """The value of `tag` as text, None when it is absent or empty."""
        found = self.tags.get(tag)
        return (found.text() or None) if found is not None else None

    def blob(self, tag: int) -> bytes:
        """The bytes of `tag`, empty when it is absent."""
        found = self.tags.get(tag)
        return found.data if found is not None else b""

    def child(self, tag: int) -> "Ifd":
        """The first directory that `tag` points to, an empty one when there is none."""
        found = self.children.get(tag, ())
        return found[0] if found else Ifd({})

    def walk(self) -> Iterator["Ifd"]:
        """This directory and, depth first, its SubIFDs."""
        yield self
        for sub in self.children.get(SUB_IFDS, ()):
            yield from sub.walk()


@dataclass(frozen=True)
class TiffFile:
    """The directories of a file. `damage` names what could not be read; `size` is the file's length in bytes."""

    ifds: tuple[Ifd, ...]
    order: Order
    magic: int
    size: int
    damage: tuple[str, ...] = ()

    @property
    def first(self) -> Ifd:
        """The first directory, an empty one when there is none."""
        return self.ifds[0] if self.ifds else Ifd({})

    def all(self) -> Iterator[Ifd]:
        """Every directory that may describe an image: the chain and all SubIFDs."""
        for ifd in self.ifds:
            yield from ifd.walk()


class _Reader:
    """Follows offsets inside one file (or one block of it that starts at `base`)."""

    def __init__(self, stream: BinaryIO, base: int) -> None:
        self.stream, self.base = stream, base
        self.size = stream.seek(0, io.SEEK_END) - base
        self.order: Order = "<"
        self.seen: set[int] = set()
        self.damage: list[str] = []

    def at(self, offset: int, count: int) -> bytes:
        """`count` bytes from `offset`, b"" unless all of them are there."""
        if offset < 0 or count < 0 or offset + count > self.size:
            return b""
        self.stream.seek(self.base + offset)
        return self.stream.read(count)

    def header(self) -> tuple[int, int]:
        """Magic number and the offset of the first directory; (0, 0) when this is not a TIFF."""
        head = self.at(0, 8)
        if head[:2] not in (b"II", b"MM"):
            return 0, 0
        self.order = "<" if head[:2] == b"II" else ">"
        magic, first = struct.unpack(f"{self.order}HI", head[2:8])
        return (magic, first) if magic in MAGICS else (0, 0)

    def chain(self, offset: int) -> tuple[Ifd, ...]:
        """The directories from `offset` on, each pointing to the next."""
        ifds = []
        while offset and (read := self.ifd(offset)) is not None:
            ifd, offset = read
            ifds.append(ifd)
        return tuple(ifds)

    def ifd(self, offset: int) -> tuple[Ifd, int] | None:
        """The directory at `offset` and the offset of the next one; None when there is nothing to read."""
        if offset in self.seen or len(self.seen) >= _MAX_IFDS:
            return None
        self.seen.add(offset)
        head = self.at(offset, 2)
        count = struct.unpack(f"{self.order}H", head)[0] if len(head) == 2 else 0
        table = self.at(offset + 2, 12 * count) if 0 < count <= _MAX_ENTRIES else b""
        if not table:
            self.damage.append(f"a directory is missing at byte {offset}")
            return None
        tags = dict(self.entries(table))
        following = self.at(offset + 2 + 12 * count, 4)
        after = struct.unpack(f"{self.order}I", following)[0] if len(following) == 4 else 0
        return Ifd(tags, self.children(tags)), after

    def entries(self, table: bytes) -> Iterator[tuple[int, Tag]]:
        """The readable entries of a directory; the others are noted as damage."""
        for start in range(0, len(table), 12):
            number, kind, count = struct.unpack_from(f"{self.order}HHI", table, start)
            size = TYPE_SIZES.get(kind, 0) * count
            if not 0 < size <= _MAX_VALUE_BYTES:
                continue
            offset = struct.unpack_from(f"{self.order}I", table, start + 8)[0]
            data = table[start + 8 : start + 8 + size] if size <= 4 else self.at(offset, size)
            if len(data) == size:
                yield number, Tag(kind, count, data, self.order)
            else:
                self.damage.append(f"the value of tag {number} lies beyond the end of the file")

    def children(self, tags: dict[int, Tag]) -> dict[int, tuple[Ifd, ...]]:
        """The directories that the pointer tags lead to."""
        found = {}
        for pointer in (SUB_IFDS, EXIF_IFD, GPS_IFD, INTEROP_IFD):
            if pointer in tags and tags[pointer].type in (4, 13):
                reads = [self.ifd(int(offset)) for offset in tags[pointer].numbers()[:_MAX_IFDS]]
                found[pointer] = tuple(read[0] for read in reads if read is not None)
        return found


def read_tiff(source: BinaryIO | bytes, base: int = 0) -> TiffFile | None:
    """Read all directories of a TIFF file, or of a TIFF block that starts at byte `base` of `source`.

    Never raises on damaged content: what cannot be read is left out and named in `damage`.

    Returns:
        None when there is no TIFF header at `base`.

    Source: TIFF 6.0, section 2.
    """
    reader = _Reader(io.BytesIO(source) if isinstance(source, bytes) else source, base)
    magic, first = reader.header()
    if not magic:
        return None
    ifds = reader.chain(first)
    return TiffFile(ifds, reader.order, magic, reader.size, tuple(reader.damage))
