"""Decoding in processes of its own, so that a file that crashes, hangs or eats memory costs only itself.

The processes start as soon as the pool is made; make it before torch is imported, and they are ready when torch is.
Importing this module does not import torch.
"""

import contextlib
import functools
import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from isp_ns.core import errors
from isp_ns.core.errors import DecodeError, IspError
from isp_ns.io.channel import map_pixels, receive, send
from isp_ns.io.decoded import Decoded, DecodeOptions

__all__ = ["DecodePool"]

_START_S = 20.0
_GRACE_S = 15
_Job = tuple["Future[Decoded]", Path, DecodeOptions]


class DecodePool:
    """Decodes files in worker processes.

    A worker that dies is replaced for the next file. All of them end with this process, whatever ends it.

    Args:
        workers: How many processes; one keeps ahead of most pipelines.
        timeout_s: The longest that one file may take, in seconds.
        memory_mb: The largest address space of one process, in MB.

    Raises:
        ValueError: if a limit is not positive.

    Source: one process per decoder, started afresh rather than forked: LibRaw's OpenMP deadlocks in forked children.
    """

    def __init__(self, workers: int = 1, *, timeout_s: float = 60.0, memory_mb: int = 4096) -> None:
        if workers < 1 or timeout_s <= 0 or memory_mb < 256:
            raise ValueError("a decode pool needs workers >= 1, timeout_s > 0 and memory_mb >= 256")
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        make = functools.partial(_Worker, timeout_s, memory_mb)
        self._threads = [threading.Thread(target=_serve, args=(self._jobs, make), daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, path: str | os.PathLike[str], options: DecodeOptions | None = None) -> "Future[Decoded]":
        """Queue a file.

        Returns:
            A future of the decoded file; its `result()` raises what `decode_file` raises, and DecodeError when the
            file crashed the decoder, took too long or too much memory.

        Raises:
            RuntimeError: if the pool is closed.
        """
        if self._closed:
            raise RuntimeError("the decode pool is closed; make a new one")
        future: Future[Decoded] = Future()
        self._jobs.put((future, Path(path), options or DecodeOptions()))
        return future

    def close(self) -> None:
        """Finish the file in work, cancel those that wait, and end the processes."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(queue.Empty):
                while (job := self._jobs.get_nowait()) is not None:
                    job[0].cancel()
            for _ in self._threads:
                self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _serve(jobs: "queue.SimpleQueue[_Job | None]", make: Callable[[], "_Worker"]) -> None:
    """Feed one worker process with jobs, and replace it when it is lost."""
    worker = _try(make)
    while (job := jobs.get()) is not None:
        future, path, options = job
        if not future.set_running_or_notify_cancel():
            continue
        try:
            worker = worker or make()
            future.set_result(worker.decode(path, options))
        except (IspError, OSError, ValueError, pickle.PickleError) as error:
            future.set_exception(error)
        if worker is not None and not worker.alive:
            worker.end()
            worker = _try(make)
    if worker is not None:
        worker.end()


def _try(make: Callable[[], "_Worker"]) -> "_Worker | None":
    """A new worker, None when none can be started now; the next file tries again and reports why."""
    with contextlib.suppress(OSError):
        return make()
    return None


class _Worker:
    """One decoding process, started at once."""

    def __init__(self, timeout_s: float, memory_mb: int) -> None:
        self.timeout_s, self.memory_mb = timeout_s, memory_mb
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process that writes to it
        self.sock, theirs = socket.socketpair()
        with theirs:
            arguments = [str(theirs.fileno()), str(memory_mb), str(int(timeout_s) + _GRACE_S)]
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "isp_ns.io._worker", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=self.log,
                stderr=self.log,
                pass_fds=(theirs.fileno(),),
                env=_environment(),
            )
        self.alive = True
        self.answered = False

    def decode(self, path: Path, options: DecodeOptions) -> Decoded:
        """Send one file and wait for the answer.

        Raises:
            IspError: the error of the decoder, or a DecodeError when the process was lost.
        """
        deadline = time.monotonic() + self.timeout_s + (0.0 if self.answered else _START_S)
        try:
            send(self.sock, (str(path.absolute()), options))
            answer, fd = receive(self.sock, deadline)
        except TimeoutError as error:
            self.lose()
            raise DecodeError(
                f"{path.name}: decoding took longer than {self.timeout_s:g} s and was stopped; the file may be damaged"
            ) from error
        except (EOFError, ConnectionError) as error:
            raise DecodeError(f"{path.name}: {self.lose()}") from error
        self.answered = True
        return self._result(path, answer, fd)

    def _result(self, path: Path, answer: Any, fd: int) -> Decoded:
        if answer[0] == "error":
            kind = getattr(errors, answer[1], DecodeError)
            raise kind.__new__(kind, answer[2])
        decoded: Decoded = answer[1]
        pixels = map_pixels(fd, answer[2]) if answer[2] is not None else None
        return replace(decoded, path=path, pixels=pixels)

    def lose(self) -> str:
        """End a process that failed, and say how it failed."""
        self.alive = False
        self._stop(0.2)
        code = self.process.returncode
        self.log.seek(0)
        said = self.log.read().decode("utf-8", "replace").strip().splitlines()
        last = f" (last words: {said[-1][:200]})" if said else ""
        crashed = code is not None and code < 0
        how = f"crashed with {signal.Signals(-code).name}" if crashed else f"ended with status {code}"
        return f"the decoder {how}{last}; the file is damaged, or needs more than {self.memory_mb} MB"

    def end(self) -> None:
        """End the process: politely when it is well, by force when it is not."""
        self._stop(2.0 if self.alive else 0.0)
        self.log.close()

    def _stop(self, patience_s: float) -> None:
        self.sock.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(patience_s)
        self.process.kill()
        self.process.wait()


def _environment() -> dict[str, str]:
    """The environment of a worker: this package importable, numpy without its threads."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
