import numpy as np
import pytest
import torch

from isp_ns.ops import denoise
from isp_ns.ops.noise import add_noise

PAIRS = ((2e-3, 1e-5), (1e-3, 4e-6), (3e-3, 9e-6))


@pytest.mark.parametrize("letters", ["RGB", "RGGB", "BGGR", "GRBG", "GBRG"])
def test_opponent_transform_is_orthonormal_with_luma_first(letters):
    matrix = np.array(denoise.opponent_matrix(letters))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(len(letters)), atol=1e-12)
    assert np.ptp(matrix[0]) == 0
    assert np.allclose(matrix[1:].sum(1), 0)


@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG"])
@pytest.mark.parametrize("size", [(20, 30), (21, 31), (2, 3)])
def test_a_filter_that_does_nothing_gives_the_mosaic_back(pattern, size):
    mosaic = torch.rand(1, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.2
    before = mosaic.clone()
    out = denoise.denoise_mosaic_with(mosaic, pattern, ((1e-7, 1e-8),), lambda planes: planes)
    torch.testing.assert_close(out, mosaic, rtol=1e-5, atol=1e-7)
    assert torch.equal(mosaic, before)


def test_filters_see_unit_noise_in_every_plane():
    seen = []
    clean = torch.full((1, 400, 400), 0.3)
    mosaic = add_noise(clean, PAIRS, pattern="GRBG", generator=torch.Generator().manual_seed(0))
    denoise.denoise_mosaic_with(mosaic, "GRBG", PAIRS, lambda planes: seen.append(planes) or planes)
    rgb = add_noise(clean.expand(3, -1, -1), PAIRS, generator=torch.Generator().manual_seed(1))
    denoise.denoise_rgb_with(rgb, PAIRS, lambda planes: seen.append(planes) or planes)
    for planes in seen:
        np.testing.assert_allclose(planes.std((1, 2)).numpy(), 1.0, atol=0.02)


def test_a_mean_of_everything_keeps_the_mean_level():
    clean = torch.full((3, 300, 300), 0.02)
    noisy = add_noise(clean, ((5e-3, 1e-5),), generator=torch.Generator().manual_seed(0))
    out = denoise.denoise_rgb_with(
        noisy, ((5e-3, 1e-5),), lambda planes: planes.mean((1, 2), keepdim=True).expand_as(planes).clone()
    )
    assert out.mean() == pytest.approx(0.02, rel=0.03)


def test_negligible_noise_is_told_at_mid_grey():
    assert denoise.is_negligible(((1e-5, 1e-7),))
    assert not denoise.is_negligible(((1e-5, 1e-7), (1e-3, 1e-7), (1e-5, 1e-7)))
