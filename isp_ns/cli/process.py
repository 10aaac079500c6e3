"""`isp-ns process`: develop files and folders into photos."""

import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from isp_ns.batch.naming import KEYS
from isp_ns.batch.settings import Layer, Setting, Settings, table
from isp_ns.cli.main import EXIT_CODES
from isp_ns.core.errors import SettingsError

__all__ = ["process"]

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Look": ("pipeline", "patch", "set", "wb", "matrix", "profile", "output_space", "outputs", "orientation", "raw"),
    "Files": ("output", "format", "bit_depth", "quality", "subsampling", "compression", "name", "on_exists"),
    "Inputs": ("recursive", "ext", "files_from", "max_megapixels", "timeout"),
    "Run": ("dry_run", "jobs", "tile", "fail_fast", "config", "print_config"),
    "Report": ("report", "log_file", "log_json", "quiet", "verbose", "no_progress"),
}
"""Sections of the help and their options."""

_KEYS = "\n".join(f"  {{{key}}}".ljust(14) + text for key, text in KEYS.items())

EPILOG = f"""\b
Examples:
  isp-ns process IMG_0042.dng -o photos
  isp-ns process IMG_0042.dng -o photo.tif --bit-depth 16
  isp-ns process card/DCIM -r -o photos --on-exists if-changed -j 4
  isp-ns process shoot -o out -p classic --wb kelvin:5200 --set tone.contrast=1.2
  isp-ns process chart.raw -o out --raw 1920x1080:10:RGGB:64
  find . -name '*.NEF' | isp-ns process --files-from - -o out --report out.csv
\b
Keys of --name (folders are mirrored unless {{relpath}} is used):
{_KEYS}
\b
Settings may also come, from weak to strong, from isp-ns.yaml in the current folder (or --config FILE),
from ISP_NS_* variables (ISP_NS_QUALITY=90), and from a sidecar beside a photo (IMG.dng.isp-ns.yaml).
\b
Photos that exist are skipped, and counted as stale if their input or settings have changed since.
Folders: RAW extensions in any case are taken; hidden files and the output folder are not looked at;
links to files are followed, links to folders are not. Progress goes to stderr, data to stdout.
{EXIT_CODES}"""


class _Sectioned(click.Command):
    """A command whose help lists its options in sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by section."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        known = {option.name or "": option.get_help_record(ctx) for option in options}
        records = {name: record for name, record in known.items() if record is not None}
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([records.pop(name) for name in names])
        with formatter.section("Other"):
            formatter.write_dl(list(records.values()))


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for every setting."""
    for name, setting in reversed(table().items()):
        command = _option(name, setting)(command)
    return command


def _option(name: str, setting: Setting) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    flag = "--" + name.replace("_", "-")
    flags = [f"-{setting.short}", flag] if setting.short else [flag]
    if setting.kind == "switch":
        return click.option(*flags, name, is_flag=True, default=None, help=setting.help)
    default = getattr(Settings(), name)
    shown = f"  [default: {','.join(default) if isinstance(default, tuple) else default}]"
    text = setting.help + (shown if default not in (None, (), {}) else "")
    kind = click.Choice(setting.choices) if setting.choices else None
    several = setting.kind in ("list", "mapping")
    metavar = setting.metavar or None
    return click.option(*flags, name, type=kind, metavar=metavar, multiple=several, default=None, help=text)


@click.command(cls=_Sectioned, epilog=EPILOG)
@click.argument("inputs", nargs=-1, type=click.Path(), metavar="INPUT...")
@click.option("-o", "--output", "--output-dir", "output", type=click.Path(), metavar="DIR", help="Folder for the photos, made if need be; or a file for one input.")  # noqa: E501  # fmt: skip
@click.option("--files-from", type=click.Path(), metavar="FILE", help="Read more inputs from a file, one a line; - is stdin.")  # noqa: E501  # fmt: skip
@click.option("--config", type=click.Path(), metavar="FILE", help="Configuration file.  [default: isp-ns.yaml here]")
@click.option("--print-config", is_flag=True, help="Print all settings and where each comes from, and stop.")
@click.option("-n", "--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Tell about failures only.")
@click.option("-v", "--verbose", count=True, help="Tell more; twice for the time of every stage and tracebacks.")
@click.option("--no-progress", is_flag=True, help="A plain line per file, also on a terminal.")
@_options
def process(
    inputs: tuple[str, ...],
    output: str | None,
    files_from: str | None,
    config: str | None,
    print_config: bool,
    dry_run: bool,
    quiet: bool,
    verbose: int,
    no_progress: bool,
    **flags: Any,
) -> NoReturn:
    """Develop RAW files, and folders of them, into photos."""
    settings = _settings(config, flags)
    named = [*inputs, *_listed(files_from)]
    if print_config:
        _print_config(settings, named)
        sys.exit(0)
    if not output:
        raise SettingsError("say where the photos go: -o DIR")
    from isp_ns.cli.progress import listener_for

    tell = listener_for(settings, quiet=quiet, verbose=verbose, plain=no_progress)
    with tell:
        sys.exit(_run(named, inputs, output, settings, tell, dry_run=dry_run))


def _settings(config: str | None, flags: Mapping[str, Any]) -> Settings:
    """All layers but the sidecars."""
    from isp_ns.batch.layers import CONFIG_NAME, with_environment, with_file

    settings = Settings()
    path = Path(config or CONFIG_NAME)
    if config is not None or path.is_file():
        settings = with_file(settings, path)
    settings = with_environment(settings, os.environ)
    return settings.layered({name: None if v == () else v for name, v in flags.items()}, Layer.FLAG, "flag")


def _listed(files_from: str | None) -> list[str]:
    if files_from is None:
        return []
    try:
        with click.open_file(files_from, encoding="utf-8-sig", errors="surrogateescape") as lines:
            return [line.rstrip("\r\n") for line in lines if line.strip()]
    except OSError as error:
        raise SettingsError(f"--files-from {files_from}: cannot be read ({error.strerror})") from None


def _check_report(report: str | None) -> None:
    """See before the batch that its report will have a place."""
    if report is None:
        return
    path = Path(report).absolute()
    there = path if path.exists() else next(parent for parent in path.parents if parent.exists())
    fits = path.is_file() if path.exists() else there.is_dir()
    if not fits or not os.access(there, os.W_OK):
        raise SettingsError(f"--report {report}: no file can be written there")


def _run(
    named: list[str], arguments: Iterable[str], output: str, settings: Settings, tell: Any, *, dry_run: bool
) -> int:
    from isp_ns.batch.plan import make_plan
    from isp_ns.batch.run import read_facts, run_plan

    if "" in named:
        raise SettingsError("an input has an empty name; for the current folder say .")
    missing = [path for path in arguments if not Path(path).exists()]
    if missing:
        raise SettingsError(f"there is no {', '.join(missing)}")
    _check_report(settings.report)
    signal.signal(signal.SIGTERM, _interrupt)
    plan = make_plan(named, output, settings, read_facts)
    if not plan.jobs and all(record.status == "ignored" for record in plan.settled):
        extra = f" ({len(plan.settled)} other files)" if plan.settled else ""
        raise SettingsError(f"no RAW files in {', '.join(named)}{extra}; -r looks into subfolders, --ext takes others")
    if dry_run:
        from isp_ns.batch.run import preview

        report = preview(plan)
        for record in report.records:
            click.echo(_line(record))
    else:
        for record in plan.settled:
            tell.settle(record)
        report = run_plan(plan, settings, tell)
    if settings.report is not None:
        report.write(Path(settings.report))
    return report.exit_code


def _line(record: Any) -> str:
    target = f" -> {', '.join(record.outputs)}" if record.outputs else ""
    about = "; ".join(filter(None, [record.pipeline, record.reason]))
    return f"{record.status}\t{record.input}{target}" + (f"\t({about})" if about else "")


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _print_config(settings: Settings, named: list[str]) -> None:
    """All settings with their origins; those of sidecars for the files that have one."""
    from isp_ns.batch.layers import with_sidecar
    from isp_ns.batch.scan import scan

    for name in table():
        click.echo(_setting_line(name, settings))
    if not named:
        return
    found = scan(named, output=Path(), recursive=settings.recursive, extensions=settings.ext)
    for source in found.sources:
        own = with_sidecar(settings, source)
        changed = [name for name in table() if own.origin(name).layer is Layer.SIDECAR]
        for name in changed:
            click.echo(f"{source.path}: {_setting_line(name, own)}")


def _setting_line(name: str, settings: Settings) -> str:
    import json

    value = json.dumps(getattr(settings, name), ensure_ascii=False, default=str)
    return f"{name}: {value}  # {settings.origin(name).label}"
