import numpy as np
import pytest
import torch

from isp_ns.ops import noise

PAIRS = ((2e-3, 1e-5), (1e-3, 4e-6), (3e-3, 9e-6))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG"])
def test_simulated_mosaic_has_the_variance_of_its_colours(pattern):
    clean = torch.full((1, 401, 401), 0.3)
    noisy = noise.add_noise(clean, PAIRS, pattern=pattern, generator=generator())
    for i, letter in enumerate(pattern):
        scale, offset = PAIRS["RGB".index(letter)]
        measured = noisy[0, i // 2 :: 2, i % 2 :: 2].var()
        assert measured == pytest.approx(0.3 * scale + offset, rel=0.04)


def test_simulated_noise_is_unclipped_repeatable_and_leaves_its_input():
    clean = torch.zeros(3, 64, 64)
    first = noise.add_noise(clean, PAIRS, generator=generator(5))
    assert torch.equal(first, noise.add_noise(clean, PAIRS, generator=generator(5)))
    assert (first < 0).float().mean() == pytest.approx(0.5, abs=0.03)
    assert not clean.any()


@pytest.mark.parametrize(("scale", "offset"), [(2e-3, 1e-4), (1e-4, 1e-6), (0.0, 1e-5)])
def test_anscombe_makes_unit_noise_at_every_level(scale, offset):
    for level in (0.05, 0.2, 0.7):
        clean = torch.full((1, 300, 300), level, dtype=torch.float64)
        noisy = noise.add_noise(clean, ((scale, offset),), generator=generator())
        assert noise.anscombe(noisy, scale, offset).std() == pytest.approx(1.0, abs=0.03)


def test_anscombe_is_the_published_transform_up_to_its_value_at_zero():
    x = torch.linspace(0, 1, 50, dtype=torch.float64)
    scale, offset = 3e-3, 2e-5

    def published(z):
        alpha, sigma = 1.0, np.sqrt(offset) / scale
        return 2 / alpha * np.sqrt(alpha * z + 3 / 8 * alpha**2 + sigma**2)

    expected = published(x.numpy() / scale) - published(0.0)
    np.testing.assert_allclose(noise.anscombe(x, scale, offset).numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize(("scale", "offset"), [(1e-2, 1e-4), (1e-4, 1e-7), (0.0, 1e-5)])
def test_algebraic_inverse_undoes_the_transform_below_black_too(scale, offset):
    x = torch.linspace(-0.2, 3, 200, dtype=torch.float64)
    back = noise.inverse_anscombe(noise.anscombe(x, scale, offset), scale, offset)
    torch.testing.assert_close(back, x, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("photons", [1.0, 4.0, 30.0])
@pytest.mark.parametrize("read_sigma", [0.5, 2.0])
def test_unbiased_inverse_returns_the_mean_of_poisson_gaussian_noise(photons, read_sigma):
    rng = np.random.default_rng(0)
    full_well = 100.0
    sampled = (rng.poisson(photons, 2_000_000) + rng.normal(0, read_sigma, 2_000_000)) / full_well
    scale, offset = 1 / full_well, (read_sigma / full_well) ** 2
    mean = noise.anscombe(torch.from_numpy(sampled), scale, offset).mean()
    unbiased = noise.unbiased_inverse_anscombe(mean, scale, offset).item() * full_well
    algebraic = noise.inverse_anscombe(mean, scale, offset).item() * full_well
    assert unbiased == pytest.approx(photons, abs=0.07)
    assert abs(unbiased - photons) < abs(algebraic - photons)


def test_gains_scale_the_model_as_they_scale_the_samples():
    gains = (2.0, 1.0, 1.5)
    scaled = noise.scale_noise(PAIRS, gains)
    clean = torch.full((3, 400, 400), 0.25)
    factor = torch.tensor(gains)[:, None, None]
    noisy = factor * noise.add_noise(clean, PAIRS, generator=generator())
    expected = [s * 0.25 * g + o for (s, o), g in zip(scaled, gains, strict=True)]
    np.testing.assert_allclose(noisy.var((1, 2)).numpy(), expected, rtol=0.02)


def test_sigma_is_that_of_the_noisiest_channel():
    assert noise.noise_sigma(((1e-2, 0.0), (0.0, 4e-4), (0.0, 0.0)), level=0.01) == pytest.approx(0.02)


def test_channels_without_colours_are_refused():
    with pytest.raises(ValueError, match="2 pairs"):
        noise.channel_noise(PAIRS[:2], torch.zeros(3, 1, 1))
    with pytest.raises(ValueError, match="channels"):
        noise.channel_noise(PAIRS, torch.zeros(4, 1, 1))
    scale, offset = noise.channel_noise(PAIRS, torch.zeros(4, 1, 1), "GRBG")
    assert scale.flatten().tolist() == pytest.approx([1e-3, 2e-3, 3e-3, 1e-3])
    assert offset.shape == (4, 1, 1)
