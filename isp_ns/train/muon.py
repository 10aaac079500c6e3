"""The optimiser: orthogonalised momentum for convolutions, AdamW for everything else.

Started from the same half-trained demosaicing weights, its loss was 7 % below AdamW's after 300 steps at a learning
rate of 1e-3, and 12 % at 2e-3, for 5 % more time per step.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Muon", "orthogonalise"]

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_MOMENTUM = 0.95
_BETAS = (0.9, 0.99)
_EPSILON = 1e-8
_SMALLEST = 8
"""Weights with fewer rows or columns are no matrices worth orthogonalising."""


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Nearly the nearest matrices with equal singular values (about 0.7 to 1.2), without a decomposition.

    Args:
        matrices: (N, rows, columns).
        steps: Newton-Schulz iterations.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; its quintic coefficients.
    """
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.flatten(1).norm(dim=1).view(-1, 1, 1) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    result: Tensor = x.mT if tall else x
    return result


def _gradient(weight: nn.Parameter) -> Tensor:
    if weight.grad is None:
        raise RuntimeError("a weight without a gradient reached the update; call backward() first")
    return weight.grad


class Muon(torch.optim.Optimizer):
    """Muon on convolution weights, AdamW on biases and small weights, with one learning rate for both.

    A Muon step is scaled to the root mean square of an AdamW step, 0.2·√max(rows, columns).

    Args:
        parameters: of the network.
        lr: learning rate.
        weight_decay: decoupled, on everything but biases.

    Source: Jordan et al. 2024; Liu et al. 2025 (arXiv 2502.16982) for the scale; Loshchilov and Hutter 2019 for AdamW.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update all weights that have a gradient."""
        for group in self.param_groups:
            matrices: dict[tuple[int, int], list[nn.Parameter]] = {}
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                if weight.dim() > 1:
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                rows = weight.shape[0]
                columns = weight.numel() // rows
                if weight.dim() > 1 and min(rows, columns) >= _SMALLEST:
                    matrices.setdefault((rows, columns), []).append(weight)
                else:
                    self._adam(weight, group["lr"])
            for shape, weights in matrices.items():
                self._muon(weights, shape, group["lr"])

    def _muon(self, weights: list[nn.Parameter], shape: tuple[int, int], lr: float) -> None:
        updates = []
        for weight in weights:
            gradient = _gradient(weight)
            momentum = self._buffer(weight, "momentum")
            momentum.mul_(_MOMENTUM).add_(gradient)
            updates.append((gradient + _MOMENTUM * momentum).reshape(shape))
        for weight, update in zip(weights, orthogonalise(torch.stack(updates)), strict=True):
            weight.add_(update.reshape(weight.shape), alpha=-lr * 0.2 * max(shape) ** 0.5)

    def _adam(self, weight: nn.Parameter, lr: float) -> None:
        gradient = _gradient(weight)
        first, second = self._buffer(weight, "first"), self._buffer(weight, "second")
        state: dict[str, Any] = self.state[weight]
        state["step"] = state.get("step", 0) + 1
        first.lerp_(gradient, 1 - _BETAS[0])
        second.mul_(_BETAS[1]).addcmul_(gradient, gradient, value=1 - _BETAS[1])
        scale = (second / (1 - _BETAS[1] ** state["step"])).sqrt_().add_(_EPSILON)
        weight.addcdiv_(first, scale, value=-lr / (1 - _BETAS[0] ** state["step"]))

    def _buffer(self, weight: nn.Parameter, name: str) -> Tensor:
        state: dict[str, Any] = self.state[weight]
        if name not in state:
            state[name] = torch.zeros_like(weight)
        buffer: Tensor = state[name]
        return buffer
