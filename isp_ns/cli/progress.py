"""What `isp-ns process` tells: a bar on a terminal, plain lines elsewhere, log files if asked for."""

import contextlib
import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from isp_ns.batch.report import Record, Report
from isp_ns.batch.settings import Settings
from isp_ns.core.errors import SettingsError

__all__ = ["Teller", "listener_for"]


def listener_for(settings: Settings, *, quiet: bool, verbose: int, plain: bool) -> "Teller":
    """The listener that flags and the terminal ask for.

    Raises:
        SettingsError: if a log file cannot be opened.
    """
    bar = sys.stderr.isatty() and not (plain or quiet)
    return Teller(quiet=quiet, verbose=verbose, bar=bar, log=settings.log_file, records=settings.log_json)


class Teller:
    """Tells people and log files what becomes of every file."""

    def __init__(self, *, quiet: bool, verbose: int, bar: bool, log: str | None, records: str | None) -> None:
        self.quiet, self.verbose = quiet, verbose
        self._stack = contextlib.ExitStack()
        self._log, self._records = (self._opened(path) for path in (log, records))
        self._wants_bar = bar
        self._bar: _Bar | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._stack.close()

    def begin(self, total: int) -> None:
        """Start a bar, if there is more than one file to wait for."""
        if self._wants_bar and total > 1:
            self._bar = _Bar(total)

    def settle(self, record: Record) -> None:
        """Tell about a file and move the bar."""
        bad = record.status in ("failed", "unsupported")
        named = record.status == "done" and self._bar is None
        if bad or (not self.quiet and (named or self.verbose)):
            self._print(_words(record, seconds=self.verbose > 0))
        self._write(_words(record, seconds=True))
        for warning in record.warnings:
            if not self.quiet:
                self._print(f"warning  {record.input}: {warning}")
            self._write(f"warning  {record.input}: {warning}")
        if self._records is not None:
            self._records.write(json.dumps(asdict(record)) + "\n")
            self._records.flush()
        if self._bar is not None and record.status not in ("skipped", "stale", "ignored"):
            self._bar.advance(bad)

    def note(self, text: str) -> None:
        """Tell about the batch."""
        if not self.quiet:
            self._print(text)
        self._write(text)

    def detail(self, text: str) -> None:
        """Tell those who want all of it."""
        if self.verbose > 1:
            self._print(text.rstrip())
        self._write(text.rstrip())

    def end(self, report: Report) -> None:
        """Tell the counts."""
        if self._bar is not None:
            self._bar.stop()
        if not self.quiet:
            self._print(report.summary())
        self._write(report.summary())

    def _opened(self, path: str | None) -> IO[str] | None:
        if path is None:
            return None
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            return self._stack.enter_context(Path(path).open("a", encoding="utf-8", errors="backslashreplace"))
        except OSError as error:
            raise SettingsError(f"the log {path} cannot be written ({error.strerror})") from None

    def _print(self, text: str) -> None:
        if self._bar is not None:
            self._bar.print(text)
        else:
            print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the command's own output

    def _write(self, text: str) -> None:
        if self._log is not None:
            self._log.write(f"{datetime.now().isoformat(timespec='milliseconds')} {text}\n")
            self._log.flush()


def _words(record: Record, *, seconds: bool) -> str:
    target = f" -> {', '.join(record.outputs)}" if record.status == "done" else ""
    spent = [f"{phase} {value:.2f} s" for phase, value in record.seconds.items()] if seconds else []
    about = "; ".join(filter(None, [record.pipeline if record.status == "done" else "", record.reason, *spent]))
    if record.status in ("failed", "unsupported"):
        return f"{record.status}  {record.input}: {about}"
    return f"{record.status}  {record.input}{target}" + (f" ({about})" if about else "")


class _Bar:
    """A progress bar by rich, imported only where there is a terminal."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._failed = 0
        self._progress = Progress(
            TextColumn("developing"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[failed]}"),
            console=Console(stderr=True),
            refresh_per_second=4,
        )
        self._task = self._progress.add_task("", total=total, failed="")
        self._progress.start()

    def advance(self, failed: bool) -> None:
        self._failed += failed
        self._progress.update(self._task, advance=1, failed=f"{self._failed} failed" if self._failed else "")

    def print(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        self._progress.stop()
