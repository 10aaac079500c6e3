"""Measures against a true picture. All are of `isp_ns.metrics`; here they are gathered over the measured areas."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from isp_ns.compare.areas import cut
from isp_ns.compare.flat import Flatness, flat_blocks
from isp_ns.core.meta import Box
from isp_ns.metrics import false_colour, mean_delta_e_2000, ms_ssim, ssim, zipper
from isp_ns.metrics.images import image_pair

__all__ = ["LEVELS", "NoiseLevel", "against_truth", "noise_by_patch", "pooled_psnr"]

LEVELS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 1.0)
"""Borders of the classes of encoded lightness that noise is told for."""

MS_SSIM_LEAST_PX = 176


@dataclass(frozen=True)
class NoiseLevel:
    """Noise of the flat patches of one lightness: mean encoded value 0..1, standard deviation with white at 255."""

    level: float
    sigma_255: float
    patches: int


def against_truth(test: Tensor, truth: Tensor, boxes: Sequence[Box]) -> dict[str, Any]:
    """All measures with a truth.

    Args:
        test: (3, H, W) encoded for sRGB, 0..1.
        truth: (3, H, W), the same pixels.
        boxes: the areas to measure; PSNR is of their pooled error, the others are means over areas.

    Returns:
        psnr_db, ssim, ms_ssim, delta_e_2000, zipper, false_colour, noise_255, noise_by_patch; None where the areas are
        too small for a measure, or the pictures are equal (PSNR).

    Raises:
        ValueError: if the pictures differ in size.

    Source: those of `isp_ns.metrics`.
    """
    parts = [(cut(test, box), cut(truth, box)) for box in boxes]
    smallest = min(min(first.shape[1:]) for first, _ in parts)
    noise = noise_by_patch(test, truth, boxes)
    patches = sum(level.patches for level in noise)
    pooled = sum(level.sigma_255**2 * level.patches for level in noise)
    return {
        "psnr_db": pooled_psnr(test, truth, boxes),
        "ssim": _mean(ssim, parts) if smallest >= 11 else None,
        "ms_ssim": _mean(ms_ssim, parts) if smallest >= MS_SSIM_LEAST_PX else None,
        "delta_e_2000": _mean(mean_delta_e_2000, parts),
        "zipper": _mean(zipper, parts) if smallest >= 3 else None,
        "false_colour": _mean(false_colour, parts),
        "noise_255": math.sqrt(pooled / patches) if patches else None,
        "noise_by_patch": [vars(level) for level in noise],
    }


def pooled_psnr(test: Tensor, truth: Tensor, boxes: Sequence[Box]) -> float | None:
    """PSNR of the mean squared error over all pixels and channels of the areas; None for equal pictures.

    Source: ITU-T J.247, annex on PSNR.
    """
    total, count = 0.0, 0
    for box in boxes:
        first, second = image_pair(cut(test, box), cut(truth, box))
        total += float((first - second).square().sum())
        count += first.numel()
    return 10 * math.log10(count / total) if total > 0 else None


def noise_by_patch(test: Tensor, truth: Tensor, boxes: Sequence[Box]) -> list[NoiseLevel]:
    """Noise where the truth is flat, by lightness.

    The patches are the flattest blocks of the truth in each class of lightness; noise is the standard deviation of test
    minus truth inside each, so that neither the truth's texture nor an error of colour counts.

    Args:
        test: (3, H, W) encoded, 0..1.
        truth: (3, H, W), the same pixels.
        boxes: the areas to look in.

    Returns:
        One entry for each class of `LEVELS` that has patches, over all three channels.

    Source: ISO 15739:2013, clause 6, for noise of uniform patches.
    """
    result = []
    for low, high in itertools.pairwise(LEVELS):
        levels, variances = [], []
        for box in boxes:
            part = cut(truth, box)
            blocks = flat_blocks(part, Flatness.OF_TRUTH, (low, high))
            if not len(blocks):
                continue
            levels.append(blocks.of(part).double().mean((0, -1)))
            variances.append(blocks.of(cut(test, box).double() - part.double()).var(dim=-1).mean(0))
        if levels:
            level, variance = torch.cat(levels), torch.cat(variances)
            result.append(NoiseLevel(float(level.mean()), 255 * float(variance.mean().sqrt()), len(level)))
    return result


def _mean(measure: Callable[..., float], parts: Sequence[tuple[Tensor, Tensor]]) -> float:
    return float(torch.tensor([measure(first, second) for first, second in parts], dtype=torch.float64).mean())
