"""A wider and deeper space that starts from another computes the same pictures, and can learn in all its weights."""

import pytest
import torch

from isp_ns.nets.space import NeuralSpace, SpaceSpec
from isp_ns.train.widen import widen

SMALL = SpaceSpec(16, 12, 16, 1, 1, 1, 1, 8, 8)
LARGE = SpaceSpec(24, 16, 20, 1, 2, 1, 2, 12, 16)


@pytest.fixture
def pair():
    torch.manual_seed(0)
    small, large = NeuralSpace(SMALL, "small"), NeuralSpace(LARGE, "large")
    # Fresh heads and denoisers give nothing, which would hide what is wrong with them.
    for conv in (small.d_rgb.head, small.denoiser.leave_b, small.denoiser.leave_t):
        torch.nn.init.normal_(conv.weight, std=0.1)
    widen(large, small)
    return small, large


def develop(space, mosaic):
    noise = [(1e-3, 1e-5)] * 3
    features = space.denoise(*space.encode(mosaic), noise)
    return space.decode(*features, size=mosaic.shape[-2:])


def test_the_pictures_are_the_same(pair):
    mosaic, rgb = torch.rand(1, 1, 24, 32), torch.rand(1, 3, 24, 32)
    small, large = (develop(space, mosaic) for space in pair)
    assert float((small - mosaic).detach().abs().max()) > 0.1
    assert torch.allclose(small, large, atol=1e-5)
    small, large = (space.decode(*space.encode_rgb(rgb), size=(24, 32)) for space in pair)
    assert torch.allclose(small, large, atol=1e-5)


def test_new_channels_learn(pair):
    _, large = pair
    before = {name: value.clone() for name, value in large.state_dict().items()}
    optimizer = torch.optim.SGD(large.parameters(), 0.1)
    for _ in range(2):
        develop(large, torch.rand(1, 1, 24, 32)).square().mean().backward()
        optimizer.step()
    moved = {name for name, value in large.state_dict().items() if not torch.equal(value, before[name])}
    assert {name for name in before if not name.startswith("e_rgb")} == moved


def test_a_space_of_the_same_size_is_copied(pair):
    small, _ = pair
    twin = NeuralSpace(SMALL, "twin")
    widen(twin, small)
    assert all(torch.equal(value, small.state_dict()[name]) for name, value in twin.state_dict().items())


def test_a_larger_space_does_not_fit(pair):
    small, large = pair
    with pytest.raises(ValueError, match="no room in small"):
        widen(small, large)
