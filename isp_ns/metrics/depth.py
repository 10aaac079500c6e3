"""Scores of depth maps against measured ones."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

__all__ = ["DepthScore"]

_SMALLEST_M = 1e-3


@dataclass
class DepthScore:
    """Depth scores over a set of pictures, all valid pixels alike.

    Attributes:
        nearest_m: pixels whose truth is nearer do not count.
        farthest_m: pixels whose truth is farther do not count; 0 in the truth means that there is none.

    Source: Eigen, Puhrsch, Fergus 2014, "Depth map prediction from a single image", section 4.
    """

    nearest_m: float = 1e-3
    farthest_m: float = 1e3
    _sums: Tensor = field(default_factory=lambda: torch.zeros(6, dtype=torch.float64), repr=False)
    _pixels: int = 0

    def update(self, depth_m: Tensor, truth_m: Tensor) -> None:
        """Count one picture.

        Args:
            depth_m: estimate in metres, any shape.
            truth_m: measured, the same shape; 0 where there is none.

        Raises:
            ValueError: if the shapes differ.
        """
        if depth_m.shape != truth_m.shape:
            raise ValueError(f"depth of shape {tuple(depth_m.shape)}, truth of shape {tuple(truth_m.shape)}")
        valid = (truth_m >= self.nearest_m) & (truth_m <= self.farthest_m)
        found = depth_m[valid].double().clamp(min=_SMALLEST_M)
        truth = truth_m[valid].double()
        ratio, error = torch.maximum(found / truth, truth / found), found - truth
        below = [(ratio < 1.25**power).double().sum() for power in (1, 2, 3)]
        self._sums += torch.stack([*below, error.square().sum(), error.abs().sum(), (error.abs() / truth).sum()]).cpu()
        self._pixels += int(valid.sum())

    def result(self) -> dict[str, float]:
        """delta1, delta2, delta3 (shares, more is better), rmse_m, aerr_m (metres) and rel (less is better).

        Raises:
            ValueError: if no pixel had a truth.
        """
        if not self._pixels:
            raise ValueError("no pixel with a measured depth was seen; check the dataset and its valid range")
        mean = (self._sums / self._pixels).tolist()
        names = ("delta1", "delta2", "delta3", "rmse_m", "aerr_m", "rel")
        return dict(zip(names, [*mean[:3], mean[3] ** 0.5, *mean[4:]], strict=True))
