"""Procedural scenes against the geometry that they were made from."""

import math

import pytest
import torch

from isp_ns.data.leaves import dead_leaves
from isp_ns.data.scenes import LABELS, Plane, Room, Solid, random_room, render

GREY = (0.5, 0.5, 0.5)
WALL = Plane(2, 6.0, LABELS.index("wall"), GREY)
FLOOR = Plane(1, -1.5, LABELS.index("floor"), GREY)
SIZE = (61, 81)
CENTRE = (30, 40)


def test_a_wall_and_a_floor_have_the_depth_of_the_pinhole_camera():
    scene = render(Room((WALL, FLOOR), ()), SIZE, samples=1)
    assert scene.focal_px == pytest.approx(0.5 * 81 / math.tan(math.radians(30)))
    down = (torch.arange(61) + 0.5 - 30.5) / scene.focal_px
    expected = torch.where(down > 1.5 / 6.0, 1.5 / down, torch.tensor(6.0))
    assert torch.allclose(scene.depth_m[0], expected[:, None].expand(SIZE), rtol=1e-5)
    assert (scene.labels[0, :, 0] == (down > 1.5 / 6.0).long() * 0 + torch.where(down > 0.25, 0, 2)).all()


def test_a_ball_is_nearest_in_its_middle_and_round():
    ball = Solid("ball", (0.0, 0.0, 4.0), (0.5, 0.5, 0.5), GREY)
    scene = render(Room((WALL,), (ball,)), SIZE, samples=1)
    assert scene.depth_m[0][CENTRE].item() == pytest.approx(3.5, abs=1e-4)
    seen = scene.labels[0] == LABELS.index("ball")
    # A ball of radius r at distance d is seen under the angle whose sine is r / d.
    radius_px = scene.focal_px * math.tan(math.asin(0.5 / 4.0))
    assert seen.sum().item() == pytest.approx(math.pi * radius_px**2, rel=0.05)


def test_a_box_hides_what_is_behind_it_and_shows_its_front():
    box = Solid("box", (0.0, 0.0, 4.0), (0.5, 0.4, 0.3), GREY)
    scene = render(Room((WALL,), (box,)), SIZE, samples=1)
    front = scene.labels[0] == LABELS.index("box")
    assert torch.allclose(scene.depth_m[0][front], torch.tensor(3.7), atol=1e-4)
    assert front.sum().item() == pytest.approx((scene.focal_px / 3.7) ** 2 * 1.0 * 0.8, rel=0.06)
    assert (scene.depth_m[0][~front] == 6.0).all()


def test_surfaces_that_face_the_light_are_brighter():
    ball = Solid("ball", (0.0, 0.0, 4.0), (1.0, 1.0, 1.0), GREY)
    scene = render(Room((WALL,), (ball,)), SIZE)
    assert scene.rgb[0, 20, 40] > scene.rgb[0, 40, 40]
    assert 0 < scene.rgb.min() <= scene.rgb.max() <= 0.5


def test_a_random_room_shows_all_classes_and_repeats_with_its_seed():
    scene, again, other = (render(random_room(seed), (60, 80)) for seed in (3, 3, 4))
    assert scene.labels.unique().tolist() == list(range(len(LABELS)))
    assert 1.0 < scene.depth_m.min() <= scene.depth_m.max() < 10.0
    assert torch.equal(scene.rgb, again.rgb)
    assert not torch.equal(scene.rgb, other.rgb)
    assert scene.rgb.isfinite().all()


def test_a_picture_without_area_is_refused():
    with pytest.raises(ValueError, match="positive"):
        render(random_room(0), (0, 10))


def test_leaf_litter_joins_at_its_edges_and_repeats():
    picture = dead_leaves((96, 128), 1, largest_px=20.0)
    assert torch.equal(picture, dead_leaves((96, 128), 1, largest_px=20.0))
    assert 0 <= picture.min() <= picture.max() <= 1
    inner = (picture[:, :, 1:] - picture[:, :, :-1]).abs().mean()
    seam = (picture[:, :, 0] - picture[:, :, -1]).abs().mean()
    assert seam < 2 * inner


def test_leaf_litter_has_the_spectrum_of_natural_images():
    grey = dead_leaves((256, 256), 0).mean(dim=0)
    power = torch.fft.fft2(grey - grey.mean()).abs().square()
    frequency = torch.fft.fftfreq(256)
    radius = (frequency[:, None].square() + frequency.square()).sqrt()
    low, high = (power[(radius > a) & (radius < 1.25 * a)].mean() for a in (0.02, 0.16))
    slope = math.log2(low / high) / 3
    # Natural images have 1/f² power; opaque discs come out a little steeper or flatter with their sizes.
    assert 1.5 < slope < 3.2


def test_impossible_leaves_are_refused():
    with pytest.raises(ValueError, match="least"):
        dead_leaves((8, 8), least_px=5.0, largest_px=4.0)
