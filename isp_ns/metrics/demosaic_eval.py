"""The demosaicking benchmark: display images, sampled exactly, with or without noise, scored as 8-bit pictures."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from isp_ns.metrics.fidelity import cpsnr
from isp_ns.metrics.images import Image, image_pair, round_to_bits
from isp_ns.metrics.structure import ssim
from isp_ns.ops.cfa import colour_cell, mosaic

__all__ = ["BORDER_PX", "Method", "evaluate", "noisy_mosaic"]

Method = Callable[[Tensor, str, float], Tensor]
"""(mosaic (1, H, W), pattern, standard deviation of the noise in the unit of the mosaic) → rgb (3, H, W)."""

BORDER_PX = 8
"""The wider of the two border crops that are reported."""


def evaluate(
    methods: Mapping[str, Method],
    images: Iterable[Image],
    sigmas: Sequence[float] = (0.0,),
    *,
    pattern: str = "RGGB",
) -> dict[str, Any]:
    """Score demosaicking methods on full-colour images.

    Every image is cut to even sides and sampled through the pattern; noise is added to the mosaic unclipped; the
    result is clipped to 0..1 and rounded to 8 bits. Scores are means over the images of each image's score.

    Args:
        methods: by name; each is told the pattern and the noise.
        images: (3, H, W), display-encoded: uint8, or float with white at 1. Read once, in order.
        sigmas: standard deviations of the noise, on the scale where white is 255.
        pattern: the 2×2 cell at the first pixel.

    Returns:
        {"schema": 1, "protocol": {...}, "rows": [{"method", "sigma", "cpsnr_db" (no crop), "cpsnr_db_crop8", "ssim",
        "images"}]}, ready for JSON. A score of equal pictures is None.

    Raises:
        ValueError: if there is no method or image, a sigma is negative, the pattern is not Bayer, or an image is not
            of three channels or too small.

    Source: the protocol of Xing and Egiazarian (RSTCANet, 2022): RGGB, whole images, 8-bit outputs, mean of the
    images' CPSNR; the crop of 8 pixels takes the border rules of implementations out of the comparison.
    """
    colour_cell(pattern)
    if not methods or not sigmas or any(sigma < 0 for sigma in sigmas):
        raise ValueError("an evaluation needs at least one method and noise levels of 0 or more")
    scores: dict[tuple[str, float], list[tuple[float, float, float]]] = {
        (name, float(sigma)): [] for sigma in sigmas for name in methods
    }
    count = 0
    for index, image in enumerate(images):
        truth = _even(image)
        for name, sigma in scores:
            samples = noisy_mosaic(truth, pattern, sigma, index)
            result = methods[name](samples, pattern, sigma / 255)
            scores[name, sigma].append(_score(result, truth))
        count += 1
    if count == 0:
        raise ValueError("an evaluation needs at least one image; the list is empty")
    return {"schema": 1, "protocol": _protocol(pattern), "rows": [_row(*key, values) for key, values in scores.items()]}


def noisy_mosaic(truth: Tensor, pattern: str, sigma: float, seed: int) -> Tensor:
    """The mosaic of an image with Gaussian noise, not clipped.

    Args:
        truth: (3, H, W) float32, white at 1.
        pattern: the 2×2 cell at the first pixel.
        sigma: standard deviation of the noise on the scale where white is 255.
        seed: of the noise; it does not depend on sigma.

    Returns:
        (1, H, W) float32.

    Source: additive white Gaussian noise, the convention of Gharbi et al., "Deep joint demosaicking and denoising"
    (2016).
    """
    samples = mosaic(truth, pattern)
    if sigma == 0:
        return samples
    noise = torch.randn(samples.shape, generator=torch.Generator().manual_seed(seed))
    return samples + (sigma / 255) * noise


def _even(image: Image) -> Tensor:
    tensor = image_pair(image, image)[0].float()
    return tensor[:, : tensor.shape[1] // 2 * 2, : tensor.shape[2] // 2 * 2]


def _score(result: Tensor, truth: Tensor) -> tuple[float, float, float]:
    stored = round_to_bits(result.detach().double(), 8)
    return (
        cpsnr(stored, truth, bits=None),
        cpsnr(stored, truth, crop=BORDER_PX, bits=None),
        ssim(stored, truth),
    )


def _row(name: str, sigma: float, values: Sequence[tuple[float, float, float]]) -> dict[str, Any]:
    whole, inner, similarity = (sum(column) / len(values) for column in zip(*values, strict=True))
    return {
        "method": name,
        "sigma": sigma,
        "cpsnr_db": _finite(whole),
        f"cpsnr_db_crop{BORDER_PX}": _finite(inner),
        "ssim": similarity,
        "images": len(values),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _protocol(pattern: str) -> dict[str, Any]:
    return {
        "task": "demosaic",
        "domain": "display-encoded images as stored, mosaicked without linearising",
        "pattern": pattern.upper(),
        "size": "cut to even sides",
        "range": [0, 1],
        "crop_px": [0, BORDER_PX],
        "clip": "result to 0..1; mosaic not clipped",
        "rounding": "8 bit",
        "noise": "Gaussian, sigma / 255, added to the float mosaic",
        "seed": "index of the image",
        "mean": "of the images' scores",
        "ssim": "Gaussian window, sigma 1.5, no sample covariance, no crop",
    }
