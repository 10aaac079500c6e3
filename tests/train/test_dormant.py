"""Units that are silenced on purpose wake again, and no picture changes."""

import pytest
import torch

from isp_ns.nets.space import NeuralSpace, SpaceSpec
from isp_ns.train.dormant import hidden_layers, revive, without_dormant
from isp_ns.train.muon import Muon

SILENT = -100.0


@pytest.fixture
def space():
    torch.manual_seed(0)
    made = NeuralSpace(SpaceSpec(16, 12, 16, 1, 2, 1, 2, 8, 8, denoise_far=8), "small")
    for conv in (made.d_rgb.head, made.denoiser.leave_b, made.denoiser.far.second, made.denoiser.leave_t):
        torch.nn.init.normal_(conv.weight, std=0.1)
    for layer in hidden_layers(made):
        if layer.producers[0].bias is not None:
            layer.producers[0].bias.data[:2] = 0.3  # so that no unit of the fresh weights happens to sleep
    return made


@pytest.fixture
def silenced(space):
    """Half of the decoder's first units, one of its second layer, a whole block, and one unit of the denoiser."""
    with torch.no_grad():
        space.d_rgb.merge.bias[:8] = SILENT
        space.d_rgb.refine[0].bias[3] = SILENT
        space.e_raw.trunk.coarse[1].first.bias[:] = SILENT
        space.denoiser.enter_b.bias[5] = SILENT
    return space


PICTURES = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def develop(space):
    mosaic = PICTURES[:, :1]
    noisy = space.decode(*space.denoise(*space.encode(mosaic), [(1e-3, 1e-3)] * 3), size=(32, 32))
    return noisy, space.decode(*space.encode_rgb(PICTURES), size=(32, 32))


def share_awake(conv_input):
    return (conv_input > 0).float().mean((0, 2, 3))


def seen_by(space, consumer):
    seen = []
    hook = consumer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    develop(space)
    hook.remove()
    return torch.cat(seen)


def test_sleeping_units_wake_and_pictures_stay(silenced):
    before = [picture.detach() for picture in develop(silenced)]
    asleep = {layer: share_awake(seen_by(silenced, layer.consumer)) == 0 for layer in hidden_layers(silenced)}
    count = sum(int(units.sum()) for units in asleep.values())
    assert count >= 8 + 1 + 12 + 1
    assert revive(silenced, lambda: develop(silenced)) == count
    for layer, units in asleep.items():
        assert bool((share_awake(seen_by(silenced, layer.consumer))[units] > 0.05).all())
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(before, develop(silenced), strict=True))


def test_units_that_are_awake_keep_their_weights(silenced):
    merge, refine = silenced.d_rgb.merge, silenced.d_rgb.refine[0]
    before, reads = merge.weight.detach().clone(), refine.weight.detach().clone()
    revive(silenced, lambda: develop(silenced))
    assert torch.equal(merge.weight[8:], before[8:])
    assert not torch.equal(merge.weight[:8], before[:8])
    awake = [index for index in range(16) if index != 3]
    assert torch.equal(refine.weight[awake][:, 8:], reads[awake][:, 8:])
    assert float(refine.weight[awake][:, :8].detach().abs().max()) == 0


def test_only_the_named_parts(silenced):
    before = silenced.e_raw.trunk.coarse[1].first.weight.detach().clone()
    revive(silenced, lambda: develop(silenced), parts=("d_rgb",))
    assert torch.equal(silenced.e_raw.trunk.coarse[1].first.weight, before)


def test_the_optimiser_forgets_them(silenced):
    optimizer = Muon(silenced.parameters(), 1e-4)
    sum(picture.square().mean() for picture in develop(silenced)).backward()
    optimizer.step()
    revive(silenced, lambda: develop(silenced), optimizer)
    momentum = optimizer.state[silenced.d_rgb.refine[0].weight]["momentum"]
    assert float(momentum[3].abs().max()) == 0
    assert float(momentum[:, :8].abs().max()) == 0
    assert float(momentum[[0, 1], 8:].abs().max()) > 0


def test_a_network_that_is_awake_is_left_alone(space):
    revive(space, lambda: develop(space))
    before = {name: value.clone() for name, value in space.state_dict().items()}
    assert revive(space, lambda: develop(space)) == 0
    assert all(torch.equal(value, before[name]) for name, value in space.state_dict().items())


def test_without_sleeping_units_pictures_stay(silenced):
    with torch.no_grad():
        silenced.d_rgb.refine[0].bias[4:7] = SILENT
        silenced.d_rgb.refine[1].bias[10:] = SILENT
    small = without_dormant(silenced, lambda: develop(silenced))
    assert small.spec.decoder_width == 12  # of 16: four are asleep in the first of the two layers, six in the second
    assert [conv.in_channels for conv in (*small.d_rgb.refine, small.d_rgb.head)] == [16, 12, 12]
    for before, after in zip(develop(silenced), develop(small), strict=True):
        torch.testing.assert_close(after, before, rtol=0, atol=1e-6)


def test_units_that_are_awake_are_kept(space):
    small = without_dormant(space, lambda: develop(space))
    assert small.spec.decoder_width == space.spec.width_b
    assert all(torch.equal(small.state_dict()[name], value) for name, value in space.state_dict().items())
