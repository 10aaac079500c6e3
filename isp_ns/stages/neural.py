"""The neural space as stages: a mosaic or a picture into features, features denoised, features into a picture.

With `neural_heads`, this family alone knows both networks and frames.
"""

import logging
from collections.abc import Callable
from typing import Annotated

import torch

from isp_ns.core.frame import Features, Frame
from isp_ns.core.meta import Box, Meta
from isp_ns.core.parameters import Between
from isp_ns.core.ports import CameraRgb, FeatureMaps, LinearRgb, Mosaic
from isp_ns.core.reach import Local, Params
from isp_ns.core.stage import stage
from isp_ns.nets.layers import batch_of_one
from isp_ns.nets.reach import SpaceReach, reach_of
from isp_ns.nets.space import SpaceSpec
from isp_ns.stages import neural_heads as neural_heads
from isp_ns.stages.neural_weights import Precision, space_card, space_of
from isp_ns.stages.raw import noise_of

__all__ = ["decode", "decode_rgb", "denoise", "encode", "encode_rgb"]

_log = logging.getLogger(__name__)
_GREY = 0.18
_TOLERANCE = 1.5
"""How far beyond the noise it was trained on a network is still trusted."""

_WIDTH_PX = 32
"""The width of tiles is a multiple of this: with AMX, oneDNN convolves rows of 16 cells 1.2 to 1.7 times as fast."""

ENCODING = "sqrt"
"""How linear light is shown to the networks."""

Strength = Annotated[float, Between(0, 4)]


def _space_id(params: Params) -> str:
    return space_card(str(params["weights"])).space_id


def _reach(params: Params) -> SpaceReach:
    return reach_of(SpaceSpec(**space_card(str(params["weights"])).sizes))


def _within(halo_px: Callable[[SpaceReach], int]) -> Local:
    """How far a stage looks that runs one part of the space."""
    return Local(halo=lambda p: halo_px(_reach(p)), align=4, width_multiple=_WIDTH_PX)


def _features(raw: Frame, z: tuple[torch.Tensor, torch.Tensor], weights: str) -> Features:
    rows, columns = (-(-length // 4) for length in raw.size)
    b, t = z[0][0, :, : 2 * rows, : 2 * columns], z[1][0, :, :rows, :columns]
    height, width = raw.size
    b = b[:, : -(-height // 2), : -(-width // 2)]
    return Features(b, t, space_card(weights).space_id, raw.meta, raw.origin, raw.size, raw.full_size)


@stage("neural.encode", reach=_within(lambda reach: reach.encode_px), narrow=_space_id)
def encode(raw: Mosaic, *, weights: str = "ns-lite", precision: Precision = "auto") -> FeatureMaps:
    """Encode a mosaic into the neural space, once for all heads.

    Args:
        raw: linear mosaic, white-balanced.
        weights: name of the space, or the path of a .safetensors file with its card beside it.
        precision: "auto", "fp32", "bf16" or "int8"; auto is the fastest that costs nothing visible.

    Source: Shared Neural Space (arXiv 2509.20481), the RAW-to-space encoder.
    """
    space = space_of(weights, precision, raw.data.device)
    return _features(raw, space.encode(raw.data[None], pattern=raw.cfa, encoding=ENCODING), weights)


@stage("neural.encode_rgb", reach=_within(lambda reach: reach.encode_px), narrow=_space_id)
def encode_rgb(rgb: LinearRgb, *, weights: str = "ns-lite", precision: Precision = "auto") -> FeatureMaps:
    """Encode a picture that is RGB already into the neural space.

    Args:
        rgb: linear RGB.
        weights: name of the space.
        precision: "auto", "fp32", "bf16" or "int8".

    Source: Shared Neural Space (arXiv 2509.20481), the RGB-to-space encoder.
    """
    space = space_of(weights, precision, rgb.data.device)
    # The mosaic that the picture may have been made of is no matter of these features, nor is its phase.
    picture = rgb.with_meta("stage", cfa=None)
    return _features(picture, space.encode_rgb(rgb.data[None], encoding=ENCODING), weights)


def _pattern(meta: Meta, origin: tuple[int, int]) -> str:
    """The phase that features were encoded with; RGGB for those of a picture."""
    return meta.cfa.phase(*origin) if meta.cfa is not None else "RGGB"


@stage("neural.denoise", reach=_within(lambda reach: reach.denoise_px), narrow=_space_id)
def denoise(
    features: FeatureMaps,
    *,
    strength: Strength = 1.0,
    weights: str = "ns-lite",
    precision: Precision = "auto",
    box: Box | None = None,
) -> FeatureMaps:
    """Denoise features by the camera's noise model.

    Args:
        features: of the space.
        strength: multiplies the standard deviation of the noise; 0 changes nothing.
        weights: name of the space.
        precision: "auto", "fp32", "bf16" or "int8".
        box: which part of the picture this is; the first one warns for all.

    Source: see `isp_ns.nets.denoise.SpaceDenoiser`.
    """
    if strength and (box is None or box[:2] == (0, 0)):
        _warn_of_noise(features.meta, weights)
    z = _padded(features)
    pattern = _pattern(features.meta, features.origin)
    noise = noise_of(features.meta)
    space = space_of(weights, precision, z[0].device)
    b, t = space.denoise(*z, noise, strength=strength, pattern=pattern, encoding=ENCODING)
    return _replaced(features, b, t)


def _warn_of_noise(meta: Meta, weights: str) -> None:
    """Say so when the noise of a photo is unknown, or beyond what the weights were trained on."""
    if meta.noise is None:
        _log.warning("the noise of the sensor is unknown, so little is removed; a camera profile or DNG can tell it")
        return
    known = space_card(weights).noise.get("camera_sigma_at_grey")
    sigma = min((scale * _GREY + offset) ** 0.5 for scale, offset in meta.noise)
    if known and sigma > _TOLERANCE * known[1]:
        _log.warning(
            "noise is %.1f times the strongest that %s was trained on: expect leftovers", sigma / known[1], weights
        )


@stage("neural.decode", reach=_within(lambda reach: reach.decode_px), narrow=_space_id)
def decode(features: FeatureMaps, *, weights: str = "ns-lite", precision: Precision = "auto") -> CameraRgb:
    """Rebuild RGB from features.

    Args:
        features: of the space.
        weights: name of the space.
        precision: "auto", "fp32", "bf16" or "int8".

    Source: Shared Neural Space (arXiv 2509.20481), the one decoder.
    """
    return _decoded(features, weights, precision)


@stage("neural.decode_rgb", reach=_within(lambda reach: reach.decode_px), narrow=_space_id)
def decode_rgb(features: FeatureMaps, *, weights: str = "ns-lite", precision: Precision = "auto") -> LinearRgb:
    """Rebuild a picture from features of `neural.encode_rgb`, in the colours that it came in.

    Args:
        features: of the space.
        weights: name of the space.
        precision: "auto", "fp32", "bf16" or "int8".

    Source: as `neural.decode`.
    """
    return _decoded(features, weights, precision)


def _decoded(features: Features, weights: str, precision: Precision) -> Frame:
    pattern = _pattern(features.meta, features.origin)
    z_b, z_t = _padded(features)
    space = space_of(weights, precision, z_b.device)
    rgb = space.decode(z_b, z_t, size=features.size, pattern=pattern, encoding=ENCODING)
    return Frame(rgb[0].float(), features.meta, features.origin, features.full_size)


def _padded(features: Features) -> tuple[torch.Tensor, torch.Tensor]:
    """z_b and z_t as a batch of one, z_b grown to twice z_t where the image ends within a cell."""
    b, t = batch_of_one(features.b), batch_of_one(features.t)
    missing = [2 * t.shape[axis] - b.shape[axis] for axis in (-2, -1)]
    if any(missing):
        b = torch.nn.functional.pad(b, (0, missing[1], 0, missing[0]), mode="replicate")
    return b, t


def _replaced(features: Features, b: torch.Tensor, t: torch.Tensor) -> Features:
    rows, columns = features.b.shape[-2:]
    return Features(
        b[0, :, :rows, :columns],
        t[0],
        features.space_id,
        features.meta,
        features.origin,
        features.size,
        features.full_size,
    )
