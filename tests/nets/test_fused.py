"""The fused denoiser and decoder against the modules that they stand for."""

import dataclasses

import pytest
import torch

from isp_ns.nets.fused import FusedDecoder, FusedDenoiser, fused
from isp_ns.nets.precision import to_bf16
from isp_ns.nets.space import SPECS, NeuralSpace

NOISE = ((2e-3, 1e-4), (1e-3, 1e-4), (3e-3, 2e-4))


@pytest.fixture(scope="module")
def space():
    torch.manual_seed(0)
    made = NeuralSpace(dataclasses.replace(SPECS["ns-lite"], denoise_far=8), "small").eval().requires_grad_(False)
    # Fresh heads give nothing, which would hide what is wrong before them.
    for conv in (made.d_rgb.head, made.denoiser.leave_b, made.denoiser.leave_t, made.denoiser.far.second):
        torch.nn.init.normal_(conv.weight, std=0.1)
    return made


def develop(space, mosaic, pattern):
    with torch.no_grad():
        features = space.denoise(*space.encode(mosaic, pattern=pattern), NOISE, pattern=pattern)
        return *features, space.decode(*features, size=(mosaic.shape[-2], mosaic.shape[-1]), pattern=pattern)


@pytest.mark.parametrize("pattern", ["RGGB", "GRBG", "GBRG", "BGGR"])
def test_fused_networks_are_the_same_sums(space, pattern):
    mosaic = torch.rand(2, 1, 70, 94, generator=torch.Generator().manual_seed(1))
    twin = fused(space)
    for ours, plain in zip(develop(twin, mosaic, pattern), develop(space, mosaic, pattern), strict=True):
        assert ours.shape == plain.shape
        assert torch.allclose(ours, plain, atol=1e-5)


def test_in_bf16_they_differ_by_its_rounding(space):
    mosaic = torch.rand(1, 1, 96, 96, generator=torch.Generator().manual_seed(1))
    coarse = to_bf16(space)
    twin = fused(coarse)
    exact, rounded, ours = (develop(each, mosaic, "RGGB")[2] for each in (space, coarse, twin))
    usual = (rounded - exact).abs().mean()
    assert (ours - exact).abs().mean() < 1.2 * usual
    assert ours.dtype == torch.float32


def test_where_gradients_are_wanted_the_modules_run(space):
    z_b, z_t = (z.requires_grad_() for z in space.encode(torch.rand(1, 1, 16, 16)))
    FusedDecoder(space.d_rgb)(*FusedDenoiser(space.denoiser)(z_b, z_t, torch.full((1, 3, 4, 4), 0.1))).sum().backward()
    assert z_b.grad.any()
    assert z_t.grad.any()


def test_what_is_given_is_left_alone(space):
    z_b, z_t = space.encode(torch.rand(1, 1, 32, 32))
    kept = z_b.clone(), z_t.clone()
    with torch.no_grad():
        FusedDenoiser(space.denoiser)(z_b, z_t, torch.full((1, 3, 8, 8), 0.1))
        FusedDecoder(space.d_rgb)(z_b, z_t)
    assert torch.equal(z_b, kept[0])
    assert torch.equal(z_t, kept[1])
