"""Image, depth and labels from one pass of the neural space, beside three nets of one output each."""

import functools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from isp_ns.bench.inputs import simulated_raw
from isp_ns.bench.peak import neural_macs
from isp_ns.bench.pipelines import node_shares, timed_run
from isp_ns.bench.rows import OutputsRow, Status
from isp_ns.bench.stages import other_share
from isp_ns.bench.statistic import spread
from isp_ns.core.errors import IspError, ModelError
from isp_ns.core.frame import Frame
from isp_ns.core.graph import Graph, Node, Patch
from isp_ns.core.trace import Trace
from isp_ns.io.pipelines import load_patch, load_pipeline
from isp_ns.io.raw import read_raw
from isp_ns.nets.cards import load_perception, load_space, save_perception, shipped_cards
from isp_ns.nets.counters import macs_per_pixel, parameters
from isp_ns.nets.heads import PerceptionNet
from isp_ns.nets.pooling import pooled_size, share_size

__all__ = ["ONE_PASS", "ON_PHOTO", "OUTPUTS", "SIZE", "THREE_NETS", "USUAL_HEADS", "measure_outputs"]

OUTPUTS = ("image", "depth", "labels")
"""The outputs of the pipeline `neural` with the patch `perception`."""

ONE_PASS, THREE_NETS, ON_PHOTO = " + ".join(OUTPUTS), "three nets", "heads on a photo"
"""Names of rows: all outputs from one pass, the sum of nets of one output each, and the share of heads in a photo."""

SIZE = (480, 640)
"""Height and width of the picture that nets are compared on, that of NYU-v2."""

USUAL_HEADS = "nyu-lite"
"""The heads that are measured when none are named; left out where they do not ship."""

WARM_UPS = 1

_PARTS = {"encode": "e_raw", "encode_rgb": "e_rgb", "denoise": "denoiser", "decode": "d_rgb"}


@dataclass(frozen=True)
class _Net:
    """What a net takes: parameters, multiply-accumulates per pixel, and the times of its runs in order."""

    parameters: int
    macs: float
    ms: tuple[float, ...]
    seconds: tuple[float, ...]


def measure_outputs(
    heads: str,
    photo: Callable[[], Path],
    *,
    runs: int,
    device: str,
    tell: Callable[[str], None],
    size: tuple[int, int] = SIZE,
) -> list[OutputsRow]:
    """Measure three outputs from one pass, three nets of one output each, and what heads add to a photo.

    A net of one output is the pipeline reduced to it, with heads that have the decoder of that output alone. All nets
    run in turn, so that what slows the machine down for a while slows down all of them.

    Args:
        heads: weights of depth and labels, by name or by the path of a .safetensors file.
        photo: gives the raw file of the photo.
        runs: measured runs of each, after an unmeasured one.
        device: torch device.
        tell: is told what goes on.
        size: height and width of the picture that nets are compared on.

    Returns:
        A row for each output, for all from one pass and for the sum of three nets, then one of the photo. One
        "skipped" row where the usual heads do not ship; "failed" of what cannot run.
    """
    if heads == USUAL_HEADS and heads not in shipped_cards():
        return [_unmeasured(ONE_PASS, "skipped", f"the heads {heads} do not ship with this installation")]
    try:
        with tempfile.TemporaryDirectory(prefix="isp-ns-heads-") as folder:
            tell(f"{ONE_PASS} and {THREE_NETS}, {size[1]}×{size[0]}")
            graphs, name = _graphs(heads, Path(folder)), load_perception(heads)[1].name
            rows = _compared(graphs, name, simulated_raw(size), runs, device)
    except (IspError, ValueError) as error:
        return [_unmeasured(ONE_PASS, "failed", str(error))]
    try:
        frame = read_raw(photo())
        tell(f"{ON_PHOTO}, {frame.data.numel() / 1e6:.1f} megapixels")
        return [*rows, _on_photo(graphs[ONE_PASS], name, frame, runs, device)]
    except (IspError, ValueError) as error:
        return [*rows, _unmeasured(ON_PHOTO, "failed", str(error))]


def _unmeasured(name: str, status: Status, reason: str) -> OutputsRow:
    return OutputsRow(name=name, status=status, reason=reason)


def _graphs(heads: str, folder: Path) -> Mapping[str, Graph]:
    """The graph of each output alone, in the order of `OUTPUTS`, and of all in one pass."""
    net, _ = load_perception(heads)
    if missing := [task for task in OUTPUTS[1:] if task not in net.tasks]:
        raise ModelError(f"the heads {heads} have no {missing[0]}; they have {', '.join(net.tasks)}")
    together = _with_heads(heads).only(*OUTPUTS)
    alone = {task: _with_heads(_alone(heads, task, folder)).only(task) for task in OUTPUTS[1:]}
    return {OUTPUTS[0]: together.only(OUTPUTS[0]), **alone, ONE_PASS: together}


def _with_heads(weights: str) -> Graph:
    """The pipeline `neural` with depth and labels of these weights."""
    patch = load_patch("perception")
    nodes = {
        name: replace(each, params={**each.params, "weights": weights})
        for name, each in patch.nodes.items()
        if isinstance(each, Node) and each.stage.startswith("neural.")
    }
    return load_pipeline("neural").patch(Patch({**patch.nodes, **nodes}, patch.inputs, patch.outputs))


def _alone(heads: str, task: str, folder: Path) -> str:
    """Weights in `folder` of the heads with the decoder of one task alone; `neural.context` runs all that there are."""
    net, card = load_perception(heads)
    part = PerceptionNet(net.spec, {task: net.tasks[task]})
    part.load_state_dict(net.state_dict(), strict=False)
    save_perception(part, replace(card, name=task, domain={**card.domain, "tasks": part.tasks}), folder)
    return str(folder / f"{task}.safetensors")


def _compared(graphs: Mapping[str, Graph], heads: str, frame: Frame, runs: int, device: str) -> list[OutputsRow]:
    frame = frame.with_data(frame.data.to(device))
    found: dict[str, list[tuple[float, Trace]]] = {name: [] for name in graphs}
    with other_share() as others:
        for _ in range(WARM_UPS + runs):
            for name, graph in graphs.items():
                seconds, _, trace = timed_run(graph, frame, device)
                found[name].append((seconds, trace))
    nets = {name: _net(graph, frame.size, found[name][WARM_UPS:]) for name, graph in graphs.items()}
    nets[THREE_NETS] = _sum([nets[name] for name in OUTPUTS])
    return [_row(name, net, heads, frame.size, others()) for name, net in nets.items()]


def _on_photo(graph: Graph, heads: str, frame: Frame, runs: int, device: str) -> OutputsRow:
    """All outputs of a photo, and the share of time of the nodes that the image does not need."""
    frame = frame.with_data(frame.data.to(device))
    with other_share() as others:
        timed = [timed_run(graph, frame, device) for _ in range(WARM_UPS + runs)][WARM_UPS:]
    found = [(seconds, trace) for seconds, _, trace in timed]
    row = _row(ON_PHOTO, _net(graph, frame.size, found), heads, frame.size, others())
    needed = graph.only(OUTPUTS[0]).nodes
    shares = node_shares([trace for _, trace in found], {}, frame.data.numel(), ())
    return replace(row, heads_share=min(1.0, sum(each.share for each in shares if each.node not in needed)))


def _net(graph: Graph, size: tuple[int, int], found: Sequence[tuple[float, Trace]]) -> _Net:
    traces = [trace for _, trace in found]
    ms = tuple(sum(each.milliseconds for each in trace if each.stage.startswith("neural.")) for trace in traces)
    macs = sum(neural_macs(graph).values()) + _head_macs(graph, size)
    return _Net(sum(map(parameters, _networks(graph))), macs, ms, tuple(seconds for seconds, _ in found))


def _networks(graph: Graph) -> list[nn.Module]:
    """The networks behind the neural nodes of a graph, each once."""
    space = functools.cache(lambda weights: load_space(weights)[0])
    found: dict[tuple[str, str], nn.Module] = {}
    for here in graph.nodes.values():
        family, _, part = here.stage.partition(".")
        if family == "neural" and part in _PARTS:
            weights = str(here.values["weights"])
            found[weights, part] = getattr(space(weights), _PARTS[part])
    return [*found.values(), *_head_networks(graph)]


def _head_networks(graph: Graph) -> list[PerceptionNet]:
    weights = dict.fromkeys(str(n.values["weights"]) for n in graph.nodes.values() if n.stage == "neural.context")
    return [load_perception(each)[0] for each in weights]


def _head_macs(graph: Graph, size: tuple[int, int]) -> float:
    """Multiply-accumulates of heads per pixel of a picture; they run once, on the pooled grid.

    So does the encoder where the picture is larger than that, as its colours enter the space again.
    """
    total = 0.0
    rows, columns = share_size(*size)
    if (rows, columns) != pooled_size(*size):
        pooling = [str(n.values["space"]) for n in graph.nodes.values() if n.stage == "neural.pool"]
        for encoder in (load_space(weights)[0].e_raw for weights in pooling):
            mosaic = torch.zeros(1, 1, rows, columns)
            total += macs_per_pixel(functools.partial(encoder, mosaic), [encoder], size[0] * size[1])
    for net in _head_networks(graph):
        cells = torch.zeros(1, net.spec.inputs, *(-(-side // 2) for side in pooled_size(*size)))
        total += macs_per_pixel(functools.partial(net.answer, cells), [net], size[0] * size[1])
    return total


def _sum(nets: Sequence[_Net]) -> _Net:
    """Several nets one after the other, their runs in order."""
    return _Net(
        sum(net.parameters for net in nets),
        sum(net.macs for net in nets),
        tuple(map(sum, zip(*(net.ms for net in nets), strict=True))),
        tuple(map(sum, zip(*(net.seconds for net in nets), strict=True))),
    )


def _row(name: str, net: _Net, heads: str, size: tuple[int, int], others: float | None) -> OutputsRow:
    return OutputsRow(
        name=name,
        status="done",
        heads=heads,
        outputs=(name,) if name in OUTPUTS else OUTPUTS,
        size=size,
        parameters=net.parameters,
        kmac_per_pixel=net.macs / 1e3,
        gmac=net.macs * size[0] * size[1] / 1e9,
        ms=spread(net.ms),
        seconds=spread(net.seconds),
        other_cpu_share=others,
    )
