"""What earlier batches did to an output folder: one JSON line per finished output in `.isp-ns/state.jsonl`.

Lines are only ever appended, each in one write, so that several batches may share a folder and a batch that is killed
loses nothing but, at worst, its own last line. A line that cannot be read counts as not written.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from isp_ns.core.errors import OutputError

__all__ = ["Done", "State", "input_digest"]

FOLDER = ".isp-ns"
FILE = "state.jsonl"


@dataclass(frozen=True)
class Done:
    """One finished output: where it is (relative to the folder), from what, and how.

    `recipe` is a digest of graph, weights, settings and version; `sha256` one of the input's content, of which
    `size_bytes` and `mtime_ns` are quick signs of change.
    """

    output: str
    input: str
    size_bytes: int
    mtime_ns: int
    sha256: str
    recipe: str

    def matches(self, source: Path, recipe: str) -> bool:
        """Whether `source` and `recipe` are what this output was made of."""
        if recipe != self.recipe:
            return False
        try:
            found = source.stat()
            if found.st_size != self.size_bytes:
                return False
            return found.st_mtime_ns == self.mtime_ns or input_digest(source) == self.sha256
        except OSError:
            return False


class State:
    """The record of one output folder. Raises OutputError if it is there but cannot be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.path = self.folder / FOLDER / FILE
        self._done = {entry.output: entry for entry in _read(self.path)}

    def find(self, output: Path) -> Done | None:
        """What is known about an output, None when nothing is."""
        return self._done.get(self._key(output))

    def made_here(self, path: Path) -> bool:
        """Whether `path` is the output of an earlier batch."""
        return self._key(path) in self._done

    def add(self, output: Path, source: Path, sha256: str, found: os.stat_result, recipe: str) -> None:
        """Note a finished output.

        Raises:
            OSError: if the record cannot be written.
        """
        entry = Done(self._key(output), str(source.resolve()), found.st_size, found.st_mtime_ns, sha256, recipe)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(asdict(entry)) + "\n"
        with self.path.open("ab+") as file:
            # A batch that was killed may have left a line without its end; keep it from swallowing this one.
            torn = file.seek(0, os.SEEK_END) > 0 and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n"
            file.write(("\n" if torn else "").encode() + line.encode())
        self._done[entry.output] = entry

    def _key(self, output: Path) -> str:
        return os.path.relpath(output.resolve(), self.folder)


def _read(path: Path) -> Iterable[Done]:
    try:
        lines = path.read_bytes().split(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise OutputError(f"{path}: the record of earlier batches cannot be read ({error.strerror})") from None
    names = {field.name for field in fields(Done)}
    for line in lines:
        entry = _entry(line)
        if isinstance(entry, dict) and names <= set(entry) and isinstance(entry["output"], str):
            yield Done(**{name: entry[name] for name in names})


def _entry(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def input_digest(path: Path) -> str:
    """SHA-256 of a file's content in hexadecimal. Raises OSError if it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
