"""Scores on held-out pictures, by which models are chosen."""

from dataclasses import dataclass

import torch
from torch import Tensor

from isp_ns.metrics.fidelity import cpsnr
from isp_ns.nets.space import NeuralSpace
from isp_ns.train.degrade import mosaic_rggb

__all__ = ["Holdout", "render_gamma", "saturate", "validate"]


@dataclass(frozen=True)
class Holdout:
    """Pictures that were never trained on.

    Attributes:
        images: uint8 (3, H, W), sides multiples of 4.
    """

    images: list[Tensor]


def saturate(rgb: Tensor, amount: float = 2.5) -> Tensor:
    """A picture with strongly saturated colours, clipped to 0..1 and rounded to 8 bits, (3, H, W).

    Source: distance from luma (Rec. 601) multiplied.
    """
    luma = (rgb * rgb.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0, keepdim=True)
    return ((luma + amount * (rgb - luma)).clamp(0, 1) * 255).round() / 255


@torch.no_grad()
def render_gamma(space: NeuralSpace, mosaic: Tensor, sigma: float, pattern: str = "RGGB") -> Tensor:
    """A gamma-coded mosaic (1, H, W) to RGB (3, H, W) through the space.

    Args:
        space: the space.
        mosaic: unclipped values, 1 is white.
        sigma: standard deviation of its noise, of a range of 1; 0 leaves the denoiser out.
        pattern: the 2×2 cell at the first pixel.
    """
    z_b, z_t = space.encode(mosaic[None], pattern=pattern, encoding="identity")
    z_b, z_t = space.denoise(z_b, z_t, ((0.0, sigma**2),) * 3, pattern=pattern, encoding="identity")
    size = (mosaic.shape[-2], mosaic.shape[-1])
    return space.decode(z_b, z_t, size=size, pattern=pattern, encoding="identity")[0]


def _score(output: Tensor, target: Tensor) -> float:
    """CPSNR in dB, at most 120, so that means stay finite."""
    return min(120.0, cpsnr(output, target))


def validate(space: NeuralSpace, holdout: Holdout) -> dict[str, float]:
    """Mean CPSNR in dB of noise-free, saturated and noisy (σ = 10/255) mosaics, and of the auto-encoder.

    Source: protocol of the Kodak tests, on other pictures.
    """
    sums = {"clean_db": 0.0, "saturated_db": 0.0, "sigma10_db": 0.0, "autoencoder_db": 0.0}
    device = next(space.parameters()).device
    for index, image in enumerate(holdout.images):
        rgb = (image.float() / 255).to(device)
        vivid = saturate(rgb)
        noise = torch.randn(1, *rgb.shape[1:], generator=torch.Generator().manual_seed(index)).to(device) * 10 / 255
        mosaic = mosaic_rggb(rgb[None])[0]
        with torch.no_grad():
            again = space.d_rgb(*space.e_rgb(rgb[None]))[0]
        sums["clean_db"] += _score(render_gamma(space, mosaic, 0), rgb)
        sums["saturated_db"] += _score(render_gamma(space, mosaic_rggb(vivid[None])[0], 0), vivid)
        sums["sigma10_db"] += _score(render_gamma(space, mosaic + noise, 10 / 255), rgb)
        sums["autoencoder_db"] += _score(again, rgb)
    return {name: round(total / len(holdout.images), 3) for name, total in sums.items()}
