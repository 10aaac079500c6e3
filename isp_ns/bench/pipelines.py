"""Whole pipelines in this process, from counts in memory to finished pixels in memory, and where the time goes."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from isp_ns import content
from isp_ns.bench.machine import processors
from isp_ns.bench.peak import neural_macs
from isp_ns.bench.rows import NodeShare, PeakRow, PipelineRow
from isp_ns.bench.stages import other_share
from isp_ns.bench.statistic import spread
from isp_ns.core.errors import IspError, ModelError
from isp_ns.core.frame import Frame
from isp_ns.core.graph import Graph
from isp_ns.core.trace import Trace
from isp_ns.io.pipelines import load_pipeline
from isp_ns.io.raw import read_raw

__all__ = ["USUAL", "measure_pipelines", "node_shares", "timed_run", "usual_pipelines"]

USUAL = ("fast", "classic", "neural")
"""The pipelines that are measured when none are named, those that ship."""

WARM_UPS = 1


def usual_pipelines() -> tuple[str, ...]:
    """Those of the usual pipelines that ship with this installation, and whose weights do."""
    shipped = content.names("pipelines")
    return tuple(name for name in USUAL if name in shipped and _has_weights(name))


def _has_weights(name: str) -> bool:
    try:
        load_pipeline(name)
    except ModelError:
        return False
    return True


def measure_pipelines(
    names: Sequence[str],
    photo: Path,
    *,
    runs: int,
    device: str,
    peaks: Sequence[PeakRow],
    tell: Callable[[str], None],
) -> list[PipelineRow]:
    """Measure pipelines on one raw file.

    Args:
        names: of pipelines that take a Bayer mosaic.
        photo: the raw file.
        runs: measured runs of each, after an unmeasured one.
        device: torch device.
        peaks: what convolutions reach at best, for the neural nodes.
        tell: is told what goes on.

    Returns:
        A row for each; "skipped" of one that takes no Bayer mosaic, "failed" of one that cannot run.

    Raises:
        FileNotFoundError: if there is no such pipeline.
    """
    frame = read_raw(photo)
    frame = frame.with_data(frame.data.to(device))
    rows = []
    for name in names:
        tell(f"{name}, {frame.data.numel() / 1e6:.1f} megapixels")
        try:
            rows.append(_measure(name, load_pipeline(name), frame, runs, device, peaks))
        except (IspError, ValueError) as error:
            rows.append(PipelineRow(name=name, status="failed", reason=str(error)))
    return rows


def node_shares(
    traces: Sequence[Trace], macs: Mapping[str, float], pixels: int, peaks: Sequence[PeakRow]
) -> tuple[NodeShare, ...]:
    """Where the time of some runs of one pipeline went.

    Args:
        traces: of the runs.
        macs: multiply-accumulates per pixel of neural nodes.
        pixels: of the frame.
        peaks: of convolutions; the best run of one thread is compared with.
    """
    medians = {each.node: statistics.median(trace[each.node].milliseconds for trace in traces) for each in traces[0]}
    total = sum(medians.values()) or 1.0
    one = {peak.precision: max(peak.gmac_per_s.values) for peak in peaks if peak.threads == 1}
    shares = []
    for each in traces[0]:
        ms, mac = medians[each.node], macs.get(each.node)
        rate = 1e-6 * mac * pixels / ms if mac is not None and ms else None
        shares.append(
            NodeShare(
                node=each.node,
                stage=each.stage,
                ms=ms,
                share=ms / total,
                bytes=each.bytes,
                kmac_per_pixel=None if mac is None else mac / 1e3,
                gmac_per_s=rate,
                share_of_peak={} if rate is None else {name: rate / peak for name, peak in one.items()},
            )
        )
    return tuple(shares)


def timed_run(graph: Graph, frame: Frame, device: str, want: Sequence[str] | None = None) -> tuple[float, float, Trace]:
    """Wall and processor seconds of a run, on a GPU until it has finished, and its trace.

    Args:
        graph: a pipeline of one input.
        frame: the input.
        device: where the frame is.
        want: outputs to make; all of them if left out.
    """
    started, busy = time.perf_counter(), time.process_time()
    run = graph.run(want=want, **{next(iter(graph.inputs)): frame})
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - started, time.process_time() - busy, run.trace


def _measure(name: str, graph: Graph, frame: Frame, runs: int, device: str, peaks: Sequence[PeakRow]) -> PipelineRow:
    if list(graph.inputs.values()) != ["sensor"]:
        return PipelineRow(name=name, status="skipped", reason="it takes no Bayer mosaic")
    want = ["image"] if "image" in graph.outputs else None
    peak_is_known, macs = _reset_peak(), neural_macs(graph)
    with other_share() as others:
        found = [timed_run(graph, frame, device, want) for _ in range(WARM_UPS + runs)][WARM_UPS:]
    pixels = frame.data.numel()
    return PipelineRow(
        name=name,
        status="done",
        device=device,
        threads=processors(),
        size=frame.size,
        seconds=spread([seconds for seconds, _, _ in found]),
        cpu_s=spread([cpu_s for _, cpu_s, _ in found]),
        megapixels_per_s=spread([pixels / 1e6 / seconds for seconds, _, _ in found]),
        peak_rss_bytes=_peak_rss() if peak_is_known else None,
        nodes=node_shares([trace for _, _, trace in found], macs, pixels, peaks),
        other_cpu_share=others(),
    )


def _reset_peak() -> bool:
    """Make the kernel forget the largest resident memory so far; returns whether it did.

    Source: proc(5), /proc/PID/clear_refs.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _peak_rss() -> int | None:
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), None)
