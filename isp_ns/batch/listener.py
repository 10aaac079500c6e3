"""What a batch tells while it runs, and to whom."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from isp_ns.batch.report import Record, Report

__all__ = ["Listener", "Silent", "heard_warnings"]


class Listener(Protocol):
    """Hears what happens. Calls may come from several threads, one at a time."""

    def begin(self, total: int) -> None:
        """The batch has `total` files to develop."""

    def settle(self, record: Record) -> None:
        """A file is done with, whatever came of it."""

    def note(self, text: str) -> None:
        """Something worth knowing about the batch as a whole."""

    def detail(self, text: str) -> None:
        """Something for those who look closer: the time of every stage, or the traceback of a fault."""

    def end(self, report: Report) -> None:
        """The batch is over."""


class Silent:
    """Hears nothing."""

    def begin(self, total: int) -> None:
        """Do nothing."""

    def settle(self, record: Record) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def detail(self, text: str) -> None:
        """Do nothing."""

    def end(self, report: Report) -> None:
        """Do nothing."""


@contextmanager
def heard_warnings(heard: list[str]) -> Iterator[None]:
    """Add to `heard` what the library logs as a warning inside the block, each sentence once."""
    handler = _Ear(heard)
    log = logging.getLogger("isp_ns")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class _Ear(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self.heard:
            self.heard.append(text)
