"""Balancers: how the losses of several tasks become one step of the weights that they share.

Every balancer fills the gradients of a step by `backward` and is a module, so that its state goes into checkpoints.
Weightings scale the losses before one common backward pass; gradient balancers run one backward pass per task and
combine the gradients of the shared weights by an aggregator of `isp_ns.train.aggregate`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from isp_ns.train.aggregate import AGGREGATORS, Aggregate

__all__ = [
    "BALANCERS",
    "Balancer",
    "Dwa",
    "Famo",
    "GradNorm",
    "GradientBalancer",
    "ImtlL",
    "Uncertainty",
    "Uniform",
    "build_balancer",
]


def _accumulate(parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is not None:
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


class Balancer(nn.Module):
    """The protocol of all balancers; it adds to gradients that are there already.

    Args:
        tasks: how many.

    Attributes:
        looks_back: whether `after_step` wants the losses of the same batch once the weights have moved.
    """

    looks_back = False

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.tasks = tasks

    def weights(self, losses: Tensor) -> Tensor:
        """Factors (T,) of the losses (T,), both detached."""
        return torch.ones_like(losses)

    def backward(self, losses: Sequence[Tensor], shared: Sequence[Tensor], own: Sequence[Sequence[Tensor]]) -> Tensor:
        """Add the gradients of a step.

        Args:
            losses: one scalar per task, with their graph.
            shared: weights that all tasks use, in the order of the network.
            own: for each task the weights that it alone uses.

        Returns:
            (T,) the factors that the losses had; those of gradient balancers are not defined and are 1.
        """
        stacked = torch.stack(list(losses))
        factors = self.weights(stacked.detach())
        (factors * stacked).sum().backward()  # type: ignore[no-untyped-call]
        return factors

    def after_step(self, losses: Tensor) -> None:
        """Look at the losses (T,) of the same batch after the step; only called if `looks_back`."""

    def end_epoch(self, losses: Tensor) -> None:
        """Look at the mean losses (T,) of an epoch."""


class Uniform(Balancer):
    """Fixed factors, 1 if not given.

    Args:
        tasks: how many.
        factors: one per task.

    Source: the plain sum, which every paper compares with.
    """

    def __init__(self, tasks: int, factors: Sequence[float] | None = None) -> None:
        super().__init__(tasks)
        self.register_buffer("factors", torch.tensor([float(value) for value in factors or [1.0] * tasks]))
        if len(self.get_buffer("factors")) != tasks:
            raise ValueError(f"{tasks} tasks need as many factors, got {factors}")

    def weights(self, losses: Tensor) -> Tensor:
        """The factors."""
        return self.get_buffer("factors").to(losses)


class Uncertainty(Balancer):
    """A learned log-variance s per task: Σ ½ exp(−s)·L + ½ s, trained with the network.

    Source: Kendall, Gal, Cipolla 2018, "Multi-task learning using uncertainty to weigh losses", CVPR, eq. 7.
    """

    def __init__(self, tasks: int) -> None:
        super().__init__(tasks)
        self.log_variance = nn.Parameter(torch.zeros(tasks))

    def backward(self, losses: Sequence[Tensor], shared: Sequence[Tensor], own: Sequence[Sequence[Tensor]]) -> Tensor:
        """See `Balancer`."""
        factors = 0.5 * torch.exp(-self.log_variance)
        total = (factors * torch.stack(list(losses)) + 0.5 * self.log_variance).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return factors.detach()


class Dwa(Balancer):
    """Dynamic weight average: tasks whose loss fell less over the last two epochs weigh more.

    Args:
        tasks: how many.
        temperature: softness; the factors sum to the number of tasks.

    Source: Liu, Johns, Davison 2019, "End-to-end multi-task learning with attention", CVPR, eq. 7.
    """

    def __init__(self, tasks: int, temperature: float = 2.0) -> None:
        super().__init__(tasks)
        self.temperature = temperature
        self.register_buffer("history", torch.full((2, tasks), math.nan))

    def weights(self, losses: Tensor) -> Tensor:
        """T · softmax of the ratio of the last two epochs; 1 until there are two."""
        older, newer = self.get_buffer("history").to(losses)
        ratio = torch.nan_to_num(newer / older, nan=1.0)
        return self.tasks * torch.softmax(ratio / self.temperature, 0)

    def end_epoch(self, losses: Tensor) -> None:
        """Remember the epoch."""
        history = self.get_buffer("history")
        history.copy_(torch.stack([history[1], losses.to(history)]))


class ImtlL(Balancer):
    """A learned scale s per task: Σ exp(s)·L − s, which pulls the scaled losses towards 1.

    Source: Liu et al. 2021, "Towards impartial multi-task learning", ICLR, section 3.2 (loss balance).
    """

    def __init__(self, tasks: int) -> None:
        super().__init__(tasks)
        self.log_scale = nn.Parameter(torch.zeros(tasks))

    def backward(self, losses: Sequence[Tensor], shared: Sequence[Tensor], own: Sequence[Sequence[Tensor]]) -> Tensor:
        """See `Balancer`."""
        factors = torch.exp(self.log_scale)
        total = (factors * torch.stack(list(losses)) - self.log_scale).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return factors.detach()


class _OwnAdam(Balancer):
    """Numbers, one per task, that an Adam of their own moves; its state is part of the module's."""

    def __init__(self, tasks: int, start: float, learning_rate: float, weight_decay: float = 0.0) -> None:
        super().__init__(tasks)
        # A plain tensor: the optimiser of the network must not see it among the parameters.
        self.values = torch.full((tasks,), start, requires_grad=True)
        self._adam = torch.optim.Adam([self.values], learning_rate, weight_decay=weight_decay)

    def _move(self, gradient: Tensor) -> None:
        self.values.grad = gradient.detach().to(self.values).clone()
        self._adam.step()

    def get_extra_state(self) -> dict[str, Any]:
        """The numbers and their optimiser."""
        return {"values": self.values.detach().clone(), "adam": self._adam.state_dict()}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Inverse of `get_extra_state`."""
        with torch.no_grad():
            self.values.copy_(state["values"])
        self._adam.load_state_dict(dict(state["adam"]))


class GradNorm(_OwnAdam):
    """Factors that bring the gradients of the tasks to sizes that fit the pace at which they learn.

    Args:
        tasks: how many.
        alpha: how strongly slow tasks are favoured; 0 makes all gradients equally long.
        learning_rate: of the factors.

    Source: Chen et al. 2018, "GradNorm", ICML, algorithm 1; norms are of the last shared convolution.
    """

    def __init__(self, tasks: int, alpha: float = 1.5, learning_rate: float = 0.025) -> None:
        super().__init__(tasks, 1.0, learning_rate)
        self.alpha = alpha
        self.register_buffer("first", torch.full((tasks,), math.nan))

    def backward(self, losses: Sequence[Tensor], shared: Sequence[Tensor], own: Sequence[Sequence[Tensor]]) -> Tensor:
        """See `Balancer`."""
        layer = next(weight for weight in reversed(shared) if weight.dim() > 1)
        norms = torch.stack([torch.autograd.grad(loss, layer, retain_graph=True)[0].norm() for loss in losses])
        stacked = torch.stack(list(losses))
        factors = self.values.detach().clone()
        (factors * stacked).sum().backward()  # type: ignore[no-untyped-call]
        self._learn(stacked.detach(), norms.detach())
        return factors

    def _learn(self, losses: Tensor, norms: Tensor) -> None:
        first = self.get_buffer("first")
        if bool(first.isnan().any()):
            first.copy_(losses)
        pace = losses / first
        sizes = self.values.detach() * norms
        target = sizes.mean() * (pace / pace.mean()) ** self.alpha
        self._move(torch.sign(sizes - target) * norms)
        with torch.no_grad():
            self.values.clamp_(min=1e-3).mul_(self.tasks / self.values.sum())


class Famo(_OwnAdam):
    """Makes the logarithms of all losses fall at the same pace, without gradients of single tasks.

    Args:
        tasks: how many.
        learning_rate: of the logits.
        decay: weight decay of the logits.

    Source: Liu et al. 2023, "FAMO", NeurIPS, algorithm 1.
    """

    looks_back = True

    def __init__(self, tasks: int, learning_rate: float = 0.025, decay: float = 1e-3) -> None:
        super().__init__(tasks, 0.0, learning_rate, decay)
        self._before: Tensor | None = None

    def weights(self, losses: Tensor) -> Tensor:
        """z / L, scaled to sum to 1, with z the softmax of the logits."""
        self._before = losses.clamp(min=1e-8)
        share = torch.softmax(self.values.detach(), 0).to(losses) / self._before
        return share / share.sum()

    def after_step(self, losses: Tensor) -> None:
        """Move the logits by how much each loss has fallen."""
        if self._before is None:
            raise ValueError("losses after a step make no sense before a step")
        fallen = torch.log(self._before) - torch.log(losses.clamp(min=1e-8))
        with torch.enable_grad():
            share = torch.softmax(self.values, 0)
        (gradient,) = torch.autograd.grad(share, self.values, grad_outputs=fallen.to(share))
        self._move(gradient)


class GradientBalancer(Balancer):
    """One backward pass per task; an aggregator combines what reaches the shared weights.

    Randomness of an aggregator comes from the seed and the number of the step alone.

    Args:
        tasks: how many.
        aggregate: the aggregator.
        seed: of the aggregator's randomness.
        scaled: multiply the losses by learned scales first, as `ImtlL` does.

    Source: the papers of the aggregators; see `isp_ns.train.aggregate`.
    """

    def __init__(self, tasks: int, aggregate: Aggregate, seed: int = 0, scaled: bool = False) -> None:
        super().__init__(tasks)
        self.aggregate = aggregate
        self.seed = seed
        self.log_scale = nn.Parameter(torch.zeros(tasks)) if scaled else None
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def backward(self, losses: Sequence[Tensor], shared: Sequence[Tensor], own: Sequence[Sequence[Tensor]]) -> Tensor:
        """See `Balancer`."""
        factors = torch.ones(self.tasks) if self.log_scale is None else torch.exp(self.log_scale)
        rows = []
        for index, (loss, extra) in enumerate(zip(losses, own, strict=True)):
            last = index == self.tasks - 1
            scaled = factors[index] * loss
            if self.log_scale is not None:
                scaled = scaled - self.log_scale[index]
            rows.append(self._row(scaled, shared, extra, keep=not last))
        vector = self._combine(torch.stack(rows))
        parts = torch.split(vector, [weight.numel() for weight in shared])
        _accumulate(shared, [part.view_as(weight) for part, weight in zip(parts, shared, strict=True)])
        return factors.detach()

    def _row(self, loss: Tensor, shared: Sequence[Tensor], own: Sequence[Tensor], keep: bool) -> Tensor:
        """Gradient of one task's loss: that of its own weights is added at once, that of the shared ones returned."""
        scale = [] if self.log_scale is None else [self.log_scale]
        wanted = [*shared, *own, *scale]
        gradients = torch.autograd.grad(loss, wanted, retain_graph=keep, allow_unused=True)
        _accumulate(wanted[len(shared) :], gradients[len(shared) :])
        pairs = zip(shared, gradients, strict=False)
        return torch.cat([(torch.zeros_like(w) if g is None else g).flatten() for w, g in pairs])

    def _combine(self, matrix: Tensor) -> Tensor:
        steps = self.get_buffer("steps")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed * 1_000_003 + int(steps))
            vector = self.aggregate(matrix)
        steps += 1
        return vector


_WEIGHTING: Mapping[str, type[Balancer]] = {
    "uncertainty": Uncertainty,
    "dwa": Dwa,
    "gradnorm": GradNorm,
    "imtl_l": ImtlL,
    "famo": Famo,
}

BALANCERS = ("uniform", *_WEIGHTING, *AGGREGATORS)
"""Names of the balancers; `imtl` has both halves, scales for the losses and impartial gradients."""


def build_balancer(name: str, tasks: int, *, factors: Sequence[float] | None = None, seed: int = 0) -> Balancer:
    """A balancer by its name; one task needs none, so that it is always uniform then.

    Args:
        name: one of `BALANCERS`.
        tasks: how many.
        factors: fixed factors of `uniform`.
        seed: of aggregators with randomness.

    Raises:
        ValueError: for an unknown name.
        MissingExtraError: if it needs TorchJD, and that is not installed.
    """
    if name not in BALANCERS:
        raise ValueError(f"there is no balancer {name!r}; known: {', '.join(BALANCERS)}")
    if name == "uniform" or tasks == 1:
        return Uniform(tasks, factors)
    if name in _WEIGHTING:
        return _WEIGHTING[name](tasks)
    return GradientBalancer(tasks, AGGREGATORS[name](), seed, scaled=name == "imtl")
