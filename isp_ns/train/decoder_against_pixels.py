"""Paper 1's own question, for demosaicking: a decoder that reads the space against its twin that reads the mosaic.

Both see the same batches, for the same time, and have the same layers and as many parameters. The one reads features
of a frozen encoder; the other a linear demosaic, packed to H/2, and the mosaic itself, packed to H/4.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isp_ns.metrics.demosaic_eval import evaluate
from isp_ns.nets.counters import macs_per_pixel, parameters
from isp_ns.nets.decoder import RgbDecoder
from isp_ns.nets.encoder import PACKED_RGB, malvar_packed
from isp_ns.nets.layers import Conv, channels_last
from isp_ns.nets.space import NeuralSpace, pad_to_cells
from isp_ns.train.against_pixels import train_module, write_study
from isp_ns.train.loop import Trainer
from isp_ns.train.validate import render_gamma

__all__ = ["PixelDecoder", "compare_decoders"]

_COARSE = 16
_BF16_BYTES = 2


class PixelDecoder(nn.Module):
    """The space's decoder, reading a linear demosaic in 12 channels at H/2 and the mosaic in 16 at H/4.

    Args:
        width_b: hidden channels at H/2.
        convs: 3×3 convolutions there after the first one.
        width: channels of those.

    Source: the same layers as `isp_ns.nets.decoder.RgbDecoder`; the linear demosaic starts as Malvar's and is trained,
        as in `isp_ns.nets.encoder.RawEncoder`.
    """

    def __init__(self, width_b: int, convs: int, width: int) -> None:
        super().__init__()
        self.linear = Conv(4, PACKED_RGB, bias=False)
        with torch.no_grad():
            self.linear.weight.copy_(malvar_packed())
        self.net = RgbDecoder(width_b, PACKED_RGB, _COARSE, convs, width)

    def forward(self, mosaic: Tensor) -> Tensor:
        """RGGB mosaic (B, 1, H, W), sides multiples of 4, to RGB (B, 3, H, W)."""
        out: Tensor = self.net(self.linear(F.pixel_unshuffle(mosaic, 2)), F.pixel_unshuffle(mosaic, 4))
        return out


def _twin(space: NeuralSpace) -> PixelDecoder:
    """The pixel decoder nearest in parameters to the space's own."""
    spec, wanted = space.spec, parameters(space.d_rgb)
    width = spec.decoder_width or spec.width_b

    def distance(width_b: int) -> int:
        return abs(parameters(PixelDecoder(width_b, spec.decoder_convs, width)) - wanted)

    return channels_last(PixelDecoder(min(range(8, 129), key=distance), spec.decoder_convs, width))


def _fresh(space: NeuralSpace) -> RgbDecoder:
    spec = space.spec
    width = spec.decoder_width or spec.width_b
    return channels_last(RgbDecoder(spec.width_b, spec.z_b, spec.z_t, spec.decoder_convs, width))


def compare_decoders(trainer: Trainer, out: Path, time_s: float) -> dict[str, Any]:
    """Train both decoders from nothing on noise-free mosaics, score them on the hold-out, write JSON.

    Args:
        trainer: holds the space whose encoder is frozen, its recipe and the pictures; its own decoder is replaced.
        out: the JSON file.
        time_s: seconds of training for each.

    Returns:
        What is written: protocol, parameters, MACs and bytes read per pixel of both, and rows of `evaluate`.

    Source: the question of Shared Neural Space (arXiv 2509.20481); the experiment is our own.
    """
    torch.manual_seed(trainer.recipe.seed)
    space = trainer.space.eval().requires_grad_(False)
    in_space, on_pixels = _fresh(space), _twin(space)
    steps = {
        "space": train_module(
            trainer, in_space, lambda batch: in_space(*space.e_raw(batch.mosaic)), time_s, sigma_max=0
        ),
        "pixels": train_module(trainer, on_pixels, lambda batch: on_pixels(batch.mosaic), time_s, sigma_max=0),
    }
    space.d_rgb = in_space
    space.clear_oriented()

    def from_pixels(mosaic: Tensor, _pattern: str, _sigma: float) -> Tensor:
        with torch.no_grad():
            whole: Tensor = on_pixels(pad_to_cells(mosaic[None]))[0]
        return whole[:, : mosaic.shape[1], : mosaic.shape[2]]

    methods = {
        "space": lambda mosaic, pattern, sigma: render_gamma(space, mosaic, sigma, pattern),
        "pixels": from_pixels,
    }
    probe = torch.zeros(1, 1, 64, 64)
    z = space.e_raw(probe)
    question = "a decoder behind the frozen encoder against the same layers on the mosaic"
    numbers = {
        "parameters": {"space": parameters(in_space), "pixels": parameters(on_pixels)},
        "macs_per_pixel": {
            "space": macs_per_pixel(lambda: in_space(*z), [in_space], 64 * 64),
            "pixels": macs_per_pixel(lambda: on_pixels(probe), [on_pixels], 64 * 64),
        },
        "bytes_read_per_pixel": {
            "space": _BF16_BYTES * sum(features.numel() for features in z) / probe.numel(),
            "pixels": float(_BF16_BYTES),
        },
        "steps": steps,
        "rows": evaluate(methods, [image.float() / 255 for image in trainer.holdout.images])["rows"],
    }
    return write_study(trainer, out, time_s, question, "without noise", numbers)
