"""What decoding a file gives, in plain values that travel between processes, and how it becomes a `Frame`.

Nothing here imports torch until a frame is asked for: the decoding process never needs it.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isp_ns.io.layout import RawLayout

if TYPE_CHECKING:
    from isp_ns.core.frame import Frame
    from isp_ns.core.meta import Meta

__all__ = ["NO_BALANCE", "NO_MATRIX", "Allocate", "DecodeOptions", "Decoded", "Facts", "matrix3", "to_meta"]

Allocate = Callable[[tuple[int, int, int]], NDArray[np.uint16]]
"""Gives a (C, H, W) uint16 array to decode into: plain memory, or memory shared with another process."""

NO_MATRIX = "no colour matrix is known: linear sRGB primaries are assumed"
NO_BALANCE = "no usable white balance: it will be estimated from the picture"
"""Remarks on what was assumed, and is not where the user gives it."""

DEFAULT_MAX_PIXELS = 512_000_000

_ARRAYS = ("linearization", "black_rows", "black_columns", "defects", "shading")


@dataclass(frozen=True)
class DecodeOptions:
    """How to decode.

    `raw` describes a headerless file; `max_pixels` is the largest frame that is accepted, before any memory is taken;
    `pixels` False reads metadata only; `render` names the LibRaw demosaic of a finished rendering instead of counts.
    """

    raw: RawLayout | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS
    pixels: bool = True
    render: str | None = None


@dataclass
class Facts:
    """Values for the fields of `Meta`, each with its source, and remarks for the log, gathered while reading."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def set(self, source: str, **values: Any) -> None:
        """Note values that are not None; a later call wins."""
        for name, value in values.items():
            if value is not None:
                self.values[name] = value
                self.sources[name] = source

    def missing(self, source: str, **values: Any) -> None:
        """Note values only where there is none yet."""
        self.set(source, **{name: value for name, value in values.items() if name not in self.values})

    def default(self, note: str, *names: str) -> None:
        """Note that `names` stay at their defaults, and why, unless they have a value."""
        absent = [name for name in names if name not in self.values]
        if len(absent) == len(names):
            self.sources.update(dict.fromkeys(absent, "default"))
            self.notes.append(note)


@dataclass(frozen=True, eq=False)
class Decoded:
    """A decoded file.

    `kind` is "bayer", "linear" (three planes, no mosaic), "mono", "xtrans" or "display" (a rendering of LibRaw's).
    `pixels` is (C, H, W) uint16, None when only metadata was asked for. `values` are fields of `Meta` in plain
    numbers, tuples and arrays; `notes` are remarks that a user should see.
    """

    path: Path
    kind: str
    size: tuple[int, int]
    pixels: NDArray[np.uint16] | None
    values: dict[str, Any]
    sources: dict[str, str]
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def meta(self) -> "Meta":
        """The metadata alone."""
        return to_meta(self.values, self.sources)

    def frame(self) -> "Frame":
        """The frame of the pixels: uint16 counts, or float32 0..1 for a rendering.

        Raises:
            DecodeError: if the file was read without its pixels.
            UnsupportedSensorError: for an X-Trans mosaic, which only LibRaw's rendering can show.
        """
        from isp_ns.io.frames import to_frame

        return to_frame(self)


def matrix3(values: Sequence[float]) -> tuple[tuple[float, ...], ...] | None:
    """Nine numbers in reading order as rows, or None unless they are finite and make an invertible matrix."""
    if len(values) != 9 or not all(math.isfinite(value) for value in values):
        return None
    rows = np.asarray(values, dtype=np.float64).reshape(3, 3)
    if abs(np.linalg.det(rows)) < 1e-6:
        return None
    return tuple(tuple(float(value) for value in row) for row in rows)


def positive(values: Iterable[float]) -> bool:
    """Whether all values are finite and above zero."""
    return all(math.isfinite(value) and value > 0 for value in values)


def to_meta(values: dict[str, Any], sources: dict[str, str]) -> "Meta":
    """A `Meta` of plain values."""
    import torch

    from isp_ns.core.meta import Cfa, GainMap, IlluminantCalibration, Meta, WarpRectilinear

    fields = dict(values)
    fields.update({name: torch.from_numpy(np.array(fields[name])) for name in _ARRAYS if name in fields})
    if "cfa" in fields:
        fields["cfa"] = Cfa(fields["cfa"])
    if "warp" in fields:
        fields["warp"] = WarpRectilinear(**fields["warp"])
    if "calibrations" in fields:
        fields["calibrations"] = tuple(IlluminantCalibration(**each) for each in fields["calibrations"])
    if "gain_maps" in fields:
        fields["gain_maps"] = tuple(
            GainMap(**{**each, "gains": torch.from_numpy(np.array(each["gains"]))}) for each in fields["gain_maps"]
        )
    return Meta(**fields, source=dict(sources))
