"""`isp-ns evaluate raw`: pipelines on RAW of simulated cameras, whose noise and truth are known."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isp_ns.cli.scores import check_target, numbers, protocol_text, write_scores
from isp_ns.core.errors import DecodeError

if TYPE_CHECKING:
    from isp_ns.core.frame import Frame

__all__ = ["raw"]

EPILOG = """\b
Examples:
  isp-ns evaluate raw kodak24 -p classic -p neural --json scores.json
  isp-ns evaluate raw kodak24 -p classic+nlm -p mine.yaml --cameras fictitious-phone --iso 100,3200 --images 6
\b
Pipelines: names (isp-ns graph list), NAME+PATCH, YAML files. Cameras: profiles, by name or YAML file; shipped are
canon-powershot-s40, fictitious-full-frame, fictitious-phone and gopro-hero6-black.
\b
The truth is the same scene without the sensor: in the linear domain its light (linear sRGB before tone), in the
rendered domain that light through the pipeline's own tone, detail and encoding. With --noise true a pipeline is told
the camera's noise model; with blind it works with what the photograph itself gives away.
"""

CAMERAS = "canon-powershot-s40,fictitious-full-frame,fictitious-phone,gopro-hero6-black"

_COLUMNS = (
    ("psnr_linear_db", "PSNR dB", ".2f"),
    ("ssim_linear", "SSIM", ".4f"),
    ("delta_e2000_linear", "ΔE2000", ".2f"),
    ("psnr_rendered_db", "PSNR dB", ".2f"),
    ("ssim_rendered", "SSIM", ".4f"),
    ("delta_e2000", "ΔE2000", ".2f"),
)
_WIDTH = 7


@click.command(epilog=EPILOG)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR")
@click.option("-p", "--pipeline", "pipelines", multiple=True, required=True, metavar="NAME", help="A pipeline; give as many as you like.")  # noqa: E501  # fmt: skip
@click.option("--cameras", default=CAMERAS, metavar="A,B", help="Simulated cameras.  [default: all shipped]")
@click.option("--iso", "isos", default="100,400,1600,6400,25600", show_default=True, metavar="A,B", help="Sensitivities.")  # noqa: E501  # fmt: skip
@click.option("--noise", default="both", show_default=True, type=click.Choice(["true", "blind", "both"]), help="The noise model that pipelines are told.")  # noqa: E501  # fmt: skip
@click.option("--images", "count", type=click.IntRange(min=1), metavar="N", help="The first N pictures only.  [default: all]")  # noqa: E501  # fmt: skip
@click.option("--json", "target", type=click.Path(path_type=Path), metavar="FILE", help="Write the scores, with the protocol.")  # noqa: E501  # fmt: skip
def raw(
    folder: Path,
    pipelines: tuple[str, ...],
    cameras: str,
    isos: str,
    noise: str,
    count: int | None,
    target: Path | None,
) -> None:
    """Score pipelines on the pictures of DIR as simulated cameras take them: PSNR, SSIM and ΔE2000."""
    from isp_ns.compare.raw_eval import NOISES, evaluate_raw
    from isp_ns.compare.renderers import graph_of, unique_names

    check_target(target)
    names, graphs = zip(*map(graph_of, pipelines), strict=True)
    result = evaluate_raw(
        dict(zip(unique_names(names), graphs, strict=True)),
        _pictures(folder, count),
        cameras.split(","),
        numbers("--iso", isos),
        noises=[each for each in NOISES if noise in (each, "both")],
        tell=lambda text: click.echo(text, err=True),
    )
    click.echo(_table(result["rows"]))
    click.echo(f"\n{protocol_text(result['protocol'])}")
    write_scores(target, result)


def _pictures(folder: Path, count: int | None) -> "Iterator[Frame]":
    from isp_ns.compare.cases import find_files
    from isp_ns.io.formats import IMAGE_EXTENSIONS
    from isp_ns.io.read import read_image

    paths = list(find_files([folder], images=True))[:count]
    if not paths:
        raise DecodeError(f"{folder}: there are no images in it ({', '.join(sorted(IMAGE_EXTENSIONS))})")
    for path in paths:
        yield read_image(path)


def _table(rows: Sequence[dict[str, Any]]) -> str:
    """A block for each camera."""
    width = max(len("pipeline"), *(len(row["pipeline"]) for row in rows))
    names = "  ".join(f"{name:>{_WIDTH}}" for _, name, _ in _COLUMNS)
    half = len(names) // 2
    head = f"{'':{width + 16}}{'linear':<{half}}  rendered\n  ISO  {'pipeline':<{width}}  noise  {names}"
    blocks = []
    for camera, group in groupby(rows, key=lambda row: row["camera"]):
        here = list(group)
        lines = [f"{row['iso']:>5g}  {row['pipeline']:<{width}}  {row['noise']:<5}  {_scores(row)}" for row in here]
        blocks.append("\n".join([f"{camera} (pictures: {here[0]['images']})", head, *lines]))
    return "\n\n".join(blocks)


def _scores(row: dict[str, Any]) -> str:
    texts = (format(row[key], form) if row[key] is not None else "inf" for key, _, form in _COLUMNS)
    return "  ".join(f"{text:>{_WIDTH}}" for text in texts)
