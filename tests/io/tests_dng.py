"""Tags for DNG files that tifffile writes, so that reading is tested against another writer than the project's own."""

import struct
from typing import Any

D65_MATRIX = (0.7034, -0.0804, -0.1014, -0.4420, 1.2564, 0.2058, -0.0851, 0.1994, 0.5758)
PATTERNS = {"RGGB": (0, 1, 1, 2), "BGGR": (2, 1, 1, 0), "GRBG": (1, 0, 2, 1), "GBRG": (1, 2, 0, 1)}


def rationals(*values: float) -> tuple[int, ...]:
    return tuple(part for value in values for part in (round(value * 10000), 10000))


def short(number: int, *values: int) -> tuple[Any, ...]:
    return number, "H", len(values), values if len(values) > 1 else values[0], True


def long(number: int, *values: int) -> tuple[Any, ...]:
    return number, "I", len(values), values if len(values) > 1 else values[0], True


def rational(number: int, *values: float) -> tuple[Any, ...]:
    return number, 5, len(values), rationals(*values), True


def srational(number: int, *values: float) -> tuple[Any, ...]:
    return number, 10, len(values), rationals(*values), True


def double(number: int, *values: float) -> tuple[Any, ...]:
    return number, "d", len(values), values, True


def blob(number: int, data: bytes, kind: int = 7) -> tuple[Any, ...]:
    return number, kind, len(data), data, True


def opcode(number: int, data: bytes, *, optional: bool = False) -> bytes:
    return struct.pack(">4I", number, 0x01030000, int(optional), len(data)) + data


def opcode_list(*opcodes: bytes) -> bytes:
    return struct.pack(">I", len(opcodes)) + b"".join(opcodes)
