import pytest
import torch

from isp_ns.ops import white_balance as wb
from isp_ns.ops.dng_colour import Calibration, camera_neutral
from isp_ns.ops.temperature import cct_to_xy

PATTERNS = ["RGGB", "BGGR", "GRBG", "GBRG"]
LIGHT = torch.tensor([0.45, 0.80, 0.55])
GAINS = LIGHT[1] / LIGHT.double()
COLOR_D65 = ((0.4716, 0.0603, -0.0830), (-0.7798, 1.5474, 0.2480), (-0.1496, 0.1937, 0.6651))


def mosaic_of(rgb, pattern):
    out = torch.empty(1, *rgb.shape[1:])
    for i, letter in enumerate(pattern):
        out[0, i // 2 :: 2, i % 2 :: 2] = rgb["RGB".index(letter), i // 2 :: 2, i % 2 :: 2]
    return out


def patches(seed=0, height=96, width=128, size=8):
    """Grey-world scene: coloured squares whose mean reflectance is grey, in each channel with the same spread."""
    generator = torch.Generator().manual_seed(seed)
    shape = (height // size, width // size)
    order = [torch.randperm(shape[0] * shape[1], generator=generator) for _ in range(3)]
    levels = torch.linspace(0.1, 0.9, shape[0] * shape[1])
    squares = torch.stack([levels[index].reshape(shape) for index in order])
    return squares.repeat_interleave(size, 1).repeat_interleave(size, 2)


def lit(reflectance):
    return reflectance * LIGHT[:, None, None]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_cells_take_each_colour_from_its_place(pattern):
    colour = torch.tensor([0.2, 0.5, 0.8])[:, None, None].expand(3, 7, 9)
    cells = wb.cells(mosaic_of(colour, pattern), pattern)
    assert cells.shape == (3, 3, 4)
    torch.testing.assert_close(cells, colour[:, :3, :4], rtol=0, atol=1e-7)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("norm", [1.0, 6.0])
def test_grey_methods_find_the_light(pattern, norm):
    cells = wb.cells(mosaic_of(lit(patches()), pattern), pattern)
    stats = wb.grey_stats(cells, norm=norm, dark=0.0)
    torch.testing.assert_close(wb.grey_gains(stats, norm=norm), GAINS, rtol=0.01, atol=0)


def test_grey_edge_is_less_misled_by_a_large_coloured_wall_than_the_grey_world():
    scene = patches(height=192)
    scene[:, 96:] = torch.tensor([0.9, 0.2, 0.2])[:, None, None]
    cells = wb.cells(mosaic_of(lit(scene), "RGGB"), "RGGB")
    edges = wb.grey_gains(wb.grey_edge_stats(cells, norm=1.0, sigma_px=1.0), norm=1.0)
    world = wb.grey_gains(wb.grey_stats(cells))
    assert (world / GAINS - 1).abs().max() > 0.3
    assert (edges / GAINS - 1).abs().max() < 0.5 * (world / GAINS - 1).abs().max()


def test_grey_edge_ignores_shade_and_slopes_of_a_single_colour():
    ramp = torch.linspace(0.1, 0.9, 64).expand(3, 48, 64)
    stats = wb.grey_edge_stats(lit(ramp), norm=6.0, sigma_px=1.0)
    torch.testing.assert_close(wb.grey_gains(stats, norm=6.0), GAINS, rtol=1e-3, atol=0)


def test_white_patch_finds_the_light():
    scene = patches() * 0.5
    scene[:, 20:30, 20:60] = 0.95
    stats = wb.white_patch_stats(wb.cells(mosaic_of(lit(scene), "GBRG"), "GBRG"))
    torch.testing.assert_close(wb.white_patch_gains(stats), GAINS, rtol=2 / 2048 * 4, atol=0)


def test_clipped_and_black_pixels_do_not_count():
    scene = lit(patches())
    spoiled = scene.clone()
    spoiled[:, :16, :16] = torch.tensor([1.0, 1.0, 1.0])[:, None, None]
    spoiled[:, -16:, -16:] = 0.0
    clean = torch.cat((scene[:, :16, 16:].flatten(1), scene[:, 16:-16].flatten(1), scene[:, -16:, :-16].flatten(1)), 1)
    torch.testing.assert_close(wb.grey_stats(spoiled), wb.grey_stats(clean[:, None]), rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    "stats",
    [wb.grey_stats, wb.white_patch_stats, lambda rgb: wb.grey_stats(rgb, norm=6.0)],
)
def test_statistics_add_over_tiles(stats):
    mosaic = mosaic_of(lit(patches()), "GRBG")
    whole = stats(wb.cells(mosaic, "GRBG"))
    tiles = [
        stats(wb.cells(mosaic[:, y : y + 32, x : x + 64], "GRBG")) for y in range(0, 96, 32) for x in range(0, 128, 64)
    ]
    torch.testing.assert_close(sum(tiles), whole, rtol=1e-6, atol=1e-6)


def test_edge_statistics_add_over_tiles_with_their_halo():
    mosaic = mosaic_of(lit(patches()), "GRBG")
    halo = wb.grey_edge_halo_px(1.0)
    whole = wb.grey_edge_stats(wb.cells(mosaic, "GRBG"), sigma_px=1.0)
    inner_height, inner_width = 96 - 2 * halo, 128 - 2 * halo
    total = torch.zeros(4, dtype=torch.float64)
    for top, height in ((0, 40), (40, inner_height - 40)):
        for left, width in ((0, 64), (64, inner_width - 64)):
            tile = mosaic[:, top : top + height + 2 * halo, left : left + width + 2 * halo]
            total += wb.grey_edge_stats(wb.cells(tile, "GRBG"), sigma_px=1.0)
    torch.testing.assert_close(total, whole, rtol=1e-5, atol=0)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_picture_that_says_nothing_gets_gains_of_one(level):
    empty = torch.full((3, 32, 32), level)
    ones = torch.ones(3, dtype=torch.float64)
    assert torch.equal(wb.grey_gains(wb.grey_stats(empty)), ones)
    assert torch.equal(wb.grey_gains(wb.grey_edge_stats(empty)), ones)
    assert torch.equal(wb.white_patch_gains(wb.white_patch_stats(empty)), ones)
    assert torch.equal(wb.grey_edge_stats(torch.rand(3, 4, 4)), torch.zeros(4, dtype=torch.float64))


def test_gains_are_reciprocals_of_the_neutral():
    gains = wb.gains_from_neutral((0.5, 1.0, 0.625))
    assert gains.tolist() == [2.0, 1.0, 1.6]
    box = lit(torch.full((3, 10, 10), 0.5)).mean((1, 2))
    torch.testing.assert_close(wb.gains_from_neutral(box), GAINS, rtol=1e-6, atol=0)
    with pytest.raises(ValueError, match="three positive numbers"):
        wb.gains_from_neutral((0.5, 1.0, 0.0))


def test_gains_of_a_known_light_make_its_neutral_grey():
    calibrations = (Calibration(6500, COLOR_D65),)
    xy = cct_to_xy(5200, 10)
    neutral = camera_neutral(xy, calibrations)
    for gains in (wb.gains_from_xy(xy, calibrations), wb.gains_from_kelvin(5200, 10, calibrations)):
        balanced = neutral * gains
        torch.testing.assert_close(balanced, balanced[1].expand(3))
        assert gains[1] == 1.0


def test_warmer_light_needs_more_blue():
    calibrations = (Calibration(6500, COLOR_D65),)
    warm, cool = (wb.gains_from_kelvin(cct_k, 0.0, calibrations) for cct_k in (3000, 8000))
    assert warm[2] > cool[2]
    assert warm[0] < cool[0]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [(8, 12), (7, 9), (1, 1), (2, 5)])
def test_gains_go_to_their_colour(pattern, size):
    mosaic = torch.rand(1, *size)
    before = mosaic.clone()
    colours = torch.tensor([2.0, 1.0, 1.6])[:, None, None].expand(3, *size)
    assert torch.equal(wb.apply_gains(mosaic, pattern, (2.0, 1.0, 1.6)), mosaic * mosaic_of(colours, pattern))
    assert torch.equal(mosaic, before)
