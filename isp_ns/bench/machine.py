"""What the numbers were measured on: processor, memory, software; and how busy it was with other work."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import isp_ns

__all__ = ["BUSY_SHARE", "Load", "busy_seconds", "commit", "describe", "load_now", "processors"]

BUSY_SHARE = 0.10
"""Share of the processors' time taken by other work from which on a benchmark warns that its timings are noisy."""

FLAGS = ("sse4_2", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16", "sve")
"""Instruction sets that convolutions run on, by their names in /proc/cpuinfo."""

_PROBE_S = 0.5
_BUSY_FIELDS = (0, 1, 2, 5, 6, 7)  # user, nice, system, irq, softirq, steal: proc(5)


@dataclass(frozen=True)
class Load:
    """How busy the machine was before a group of measurements.

    Attributes:
        load_average: of the last 1, 5 and 15 minutes.
        busy_share: of all usable processors over half a second while the benchmark slept, 0..1; None if unknown.
    """

    load_average: tuple[float, float, float]
    busy_share: float | None

    @property
    def is_idle(self) -> bool:
        """Whether other work takes too little to matter."""
        if self.busy_share is None:
            return self.load_average[0] < BUSY_SHARE * processors()
        return self.busy_share < BUSY_SHARE


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def busy_seconds() -> float | None:
    """Seconds that the usable processors have spent on any work since they started; None where that is not told.

    Time that a hypervisor gave to others counts as busy.

    Source: proc(5), /proc/stat.
    """
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    usable = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    ticks = 0
    for line in lines:
        name, *fields = line.split()
        if name in usable:
            ticks += sum(int(fields[place]) for place in _BUSY_FIELDS)
    return ticks / os.sysconf("SC_CLK_TCK")


def load_now() -> Load:
    """Sleep for half a second and see what the processors do meanwhile."""
    before, started = busy_seconds(), time.perf_counter()
    time.sleep(_PROBE_S)
    after, wall_s = busy_seconds(), time.perf_counter() - started
    share = None
    if before is not None and after is not None:
        share = min(1.0, (after - before) / (wall_s * processors()))
    return Load(os.getloadavg(), share)


def describe(device: str = "cpu") -> dict[str, object]:
    """Processor, cores, instruction sets, memory and software, as plain data. Imports torch.

    Args:
        device: the torch device that pipelines run on; "cuda" adds the name of the GPU.
    """
    import torch

    facts = _cpu_facts()
    return {
        "cpu": facts.get("model name") or platform.processor() or platform.machine(),
        "cores": processors(),
        "flags": [flag for flag in FLAGS if flag in facts.get("flags", facts.get("Features", "")).split()],
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpu": torch.cuda.get_device_name(device) if device.startswith("cuda") else None,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "isp_ns": isp_ns.__version__,
        "commit": commit(),
    }


def commit(folder: Path | None = None) -> str | None:
    """The git commit of a checkout, with "+" if files have changed since; None outside of one.

    Args:
        folder: the checkout; the one that this package is in if left out.
    """
    root = folder or Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    head, changed = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"{head}{'+' if changed else ''}" if head else None


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_facts() -> Mapping[str, str]:
    """The lines of /proc/cpuinfo about the first processor; nothing where there is no such file."""
    if not sys.platform.startswith("linux"):
        return {}
    block = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    pairs = (line.partition(":") for line in block.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
