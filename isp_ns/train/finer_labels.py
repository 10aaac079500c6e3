"""Labels of a finer table, learned beside those that a head is for: what sets chairs apart from stools helps both."""

import torch
from torch import Tensor, nn

from isp_ns.core.errors import ModelError
from isp_ns.data.labelled import IGNORED, LabelTable
from isp_ns.nets.heads import LabelDecoder
from isp_ns.train.dense_losses import label_loss

__all__ = ["FinerLabels", "coarse_labels"]


def coarse_labels(fine: LabelTable, coarse: LabelTable) -> Tensor:
    """The label of a coarse table for each label of a finer one, int64 (256,), 255 where there is none.

    Raises:
        ModelError: if a class of the finer table is spread over several of the coarse one.
    """
    found = torch.full((IGNORED + 1,), IGNORED)
    for label, values in enumerate(fine.values):
        meant = set(coarse.labels(torch.tensor(values)).tolist())
        if len(meant) > 1:
            raise ModelError(
                f"class {fine.names[label]} of {fine.name} is no part of one class of {coarse.name}; "
                f"choose a table whose classes are parts of those of {coarse.name}"
            )
        found[label] = meant.pop()
    return found


class FinerLabels(nn.Module):
    """A decoder for a finer table, which is left behind when weights are exported.

    Args:
        width: channels of the fine map of the network.
        fine: classes that the truth is given in.
        coarse: classes of the head.
        factor: of the loss by the finer table.

    Raises:
        ModelError: if a class of the finer table is spread over several of the coarse one.

    Source: an auxiliary task on the same features (Caruana 1997, "Multitask learning"), here a finer division of the
        same thing.
    """

    def __init__(self, width: int, fine: LabelTable, coarse: LabelTable, factor: float) -> None:
        super().__init__()
        self.decoder = LabelDecoder(width, len(fine.names))
        self.factor = factor
        self._coarse = nn.Buffer(coarse_labels(fine, coarse))

    def coarse(self, labels: Tensor) -> Tensor:
        """Labels of the finer table, any shape, to those of the head."""
        return self._coarse[labels.long()]

    def loss(self, fine: Tensor, labels: Tensor) -> Tensor:
        """The loss by the finer table.

        Args:
            fine: (B, width, h, w) fine map of the network.
            labels: (B, h, w) labels of the finer table.
        """
        return self.factor * label_loss(self.decoder(fine), labels.long())
