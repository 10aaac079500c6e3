import numpy as np
import pytest
import torch

from isp_ns.ops import noise
from isp_ns.ops.green import equilibrate_green, green_halo

PATTERNS = ["RGGB", "BGGR", "GRBG", "GBRG"]
PAIRS = ((2e-4, 1e-6),)


def green_sites(pattern):
    return [divmod(i, 2) for i, letter in enumerate(pattern) if letter == "G"]


def mosaic_with_imbalance(pattern, share, size=(121, 140)):
    rows, columns = np.mgrid[: size[0], : size[1]] / max(size)
    clean = torch.from_numpy(0.2 + 0.3 * rows + 0.1 * np.sin(9 * columns)).float()[None]
    out = clean.clone()
    (row, column), _ = green_sites(pattern)
    tilt = torch.linspace(0.5, 1.5, size[1])[column::2]
    out[0, row::2, column::2] *= 1 + share * tilt
    return clean, out


def imbalance(mosaic, pattern):
    (r1, c1), (r2, c2) = green_sites(pattern)
    first, second = mosaic[0, r1::2, c1::2].mean(), mosaic[0, r2::2, c2::2].mean()
    return float((first - second) / (first + second) * 2)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_tilted_imbalance_is_removed_and_the_mean_green_kept(pattern):
    clean, uneven = mosaic_with_imbalance(pattern, 0.02)
    uneven = noise.add_noise(uneven, PAIRS, generator=torch.Generator().manual_seed(0))
    assert abs(imbalance(uneven, pattern)) > 0.018
    out = equilibrate_green(uneven, pattern, PAIRS)
    assert abs(imbalance(out, pattern) - imbalance(clean, pattern)) < 0.001
    assert out.mean() == pytest.approx(float(uneven.mean()), rel=1e-4)
    red_and_blue = [divmod(i, 2) for i, letter in enumerate(pattern) if letter != "G"]
    for row, column in red_and_blue:
        assert torch.equal(out[:, row::2, column::2], uneven[:, row::2, column::2])


def test_detail_survives():
    display = torch.from_numpy(pytest.importorskip("skimage.data").camera()).float() / 255.0
    mosaic = (display**2.2)[None]
    out = equilibrate_green(mosaic, "GRBG", PAIRS)
    assert -10 * torch.log10((out - mosaic).square().mean()) > 48


def test_tiles_with_halo_equal_the_whole():
    mosaic = torch.rand(1, 64, 70, generator=torch.Generator().manual_seed(0))
    halo = green_halo(6)
    whole = equilibrate_green(mosaic, "RGGB", PAIRS, radius_px=6)
    tile = equilibrate_green(mosaic[:, 20 - halo : 40 + halo, 11 - halo : 50 + halo], "GRBG", PAIRS, radius_px=6)
    torch.testing.assert_close(tile[:, halo:-halo, halo:-halo], whole[:, 20:40, 11:50], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 5), (17, 8)])
def test_any_size_and_untouched_input(size):
    mosaic = torch.rand(1, *size)
    before = mosaic.clone()
    assert equilibrate_green(mosaic, "GBRG", PAIRS).shape == mosaic.shape
    assert torch.equal(mosaic, before)
