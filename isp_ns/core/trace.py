"""What a run did: time, calls, bytes and shape of every node."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["NodeTrace", "Trace"]


@dataclass
class NodeTrace:
    """One node's share of a run; `milliseconds` adds up over the worker threads."""

    node: str
    stage: str
    calls: int = 0
    milliseconds: float = 0.0
    bytes: int = 0
    shape: tuple[int, ...] = ()


class Trace:
    """The nodes of a run in order of their first call. `str(trace)` is a table."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeTrace] = {}
        self._lock = threading.Lock()
        self.wall_milliseconds = 0.0
        self.passes = 0
        self.tiles = 0

    def add(self, node: str, stage: str, milliseconds: float, size_bytes: int, shape: tuple[int, ...]) -> None:
        """Count one call of a node."""
        with self._lock:
            entry = self._nodes.setdefault(node, NodeTrace(node, stage))
            entry.calls += 1
            entry.milliseconds += milliseconds
            entry.bytes += size_bytes
            entry.shape = max(entry.shape, shape)

    def __iter__(self) -> Iterator[NodeTrace]:
        return iter(self._nodes.values())

    def __getitem__(self, node: str) -> NodeTrace:
        return self._nodes[node]

    def __contains__(self, node: object) -> bool:
        return node in self._nodes

    def __str__(self) -> str:
        rows = [("node", "stage", "calls", "ms (all threads)", "MB made", "tile shape")]
        rows += [
            (
                n.node,
                n.stage,
                str(n.calls),
                f"{n.milliseconds:.1f}",
                f"{n.bytes / 1e6:.1f}",
                "×".join(map(str, n.shape)),
            )
            for n in self
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        total = f"{self.wall_milliseconds:.1f} ms in {self.passes} pass(es) of {self.tiles} tile(s)"
        return "\n".join([*lines, total])
