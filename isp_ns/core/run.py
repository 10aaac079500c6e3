"""Running a graph: lazily, each node at most once, tile by tile, all wanted results in one go."""

import functools
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from isp_ns.core.errors import StageError
from isp_ns.core.frame import Features, Frame
from isp_ns.core.graph import Graph
from isp_ns.core.memory import keep_tile_memory
from isp_ns.core.meta import Box
from isp_ns.core.plan import Pass, Step, Tile, needed_boxes, plan_passes, plan_tiles
from isp_ns.core.ports import Port
from isp_ns.core.reach import Local, Reduce
from isp_ns.core.registry import did_you_mean
from isp_ns.core.tiles import Assembly, Pixels, cut, scaled
from isp_ns.core.trace import Trace

__all__ = ["Run", "run_graph"]


class Run(Mapping[str, Any]):
    """The results of a run by name, and its `trace`.

    Only what was wanted is kept. Reading another output or node computes it in a run of its own.
    """

    def __init__(self, graph: Graph, results: Mapping[str, Any], trace: Trace, again: Mapping[str, Any]) -> None:
        self.graph = graph
        self.trace = trace
        self._results = dict(results)
        self._again = again

    def __getitem__(self, name: str) -> Any:
        if name not in self._results:
            if name not in self.graph.outputs and name not in self.graph.nodes:
                raise KeyError(name)
            self._results[name] = run_graph(self.graph, want=[name], **self._again)[name]
        return self._results[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)


def run_graph(
    graph: Graph,
    *,
    want: Iterable[str] | None = None,
    tile_px: int | None = None,
    workers: int | None = None,
    **inputs: Frame | Features | Tensor,
) -> Run:
    """Run what is needed of `graph` to make the wanted results.

    Args:
        graph: the pipeline.
        want: names of outputs or nodes; all outputs when None.
        tile_px: side of a tile in pixels; chosen from the halos when None.
        workers: tiles at work at a time; one per processor when None.
        inputs: a value for each input of the graph.

    Raises:
        StageError: if an input is missing or of the wrong kind, or a name in `want` is neither output nor node.
    """
    wanted = list(graph.outputs if want is None else want)
    nodes = {name: _node_of(graph, name) for name in wanted}
    _check_inputs(graph, inputs)
    keep_tile_memory()
    started = time.perf_counter()
    runner = _Runner(graph, inputs, tile_px, workers or processors())
    with torch.no_grad():
        results = runner.results(list(dict.fromkeys(nodes.values())))
    runner.trace.wall_milliseconds = 1e3 * (time.perf_counter() - started)
    again = {"tile_px": tile_px, "workers": workers, **inputs}
    return Run(graph, {name: results[source] for name, source in nodes.items()}, runner.trace, again)


class _Runner:
    """One run: the values made so far and how to make the next ones."""

    def __init__(self, graph: Graph, inputs: Mapping[str, Any], tile_px: int | None, workers: int) -> None:
        self.graph = graph
        self.values: dict[str, Any] = dict(inputs)
        self.tile_px = tile_px
        self.workers = workers
        self.trace = Trace()
        pixels = {name: value for name, value in inputs.items() if not isinstance(value, Tensor)}
        self.sizes = {name: value.size for name, value in pixels.items()}
        self.metas = {name: value.meta for name, value in pixels.items()}

    def results(self, wanted: list[str]) -> dict[str, Any]:
        passes = plan_passes(self.graph, wanted, self.sizes, self.metas)
        self.sizes.update({step.name: step.size for plan in passes for step in plan.steps})
        for number, plan in enumerate(passes):
            self.values.update(_PassRun(self, plan).results())
            later = {s for p in passes[number + 1 :] for step in p.steps for s in self.graph.nodes[step.name].inputs}
            for name in set(self.values) - later - set(wanted) - set(self.graph.inputs):
                del self.values[name]
        self.trace.passes = len(passes)
        return {name: self.values[name] for name in wanted}


class _PassRun:
    """One pass over the tiles."""

    def __init__(self, runner: _Runner, plan: Pass) -> None:
        self.runner = runner
        self.plan = plan
        self.assemblies: dict[str, Assembly] = {}
        self.partials: dict[str, dict[int, Any]] = {s.name: {} for s in plan.steps if s.is_value}
        self.lock = threading.Lock()
        self.last_reader: dict[str, str] = {}
        for step in plan.steps:
            self.last_reader.update(dict.fromkeys(runner.graph.nodes[step.name].inputs, step.name))

    def results(self) -> dict[str, Any]:
        tiles = plan_tiles(self.plan, self.runner.sizes, self.runner.tile_px, self.runner.workers)
        self.runner.trace.tiles += len(tiles)
        if self.plan.is_whole or self.runner.workers == 1:
            for index, tile in enumerate(tiles):
                self.run_tile(index, tile)
        else:
            self._in_parallel(tiles)
        return {name: self._result(name) for name in self.plan.sinks}

    def run_tile(self, index: int, tile: Tile) -> None:
        made, given = needed_boxes(self.plan, tile, self.runner.sizes)
        here: dict[str, tuple[Any, Any]] = {}
        for step in self.plan.steps:
            if step.name not in given:
                continue
            sources = self.runner.graph.nodes[step.name].inputs
            arguments = [self._argument(source, here, step, given[step.name]) for source in sources]
            result = self._call(step, arguments, made[step.name])
            if not step.is_value:
                result = self._placed(step, result, arguments, given[step.name], made[step.name])
            here[step.name] = (result, made[step.name])
            if step.name in self.plan.sinks:
                self._keep(step, result, made[step.name], index, tile)
            for source in sources:
                if self.last_reader[source] == step.name:
                    here.pop(source, None)

    def _argument(self, source: str, here: Mapping[str, tuple[Any, Any]], step: Step, box: Any) -> Any:
        if source not in step.pixels:
            return here[source][0] if source in here else self.runner.values[source]
        if source in here:
            value, covers = here[source]
        else:
            value = self.runner.values[source]
            covers = (0, 0, *value.size)
        if step.reads_metadata:
            return value
        part = cut(value, covers, box)
        if step.placement is None:
            return part
        # Geometry counts from the first pixel of the image at hand, wherever on the sensor that is.
        return replace(part, origin=box[:2], full_size=self.runner.sizes[source])

    def _call(self, step: Step, arguments: list[Any], box: Any) -> Any:
        spec = self.runner.graph.nodes[step.name].spec
        options: dict[str, Any] = dict(step.params)
        if spec.wants_box:
            options["box"] = box
        started = time.perf_counter()
        try:
            result = spec.function(*arguments, **options)
        except Exception as error:
            error.add_note(f"in node {step.name} ({spec.name})")
            raise
        spent = 1e3 * (time.perf_counter() - started)
        tensors = [result.b, result.t] if isinstance(result, Features) else [getattr(result, "data", result)]
        size_bytes = sum(t.numel() * t.element_size() for t in tensors)
        self.runner.trace.add(step.name, spec.name, spent, size_bytes, tuple(tensors[0].shape))
        return result

    def _placed(self, step: Step, result: Pixels, arguments: list[Any], given: Any, made: Any) -> Pixels:
        if step.placement is not None:
            result = replace(result, origin=made[:2], full_size=step.placement.size)
            covers = made
        elif isinstance(step.reach, Local):
            source = next(a for a in arguments if isinstance(a, Frame | Features))
            result = scaled(result, source, step.reach.scale)
            covers = step.reach.out_box(given, step.size)
        else:
            covers = (0, 0, *step.size)
        expected = (covers[2] - covers[0], covers[3] - covers[1])
        if result.size != expected:
            stage_name = self.runner.graph.nodes[step.name].stage
            raise StageError(f"node {step.name}: {stage_name} made {result.size} pixels where {expected} were due")
        return cut(result, covers, made)

    def _keep(self, step: Step, result: Any, covers: Box, index: int, tile: Tile) -> None:
        if step.is_value:
            with self.lock:
                self.partials[step.name][index] = result
            return
        box = tile.boxes.get(step.name)
        if box is None:
            return
        part = cut(result, covers, box)
        with self.lock:
            if step.name not in self.assemblies:
                self.assemblies[step.name] = Assembly(part, box, step.size)
        self.assemblies[step.name].paste(part, box)

    def _result(self, name: str) -> Any:
        if name in self.assemblies:
            return self.assemblies[name].value()
        step = next(step for step in self.plan.steps if step.name == name)
        partials = [self.partials[name][index] for index in sorted(self.partials[name])]
        if not isinstance(step.reach, Reduce):
            return partials[0]
        return step.reach.finish(functools.reduce(step.reach.merge, partials), step.params)

    def _in_parallel(self, tiles: list[Tile]) -> None:
        def one_thread_each() -> None:
            torch.set_num_threads(1)
            torch.set_grad_enabled(False)

        with ThreadPoolExecutor(self.runner.workers, initializer=one_thread_each) as pool:
            jobs = [pool.submit(self.run_tile, index, tile) for index, tile in enumerate(tiles)]
            try:
                for job in jobs:
                    job.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise


def processors() -> int:
    """How many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _node_of(graph: Graph, name: str) -> str:
    """The node that an output or node name stands for."""
    if name in graph.outputs:
        return graph.outputs[name]
    if name not in graph.nodes:
        raise StageError(f"nothing is called {name}{did_you_mean(name, [*graph.outputs, *graph.nodes])}")
    return name


def _check_inputs(graph: Graph, inputs: Mapping[str, Any]) -> None:
    problems = [f"input {name} is missing ({kind})" for name, kind in graph.inputs.items() if name not in inputs]
    problems += [
        f"there is no input {name}{did_you_mean(name, graph.inputs)}" for name in inputs if name not in graph.inputs
    ]
    for name, kind in graph.inputs.items():
        takes = Tensor if Port(kind).is_value else Features if kind == "features" else Frame
        if name in inputs and not isinstance(inputs[name], takes):
            problems.append(f"input {name} is a {takes.__name__}, not a {type(inputs[name]).__name__}")
    if problems:
        raise StageError("; ".join(problems))
