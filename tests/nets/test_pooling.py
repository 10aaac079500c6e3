"""Pooling: what a mean over cells must do, whatever the size of the picture."""

import pytest
import torch
from torch.nn import functional as F

from isp_ns.nets.pooling import (
    enter_space,
    mirror_cells,
    on_grid,
    pack_cells,
    packed_channels,
    pool_features,
    pool_tile,
    pooled_channels,
    pooled_size,
    share_size,
    spread_cells,
)

SMALL = [(480, 640), (97, 203), (60, 80)]
LARGE = [(1000, 1502), (481, 641), (402, 5206), (2001, 3002)]


class Doubling:
    """A space whose z_b is a nearest-neighbour demosaic and two more channels, and whose z_t is twice the mean."""

    def encode(self, mosaic, *, encoding):
        assert encoding == "identity"
        sites = F.pixel_unshuffle(mosaic, 2)
        packed = sites[:, [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 3]]
        return torch.cat([packed, packed[:, :2]], 1), 2 * F.avg_pool2d(mosaic, 4).expand(-1, 3, -1, -1)


def _maps(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    z_b = torch.randn(1, 14, -(-height // 2), -(-width // 2), generator=generator)
    return z_b, torch.randn(1, 6, -(-height // 4), -(-width // 4), generator=generator)


def _share(z_b, z_t, box, full):
    top, left, bottom, right = box
    return pool_tile(
        z_b[..., top // 2 : -(-bottom // 2), left // 2 : -(-right // 2)],
        z_t[..., top // 4 : -(-bottom // 4), left // 4 : -(-right // 4)],
        size_px=(bottom - top, right - left),
        full_size_px=full,
        origin_px=(top, left),
    )


@pytest.mark.parametrize(("height", "width"), SMALL + LARGE)
def test_shares_of_tiles_add_up_to_the_whole(height, width):
    z_b, z_t = _maps(height, width)
    whole, _ = pool_tile(z_b, z_t, size_px=(height, width), full_size_px=(height, width))
    total = torch.zeros_like(whole)
    for top in range(0, height, 64):
        for left in range(0, width, 96):
            box = (top, left, min(height, top + 64), min(width, left + 96))
            total += on_grid(*_share(z_b, z_t, box, (height, width)), share_size(height, width))
    assert whole.shape[-2:] == share_size(height, width)
    assert torch.allclose(total, whole, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), SMALL)
def test_a_constant_picture_pools_to_itself(height, width):
    z_b, z_t = _maps(height, width)
    maps = torch.full_like(z_b, 0.3), torch.full_like(z_t, 2.0)
    pooled = pool_features(*maps, size_px=(height, width), space=Doubling())
    assert pooled.shape == (1, pooled_channels(14, 6), *pooled_size(height, width))
    assert torch.allclose(pooled[:, :14], torch.tensor(0.3), atol=1e-6)
    assert torch.allclose(pooled[:, 14:], torch.tensor(2.0), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), LARGE)
def test_the_colours_of_a_large_picture_enter_the_space_again(height, width):
    z_b, z_t = _maps(height, width)
    pooled = pool_features(torch.full_like(z_b, 0.3), z_t, size_px=(height, width), space=Doubling())
    assert pooled.shape == (1, 14 + 3, *pooled_size(height, width))
    assert torch.allclose(pooled[:, :14], torch.tensor(0.3), atol=1e-6)
    assert torch.allclose(pooled[:, 14:], torch.tensor(0.6), atol=1e-6)


def _smooth(height, width, per_cell, seed=1):
    """A picture whose finest detail is `per_cell` pixels wide."""
    noise = torch.rand(1, 3, height // per_cell, width // per_cell, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(noise, (height, width), mode="bicubic", align_corners=False)


@pytest.mark.parametrize(
    ("factor", "tolerance"), [(1.05, 1e-4), (2, 1e-4), (3, 1e-4), (4, 0.01), (8, 0.01), (16, 0.01)]
)
def test_large_pictures_are_shrunk_as_torch_does(factor, tolerance):
    """To the last digit pixel by pixel; means of blocks come first from a factor of 4 on."""
    rgb = _smooth(round(64 * factor), round(640 * factor), max(1, round(4 * factor)))
    height, width = rgb.shape[-2:]
    padded = F.pad(rgb, (0, -width % 4, 0, -height % 4))
    z_b = F.pad(F.pixel_unshuffle(padded, 2), (0, 0, 0, 0, 0, 2))
    z_t = torch.zeros(1, 6, padded.shape[-2] // 4, padded.shape[-1] // 4)
    share, _ = pool_tile(z_b, z_t, **_whole(rgb))
    expected = F.interpolate(rgb, share.shape[-2:], mode="bicubic", align_corners=False, antialias=True)
    assert torch.allclose(share, expected, atol=tolerance)


def _whole(rgb):
    size = (rgb.shape[-2], rgb.shape[-1])
    return {"size_px": size, "full_size_px": size}


def test_a_photo_and_its_shrunk_version_have_the_same_features():
    large = _smooth(1920, 2560, 16)
    found = []
    for factor in (1, 2):
        rgb = F.avg_pool2d(large, factor)
        z_t = torch.randn(1, 6, rgb.shape[-2] // 4, rgb.shape[-1] // 4)
        z_b = F.pad(F.pixel_unshuffle(rgb, 2), (0, 0, 0, 0, 0, 2), value=float(factor))
        share, _ = pool_tile(z_b, z_t, **_whole(rgb))
        found.append(enter_space(share, Doubling()))
    small = F.avg_pool2d(large, 4)
    sites = small[:, 1:2].clone()
    sites[..., ::2, ::2], sites[..., 1::2, 1::2] = small[:, :1, ::2, ::2], small[:, 2:, 1::2, 1::2]
    z_b, z_t = Doubling().encode(sites, encoding="identity")
    found.append(pool_features(z_b, z_t, size_px=(480, 640), space=Doubling()))
    assert torch.allclose(found[0], found[1], atol=0.01)
    assert torch.allclose(found[0], found[2], atol=0.02)


@pytest.mark.parametrize(("height", "width"), [(60, 80), (480, 640), (501, 333)])
def test_a_small_picture_without_a_mosaic_is_pooled_by_its_colours(height, width):
    """Brought to 640 pixels as torch does it, and the same tile by tile."""
    z_b, z_t = _maps(height, width)
    size = share_size(height, width, of_mosaic=False)
    settings = {"size_px": (height, width), "full_size_px": (height, width), "of_mosaic": False}
    whole, _ = pool_tile(z_b, z_t, **settings)
    rgb = F.pixel_shuffle(z_b[:, :12], 2)[..., :height, :width]
    assert max(size) == 640
    assert torch.allclose(whole, F.interpolate(rgb, size, mode="bilinear", align_corners=False), atol=1e-3)
    total = torch.zeros_like(whole)
    for top in range(0, height, 48):
        bottom = min(height, top + 48)
        part = z_b[:, :, top // 2 : -(-bottom // 2)], z_t[:, :, top // 4 : -(-bottom // 4)]
        settings |= {"size_px": (bottom - top, width), "origin_px": (top, 0)}
        total += on_grid(*pool_tile(*part, **settings), size)
    assert torch.allclose(total, whole, atol=1e-5)


def test_few_cells_are_interpolated_as_torch_does():
    z_t = torch.randn(1, 6, 15, 20, generator=torch.Generator().manual_seed(2))
    pooled, _ = pool_tile(torch.zeros(1, 14, 30, 40), z_t, size_px=(60, 80), full_size_px=(60, 80))
    expected = F.interpolate(z_t, size=(120, 160), mode="bilinear", align_corners=False)
    assert torch.allclose(pooled[:, 14:], expected, atol=1e-5)


def test_tiles_begin_at_blocks():
    z_b, z_t = _maps(64, 64)
    with pytest.raises(ValueError, match="multiples of 16"):
        pool_tile(z_b, z_t, size_px=(64, 64), full_size_px=(128, 128), origin_px=(4, 0))


@pytest.mark.parametrize(("height", "width"), SMALL + LARGE)
def test_a_tile_has_the_cells_that_it_has_a_share_in(height, width):
    """What lies outside the tile's window is zero: nothing is lost, wherever the tile is or how large the blocks."""
    z_b, z_t = _maps(height, width)
    whole, _ = pool_tile(z_b, z_t, size_px=(height, width), full_size_px=(height, width))
    total = torch.zeros_like(whole)
    step = 16 * max(1, height // 48)
    for top in range(0, height, step):
        bottom = min(height, top + step)
        share, first = _share(z_b, z_t, (top, 0, bottom, width), (height, width))
        assert share.shape[-2] <= -(-(bottom - top + 8) * whole.shape[-2] // height) + 5
        total += on_grid(share, first, share_size(height, width))
    assert torch.allclose(total, whole, atol=1e-5)


def test_means_are_taken_in_full_precision():
    rgb = torch.rand(1, 3, 1920, 2560, generator=torch.Generator().manual_seed(0)).bfloat16()
    z_b, z_t = F.pixel_unshuffle(rgb, 2), torch.zeros(1, 6, 480, 640)
    share, _ = pool_tile(z_b, z_t, **_whole(rgb))
    precise, _ = pool_tile(z_b.float(), z_t, **_whole(rgb))
    assert torch.allclose(share, precise, atol=1e-6)


@pytest.mark.parametrize(("side", "rows"), [(2, 12), (4, 12), (2, 13)])
def test_packed_cells_keep_the_colours_and_the_mean_of_the_rest(side, rows):
    colours = torch.randn(1, 3, 2 * rows, 32, generator=torch.Generator().manual_seed(3))
    others = torch.randn(1, 5, rows, 16, generator=torch.Generator().manual_seed(4))
    packed = pack_cells(torch.cat([F.pixel_unshuffle(colours, 2), others], 1), side)
    assert packed.shape == (1, packed_channels(17), -(-rows // side), 16 // side)
    pixels, rest = spread_cells(packed)
    kept = slice(0, rows // side)
    shrunk = F.avg_pool2d(colours, side // 2)
    assert torch.allclose(pixels[..., : 4 * kept.stop, :], shrunk[..., : 4 * kept.stop, :], atol=1e-6)
    assert torch.allclose(rest[..., kept, :], F.avg_pool2d(others, side)[..., kept, :], atol=1e-6)


def test_mirrored_cells_are_cells_of_the_mirrored_picture():
    colours = torch.randn(1, 3, 24, 32, generator=torch.Generator().manual_seed(5))
    others = torch.randn(1, 5, 12, 16, generator=torch.Generator().manual_seed(6))
    there, back = (
        pack_cells(torch.cat([F.pixel_unshuffle(c, 2), o], 1))
        for c, o in ((colours, others), (colours.flip(-1), others.flip(-1)))
    )
    assert torch.allclose(mirror_cells(there), back, atol=1e-6)
