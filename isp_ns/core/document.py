"""Graphs and patches as YAML: names and numbers only, read with the safe loader, every fault with its line.

    schema: 1
    inputs: {raw: sensor}
    nodes:
      level: {stage: raw.black_level}
      rgb:   {stage: demosaic.malvar, in: level}
    outputs: {image: rgb}

An `in` left out is the node before it in the file, or the first input. A file may instead begin with `extends: NAME`
and `patches: [NAME, …]`. In a patch a node with `stage` replaces (the first one keeps the inputs of the node that it
replaces if its `in` is left out), one without merges its parameters, `null` drops.
"""

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from isp_ns.core.errors import GraphError
from isp_ns.core.graph import Graph, Node, Patch, check
from isp_ns.core.plain_yaml import PlainLoader, load_yaml
from isp_ns.core.registry import did_you_mean

__all__ = ["graph_from_yaml", "graph_to_yaml", "patch_from_yaml"]

SCHEMA = 1
GRAPH_KEYS = ("schema", "description", "inputs", "nodes", "outputs", "extends", "patches")
PATCH_KEYS = ("schema", "description", "inputs", "nodes", "outputs")
Lines = dict[tuple[str, ...], int]


def graph_from_yaml(
    text: str,
    *,
    where: str = "pipeline",
    load_graph: Callable[[str], Graph] | None = None,
    load_patch: Callable[[str], Patch] | None = None,
) -> Graph:
    """Build the graph that `text` describes.

    Args:
        text: the YAML document.
        where: a name for it in error messages, such as its path.
        load_graph: finds the graph named by `extends`.
        load_patch: finds the patches named by `patches`.

    Raises:
        GraphError: with all faults and their lines.
    """
    document, lines, problems = _read(text, where, GRAPH_KEYS)
    if "extends" in document:
        changes = _patch(document, lines, problems, where)
        if load_graph is None or load_patch is None:
            raise GraphError([_at(lines, ("extends",), "extends is not possible here")], where)
        graph = load_graph(str(document["extends"]))
        for name in document.get("patches", []):
            graph = graph.patch(load_patch(str(name)))
        return _applied(graph, changes, where)
    inputs = _strings(document, "inputs", lines, problems)
    outputs = _strings(document, "outputs", lines, problems)
    first = next(iter(inputs), None)
    nodes = {n: v for n, v in _nodes(document, first, lines, problems).items() if isinstance(v, Node)}
    problems += [_at(lines, problem.path, problem.text) for problem in check(inputs, nodes, outputs)]
    if problems:
        raise GraphError(problems, where)
    return Graph(inputs, nodes, outputs)


def patch_from_yaml(text: str, *, where: str = "patch") -> Patch:
    """Read the patch that `text` describes.

    Raises:
        GraphError: with all faults and their lines.
    """
    document, lines, problems = _read(text, where, PATCH_KEYS)
    return _patch(document, lines, problems, where)


def graph_to_yaml(graph: Graph) -> str:
    """The graph as a document that reads back as an equal graph, every `in` spelled out."""
    nodes = {
        name: {"stage": here.stage, "in": list(here.inputs), **{k: _plain(v) for k, v in here.params.items()}}
        for name, here in graph.nodes.items()
    }
    document = {"schema": SCHEMA, "inputs": dict(graph.inputs), "nodes": nodes, "outputs": dict(graph.outputs)}
    return yaml.safe_dump(document, sort_keys=False, default_flow_style=None, allow_unicode=True, width=120)


def _patch(document: dict[str, Any], lines: Lines, problems: list[str], where: str) -> Patch:
    nodes = _nodes(document, None, lines, problems)
    inputs = _strings(document, "inputs", lines, problems, null=True)
    outputs = _strings(document, "outputs", lines, problems, null=True)
    if problems:
        raise GraphError(problems, where)
    return Patch(nodes, inputs, outputs)


def _applied(graph: Graph, patch: Patch, where: str) -> Graph:
    try:
        return graph.patch(patch)
    except GraphError as error:
        raise GraphError(error.problems, where) from None


def _nodes(
    document: dict[str, Any], previous: str | None, lines: Lines, problems: list[str]
) -> dict[str, Node | Mapping[str, Any] | None]:
    nodes: dict[str, Node | Mapping[str, Any] | None] = {}
    for name, entry in _mapping(document, "nodes", lines, problems).items():
        path = ("nodes", name)
        if entry is None:
            nodes[name] = None
            continue
        if not isinstance(entry, dict):
            problems.append(_at(lines, path, f"node {name} is a mapping such as {{stage: tone.sigmoid}}"))
            continue
        params = {key: _tuples(value) for key, value in entry.items() if key not in ("stage", "in")}
        if "stage" not in entry:
            if "in" in entry:
                problems.append(_at(lines, path, f"node {name} has an `in` but no stage; give its stage to rewire it"))
            nodes[name] = params
            continue
        # Without a node before it, a patch's node keeps the inputs of the one that it replaces.
        sources = entry.get("in", previous or [])
        listed = sources if isinstance(sources, list) else [sources]
        nodes[name] = Node(str(entry["stage"]), tuple(str(source) for source in listed), params)
        previous = name
    return nodes


def _read(text: str, where: str, keys: tuple[str, ...]) -> tuple[dict[str, Any], Lines, list[str]]:
    try:
        tree = yaml.compose(text, Loader=PlainLoader)
        document = load_yaml(text)
    except yaml.YAMLError as error:
        raise GraphError([" ".join(str(error).split())], where) from None
    if not isinstance(document, dict):
        raise GraphError(["the document is not a mapping with schema, inputs, nodes and outputs"], where)
    lines: Lines = {}
    problems: list[str] = []
    _collect(tree, (), lines, problems)
    if document.get("schema") != SCHEMA:
        problems.append(_at(lines, ("schema",), f"schema is {document.get('schema')!r}; this version reads {SCHEMA}"))
    problems += [
        _at(lines, (str(key),), f"unknown key {key!r}{did_you_mean(str(key), keys)}")
        for key in document
        if key not in keys
    ]
    return document, lines, problems


def _collect(tree: Any, path: tuple[str, ...], lines: Lines, problems: list[str]) -> None:
    lines[path] = tree.start_mark.line + 1
    if not isinstance(tree, yaml.MappingNode):
        return
    for key, value in tree.value:
        inner = (*path, str(key.value))
        if inner in lines:
            problems.append(f"line {key.start_mark.line + 1}: {key.value} appears twice")
        _collect(value, inner, lines, problems)
        lines[inner] = key.start_mark.line + 1


def _at(lines: Lines, path: tuple[str, ...], text: str) -> str:
    while path and path not in lines:
        path = path[:-1]
    return f"line {lines[path]}: {text}" if path else text


def _mapping(document: dict[str, Any], key: str, lines: Lines, problems: list[str]) -> dict[str, Any]:
    value = document.get(key) or {}
    if not isinstance(value, dict):
        problems.append(_at(lines, (key,), f"{key} is a mapping, not {value!r}"))
        return {}
    return {str(name): entry for name, entry in value.items()}


def _strings(
    document: dict[str, Any], key: str, lines: Lines, problems: list[str], *, null: bool = False
) -> dict[str, Any]:
    entries = _mapping(document, key, lines, problems)
    for name, value in entries.items():
        if not isinstance(value, str) and not (null and value is None):
            problems.append(_at(lines, (key, name), f"{key}: {name} is a name, not {value!r}"))
    return {name: value for name, value in entries.items() if isinstance(value, str) or (null and value is None)}


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
