"""What the verbs under `isp-ns evaluate` share: lists of numbers in options, progress, and the file of scores."""

import json
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from isp_ns.core.errors import OutputError, SettingsError

__all__ = ["check_target", "counter", "numbers", "protocol_text", "write_scores"]


def numbers(option: str, text: str) -> list[float]:
    """The numbers of an option such as "0,5,15".

    Raises:
        SettingsError: if it holds anything else.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise SettingsError(f"{option} {text}: takes numbers such as 0,5,15") from None


def counter(what: str) -> Callable[[int, int], None]:
    """A line on the terminal that tells how many of `what` are done; nothing elsewhere."""

    def watch(done: int, count: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{done} of {count} {what}", nl=done == count, err=True)

    return watch


def protocol_text(protocol: Mapping[str, Any]) -> str:
    """A protocol as a paragraph for the terminal, to be printed beside the numbers."""
    told = "; ".join(f"{name}: {_plain(value)}" for name, value in protocol.items())
    return textwrap.fill(f"Protocol: {told}.", 100, subsequent_indent="  ", break_long_words=False)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items())
    return ", ".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)


def check_target(target: Path | None) -> None:
    """See before long work that its scores will have a place.

    Raises:
        OutputError: if the folder of `target` is not there.
    """
    if target is not None and not target.absolute().parent.is_dir():
        raise OutputError(f"{target}: there is no folder {target.parent}; make it first")


def write_scores(target: Path | None, result: Mapping[str, Any]) -> None:
    """Write scores with their protocol as JSON; nothing where there is no target.

    Raises:
        OutputError: if the file cannot be written.
    """
    if target is None:
        return
    try:
        target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror})") from error
