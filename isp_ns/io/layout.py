"""Headerless mosaics: rows of counts with nothing to say what they are, so that their layout must be told.

A layout comes from the user (`WIDTHxHEIGHT:bits:CFA[:black[:white[:endian]]]`) or from a file name that gives all of
size, bits and CFA. It is never guessed from the size of the file.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isp_ns.core.errors import DecodeError

__all__ = ["RawLayout"]

_CFAS = ("RGGB", "BGGR", "GRBG", "GBRG", "MONO")
_MAX_DEFECTS = 1e-3
"""Share of the pixels that may be beyond the range of the bits, as dead pixels of some sensors are."""

_FORM = "WIDTHxHEIGHT:bits:CFA[:black[:white[:endian]]]"
_NAME_SIZE = re.compile(r"(?<![0-9])(\d{2,5})x(\d{2,5})(?![0-9])", re.IGNORECASE)
_NAME_BITS = re.compile(r"(?<![0-9])(\d{1,2})[-_ ]?bits?(?![a-z])", re.IGNORECASE)
_NAME_CFA = re.compile(r"(?<![a-z])(RGGB|BGGR|GRBG|GBRG|MONO)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class RawLayout:
    """The layout of a headerless mosaic.

    `bits` are the significant bits, 1 to 16, stored low in one byte (up to 8) or in two. `cfa` is RGGB, BGGR, GRBG,
    GBRG or MONO. `black` and `white` are levels in counts, `endian` is "little" or "big", `source` says whether the
    "user" or the file's "name" gave the layout.
    """

    width: int
    height: int
    bits: int
    cfa: str
    black: float = 0.0
    white: float | None = None
    endian: str = "little"
    source: str = "user"

    def __post_init__(self) -> None:
        problems = [
            problem
            for bad, problem in (
                (self.width < 2 or self.height < 2, f"size {self.width}x{self.height} is below 2x2"),
                (not 1 <= self.bits <= 16, f"{self.bits} bits are not within 1..16"),
                (self.cfa not in _CFAS, f"CFA {self.cfa!r} is none of {', '.join(_CFAS)}"),
                (self.endian not in ("little", "big"), f"byte order {self.endian!r} is not little or big"),
                (not 0 <= self.black < self.saturation <= 65535, "levels need 0 <= black < white <= 65535"),
            )
            if bad
        ]
        if problems:
            raise ValueError(f"raw layout: {'; '.join(problems)}")

    @property
    def saturation(self) -> float:
        """The white level: as given, else the largest count of `bits`."""
        return float(2**self.bits - 1) if self.white is None else self.white

    @classmethod
    def parse(cls, text: str) -> "RawLayout":
        """Read `WIDTHxHEIGHT:bits:CFA[:black[:white[:endian]]]`, for example "1920x1080:10:RGGB:64:1023:little".

        Raises:
            ValueError: saying which part is wrong.
        """
        parts = text.strip().split(":")
        size = re.fullmatch(r"(\d+)[xX×](\d+)", parts[0])
        if not 3 <= len(parts) <= 6 or size is None:
            raise ValueError(f"raw layout {text!r} is not of the form {_FORM}")
        try:
            numbers = [float(part) for part in parts[3:5]]
            bits = int(parts[1])
        except ValueError as error:
            raise ValueError(f"raw layout {text!r}: {error}; the form is {_FORM}") from error
        return cls(
            width=int(size[1]),
            height=int(size[2]),
            bits=bits,
            cfa=parts[2].upper(),
            black=numbers[0] if numbers else 0.0,
            white=numbers[1] if len(numbers) > 1 else None,
            endian={"le": "little", "be": "big"}.get(parts[5].lower(), parts[5].lower()) if parts[5:] else "little",
        )

    @classmethod
    def from_name(cls, path: Path) -> "RawLayout | None":
        """The layout that a name such as `chart_1920x1080_12bit_BGGR.raw` gives; None unless it gives all three."""
        size, bits, cfa = (pattern.search(path.stem) for pattern in (_NAME_SIZE, _NAME_BITS, _NAME_CFA))
        if size is None or bits is None or cfa is None:
            return None
        try:
            layout = cls(int(size[1]), int(size[2]), int(bits[1]), cfa[1].upper())
        except ValueError:
            return None
        return replace(layout, source="name")

    def container_bytes(self, path: Path, file_size: int) -> int:
        """Bytes per pixel, from the size of the file, which must match exactly.

        Raises:
            DecodeError: if it does not; the message names the sizes that would.
        """
        pixels = self.width * self.height
        fitting = [size for size in ((1, 2) if self.bits <= 8 else (2,)) if file_size == pixels * size]
        if fitting:
            return fitting[0]
        packed = file_size == pixels * self.bits // 8 and self.bits in (10, 12, 14)
        hint = (
            f"it would fit {self.bits} packed bits per pixel, which are not read: unpack it to 16 bits"
            if packed
            else "give the size, bits and CFA that the file really has"
        )
        raise DecodeError(
            f"{path.name}: {file_size} bytes are not {self.width}x{self.height} pixels of "
            f"{'1 or 2 bytes' if self.bits <= 8 else '2 bytes'} ({pixels * 2} bytes in 16 bits); {hint}"
        )

    def counts(self, path: Path) -> NDArray[np.uint16]:
        """The (1, H, W) counts of the file, mapped, not yet read.

        Raises:
            DecodeError: if its size does not match, or more counts than a few defects need more than `bits`.
        """
        container = self.container_bytes(path, path.stat().st_size)
        dtype = np.dtype(f"{'<' if self.endian == 'little' else '>'}u{container}")
        mosaic = np.memmap(path, dtype=dtype, mode="r", shape=(1, self.height, self.width))
        beyond = int(np.count_nonzero(mosaic > 2**self.bits - 1))
        if beyond > _MAX_DEFECTS * mosaic.size:
            raise DecodeError(
                f"{path.name}: the layout says {self.bits} bits, but {beyond} counts are larger, up to "
                f"{int(mosaic.max())}; check bits and byte order ({self.endian} endian was used)"
            )
        return mosaic
