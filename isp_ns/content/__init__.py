"""Finds the YAML that ships with the library: packaged in a wheel, or in the folders of a checkout.

Kinds are "pipelines", "pipelines/patches", "calibration/profiles", "calibration/targets", "data_tools/labels",
"data_tools/manifests" and "data_tools/recipes".
"""

import difflib
from pathlib import Path

__all__ = ["find", "folder", "names"]

_PACKAGED = Path(__file__).parent
_CHECKOUT = Path(__file__).parents[2]


def folder(kind: str) -> Path:
    """The folder of `kind`, packaged if it is there, else the checkout's.

    Raises:
        FileNotFoundError: if neither exists.
    """
    for root in (_PACKAGED, _CHECKOUT):
        if (root / kind).is_dir():
            return root / kind
    raise FileNotFoundError(f"no folder {kind} with this installation; reinstall isp-ns")


def names(kind: str) -> list[str]:
    """The names of all documents of `kind`, without suffix, sorted."""
    return sorted(path.stem for path in folder(kind).glob("*.yaml"))


def _one_of(kind: str) -> str:
    """What one document of a kind is called."""
    many = kind.rpartition("/")[2]
    return many.removesuffix("es") if many.endswith("ches") else many.removesuffix("s")


def find(kind: str, name: str) -> Path:
    """The document `name`: a path to a YAML file if it looks like one, else the shipped one of that name.

    Raises:
        FileNotFoundError: with the names that exist.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
        path = Path(name)
        if path.is_file():
            return path
        raise FileNotFoundError(f"there is no file {name}")
    path = folder(kind) / f"{name}.yaml"
    if not path.is_file():
        known = names(kind)
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there is {', '.join(known)}"
        raise FileNotFoundError(f"no {_one_of(kind)} called {name}; {hint}")
    return path
