import numpy as np
import pytest
import torch
from scipy import ndimage

from isp_ns.ops import sharpen
from isp_ns.ops.filters import local_extrema
from isp_ns.ops.noise import add_noise

NOISE = ((2e-4, 4e-6),)


def photograph():
    picture = torch.from_numpy(pytest.importorskip("skimage.data").coffee()).permute(2, 0, 1)
    return (picture[:, 60:260, 100:320].float() / 255.0) ** 2.2


def blurred(image, sigma_px):
    return torch.from_numpy(ndimage.gaussian_filter(image.numpy(), (0, sigma_px, sigma_px), mode="mirror"))


def psnr(a, b):
    return float(-10 * torch.log10((a - b).square().mean()))


def test_noise_gain_of_the_detail_is_that_of_white_noise():
    noise = torch.randn(1, 500, 500, generator=torch.Generator().manual_seed(0)).double()
    taps = sharpen.gaussian_taps(0.8, 2)
    measured = (noise - sharpen._blur(noise, taps)).var()
    assert sharpen._residual_gain(taps) == pytest.approx(float(measured), rel=0.02)


def test_edges_get_steeper_without_leaving_the_bound():
    image = blurred(photograph(), 0.7)
    for sharp in (
        sharpen.unsharp(image, amount=2.0, overshoot=0.05),
        sharpen.capture_sharpen(image, sigma_px=0.7, overshoot=0.05),
    ):
        luma, before = (torch.tensordot(torch.tensor(sharpen.LUMA_WEIGHTS), x, 1)[None] for x in (sharp, image))
        assert luma.diff(dim=-1).abs().mean() > 1.1 * before.diff(dim=-1).abs().mean()
        low, high = local_extrema(before)
        bound = 0.05 * (high - low) + 1e-6
        assert bool(((luma <= high + bound) & (luma >= low - bound)).all())


def test_no_overshoot_draws_no_halo():
    step = torch.where(torch.arange(40) < 20, 0.2, 0.7).expand(3, 30, 40)
    out = sharpen.unsharp(blurred(step, 1.0), amount=3.0, overshoot=0.0)
    assert out.min() >= 0.2 - 1e-6
    assert out.max() <= 0.7 + 1e-6


@pytest.mark.parametrize(("method", "most"), [("unsharp", 1.15), ("capture_sharpen", 1.25)])
def test_flat_noise_is_hardly_raised_where_detail_is(method, most):
    flat = torch.full((3, 200, 200), 0.2)
    noisy = add_noise(flat, NOISE, generator=torch.Generator().manual_seed(0))
    run = getattr(sharpen, method)
    assert run(noisy, NOISE).std() < most * noisy.std()
    assert run(noisy).std() > run(noisy, NOISE).std()


@pytest.mark.parametrize("sigma_px", [0.5, 0.7, 0.9])
def test_capture_sharpening_undoes_a_known_blur(sigma_px):
    clean = blurred(photograph(), 0.5)
    seen = add_noise(blurred(clean, sigma_px), ((1e-5, 1e-7),), generator=torch.Generator().manual_seed(0))
    out = sharpen.capture_sharpen(seen, ((1e-5, 1e-7),), sigma_px=sigma_px, iterations=6)
    assert psnr(out, clean) > psnr(seen, clean) + 1.5


def test_colour_differences_stay():
    image = photograph()
    out = sharpen.unsharp(image, NOISE)
    torch.testing.assert_close(out[0] - out[2], image[0] - image[2], rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ["unsharp", "capture_sharpen"])
def test_flat_stays_flat_and_one_plane_is_taken(method):
    flat = torch.full((1, 9, 11), 0.4)
    out = getattr(sharpen, method)(flat, NOISE, luma_weights=(1.0,))
    torch.testing.assert_close(out, flat, rtol=1e-6, atol=1e-7)


def test_no_amount_returns_the_input():
    image = torch.rand(3, 5, 5)
    assert sharpen.unsharp(image, amount=0.0) is image


def test_tiles_with_halo_equal_the_whole_and_input_is_untouched():
    image = photograph()[:, :120, :131]
    before = image.clone()
    for run, halo in (
        (sharpen.unsharp, max(sharpen.unsharp_halo(), 1)),
        (sharpen.capture_sharpen, sharpen.capture_halo()),
    ):
        whole = run(image, NOISE)
        tile = run(image[:, 50 - halo : 81 + halo, 47 - halo : 90 + halo], NOISE)
        torch.testing.assert_close(tile[:, halo:-halo, halo:-halo], whole[:, 50:81, 47:90], rtol=1e-5, atol=1e-6)
    assert torch.equal(image, before)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4)])
def test_any_size_and_values_below_black(size):
    image = torch.rand(3, *size) - 0.5
    assert bool(np.isfinite(sharpen.unsharp(image, NOISE).numpy()).all())
    assert bool(np.isfinite(sharpen.capture_sharpen(image, NOISE).numpy()).all())
