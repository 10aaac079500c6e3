"""What became of every file of a batch, as records, counts, an exit code, JSON and CSV."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import isp_ns

__all__ = ["STATUSES", "Record", "Report", "Status"]

Status = Literal["done", "skipped", "stale", "failed", "unsupported", "ignored", "planned"]

STATUSES: Mapping[Status, str] = {
    "done": "developed",
    "skipped": "there already",
    "stale": "there already, but made of another input or with other settings",
    "failed": "not developed, for the reason given",
    "unsupported": "a sensor, codec or kind of file that the pipeline does not take",
    "ignored": "not a RAW file by its extension",
    "planned": "would be developed, in a dry run",
}
"""What can become of a file."""

SCHEMA = 1


@dataclass(frozen=True)
class Record:
    """One file.

    `kind` is what the decoder calls the sensor, `size` the (height, width) of the first output in pixels as stored,
    `seconds` the time of each phase ("decode", "compute", "write").
    """

    input: str
    status: Status
    reason: str = ""
    outputs: tuple[str, ...] = ()
    pipeline: str = ""
    kind: str = ""
    size: tuple[int, int] | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """A whole batch: its records in the order of the plan, and whether it was stopped before its end."""

    records: tuple[Record, ...]
    started: str
    seconds: float
    interrupted: bool = False
    stopped: bool = False

    @property
    def counts(self) -> dict[Status, int]:
        """How many files came to each status."""
        return {status: sum(record.status == status for record in self.records) for status in STATUSES}

    @property
    def exit_code(self) -> int:
        """0 all done or rightly skipped, 1 some failed, 3 none could be supported, 130 interrupted."""
        counts = self.counts
        if self.interrupted:
            return 130
        if counts["failed"] or self.stopped:
            return 1
        if counts["unsupported"]:
            return 1 if counts["done"] + counts["skipped"] + counts["stale"] + counts["planned"] else 3
        return 0

    def summary(self) -> str:
        """One line: counts, time, and what is left to do."""
        parts = [f"{count} {status}" for status, count in self.counts.items() if count]
        end = "; interrupted, run again to go on" if self.interrupted else "; stopped" if self.stopped else ""
        return f"{', '.join(parts) or 'nothing to do'} in {self.seconds:.1f} s{end}"

    def to_json(self) -> str:
        """The report as a JSON document."""
        head = {
            "schema": SCHEMA,
            "version": isp_ns.__version__,
            "started": self.started,
            "seconds": round(self.seconds, 3),
            "interrupted": self.interrupted,
            "counts": self.counts,
        }
        return json.dumps({**head, "files": [_plain(r) for r in self.records]}, indent=1, ensure_ascii=False) + "\n"

    def to_csv(self) -> str:
        """The records as a table with a heading; lists are joined by `; `."""
        text = io.StringIO()
        phases = ("decode", "compute", "write")
        columns = ["input", "status", "reason", "outputs", "pipeline", "kind", "height", "width", *phases, "warnings"]
        table = csv.writer(text, lineterminator="\n")
        table.writerow(columns)
        for r in self.records:
            seconds = [f"{r.seconds[phase]:.3f}" if phase in r.seconds else "" for phase in phases]
            size = r.size or ("", "")
            row = [r.input, r.status, r.reason, "; ".join(r.outputs), r.pipeline, r.kind, *size, *seconds]
            table.writerow([*row, "; ".join(r.warnings)])
        return text.getvalue()

    def write(self, path: Path) -> None:
        """Write JSON, or CSV if the name ends so.

        Raises:
            OSError: if the file cannot be written.
        """
        text = self.to_csv() if path.suffix.lower() == ".csv" else self.to_json()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="backslashreplace")


def _plain(record: Record) -> dict[str, Any]:
    plain = asdict(record)
    plain["seconds"] = {phase: round(value, 3) for phase, value in record.seconds.items()}
    return plain
