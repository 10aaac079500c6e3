"""`isp-ns bench`: how fast stages, pipelines and whole processes are here, beside other raw developers."""

import json
import sys
from pathlib import Path
from typing import NoReturn

import click

from isp_ns.core.errors import OutputError

__all__ = ["bench"]

GROUPS = ("stages", "pipelines", "outputs", "processes")


def _names(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """The names of "a,b"; none of an empty text; None if the option is not given."""
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


@click.command(
    epilog="""\b
Examples:
  isp-ns bench
  isp-ns bench --only stages --stages demosaic.malvar,demosaic.menon
  isp-ns bench --only processes --pipelines classic --against darktable --runs 7 --json speed.json
  isp-ns bench --only pipelines --megapixels 100 --markdown
  isp-ns bench --only outputs --heads my-heads.safetensors
\b
The group outputs tells what image, depth and labels cost from one pass of the pipeline neural, beside three nets of
one output each, at 640 by 480 pixels, and what depth and labels add to a photo.
\b
Whole processes run in pairs, ours and the rival's, A B A B, and each ratio is of one pair: above 1, isp-ns is
slower. Unless pipelines and rivals are named, fast stands beside dcraw_emu, all others beside darktable and
rawtherapee. Rivals that are not installed are named and left out. Close other programs first: the result says
how busy the machine was.
\b
Exit codes:
  0    everything was measured, or rightly left out
  1    something failed; the table says what
  2    an option makes no sense; nothing was measured
  130  interrupted
"""
)
@click.option("--only", "groups", multiple=True, type=click.Choice(GROUPS), help="Measure these groups only.")
@click.option("--pipelines", callback=_names, metavar="A,B", help="Pipelines.  [default: fast,classic,neural]")
@click.option("--against", callback=_names, metavar="A,B", help="Rivals: dcraw_emu, darktable, rawtherapee; '' for none.")  # noqa: E501  # fmt: skip
@click.option("--stages", callback=_names, metavar="A,B", help="Stages.  [default: all]")
@click.option("--heads", default="nyu-lite", show_default=True, metavar="WEIGHTS", help="Heads of depth and labels, a name or a .safetensors file.")  # noqa: E501  # fmt: skip
@click.option("--runs", type=click.IntRange(1), metavar="N", help="Measured runs of each.  [default: 7 stages, 5 pipelines, outputs and single photos, 3 batches]")  # noqa: E501  # fmt: skip
@click.option("--megapixels", type=click.FloatRange(0.001), default=24.0, show_default=True, help="Size of the photo.")
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True, help="Photos in a batch; 1: no batches.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the photo's noise.")
@click.option("--device", default="cpu", show_default=True, help="Torch device of pipelines in process.")
@click.option("--work", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Folder that keeps the photo for the next time.  [default: temporary]")  # noqa: E501  # fmt: skip
@click.option("--json", "result", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the result.")  # noqa: E501  # fmt: skip
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the tables as Markdown.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def bench(
    groups: tuple[str, ...],
    pipelines: tuple[str, ...] | None,
    against: tuple[str, ...] | None,
    stages: tuple[str, ...] | None,
    heads: str,
    runs: int | None,
    megapixels: float,
    batch: int,
    seed: int,
    device: str,
    work: Path | None,
    result: Path | None,
    as_markdown: bool,
    quiet: bool,
) -> NoReturn:
    """Measure how fast stages, pipelines and whole processes are on this machine, beside other raw developers."""
    from isp_ns.bench.run import Options
    from isp_ns.bench.run import bench as run
    from isp_ns.bench.table import markdown, plain

    options = Options(
        groups=groups or GROUPS,
        pipelines=pipelines,
        against=against,
        stages=stages,
        heads=heads,
        runs=runs,
        megapixels=megapixels,
        batch=batch,
        seed=seed,
        device=device,
        work=work,
    )
    if result is not None and not result.parent.is_dir():
        raise OutputError(f"--json {result}: there is no folder {result.parent}")
    document = run(options, tell=lambda line: None if quiet else click.echo(line, err=True))
    if result is not None:
        result.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    click.echo(markdown(document) if as_markdown else plain(document))
    sys.exit(int(any(row["status"] == "failed" for row in document["rows"])))
