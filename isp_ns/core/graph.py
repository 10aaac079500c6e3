"""Graphs: pipelines as values. Checked as a whole when built, edited by making another one."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from isp_ns.core.errors import GraphError
from isp_ns.core.ports import KINDS, Port
from isp_ns.core.registry import did_you_mean, find_spec
from isp_ns.core.stage import StageSpec

if TYPE_CHECKING:
    from isp_ns.core.run import Run

__all__ = ["Graph", "Node", "Patch", "Problem", "node"]


@dataclass(frozen=True)
class Node:
    """A stage at its place: the names of its inputs and the parameters that differ from the defaults."""

    stage: str
    inputs: tuple[str, ...]
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> StageSpec:
        """What the stage declares."""
        return find_spec(self.stage)

    @property
    def values(self) -> dict[str, Any]:
        """All parameters, defaults included."""
        return self.spec.bind(self.params)[0]


def node(stage: str, *inputs: str, **params: Any) -> Node:
    """`Node(stage, inputs, params)` in one line of a program."""
    return Node(stage, inputs, params)


@dataclass(frozen=True)
class Problem:
    """One fault of a graph: the path to it (such as ("nodes", "wb", "in")) and a sentence."""

    path: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Patch:
    """A difference between graphs: nodes to add or replace, parameters to merge, names to drop.

    `nodes` maps a name to a Node (add or replace; without inputs it keeps those of the node replaced), to a mapping
    (merge these parameters) or to None (drop, where there is such a node: one patch then fits several pipelines);
    `inputs` and `outputs` map names to a kind or node name, or to None.
    """

    nodes: Mapping[str, Node | Mapping[str, Any] | None] = field(default_factory=dict)
    inputs: Mapping[str, str | None] = field(default_factory=dict)
    outputs: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """A pipeline.

    Args:
        inputs: name of each input and its port kind, such as {"raw": "sensor"}.
        nodes: name of each node; any order.
        outputs: name of each output and the node it shows.

    Raises:
        GraphError: listing every problem, when the graph cannot run.
    """

    inputs: Mapping[str, str]
    nodes: Mapping[str, Node]
    outputs: Mapping[str, str]

    def __post_init__(self) -> None:
        problems = list(check(self.inputs, self.nodes, self.outputs))
        if problems:
            raise GraphError([problem.text for problem in problems])

    def order(self, wanted: Iterable[str] | None = None) -> tuple[str, ...]:
        """Node names so that inputs come first; with `wanted`, only what these nodes need."""
        done: dict[str, None] = {}
        for name in self.nodes if wanted is None else wanted:
            _visit(name, self.nodes, done)
        return tuple(done)

    def port(self, name: str) -> Port:
        """The port of a node's output or of a graph input."""
        if name in self.inputs:
            return Port(self.inputs[name])
        here = self.nodes[name]
        port = here.spec.ports(here.values)[1]
        return self.port(here.inputs[0]) if port.kind == "same" else port

    def replace(self, name: str, **params: Any) -> "Graph":
        """The graph with some parameters of one node changed."""
        return self.patch(Patch(nodes={name: params}))

    def patch(self, patch: Patch) -> "Graph":
        """The graph with `patch` applied.

        Raises:
            GraphError: if the patch names what is not there, or its result cannot run.
        """
        problems = [
            f"the patch changes parameters of {name}, which is not a node{did_you_mean(name, self.nodes)}"
            for name, change in patch.nodes.items()
            if change is not None and not isinstance(change, Node) and name not in self.nodes
        ]
        if problems:
            raise GraphError(problems)
        nodes = dict(self.nodes)
        for name, change in patch.nodes.items():
            if change is None:
                nodes.pop(name, None)
            elif isinstance(change, Node):
                kept = nodes[name].inputs if name in nodes and not change.inputs else change.inputs
                nodes[name] = replace(change, inputs=kept)
            else:
                nodes[name] = replace(nodes[name], params={**nodes[name].params, **change})
        return Graph(_merged(self.inputs, patch.inputs), nodes, _merged(self.outputs, patch.outputs))

    def only(self, *outputs: str) -> "Graph":
        """The graph that makes just these outputs."""
        missing = [name for name in outputs if name not in self.outputs]
        if missing:
            raise GraphError([f"there is no output {name}{did_you_mean(name, self.outputs)}" for name in missing])
        kept = {name: self.outputs[name] for name in outputs}
        needed = self.order(kept.values())
        return Graph(self.inputs, {n: self.nodes[n] for n in self.nodes if n in needed}, kept)

    def run(self, *, want: Iterable[str] | None = None, **inputs_and_options: Any) -> "Run":
        """Run the graph; see `isp_ns.core.run.run_graph`."""
        from isp_ns.core.run import run_graph

        return run_graph(self, want=want, **inputs_and_options)


def check(inputs: Mapping[str, str], nodes: Mapping[str, Node], outputs: Mapping[str, str]) -> Iterator[Problem]:
    """Everything that is wrong with a graph, in reading order."""
    for name, kind in inputs.items():
        if kind not in KINDS:
            yield Problem(("inputs", name), f"input {name} is of unknown kind {kind!r}{did_you_mean(kind, KINDS)}")
        if name in nodes:
            yield Problem(("nodes", name), f"{name} is both an input and a node")
    specs, values = {}, {}
    for name, here in nodes.items():
        try:
            specs[name] = here.spec
        except KeyError as error:
            yield Problem(("nodes", name, "stage"), f"node {name}: {error.args[0]}")
            continue
        values[name], faults = specs[name].bind(here.params)
        yield from (Problem(("nodes", name), f"node {name}: {fault}") for fault in faults)
    yield from _check_cycles(nodes)
    known = [*inputs, *nodes]
    for name, here in nodes.items():
        if name in specs:
            yield from _check_wires(name, here, inputs, nodes, specs, values, known)
    if not outputs:
        yield Problem(("outputs",), "there are no outputs")
    for name, source in outputs.items():
        if source not in nodes:
            yield Problem(("outputs", name), f"output {name} shows {source!r}{did_you_mean(source, nodes)}")


def _check_wires(
    name: str,
    here: Node,
    inputs: Mapping[str, str],
    nodes: Mapping[str, Node],
    specs: Mapping[str, StageSpec],
    values: Mapping[str, Mapping[str, Any]],
    known: list[str],
) -> Iterator[Problem]:
    path = ("nodes", name, "in")
    wanted = specs[name].inputs
    if len(here.inputs) != len(wanted):
        listed = ", ".join(f"{port_name} ({port})" for port_name, port in wanted)
        yield Problem(path, f"node {name}: {here.stage} takes {len(wanted)} inputs ({listed}), got {len(here.inputs)}")
        return
    ports = specs[name].ports(values[name])[0]
    for (port_name, _), takes, source in zip(wanted, ports, here.inputs, strict=True):
        if source not in known:
            yield Problem(path, f"node {name}: input {port_name} comes from {source!r}{did_you_mean(source, known)}")
            continue
        given = _given(source, inputs, nodes, specs, values)
        if given is not None and not takes.accepts(given):
            yield Problem(
                path, f"node {name}: input {port_name} of {here.stage} takes {takes}, but {source} gives {given}"
            )


def _given(
    source: str,
    inputs: Mapping[str, str],
    nodes: Mapping[str, Node],
    specs: Mapping[str, StageSpec],
    values: Mapping[str, Mapping[str, Any]],
) -> Port | None:
    for _ in range(len(nodes) + 1):
        if source in inputs:
            return Port(inputs[source]) if inputs[source] in KINDS else None
        if source not in specs:
            return None
        port = specs[source].ports(values[source])[1]
        if port.kind != "same" or not nodes[source].inputs:
            return port
        source = nodes[source].inputs[0]
    return None


def _check_cycles(nodes: Mapping[str, Node]) -> Iterator[Problem]:
    state: dict[str, bool] = {}

    def closes(name: str) -> bool:
        if name in state:
            return not state[name]
        state[name] = False
        found = any(closes(source) for source in nodes[name].inputs if source in nodes)
        state[name] = True
        return found

    for name in nodes:
        if name not in state and closes(name):
            yield Problem(("nodes", name, "in"), f"node {name} is part of a circle")


def _visit(name: str, nodes: Mapping[str, Node], done: dict[str, None]) -> None:
    if name in done or name not in nodes:
        return
    for source in nodes[name].inputs:
        _visit(source, nodes, done)
    done[name] = None


def _merged(base: Mapping[str, str], change: Mapping[str, str | None]) -> dict[str, str]:
    merged: dict[str, str | None] = {**base, **change}
    return {name: value for name, value in merged.items() if value is not None}
