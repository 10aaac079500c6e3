"""Where stages are found: by the family in their name, in `isp_ns.stages` or in an entry point of another package.

A family is imported when one of its stages is first asked for, so that a pipeline costs only what it uses. Other
packages offer stages with an entry point in the group `isp_ns.stages`, named after the family:

    [project.entry-points."isp_ns.stages"]
    mylab = "mylab.isp_stages"
"""

import difflib
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isp_ns.core.stage import StageSpec

__all__ = ["all_specs", "did_you_mean", "find_spec", "register"]

BUILT_IN = "isp_ns.stages"
GROUP = "isp_ns.stages"

_specs: dict[str, "StageSpec"] = {}
_loading = threading.RLock()


def register(spec: "StageSpec") -> None:
    """Make a stage known.

    Raises:
        ValueError: if the name is not "family.method", or another function holds it.
    """
    if spec.name.count(".") != 1:
        raise ValueError(f"stage name {spec.name!r} must be 'family.method'")
    held = _specs.get(spec.name)
    if held is not None and held.function.__module__ != spec.function.__module__:
        raise ValueError(f"stage {spec.name} is already defined in {held.function.__module__}")
    _specs[spec.name] = spec


def find_spec(name: str) -> "StageSpec":
    """The stage called `name`.

    Raises:
        KeyError: with names that are close, if there is none.
    """
    if name not in _specs:
        with _loading:
            _load_family(name.partition(".")[0])
    if name not in _specs:
        known = all_specs()
        raise KeyError(f"no stage {name!r}{did_you_mean(name, known)}")
    return _specs[name]


def all_specs() -> dict[str, "StageSpec"]:
    """Every stage of the library and of installed packages, by name, in alphabetical order."""
    with _loading:
        package = importlib.import_module(BUILT_IN)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{BUILT_IN}.{module.name}")
        for entry in importlib.metadata.entry_points(group=GROUP):
            entry.load()
    return dict(sorted(_specs.items()))


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """ ": did you mean 'x'?" for the closest choice, or the choices themselves when none is close."""
    names = list(choices)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; there is {', '.join(names)}" if 0 < len(names) <= 12 else ""


def _load_family(family: str) -> None:
    if family.isidentifier() and importlib.util.find_spec(f"{BUILT_IN}.{family}"):
        importlib.import_module(f"{BUILT_IN}.{family}")
        return
    for entry in importlib.metadata.entry_points(group=GROUP, name=family):
        entry.load()
