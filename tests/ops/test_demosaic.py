"""What all methods promise, and their scores on photographs."""

import math

import numpy as np
import pytest
import torch

from isp_ns.ops import cfa
from isp_ns.ops.demosaic import HALOS, METHODS, companded, compress, expand

PATTERNS = ["RGGB", "BGGR", "GRBG", "GBRG"]


def scene(height, width, seed=0):
    """Smooth waves of different colours, an edge, and some texture: (3, H, W) in about -0.1..1.1."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(height) / 37, torch.arange(width) / 41, indexing="ij")
    waves = torch.stack([torch.sin(7 * y + phase) * torch.cos(9 * x - phase) for phase in (0.0, 0.4, 0.9)])
    edge = (y + 0.7 * x > 0.9).float() * torch.tensor([0.3, 0.2, -0.1])[:, None, None]
    return 0.5 + 0.25 * waves + edge + 0.05 * torch.randn(3, height, width, generator=generator)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [(2, 2), (3, 7), (24, 33)])
def test_flat_colour_stays_flat_to_the_border(name, pattern, size):
    flat = torch.tensor([0.8, -0.1, 1.7])[:, None, None].expand(3, *size)
    torch.testing.assert_close(METHODS[name](cfa.mosaic(flat, pattern), pattern), flat, atol=2e-6, rtol=0)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_samples_of_the_mosaic_are_kept(name, pattern):
    mosaic = cfa.mosaic(scene(25, 34), pattern)
    assert torch.equal(cfa.mosaic(METHODS[name](mosaic, pattern), pattern), mosaic)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("pattern", "axes"), [("GRBG", (2,)), ("GBRG", (1,)), ("BGGR", (1, 2))])
def test_a_phase_is_a_mirrored_rggb(name, pattern, axes):
    """Mirroring an even-sized RGGB mosaic gives the other phases; the result must be mirrored likewise."""
    mosaic = cfa.mosaic(scene(28, 36), "RGGB")
    expected = METHODS[name](mosaic, "RGGB").flip(axes)
    torch.testing.assert_close(METHODS[name](mosaic.flip(axes), pattern), expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_transposing_commutes(name, pattern):
    mosaic = cfa.mosaic(scene(28, 35), pattern)
    turned = "".join(pattern[i] for i in (0, 2, 1, 3))
    expected = METHODS[name](mosaic, pattern).mT
    torch.testing.assert_close(METHODS[name](mosaic.mT, turned), expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("box", [(0, 0, 40, 41), (37, 22, 70, 81), (60, 51, 101, 120)])
def test_a_tile_with_its_halo_equals_the_whole(name, box):
    pattern, halo = "GRBG", HALOS[name]
    mosaic = cfa.mosaic(scene(101, 120), pattern)
    top, left, bottom, right = box
    y0, x0 = max(0, top - halo), max(0, left - halo)
    cut = mosaic[:, y0 : bottom + halo, x0 : right + halo]
    tile = METHODS[name](cut, cfa.shift_pattern(pattern, y0, x0))
    expected = METHODS[name](mosaic, pattern)[:, top:bottom, left:right]
    torch.testing.assert_close(tile[:, top - y0 : bottom - y0, left - x0 : right - x0], expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("name", METHODS)
def test_values_outside_0_1_are_not_clipped(name):
    rgb = METHODS[name](cfa.mosaic(8 * scene(20, 20) - 4, "RGGB"), "RGGB")
    assert rgb.min() < -1
    assert rgb.max() > 2


@pytest.mark.parametrize("name", METHODS)
def test_double_precision_agrees_and_the_input_is_untouched(name):
    mosaic = cfa.mosaic(scene(26, 30), "RGGB")
    before = mosaic.clone()
    double = METHODS[name](mosaic.double(), "RGGB")
    assert double.dtype == torch.float64
    torch.testing.assert_close(METHODS[name](mosaic, "RGGB").double(), double, atol=1e-5, rtol=0)
    assert torch.equal(mosaic, before)


@pytest.mark.parametrize("name", METHODS)
def test_no_step_leaves_the_device_of_the_mosaic(name):
    rgb = companded(METHODS[name], torch.empty(1, 21, 34, device="meta"), "GBRG")
    assert rgb.device.type == "meta"
    assert rgb.shape == (3, 21, 34)


@pytest.mark.parametrize("name", METHODS)
def test_a_mosaic_without_all_colours_is_refused(name):
    with pytest.raises(ValueError, match="at least 2×2"):
        METHODS[name](torch.zeros(1, 1, 9), "RGGB")
    with pytest.raises(ValueError, match="not a Bayer pattern"):
        METHODS[name](torch.zeros(1, 8, 8), "RGBW")


@pytest.mark.parametrize("name", ["bilinear", "malvar"])
def test_linear_methods_pass_gradients(name):
    mosaic = cfa.mosaic(scene(8, 10), "BGGR").double().requires_grad_()
    assert torch.autograd.gradcheck(lambda m: METHODS[name](m, "BGGR"), mosaic)


def test_compress_is_odd_and_expand_inverts_it():
    x = torch.linspace(-3, 9, 4001, dtype=torch.float64)
    torch.testing.assert_close(expand(compress(x)), x, atol=1e-12, rtol=0)
    torch.testing.assert_close(compress(-x), -compress(x))
    assert float(compress(torch.tensor(1.0), toe=1e-6)) == pytest.approx(1 - 1e-3, abs=1e-6)
    with pytest.raises(ValueError, match="toe"):
        compress(x, 0.0)


@pytest.mark.parametrize("level", [0.0, 0.01, 0.2])
def test_companding_keeps_the_mean_of_noise(level):
    """Clamping negative values instead would raise the mean at black by 40 % of the noise's standard deviation."""
    noise = 0.02 * torch.randn(1, 256, 256, generator=torch.Generator().manual_seed(3))
    rgb = companded(METHODS["mlri"], level + noise, "RGGB")
    assert float(rgb.mean() - noise.mean()) == pytest.approx(level, abs=0.02 * 0.02)


def photograph(folder, number):
    import imageio.v3 as iio

    pixels = iio.imread(folder / "images" / "test" / "kodak24" / f"kodim{number:02}.png")
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[:, 100:356, 100:356].float() / 255


def cpsnr(rgb, truth, crop=8):
    error = (rgb.clamp(0, 1).mul(255).round() / 255 - truth)[:, crop:-crop, crop:-crop].double()
    return -10 * math.log10(float(error.square().mean()))


@pytest.mark.parametrize("number", [1, 8, 19])
def test_mlri_beats_menon_on_photographs(shared_data, number):
    truth = photograph(shared_data, number)
    mosaic = cfa.mosaic(truth, "RGGB")
    scores = {name: cpsnr(method(mosaic, "RGGB"), truth) for name, method in METHODS.items()}
    assert scores["mlri"] > scores["menon"] + 0.7
    assert scores["menon"] > scores["bilinear"] + 3
    assert scores["malvar"] > scores["bilinear"] + 3


def test_companding_helps_on_linear_photographs(shared_data):
    import tifffile

    pixels = tifffile.imread(shared_data / "images" / "linear" / "GOPR0024_linear_quarter.tif")[200:456, 300:556]
    truth = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1) / 65535
    truth = truth / truth.amax() * (truth[1].mean() / truth.mean((1, 2)))[:, None, None]
    mosaic = cfa.mosaic(truth, "RGGB")
    direct = METHODS["mlri"](mosaic, "RGGB")
    rooted = companded(METHODS["mlri"], mosaic, "RGGB")
    assert (rooted - truth).square().mean() < (direct - truth).square().mean()
    assert (compress(rooted) - compress(truth)).square().mean() < 0.8 * (
        (compress(direct) - compress(truth)).square().mean()
    )
