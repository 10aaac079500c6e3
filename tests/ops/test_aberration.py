from functools import lru_cache

import numpy as np
import pytest
import torch
from scipy import ndimage

from isp_ns.ops import aberration
from isp_ns.ops.noise import add_noise

PATTERNS = ["RGGB", "BGGR", "GRBG", "GBRG"]
SCALES = ((0.004, -0.001), (-0.003, 0.0015))


@lru_cache
def scene(size=(512, 512)):
    picture = torch.from_numpy(pytest.importorskip("skimage.data").astronaut()).permute(2, 0, 1)
    linear = (picture[:, : size[0], : size[1]].float() / 255.0) ** 2.2
    return linear.mean(0, keepdim=True) * torch.tensor([0.5, 0.9, 0.7])[:, None, None] + 0.02


def displaced(rgb, scales):
    """What a lens does whose red and blue images are larger by 1 + a0 + a1·r², by SciPy's spline."""
    height, width = rgb.shape[1:]
    centre, corner = np.array([(height - 1) / 2, (width - 1) / 2]), np.hypot(height - 1, width - 1) / 2
    offset = np.mgrid[:height, :width] - centre[:, None, None]
    seen = np.hypot(*offset) / corner
    out = rgb.clone()
    for channel, (a0, a1) in zip((0, 2), scales, strict=True):
        true = seen.copy()
        for _ in range(6):
            true = seen / (1 + a0 + a1 * true**2)
        places = centre[:, None, None] + offset * np.where(seen > 0, true / np.maximum(seen, 1e-12), 1)
        out[channel] = torch.from_numpy(ndimage.map_coordinates(rgb[channel].numpy(), places, order=3, mode="mirror"))
    return out


@lru_cache
def displaced_scene(scales):
    return displaced(scene(), scales)


def mosaic_of(rgb, pattern):
    out = torch.empty(1, *rgb.shape[1:])
    for i, letter in enumerate(pattern):
        site = (slice(i // 2, None, 2), slice(i % 2, None, 2))
        out[0][site] = rgb["RGB".index(letter)][site]
    return out


def displacement_error_px(found, true, size):
    corner = np.hypot(*size) / 2
    radii = np.linspace(0, 0.9, 10)
    return max(
        np.abs(((a0 - b0) * radii + (a1 - b1) * radii**3) * corner).max()
        for (a0, a1), (b0, b1) in zip(found, true, strict=True)
    )


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("scales", [((0.0, 0.0), (0.0, 0.0)), SCALES])
def test_known_scales_are_found_within_a_fifth_of_a_pixel(pattern, scales):
    mosaic = mosaic_of(displaced_scene(scales), pattern)
    noisy = add_noise(mosaic, ((2e-4, 2e-6),), generator=torch.Generator().manual_seed(0))
    found = aberration.scales_from_statistics(
        aberration.aberration_statistics(noisy, pattern, full_size=(512, 512)), (512, 512)
    )
    assert displacement_error_px(found, scales, (512, 512)) < 0.2


def test_statistics_add_over_tiles():
    mosaic = mosaic_of(displaced_scene(SCALES), "GRBG")
    total = sum(
        aberration.aberration_statistics(
            mosaic[:, y : y + 256, x : x + 256], "GRBG", origin=(y, x), full_size=(512, 512)
        )
        for y in (0, 256)
        for x in (0, 256)
    )
    found = aberration.scales_from_statistics(total, (512, 512))
    assert displacement_error_px(found, SCALES, (512, 512)) < 0.2


def test_no_structure_gives_no_scale():
    flat = torch.full((1, 200, 200), 0.3)
    statistics = aberration.aberration_statistics(flat, "RGGB", full_size=(200, 200))
    assert aberration.scales_from_statistics(statistics, (200, 200)) == ((0.0, 0.0), (0.0, 0.0))
    tiny = aberration.aberration_statistics(torch.rand(1, 5, 7), "RGGB", full_size=(5, 7))
    assert not tiny.any()


def inner_error(a, b, border=12):
    return float((a - b)[:, border:-border, border:-border].square().mean().sqrt())


def test_rgb_correction_undoes_the_lens():
    clean = scene((300, 320))
    seen = displaced(clean, SCALES)
    out = aberration.correct_aberration_rgb(seen, SCALES)
    assert inner_error(out[::2], clean[::2]) < 0.45 * inner_error(seen[::2], clean[::2])
    assert torch.equal(out[1], seen[1])


@pytest.mark.parametrize("pattern", PATTERNS)
def test_mosaic_correction_undoes_the_lens(pattern):
    smooth = torch.from_numpy(ndimage.gaussian_filter(scene((301, 320)).numpy(), (0, 1.5, 1.5)))
    clean = mosaic_of(smooth, pattern)
    seen = mosaic_of(displaced(smooth, SCALES), pattern)
    out = aberration.correct_aberration_mosaic(seen, pattern, SCALES)
    assert inner_error(out, clean) < 0.35 * inner_error(seen, clean)
    green = torch.tensor([letter == "G" for letter in pattern]).view(2, 2).repeat(151, 160)[:301]
    assert torch.equal(out[0][green], seen[0][green])


def test_tiles_with_halo_equal_the_whole_and_input_is_untouched():
    rgb = displaced(scene((160, 171)), SCALES)
    mosaic = mosaic_of(rgb, "GRBG")
    before = mosaic.clone()
    whole = aberration.correct_aberration_mosaic(mosaic, "GRBG", SCALES)
    whole_rgb = aberration.correct_aberration_rgb(rgb, SCALES)
    assert torch.equal(mosaic, before)
    halo = aberration.aberration_halo(SCALES, (160, 171))
    assert halo % 2 == 0
    window = (slice(None), slice(40 - halo, 91 + halo), slice(101 - halo, 150 + halo))
    options = {"origin": (40 - halo, 101 - halo), "full_size": (160, 171)}
    tile = aberration.correct_aberration_mosaic(mosaic[window], "RGGB", SCALES, **options)
    tile_rgb = aberration.correct_aberration_rgb(rgb[window], SCALES, **options)
    for part, full in ((tile, whole), (tile_rgb, whole_rgb)):
        torch.testing.assert_close(part[:, halo:-halo, halo:-halo], full[:, 40:91, 101:150], rtol=1e-5, atol=2e-5)


def test_no_scale_returns_the_input():
    image = torch.rand(3, 9, 9)
    assert aberration.correct_aberration_rgb(image, ((0.0, 0.0), (0.0, 0.0))) is image
    assert aberration.correct_aberration_mosaic(image[:1], "RGGB", ((0.0,), (0.0,))) is not None
    assert aberration.correct_aberration_mosaic(torch.rand(1, 1, 1), "RGGB", SCALES).shape == (1, 1, 1)
