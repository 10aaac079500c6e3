"""Random cameras, light and noise for training: batches of pictures to batches of noisy mosaics, on the fly.

Source: Brooks et al. 2019 (arXiv 1811.11127) for colour and noise; Cui and Harada 2024, "RAW-Adapter", ECCV, for low
and strong light. All randomness comes from the generator given, which is on the device of the pictures.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from isp_ns.data.unprocess import camera_colour, display_to_linear, mosaic, sensor_noise, spread, within_gamut

__all__ = ["LIGHTS", "RawBatch", "draw_colour", "draw_gains", "draw_light", "draw_noise", "raw_batch"]

LIGHTS: dict[str, tuple[float, float]] = {"low": (0.05, 0.4), "normal": (1.0, 1.0), "over": (3.5, 5.0)}
"""Range of the factor on the exposure by the name of the light. Source: RAW-Adapter's published preparation script."""

SCALE_RANGE = (1e-4, 0.012)
"""Range of S in variance = S · x + O. Source: Brooks et al. 2019, section 3.1."""

# Brooks et al. 2019, section 3.1: ln O = 2.18 · ln S + 1.20, with a spread of 0.26.
_OFFSET_SLOPE, _OFFSET_BASE, _OFFSET_SPREAD = 2.18, 1.20, 0.26

RED_GAINS = (1.9, 2.4)
"""Range of the white-balance gain of red. Source: Brooks et al. 2019, section 3.2."""

BLUE_GAINS = (1.5, 1.9)
"""Range of the white-balance gain of blue. Source: Brooks et al. 2019, section 3.2."""


@dataclass(frozen=True)
class RawBatch:
    """What a sensor gives for a batch of pictures, and the truth.

    Attributes:
        mosaic: (B, 1, H, W) noisy mosaic, black 0, sensor's white 1, clipped at 1, not at 0.
        camera_rgb: (B, 3, H, W) noise-free camera RGB without white balance, not clipped.
        linear_rgb: (B, 3, H, W) light of the pictures, linear, 1 at the display's white, within the camera's gamut.
        matrix: (B, 3, 3) from linear RGB to balanced camera RGB.
        neutral: (B, 3) camera RGB of a neutral object.
        scale: (B, 3) S of variance = S · x + O for R, G, B of the mosaic.
        offset: (B, 3) O.
    """

    mosaic: Tensor
    camera_rgb: Tensor
    linear_rgb: Tensor
    matrix: Tensor
    neutral: Tensor
    scale: Tensor
    offset: Tensor


def _uniform(generator: Generator, size: Sequence[int], low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(tuple(size), generator=generator, device=generator.device)


def draw_noise(
    count: int, generator: Generator, *, scale_range: tuple[float, float] = SCALE_RANGE
) -> tuple[Tensor, Tensor]:
    """Noise models of random cameras at random sensitivities.

    Args:
        count: how many.
        generator: the source of randomness; the result is on its device.
        scale_range: least and greatest S; drawn evenly in its logarithm.

    Returns:
        Scale and offset of variance = scale · x + offset, each (count, 1).

    Source: Brooks et al. 2019, section 3.1; the same law in RAW-Adapter.
    """
    low, high = (math.log(value) for value in scale_range)
    log_scale = _uniform(generator, (count, 1), low, high)
    scatter = torch.randn((count, 1), generator=generator, device=generator.device)
    log_offset = _OFFSET_SLOPE * log_scale + _OFFSET_BASE + _OFFSET_SPREAD * scatter
    return log_scale.exp(), log_offset.exp()


def draw_light(count: int, generator: Generator, light: str = "normal") -> Tensor:
    """Random factors on the exposure, (count, 1).

    Args:
        count: how many.
        generator: the source of randomness.
        light: a name of `LIGHTS`.

    Raises:
        ValueError: if there is no such light.

    Source: RAW-Adapter's preparation script.
    """
    if light not in LIGHTS:
        raise ValueError(f"there is no light {light!r}; choose one of {', '.join(LIGHTS)}")
    return _uniform(generator, (count, 1), *LIGHTS[light])


def draw_gains(count: int, generator: Generator) -> Tensor:
    """White-balance gains of random cameras and lights, (count, 3), green 1.

    Source: Brooks et al. 2019, section 3.2.
    """
    red = _uniform(generator, (count, 1), *RED_GAINS)
    blue = _uniform(generator, (count, 1), *BLUE_GAINS)
    return torch.cat([red, torch.ones_like(red), blue], dim=1)


def draw_colour(count: int, matrices: Tensor, generator: Generator) -> Tensor:
    """Colour of random cameras: mixtures of the matrices of known ones.

    Args:
        count: how many.
        matrices: (N, 3, 3) linear RGB to balanced camera RGB.
        generator: the source of randomness.

    Returns:
        (count, 3, 3), rows summing to 1.

    Source: Brooks et al. 2019, section 3.2 (convex combinations).
    """
    weights = _uniform(generator, (count, len(matrices)), 1e-8, 1.0)
    mixed = torch.einsum("bn,nij->bij", weights, matrices.to(weights))
    return mixed / mixed.sum(dim=2, keepdim=True)


def raw_batch(
    pictures: Tensor,
    matrices: Tensor,
    generator: Generator,
    *,
    pattern: str = "RGGB",
    space: str = "srgb",
    undo_tone: bool = False,
    light: str = "normal",
    scale_range: tuple[float, float] = SCALE_RANGE,
) -> RawBatch:
    """Mosaics of display pictures as random cameras would have taken them.

    Args:
        pictures: (B, 3, H, W) in 0..1, encoded for `space`, on the generator's device.
        matrices: (N, 3, 3) colour of known cameras, as `isp_ns.data.simulate.camera_matrices` gives.
        generator: the source of randomness.
        pattern: four letters of the CFA.
        space: a name of `isp_ns.ops.spaces.SPACES`.
        undo_tone: undo an S-shaped curve first.
        light: a name of `LIGHTS`.
        scale_range: least and greatest S of the noise.

    Returns:
        Mosaics and truth.

    Source: Brooks et al. 2019; RAW-Adapter for the light.
    """
    count = len(pictures)
    linear = display_to_linear(pictures, space, undo_tone=undo_tone)
    matrix = draw_colour(count, matrices, generator).to(pictures)
    linear = within_gamut(linear, matrix)
    neutral = draw_gains(count, generator).reciprocal().to(pictures)
    exposure = draw_light(count, generator, light).to(pictures)
    camera = camera_colour(linear, matrix, neutral * exposure)
    scale, offset = (
        value.to(pictures).expand(count, 3) for value in draw_noise(count, generator, scale_range=scale_range)
    )
    wide_scale, wide_offset = (
        spread(value, pattern, (pictures.shape[2], pictures.shape[3])) for value in (scale, offset)
    )
    noisy = sensor_noise(mosaic(camera, pattern), wide_scale, wide_offset, generator=generator)
    return RawBatch(noisy.clamp_(max=1.0), camera, linear, matrix, neutral, scale, offset)
