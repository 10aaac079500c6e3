"""8-bit arithmetic against the same network in fp32, and against arithmetic done by hand."""

import copy

import pytest
import torch
from torch.nn import functional as F

from isp_ns.nets import int8
from isp_ns.nets.int8 import Int8RawEncoder, activation_ranges, int8_is_fast, to_int8
from isp_ns.nets.layers import mirror_
from isp_ns.nets.space import build_space

pytestmark = pytest.mark.skipif(not int8_is_fast(), reason="this processor or this torch has no 8-bit convolutions")


@pytest.fixture(scope="module")
def space():
    torch.manual_seed(0)
    return build_space("ns-lite").eval().requires_grad_(False)


@pytest.fixture(scope="module")
def ranges(space):
    generator = torch.Generator().manual_seed(1)
    return activation_ranges(space.e_raw, [torch.rand(2, 1, 64, 64, generator=generator) for _ in range(3)])


def _levels(x, scale):
    return (x / scale).round().clamp(0, 255) * scale


def _weights(conv):
    scale = conv.weight.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-8) / 127
    return (conv.weight / scale).round() * scale


def _by_hand(encoder, ranges, mosaic):
    """The same arithmetic in floating point: every activation rounded to its levels, every weight to its own."""
    trunk, scales = encoder.trunk, {name: value / 255 for name, value in ranges.items()}
    packed = F.pixel_unshuffle(mosaic, 2)
    x = _levels(F.relu(trunk.stem(packed)), scales["stem"])

    def block(x, module, name):
        hidden = F.conv2d(x, _weights(module.first), module.first.bias, padding=1)
        hidden = _levels(F.relu(hidden), scales[f"{name}.first"])
        return _levels(
            F.relu(F.conv2d(hidden, _weights(module.second), module.second.bias, padding=1) + x), scales[name]
        )

    for index, module in enumerate(trunk.fine):
        x = block(x, module, f"fine.{index}")
    z_b = F.conv2d(x, _weights(trunk.tap), trunk.tap.bias)
    z_b[:, :12] += encoder.linear(packed)
    z_t = _levels(F.relu(F.conv2d(x, _weights(trunk.down), trunk.down.bias, stride=2)), scales["down"])
    for index, module in enumerate(trunk.coarse):
        z_t = block(z_t, module, f"coarse.{index}")
    return z_b, z_t


def test_features_are_those_of_the_arithmetic_done_by_hand(space, ranges):
    mosaic = torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(2))
    z_b, z_t = Int8RawEncoder(copy.deepcopy(space.e_raw), ranges)(mosaic)
    exact_b, exact_t = _by_hand(space.e_raw, ranges, mosaic)
    # A sum that falls on the border of two levels may be rounded either way, and carries on from there.
    assert (z_b - exact_b).abs().mean() < 1e-3 * exact_b.abs().mean()
    assert (z_t - exact_t).abs().mean() < 5e-3 * exact_t.abs().mean()


def test_ranges_give_the_least_square_error():
    """Of an exponential distribution cut at 8 times its mean, against a search of its samples themselves."""
    values = -torch.rand(200_000, generator=torch.Generator().manual_seed(3), dtype=torch.float64).log()
    values = values[values < 8]
    found = int8._best_range(torch.histc(values, 4096, 0.0, 8.0), 8.0)
    errors = {top: float((values - _levels(values, top / 255)).square().mean()) for top in (0.5 * found, found, 8.0)}
    assert found < 8.0
    assert min(errors, key=errors.get) == found


def test_mirrored_twins_give_mirrored_features(space, ranges):
    twin = to_int8(space, ranges)
    mosaic = torch.rand(1, 1, 32, 48, generator=torch.Generator().manual_seed(4))
    straight, _ = twin.encode(mosaic)
    other = copy.deepcopy(space)
    mirror_(other, False, True)
    mirrored, _ = twin.encode(mosaic, pattern="GRBG")
    expected, _ = other.encode(mosaic)
    assert torch.allclose(mirrored, expected, atol=0.02)
    assert not torch.allclose(mirrored, straight, atol=0.02)


def test_highlights_beyond_the_ranges_saturate(space, ranges):
    z_b, z_t = to_int8(space, ranges).encode(torch.full((1, 1, 16, 16), 50.0))
    assert bool(z_b.isfinite().all())
    assert float(z_t.max()) <= max(ranges.values()) + 1e-4


def test_missing_ranges_are_refused(space):
    with pytest.raises(ValueError, match=r"no activation ranges for .*stem"):
        to_int8(space, {"down": 1.0})
