"""`isp-ns compare`: the same photographs through several pipelines, on one page."""

import sys
from pathlib import Path
from typing import NoReturn

import click

from isp_ns.cli.main import EXIT_CODES
from isp_ns.core.errors import SettingsError

__all__ = ["compare"]

EPILOG = f"""\b
Examples:
  isp-ns compare IMG_0042.dng -p fast -p classic -p libraw -o page
  isp-ns compare shoot -p classic -p darktable -p rawtherapee -o page
  isp-ns compare kodak -p fast -p classic -p libraw:DCB --simulate fictitious-phone:100,1600,12800 -o page
  isp-ns compare raws -p classic -p my.yaml --truth originals -o page
\b
Pipelines: names (isp-ns graph list), NAME+PATCH, YAML files; the renderers libraw, libraw:AAHD (AHD, AAHD, DCB,
DHT, VNG, PPG, LINEAR), darktable and rawtherapee (the programs must be installed).
\b
With a truth (--truth, --simulate) the page tells who wins, by how much, at what cost; without one it tells sharpness,
noise and where the pipelines disagree. Open page/index.html in any browser; results.json and results.md hold the
same numbers. Tone stages are left out unless --look own is given, because taste is no error.
{EXIT_CODES}"""


@click.command(epilog=EPILOG)
@click.argument("inputs", nargs=-1, required=True, type=click.Path(), metavar="INPUT...")
@click.option("-p", "--pipeline", "pipelines", multiple=True, required=True, metavar="NAME", help="A pipeline or renderer; give two or more.")  # noqa: E501  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(), metavar="DIR", help="Folder for the page.")
@click.option("--truth", type=click.Path(), metavar="DIR", help="True pictures, paired with the inputs by stem.")
@click.option("--simulate", metavar="CAMERA:ISO[,ISO]", help="Photograph the INPUTs, which are pictures, with this camera.")  # noqa: E501  # fmt: skip
@click.option("--look", default="neutral", show_default=True, type=click.Choice(["neutral", "own"]), help="Leave tone stages out, or keep each pipeline's own.")  # noqa: E501  # fmt: skip
@click.option("--align", default="exposure", show_default=True, type=click.Choice(["exposure", "none"]), help="Bring pictures to one exposure before measuring.")  # noqa: E501  # fmt: skip
@click.option("--crop", "crop_px", default=8, show_default=True, type=click.IntRange(min=0), metavar="PX", help="Border that is not measured.")  # noqa: E501  # fmt: skip
@click.option("--pictures", default=24, show_default=True, type=click.IntRange(min=0), metavar="N", help="Most photographs shown; all are measured.")  # noqa: E501  # fmt: skip
@click.option("-r", "--recursive", is_flag=True, help="Look into subfolders.")
@click.option("--timeout", "timeout_s", default=120.0, show_default=True, type=click.FloatRange(min=1), metavar="S", help="Longest time for a decoder or program on one file.")  # noqa: E501  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Tell about failures only.")
def compare(
    inputs: tuple[str, ...],
    pipelines: tuple[str, ...],
    output: str,
    truth: str | None,
    simulate: str | None,
    look: str,
    align: str,
    crop_px: int,
    pictures: int,
    recursive: bool,
    timeout_s: float,
    quiet: bool,
) -> NoReturn:
    """Develop INPUTs with several pipelines, measure and show the differences."""
    from isp_ns import compare as package

    if len(pipelines) < 2:
        raise SettingsError("a comparison needs two pipelines: -p classic -p libraw")
    comparison = package.compare(
        inputs,
        pipelines,
        output,
        truth=truth,
        simulate=simulate,
        look="own" if look == "own" else "neutral",
        align="none" if align == "none" else "exposure",
        crop_px=crop_px,
        recursive=recursive,
        pictures=pictures,
        timeout_s=timeout_s,
        tell=lambda text: _tell(text, quiet),
    )
    for head in comparison.verdict:
        click.echo(f"{head.question} {head.answer}. {head.detail}")
    click.echo(Path(output, "index.html"))
    sys.exit(comparison.exit_code)


def _tell(text: str, quiet: bool) -> None:
    if not quiet or not text.startswith("done"):
        click.echo(text, err=True)
