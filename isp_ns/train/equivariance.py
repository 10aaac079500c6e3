"""Transforms of pictures and of the space, the equivariance term D(f(E(x))) ~ f(x), and a meter for it.

How f acts on the space: the packed RGB channels of z_b are pixels, and move as pixels do; every other channel is a
scalar field on its grid.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from isp_ns.nets.encoder import PACKED_RGB
from isp_ns.nets.space import NeuralSpace

__all__ = ["TRANSFORMS", "Transform", "draw_transform", "equivariance_meter", "transform_space"]


@dataclass(frozen=True)
class Transform:
    """A geometric transform of pictures.

    Attributes:
        name: what it is called in reports.
        apply: acts on (B, C, h, w) whose pixels are `cell` image pixels wide.
    """

    name: str
    apply: Callable[[Tensor, int], Tensor]


def _scaled(share: float) -> Callable[[Tensor, int], Tensor]:
    def resize(x: Tensor, cell: int) -> Tensor:
        sides = [max(1, round(side * cell * share / 4)) * 4 // cell for side in x.shape[-2:]]
        return F.interpolate(x.float(), size=sides, mode="bilinear", align_corners=False, antialias=True)

    return resize


def _shifted(pixels: int) -> Callable[[Tensor, int], Tensor]:
    def shift(x: Tensor, cell: int) -> Tensor:
        whole, rest = divmod(pixels, cell)
        height, width = (side - 8 // cell for side in x.shape[-2:])
        near = x[..., whole : whole + height, whole : whole + width]
        if not rest:
            return near
        part = rest / cell
        rows = torch.lerp(x[..., whole : whole + height, :], x[..., whole + 1 : whole + 1 + height, :], part)
        return torch.lerp(rows[..., whole : whole + width], rows[..., whole + 1 : whole + 1 + width], part)

    return shift


def _turned(quarters: int) -> Callable[[Tensor, int], Tensor]:
    return lambda x, cell: x.rot90(quarters, (2, 3))


TRANSFORMS: Mapping[str, Transform] = {
    transform.name: transform
    for transform in (
        Transform("turn_90", _turned(1)),
        Transform("turn_180", _turned(2)),
        Transform("turn_270", _turned(3)),
        Transform("flip_horizontal", lambda x, cell: x.flip(3)),
        Transform("flip_vertical", lambda x, cell: x.flip(2)),
        Transform("scale_0.75", _scaled(0.75)),
        Transform("scale_0.5", _scaled(0.5)),
        Transform("shift_2", _shifted(2)),
        Transform("shift_4", _shifted(4)),
    )
}
"""The transforms that the meter reports.

Source: the list of EQ-VAE (arXiv 2502.09509), with flips and even shifts."""


def draw_transform(rng: Generator) -> Transform:
    """A random transform: half the time a turn or flip, else an isotropic scale k/32 (8 ≤ k < 32) or an even shift.

    Source: EQ-VAE (arXiv 2502.09509).
    """
    kind = int(torch.randint(10, (1,), generator=rng))
    if kind < 5:
        return TRANSFORMS[("turn_90", "turn_180", "turn_270", "flip_horizontal", "flip_vertical")[kind]]
    if kind < 8:
        share = int(torch.randint(8, 32, (1,), generator=rng)) / 32
        return Transform(f"scale_{share}", _scaled(share))
    return TRANSFORMS["shift_2" if kind == 8 else "shift_4"]


def transform_space(z_b: Tensor, z_t: Tensor, transform: Transform) -> tuple[Tensor, Tensor]:
    """Let a transform act on features.

    Args:
        z_b: (B, C, H/2, W/2), its first 12 channels packed RGB.
        z_t: (B, C, H/4, W/4).
        transform: what to do.

    Source: the packed channels move as the pixels they are.
    """
    pixels = transform.apply(F.pixel_shuffle(z_b[:, :PACKED_RGB].contiguous(), 2), 1)
    packed = F.pixel_unshuffle(pixels, 2)
    return torch.cat([packed, transform.apply(z_b[:, PACKED_RGB:], 2)], 1), transform.apply(z_t, 4)


@torch.no_grad()
def equivariance_meter(space: NeuralSpace, rgb: Tensor) -> dict[str, float]:
    """PSNR in dB between D(f(E(x))) and f(D(E(x))) for every transform; higher is more equivariant.

    Args:
        space: the space to measure.
        rgb: (B, 3, H, W) gamma-coded pictures in 0..1, H and W multiples of 8.

    Source: definition; peak 1, mean square error over the batch.
    """
    z_b, z_t = space.e_rgb(rgb)
    straight = space.d_rgb(z_b, z_t)
    scores = {}
    for name, transform in TRANSFORMS.items():
        through = space.d_rgb(*transform_space(z_b, z_t, transform))
        error = F.mse_loss(through, transform.apply(straight, 1))
        scores[name] = float(-10 * torch.log10(error.clamp(min=1e-12)))
    return scores
