"""The command `isp-ns`: verbs are imported when they are used, so that `--help` and `--version` answer at once."""

import atexit
import contextlib
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import click

import isp_ns
from isp_ns.core.errors import (
    GraphError,
    IspError,
    OutputError,
    OutputExistsError,
    SettingsError,
    UnsupportedSensorError,
)

__all__ = ["EXIT_CODES", "cli", "main", "plain_errors"]

VERBS: Mapping[str, tuple[str, str]] = {
    "process": ("isp_ns.cli.process:process", "Develop RAW files into photos."),
    "info": ("isp_ns.cli.info:info", "Show what is known about RAW files, and from where."),
    "graph": ("isp_ns.cli.graph:graph", "List, show and check pipelines."),
    "stages": ("isp_ns.cli.stages:stages", "List stages, or describe one."),
    "models": ("isp_ns.cli.models:models", "List, show and verify weights."),
    "synth": ("isp_ns.cli.synth:synth", "Make RAW files out of photos."),
    "train": ("isp_ns.cli.train:train", "Train networks from recipes."),
    "evaluate": ("isp_ns.cli.evaluate:evaluate", "Score methods on image sets."),
    "compare": ("isp_ns.cli.compare:compare", "Compare pipelines on one page."),
    "bench": ("isp_ns.cli.bench:bench", "Measure speed here, beside other raw developers."),
    "export": ("isp_ns.cli.export:export", "Write weights in the formats of other programs."),
}
"""Verbs, where they are defined, and their line in the help."""

EXIT_CODES = """\
\b
Exit codes:
  0    done, or there was rightly nothing to do
  1    some files failed, or all; they are tried again at the next run
  2    a flag, setting or pipeline makes no sense; nothing was done
  3    every input is of a kind that is not supported
  130  interrupted; the next run goes on
"""

_USAGE: tuple[type[IspError], ...] = (SettingsError, GraphError, OutputError)


class _Failure(click.ClickException):
    """An error of the library as one clear sentence."""

    exit_code = 1


class _Misuse(_Failure):
    exit_code = 2


class _Unsupported(_Failure):
    exit_code = 3


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Turn errors of the library into a message and an exit code, and Ctrl-C into exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None
    except IspError as error:
        raise _fault(error)(_sentence(error)) from error
    except FileNotFoundError as error:
        # Content that is asked for by name and is not there: the message lists what is.
        raise _Misuse(_sentence(error)) from error


def _fault(error: IspError) -> type[_Failure]:
    if isinstance(error, UnsupportedSensorError):
        return _Unsupported
    return _Misuse if isinstance(error, _USAGE) and not isinstance(error, OutputExistsError) else _Failure


def _sentence(error: BaseException) -> str:
    return "\n".join([str(error), *(f"  {note}" for note in getattr(error, "__notes__", ()))])


class _Verbs(click.Group):
    """A group whose commands are imported when used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb; None when there is no such verb."""
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing any."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, summary) for name, (_, summary) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that the arguments name; a near miss is answered with the verb that is meant."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from isp_ns.core.registry import did_you_mean

            ctx.fail(f"there is no verb {args[0]}{did_you_mean(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb with plain errors."""
        with plain_errors():
            return super().invoke(ctx)


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"""\b
Examples:
  isp-ns process IMG_0042.dng -o photos
  isp-ns process /media/card/DCIM -r -o photos
  isp-ns info IMG_0042.dng
  isp-ns graph show classic

{EXIT_CODES}""",
)
@click.version_option(isp_ns.__version__, prog_name="isp-ns", message="%(prog)s %(version)s")
def cli() -> None:
    """Develop RAW photographs with typed pipelines of classical and neural stages."""


def main() -> NoReturn:
    """The console script."""
    code: int | str | None = 0
    try:
        cli(prog_name="isp-ns")
    except SystemExit as end:
        code = end.code
    _leave(code if isinstance(code, int) else int(code is not None))


def _leave(code: int) -> NoReturn:
    """End without taking everything apart first, which takes Python half a second once torch is loaded."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
