"""How many multiply-accumulates per second convolutions reach on this machine, and what neural stages cost."""

import functools
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import torch
from torch.nn import functional as F

from isp_ns.bench.machine import processors
from isp_ns.bench.rows import PeakRow
from isp_ns.bench.statistic import Spread, spread
from isp_ns.core.graph import Graph
from isp_ns.nets.cards import load_space
from isp_ns.nets.counters import raw_path_macs
from isp_ns.nets.precision import bf16_is_fast

__all__ = ["convolution_peak", "measure_peaks", "neural_macs"]

SHAPES = ((1, 32, 128, 128), (1, 64, 128, 128), (1, 128, 64, 64), (1, 256, 64, 64))
"""Inputs tried, from the width of the light networks to one where the arithmetic alone should count."""

PARTS = ("encode", "encode_rgb", "denoise", "decode")
"""Neural stages whose convolutions are counted, without their family."""

_LEAST_S = 0.01
_WINDOWS = 5


def measure_peaks(device: str, *, runs: int) -> list[PeakRow]:
    """The peaks of one thread and of all, in single precision, and in bf16 where the machine has it.

    Args:
        device: torch device; a GPU is measured from one thread.
        runs: measured runs of each shape.
    """
    precisions = [torch.float32, *([torch.bfloat16] if bf16_is_fast(device) else [])]
    counts = (1,) if device.startswith("cuda") else dict.fromkeys((1, processors()))
    return [convolution_peak(precision, device, threads=n, runs=runs) for precision in precisions for n in counts]


def convolution_peak(precision: torch.dtype, device: str, *, threads: int, runs: int) -> PeakRow:
    """The fastest of a few 3×3 convolutions, channels last, as many channels out as in.

    Args:
        precision: of inputs and weights.
        device: torch device.
        threads: how many convolve at a time, each an image of its own, as tiles of a photo are.
        runs: measured runs of each shape, each of five windows of at least 10 ms.

    Source: definition; a multiply-accumulate counts once.
    """
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        found = {shape: _rates(pool, shape, precision, device, threads, runs) for shape in SHAPES}
    shape, best = max(found.items(), key=lambda item: max(item[1].values))
    name = str(precision).removeprefix("torch.")
    return PeakRow(precision=name, device=device, threads=threads, shape=shape, gmac_per_s=best)


def neural_macs(graph: Graph) -> Mapping[str, float]:
    """Multiply-accumulates per pixel of the neural nodes of a pipeline; none without neural stages.

    Raises:
        ValueError: if their weights are absent or altered.
    """
    counted = functools.cache(lambda weights: raw_path_macs(load_space(weights)[0]))
    macs = {}
    for name, here in graph.nodes.items():
        family, _, part = here.stage.partition(".")
        if family == "neural" and part in PARTS:
            macs[name] = counted(str(here.values["weights"]))[part]
    return macs


def _rates(
    pool: ThreadPoolExecutor, shape: tuple[int, int, int, int], precision: torch.dtype, device: str, threads: int,
    runs: int,
) -> Spread:  # fmt: skip
    """Milliards of multiply-accumulates per second of a shape over all threads."""
    channels = shape[1]
    weight = torch.randn(channels, channels, 3, 3).to(device, precision, memory_format=torch.channels_last)
    images = [torch.randn(shape).to(device, precision, memory_format=torch.channels_last) for _ in range(threads)]
    macs = 9 * channels * shape[1] * shape[2] * shape[3] * threads

    def seconds(times: int) -> float:
        started = time.perf_counter()
        list(pool.map(lambda image: _convolve(image, weight, times), images))
        return time.perf_counter() - started

    seconds(2)
    times = max(1, round(_LEAST_S / max(seconds(2) / 2, 1e-6)))
    return spread([1e-9 * macs * times / seconds(times) for _ in range(runs * _WINDOWS)])


def _convolve(image: torch.Tensor, weight: torch.Tensor, times: int) -> None:
    with torch.no_grad():
        for _ in range(times):
            F.conv2d(image, weight, padding=1)
    if image.is_cuda:
        torch.cuda.synchronize()
