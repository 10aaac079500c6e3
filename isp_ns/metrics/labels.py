"""Scores of label maps: one confusion matrix over the whole set."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["IGNORE", "LabelScore"]

IGNORE = 255
"""The label of pixels that do not count."""


class LabelScore:
    """A confusion matrix, and what follows from it.

    Args:
        classes: names, in the order of the labels.

    Source: Long, Shelhamer, Darrell 2015, "Fully convolutional networks", section 5.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        count = len(self.classes)
        self.confusion = torch.zeros(count, count, dtype=torch.int64)
        """Pixels by true class (rows) and found class (columns)."""

    def update(self, labels: Tensor, truth: Tensor) -> None:
        """Count one picture.

        Args:
            labels: found classes, any shape.
            truth: true classes, the same shape; 255 does not count.

        Raises:
            ValueError: if the shapes differ, or a class is not one of those named.
        """
        if labels.shape != truth.shape:
            raise ValueError(f"labels of shape {tuple(labels.shape)}, truth of shape {tuple(truth.shape)}")
        valid = truth != IGNORE
        true, found, count = truth[valid].long(), labels[valid].long(), len(self.classes)
        both = torch.cat([true, found])
        if both.numel() and (int(both.min()) < 0 or int(both.max()) >= count):
            raise ValueError(f"labels must be 0..{count - 1}, or {IGNORE} in the truth")
        self.confusion += torch.bincount(true * count + found, minlength=count**2).view(count, count).cpu()

    def result(self) -> dict[str, Any]:
        """miou (mean over the classes that occur), pixel_accuracy, and iou by class name; None where it never occurs.

        Raises:
            ValueError: if no pixel had a truth.
        """
        if not int(self.confusion.sum()):
            raise ValueError("no labelled pixel was seen; check the dataset")
        matrix = self.confusion.double()
        right, union = matrix.diagonal(), matrix.sum(0) + matrix.sum(1) - matrix.diagonal()
        iou = [float(r / u) if u > 0 else None for r, u in zip(right, union, strict=True)]
        known = [value for value in iou if value is not None]
        return {
            "miou": sum(known) / len(known),
            "pixel_accuracy": float(right.sum() / matrix.sum()),
            "iou": dict(zip(self.classes, iou, strict=True)),
        }
