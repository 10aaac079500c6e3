"""Depth scores against numbers worked by hand."""

import math

import pytest
import torch

from isp_ns.metrics.depth import DepthScore


def test_numbers_worked_by_hand():
    score = DepthScore()
    truth = torch.tensor([1.0, 2.0, 4.0, 0.0])
    found = torch.tensor([1.2, 2.0, 8.0, 5.0])
    score.update(found[:2], truth[:2])
    score.update(found[2:], truth[2:])
    result = score.result()
    assert result["delta1"] == pytest.approx(2 / 3)
    assert result["delta2"] == pytest.approx(2 / 3)
    assert result["delta3"] == pytest.approx(2 / 3)
    assert result["rmse_m"] == pytest.approx(math.sqrt((0.04 + 16) / 3), rel=1e-6)
    assert result["aerr_m"] == pytest.approx(4.2 / 3)
    assert result["rel"] == pytest.approx(1.2 / 3)


def test_thresholds_count_both_ways():
    score = DepthScore()
    score.update(torch.tensor([1 / 1.24, 1.24, 1 / 1.26, 1.5, 1.9]), torch.ones(5))
    result = score.result()
    assert [result[f"delta{power}"] for power in (1, 2, 3)] == pytest.approx([0.4, 0.8, 1.0])


def test_truth_out_of_range_does_not_count():
    score = DepthScore(nearest_m=0.5, farthest_m=10)
    score.update(torch.full((4,), 2.0), torch.tensor([2.0, 0.2, 11.0, 0.0]))
    assert score.result()["rmse_m"] == 0


def test_nothing_measured_is_said():
    score = DepthScore()
    score.update(torch.ones(2), torch.zeros(2))
    with pytest.raises(ValueError, match="no pixel with a measured depth"):
        score.result()
    with pytest.raises(ValueError, match="shape"):
        score.update(torch.ones(2), torch.zeros(3))
