"""Every balancer against one step worked by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from isp_ns.core.errors import MissingExtraError
from isp_ns.train import balance
from isp_ns.train.aggregate import cagrad_weights
from isp_ns.train.balance import BALANCERS, build_balancer


def step(balancer, gradients, losses=(1.0, 1.0)):
    """Gradient of shared weights (2,) for tasks whose gradients and losses are given."""
    shared = nn.Parameter(torch.zeros(1, 2))
    own = [nn.Parameter(torch.zeros(1)) for _ in gradients]
    values = [
        value + (shared * torch.tensor(row)).sum() + weight.sum()
        for value, row, weight in zip(losses, gradients, own, strict=True)
    ]
    factors = balancer.backward(values, [shared], [[weight] for weight in own])
    return shared.grad[0].tolist(), factors.tolist(), [float(weight.grad) for weight in own]


def test_uniform_adds():
    vector, factors, own = step(build_balancer("uniform", 2, factors=[1, 3]), [[1.0, 0.0], [0.0, 2.0]])
    assert vector == [1.0, 6.0]
    assert factors == own == [1.0, 3.0]


def test_gradients_that_are_there_stay():
    shared = nn.Parameter(torch.zeros(2))
    shared.grad = torch.ones(2)
    build_balancer("cagrad", 2).backward([shared.sum(), shared.sum()], [shared], [[], []])
    assert float(shared.grad[0]) > 1


def test_uncertainty_learns_the_variances():
    balancer = build_balancer("uncertainty", 2)
    vector, factors, _ = step(balancer, [[1.0, 0.0], [0.0, 2.0]], (4.0, 1.0))
    assert factors == [0.5, 0.5]
    assert vector == [0.5, 1.0]
    # d/ds of ½ exp(−s) L + ½ s at s = 0 is (1 − L) / 2.
    assert balancer.log_variance.grad.tolist() == [-1.5, 0.0]


def test_imtl_l_learns_scales():
    balancer = build_balancer("imtl_l", 2)
    vector, _, _ = step(balancer, [[1.0, 0.0], [0.0, 2.0]], (4.0, 0.5))
    assert vector == [1.0, 2.0]
    # d/ds of exp(s) L − s at s = 0 is L − 1.
    assert balancer.log_scale.grad.tolist() == [3.0, -0.5]


def test_dwa_favours_the_slower_task():
    balancer = build_balancer("dwa", 2)
    assert balancer.weights(torch.ones(2)).tolist() == [1.0, 1.0]
    balancer.end_epoch(torch.tensor([2.0, 2.0]))
    balancer.end_epoch(torch.tensor([1.0, 2.0]))
    slow, fast = math.exp(1.0 / 2), math.exp(0.5 / 2)
    expected = [2 * fast / (slow + fast), 2 * slow / (slow + fast)]
    assert balancer.weights(torch.ones(2)).tolist() == pytest.approx(expected)


def test_gradnorm_shortens_the_longer_gradient():
    balancer = build_balancer("gradnorm", 2)
    vector, factors, _ = step(balancer, [[3.0, 4.0], [0.0, 1.0]], (1.0, 1.0))
    assert factors == [1.0, 1.0]
    assert vector == [3.0, 5.0]
    # Lengths 5 and 1, both tasks at the same pace, so both aim at 3: Adam's first step is ∓ its rate.
    expected = [2 * (1 - 0.025) / 2, 2 * (1 + 0.025) / 2]
    assert balancer.values.tolist() == pytest.approx(expected, abs=1e-5)


def test_famo_follows_the_fall_of_the_losses():
    balancer = build_balancer("famo", 2)
    _, factors, _ = step(balancer, [[1.0, 0.0], [0.0, 2.0]], (4.0, 1.0))
    # z = ½ each; z / L = 1/8 and 1/2, scaled to sum to 1.
    assert factors == pytest.approx([0.2, 0.8])
    balancer.after_step(torch.tensor([2.0, 1.0]))
    # The first fell, so that its logit is moved down: Adam's first step is ∓ its rate.
    assert balancer.values.tolist() == pytest.approx([-0.025, 0.025], abs=1e-5)


def test_famo_needs_a_step_first():
    with pytest.raises(ValueError, match="before a step"):
        build_balancer("famo", 2).after_step(torch.ones(2))


def worst_by_search(gramian, c):
    """The same weights by trying every direction."""
    g0 = np.array([0.5, 0.5])
    w = np.stack([np.linspace(0, 1, 200_001), 1 - np.linspace(0, 1, 200_001)])
    length = np.sqrt(np.maximum(np.einsum("in,ij,jn->n", w, gramian, w), 1e-24))
    radius = c * math.sqrt(g0 @ gramian @ g0)
    best = np.argmin(g0 @ gramian @ w + radius * length)
    return g0 + radius / length[best] * w[:, best]


@pytest.mark.parametrize("gradients", [[[1, 0], [0, 2]], [[1, 0], [-2, 1]], [[1, 1], [3, 2.9]], [[5, 0], [-0.1, 0.2]]])
@pytest.mark.parametrize("c", [0.2, 0.4, 0.9])
def test_cagrad_is_the_best_of_all_directions(gradients, c):
    matrix = torch.tensor(gradients, dtype=torch.float64)
    gramian = matrix @ matrix.T
    expected = worst_by_search(gramian.numpy(), c)
    assert cagrad_weights(gramian, c).tolist() == pytest.approx(expected.tolist(), abs=1e-4)


def test_cagrad_of_equal_lengths_by_hand():
    vector, _, own = step(build_balancer("cagrad", 2), [[1.0, 0.0], [0.0, 1.0]])
    # By symmetry w = ½: mean gradient (½, ½), and 0.4 of its length on top of it.
    assert vector == pytest.approx([0.7, 0.7])
    assert own == [1.0, 1.0]


def test_cagrad_of_equal_gradients_is_their_mean():
    assert cagrad_weights(torch.ones(2, 2), 0.4).tolist() == [0.5, 0.5]


def test_cagrad_is_for_two():
    with pytest.raises(ValueError, match="two tasks"):
        cagrad_weights(torch.eye(3), 0.4)


@pytest.mark.parametrize(
    ("name", "gradients", "expected"),
    [
        # Shortest point between (1, 0) and (0, 2): 4/5 of the first, 1/5 of the second.
        ("mgda", [[1.0, 0.0], [0.0, 2.0]], [0.8, 0.4]),
        # Product −1: each loses its part along the other, (1, 0) → (½, ½) and (−1, 1) → (0, 1).
        ("pcgrad", [[1.0, 0.0], [-1.0, 1.0]], [0.5, 1.5]),
        # All signs agree, so that nothing is dropped.
        ("graddrop", [[1.0, 2.0], [0.5, 1.0]], [1.5, 3.0]),
        # Equal projection on both unit gradients: weights 2/3 and 1/3.
        ("imtl_g", [[1.0, 0.0], [0.0, 2.0]], [2 / 3, 2 / 3]),
        ("imtl", [[1.0, 0.0], [0.0, 2.0]], [2 / 3, 2 / 3]),
    ],
)
def test_gradient_balancers_by_hand(name, gradients, expected):
    pytest.importorskip("torchjd")
    vector, _, own = step(build_balancer(name, 2), gradients)
    assert vector == pytest.approx(expected, abs=1e-3)
    assert own == pytest.approx([1.0, 1.0])


def test_graddrop_takes_one_sign_and_repeats():
    pytest.importorskip("torchjd")
    gradients = [[1.0, 1.0], [-1.0, 2.0]]
    first, second = build_balancer("graddrop", 2, seed=1), build_balancer("graddrop", 2, seed=1)
    vectors = [step(first, gradients)[0] for _ in range(20)]
    assert vectors == [step(second, gradients)[0] for _ in range(20)]
    assert {vector[0] for vector in vectors} == {1.0, -1.0}
    assert {vector[1] for vector in vectors} == {3.0}


@pytest.mark.parametrize("name", BALANCERS)
def test_state_goes_into_checkpoints(name):
    if name in ("mgda", "pcgrad", "graddrop", "imtl_g", "imtl"):
        pytest.importorskip("torchjd")
    first, second = build_balancer(name, 2), build_balancer(name, 2)
    for losses in ((2.0, 1.0), (1.5, 0.9)):
        step(first, [[1.0, 2.0], [-1.0, 2.0]], losses)
        first.end_epoch(torch.tensor(losses))
        if first.looks_back:
            first.after_step(torch.tensor(losses) * torch.tensor([0.9, 0.5]))
    second.load_state_dict(first.state_dict())
    results = [step(balancer, [[1.0, 2.0], [-1.0, 2.0]], (1.2, 0.7)) for balancer in (first, second)]
    assert results[0] == results[1]


def test_names():
    with pytest.raises(ValueError, match="no balancer"):
        build_balancer("luck", 2)
    assert isinstance(build_balancer("mgda", 1), balance.Uniform)
    with pytest.raises(ValueError, match="factors"):
        build_balancer("uniform", 2, factors=[1.0])


def test_torchjd_is_asked_for_by_name(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torchjd", None)
    with pytest.raises(MissingExtraError, match=r"isp-ns\[balance\]"):
        build_balancer("mgda", 2)
