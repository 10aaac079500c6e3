"""Several trained networks as one teacher: the mean of their answers is learned beside the truth."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from isp_ns.nets.heads import PerceptionNet, depth_at

__all__ = ["Ensemble", "answer_distance"]


class Ensemble:
    """Frozen networks, and what they answer together, for every cell: also for those whose truth is unknown.

    Args:
        nets: at least one; each is put into evaluation mode and frozen.

    Raises:
        ValueError: without a network.

    Source: Hinton, Vinyals, Dean 2015, "Distilling the knowledge in a neural network", for classes; the same for depth.
    """

    def __init__(self, nets: Sequence[PerceptionNet]) -> None:
        if not nets:
            raise ValueError("an ensemble needs at least one network")
        self._nets = [net.eval().requires_grad_(False) for net in nets]

    @torch.no_grad()
    def answers(self, pooled: Tensor, log_focal: Tensor) -> dict[str, Tensor]:
        """The mean answers by task.

        Args:
            pooled: (B, C, r, c), what the networks read.
            log_focal: (B,) ln of focal length over the canonical one.

        Returns:
            "depth": (B, 1, r, c) mean ln of metres at the canonical focal length. "labels": (B, K, r, c) ln of mean
            probabilities.
        """
        outputs = [net(pooled) for net in self._nets]
        return {task: _mean(task, [output[task].float() for output in outputs], log_focal) for task in outputs[0]}


def _mean(task: str, outputs: Sequence[Tensor], log_focal: Tensor) -> Tensor:
    if task == "depth":
        return torch.stack([depth_at(output, log_focal) for output in outputs]).mean(0)
    return torch.stack([output.softmax(1) for output in outputs]).mean(0).clamp(min=1e-8).log()


def answer_distance(task: str, output: Tensor, answer: Tensor, log_focal: Tensor) -> Tensor:
    """Mean over all cells: of the difference of log depth, or of the divergence of the probabilities of classes.

    Args:
        task: "depth" or "labels".
        output: (B, ·, r, c) of a student.
        answer: (B, ·, r, c) as from `Ensemble.answers`.
        log_focal: (B,) ln of focal length over the canonical one.

    Source: Hinton, Vinyals, Dean 2015, section 2, at temperature 1.
    """
    if task == "depth":
        return (depth_at(output.float(), log_focal) - answer).abs().mean()
    return F.kl_div(output.float().log_softmax(1), answer, reduction="none", log_target=True).sum(1).mean()
