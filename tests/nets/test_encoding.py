"""The light encodings and the noise they carry."""

import pytest
import torch

from isp_ns.nets.encoding import decode_light, encode_light, encoding_slope, noise_maps, noise_tensors


def test_sqrt_keeps_black_and_white_and_is_odd():
    x = torch.tensor([-0.3, 0.0, 0.3, 1.0])
    y = encode_light(x, "sqrt")
    assert y[1] == 0
    assert y[3] == pytest.approx(1.0, abs=1e-6)
    assert y[0] == -y[2]


def test_round_trip_with_negatives_and_highlights():
    x = torch.linspace(-0.5, 4, 1001, dtype=torch.float64)
    for encoding in ("identity", "sqrt"):
        assert torch.allclose(decode_light(encode_light(x, encoding), encoding), x, atol=1e-12)


def test_slope_is_the_derivative():
    x = torch.linspace(-0.2, 2, 23, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad((encode_light(x.abs(), "sqrt") * torch.sign(x)).sum(), x)
    assert torch.allclose(slope[x.detach().abs() > 1e-6], encoding_slope(x, "sqrt")[x.detach().abs() > 1e-6])


def test_unknown_encodings_are_named():
    with pytest.raises(ValueError, match="'log'"):
        encode_light(torch.zeros(1), "log")


def test_noise_maps_agree_with_simulated_noise():
    generator = torch.Generator().manual_seed(0)
    scale, offset = torch.tensor([2e-3, 1e-3, 3e-3]), torch.tensor([1e-5, 2e-5, 1e-5])
    for level in (0.05, 0.3, 0.9):
        x = torch.full((1, 3, 256, 256), level)
        deviation = (scale * level + offset).sqrt().view(1, 3, 1, 1)
        noisy = encode_light(x + deviation * torch.randn(x.shape, generator=generator), "sqrt")
        measured = noisy.std((0, 2, 3))
        packed = encode_light(torch.full((1, 12, 8, 8), level), "sqrt")
        told = noise_maps(packed, scale, offset, "sqrt")
        assert told.shape == (1, 3, 4, 4)
        assert torch.allclose(told[0, :, 0, 0], measured, rtol=0.03)


def test_noise_maps_in_the_identity_domain_are_the_sigma():
    packed = torch.rand(1, 16, 4, 4)
    told = noise_maps(packed, torch.zeros(3), torch.full((3,), (10 / 255) ** 2), "identity")
    assert torch.allclose(told, torch.full_like(told, 10 / 255))


def test_strength_multiplies_the_deviation():
    scale, offset = noise_tensors(((1e-3, 1e-6),) * 3, 0.5)
    assert scale[0] == pytest.approx(2.5e-4)
    assert offset[0] == pytest.approx(2.5e-7)
    with pytest.raises(ValueError, match="three"):
        noise_tensors(((1e-3, 1e-6),), 1.0)
    with pytest.raises(ValueError, match="negative"):
        noise_tensors(((1e-3, -1e-6),) * 3, 1.0)
