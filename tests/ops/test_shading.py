import numpy as np
import pytest
import torch
from scipy import interpolate

from isp_ns.ops import shading

MAP = {"map_origin": (0.1, 0.0), "map_spacing": (0.2, 0.25)}


def reference_gains(grid, rows, columns):
    """SciPy's bilinear interpolation at clamped node positions."""
    count_y, count_x = grid.shape
    surface = interpolate.RegularGridInterpolator((np.arange(count_y), np.arange(count_x)), grid)
    points = np.stack(np.meshgrid(np.clip(rows, 0, count_y - 1), np.clip(columns, 0, count_x - 1), indexing="ij"), -1)
    return surface(points)


def test_grid_is_stretched_from_first_to_last_pixel():
    grid = torch.tensor([[[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]]])
    out = shading.apply_shading(torch.ones(1, 3, 5), grid)
    expected = [[1, 1.5, 2, 2.5, 3], [3, 3.5, 4, 4.5, 5], [5, 5.5, 6, 6.5, 7]]
    np.testing.assert_allclose(out[0].numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG"])
@pytest.mark.parametrize("planes", [3, 4])
def test_each_site_takes_its_own_plane_and_tiles_agree(pattern, planes):
    grid = 1 + torch.rand(planes, 4, 5, generator=torch.Generator().manual_seed(0))
    mosaic = torch.rand(1, 31, 42, generator=torch.Generator().manual_seed(1))
    whole = shading.apply_shading(mosaic, grid, pattern=pattern)
    rows, columns = np.arange(31) * 3 / 30, np.arange(42) * 4 / 41
    for i, letter in enumerate(pattern):
        y, x = divmod(i, 2)
        plane = "RGB".index(letter) if planes == 3 else i
        expected = reference_gains(grid[plane].numpy(), rows[y::2], columns[x::2]) * mosaic[0, y::2, x::2].numpy()
        np.testing.assert_allclose(whole[0, y::2, x::2].numpy(), expected, rtol=1e-5)
    moved = pattern[3] + pattern[2] + pattern[1] + pattern[0]
    tile = shading.apply_shading(mosaic[:, 7:20, 9:33], grid, pattern=moved, origin=(7, 9), full_size=(31, 42))
    torch.testing.assert_close(tile, whole[:, 7:20, 9:33], rtol=1e-6, atol=0)


def test_a_grid_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="2 planes"):
        shading.apply_shading(torch.ones(1, 4, 4), torch.ones(2, 2, 2), pattern="RGGB")


def test_gain_map_is_bilinear_between_pixel_centres_and_constant_beyond():
    gains = 1 + torch.rand(4, 5, 1, generator=torch.Generator().manual_seed(0))
    image = torch.rand(1, 40, 60, generator=torch.Generator().manual_seed(1))
    out = shading.apply_gain_map(image, gains, area=(0, 0, 40, 60), pitch=(1, 1), plane=0, planes=1, **MAP)
    rows = ((np.arange(40) + 0.5) / 40 - 0.1) / 0.2
    columns = ((np.arange(60) + 0.5) / 60) / 0.25
    expected = reference_gains(gains[..., 0].numpy(), rows, columns) * image[0].numpy()
    np.testing.assert_allclose(out[0].numpy(), expected, rtol=1e-5)


def test_gain_map_changes_only_its_area_at_its_pitch():
    image = torch.ones(1, 20, 20)
    gains = torch.full((1, 1, 1), 2.0)
    out = shading.apply_gain_map(
        image, gains, area=(3, 4, 17, 19), pitch=(2, 3), plane=0, planes=1, map_origin=(0, 0), map_spacing=(1, 1)
    )
    expected = np.ones((20, 20))
    expected[3:17:2, 4:19:3] = 2
    assert np.array_equal(out[0].numpy(), expected)
    assert torch.equal(image, torch.ones(1, 20, 20))


def test_gain_map_planes_share_the_last_map_plane():
    image = torch.ones(3, 4, 4)
    gains = torch.tensor([[[2.0, 3.0]]])
    out = shading.apply_gain_map(
        image, gains, area=(0, 0, 4, 4), pitch=(1, 1), plane=0, planes=3, map_origin=(0, 0), map_spacing=(1, 1)
    )
    assert out[:, 0, 0].tolist() == [2.0, 3.0, 3.0]


@pytest.mark.parametrize("corner", [(0, 0), (5, 8), (19, 31)])
def test_gain_map_tiles_agree_with_the_whole(corner):
    gains = 1 + torch.rand(4, 5, 1, generator=torch.Generator().manual_seed(0))
    image = torch.rand(1, 40, 60, generator=torch.Generator().manual_seed(1))
    options = {"area": (1, 2, 38, 57), "pitch": (2, 2), "plane": 0, "planes": 1, **MAP}
    whole = shading.apply_gain_map(image, gains, **options)
    y, x = corner
    tile = shading.apply_gain_map(image[:, y : y + 13, x : x + 17], gains, origin=corner, full_size=(40, 60), **options)
    torch.testing.assert_close(tile, whole[:, y : y + 13, x : x + 17], rtol=1e-6, atol=0)


def test_gain_map_outside_the_tile_returns_it_as_it_is():
    image = torch.ones(1, 4, 4)
    gains = torch.full((2, 2, 1), 9.0)
    out = shading.apply_gain_map(
        image, gains, area=(50, 50, 60, 60), pitch=(1, 1), plane=0, planes=1, full_size=(90, 90), **MAP
    )
    assert out is image
