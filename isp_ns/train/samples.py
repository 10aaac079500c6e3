"""Labelled pictures in memory, small: 8-bit pictures and labels, half-precision depth; and what is made of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from isp_ns.data.labelled import LabelTable, Sample

__all__ = ["Compact", "Encoded", "Pictures", "Samples"]


@dataclass(frozen=True)
class Compact:
    """A labelled picture.

    Attributes:
        image: uint8 (3, H, W), gamma-coded sRGB.
        depth: half (1, H, W) metres, 0 where unknown, or None.
        labels: uint8 (1, H, W), 255 where unknown, or None.
        focal_px: focal length in pixels, or None.
        name: of the picture.
    """

    image: Tensor
    depth: Tensor | None
    labels: Tensor | None
    focal_px: float | None
    name: str

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return (self.image.shape[-2], self.image.shape[-1])


@dataclass(frozen=True)
class Encoded:
    """What the network reads and learns for some pictures of one grid.

    Attributes:
        pooled: (N, C, rows, columns) bf16 features, channels last.
        depth: (N, 1, rows, columns) metres for the canonical focal length, 0 where unknown.
        labels: (N, rows, columns) uint8, 255 where unknown.
        log_focal: (N,) ln of the focal length over the canonical one, 0 where it is unknown.
    """

    pooled: Tensor
    depth: Tensor
    labels: Tensor
    log_focal: Tensor = field(default_factory=lambda: torch.zeros(1))


class Pictures(Protocol):
    """A labelled dataset with its class table, such as those of `isp_ns.data.datasets`."""

    table: LabelTable

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """A picture."""
        ...


class Samples:
    """A dataset of `isp_ns.data` samples, each read once and kept in memory.

    Args:
        dataset: of samples.
        tasks: truth that is kept, "depth" and "labels".
        keep: False reads pictures anew each time.
    """

    def __init__(self, dataset: Pictures, tasks: Sequence[str] = ("depth", "labels"), keep: bool = True) -> None:
        self._dataset, self._tasks, self._keep = dataset, tuple(tasks), keep
        self._kept: dict[int, Compact] = {}

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Compact:
        if index in self._kept:
            return self._kept[index]
        compact = self._compact(self._dataset[index])
        if self._keep:
            self._kept[index] = compact
        return compact

    def _compact(self, sample: Sample) -> Compact:
        depth = sample.depth.half() if "depth" in self._tasks and sample.depth is not None else None
        labels = sample.labels.to(torch.uint8) if "labels" in self._tasks and sample.labels is not None else None
        return Compact(sample.image, depth, labels, sample.focal_px, sample.name)

    def label_counts(self) -> Tensor:
        """Pixels of each class over all pictures, (classes,)."""
        classes = len(self._dataset.table.names)
        counts = torch.zeros(classes, dtype=torch.long)
        for index in range(len(self)):
            labels = self[index].labels
            if labels is not None:
                counts += torch.bincount(labels.flatten().long(), minlength=256)[:classes]
        return counts
