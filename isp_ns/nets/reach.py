"""How far each part of a neural space looks: the halos of its stages."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from isp_ns.nets.space import SPECS, NeuralSpace, SpaceSpec

__all__ = ["REACHES", "SpaceReach", "measured_reach", "reach_of"]

CELL_PX = 4
"""Pixels of an image per cell of z_t."""


_PROBE_PX, _LARGEST_PROBE_PX = 192, 1536


class SpaceReach(NamedTuple):
    """Pixels of context on each side that encoding, denoising and decoding depend on, multiples of 4."""

    encode_px: int
    denoise_px: int
    decode_px: int


REACHES: Mapping[str, SpaceReach] = {"ns-lite": SpaceReach(28, 12, 8), "ns-base": SpaceReach(36, 32, 12)}
"""Reach of the spaces of `isp_ns.nets.space.SPECS`, as `measured_reach` finds it; measuring takes seconds."""


def _layers(spec: SpaceSpec) -> tuple[int | bool, ...]:
    """What of the sizes decides how far a space looks: its layers, not their widths."""
    return spec.blocks_b, spec.blocks_t, spec.rgb_blocks, spec.decoder_convs, spec.denoise_far > 0


@functools.lru_cache
def reach_of(spec: SpaceSpec) -> SpaceReach:
    """The reach of a space of any sizes: known for those with the layers of a shipped one, else measured.

    Args:
        spec: sizes of the space.

    Source: definition.
    """
    same = (name for name, known in SPECS.items() if _layers(known) == _layers(spec))
    name = next(same, None)
    return _measured(spec, _PROBE_PX) if name is None else REACHES[name]


def _measured(spec: SpaceSpec, side: int) -> SpaceReach:
    """The reach by a probe that is large enough."""
    try:
        return measured_reach(spec, side)
    except ValueError:
        if side >= _LARGEST_PROBE_PX:
            raise
        return _measured(spec, 2 * side)


def measured_reach(spec: SpaceSpec, side: int = _PROBE_PX) -> SpaceReach:
    """Measure the reach of the parts of a space with NaNs, which no weights can hide.

    Args:
        spec: sizes of the space.
        side: side in pixels of the probe, a multiple of 4, larger than twice the reach.

    Raises:
        ValueError: if the probe is too small.

    Source: definition.
    """
    space = NeuralSpace(spec, "probe")
    noise = ((1.0, 1.0),) * 3

    def encoded(at: int) -> tuple[Tensor, ...]:
        mosaic = _mosaic(side, at)
        return *space.encode(mosaic), *space.encode_rgb(mosaic.expand(-1, 3, -1, -1))

    def denoised(at: int) -> tuple[Tensor, ...]:
        return tuple(z for scale in (2, 4) for z in space.denoise(*_features(space.spec, side, at, scale), noise))

    def decoded(at: int) -> tuple[Tensor, ...]:
        size = (side, side)
        return tuple(space.decode(*_features(space.spec, side, at, scale), size=size) for scale in (2, 4))

    return SpaceReach(*(_reach(part, side) for part in (encoded, denoised, decoded)))


def _reach(touched_by: Callable[[int], tuple[Tensor, ...]], side: int) -> int:
    """Largest distance from a NaN at pixel (at, at) to what it touches."""
    reach = 0
    for at in range(side // 2, side // 2 + CELL_PX):
        with torch.no_grad():
            outputs = touched_by(at)
        for output in outputs:
            scale = side // output.shape[-1]
            cells = output[0].isnan().any(0).any(0).nonzero().flatten()
            if not len(cells):
                continue
            first, last = int(cells[0]) * scale, (int(cells[-1]) + 1) * scale - 1
            if first == 0 or last == side - 1:
                raise ValueError(f"a probe of {side} pixels is smaller than the receptive field; use a larger one")
            reach = max(reach, at - first, last - at)
    return -(-reach // CELL_PX) * CELL_PX


def _mosaic(side: int, at: int) -> Tensor:
    mosaic = torch.zeros(1, 1, side, side)
    mosaic[..., at, at] = torch.nan
    return mosaic


def _features(spec: SpaceSpec, side: int, at: int, scale: int) -> tuple[Tensor, Tensor]:
    """Features of zeros with one NaN cell of z_b (scale 2) or z_t (scale 4)."""
    z_b, z_t = torch.zeros(1, spec.z_b, side // 2, side // 2), torch.zeros(1, spec.z_t, side // 4, side // 4)
    (z_b if scale == 2 else z_t)[..., at // scale, at // scale] = torch.nan
    return z_b, z_t
