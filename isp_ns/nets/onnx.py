"""A neural space as one ONNX graph, from a mosaic to RGB, for runtimes other than torch.

Needs the packages onnx and onnxscript, which are imported when used.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

import isp_ns
from isp_ns.nets.cards import Card
from isp_ns.nets.encoding import ENCODINGS, decode_light, encode_light, noise_maps
from isp_ns.nets.space import NeuralSpace

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["OPSET", "SIZE_MULTIPLE_PX", "onnx_metadata", "space_to_onnx"]

OPSET = 18
"""Version of the ONNX operators in the graph.

Source: the version that torch's exporter translates to without conversion; ONNX Runtime has it since 1.14."""

SIZE_MULTIPLE_PX = 4
"""Height and width of a mosaic are multiples of this.

Source: a cell of z_t; the graph does not pad."""

_LAST = 2**63 - 1
_EXAMPLE_PX = (48, 64)
_DOCUMENT = f"""\
A Bayer mosaic to RGB through a neural space.
mosaic: (1, 1, H, W), black 0, white 1, unclipped; H and W are multiples of {SIZE_MULTIPLE_PX}.
noise: (3, 2), scale and offset of R, G, B: variance = scale * x + offset of x in 0..1; all zero: no denoising.
rgb: (1, 3, H, W) in the light of the mosaic, unclipped."""


class _MosaicToRgb(nn.Module):
    """What an inference does with a space, for one pattern and one encoding, without a branch.

    Without noise the denoiser is the identity, so it needs not be skipped.
    """

    def __init__(self, space: NeuralSpace, pattern: str, encoding: str) -> None:
        super().__init__()
        oriented = space.oriented(pattern)
        self.e_raw, self.denoiser, self.d_rgb = oriented.e_raw, oriented.denoiser, oriented.d_rgb
        self.encoding = encoding

    def forward(self, mosaic: Tensor, noise: Tensor) -> Tensor:
        """(1, 1, H, W) linear light and (3, 2) scale and offset to (1, 3, H, W) linear light."""
        z_b, z_t = self.e_raw(encode_light(mosaic, self.encoding))
        maps = noise_maps(z_b, noise[:, 0], noise[:, 1], self.encoding)
        return decode_light(self.d_rgb(*self.denoiser(z_b, z_t, maps)), self.encoding)


def onnx_metadata(card: Card, *, pattern: str, encoding: str) -> dict[str, str]:
    """What the ONNX file of weights says about itself.

    Args:
        card: of the weights.
        pattern: Bayer pattern that mosaics begin with.
        encoding: how light is presented to the networks.

    Source: our own choice of keys.
    """
    return {
        "space_id": card.space_id,
        "weights": card.name,
        "weights_sha256": card.digest,
        "licence": card.licence,
        "pattern": pattern,
        "encoding": encoding,
        "size_multiple_px": str(SIZE_MULTIPLE_PX),
        "isp_ns_version": isp_ns.__version__,
    }


def space_to_onnx(space: NeuralSpace, card: Card, *, pattern: str = "RGGB", encoding: str = "sqrt") -> bytes:
    """The content of an ONNX file that does what `encode`, `denoise` and `decode` of a space do, in fp32.

    Inputs are `mosaic` (1, 1, H, W), H and W any multiples of 4, and `noise` (3, 2), scale and offset of R, G, B as
    `NeuralSpace.denoise` takes them, zero for none; the output is `rgb` (1, 3, H, W).

    Args:
        space: trained weights, in evaluation mode.
        card: their card.
        pattern: Bayer pattern that mosaics begin with.
        encoding: `sqrt` for linear light, `identity` for mosaics that are gamma-coded already.

    Raises:
        ValueError: for an unknown pattern or encoding.
        ModuleNotFoundError: if onnx or onnxscript is not installed.

    Source: ONNX, operator set 18.
    """
    if encoding not in ENCODINGS:
        raise ValueError(f"encoding {encoding!r} is unknown; use one of {', '.join(ENCODINGS)}")
    model = _translate(_MosaicToRgb(space, pattern, encoding).eval())
    _describe(model, onnx_metadata(card, pattern=pattern, encoding=encoding))
    return bytes(model.SerializeToString(deterministic=True))


def _translate(net: nn.Module) -> "ModelProto":
    rows, columns = (torch.export.Dim(name, min=2) for name in ("rows", "columns"))
    mosaic = {2: SIZE_MULTIPLE_PX * rows, 3: SIZE_MULTIPLE_PX * columns}
    with _quiet():
        program = torch.onnx.export(
            net,
            (torch.zeros(1, 1, *_EXAMPLE_PX), torch.zeros(3, 2)),
            dynamo=True,
            input_names=["mosaic", "noise"],
            output_names=["rgb"],
            dynamic_shapes={"mosaic": mosaic, "noise": {}},
            opset_version=OPSET,
            custom_translation_table=_translations(),
            verbose=False,
        )
    return program.model_proto  # type: ignore[union-attr]


def _translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """ONNX for two operators: torch's exporter lacks the first, and scatters where the second is a concatenation."""
    from onnxscript import opset18 as op

    def copysign(size: Any, sign: Any) -> Any:
        return op.Where(op.Less(sign, 0.0), op.Neg(op.Abs(size)), op.Abs(size))

    def slice_scatter(
        x: Any, source: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
    ) -> Any:
        if start or end is None or step != 1:
            raise ValueError(f"only leading channels can be replaced, not {start}:{end}:{step}")
        return op.Concat(source, op.Slice(x, [end], [_LAST], [dim]), axis=dim)

    return {torch.ops.aten.copysign.Tensor: copysign, torch.ops.aten.slice_scatter.default: slice_scatter}


@contextmanager
def _quiet() -> Iterator[None]:
    """No word of the exporter on operators of packages that are absent, or on deprecations inside torch."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logger.setLevel(level)


def _describe(model: "ModelProto", metadata: Mapping[str, str]) -> None:
    """Say what the model is; what the exporter noted on its parts (Python names, source files) goes."""
    from onnx import helper

    graph = model.graph
    graph.name = "mosaic_to_rgb"
    for part in (graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    model.doc_string = _DOCUMENT
    helper.set_model_props(model, dict(metadata))
