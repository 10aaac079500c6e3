"""Peak memory of this process and of those that it started, on Linux; 0 where it cannot be known."""

import contextlib
import ctypes
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["MemoryMeter", "children", "peak_bytes", "peak_memory"]

_PEAK = re.compile(rb"VmHWM:\s+(\d+) kB")
_RESET_PEAK = "5"


class MemoryMeter:
    """What a block used at its peak, known when it has ended.

    Attributes:
        own_bytes: of this process.
        children_bytes: of the processes that it had started, added up.
    """

    own_bytes = 0
    children_bytes = 0


@contextlib.contextmanager
def peak_memory() -> Iterator[MemoryMeter]:
    """Measure the peak of resident memory while the block runs.

    Source: proc(5), /proc/pid/clear_refs and VmHWM.
    """
    meter = MemoryMeter()
    _release()
    own = os.getpid()
    started = children(own)
    for pid in (own, *started):
        _reset(pid)
    yield meter
    meter.own_bytes = peak_bytes(own)
    meter.children_bytes = sum(peak_bytes(pid) for pid in children(own))


def children(pid: int) -> list[int]:
    """The processes that `pid` has started and that still run; none where /proc is not there."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The second field is a name in parentheses that may hold anything.
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def _release() -> None:
    """Give freed memory back to the system, so that what an earlier pipeline used does not count for the next."""
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _reset(pid: int) -> None:
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)


def peak_bytes(pid: int) -> int:
    """The peak of resident memory of a process since it began to run its program; 0 where that cannot be known.

    Source: proc(5), VmHWM. Unlike ru_maxrss it does not hold what the process that forked it had.
    """
    if not sys.platform.startswith("linux"):
        return 0
    with contextlib.suppress(OSError):
        found = _PEAK.search(Path(f"/proc/{pid}/status").read_bytes())
        return int(found.group(1)) << 10 if found else 0
    return 0
