"""`isp-ns evaluate`: scores on image sets under fixed protocols."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from isp_ns.cli.evaluate_heads import depth, multitask, segment
from isp_ns.cli.evaluate_raw import raw
from isp_ns.cli.evaluate_scales import scales
from isp_ns.cli.scores import check_target, numbers, protocol_text, write_scores
from isp_ns.core.errors import DecodeError, SettingsError

__all__ = ["evaluate"]


@click.group(
    epilog="""\b
Examples:
  isp-ns evaluate demosaic kodak24
  isp-ns evaluate demosaic kodak24 --methods menon,ahd,nlm+menon,ns-lite --sigma 0,5 --json scores.json
  isp-ns evaluate raw kodak24 -p classic -p neural --iso 100,1600,25600
  isp-ns evaluate depth --dataset nyuv2 --root data/nyuv2 --split test --iso 1600
  isp-ns evaluate scales photo.jpg
"""
)
def evaluate() -> None:
    """Score methods on image sets."""


for _command in (raw, depth, segment, multitask, scales):
    evaluate.add_command(_command)


@evaluate.command(
    epilog="""\b
Methods are bilinear, malvar, menon and mlri, taken as published; LibRaw's ahd, aahd, dcb, dht, ppg and vng; one of
these behind denoising stages of mosaics, joined by +, such as nlm+menon; and the weights of neural spaces in single
precision, by name such as ns-lite or by the path of their .safetensors file. Every method is told the noise.
"""
)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR")
@click.option("--methods", metavar="A,B", help="What to score.  [default: all that stand alone]")
@click.option("--sigma", "sigmas", default="0", show_default=True, metavar="S,T", help="Noise where white is 255.")
@click.option("--pattern", default="RGGB", show_default=True, type=click.Choice(["RGGB", "BGGR", "GRBG", "GBRG"]))
@click.option("--json", "target", type=click.Path(path_type=Path), metavar="FILE", help="Write the scores, with the protocol.")  # noqa: E501  # fmt: skip
def demosaic(folder: Path, methods: str | None, sigmas: str, pattern: str, target: Path | None) -> None:
    """Score demosaicking on the images of DIR: CPSNR with and without an 8-pixel border, and SSIM."""
    from isp_ns.cli.methods import lone_methods, method_of
    from isp_ns.metrics.demosaic_eval import evaluate as score

    check_target(target)
    names = [name.strip() for name in methods.split(",")] if methods else lone_methods()
    named = {name: method_of(name) for name in names}
    read: list[Path] = []
    try:
        result = score(named, _images(folder, read), numbers("--sigma", sigmas), pattern=pattern)
    except ValueError as error:
        raise SettingsError(f"{read[-1]}: {error}" if read else str(error)) from None
    result["protocol"]["arithmetic"] = "neural spaces in fp32"
    click.echo(_table(result["rows"]))
    click.echo(f"\n{protocol_text(result['protocol'])}")
    write_scores(target, result)


def _images(folder: Path, read: list[Path]) -> Iterator[Any]:
    """The pictures of a folder; the paths of those that have been read are added to `read`."""
    from isp_ns.io.formats import IMAGE_EXTENSIONS
    from isp_ns.io.read import read_image

    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_EXTENSIONS)
    if not paths:
        raise DecodeError(f"{folder}: there are no images in it ({', '.join(sorted(IMAGE_EXTENSIONS))})")
    for path in paths:
        read.append(path)
        yield read_image(path).data


def _table(rows: list[dict[str, Any]]) -> str:
    width = max(len(row["method"]) for row in rows)
    lines = [f"{'method':<{width}}  sigma  CPSNR dB  CPSNR dB, crop 8    SSIM  images"]
    for row in rows:
        scores = [f"{row[key]:.2f}" if row[key] is not None else "inf" for key in ("cpsnr_db", "cpsnr_db_crop8")]
        lines.append(
            f"{row['method']:<{width}}  {row['sigma']:5g}  {scores[0]:>8}  {scores[1]:>16}  {row['ssim']:.4f}  "
            f"{row['images']:6d}"
        )
    return "\n".join(lines)
