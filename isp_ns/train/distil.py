"""Distillation: one network learns what single-task teachers see, through linear adapters that are dropped afterwards.

Dense tasks: per task two bias-free 1×1 convolutions map the student's features to the teacher's space, where features
normalised over channels are compared at both scales. Image-level tasks: kernel alignment of features, and softened
predictions.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isp_ns.train.losses import feature_distance

__all__ = ["Adapters", "Distiller", "ImageDistiller", "anneal", "kernel_cka", "softened_kl"]

_ADAPTER_RATE, _ADAPTER_DECAY = 1e-2, 5e-4

Features = Callable[[Tensor], tuple[Tensor, Tensor]]
"""A teacher: pooled features (B, C, r, c) to its deep and fine features."""

Judgement = Callable[[Tensor], tuple[Tensor, Tensor]]
"""A teacher of an image-level task: pooled features (B, C, r, c) to its features (B, D) and logits (B, K)."""


class Adapters(nn.Module):
    """Linear maps of the student's features, for one teacher.

    Args:
        student: channels of the student's deep and fine features.
        teacher: channels of the teacher's features that they are compared with.

    Source: Li, Liu, Bilen 2024, "Universal representations", IJCV 132 (arXiv 2204.02744): no bias, no non-linearity.
    """

    def __init__(self, student: tuple[int, int], teacher: tuple[int, int]) -> None:
        super().__init__()
        self.deep = nn.Conv2d(student[0], teacher[0], 1, bias=False)
        self.fine = nn.Conv2d(student[1], teacher[1], 1, bias=False)
        for conv in (self.deep, self.fine):
            nn.init.xavier_normal_(conv.weight)

    def forward(self, deep: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        """Deep and fine features in the teacher's space, of the same height and width."""
        return self.deep(deep), self.fine(fine)


class _Adapted(nn.Module):
    """Adapters with their optimiser, apart from the student's."""

    def __init__(self, adapters: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.adapters = nn.ModuleDict(adapters)
        self._adam = torch.optim.Adam(self.adapters.parameters(), _ADAPTER_RATE, weight_decay=_ADAPTER_DECAY)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the adapters."""
        self._adam.zero_grad(set_to_none)

    def step(self, progress: float) -> None:
        """Move the adapters; the rate falls by a cosine over the run, `progress` 0..1."""
        for group in self._adam.param_groups:
            group["lr"] = _ADAPTER_RATE * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        self._adam.step()

    def get_extra_state(self) -> dict[str, Any]:
        """The adapters' optimiser."""
        return {"adam": self._adam.state_dict()}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Inverse of `get_extra_state`."""
        self._adam.load_state_dict(dict(state["adam"]))


class Distiller(_Adapted):
    """Frozen teachers, the adapters to them, and the optimiser of the adapters. Not part of what is exported.

    Args:
        teachers: by task, a function of the pooled features that gives deep and fine features; must be frozen.
        student: channels of the student's deep and fine features.
        teacher: channels of the teachers' deep and fine features.
        weights: factor of the distance by task; 1 if left out.
        faithful: compare both levels of the student with the teacher's last map, as the published code does; else
            deep with deep and fine with fine.

    Source: Li, Liu, Bilen 2024 (arXiv 2204.02744) and its published code; adapters' optimiser as there.
    """

    def __init__(
        self,
        teachers: Mapping[str, Features],
        student: tuple[int, int],
        teacher: tuple[int, int],
        weights: Mapping[str, float] | None = None,
        faithful: bool = False,
    ) -> None:
        goal = (teacher[1], teacher[1]) if faithful else teacher
        super().__init__({task: Adapters(student, goal) for task in teachers})
        self._teachers = dict(teachers)
        self.faithful = faithful
        self.weights = {task: (weights or {}).get(task, 1.0) for task in teachers}

    def distances(self, pooled: Tensor, deep: Tensor, fine: Tensor) -> dict[str, Tensor]:
        """Distance of the student's features to each teacher's, both levels added, each 0..4.

        Args:
            pooled: (B, C, r, c), what student and teachers read.
            deep: (B, w, h, w) the student's deep features.
            fine: (B, w, h, w) the student's fine features.
        """
        return {task: self._distance(task, pooled, deep, fine) for task in self._teachers}

    def _distance(self, task: str, pooled: Tensor, deep: Tensor, fine: Tensor) -> Tensor:
        with torch.no_grad():
            teacher_deep, teacher_fine = self._teachers[task](pooled)
        seen_deep, seen_fine = self.adapters[task](deep, fine)
        if self.faithful:
            size = (teacher_fine.shape[-2], teacher_fine.shape[-1])
            seen_deep = F.interpolate(seen_deep.float(), size, mode="bilinear", align_corners=False)
            teacher_deep = teacher_fine
        return feature_distance(seen_deep, teacher_deep) + feature_distance(seen_fine, teacher_fine)

    def loss(self, pooled: Tensor, deep: Tensor, fine: Tensor) -> Tensor:
        """Weighted sum of the distances, a scalar."""
        distances = self.distances(pooled, deep, fine)
        return torch.stack([self.weights[task] * value for task, value in distances.items()]).sum()


class ImageDistiller(_Adapted):
    """Frozen teachers of an image-level task, one per domain, the adapters to them, and the adapters' optimiser.

    Args:
        teachers: by domain, a function of the pooled features; must be frozen.
        student: channels of the student's features.
        teacher: channels of the teachers' features.
        cka: factor of 1 − alignment of the adapted features with the teacher's.
        kl: factor of the divergence of softened predictions.
        temperature: that softens them.

    Source: Li, Liu, Bilen 2024, "Universal representations", IJCV 132 (arXiv 2204.02744), the multi-domain form.
    """

    def __init__(
        self,
        teachers: Mapping[str, Judgement],
        student: int,
        teacher: int,
        *,
        cka: float = 1.0,
        kl: float = 1.0,
        temperature: float = 4.0,
    ) -> None:
        super().__init__({domain: nn.Linear(student, teacher, bias=False) for domain in teachers})
        for weight in self.adapters.parameters():
            nn.init.xavier_normal_(weight)
        self._teachers = dict(teachers)
        self.cka, self.kl, self.temperature = cka, kl, temperature

    def loss(self, domain: str, pooled: Tensor, features: Tensor, logits: Tensor) -> Tensor:
        """How far the student is from the teacher of a domain, a scalar.

        Args:
            domain: of the pictures.
            pooled: (B ≥ 3, C, r, c), what student and teacher read.
            features: (B, D) the student's.
            logits: (B, K) the student's.
        """
        with torch.no_grad():
            goal, judged = self._teachers[domain](pooled)
        loss = self.kl * softened_kl(logits, judged, self.temperature)
        # Adapters that no loss holds decay to nothing, whose alignment says nothing.
        return loss + self.cka * (1 - kernel_cka(self.adapters[domain](features), goal)) if self.cka else loss


def _kernel(features: Tensor) -> Tensor:
    """Centred RBF kernel (B, B) of features (B, C), its variance the median of the squared distances."""
    rows = F.normalize(features.double(), dim=1)
    squared = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist").square()
    apart = squared[~torch.eye(len(rows), dtype=torch.bool, device=rows.device)]
    kernel = torch.exp(-squared / (2 * apart.median().clamp(min=1e-12)))
    return kernel - kernel.mean(0, keepdim=True) - kernel.mean(1, keepdim=True) + kernel.mean()


def kernel_cka(a: Tensor, b: Tensor) -> Tensor:
    """Centred kernel alignment of two sets of features of the same images, 0..1; 1 − CKA is a loss.

    Args:
        a: (B ≥ 3, C) features; rows are normalised first.
        b: (B, D) features.

    Raises:
        ValueError: unless both have the same number of rows, three at least.

    Source: Kornblith et al. 2019, "Similarity of neural network representations revisited", ICML, section 3; RBF with
    the median as its variance as in Li, Liu, Bilen 2024 (arXiv 2204.02744).
    """
    if len(a) != len(b) or len(a) < 3:
        raise ValueError(f"alignment needs features of the same images, three at least, got {len(a)} and {len(b)}")
    left, right = _kernel(a), _kernel(b)
    scale = ((left * left).sum() * (right * right).sum()).clamp(min=1e-24).sqrt()
    return ((left * right).sum() / scale).to(a.dtype)


def softened_kl(student: Tensor, teacher: Tensor, temperature: float = 4.0) -> Tensor:
    """Divergence of softened predictions, times T² so that gradients keep their size; mean over the batch.

    Args:
        student: (B, K) logits.
        teacher: (B, K) logits.
        temperature: T; published runs use 4 and 8.

    Source: Hinton, Vinyals, Dean 2015, "Distilling the knowledge in a neural network", section 2.
    """
    target = F.log_softmax(teacher / temperature, dim=1)
    seen = F.log_softmax(student / temperature, dim=1)
    return F.kl_div(seen, target, reduction="batchmean", log_target=True) * temperature**2


def anneal(progress: float) -> float:
    """Weight of an image-level distillation loss, from 1 down to 0 in a straight line over the run.

    Source: Li, Liu, Bilen 2024 (arXiv 2204.02744), published code for Visual Decathlon.
    """
    return 1.0 - min(1.0, max(0.0, progress))
