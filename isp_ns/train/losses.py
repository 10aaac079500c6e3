"""The losses of the neural space."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["feature_distance", "gradient_l1", "l1", "weighted_l1", "weighted_mse"]


def gradient_l1(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of horizontal and vertical differences, (B, C, H, W) each.

    Source: gradient difference loss (Mathieu et al. 2016, arXiv 1511.05440), exponent 1.
    """
    error = output - target
    return error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()


def weighted_l1(output: Tensor, target: Tensor, sigma: Tensor) -> Tensor:
    """Mean absolute error, each picture divided by about what is left of its noise; plain without noise.

    Without the weights the noisy pictures outweigh the clean ones three to one, and demosaicking suffers.

    Args:
        output: (B, 3, H, W).
        target: (B, 3, H, W).
        sigma: (B,) standard deviation of the noise.

    Source: as `weighted_mse`; the usual errors of a light network are 0.006 + 0.2 σ.
    """
    error = (output - target).abs().mean((1, 2, 3))
    return (error * (0.006 / (0.006 + 0.2 * sigma))).mean()


def weighted_mse(output: Tensor, target: Tensor, sigma: Tensor) -> Tensor:
    """Mean square error, each picture divided by about what is left of its noise.

    Without the weights the noisiest pictures would be all that counts.

    Args:
        output: (B, 3, H, W).
        target: (B, 3, H, W).
        sigma: (B,) standard deviation of the noise.

    Source: PSNR is a logarithm of the square error, so pictures should count by ratio.
    """
    error = (output - target).square().mean((1, 2, 3))
    return (error / (1e-4 + 0.3 * sigma.square())).mean() * 1e-2


def feature_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared distance of features normalised over channels, 0..4.

    Args:
        a: (B, C, h, w).
        b: the same shape.

    Source: Li, Liu, Bilen 2024 (arXiv 2204.02744), section on dense prediction.
    """
    return (F.normalize(a.float(), dim=1) - F.normalize(b.float(), dim=1)).square().sum(1).mean()


def l1(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error.

    Source: definition.
    """
    return torch.mean(torch.abs(output - target))
