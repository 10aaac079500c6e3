"""Every stage of the registry on one thread: nanoseconds of a core per pixel."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from isp_ns.bench.inputs import NoInput, Samples
from isp_ns.bench.machine import busy_seconds, processors
from isp_ns.bench.rows import StageRow
from isp_ns.bench.statistic import spread
from isp_ns.core.errors import IspError
from isp_ns.core.graph import Graph, node
from isp_ns.core.registry import all_specs
from isp_ns.core.stage import StageSpec
from isp_ns.core.threads import one_thread
from isp_ns.core.trace import NodeTrace

__all__ = ["TILE_PX", "measure_stages", "other_share"]

TILE_PX = 512
"""Side of the tiles that stages are measured on."""

WARM_UPS = 2


def measure_stages(
    size: tuple[int, int], *, runs: int, tell: Callable[[str], None], names: Sequence[str] | None = None
) -> list[StageRow]:
    """Measure stages with their default parameters.

    A stage gets the frame in tiles as in a pipeline, each with its halo; only the time in the stage itself counts.

    Args:
        size: height and width of the frame.
        runs: measured runs of each stage, after two unmeasured ones.
        tell: is told what goes on.
        names: the stages; all that are installed if left out.
    """
    specs = all_specs()
    samples = Samples(size)
    rows = []
    with one_thread():
        for name in names or specs:
            tell(name)
            rows.append(_measure(specs[name], samples, size, runs))
    return rows


@contextlib.contextmanager
def other_share() -> Iterator[Callable[[], float | None]]:
    """What share of the processors' time other programs took in the block; ask when it has ended."""
    busy, own, started = busy_seconds(), time.process_time(), time.perf_counter()
    found: list[float | None] = [None]
    yield lambda: found[0]
    after, wall_s = busy_seconds(), time.perf_counter() - started
    if busy is not None and after is not None:
        others = after - busy - (time.process_time() - own)
        found[0] = min(1.0, max(0.0, others) / (wall_s * processors()))


def _measure(spec: StageSpec, samples: Samples, size: tuple[int, int], runs: int) -> StageRow:
    needed = [declared.name for declared in spec.parameters if declared.required]
    if needed:
        return StageRow(name=spec.name, status="skipped", reason=f"needs the parameter {needed[0]}")
    kinds = {name: port.kinds[0] for name, port in spec.inputs}
    try:
        graph = Graph(kinds, {"it": node(spec.name, *kinds)}, {"it": "it"})
        inputs: dict[str, Any] = {name: samples.of(port, spec.name) for name, port in spec.inputs}
        with other_share() as others:
            found = [_timed(graph, inputs) for _ in range(WARM_UPS + runs)][WARM_UPS:]
    except (NoInput, IspError) as error:
        return StageRow(name=spec.name, status="skipped", reason=str(error))
    except Exception as error:  # noqa: BLE001 - stages of other packages may raise anything; the next one goes on
        return StageRow(name=spec.name, status="failed", reason=f"{type(error).__name__}: {error}")
    pixels = size[0] * size[1]
    return StageRow(
        name=spec.name,
        status="done",
        input=next(iter(kinds.values())),
        size=size,
        tile_px=TILE_PX,
        ns_per_pixel=spread([1e6 * entry.milliseconds / pixels for entry, _ in found]),
        cpu_ns_per_pixel=spread([1e9 * cpu_s / pixels for _, cpu_s in found]),
        bytes_per_pixel=found[0][0].bytes / pixels,
        other_cpu_share=others(),
    )


def _timed(graph: Graph, inputs: Mapping[str, Any]) -> tuple[NodeTrace, float]:
    """The trace of the one node, and the processor time of the run, which is all in this thread."""
    started = time.thread_time()
    run = graph.run(tile_px=TILE_PX, workers=1, **inputs)
    return run.trace["it"], time.thread_time() - started
