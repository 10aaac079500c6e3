import pytest
import torch

from isp_ns.ops.local_tone import base_grid, local_exposure, local_tone_stats


def grey(values):
    return values.expand(3, *values.shape[-2:]).contiguous()


def half_dark(height=96, width=128, dark=0.01, bright=0.8):
    values = torch.full((1, height, width), dark)
    values[..., width // 2 :] = bright
    return grey(values)


def noisy(seed=0, height=96, width=128):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 1, 6, 8, generator=generator) * 8 - 7
    ev = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")[0]
    return torch.rand(3, height, width, generator=generator) * 2**ev


def test_statistics_add_over_tiles():
    rgb = noisy()
    whole = local_tone_stats(rgb)
    parts = [
        local_tone_stats(rgb[:, y : y + 31, x : x + 50], origin=(y, x), full_size=(96, 128))
        for y in range(0, 96, 31)
        for x in range(0, 128, 50)
    ]
    torch.testing.assert_close(sum(parts), whole, rtol=1e-9, atol=1e-9)
    assert whole[0].sum() == 24 * 32


def test_tiles_are_the_whole():
    rgb = noisy()
    grid = base_grid(local_tone_stats(rgb))
    whole = local_exposure(rgb, grid)
    tile = local_exposure(rgb[:, 17:60, 33:90], grid, origin=(17, 33), full_size=(96, 128))
    torch.testing.assert_close(tile, whole[:, 17:60, 33:90], rtol=1e-5, atol=1e-7)


def test_base_of_a_flat_image_is_its_light():
    for level in (0.004, 0.18, 0.9):
        rgb = torch.full((3, 64, 64), level)
        out = local_exposure(rgb, base_grid(local_tone_stats(rgb)), strength=1.0, limit_ev=10)
        torch.testing.assert_close(out, torch.full_like(out, 0.18), rtol=2e-3, atol=0)


def test_range_shrinks_by_the_strength_and_grey_stays():
    rgb = half_dark(dark=0.02, bright=0.9)
    grid = base_grid(local_tone_stats(rgb))
    for strength in (0.0, 0.25, 0.5):
        out = local_exposure(rgb, grid, strength=strength, limit_ev=8)
        span = (out[0, 48, 100] / out[0, 48, 20]).log2() / (rgb[0, 48, 100] / rgb[0, 48, 20]).log2()
        assert span.item() == pytest.approx(1 - strength, abs=0.02)
    assert torch.equal(local_exposure(rgb, grid, strength=0.0), rgb)


def test_no_halo_at_a_strong_edge():
    rgb = half_dark()
    out = local_exposure(rgb, base_grid(local_tone_stats(rgb)), strength=0.5)[0, 48]
    for side in (out[:64], out[64:]):
        assert side.max() / side.min() < 1.02


def test_detail_keeps_its_contrast():
    generator = torch.Generator().manual_seed(1)
    detail = 2 ** (0.2 * torch.randn(1, 96, 128, generator=generator))
    rgb = grey(0.02 * detail)
    out = local_exposure(rgb, base_grid(local_tone_stats(rgb)), strength=0.5)
    assert out.log2().std() / rgb.log2().std() == pytest.approx(1.0, abs=0.15)
    assert out.mean() > 2 * rgb.mean()


def test_colour_is_kept_and_the_limit_holds():
    rgb = noisy()
    out = local_exposure(rgb, base_grid(local_tone_stats(rgb)), strength=1.0, limit_ev=0.5)
    gain = (out / rgb.clamp(min=1e-12)).log2()
    assert gain.abs().max() <= 0.5 + 1e-4
    assert (gain.amax(0) - gain.amin(0)).max() < 1e-4


def test_black_and_tiny_images():
    black = torch.zeros(3, 5, 3)
    assert torch.equal(local_exposure(black, base_grid(local_tone_stats(black))), black)
    negative = torch.full((3, 1, 1), -0.01)
    assert torch.isfinite(local_exposure(negative, base_grid(local_tone_stats(negative)))).all()
