"""Heads: sizes, budgets and independence of the tasks."""

from dataclasses import replace

import pytest
import torch
from torch.nn.utils.fusion import fuse_conv_bn_eval

from isp_ns.nets.counters import parameters
from isp_ns.nets.heads import CANONICAL_FOCAL_CELLS, HeadSpec, PerceptionNet, depth_at
from isp_ns.nets.pooling import mirror_cells, packed_channels, pooled_channels

SMALL = HeadSpec(20, (8, 12, 16), (1, 1, 1))
TASKS = {"depth": None, "labels": 5}


@pytest.fixture
def net():
    torch.manual_seed(0)
    return PerceptionNet(SMALL, TASKS).eval()


@pytest.mark.parametrize(("rows", "columns"), [(60, 80), (54, 80), (13, 9), (8, 8)])
def test_any_grid_fits(net, rows, columns):
    cells = torch.randn(2, 20, rows, columns)
    outputs = net(cells)
    assert outputs["depth"].shape == (2, 2, rows, columns)
    assert outputs["labels"].shape == (2, 5, rows, columns)
    deep, fine = net.features(cells)
    assert (deep.shape[1], fine.shape[1]) == net.feature_channels
    assert fine.shape[-2:] == (rows, columns)


def test_usual_heads_are_small():
    inputs = packed_channels(pooled_channels(32, 48))
    for tasks in ({"depth": None}, {"labels": 13}):
        assert 300_000 < parameters(PerceptionNet(HeadSpec(inputs), tasks)) < 1_000_000


def test_every_output_sees_the_whole_picture(net):
    pooled = torch.randn(1, 20, 64, 64, requires_grad=True)
    net(pooled)["depth"][0, 0, 0, 0].backward()
    assert float(pooled.grad[0, :, -8:, -8:].abs().sum()) > 0


def test_a_task_does_not_depend_on_its_neighbour(net):
    pooled = torch.randn(1, 20, 16, 16)
    before = net(pooled)["depth"]
    torch.nn.init.zeros_(net.decoder("labels").out.weight)
    assert torch.equal(net(pooled)["depth"], before)
    with pytest.raises(ValueError, match="no head 'normals'"):
        net.decoder("normals")


def test_batch_norms_fold_into_their_convolutions(net):
    x = torch.randn(1, 20, 16, 16)
    conv, norm = net.trunk.down[0][0]
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    assert torch.allclose(fuse_conv_bn_eval(conv, norm)(x), net.trunk.down[0][0](x), atol=1e-5)


def test_the_answer_for_a_mirror_image_is_the_mirrored_answer():
    torch.manual_seed(1)
    net = PerceptionNet(HeadSpec(50, (8, 12, 16), (1, 1, 1)), TASKS).eval()
    cells = torch.randn(1, 50, 12, 16)
    there, back = net.answer(cells), net.answer(mirror_cells(cells))
    assert not torch.allclose(net(cells)["labels"], net(mirror_cells(cells))["labels"].flip(-1), atol=1e-2)
    for task in TASKS:
        assert torch.allclose(there[task], back[task].flip(-1), atol=1e-5)


def test_depth_knows_the_focal_length_if_it_was_told_to():
    torch.manual_seed(2)
    cells, log_focal = torch.randn(2, 20, 16, 16), torch.tensor([0.0, 0.4])
    told, plain = (PerceptionNet(replace(SMALL, by_focal=told), TASKS).eval()(cells)["depth"] for told in (True, False))
    assert (told.shape[1], plain.shape[1]) == (3, 2)
    assert torch.equal(depth_at(plain, log_focal), plain[:, :1])
    change = depth_at(told, log_focal) - told[:, :1]
    assert torch.equal(change[0], torch.zeros_like(change[0]))
    assert torch.allclose(change[1], 0.4 * told[1, 2:], atol=1e-6)
    assert HeadSpec(**replace(SMALL, by_focal=True).sizes()).by_focal


def test_canonical_camera_is_that_of_nyu():
    assert pytest.approx(129.725) == CANONICAL_FOCAL_CELLS
