"""Paper 1's own question, for denoising: a module that reads the space against its twin that reads pixels.

Both stand in the same frozen chain, see the same batches, and have the same layers, parameters and MACs. The one
works between encoder and decoder, the other on the decoded picture, packed to the same two grids.
"""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isp_ns.metrics.demosaic_eval import evaluate
from isp_ns.nets.counters import macs_per_pixel, parameters
from isp_ns.nets.denoise import SpaceDenoiser
from isp_ns.nets.encoder import PACKED_RGB
from isp_ns.nets.layers import channels_last
from isp_ns.nets.space import NeuralSpace
from isp_ns.train.degrade import Batch, awgn_batch, clean_batch
from isp_ns.train.loop import Trainer
from isp_ns.train.losses import l1
from isp_ns.train.muon import Muon
from isp_ns.train.validate import render_gamma

__all__ = ["PixelDenoiser", "compare_denoisers", "train_module", "write_study"]

_COARSE = 48
_BF16_BYTES = 2
SIGMAS = (5.0, 10.0, 15.0)
"""Noise of the comparison, of 255."""


class PixelDenoiser(nn.Module):
    """The space's denoiser, reading a picture packed to 12 channels at H/2 and 48 at H/4.

    Args:
        width_b: hidden channels at H/2.
        width_t: hidden channels at H/4.
        far: channels between the dilated convolutions.

    Source: the same layers as `isp_ns.nets.denoise.SpaceDenoiser`.
    """

    def __init__(self, width_b: int, width_t: int, far: int = 0) -> None:
        super().__init__()
        self.net = SpaceDenoiser(PACKED_RGB, _COARSE, width_b, width_t, far)

    def forward(self, rgb: Tensor, noise: Tensor) -> Tensor:
        """Denoise a picture.

        Args:
            rgb: (B, 3, H, W) in the encoded domain; sides are multiples of 4.
            noise: (B, 3, H/4, W/4) standard deviations of R, G, B.

        Returns:
            (B, 3, H, W).
        """
        fine, coarse = F.pixel_unshuffle(rgb, 2), F.pixel_unshuffle(rgb, 4)
        new_fine, new_coarse = self.net(fine, coarse, noise)
        return F.pixel_shuffle(new_fine, 2) + F.pixel_shuffle(new_coarse - coarse, 4)


def _twin(space: NeuralSpace) -> PixelDenoiser:
    """The pixel denoiser nearest in parameters to the space's own."""
    wanted = parameters(space.denoiser)
    coarse, far = space.spec.denoise_t, space.spec.denoise_far
    width = min(range(8, 129), key=lambda w: abs(parameters(PixelDenoiser(w, coarse, far)) - wanted))
    return channels_last(PixelDenoiser(width, coarse, far))


def _fresh(space: NeuralSpace) -> SpaceDenoiser:
    spec = space.spec
    return channels_last(SpaceDenoiser(spec.z_b, spec.z_t, spec.denoise_b, spec.denoise_t, spec.denoise_far))


def _in_space(space: NeuralSpace, net: SpaceDenoiser, batch: Batch) -> Tensor:
    out: Tensor = space.d_rgb(*net(*space.e_raw(batch.mosaic), batch.noise))
    return out


def _on_pixels(space: NeuralSpace, net: PixelDenoiser, batch: Batch) -> Tensor:
    out: Tensor = net(space.d_rgb(*space.e_raw(batch.mosaic)), batch.noise)
    return out


def train_module(
    trainer: Trainer, net: nn.Module, run: Callable[[Batch], Tensor], time_s: float, *, sigma_max: float
) -> int:
    """Train one module for some time, the batches drawn from the recipe's seed.

    Args:
        trainer: gives pictures, rates and phase.
        net: the module; nothing else learns.
        run: from a batch to the picture.
        time_s: seconds.
        sigma_max: largest Gaussian noise in the mosaics, of 255.

    Returns:
        The number of steps.
    """
    optimizer = Muon(net.parameters(), trainer.recipe.learning_rate, trainer.recipe.weight_decay)
    rng = torch.Generator().manual_seed(trainer.recipe.seed)
    trainer.rng, trainer.pixel_rng = rng, rng
    phase, started, steps = trainer.recipe.phases[0], time.monotonic(), 0
    while (spent_s := time.monotonic() - started) < time_s:
        for group in optimizer.param_groups:
            group["lr"] = trainer.recipe.learning_rate * max(0.01, 1 - spent_s / time_s)
        pictures = trainer.pictures(phase, phase.batch)
        batch = awgn_batch(pictures, rng, sigma_max / 255) if sigma_max else clean_batch(pictures)
        optimizer.zero_grad(set_to_none=True)
        l1(run(batch), batch.target).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        steps += 1
    return steps


def _rows(space: NeuralSpace, net: PixelDenoiser, pictures: list[Tensor]) -> list[dict[str, Any]]:
    def from_pixels(mosaic: Tensor, pattern: str, sigma: float) -> Tensor:
        picture = render_gamma(space, mosaic, 0, pattern)[None]
        noise = picture.new_full((1, 3, picture.shape[2] // 4, picture.shape[3] // 4), sigma)
        with torch.no_grad():
            out: Tensor = net(picture, noise)[0]
        return out

    methods = {
        "space": lambda mosaic, pattern, sigma: render_gamma(space, mosaic, sigma, pattern),
        "pixels": from_pixels,
        "none": lambda mosaic, pattern, _: render_gamma(space, mosaic, 0, pattern),
    }
    rows: list[dict[str, Any]] = evaluate(methods, pictures, list(SIGMAS))["rows"]
    return rows


def write_study(
    trainer: Trainer, out: Path, time_s: float, question: str, pictures: str, numbers: Mapping[str, Any]
) -> dict[str, Any]:
    """Write what a comparison found as JSON, with its protocol.

    Args:
        trainer: of both modules.
        out: the JSON file.
        time_s: seconds of training for each.
        question: what was compared.
        pictures: what it was scored on, beside the hold-out.
        numbers: of both modules, by name.

    Returns:
        What is written.
    """
    protocol = {
        "question": question,
        "space": f"{trainer.space.space_id}, frozen",
        "time_s": time_s,
        "seed": trainer.recipe.seed,
        "pictures": f"hold-out of the recipe's manifests, RGGB, {pictures}",
    }
    document = {"schema": 1, "protocol": protocol, **numbers}
    out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return document


def compare_denoisers(trainer: Trainer, out: Path, time_s: float) -> dict[str, Any]:
    """Train both denoisers from nothing in one frozen space, score them on the hold-out, write JSON.

    Args:
        trainer: holds the space to freeze, its recipe and the pictures; its own denoiser is replaced.
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
        name: train_module(trainer, net, run, time_s, sigma_max=trainer.recipe.sigma_max)
        for name, net, run in (
            ("space", in_space, lambda batch: _in_space(space, in_space, batch)),
            ("pixels", on_pixels, lambda batch: _on_pixels(space, on_pixels, batch)),
        )
    }
    space.denoiser = in_space
    space.clear_oriented()
    pictures = [image.float() / 255 for image in trainer.holdout.images]
    probe, noise = torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 16, 16)
    z = space.e_rgb(probe)
    question = "a denoiser between encoder and decoder against the same layers on the decoded picture"
    numbers = {
        "parameters": {"space": parameters(in_space), "pixels": parameters(on_pixels)},
        "macs_per_pixel": {
            "space": macs_per_pixel(lambda: in_space(*z, noise), [in_space], 64 * 64),
            "pixels": macs_per_pixel(lambda: on_pixels(probe, noise), [on_pixels], 64 * 64),
        },
        "bytes_read_per_pixel": {
            "space": _BF16_BYTES * sum(features.numel() for features in z) / probe[0, 0].numel(),
            "pixels": _BF16_BYTES * probe.numel() / probe[0, 0].numel(),
        },
        "steps": steps,
        "rows": _rows(space, on_pixels, pictures),
    }
    return write_study(trainer, out, time_s, question, "Gaussian noise of sigma / 255", numbers)
