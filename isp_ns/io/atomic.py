"""Files that are there in full or not at all: written under another name beside their target, then renamed.

The other name tells which process of which machine is writing, so that what a killed process left behind can be told
from what a living one is about to finish.
"""

import contextlib
import hashlib
import os
import secrets
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from isp_ns.core.errors import OutputError

__all__ = ["PART_PATTERN", "atomic_file", "sweep_parts"]

PART_PATTERN = ".isp-ns-*.part"
"""Names of incomplete files."""

_writing: set[str] = set()
_lock = threading.Lock()


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """A path beside `target` to write to; it becomes `target` when the block ends well, else it vanishes.

    Raises:
        OutputError: if the file cannot be made, flushed or renamed.
    """
    part = target.with_name(f".isp-ns-{_machine()}-{os.getpid()}-{secrets.token_hex(4)}.part")
    with _lock:
        _writing.add(part.name)
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        with _lock:
            _writing.discard(part.name)


def sweep_parts(folders: Iterable[Path]) -> int:
    """Remove the incomplete files that dead processes of this machine left in `folders`; returns how many."""
    removed = 0
    for part in [part for folder in sorted(set(folders)) for part in folder.glob(PART_PATTERN)]:
        with _lock:
            if part.name in _writing or not _orphaned(part.name):
                continue
        part.unlink(missing_ok=True)
        removed += 1
    return removed


def _orphaned(name: str) -> bool:
    """Whether the writer is gone: it ran on this machine, and its process has ended (or its number is now ours)."""
    machine, _, rest = name.removeprefix(".isp-ns-").partition("-")
    pid = rest.partition("-")[0]
    if machine != _machine() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return int(pid) == os.getpid()


def _machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
