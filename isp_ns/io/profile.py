"""Camera profiles: what was measured about one camera model, as YAML, and how it enters the metadata of a shot.

schema: 1
camera: {make: GoPro, model: HERO6 Black}
levels:                                   # the entry nearest in ISO is used
  - {iso: 100, black: [[0, 0], [0, 0]], white: 16383}
noise:                                    # variance = scale · x + offset for x in 0..1, for R, G, B
  - {iso: 100, scale: [1.5e-4, 1.5e-4, 1.5e-4], offset: [5.0e-8, 5.0e-8, 5.0e-8]}
matrices:                                 # XYZ to camera; white-balanced camera to XYZ (D50)
  - {illuminant: D65, color_matrix: [[…], […], […]], forward_matrix: [[…], […], […]]}
shading: [[[1.2, 1.0, 1.2], …], …]        # gains of R, G, B (or R, G1, G2, B): planes × rows × columns
defects: [[12, 340], …]                   # row, column
provenance: {date: 2026-01-31, procedure: …, residuals: {ccm_delta_e: 1.9}}
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from isp_ns import content
from isp_ns.core.errors import MetadataError
from isp_ns.core.meta import IlluminantCalibration, Matrix3, Meta
from isp_ns.core.plain_yaml import PlainLoader, load_yaml
from isp_ns.ops.temperature import ILLUMINANT_CCT_K

__all__ = ["Levels", "NoiseModel", "Profile", "load_profile", "merge_profile", "profile_from_yaml", "profile_to_yaml"]

SCHEMA = 1
_ILLUMINANT_CODES = {"A": 17, "B": 18, "C": 19, "D50": 23, "D55": 20, "D65": 21, "D75": 22}
_MATRIX_KEYS = ("cct_k", "color_matrix", "forward_matrix")
_Path = tuple[str | int, ...]
Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Levels:
    """Black (a repeating pattern from the frame's first pixel) and white (one value or R, G, B) in counts at an ISO."""

    iso: float
    black: tuple[tuple[float, ...], ...]
    white: tuple[float, ...]


@dataclass(frozen=True)
class NoiseModel:
    """Variance = scale · x + offset of R, G and B, for signals x of 0..1, at an ISO."""

    iso: float
    scale: Rgb
    offset: Rgb


@dataclass(frozen=True)
class Profile:
    """What was measured about one camera model. Entries by ISO are in rising order.

    `shading` is planes × rows × columns of gains; `defects` are rows and columns; `provenance` tells how and when the
    numbers were measured and what residuals were left; `fictitious` marks a camera that does not exist.
    """

    make: str
    model: str
    levels: tuple[Levels, ...] = ()
    noise: tuple[NoiseModel, ...] = ()
    matrices: tuple[IlluminantCalibration, ...] = ()
    shading: tuple[tuple[tuple[float, ...], ...], ...] = ()
    defects: tuple[tuple[int, int], ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    fictitious: bool = False

    def fits(self, meta: Meta) -> bool:
        """Whether the shot is of this camera, by make and model without regard to case."""
        return (self.make.lower(), self.model.lower()) == ((meta.make or "").lower(), (meta.model or "").lower())

    def levels_at(self, iso: float | None) -> Levels | None:
        """The levels measured nearest to an ISO, on a logarithmic scale; the lowest when the ISO is unknown."""
        if not self.levels:
            return None
        wanted = math.log(iso or self.levels[0].iso)
        return min(self.levels, key=lambda entry: abs(math.log(entry.iso) - wanted))

    def noise_at(self, iso: float | None) -> NoiseModel | None:
        """The noise model at an ISO; the lowest measured one when the ISO is unknown.

        Between two measured ISOs it is interpolated in the logarithm of all three numbers. Outside of them it is
        carried on as if the gain alone changed: scale with the ISO, offset with its square.

        Source: DNG 1.4, NoiseProfile, for what a gain does to the model.
        """
        if not self.noise:
            return None
        iso = iso or self.noise[0].iso
        below = [entry for entry in self.noise if entry.iso <= iso]
        above = [entry for entry in self.noise if entry.iso >= iso]
        if below and above:
            return _between(below[-1], above[0], iso)
        end = (below or above)[-1 if below else 0]
        gain = iso / end.iso
        scale, offset = (tuple(v * gain**p for v in values) for values, p in ((end.scale, 1), (end.offset, 2)))
        return NoiseModel(iso, _rgb(scale), _rgb(offset))


def _rgb(values: tuple[float, ...]) -> Rgb:
    red, green, blue = values
    return red, green, blue


def _between(low: NoiseModel, high: NoiseModel, iso: float) -> NoiseModel:
    """Interpolation in logarithms; an offset of zero is interpolated straight."""
    if low.iso == high.iso:
        return low
    share = math.log(iso / low.iso) / math.log(high.iso / low.iso)

    def mix(a: float, b: float) -> float:
        return a ** (1 - share) * b**share if a > 0 and b > 0 else a + share * (b - a)

    scale = tuple(mix(a, b) for a, b in zip(low.scale, high.scale, strict=True))
    offset = tuple(mix(a, b) for a, b in zip(low.offset, high.offset, strict=True))
    return NoiseModel(iso, _rgb(scale), _rgb(offset))


def merge_profile(meta: Meta, profile: Profile) -> Meta:
    """The metadata of a shot with what the profile knows better; the source of these values is "profile".

    Raises:
        MetadataError: if a shading grid or a matrix of the profile cannot belong to the shot.
    """
    import torch

    found: dict[str, Any] = {}
    levels, noise = profile.levels_at(meta.iso), profile.noise_at(meta.iso)
    if levels is not None:
        found.update(black=levels.black, white=levels.white)
    if noise is not None:
        found["noise"] = tuple(zip(noise.scale, noise.offset, strict=True))
    if profile.matrices:
        found.update(calibrations=profile.matrices, analog_balance=(1.0, 1.0, 1.0))
    if profile.shading:
        found.update(shading=torch.tensor(profile.shading, dtype=torch.float32), gain_maps=())
    if profile.defects:
        found["defects"] = torch.tensor(profile.defects, dtype=torch.int64)
    return meta.with_values("profile", **found)


def load_profile(name: str | PathLike[str]) -> Profile:
    """Read a profile: a shipped one by its name, or a YAML file by its path.

    Raises:
        FileNotFoundError: with the names that exist.
        MetadataError: with every fault of the file and its line.
    """
    path = Path(name) if isinstance(name, PathLike) else content.find("calibration/profiles", name)
    return profile_from_yaml(path.read_text(encoding="utf-8"), where=str(path))


def profile_from_yaml(text: str, *, where: str = "profile") -> Profile:
    """Read a profile from YAML.

    Args:
        text: The document.
        where: A name for it in messages, such as its path.

    Raises:
        MetadataError: with every fault and its line.
    """
    try:
        document, tree = load_yaml(text), yaml.compose(text, Loader=PlainLoader)
    except yaml.YAMLError as error:
        raise MetadataError(f"{where} is not YAML: {error}") from error
    checker = _Checker(_lines(tree))
    profile = checker.profile(document)
    if checker.problems or profile is None:
        listed = "\n".join(f"  - {problem}" for problem in checker.problems)
        raise MetadataError(f"{where} has {len(checker.problems)} problem(s):\n{listed}")
    return profile


def profile_to_yaml(profile: Profile) -> str:
    """The profile as a document that reads back as an equal profile."""
    document: dict[str, Any] = {"schema": SCHEMA, "camera": {"make": profile.make, "model": profile.model}}
    if profile.fictitious:
        document["fictitious"] = True
    document["levels"] = [{"iso": e.iso, "black": _lists(e.black), "white": _lists(e.white)} for e in profile.levels]
    document["noise"] = [{"iso": e.iso, "scale": list(e.scale), "offset": list(e.offset)} for e in profile.noise]
    document["matrices"] = [
        {key: _lists(value) for key in _MATRIX_KEYS if (value := getattr(each, key)) is not None}
        for each in profile.matrices
    ]
    document.update(
        shading=_lists(profile.shading), defects=_lists(profile.defects), provenance=dict(profile.provenance)
    )
    kept = {key: value for key, value in document.items() if value not in ([], {})}
    return yaml.safe_dump(kept, sort_keys=False, default_flow_style=None, allow_unicode=True, width=120)


def _lists(value: Any) -> Any:
    """Tuples as lists, at every depth."""
    return [_lists(each) for each in value] if isinstance(value, tuple) else value


def _lines(node: yaml.Node | None, path: _Path = ()) -> dict[_Path, int]:
    """The line of every value of a document, by its path."""
    if node is None:
        return {}
    lines = {path: node.start_mark.line + 1}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            lines.update(_lines(value, (*path, key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines.update(_lines(value, (*path, index)))
    return lines


class _Checker:
    """Reads the parts of a profile and notes every fault with its line instead of stopping at the first."""

    def __init__(self, lines: Mapping[_Path, int]) -> None:
        self.lines, self.problems = lines, list[str]()

    def fault(self, path: _Path, text: str) -> None:
        at = next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), 1)
        self.problems.append(f"line {at}: {'.'.join(map(str, path)) or 'the document'} {text}")

    def mapping(
        self, value: Any, path: _Path, required: tuple[str, ...], optional: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.fault(path, f"must be a mapping with {', '.join(required)}")
            return {}
        for key in sorted(set(map(str, value)) - {*required, *optional}):
            self.fault((*path, key), f"is not known here; possible are {', '.join((*required, *optional))}")
        for key in required:
            if key not in value:
                self.fault(path, f"needs {key}")
        return value

    def number(self, value: Any, path: _Path, low: float = -math.inf, high: float = math.inf) -> float:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not is_number or not low <= value <= high:
            self.fault(path, f"must be a number from {low:g} to {high:g}, not {value!r}")
            return math.nan
        return float(value)

    def numbers(self, value: Any, path: _Path, lengths: tuple[int, ...], low: float = -math.inf) -> tuple[float, ...]:
        if not isinstance(value, list) or (lengths and len(value) not in lengths) or not value:
            self.fault(path, f"must be a list of {' or '.join(map(str, lengths)) or 'some'} numbers")
            return ()
        return tuple(self.number(each, (*path, index), low) for index, each in enumerate(value))

    def grid(
        self, value: Any, path: _Path, rows: int, columns: int, low: float = -math.inf
    ) -> tuple[tuple[float, ...], ...]:
        """Rows of numbers; 0 stands for any count, but all rows are of one length."""
        if not isinstance(value, list) or not value or (rows and len(value) != rows):
            self.fault(path, f"must be {rows or 'some'} rows of numbers")
            return ()
        found = tuple(self.numbers(row, (*path, i), (columns,) if columns else (), low) for i, row in enumerate(value))
        if len({len(row) for row in found}) > 1:
            self.fault(path, "must have rows of one length")
        return found

    def each(self, value: Any, path: _Path, read: Callable[[Any, _Path], Any]) -> tuple[Any, ...]:
        if value is None:
            return ()
        if not isinstance(value, list):
            self.fault(path, "must be a list")
            return ()
        return tuple(read(entry, (*path, index)) for index, entry in enumerate(value))

    def profile(self, document: Any) -> Profile | None:
        optional = ("fictitious", "levels", "noise", "matrices", "shading", "defects", "provenance")
        top = self.mapping(document, (), ("schema", "camera"), optional)
        if top and top.get("schema") != SCHEMA:
            self.fault(("schema",), f"{top.get('schema')!r} is not {SCHEMA}, the only one that this version reads")
        camera = self.mapping(top.get("camera", {}), ("camera",), ("make", "model"))
        levels = self.each(top.get("levels"), ("levels",), self._levels)
        noise = self.each(top.get("noise"), ("noise",), self._noise)
        provenance = top.get("provenance", {})
        if not isinstance(provenance, dict):
            self.fault(("provenance",), "must be a mapping")
        found = {
            "make": str(camera.get("make", "")),
            "model": str(camera.get("model", "")),
            "levels": levels,
            "noise": noise,
            "matrices": self.each(top.get("matrices"), ("matrices",), self._matrix_set),
            "shading": self._shading(top.get("shading")),
            "defects": self.each(top.get("defects"), ("defects",), self._defect),
            "provenance": provenance,
            "fictitious": top.get("fictitious") is True,
        }
        if self.problems:
            return None
        for name in ("levels", "noise"):
            found[name] = tuple(sorted(found[name], key=lambda entry: entry.iso))
        return Profile(**found)

    def _levels(self, value: Any, path: _Path) -> Levels | None:
        entry = self.mapping(value, path, ("iso", "black", "white"))
        if len(entry) < 3:
            return None
        black, white = entry["black"], entry["white"]
        flat = not isinstance(black, list)
        pattern = (
            ((self.number(black, (*path, "black"), 0, 65535),),)
            if flat
            else self.grid(black, (*path, "black"), 0, 0, 0.0)
        )
        alone = not isinstance(white, list)
        whites = (
            (self.number(white, (*path, "white"), 1, 65535),)
            if alone
            else self.numbers(white, (*path, "white"), (1, 3), 1.0)
        )
        highest = max((max(row) for row in pattern if row), default=0.0)
        if whites and min(whites) <= highest:
            self.fault((*path, "white"), f"is not above the black level of {highest:g}")
        return Levels(self.number(entry["iso"], (*path, "iso"), 1, 1e7), pattern, whites)

    def _noise(self, value: Any, path: _Path) -> NoiseModel | None:
        entry = self.mapping(value, path, ("iso", "scale", "offset"))
        if len(entry) < 3:
            return None
        scale = self.numbers(entry["scale"], (*path, "scale"), (3,), 0.0)
        offset = self.numbers(entry["offset"], (*path, "offset"), (3,))
        if len(scale) != 3 or len(offset) != 3:
            return None
        return NoiseModel(self.number(entry["iso"], (*path, "iso"), 1, 1e7), _rgb(scale), _rgb(offset))

    def _matrix_set(self, value: Any, path: _Path) -> IlluminantCalibration | None:
        entry = self.mapping(value, path, ("color_matrix",), ("illuminant", "cct_k", "forward_matrix"))
        if ("illuminant" in entry) == ("cct_k" in entry):
            self.fault(path, f"needs either cct_k or illuminant ({', '.join(_ILLUMINANT_CODES)})")
        elif entry.get("illuminant", "A") not in _ILLUMINANT_CODES:
            self.fault((*path, "illuminant"), f"is none of {', '.join(_ILLUMINANT_CODES)}")
        if self.problems:
            return None
        code = _ILLUMINANT_CODES.get(entry.get("illuminant", ""))
        kelvin = ILLUMINANT_CCT_K[code] if code else self.number(entry["cct_k"], (*path, "cct_k"), 1500, 40000)
        return IlluminantCalibration(
            kelvin, self._matrix(entry["color_matrix"], (*path, "color_matrix")), self._forward(entry, path)
        )

    def _forward(self, entry: Mapping[str, Any], path: _Path) -> Matrix3 | None:
        value = entry.get("forward_matrix")
        return None if value is None else self._matrix(value, (*path, "forward_matrix"))

    def _matrix(self, value: Any, path: _Path) -> Matrix3:
        rows = self.grid(value, path, 3, 3)
        return (_rgb(rows[0]), _rgb(rows[1]), _rgb(rows[2])) if not self.problems else ((math.nan,) * 3,) * 3

    def _shading(self, value: Any) -> tuple[tuple[tuple[float, ...], ...], ...]:
        if value is None:
            return ()
        planes = self.each(value, ("shading",), lambda plane, path: self.grid(plane, path, 0, 0, 0.01))
        if len(planes) not in (3, 4) or len({(len(plane), len(plane[0]) if plane else 0) for plane in planes}) != 1:
            self.fault(("shading",), "must be 3 or 4 planes of one size")
        return planes

    def _defect(self, value: Any, path: _Path) -> tuple[int, int]:
        place = self.numbers(value, path, (2,), 0.0)
        return (int(place[0]), int(place[1])) if not self.problems else (0, 0)
