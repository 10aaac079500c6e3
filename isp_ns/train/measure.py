"""What a trained space is measured to do, for its card."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from isp_ns.metrics.demosaic_eval import evaluate
from isp_ns.nets.encoder import PACKED_RGB
from isp_ns.nets.int8 import activation_ranges, int8_is_fast, to_int8
from isp_ns.nets.precision import clean_loss_db, gradient_steps, to_bf16
from isp_ns.nets.space import NeuralSpace
from isp_ns.train.degrade import camera_batch, mosaic_rggb
from isp_ns.train.losses import feature_distance
from isp_ns.train.validate import render_gamma

__all__ = ["measure_activations", "measure_coarser", "measure_demosaic", "measure_space", "moire_pictures"]


def measure_demosaic(
    space: NeuralSpace, pictures: Sequence[Tensor], sigmas: Sequence[float] = (0, 5, 10, 15)
) -> dict[str, Any]:
    """CPSNR at border crops 0 and 8 and SSIM of RGGB mosaics, noise-free and with Gaussian noise.

    Args:
        space: the space.
        pictures: (3, H, W) gamma-coded, uint8 or 0..1.
        sigmas: standard deviations, of 255.

    Returns:
        What `isp_ns.metrics.demosaic_eval.evaluate` returns: the protocol and one row per sigma.

    Raises:
        ValueError: if there is no picture.

    Source: the protocol of the demosaicking literature.
    """
    methods = {space.space_id: lambda mosaic, pattern, sigma: render_gamma(space, mosaic, sigma, pattern)}
    return evaluate(methods, pictures, [float(sigma) for sigma in sigmas])


@torch.no_grad()
def measure_space(space: NeuralSpace, pictures: Sequence[Tensor]) -> dict[str, float]:
    """Fidelity of the auto-encoder, and how near E_raw's space is to E_rgb's.

    Args:
        space: the space.
        pictures: (3, H, W) gamma-coded in 0..1, sides multiples of 4.

    Returns:
        `autoencoder_psnr_db` of D(E_rgb(x)), unrounded; `packed_psnr_db` between the packed pixels of both encoders;
        `z_b_distance` and `z_t_distance` between their learned channels, normalised over channels, 0..4.

    Source: definitions; distance after Li, Liu, Bilen 2024 (arXiv 2204.02744).
    """
    sums = dict.fromkeys(("autoencoder_mse", "packed_mse", "z_b_distance", "z_t_distance"), 0.0)
    for rgb in pictures:
        x = rgb[None]
        rgb_b, rgb_t = space.e_rgb(x)
        raw_b, raw_t = space.e_raw(mosaic_rggb(x))
        sums["autoencoder_mse"] += float((space.d_rgb(rgb_b, rgb_t) - x).square().mean())
        sums["packed_mse"] += float((rgb_b - raw_b)[:, :PACKED_RGB].square().mean())
        sums["z_b_distance"] += float(feature_distance(rgb_b[:, PACKED_RGB:], raw_b[:, PACKED_RGB:]))
        sums["z_t_distance"] += float(feature_distance(rgb_t, raw_t))
    means = {name: total / len(pictures) for name, total in sums.items()}
    return {
        "autoencoder_psnr_db": round(-10 * math.log10(max(means["autoencoder_mse"], 1e-12)), 2),
        "packed_psnr_db": round(-10 * math.log10(max(means["packed_mse"], 1e-12)), 2),
        "z_b_distance": round(means["z_b_distance"], 4),
        "z_t_distance": round(means["z_t_distance"], 4),
    }


def measure_activations(space: NeuralSpace, pictures: Sequence[Tensor], seed: int = 0) -> dict[str, float]:
    """Ranges of the activations of E_raw on gamma-coded pictures and on camera light with its highlights.

    Args:
        space: the space.
        pictures: (3, H, W) gamma-coded in 0..1, sides multiples of 4.
        seed: of the cameras.

    Source: see `isp_ns.nets.int8.activation_ranges`.
    """
    rng = torch.Generator().manual_seed(seed)
    mosaics = [mosaic_rggb(rgb[None]) for rgb in pictures]
    mosaics += [camera_batch(rgb[None], rng)[0].mosaic for rgb in pictures]
    return {name: round(value, 4) for name, value in activation_ranges(space.e_raw, mosaics).items()}


def measure_coarser(
    space: NeuralSpace, pictures: Sequence[Tensor], activations: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """What coarser arithmetic costs: the loss of PSNR, mean over noise-free pictures, and the largest gradient step.

    Args:
        space: the space, in fp32.
        pictures: (3, H, W) gamma-coded in 0..1, even sides.
        activations: of `measure_activations`.

    Returns:
        By arithmetic, "fp32", "bf16" and where this processor has it "int8": "psnr_loss_db" (not for fp32) and
        "largest_gradient_step", in steps of the gradient itself.

    Source: see `isp_ns.nets.precision.clean_loss_db` and `gradient_steps`.
    """
    twins = {"bf16": to_bf16(space)} | ({"int8": to_int8(space, activations)} if int8_is_fast() else {})
    found = {"fp32": {"largest_gradient_step": round(gradient_steps(space), 3)}}
    for name, twin in twins.items():
        losses = [clean_loss_db(space, twin, rgb[None]) for rgb in pictures]
        found[name] = {
            "psnr_loss_db": round(sum(losses) / len(losses), 4),
            "largest_gradient_step": round(gradient_steps(twin), 3),
        }
    return found


def moire_pictures(count: int, side: int, seed: int) -> list[Tensor]:
    """Pictures full of fine coloured stripes: two random colours mixed by a chirp that rises to 0.3 cycles per pixel.

    Args:
        count: how many.
        side: pixels, a multiple of 4.
        seed: of the colours and the curves.

    Returns:
        (3, side, side) gamma-coded, rounded to 8 bits.

    Source: zone plates, as resolution charts have them.
    """
    rng = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, side),) * 2, indexing="ij")
    pictures = []
    for _ in range(count):
        first, second = torch.rand(2, 3, 1, 1, generator=rng)
        a, b, c = (2 * torch.rand(3, generator=rng) - 1).tolist()
        gradient = torch.sqrt((2 * a * x + b * y) ** 2 + (b * x + 2 * c * y) ** 2).max() * 2 / side
        phase = (a * x * x + b * x * y + c * y * y) / gradient * 2 * math.pi * 0.3
        mix = 0.5 + 0.5 * torch.sin(phase)
        pictures.append(((first * mix + second * (1 - mix)) * 255).round() / 255)
    return pictures
