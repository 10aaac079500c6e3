"""Losses of depth and labels against numbers worked by hand."""

import math

import pytest
import torch

from isp_ns.train.dense_losses import berhu, class_weights, depth_loss, label_loss


def output(log_depth, log_scale=0.0):
    both = torch.zeros(1, 2, 2, 2)
    both[:, 0], both[:, 1] = torch.tensor(log_depth), log_scale
    return both


def test_depth_loss_is_the_mean_over_known_pixels():
    target = torch.tensor([[[[1.0, math.e], [0.0, 0.0]]]])
    # Errors: 0.5 − 0, 0.5 − 1; the unknown ones do not count.
    assert float(depth_loss(output([[0.5, 0.5], [9.0, 9.0]]), target)) == pytest.approx(0.5)


def test_slopes_by_hand():
    target = torch.ones(1, 1, 2, 2)
    errors = [[0.0, 1.0], [0.0, 3.0]]
    # Horizontal differences 1 and 3, vertical 0 and 2: mean 1.5; none is two cells apart.
    assert float(depth_loss(output(errors), target, gradient=1.0)) == pytest.approx(1.0 + 1.5)
    assert float(depth_loss(output(2.0), target, gradient=1.0)) == pytest.approx(2.0)


def test_confidence_trains_the_second_map_only():
    both = output(1.0, math.log(2.0)).requires_grad_()
    loss = depth_loss(both, torch.ones(1, 1, 2, 2), confidence=1.0)
    # |e| = 1, scale 2: 1 + ½ + ln 2.
    assert float(loss.detach()) == pytest.approx(1.5 + math.log(2.0))
    loss.backward()
    assert both.grad[:, 0].sum() == pytest.approx(1.0)
    # d/ds of e·exp(−s) + s is 1 − ½.
    assert both.grad[:, 1].sum() == pytest.approx(0.5)


def test_berhu_by_hand():
    # The largest error is 1, so c = 0.2.
    expected = [0.1, 0.2, (1 + 0.04) / 0.4]
    assert berhu(torch.tensor([0.1, -0.2, 1.0])).tolist() == pytest.approx(expected)
    assert float(depth_loss(output(1.0), torch.ones(1, 1, 2, 2), kind="berhu")) == pytest.approx(1.04 / 0.4)


def test_without_truth_there_is_no_loss():
    both = output(1.0).requires_grad_()
    logits = torch.zeros(1, 3, 2, 2, requires_grad=True)
    total = depth_loss(both, torch.zeros(1, 1, 2, 2), kind="berhu", gradient=1.0, confidence=1.0)
    total = total + label_loss(logits, torch.full((1, 2, 2), 255))
    total.backward()
    assert float(total.detach()) == 0
    assert not both.grad.any()


def test_labels_by_hand():
    logits = torch.zeros(1, 4, 2, 2)
    target = torch.tensor([[[0, 1], [255, 255]]])
    assert float(label_loss(logits, target)) == pytest.approx(math.log(4))
    logits[0, 0] = math.log(3.0)
    # p(0) = ½, p(1) = ⅙; class 0 counts three times.
    weights = torch.tensor([3.0, 1.0, 1.0, 1.0])
    assert float(label_loss(logits, target, weights)) == pytest.approx((3 * math.log(2) + math.log(6)) / 4)


def test_outputs_are_interpolated_to_the_truth():
    assert float(depth_loss(output(1.0), torch.ones(1, 1, 8, 6))) == pytest.approx(1.0)


def test_class_weights_by_hand():
    counts = torch.tensor([1.0, 4.0, 16.0])
    # Roots of the median over each: 2, 1, ½.
    assert class_weights(counts, "root").tolist() == pytest.approx([6 / 3.5, 3 / 3.5, 1.5 / 3.5])
    log = [1 / math.log(1.02 + n / 21) for n in (1, 4, 16)]
    assert class_weights(counts, "log").tolist() == pytest.approx([3 * w / sum(log) for w in log], rel=1e-5)
    assert class_weights(counts, "none") is None


def test_unknown_names():
    with pytest.raises(ValueError, match="depth loss"):
        depth_loss(output(1.0), torch.ones(1, 1, 2, 2), kind="l3")
    with pytest.raises(ValueError, match="class weights"):
        class_weights(torch.ones(2), "rare")
