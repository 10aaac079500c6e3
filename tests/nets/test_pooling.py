"""Pooling: what a mean over cells must do, whatever the size of the picture."""

import pytest
import torch
from torch.nn import functional as F

from isp_ns.nets.pooling import on_grid, pool_features, pool_tile, pooled_channels, pooled_size

SIZES = [(480, 640), (97, 203), (1000, 1502), (60, 80)]


def _maps(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    z_b = torch.randn(1, 14, -(-height // 2), -(-width // 2), generator=generator)
    return z_b, torch.randn(1, 6, -(-height // 4), -(-width // 4), generator=generator)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_shares_of_tiles_add_up_to_the_whole(height, width):
    z_b, z_t = _maps(height, width)
    whole = pool_features(z_b, z_t, size_px=(height, width))
    total = torch.zeros_like(whole)
    for top in range(0, height, 64):
        for left in range(0, width, 96):
            bottom, right = min(height, top + 64), min(width, left + 96)
            total += pool_features(
                z_b[..., top // 2 : -(-bottom // 2), left // 2 : -(-right // 2)],
                z_t[..., top // 4 : -(-bottom // 4), left // 4 : -(-right // 4)],
                size_px=(bottom - top, right - left),
                full_size_px=(height, width),
                origin_px=(top, left),
            )
    assert whole.shape == (1, pooled_channels(14, 6), *pooled_size(height, width))
    assert torch.allclose(total, whole, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_constant_picture_pools_to_itself(height, width):
    z_b, z_t = _maps(height, width)
    pooled = pool_features(torch.full_like(z_b, 0.3), torch.full_like(z_t, 2.0), size_px=(height, width))
    assert torch.allclose(pooled[:, :20], torch.tensor(0.3), atol=1e-6)
    assert torch.allclose(pooled[:, 20:], torch.tensor(2.0), atol=1e-5)


def test_whole_cells_are_plain_means():
    z_b, z_t = _maps(1920, 2560)
    pooled = pool_features(z_b, z_t, size_px=(1920, 2560))
    assert torch.allclose(pooled[:, 20:], F.avg_pool2d(z_t, 4), atol=1e-5)
    colours = F.avg_pool2d(z_b[:, :12].unflatten(1, (3, 4)).mean(2), 4)
    assert torch.allclose(F.pixel_shuffle(pooled[:, :20], 2)[:, :3], colours, atol=1e-5)


def test_a_picture_and_its_shrunk_version_have_the_same_colours():
    generator = torch.Generator().manual_seed(1)
    large = torch.rand(1, 3, 960, 1280, generator=generator)
    small = F.avg_pool2d(large, 2)
    colours = [
        pool_features(F.pixel_unshuffle(x, 2), x[:, :1, ::4, ::4], size_px=(x.shape[2], x.shape[3]))[:, :12]
        for x in (large, small)
    ]
    assert torch.allclose(*colours, atol=1e-5)


def test_few_cells_are_interpolated_as_torch_does():
    z_t = torch.randn(1, 6, 15, 20, generator=torch.Generator().manual_seed(2))
    pooled = pool_features(torch.zeros(1, 14, 30, 40), z_t, size_px=(60, 80))
    expected = F.interpolate(z_t, size=(120, 160), mode="bilinear", align_corners=False)
    assert torch.allclose(pooled[:, 20:], expected, atol=1e-5)


def test_tiles_begin_at_blocks():
    z_b, z_t = _maps(64, 64)
    with pytest.raises(ValueError, match="multiples of 16"):
        pool_features(z_b, z_t, size_px=(64, 64), full_size_px=(128, 128), origin_px=(4, 0))


@pytest.mark.parametrize(("height", "width"), [*SIZES, (402, 5206)])
def test_a_tile_has_the_cells_that_it_has_a_share_in(height, width):
    """What lies outside the tile's window is zero: nothing is lost, wherever the tile is or how large the blocks."""
    z_b, z_t = _maps(height, width)
    whole = pool_features(z_b, z_t, size_px=(height, width))
    total = torch.zeros_like(whole)
    step = 16 * max(1, height // 48)
    for top in range(0, height, step):
        bottom = min(height, top + step)
        share, first = pool_tile(
            z_b[..., top // 2 : -(-bottom // 2), :],
            z_t[..., top // 4 : -(-bottom // 4), :],
            size_px=(bottom - top, width),
            full_size_px=(height, width),
            origin_px=(top, 0),
        )
        assert share.shape[-2] <= -(-(bottom - top + 8) * whole.shape[-2] // height) + 1
        total += on_grid(share, first, pooled_size(height, width))
    assert torch.allclose(total, whole, atol=1e-5)


def test_means_are_taken_in_full_precision():
    z_b, z_t = (z.bfloat16() for z in _maps(1920, 2560))
    pooled = pool_features(z_b, z_t, size_px=(1920, 2560))
    assert torch.allclose(pooled[:, 20:], F.avg_pool2d(z_t.float(), 4), atol=1e-6)
