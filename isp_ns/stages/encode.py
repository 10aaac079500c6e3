"""Encoding for display and file, its curve and its bit depth; and back to linear light."""

import functools
from typing import Literal

import torch
from torch import Tensor

from isp_ns.core.ports import DisplayRgb, LinearRgb
from isp_ns.core.stage import stage
from isp_ns.ops.colour import apply_matrix, compress_gamut
from isp_ns.ops.spaces import SPACES, get_space, rgb_to_rgb_matrix
from isp_ns.ops.transfer import decode, encode, encode_uint8

__all__ = ["display", "linear"]

OutputSpace = Literal[
    "srgb",
    "display-p3",
    "rec2020",
    "prophoto",
    "aces",
    "acescg",
    "linear-srgb",
    "linear-display-p3",
    "linear-rec2020",
    "linear-prophoto",
]


@stage("encode.display")
def display(
    rgb: LinearRgb,
    *,
    space: OutputSpace = "srgb",
    bit_depth: Literal[8, 16, 32] = 8,
    gamut: Literal["clip", "compress"] = "clip",
) -> DisplayRgb:
    """Encode linear RGB in an output space: matrix, gamut, curve and rounding.

    Args:
        rgb: linear RGB in `meta.space`.
        space: the output space; linear ones and the ACES spaces keep their values unclipped at 32 bits.
        bit_depth: 8 or 16 gives integers, 32 floating point.
        gamut: "clip" cuts each channel, "compress" moves colours towards grey until they fit, hue kept.

    Source: the standards named at `isp_ns.ops.spaces.SPACES`.
    """
    source = rgb.meta.space or "linear-srgb"
    data = rgb.data
    if get_space(source).primaries_xy != get_space(space).primaries_xy:
        data = apply_matrix(data, _between(source, space))
    if gamut == "compress" and bit_depth != 32:
        data = compress_gamut(data, space)
    return rgb.with_data(_stored(data, space, bit_depth)).with_meta(space=space)


@stage("encode.linear")
def linear(rgb: DisplayRgb) -> LinearRgb:
    """Take the curve off a finished picture: linear RGB with the primaries it came with.

    Args:
        rgb: floating point, 0..1, in `meta.space`; sRGB where that is unknown.

    Source: the standards named at `isp_ns.ops.spaces.SPACES`.
    """
    space = rgb.meta.space or "srgb"
    plain = f"linear-{space}"
    return rgb.with_data(decode(rgb.data, space)).with_meta(space=plain if plain in SPACES else space)


@functools.lru_cache(maxsize=32)
def _between(source: str, target: str) -> Tensor:
    return rgb_to_rgb_matrix(source, target).float()


def _stored(linear: Tensor, space: str, bit_depth: int) -> Tensor:
    if bit_depth == 8:
        return encode_uint8(linear, space)
    encoded = encode(linear, space)
    if bit_depth == 32:
        return encoded
    return encoded.mul(65535.0).round_().clamp_(0, 65535).to(torch.uint16)
