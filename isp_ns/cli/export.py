"""`isp-ns export`: weights in the formats of other programs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from isp_ns.core.errors import MissingExtraError, ModelError, SettingsError

if TYPE_CHECKING:
    from isp_ns.nets.cards import Card
    from isp_ns.nets.space import NeuralSpace

__all__ = ["export"]


@click.group(
    epilog="""\b
Examples:
  isp-ns export onnx -o ns-lite.onnx
  isp-ns export onnx --pattern GBRG --encoding identity -o ns-lite-gbrg.onnx
"""
)
def export() -> None:
    """Write weights in the formats of other programs."""


@export.command()
@click.option("--weights", default="ns-lite", show_default=True, metavar="NAME", help="A neural space; see isp-ns models list.")  # noqa: E501  # fmt: skip
@click.option("--pattern", default="RGGB", show_default=True, type=click.Choice(["RGGB", "GRBG", "GBRG", "BGGR"]), help="What mosaics begin with.")  # noqa: E501  # fmt: skip
@click.option("--encoding", default="sqrt", show_default=True, type=click.Choice(["sqrt", "identity"]), help="sqrt for linear light, identity for gamma-coded mosaics.")  # noqa: E501  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.onnx", help="Replaced if it is there.")  # noqa: E501  # fmt: skip
def onnx(weights: str, pattern: str, encoding: str, output: Path) -> None:
    """Write a neural space as one ONNX graph from a mosaic to RGB.

    Inputs: mosaic (1, 1, H, W) float32, black 0, white 1; H and W are multiples of 4. noise (3, 2) float32, scale and
    offset of R, G, B: variance = scale · x + offset; all zero means no denoising. Output: rgb (1, 3, H, W) float32.
    """
    _need("onnx", "onnxscript")
    from isp_ns.io.atomic import atomic_file
    from isp_ns.nets.onnx import space_to_onnx

    space, card = _load(weights)
    content = space_to_onnx(space, card, pattern=pattern, encoding=encoding)
    with atomic_file(output) as part:
        output.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
    click.echo(f"wrote {output}")


def _need(*packages: str) -> None:
    from importlib.util import find_spec

    for package in packages:
        if find_spec(package) is None:
            raise MissingExtraError(package, "onnx", "isp-ns export onnx")


def _load(name: str) -> "tuple[NeuralSpace, Card]":
    from isp_ns.core.registry import did_you_mean
    from isp_ns.nets.cards import load_space, shipped_spaces

    known = shipped_spaces()
    if name not in known:
        raise SettingsError(f"--weights {name}: there is no such neural space{did_you_mean(name, known)}")
    try:
        return load_space(name)
    except ValueError as error:
        raise ModelError(str(error)) from error
