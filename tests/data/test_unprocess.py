"""Unprocessing against published numbers, another library's mosaics and the statistics that the noise must have."""

import math

import numpy as np
import pytest
import torch

from isp_ns.data import unprocess

PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_middle_grey_of_srgb_becomes_18_percent_light():
    assert unprocess.display_to_linear(torch.tensor([[0.4614]])).item() == pytest.approx(0.18, abs=1e-4)


def test_undoing_the_tone_inverts_the_s_curve():
    value = torch.linspace(0, 1, 101)
    curved = 3 * value**2 - 2 * value**3
    undone = unprocess.display_to_linear(curved[None], "linear-srgb", undo_tone=True)[0]
    assert (undone - value).abs().max() < 1e-3
    assert (undone - value)[5:-5].abs().max() < 1e-6


def test_highlights_gain_their_stops_and_keep_their_hue():
    white, grey, warm = (torch.tensor(v).view(3, 1, 1) for v in ([1.0, 1.0, 1.0], [0.6, 0.6, 0.6], [0.95, 0.7, 0.5]))
    assert torch.allclose(unprocess.brighten_highlights(white, 1.5), white * 2**1.5)
    assert torch.equal(unprocess.brighten_highlights(grey, 1.5), grey)
    brightened = unprocess.brighten_highlights(warm, 1.5)
    assert torch.allclose(brightened / brightened[0], warm / warm[0])
    assert brightened[0] > warm[0]


def test_a_knee_at_white_is_refused():
    with pytest.raises(ValueError, match="knee"):
        unprocess.brighten_highlights(torch.ones(3, 1, 1), 1.0, knee=1.0)


def test_grey_becomes_the_cameras_neutral_and_no_light_is_negative():
    matrix = torch.tensor([[0.6, 0.3, 0.1], [-0.2, 1.0, 0.2], [0.0, 0.1, 0.9]])
    neutral = torch.tensor([0.5, 1.0, 0.7])
    grey = torch.full((1, 3, 2, 2), 0.4)
    assert torch.allclose(unprocess.camera_colour(grey, matrix, neutral)[0, :, 0, 0], 0.4 * neutral)
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    assert unprocess.camera_colour(red, matrix, neutral).flatten().tolist() == pytest.approx([0.3, 0.0, 0.0])


def test_colours_that_the_camera_cannot_see_fade_and_keep_luminance_and_hue():
    matrix = torch.tensor([[0.6, 0.3, 0.1], [-0.2, 1.0, 0.2], [0.0, 0.1, 0.9]])
    red = torch.tensor([1.0, 0.1, 0.1]).view(1, 3, 1, 1)
    seen = unprocess.within_gamut(red, matrix)[0, :, 0, 0]
    weights = torch.tensor([0.2126, 0.7152, 0.0722])
    assert (matrix @ seen).min().item() == pytest.approx(0.0, abs=1e-6)
    assert (seen @ weights).item() == pytest.approx((red.flatten() @ weights).item())
    assert seen[1] == pytest.approx(seen[2].item())
    dull = torch.rand(1, 3, 4, 4, generator=generator()) * 0.2 + 0.4
    assert torch.allclose(unprocess.within_gamut(dull, matrix), dull, atol=1e-7)
    assert unprocess.within_gamut(torch.zeros(1, 3, 1, 1), matrix).abs().max() == 0


def test_each_picture_of_a_batch_may_have_its_own_camera():
    matrices = torch.stack([torch.eye(3), torch.eye(3).flip(0)])
    light = torch.rand(2, 3, 4, 4, generator=generator())
    camera = unprocess.camera_colour(light, matrices, torch.ones(2, 3))
    assert torch.allclose(camera[0], light[0])
    assert torch.allclose(camera[1], light[1].flip(0))


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [(6, 8), (7, 5)])
def test_the_mosaic_is_that_of_colour_demosaicing(pattern, size):
    bayer = pytest.importorskip("colour_demosaicing").mosaicing_CFA_Bayer
    rgb = torch.rand(1, 3, *size, generator=generator())
    expected = bayer(rgb[0].permute(1, 2, 0).numpy(), pattern)
    assert np.allclose(unprocess.mosaic(rgb, pattern)[0, 0].numpy(), expected, atol=1e-7)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_spread_lays_values_out_as_the_mosaic_of_a_constant_colour(pattern):
    colour = torch.tensor([0.1, 0.2, 0.3])
    flat = colour.view(1, 3, 1, 1).expand(1, 3, 5, 7)
    assert torch.equal(unprocess.spread(colour, pattern, (5, 7)), unprocess.mosaic(flat, pattern))


@pytest.mark.parametrize("photons", [False, True])
@pytest.mark.parametrize("level", [0.0, 0.02, 0.5])
def test_noise_has_the_mean_and_the_variance_of_its_model(level, photons):
    scale, offset, count = 2e-3, 1e-5, 200_000
    clean = torch.full((1, 1, 1, count), level)
    noisy = unprocess.sensor_noise(
        clean, torch.tensor(scale), torch.tensor(offset), photons=photons, generator=generator(3)
    ).double()
    variance = scale * level + offset
    assert noisy.mean().item() == pytest.approx(level, abs=5 * math.sqrt(variance / count))
    # The spread of a sample variance: Gaussian, and the little that Poisson's kurtosis adds.
    spread = variance * math.sqrt(2 / count + scale / (max(variance, 1e-12) * count))
    assert noisy.var().item() == pytest.approx(variance, abs=5 * spread)


def test_few_photons_are_skewed_and_a_gaussian_is_not():
    clean = torch.full((1, 1, 1, 100_000), 0.01)
    scale, offset = torch.tensor(0.005), torch.tensor(0.0)
    for photons, skewness in ((True, 1 / math.sqrt(2)), (False, 0.0)):
        noisy = unprocess.sensor_noise(clean, scale, offset, photons=photons, generator=generator(1)).double()
        standard = (noisy - noisy.mean()) / noisy.std()
        assert standard.pow(3).mean().item() == pytest.approx(skewness, abs=0.05)


def test_a_noiseless_camera_counts_photons_without_noise():
    clean = torch.rand(1, 1, 8, 8)
    zero = torch.zeros(())
    assert torch.allclose(unprocess.sensor_noise(clean, zero, zero, photons=True, generator=generator()), clean)


def test_noise_repeats_with_its_generator_and_leaves_the_input_alone():
    clean = torch.rand(1, 1, 8, 8)
    before = clean.clone()
    draws = [
        unprocess.sensor_noise(clean, torch.tensor(0.01), torch.tensor(1e-4), generator=generator(s)) for s in (7, 7, 8)
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(clean, before)


def test_counts_are_rounded_and_clipped_like_a_converter():
    linear = torch.tensor([-1.0, 0.0, 0.5, 1.0, 3.0])
    assert unprocess.quantise(linear, 64.0, 1023.0).tolist() == [0, 64, round(64 + 0.5 * 959), 1023, 1023]
    assert unprocess.quantise(linear, 0.0, 65535.0).dtype == torch.uint16
