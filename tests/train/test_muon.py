"""The optimiser against its definition."""

import pytest
import torch
from torch import nn

from isp_ns.train.muon import Muon, orthogonalise


@pytest.mark.parametrize("shape", [(16, 64), (64, 16), (32, 32)])
def test_singular_values_become_nearly_equal(shape):
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrices))
    assert values.max() < 1.3
    assert values.median() > 0.6


def test_singular_vectors_are_kept():
    matrix = torch.randn(1, 8, 32, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrix[0], full_matrices=False)
    inner = u.T @ orthogonalise(matrix)[0] @ v.T
    assert (inner - torch.diag(inner.diagonal())).abs().max() < 1e-3


def test_biases_move_as_adamw_moves_them():
    ours, theirs = nn.Parameter(torch.ones(5)), nn.Parameter(torch.ones(5))
    optimizers = (Muon([ours], lr=0.01), torch.optim.AdamW([theirs], 0.01, (0.9, 0.99), weight_decay=0))
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        gradient = torch.randn(5, generator=generator)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_step_size_is_that_of_adam():
    conv = nn.Conv2d(16, 16, 3)
    before = conv.weight.detach().clone()
    optimizer = Muon(conv.parameters(), lr=0.1)
    conv(torch.randn(1, 16, 8, 8)).square().mean().backward()
    optimizer.step()
    moved = (conv.weight.detach() - before).square().mean().sqrt()
    assert 0.1 * 0.2 * 0.6 < moved < 0.1 * 0.2 * 1.3


def test_it_solves_a_regression():
    torch.manual_seed(0)
    net, x, truth = nn.Linear(16, 16), torch.randn(256, 16), torch.randn(16, 16)
    optimizer = Muon(net.parameters(), lr=0.1)
    losses = []
    for step in range(200):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * (1 - step / 200)
        loss = (net(x) - x @ truth.T).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 1e-2 * losses[0]


def test_state_round_trip():
    conv = nn.Conv2d(8, 8, 3)
    optimizer = Muon(conv.parameters(), lr=0.1)
    conv(torch.randn(1, 8, 8, 8)).sum().backward()
    optimizer.step()
    again = Muon(conv.parameters(), lr=0.1)
    again.load_state_dict(optimizer.state_dict())
    assert torch.equal(again.state[conv.weight]["momentum"], optimizer.state[conv.weight]["momentum"])
