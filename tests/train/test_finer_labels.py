"""A finer table stands for the coarse one, teaches the trunk, and is left out of the weights."""

import pytest
import torch

from isp_ns.core.errors import ModelError
from isp_ns.data.labelled import load_label_table
from isp_ns.train.finer_labels import FinerLabels, coarse_labels


@pytest.fixture
def tables():
    return load_label_table("nyu40"), load_label_table("nyu13")


def test_the_coarse_label_follows(tables):
    fine, coarse = tables
    found = coarse_labels(fine, coarse)
    for name, meant in {"wall": "wall", "bookshelf": "furniture", "desk": "table", "blinds": "window"}.items():
        assert coarse.names[found[fine.names.index(name)]] == meant
    assert found[255] == 255
    stored = torch.arange(40)[None]
    assert torch.equal(found[fine.labels(stored)], coarse.labels(stored))


def test_a_coarse_table_is_not_finer(tables):
    fine, coarse = tables
    with pytest.raises(ModelError, match="floor of nyu13 is no part of one class of nyu40"):
        coarse_labels(coarse, fine)


def test_the_loss_reaches_the_trunk_and_is_zero_without_truth(tables):
    torch.manual_seed(0)
    finer = FinerLabels(8, *tables, 0.5)
    features = torch.randn(2, 8, 6, 7, requires_grad=True)
    labels = torch.randint(0, 39, (2, 6, 7))
    finer.loss(features, labels).backward()
    assert float(features.grad.abs().min()) > 0
    assert float(finer.loss(features, torch.full((2, 6, 7), 255)).detach()) == 0
    doubled = FinerLabels(8, *tables, 1.0)
    doubled.load_state_dict(finer.state_dict())
    assert float(doubled.loss(features, labels).detach()) == pytest.approx(
        2 * float(finer.loss(features, labels).detach())
    )
