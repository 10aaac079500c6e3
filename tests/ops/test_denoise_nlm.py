import numpy as np
import pytest
import torch

from isp_ns.ops import denoise_nlm
from isp_ns.ops.noise import add_noise

PAIRS = ((8e-4, 1.2e-5),)


def photograph(name):
    picture = torch.from_numpy(getattr(pytest.importorskip("skimage.data"), name)())
    return picture.permute(2, 0, 1)[:, 60:180, 100:230].float() / 255.0


def psnr(a, b):
    return float(-10 * torch.log10((a - b).square().mean()))


def brute_force(planes, weight_of, search, patch):
    """Means over neighbours written as plain loops."""
    halo = search + patch
    padded = np.pad(planes, ((0, 0), (halo, halo), (halo, halo)), mode="reflect")
    out = np.empty_like(planes)
    for y, x in np.ndindex(planes.shape[1:]):
        cy, cx = y + halo, x + halo
        centre = padded[:, cy - patch : cy + patch + 1, cx - patch : cx + patch + 1]
        values, weights = np.zeros(len(planes)), 0.0
        for dy in range(-search, search + 1):
            for dx in range(-search, search + 1):
                block = padded[:, cy + dy - patch : cy + dy + patch + 1, cx + dx - patch : cx + dx + patch + 1]
                weight = 1.0 if dy == dx == 0 else weight_of(np.square(block - centre).sum(), dy, dx)
                values += weight * padded[:, cy + dy, cx + dx]
                weights += weight
        out[:, y, x] = values / weights
    return out


def test_non_local_means_is_its_definition():
    planes = np.random.default_rng(0).normal(size=(2, 13, 15))
    count = 2 * 9
    expected = brute_force(planes, lambda d, dy, dx: np.exp(-max(d - 2 * count, 0) / (0.7**2 * count)), 3, 1)
    out = denoise_nlm.nlm_planes(torch.from_numpy(planes), strength=0.7, search_px=3, patch_px=1)
    np.testing.assert_allclose(out.numpy(), expected, atol=1e-10)


def test_bilateral_is_its_definition():
    planes = np.random.default_rng(0).normal(size=(3, 12, 11))

    def weight(distance, dy, dx):
        return np.exp(-distance / (2 * 3 * 1.5**2)) * np.exp(-(dy**2 + dx**2) / (2 * 1.3**2))

    out = denoise_nlm.bilateral_planes(torch.from_numpy(planes), sigma_range=1.5, sigma_px=1.3, radius_px=2)
    np.testing.assert_allclose(out.numpy(), brute_force(planes, weight, 2, 0), atol=1e-10)


@pytest.mark.parametrize("sigma", [10 / 255, 25 / 255])
def test_quality_matches_scikit_image(sigma):
    restoration = pytest.importorskip("skimage.restoration")
    gains = {"nlm": [], "bilateral": []}
    for name in ("coffee", "astronaut", "chelsea"):
        clean, noise = photograph(name), ((0.0, sigma**2),)
        noisy = add_noise(clean, noise, generator=torch.Generator().manual_seed(0))
        array, options = noisy.permute(1, 2, 0).numpy(), {"channel_axis": -1}
        rivals = (
            restoration.denoise_nl_means(array, 5, 6, h=0.8 * sigma, sigma=sigma, fast_mode=True, **options),
            restoration.denoise_bilateral(array, sigma_color=3 * sigma, sigma_spatial=1.5, **options),
        )
        nlm, bilateral = (psnr(torch.from_numpy(r).permute(2, 0, 1), clean) for r in rivals)
        gains["nlm"].append(psnr(denoise_nlm.nlm_rgb(noisy, noise), clean) - nlm)
        gains["bilateral"].append(psnr(denoise_nlm.bilateral_rgb(noisy, noise), clean) - bilateral)
    assert np.mean(gains["nlm"]) > -0.2
    assert np.mean(gains["bilateral"]) > -0.2


@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG"])
@pytest.mark.parametrize("method", ["nlm_mosaic", "bilateral_mosaic"])
def test_noise_of_a_mosaic_goes_down_and_tiles_agree(pattern, method):
    run = getattr(denoise_nlm, method)
    ramp = torch.linspace(0.05, 0.6, 91).expand(1, 80, 91)
    noisy = add_noise(ramp, PAIRS, generator=torch.Generator().manual_seed(0))
    before = noisy.clone()
    whole = run(noisy, pattern, PAIRS)
    assert torch.equal(noisy, before)
    assert (whole - ramp).std() < 0.55 * (noisy - ramp).std()
    halo = 2 * denoise_nlm.nlm_halo(4, 1) + 2
    tile = run(noisy[:, 24 - halo : 50 + halo, 30 - halo : 61 + halo], pattern, PAIRS)
    torch.testing.assert_close(tile[:, halo:-halo, halo:-halo], whole[:, 24:50, 30:61], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (9, 5)])
def test_any_size_and_negligible_noise(size):
    mosaic, image = torch.rand(1, *size), torch.rand(3, *size)
    assert denoise_nlm.nlm_mosaic(mosaic, "RGGB", PAIRS).shape == mosaic.shape
    assert denoise_nlm.bilateral_rgb(image, PAIRS).shape == image.shape
    for run in (denoise_nlm.nlm_rgb, denoise_nlm.bilateral_rgb):
        assert run(image, ((0.0, 0.0),)) is image
    for run in (denoise_nlm.nlm_mosaic, denoise_nlm.bilateral_mosaic):
        assert run(mosaic, "RGGB", ((0.0, 0.0),)) is mosaic
