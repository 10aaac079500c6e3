"""Names of outputs: a template of checked keys, mirrored folders, and no two photos in one place."""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any, TypeVar

from isp_ns.core.errors import SettingsError

__all__ = ["KEYS", "METADATA_KEYS", "Template", "distinct", "shot_time", "with_output"]

KEYS = {
    "stem": "name of the input without its extension",
    "ext": "extension of the output format",
    "src_ext": "extension of the input, in lower case",
    "parent": "folder that the input lies in",
    "relpath": "folder of the input below the folder that was named",
    "seq": "number of the input in this batch, from 1; {seq:04d} pads it",
    "date": "when the photo was taken; {date:%Y-%m-%d} picks parts",
    "camera": "camera model",
    "iso": "ISO number",
    "lens": "lens model",
    "graph": "pipeline",
    "model": "weights of the neural stages, or none",
}
"""Keys of a name template and what they stand for."""

METADATA_KEYS = frozenset({"date", "camera", "iso", "lens"})
"""Keys for which the file's metadata must be read before the name is known."""

DATE_FORMAT = "%Y%m%d-%H%M%S"
UNKNOWN = "unknown"
AnyPath = TypeVar("AnyPath", bound=PurePath)
_FORBIDDEN = str.maketrans(dict.fromkeys('/\\:*?"<>|\0', "_"))


@dataclass(frozen=True)
class Template:
    """A checked template such as "{date:%Y}/{stem}_{iso}.{ext}"."""

    text: str
    keys: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Check `text`.

        Raises:
            SettingsError: for unknown keys, a name that does not end in {ext}, or a path that leaves the folder.
        """
        try:
            fields = [(key, spec) for _, key, spec, _ in string.Formatter().parse(text) if key is not None]
        except ValueError as error:
            raise SettingsError(f"name template {text!r}: {error}") from None
        unknown = [key for key, _ in fields if key not in KEYS]
        if unknown:
            raise SettingsError(f"name template {text!r} has no key {', '.join(unknown)}; keys are {', '.join(KEYS)}")
        if any(spec and key not in ("seq", "date") for key, spec in fields):
            raise SettingsError(f"name template {text!r}: only seq and date take a format after the colon")
        if not text.endswith(".{ext}"):
            raise SettingsError(f"name template {text!r} must end in .{{ext}}")
        path = PurePath(text)
        if path.is_absolute() or ".." in path.parts:
            raise SettingsError(f"name template {text!r} leads out of the output folder")
        template = cls(text, frozenset(key for key, _ in fields))
        template._try_out()
        return template

    def render(self, values: Mapping[str, Any]) -> PurePath:
        """The path below the output folder that `values` give; the mirrored folder comes first unless it is named."""
        clean = {key: _clean(values.get(key), key) for key in self.keys}
        # The path of the mirrored folder is the one value whose slashes mean folders.
        name = PurePath(string.Formatter().vformat(self.text, (), clean))
        return name if "relpath" in self.keys else PurePath(values.get("relpath") or "") / name

    def _try_out(self) -> None:
        try:
            self.render({"date": datetime(2000, 1, 1), "seq": 1})
        except ValueError as error:
            raise SettingsError(f"name template {self.text!r}: {error}") from None


class _Date(datetime):
    """A date that prints compactly when no format is given."""

    def __format__(self, spec: str) -> str:
        return self.strftime(spec or DATE_FORMAT).translate(_FORBIDDEN)


class _Unknown(str):
    """The word for a missing date, whatever the format."""

    def __format__(self, spec: str) -> str:
        return str(self)


def shot_time(text: str | None) -> datetime | None:
    """The time that an EXIF date stands for, None when it stands for none."""
    try:
        return datetime.strptime(text or "", "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None


def with_output(path: AnyPath, output: str, ext: str) -> AnyPath:
    """The path of a further output beside the photo's: `IMG.jpg` becomes `IMG_depth.tif`."""
    return path if output == "image" else path.with_name(f"{path.stem}_{output}.{ext}")


def distinct(paths: Sequence[PurePath], sources: Sequence[Path]) -> list[PurePath]:
    """Output paths of which no two are the same, also where upper and lower case are one.

    All that would meet get the extension of their input appended to the stem (`IMG_dng.jpg`), and where that is not
    enough, the folder of their input.

    Raises:
        SettingsError: naming inputs that would still meet.
    """
    names = list(paths)
    for attempt in range(3):
        for group in _meeting(names):
            by_ext = attempt == 0 or len({_ext(sources[index]) for index in group}) == len(group)
            for index in group:
                tail = _ext(sources[index]) if by_ext else sources[index].resolve().parent.name
                names[index] = names[index].with_name(f"{names[index].stem}_{tail}{names[index].suffix}")
    for group in _meeting(names):
        shown = ", ".join(str(sources[index]) for index in group[:4])
        raise SettingsError(f"several inputs would be written to {names[group[0]]}: {shown}; use another --name")
    return names


def _meeting(names: Sequence[PurePath]) -> list[list[int]]:
    """Groups of places in `names` that hold the same name."""
    claims: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        claims.setdefault(str(name).casefold(), []).append(index)
    return [claim for claim in claims.values() if len(claim) > 1]


def _ext(source: Path) -> str:
    return source.suffix.lower().lstrip(".")


def _clean(value: Any, key: str) -> Any:
    if isinstance(value, datetime):
        return _Date.combine(value.date(), value.time())
    if key == "seq" and isinstance(value, int):
        return value
    if key == "relpath":
        return str(value or ".")
    if key in ("stem", "ext", "src_ext", "parent"):
        return str(value or "")
    text = f"{value:g}" if isinstance(value, float) else str(value or "")
    text = text.translate(_FORBIDDEN).strip(" .")
    return _Unknown(text or UNKNOWN)
