"""What can stand after `-p`: pipelines of this library, LibRaw's algorithms, darktable and RawTherapee.

All of them take the path of a file and give a display picture, with what it cost.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from isp_ns.compare.memory import peak_memory
from isp_ns.core.errors import GraphError, SettingsError, UnsupportedSensorError
from isp_ns.core.frame import Frame
from isp_ns.core.graph import Graph
from isp_ns.core.run import Run
from isp_ns.core.trace import Trace
from isp_ns.io.camerafile import ALGORITHMS, libraw_name
from isp_ns.io.decode import DecodePool
from isp_ns.io.pipelines import load_patch, load_pipeline
from isp_ns.io.raw import read_raw, render_libraw

__all__ = [
    "GraphRenderer",
    "LibrawRenderer",
    "Look",
    "NodeCost",
    "PipelineArg",
    "Renderer",
    "Rendering",
    "graph_of",
    "named",
    "neutral",
    "unique_names",
]

Look = Literal["neutral", "own"]
"""Whether tone stages take part: "neutral" leaves them out, "own" renders as the pipeline is."""

TONE_FAMILY = "tone."
ENCODER = "encode.display"


@dataclass(frozen=True)
class NodeCost:
    """What one node of a pipeline took: milliseconds added up over the threads, bytes made by the shapes."""

    node: str
    stage: str
    milliseconds: float
    bytes: int


@dataclass(frozen=True, eq=False)
class Rendering:
    """A display picture and its cost.

    Attributes:
        frame: (3, H, W), encoded for `meta.space`; the orientation still to be applied.
        decode_ms: reading the file; 0 where it cannot be told from the rest.
        render_ms: everything else but writing a file (external programs: all they do).
        peak_bytes: the largest resident memory meanwhile; 0 where it is not known.
        nodes: cost by node, empty for renderers that have none.
    """

    frame: Frame
    decode_ms: float
    render_ms: float
    peak_bytes: int
    nodes: tuple[NodeCost, ...] = ()


class Renderer(Protocol):
    """Takes the path of a raw file and gives a display picture.

    Attributes:
        name: what people call it; unique in a comparison.
        settings: what it was asked for, in a sentence.
    """

    name: str
    settings: str

    def check(self) -> None:
        """Raise SettingsError if it cannot work here, such as a program that is not installed."""

    def render(self, path: Path) -> Rendering:
        """Develop one file. Raises IspError if that is not possible."""


PipelineArg = str | Path | Graph | Renderer
"""A pipeline by name or path, a graph, or any renderer."""


class GraphRenderer:
    """A pipeline of this library, run in this process; the file is decoded in a process of `pool`.

    Args:
        name: for people.
        graph: a pipeline with one input, a sensor frame.
        pool: decodes.
        look: whether tone stages take part.
        workers: tiles at work at a time; None for one per processor.

    Raises:
        SettingsError: if the pipeline has not exactly one input or makes no image.
    """

    def __init__(
        self, name: str, graph: Graph, pool: DecodePool, *, look: Look = "neutral", workers: int | None = None
    ) -> None:
        if len(graph.inputs) != 1:
            raise SettingsError(f"pipeline {name} has {len(graph.inputs)} inputs; one that takes a file has one")
        self.name, self._pool, self._workers = name, pool, workers
        self._output = _image_output(name, graph)
        graph = graph.only(self._output)
        left_out = [n for n, here in graph.nodes.items() if here.stage.startswith(TONE_FAMILY)]
        self._graph = _wide(neutral(graph) if look == "neutral" else graph)
        stages = ", ".join(self._graph.nodes[n].stage for n in self._graph.order())
        without = f"; left out: {', '.join(left_out)}" if left_out and look == "neutral" else ""
        self.settings = f"isp_ns pipeline, 16 bit; stages: {stages}{without}"

    def check(self) -> None:
        """A graph that is built can run."""

    def render(self, path: Path) -> Rendering:
        """Develop one file; see `Renderer`."""
        started = time.perf_counter()
        with peak_memory() as memory:
            frame = read_raw(path, pool=self._pool)
            decoded = time.perf_counter()
            input_name, port = next(iter(self._graph.inputs.items()))
            _check_kind(self.name, frame, port)
            inputs: dict[str, Any] = {input_name: frame}
            run = self._graph.run(want=[self._output], workers=self._workers, **inputs)
            done = time.perf_counter()
        cost = memory.own_bytes + memory.children_bytes
        return Rendering(_image(run, self._output), _ms(started, decoded), _ms(decoded, done), cost, _costs(run.trace))


class LibrawRenderer:
    """LibRaw's own rendering, in a process of `pool`.

    Raises:
        SettingsError: if there is no such algorithm.
    """

    def __init__(self, name: str, algorithm: str, pool: DecodePool) -> None:
        if algorithm not in ALGORITHMS:
            raise SettingsError(f"LibRaw has no demosaic {algorithm}; choose libraw:{', libraw:'.join(ALGORITHMS)}")
        self.name, self._algorithm, self._pool = name, algorithm, pool
        self.settings = (
            f"{libraw_name()}, demosaic {algorithm}, white balance as shot, no automatic brightening, highlights "
            "clipped, 16 bit, sRGB curve"
        )

    def check(self) -> None:
        """LibRaw comes with rawpy."""

    def render(self, path: Path) -> Rendering:
        """Develop one file; see `Renderer`. X-Trans files get LibRaw's own algorithm for them."""
        started = time.perf_counter()
        with peak_memory() as memory:
            frame = render_libraw(path, algorithm=self._algorithm, pool=self._pool)
            done = time.perf_counter()
        return Rendering(frame, 0.0, _ms(started, done), memory.children_bytes)


def graph_of(text: str) -> tuple[str, Graph]:
    """A pipeline named as on the command line: NAME or FILE, with +PATCH as often as wanted.

    Returns:
        Its name for people, and the graph.

    Raises:
        SettingsError: if pipeline or patch is not there; the message lists those that are.
        GraphError: if they do not fit together.
    """
    base, *patches = text.split("+")
    try:
        graph = load_pipeline(base)
        for patch in patches:
            graph = graph.patch(load_patch(patch))
    except FileNotFoundError as error:
        raise SettingsError(f"-p {text}: {error}; or a renderer: libraw, darktable, rawtherapee") from None
    return "+".join(Path(part).stem for part in (base, *patches)), graph


def neutral(graph: Graph) -> Graph:
    """The pipeline without its tone stages: what reads one of them reads that one's picture instead.

    Two developers' tastes in contrast cannot be told from errors by any measure; what is left renders the scene's light
    with the display's own curve.

    Raises:
        GraphError: if what is left does not fit together.

    Source: none; the look "neutral" of comparisons.
    """
    instead: dict[str, str] = {}
    for name in graph.order():
        here = graph.nodes[name]
        if here.stage.startswith(TONE_FAMILY):
            instead[name] = instead.get(here.inputs[0], here.inputs[0])
    if not instead:
        return graph
    nodes = {
        name: replace(here, inputs=tuple(instead.get(source, source) for source in here.inputs))
        for name, here in graph.nodes.items()
        if name not in instead
    }
    outputs = {name: instead.get(source, source) for name, source in graph.outputs.items()}
    return Graph(graph.inputs, nodes, outputs).only(*outputs)


def unique_names(names: Iterable[str]) -> list[str]:
    """The names, the second of two equal ones with a number."""
    counts: dict[str, int] = {}
    result = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        result.append(name if counts[name] == 1 else f"{name} ({counts[name]})")
    return result


def _image_output(name: str, graph: Graph) -> str:
    if "image" in graph.outputs or len(graph.outputs) == 1:
        return "image" if "image" in graph.outputs else next(iter(graph.outputs))
    raise SettingsError(f"pipeline {name} has the outputs {', '.join(graph.outputs)} and none is called image")


def _wide(graph: Graph) -> Graph:
    """The graph with 16 bits where it encodes for display, so that aligned exposures show no steps."""
    for name, here in graph.nodes.items():
        if here.stage == ENCODER:
            graph = graph.replace(name, bit_depth=16)
    return graph


def _check_kind(name: str, frame: Frame, port: str) -> None:
    """Refuse a file that the pipeline cannot take, by name."""
    planes = frame.data.shape[0]
    kind = "sensor_rgb" if planes == 3 else "sensor" if frame.meta.cfa is not None else "sensor_mono"
    if kind != port:
        words = {"sensor": "a Bayer mosaic", "sensor_rgb": "a linear file", "sensor_mono": "a monochrome file"}
        branch = {"sensor_rgb": "+linear", "sensor_mono": "+mono"}.get(kind)
        hint = f"; {name}{branch} takes such files" if branch and port == "sensor" else ""
        raise UnsupportedSensorError(f"this is {words[kind]}, and pipeline {name} takes {words.get(port, port)}{hint}")


def _image(run: Run, output: str) -> Frame:
    frame = run[output]
    if not isinstance(frame, Frame):
        raise GraphError([f"output {output} is no picture"])
    return frame


def _costs(trace: Trace) -> tuple[NodeCost, ...]:
    return tuple(NodeCost(n.node, n.stage, n.milliseconds, n.bytes) for n in trace)


def _ms(start: float, end: float) -> float:
    return 1e3 * (end - start)


def named(pipelines: Mapping[str, PipelineArg] | Iterable[PipelineArg]) -> list[tuple[str | None, PipelineArg]]:
    """Pipelines with the names that were given them, None where none was."""
    if isinstance(pipelines, Mapping):
        return list(pipelines.items())
    return [(None, each) for each in pipelines]
