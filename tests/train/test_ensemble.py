"""Several networks as one teacher: means by hand, cells without truth count, and the student moves towards them."""

import math

import pytest
import torch
from torch import nn

from isp_ns.train.ensemble import Ensemble, answer_distance


class Answers(nn.Module):
    """Always the same outputs."""

    def __init__(self, depth, labels):
        super().__init__()
        self.outputs = {
            "depth": torch.tensor(depth).view(1, -1, 1, 1).expand(1, -1, 2, 3),
            "labels": torch.tensor(labels).view(1, -1, 1, 1).expand(1, -1, 2, 3),
        }

    def forward(self, cells):
        return self.outputs


FOCAL = torch.tensor([0.5])


def test_mean_answers_are_those_by_hand():
    pair = Ensemble([Answers([1.0, 0.0, 2.0], [math.log(3.0), 0.0]), Answers([2.0, 9.0, 0.0], [0.0, 0.0])])
    answers = pair.answers(torch.zeros(1, 4, 2, 3), FOCAL)
    # Depth at this focal length: 1 + 2 · 0.5 = 2 of the first, 2 of the second; probabilities 3/4 and 1/2.
    assert torch.allclose(answers["depth"], torch.full((1, 1, 2, 3), 2.0))
    assert torch.allclose(answers["labels"].exp(), torch.tensor([0.625, 0.375]).view(1, 2, 1, 1).expand(1, 2, 2, 3))


def test_distances_are_those_by_hand():
    answers = Ensemble([Answers([2.0, 0.0], [math.log(3.0), 0.0])]).answers(torch.zeros(1, 4, 2, 3), FOCAL)
    depth = torch.tensor([2.25, 5.0]).view(1, 2, 1, 1).expand(1, 2, 2, 3)
    assert float(answer_distance("depth", depth, answers["depth"], FOCAL)) == pytest.approx(0.25)
    even = torch.zeros(1, 2, 2, 3)
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert float(answer_distance("labels", even, answers["labels"], FOCAL)) == pytest.approx(divergence, abs=1e-6)
    # A constant added to logits changes no probability.
    same = torch.tensor([math.log(3.0), 0.0]).view(1, 2, 1, 1).expand(1, 2, 2, 3) + 4
    assert float(answer_distance("labels", same, answers["labels"], FOCAL)) == pytest.approx(0, abs=1e-6)


def test_no_network_is_no_ensemble():
    with pytest.raises(ValueError, match="at least one"):
        Ensemble([])
