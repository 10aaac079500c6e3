"""`isp-ns synth`: photos to RAW files of a simulated camera."""

from pathlib import Path

import click

from isp_ns.core.errors import SettingsError

__all__ = ["synth"]


@click.command(
    epilog="""\b
Examples:
  isp-ns synth kodak/*.png -o raws --iso 1600
  isp-ns synth photo.jpg -o raws --camera fictitious-phone --cfa GRBG --seed 7
"""
)
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True), metavar="IMAGE...")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder for DNGs.")
@click.option("--camera", default="fictitious-full-frame", show_default=True, help="Camera profile: a name or a file.")
@click.option("--iso", default=100.0, show_default=True, type=click.FloatRange(1, 1e7), help="Sensitivity.")
@click.option("--cfa", default="RGGB", show_default=True, type=click.Choice(["RGGB", "BGGR", "GRBG", "GBRG"]))
@click.option("--seed", default=0, show_default=True, help="Of the noise; the same seed gives the same file.")
@click.option("--size", metavar="WxH", help="Size of the photographs, filled with mirror images.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there; they are never replaced otherwise.")
def synth(
    images: tuple[Path, ...],
    output: Path,
    camera: str,
    iso: float,
    cfa: str,
    seed: int,
    size: str | None,
    overwrite: bool,
) -> None:
    """Photograph IMAGES with a simulated camera and write the RAW files as DNG."""
    from isp_ns.data.synth import synthesise

    wanted = _size(size)
    targets = [output / f"{image.stem}.dng" for image in images]
    if len(set(targets)) < len(targets):
        raise SettingsError("two images would be written to one file; give images with different names")
    there = [target for target in targets if target.exists()]
    if there and not overwrite:
        raise SettingsError(f"{there[0]} is there already; give another folder to -o, or --overwrite")
    output.mkdir(parents=True, exist_ok=True)
    for image, target in zip(images, targets, strict=True):
        if target.resolve() == image.resolve():
            raise SettingsError(f"{target} is an input; give another folder to -o")
        try:
            synthesise(image, target, camera=camera, iso=iso, cfa=cfa, seed=seed, size=wanted)
        except ValueError as error:
            raise SettingsError(f"{image}: {error}") from None
        click.echo(str(target))


def _size(text: str | None) -> tuple[int, int] | None:
    """Height and width of "WIDTHxHEIGHT"."""
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) >= 2 and int(height) >= 2):
        raise SettingsError(f"--size {text}: takes WIDTHxHEIGHT, such as 6000x4000")
    return int(height), int(width)
