"""Pipelines and patches by name or path."""

from pathlib import Path

from isp_ns import content
from isp_ns.core.document import graph_from_yaml, patch_from_yaml
from isp_ns.core.errors import GraphError
from isp_ns.core.graph import Graph, Patch

__all__ = ["load_patch", "load_pipeline"]


def load_pipeline(name: str) -> Graph:
    """The pipeline `name`: shipped ("classic", "fast", …) or a path to a YAML file.

    Raises:
        FileNotFoundError: with the names that exist.
        GraphError: with every fault of the file.
    """
    return _load(name, ())


def load_patch(name: str) -> Patch:
    """The patch `name`: shipped or a path to a YAML file; raises as `load_pipeline` does."""
    path = content.find("pipelines/patches", name)
    return patch_from_yaml(_text(path), where=str(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GraphError([f"this is no YAML in UTF-8 ({error})"], str(path)) from None


def _load(name: str, parents: tuple[str, ...]) -> Graph:
    if name in parents:
        raise GraphError([f"{' extends '.join((*parents, name))}: a circle"], name)
    path = content.find("pipelines", name)
    return graph_from_yaml(
        _text(path),
        where=str(path),
        load_graph=lambda base: _load(base, (*parents, name)),
        load_patch=load_patch,
    )
