"""The settings of a batch: one table that flags, configuration files, environment and Python arguments share.

Layers are all partial, and a later one wins by name: defaults, configuration file, environment (`ISP_NS_*`), the
sidecar of a photo (`IMG.dng.isp-ns.yaml`), flags. Every value knows which layer it came from.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from isp_ns.core.errors import SettingsError

if TYPE_CHECKING:
    from isp_ns.core.graph import Graph, Patch

__all__ = ["Layer", "Origin", "Setting", "Settings", "setting_of", "table"]


class Layer(enum.IntEnum):
    """Where a value was given, in rising order of precedence."""

    DEFAULT = 0
    FILE = 1
    ENVIRONMENT = 2
    SIDECAR = 3
    FLAG = 4


@dataclass(frozen=True)
class Origin:
    """The layer that gave a value and its name for people, such as the path of a file."""

    layer: Layer
    label: str


@dataclass(frozen=True)
class Setting:
    """What may be said about one setting.

    `kind` is "text", "choice", "integer", "number", "switch", "list" or "mapping"; `low` and `high` bound numbers;
    `per_file` tells whether a sidecar may set it.
    """

    kind: str
    help: str
    metavar: str = ""
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    per_file: bool = False
    short: str = ""


def _about(kind: str, text: str, **more: Any) -> dict[str, Setting]:
    return {"setting": Setting(kind, text, **more)}


def _look(kind: str, text: str, **more: Any) -> dict[str, Setting]:
    return _about(kind, text, per_file=True, **more)


@dataclass(frozen=True, kw_only=True, eq=False)
class Settings:
    """All settings of a batch. Names are those of the flags, with `_` for `-`."""

    pipeline: "str | Graph | None" = field(
        default=None,
        metadata=_look(
            "text",
            "Pipeline: a shipped name, a YAML file, or the renderer libraw.  [default: by the sensor]",
            metavar="NAME",
            short="p",
        ),
    )
    patch: "tuple[str | Patch, ...]" = field(
        default=(),
        metadata=_look("list", "Patch the pipeline: a shipped name or a YAML file. Repeatable.", metavar="NAME"),
    )
    set: Mapping[str, Any] = field(
        default_factory=dict,
        metadata=_look("mapping", "Set a parameter: tone.contrast=1.2. Repeatable.", metavar="NODE.PARAM=VALUE"),
    )
    wb: str | None = field(
        default=None,
        metadata=_look(
            "text",
            "White balance: as-shot, daylight, auto, kelvin:5200[:tint], gains:r,g,b or box:x,y,w,h.",
            metavar="MODE",
        ),
    )
    matrix: str | None = field(
        default=None,
        metadata=_look("text", "Colour matrix: auto, none, dcp:FILE, or nine numbers a,b,…", metavar="MATRIX"),
    )
    profile: str | None = field(
        default=None, metadata=_look("text", "Camera profile: a shipped name or a YAML file.", metavar="NAME")
    )
    raw: str | None = field(
        default=None,
        metadata=_look("text", "Layout of headerless files: WxH:bits:CFA[:black[:white[:endian]]].", metavar="LAYOUT"),
    )
    output_space: str | None = field(
        default=None,
        metadata=_look("text", "RGB space: srgb, display-p3, rec2020, prophoto, aces, linear-…", metavar="SPACE"),
    )
    outputs: tuple[str, ...] = field(
        default=("image",),
        metadata=_look("list", "Which of the pipeline's outputs to write, such as image,depth.", metavar="NAMES"),
    )
    orientation: str = field(
        default="apply",
        metadata=_look("choice", "Turn the pixels upright, or keep them and the tag.", choices=("apply", "keep")),
    )
    format: str | None = field(
        default=None,
        metadata=_look("choice", "File format.  [default: jpeg]", choices=("jpeg", "png", "tiff", "exr", "dng")),
    )
    bit_depth: str | None = field(
        default=None,
        metadata=_look("choice", "Bits per channel; f is floating point.", choices=("8", "16", "16f", "32f")),
    )
    quality: int | None = field(
        default=None, metadata=_look("integer", "JPEG quality.  [default: 95]", low=1, high=100, metavar="1..100")
    )
    subsampling: str | None = field(
        default=None,
        metadata=_look("choice", "JPEG chroma.  [default: 4:4:4]", choices=("4:4:4", "4:2:2", "4:2:0")),
    )
    compression: str | None = field(
        default=None,
        metadata=_look("text", "TIFF: none, deflate, lzw or zstd; PNG: a level of 0..9.", metavar="NAME"),
    )
    name: str = field(
        default="{stem}.{ext}",
        metadata=_about("text", "Template of names; see below for its keys.", metavar="TEMPLATE"),
    )
    on_exists: str = field(
        default="skip",
        metadata=_about(
            "choice",
            "What to do where a photo is already.",
            choices=("skip", "overwrite", "rename", "error", "if-changed"),
        ),
    )
    recursive: bool = field(default=False, metadata=_about("switch", "Look into subfolders too.", short="r"))
    ext: tuple[str, ...] = field(
        default=(), metadata=_about("list", "Take only these extensions, such as dng,cr2.", metavar="LIST")
    )
    jobs: int = field(
        default=0, metadata=_about("integer", "Processors to use, 0 for all.", low=0, high=1024, short="j", metavar="N")
    )
    tile: int | None = field(
        default=None, metadata=_about("integer", "Side of a tile in pixels.", low=64, high=65536, metavar="PX")
    )
    max_megapixels: float = field(
        default=512.0,
        metadata=_about("number", "Refuse files that declare more.", low=0.01, high=10000, metavar="MP"),
    )
    timeout: float = field(
        default=60.0,
        metadata=_about("number", "Seconds that decoding one file may take.", low=0.1, high=86400, metavar="S"),
    )
    fail_fast: bool = field(default=False, metadata=_about("switch", "Stop at the first file that fails."))
    report: str | None = field(
        default=None, metadata=_about("text", "Write a record of every file, as .json or .csv.", metavar="FILE")
    )
    log_file: str | None = field(default=None, metadata=_about("text", "Append the log to this file.", metavar="FILE"))
    log_json: str | None = field(
        default=None, metadata=_about("text", "Append one JSON object per finished file.", metavar="FILE")
    )

    given: "tuple[Given, ...]" = ()
    """The layers that these values come from, lowest first."""

    def layered(self, values: Mapping[str, Any], layer: Layer, label: str) -> "Settings":
        """These settings with another layer put at its place; `values` that are None say nothing.

        Raises:
            SettingsError: naming every fault and `label`.
        """
        checked, problems = {}, []
        for name, value in values.items():
            if value is None:
                continue
            try:
                checked[name] = _checked(name, value, layer)
            except ValueError as error:
                problems.append(str(error))
        if problems:
            raise SettingsError(f"{label}: {'; '.join(problems)}")
        given = sorted([*self.given, Given(Origin(layer, label), checked)], key=lambda each: each.origin.layer)
        merged: dict[str, Any] = {}
        for each in given:
            changes = {**merged.get("set", {}), **each.values.get("set", {})}
            merged.update(each.values)
            merged["set"] = changes
        return Settings(**merged, given=tuple(given))

    def origin(self, name: str) -> Origin:
        """Where the value of `name` came from."""
        found = (each.origin for each in reversed(self.given) if name in each.values)
        return next(found, Origin(Layer.DEFAULT, "default"))


@dataclass(frozen=True)
class Given:
    """One layer: where it is from and its checked values."""

    origin: Origin
    values: Mapping[str, Any]


def table() -> dict[str, Setting]:
    """What may be said about every setting, by name."""
    return {f.name: setting_of(f) for f in fields(Settings) if "setting" in f.metadata}


def setting_of(declared: Field[Any]) -> Setting:
    """The `Setting` of a field of `Settings`."""
    note: Setting = declared.metadata["setting"]
    return note


def _checked(name: str, value: Any, layer: Layer) -> Any:
    known = table()
    if name not in known:
        from isp_ns.core.registry import did_you_mean

        raise ValueError(f"there is no setting {name}{did_you_mean(name, known)}")
    setting = known[name]
    if layer is Layer.SIDECAR and not setting.per_file:
        raise ValueError(f"{name} is a setting of the whole batch, not of one photo")
    try:
        found = _KINDS[setting.kind](value, setting)
        if name == "outputs" and not found:
            raise ValueError("takes at least one name, such as image")
        return found
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _text(value: Any, _: Setting) -> Any:
    if isinstance(value, bool | list | dict):
        raise ValueError(f"takes text, not {value!r}")
    # A program may hand over a Graph or a path; numbers come from YAML.
    return str(value) if isinstance(value, int | float) or hasattr(value, "__fspath__") else value


def _choice(value: Any, setting: Setting) -> str:
    if str(value) not in setting.choices:
        raise ValueError(f"is one of {', '.join(setting.choices)}, not {value!r}")
    return str(value)


def _number(value: Any, setting: Setting) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"takes a number, not {value!r}") from None
    low, high = setting.low, setting.high
    if isinstance(value, bool) or low is None or high is None or not low <= number <= high:
        raise ValueError(f"lies between {low:g} and {high:g}, not at {value!r}")
    return number


def _integer(value: Any, setting: Setting) -> int:
    number = _number(value, setting)
    if number != int(number):
        raise ValueError(f"takes a whole number, not {value!r}")
    return int(number)


def _switch(value: Any, _: Setting) -> bool:
    word = str(value).lower()
    if word not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        raise ValueError(f"is yes or no, not {value!r}")
    return word in ("true", "1", "yes", "on")


def _list(value: Any, _: Setting) -> tuple[Any, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list | tuple):
        return tuple(part for each in value for part in (_list(each, _) if isinstance(each, str) else (each,)))
    raise ValueError(f"takes a list, not {value!r}")


def _mapping(value: Any, _: Setting) -> dict[str, Any]:
    """Dotted names to values; nested mappings and texts such as "a.b=1" or "a.b=1; c.d=2" are understood too."""
    if isinstance(value, str):
        value = value.split(";")
    if isinstance(value, list | tuple):
        value = dict(_assignment(part) for part in value)
    if not isinstance(value, Mapping):
        raise ValueError(f"takes a mapping such as {{tone.contrast: 1.2}}, not {value!r}")
    flat: dict[str, Any] = {}
    for name, entry in value.items():
        flat.update({f"{name}.{key}": v for key, v in entry.items()} if isinstance(entry, Mapping) else {name: entry})
    wrong = [name for name in flat if str(name).count(".") != 1]
    if wrong:
        raise ValueError(f"takes names of the form node.parameter, not {', '.join(map(repr, wrong))}")
    return flat


def _assignment(text: str) -> tuple[str, Any]:
    """`node.param=value`, the value read as YAML."""
    import yaml

    from isp_ns.core.plain_yaml import load_yaml

    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ValueError(f"takes node.parameter=value, not {text!r}")
    try:
        return name.strip(), load_yaml(value)
    except yaml.YAMLError:
        raise ValueError(f"{text!r}: the value is not YAML") from None


_KINDS: dict[str, Callable[[Any, Setting], Any]] = {
    "text": _text,
    "choice": _choice,
    "number": _number,
    "integer": _integer,
    "switch": _switch,
    "list": _list,
    "mapping": _mapping,
}
