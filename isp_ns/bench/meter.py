"""Runs a program and measures it with all its children: wall time, processor time, peak memory.

The program is started by a small Python process of its own, because Linux counts the memory of whoever starts a
program as the program's own peak, and a benchmark with torch in it is large.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from isp_ns.bench.machine import busy_seconds, processors

__all__ = ["Measurement", "TreeSampler", "measure"]

SAMPLE_S = 0.02
_WORDS = 2000


@dataclass(frozen=True)
class Measurement:
    """One run of a program.

    Attributes:
        wall_s: seconds from start to end.
        cpu_s: user and system seconds of all its processes.
        peak_tree_bytes: largest sum of resident memory over its processes, sampled; memory that processes share
            counts once for each. None where there is no /proc.
        max_rss_bytes: largest resident memory of any single process.
        other_cpu_share: share of the usable processors' time that other work took meanwhile; None if unknown.
        code: exit status, negative for a signal.
        said: the end of what it printed.
    """

    wall_s: float
    cpu_s: float
    peak_tree_bytes: int | None
    max_rss_bytes: int
    other_cpu_share: float | None
    code: int
    said: str


def measure(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str] | None = None, limit_s: float = 900.0
) -> Measurement:
    """Run a program to its end and measure it.

    Args:
        command: program and arguments.
        folder: where to run it.
        environment: all its environment variables; this process's own if left out.
        limit_s: after this time in seconds, it and its children are killed.

    Raises:
        OSError: if it cannot be started.

    Source: wait4(2), getrusage(2), proc(5).
    """
    given = dict(os.environ if environment is None else environment)
    request = {"command": list(command), "folder": str(folder), "environment": given, "limit_s": limit_s}
    root = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-P", "-m", "isp_ns.bench.meter"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise OSError(f"{command[0]} cannot be started: {last}")
    return Measurement(**json.loads(done.stdout))


class TreeSampler:
    """Adds up the memory of a process and its children in a thread, every 20 ms, and keeps the largest sum.

    Args:
        root: the process number at the top of the tree.
    """

    def __init__(self, root: int) -> None:
        self.peak_bytes = 0
        self.cpu_s: dict[int, float] = {}
        self._tree = {root}
        self._strangers: set[int] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop watching."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self._grow()
            self.peak_bytes = max(self.peak_bytes, sum(self._resident(pid) for pid in self._tree))
            if self._ended.wait(SAMPLE_S):
                return

    def _grow(self) -> None:
        """Take in processes that are new since the last look, if their parent is in the tree."""
        there = {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208 - fifty times a second
        new = there - self._tree - self._strangers
        for pid in sorted(new):
            fields = _stat(pid)
            if fields is not None:
                (self._tree if int(fields[1]) in self._tree else self._strangers).add(pid)

    def _resident(self, pid: int) -> int:
        fields = _stat(pid)
        if fields is None:
            return 0
        self.cpu_s[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on; None when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - fifty times a second
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def _run(request: Mapping[str, Any]) -> Measurement:
    """Runs in the small process."""
    with tempfile.TemporaryFile() as log:
        busy, own, started = busy_seconds(), time.process_time(), time.perf_counter()
        process = subprocess.Popen(
            request["command"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=request["folder"],
            env=request["environment"],
            start_new_session=True,
        )
        sampler = TreeSampler(process.pid) if Path("/proc/self/stat").exists() else None
        killer = threading.Timer(request["limit_s"], _kill, [process.pid])
        killer.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        killer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        busy_after, own = busy_seconds(), time.process_time() - own
        cpu_s = usage.ru_utime + usage.ru_stime
        if sampler is not None:
            sampler.end()
            # Children that nobody waited for are missing from rusage but were seen by the sampler.
            cpu_s = max(cpu_s, sum(sampler.cpu_s.values()))
        other = None
        if busy is not None and busy_after is not None:
            other = max(0.0, busy_after - busy - cpu_s - own) / (wall_s * processors())
        _kill(process.pid)
        largest = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return Measurement(
            wall_s=wall_s,
            cpu_s=cpu_s,
            peak_tree_bytes=max(sampler.peak_bytes, largest) if sampler else None,
            max_rss_bytes=largest,
            other_cpu_share=other,
            code=process.returncode,
            said=_end_of(log),
        )


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _end_of(log: IO[bytes]) -> str:
    log.seek(0, os.SEEK_END)
    log.seek(max(0, log.tell() - _WORDS))
    return log.read().decode("utf-8", "replace").strip()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_run(json.load(sys.stdin)))))
