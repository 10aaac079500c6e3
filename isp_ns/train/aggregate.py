"""Aggregators: the gradients of several tasks with respect to shared weights to the one that is taken.

Those of published form come from TorchJD (extra `balance`), except CAGrad, which has a closed form for two tasks.
"""

import math
from collections.abc import Callable, Mapping

from torch import Tensor

from isp_ns.core.errors import MissingExtraError

__all__ = ["AGGREGATORS", "Aggregate", "CaGrad", "cagrad_weights"]

Aggregate = Callable[[Tensor], Tensor]
"""Gradients (T, P) of the tasks to the one (P,) that is taken."""


def cagrad_weights(gramian: Tensor, c: float) -> Tensor:
    """Weights of two gradients by conflict-averse descent, in closed form.

    The worst direction w·g₁ + (1−w)·g₂ minimises its product with the mean gradient plus c·|mean|·its length. The
    length is a root of a quadratic in w, so the stationary point is a root too; otherwise an end of 0..1 is best.

    Args:
        gramian: (2, 2) products of the gradients.
        c: radius of the search around the mean gradient, in lengths of it, 0..1.

    Returns:
        (2,) weights of the two gradients in the step.

    Raises:
        ValueError: unless there are two tasks.

    Source: Liu et al. 2021, "Conflict-averse gradient descent", NeurIPS, eq. 4 to 6; the closed form is algebra.
    """
    if gramian.shape != (2, 2):
        raise ValueError(f"the closed form of CAGrad is for two tasks, got {len(gramian)}; use another balancer")
    (g11, g12), (_, g22) = gramian.double().tolist()
    mean = math.sqrt(max(g11 + 2 * g12 + g22, 0.0)) / 2
    phi = c * mean
    a, b = g11 - 2 * g12 + g22, g12 - g22
    if phi <= 0 or a <= 1e-12 * (g11 + g22):
        return gramian.new_tensor([0.5, 0.5])
    slope = (g11 - g22) / 2 / phi
    if slope * slope >= a:
        share = 0.0 if slope > 0 else 1.0
    else:
        rest = max(a * g22 - b * b, 0.0)
        share = min(1.0, max(0.0, (-math.copysign(math.sqrt(slope**2 * rest / (a - slope**2)), slope) - b) / a))
    length = math.sqrt(max(a * share**2 + 2 * b * share + g22, 1e-24))
    worst = phi / length
    return gramian.new_tensor([0.5 + worst * share, 0.5 + worst * (1 - share)])


class CaGrad:
    """Conflict-averse gradient descent for two tasks, as an aggregator.

    Args:
        c: radius of the search in lengths of the mean gradient.

    Source: Liu et al. 2021, "Conflict-averse gradient descent", NeurIPS; c as in its NYU-v2 experiment.
    """

    def __init__(self, c: float = 0.4) -> None:
        self.c = c

    def __call__(self, matrix: Tensor) -> Tensor:
        """(2, P) to (P,)."""
        return cagrad_weights(matrix @ matrix.T, self.c) @ matrix


def _torchjd(name: str) -> Aggregate:
    try:
        from torchjd import aggregation
    except ImportError as error:
        raise MissingExtraError("torchjd", "balance", f"balancing by {name}") from error
    aggregator: Aggregate = getattr(aggregation, name)()
    return aggregator


AGGREGATORS: Mapping[str, Callable[[], Aggregate]] = {
    "mgda": lambda: _torchjd("MGDA"),
    "pcgrad": lambda: _torchjd("PCGrad"),
    "graddrop": lambda: _torchjd("GradDrop"),
    "cagrad": CaGrad,
    "imtl_g": lambda: _torchjd("IMTLG"),
    "imtl": lambda: _torchjd("IMTLG"),
}
"""How to make the aggregator of a balancer; only `cagrad` is our own."""
