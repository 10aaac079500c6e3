import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from isp_ns.ops import warp

SIZE = (61, 90)
COEFFICIENTS = (1.02, -0.05, 0.03, -0.01, 0.004, -0.003)
CENTRE = (0.45, 0.52)


def smooth_scene(rows, columns):
    return 0.5 + 0.2 * np.sin(rows / 9) * np.cos(columns / 11) + 0.1 * np.sin((rows + columns) / 13)


def image():
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return torch.from_numpy(smooth_scene(rows, columns)).float()[None]


def specified_map(y, x):
    """The opcode's formulas, a pixel at a time, in the words of the specification."""
    y1, x1 = SIZE[0] - 1, SIZE[1] - 1
    cy, cx = CENTRE[0] * y1, CENTRE[1] * x1
    m = math.sqrt(max(abs(0 - cx), abs(x1 - cx)) ** 2 + max(abs(0 - cy), abs(y1 - cy)) ** 2)
    dx, dy = (x - cx) / m, (y - cy) / m
    r = math.sqrt(dx**2 + dy**2)
    kr0, kr1, kr2, kr3, kt0, kt1 = COEFFICIENTS
    f = kr0 + kr1 * r**2 + kr2 * r**4 + kr3 * r**6
    x_radial, y_radial = f * dx, f * dy
    x_tangential = kt0 * (2 * dx * dy) + kt1 * (r**2 + 2 * dx**2)
    y_tangential = kt1 * (2 * dx * dy) + kt0 * (r**2 + 2 * dy**2)
    return cy + m * (y_radial + y_tangential), cx + m * (x_radial + x_tangential)


def test_coordinates_follow_the_specification():
    box = (5, 7, 20, 30)
    coordinates = warp.rectilinear_coordinates(box, SIZE, [COEFFICIENTS], CENTRE)
    for y, x in ((5, 7), (12, 19), (19, 29)):
        assert coordinates[0, :, y - 5, x - 7].tolist() == pytest.approx(specified_map(y, x), abs=1e-9)


def test_identity_gives_the_image_back():
    whole = (0, 0, *SIZE)
    coordinates = warp.rectilinear_coordinates(whole, SIZE, [(1, 0, 0, 0, 0, 0)], (0.5, 0.5))
    torch.testing.assert_close(warp.resample(image(), coordinates), image(), rtol=1e-5, atol=1e-5)


def test_a_known_distortion_of_a_known_scene():
    whole = (0, 0, *SIZE)
    coordinates = warp.rectilinear_coordinates(whole, SIZE, [COEFFICIENTS], CENTRE)
    out = warp.resample(image(), coordinates)[0]
    expected = smooth_scene(*coordinates[0].numpy())
    np.testing.assert_allclose(out[4:-4, 4:-4].numpy(), expected[4:-4, 4:-4], atol=2e-3)


def test_bilinear_agrees_with_scipy_beyond_the_border_too():
    coordinates = warp.radial_coordinates((0, 0, *SIZE), SIZE, [(0.2,)])
    out = warp.resample(image(), coordinates, mode="bilinear")[0]
    expected = ndimage.map_coordinates(image()[0].numpy(), coordinates[0].numpy(), order=1, mode="nearest")
    np.testing.assert_allclose(out.numpy(), expected, atol=2e-5)


@pytest.mark.parametrize("box", [(0, 0, 20, 33), (17, 40, 47, 90), (40, 0, 61, 17)])
def test_tiles_read_only_their_footprint_and_equal_the_whole(box):
    rgb = image() * torch.tensor([1.0, 0.8, 0.6])[:, None, None]
    sets = [COEFFICIENTS, (1, 0, 0, 0, 0, 0), (0.98, 0.01, 0, 0, 0, 0)]
    whole = warp.resample(rgb, warp.rectilinear_coordinates((0, 0, *SIZE), SIZE, sets, CENTRE))
    coordinates = warp.rectilinear_coordinates(box, SIZE, sets, CENTRE)
    top, left, bottom, right = warp.footprint(coordinates, SIZE)
    tile = warp.resample(rgb[:, top:bottom, left:right], coordinates, (top, left))
    torch.testing.assert_close(tile, whole[:, box[0] : box[2], box[1] : box[3]], rtol=1e-5, atol=1e-5)


def test_footprint_stays_within_the_image_and_is_never_empty():
    far = torch.full((1, 2, 3, 3), 1000.0, dtype=torch.float64)
    top, left, bottom, right = warp.footprint(far, SIZE)
    assert 0 <= top < bottom <= SIZE[0]
    assert 0 <= left < right <= SIZE[1]


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="sets of coordinates"):
        warp.resample(torch.zeros(3, 4, 4), torch.zeros(2, 2, 4, 4))
    with pytest.raises(ValueError, match="four terms"):
        warp.radial_coordinates((0, 0, 4, 4), SIZE, [(0, 0, 0, 0, 0)])


def test_a_single_pixel():
    coordinates = warp.rectilinear_coordinates((0, 0, 1, 1), (1, 1), [COEFFICIENTS], CENTRE)
    assert warp.resample(torch.full((1, 1, 1), 0.3), coordinates).item() == pytest.approx(0.3)
