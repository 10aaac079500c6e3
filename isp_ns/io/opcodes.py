"""DNG opcode lists: corrections that a file asks for, read into metadata and written back.

An opcode that is not optional and not understood makes the file unusable as it is: it is refused by name, never
skipped. Source: DNG 1.4, chapter 7 (opcode lists), always big endian.
"""

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isp_ns.core.errors import DecodeError, UnsupportedSensorError

__all__ = ["NAMES", "Corrections", "Opcode", "pack_gain_map", "pack_opcodes", "pack_warp", "parse_opcodes"]

NAMES = {
    1: "WarpRectilinear",
    2: "WarpFisheye",
    3: "FixVignetteRadial",
    4: "FixBadPixelsConstant",
    5: "FixBadPixelsList",
    6: "TrimBounds",
    7: "MapTable",
    8: "MapPolynomial",
    9: "GainMap",
    10: "DeltaPerRow",
    11: "DeltaPerColumn",
    12: "ScalePerRow",
    13: "ScalePerColumn",
    14: "WarpRectilinear2",
}
"""Names of the opcodes by their numbers. Source: DNG 1.4, chapter 7; DNG 1.6 (14)."""

_DNG_1_3 = 0x01030000
_VIGNETTE_POINTS = 65
_MAX_MAP_POINTS = 1 << 22


@dataclass(frozen=True)
class Opcode:
    """One opcode: its number, whether a reader may leave it out, and its parameters as stored."""

    id: int
    optional: bool
    data: bytes

    @property
    def name(self) -> str:
        """The name of DNG's chapter 7, or the number."""
        return NAMES.get(self.id, f"opcode {self.id}")


def parse_opcodes(blob: bytes, path_name: str = "file") -> tuple[Opcode, ...]:
    """The opcodes of one list.

    Raises:
        DecodeError: if the list is cut short.

    Source: DNG 1.4, chapter 7.
    """
    return tuple(_each_opcode(blob, path_name)) if blob else ()


def _each_opcode(blob: bytes, path_name: str) -> Iterator[Opcode]:
    try:
        (count,), offset = struct.unpack_from(">I", blob), 4
        for _ in range(count):
            number, _version, flags, size = struct.unpack_from(">4I", blob, offset)
            data = blob[offset + 16 : offset + 16 + size]
            if len(data) < size:
                raise DecodeError(f"{path_name}: the opcode list is cut short in {NAMES.get(number, number)}")
            yield Opcode(number, bool(flags & 1), data)
            offset += 16 + size
    except struct.error as error:
        raise DecodeError(f"{path_name}: the opcode list is damaged ({error})") from error


class Corrections:
    """Collects the corrections of a file's opcode lists as fields of `Meta`.

    Args:
        path_name: The file, for messages.
        active: ActiveArea (top, left, bottom, right) in the full frame; the frame that is decoded.
        cfa: Colours of the 2×2 at the frame's first pixel, in reading order as "RGB" letters; "" without a mosaic.
    """

    def __init__(self, path_name: str, active: tuple[int, int, int, int], cfa: str) -> None:
        self.path_name, self.active, self.cfa = path_name, active, cfa
        self.size = active[2] - active[0], active[3] - active[1]
        self.gain_maps: list[dict[str, Any]] = []
        self.warp: dict[str, Any] | None = None
        self.bad: list[NDArray[np.int64]] = []
        self.bad_values: list[int] = []
        self.notes: list[str] = []

    def add(self, opcodes: Sequence[Opcode], stage: int, applied: frozenset[int] = frozenset()) -> None:
        """Take in the opcodes of list `stage` (1, 2 or 3), but for those of `applied`, which the decoder has done.

        Raises:
            UnsupportedSensorError: for an opcode that is neither known nor optional.
            DecodeError: if the parameters of one are cut short or make no sense.
        """
        readers = {1: self._warp, 3: self._vignette, 9: self._gain_map}
        if stage == 1:
            readers = {4: self._bad_constant, 5: self._bad_list}
        for opcode in opcodes:
            if opcode.id in applied:
                continue
            try:
                done = opcode.id in readers and readers[opcode.id](opcode, stage)
            except (struct.error, ValueError, OverflowError) as error:
                raise DecodeError(f"{self.path_name}: the opcode {opcode.name} is damaged ({error})") from error
            if not done:
                self._left_out(opcode, stage)

    def _left_out(self, opcode: Opcode, stage: int) -> None:
        if not opcode.optional:
            raise UnsupportedSensorError(
                f"{self.path_name}: its OpcodeList{stage} demands {opcode.name}, which isp_ns does not apply; "
                "without it the picture would be wrong. Use the libraw renderer, or convert the file to a linear DNG"
            )
        self.notes.append(f"the optional {opcode.name} of OpcodeList{stage} was left out")

    def fields(self, counts: NDArray[np.uint16] | None) -> dict[str, Any]:
        """`gain_maps`, `warp` and `defects` for `Meta`; `counts` (H, W) finds pixels marked by a constant."""
        found: dict[str, Any] = {"gain_maps": tuple(self.gain_maps) or None, "warp": self.warp}
        bad = list(self.bad)
        if counts is not None:
            bad += [np.argwhere(counts == value) for value in self.bad_values]
        if bad:
            height, width = self.size
            points = np.unique(np.concatenate(bad), axis=0)
            inside = ((points >= 0) & (points < (height, width))).all(axis=1)
            found["defects"] = points[inside]
        return found

    def _warp(self, opcode: Opcode, stage: int) -> bool:
        """WarpRectilinear: one set of six coefficients, or one for each plane, and the centre (x, y)."""
        (planes,) = struct.unpack_from(">I", opcode.data)
        if stage != 3 or planes not in (1, 3) or self.warp is not None:
            return False
        values = struct.unpack_from(f">{6 * planes + 2}d", opcode.data, 4)
        if not all(map(math.isfinite, values)):
            raise ValueError("a coefficient is not a number")
        self.warp = {
            "coefficients": tuple(values[6 * plane : 6 * plane + 6] for plane in range(planes)),
            "centre": (values[-1], values[-2]),
        }
        return True

    def _gain_map(self, opcode: Opcode, stage: int) -> bool:
        """GainMap of list 2 as it is; of list 3, which works on planes, as one map for each place of the mosaic."""
        top, left, bottom, right, plane, planes, row_pitch, column_pitch, rows, columns = struct.unpack_from(
            ">10I", opcode.data
        )
        spacing_origin = struct.unpack_from(">4d", opcode.data, 40)
        (map_planes,) = struct.unpack_from(">I", opcode.data, 72)
        if not (0 < rows * columns * map_planes <= _MAX_MAP_POINTS and row_pitch and column_pitch):
            raise ValueError(f"a map of {rows}x{columns}x{map_planes}")
        gains = np.frombuffer(opcode.data, ">f4", rows * columns * map_planes, 76).astype(np.float32)
        if not (np.isfinite(gains).all() and all(map(math.isfinite, spacing_origin))):
            raise ValueError("a gain is not a number")
        height, width = self.size
        whole = {
            "area": (top, left, min(bottom, height), min(right, width)),
            "pitch": (row_pitch, column_pitch),
            "plane": plane,
            "planes": planes,
            "origin": spacing_origin[2:],
            "spacing": spacing_origin[:2],
            "gains": gains.reshape(rows, columns, map_planes),
        }
        self.gain_maps += [whole] if stage == 2 or not self.cfa else list(self._by_mosaic(whole))
        return True

    def _by_mosaic(self, whole: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The maps on the four places of the mosaic that do what a map on colour planes does after demosaicing."""
        top, left, bottom, right = whole["area"]
        gains = whole["gains"]
        for position, letter in enumerate(self.cfa):
            plane = "RGB".index(letter) - whole["plane"]
            if 0 <= plane < whole["planes"]:
                row, column = top + (position // 2 - top) % 2, left + (position % 2 - left) % 2
                own = gains[:, :, min(plane, gains.shape[2] - 1), None]
                yield {
                    **whole,
                    "area": (row, column, bottom, right),
                    "pitch": (2, 2),
                    "plane": 0,
                    "planes": 1,
                    "gains": own,
                }

    def _vignette(self, opcode: Opcode, stage: int) -> bool:
        """FixVignetteRadial as a gain map; its gains commute with interpolation, so the mosaic may have them."""
        values = struct.unpack_from(">7d", opcode.data)
        if not all(map(math.isfinite, values)):
            raise ValueError("a coefficient is not a number")
        (height, width), (x, y) = self.size, values[5:]
        grid = np.linspace(0.0, 1.0, _VIGNETTE_POINTS)
        squared = ((grid[:, None] - y) * height) ** 2 + ((grid[None, :] - x) * width) ** 2
        squared /= (max(x, 1 - x) * width) ** 2 + (max(y, 1 - y) * height) ** 2
        gain = 1.0 + sum(k * squared ** (power + 1) for power, k in enumerate(values[:5]))
        step = 1.0 / (_VIGNETTE_POINTS - 1)
        self.gain_maps.append(
            {
                "area": (0, 0, height, width),
                "pitch": (1, 1),
                "plane": 0,
                "planes": 1 if self.cfa else 3,
                "origin": (0.0, 0.0),
                "spacing": (step, step),
                "gains": gain[:, :, None].astype(np.float32),
            }
        )
        return True

    def _bad_constant(self, opcode: Opcode, stage: int) -> bool:
        """FixBadPixelsConstant: every pixel that holds this count is defective."""
        self.bad_values.append(struct.unpack_from(">I", opcode.data)[0])
        return True

    def _bad_list(self, opcode: Opcode, stage: int) -> bool:
        """FixBadPixelsList: points and rectangles in coordinates of the full frame."""
        _phase, points, boxes = struct.unpack_from(">3I", opcode.data)
        if 12 + 8 * points + 16 * boxes > len(opcode.data):
            raise ValueError(f"{points} points and {boxes} rectangles do not fit")
        offset = np.array(self.active[:2])
        self.bad.append(np.frombuffer(opcode.data, ">u4", 2 * points, 12).reshape(-1, 2).astype(np.int64) - offset)
        for top, left, bottom, right in np.frombuffer(opcode.data, ">u4", 4 * boxes, 12 + 8 * points).reshape(-1, 4):
            if (int(bottom) - int(top)) * (int(right) - int(left)) > _MAX_MAP_POINTS:
                raise ValueError("a rectangle of millions of bad pixels")
            rows, columns = np.mgrid[int(top) : int(bottom), int(left) : int(right)]
            self.bad.append(np.stack([rows.ravel(), columns.ravel()], axis=1) - offset)
        return True


def pack_gain_map(
    area: Sequence[int],
    pitch: Sequence[int],
    plane: int,
    planes: int,
    origin: Sequence[float],
    spacing: Sequence[float],
    gains: NDArray[np.float32],
) -> Opcode:
    """A GainMap opcode; `gains` is (rows, columns, planes). Source: DNG 1.4, GainMap."""
    rows, columns, map_planes = gains.shape
    head = struct.pack(">10I4dI", *area, plane, planes, *pitch, rows, columns, *spacing, *origin, map_planes)
    return Opcode(9, False, head + gains.astype(">f4").tobytes())


def pack_warp(coefficients: Sequence[Sequence[float]], centre: Sequence[float]) -> Opcode:
    """A WarpRectilinear opcode; `centre` is (y, x). Source: DNG 1.4, WarpRectilinear."""
    flat = [value for plane in coefficients for value in plane]
    return Opcode(1, False, struct.pack(f">I{len(flat) + 2}d", len(coefficients), *flat, centre[1], centre[0]))


def pack_opcodes(opcodes: Sequence[Opcode]) -> bytes:
    """The bytes of an opcode list. Source: DNG 1.4, chapter 7."""
    bodies = (
        struct.pack(">4I", opcode.id, _DNG_1_3, int(opcode.optional), len(opcode.data)) + opcode.data
        for opcode in opcodes
    )
    return struct.pack(">I", len(opcodes)) + b"".join(bodies)
