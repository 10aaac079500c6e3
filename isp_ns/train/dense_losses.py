"""Losses of depth maps and label maps, over the pixels whose truth is known."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["CLASS_WEIGHTS", "IGNORED", "berhu", "class_weights", "depth_loss", "label_loss"]

IGNORED = 255
"""Label of pixels without truth."""

CLASS_WEIGHTS = ("none", "log", "root")
"""Ways to weigh classes by how common they are."""

_BERHU_SHARE = 0.2
_LOG_OFFSET = 1.02


def berhu(error: Tensor) -> Tensor:
    """Reverse Huber: |e| up to c, (e² + c²) / 2c beyond, with c a fifth of the largest error; any shape.

    Source: Laina et al. 2016, "Deeper depth prediction with fully convolutional residual networks", 3DV, eq. 1.
    """
    size = error.abs()
    c = (_BERHU_SHARE * size.detach().amax()).clamp(min=1e-6) if size.numel() else size.new_tensor(1.0)
    return torch.where(size <= c, size, (size.square() + c * c) / (2 * c))


def _slope_error(error: Tensor, valid: Tensor, step: int) -> Tensor:
    """Mean absolute difference of errors `step` cells apart, where both are known."""
    total, count = error.new_zeros(()), error.new_zeros(())
    for axis in (-2, -1):
        length = error.shape[axis] - step
        if length < 1:
            continue
        ahead, here = error.narrow(axis, step, length), error.narrow(axis, 0, length)
        both = valid.narrow(axis, step, length) & valid.narrow(axis, 0, length)
        total = total + ((ahead - here).abs() * both).sum()
        count = count + both.sum()
    return total / count.clamp(min=1)


def depth_loss(
    output: Tensor, target: Tensor, *, kind: str = "l1", gradient: float = 0.0, confidence: float = 0.0
) -> Tensor:
    """Error of log depth, its slopes, and how well the network knows its own error.

    Args:
        output: (B, 2, h, w) log depth and the logarithm of the expected error (scale of a Laplace distribution).
        target: (B, 1, H, W) metres, 0 where unknown; the output is interpolated to it.
        kind: "l1" or "berhu".
        gradient: weight of the slopes, at distances of one and two cells.
        confidence: weight of the Laplace likelihood, which trains the second map only.

    Raises:
        ValueError: for an unknown kind.

    Source: Eigen and Fergus 2015, ICCV, eq. 1, for logarithms and slopes; Kendall and Gal 2017, NeurIPS, eq. 5 and
    section 4.2, for the likelihood.
    """
    if kind not in ("l1", "berhu"):
        raise ValueError(f"there is no depth loss {kind!r}; use l1 or berhu")
    size = (target.shape[-2], target.shape[-1])
    output = F.interpolate(output.float(), size, mode="bilinear", align_corners=False)
    valid = target > 0
    error = torch.where(valid, output[:, :1] - target.clamp(min=1e-3).log(), 0.0)
    known = error[valid]
    count = max(1, known.numel())
    loss = (berhu(known) if kind == "berhu" else known.abs()).sum() / count
    if gradient:
        loss = loss + gradient * (_slope_error(error, valid, 1) + _slope_error(error, valid, 2))
    if confidence:
        scale = output[:, 1:2][valid].clamp(-6.0, 3.0)
        loss = loss + confidence * (known.detach().abs() * torch.exp(-scale) + scale).sum() / count
    return loss


def label_loss(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross entropy over the pixels with a label, 0 if there is none.

    Args:
        logits: (B, K, h, w); interpolated to the target's size.
        target: (B, H, W) int64 labels, `IGNORED` where unknown.
        weights: (K,) weights of the classes.

    Source: definition.
    """
    logits = F.interpolate(logits.float(), (target.shape[-2], target.shape[-1]), mode="bilinear", align_corners=False)
    known = target != IGNORED
    if not bool(known.any()):
        return logits.sum() * 0
    return F.cross_entropy(logits, target, weights, ignore_index=IGNORED)


def class_weights(counts: Tensor, kind: str) -> Tensor | None:
    """Weights (K,) with mean 1 that let rare classes count more; None for kind "none".

    Args:
        counts: (K,) number of pixels of each class.
        kind: one of `CLASS_WEIGHTS`: `log` is 1 / ln(1.02 + share), `root` the square root of median over share.

    Raises:
        ValueError: for an unknown kind.

    Source: Paszke et al. 2016, "ENet" (arXiv 1606.02147), section 5; Eigen and Fergus 2015 for the median, here with
    a square root.
    """
    if kind not in CLASS_WEIGHTS:
        raise ValueError(f"there are no class weights {kind!r}; use one of {', '.join(CLASS_WEIGHTS)}")
    if kind == "none":
        return None
    share = (counts.double() / counts.sum().clamp(min=1)).clamp(min=1e-6)
    weights = 1 / torch.log(_LOG_OFFSET + share) if kind == "log" else (share.median() / share).sqrt()
    return (weights / weights.mean()).float()
