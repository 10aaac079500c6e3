import pytest
import torch

from isp_ns.metrics import false_colour, zipper
from isp_ns.ops import cfa
from isp_ns.ops.demosaic import bilinear, mlri


def edge(height=24, width=32):
    """A vertical edge between two greys."""
    return torch.where(torch.arange(width) < width // 2, 0.2, 0.8).expand(3, height, width).clone()


def test_an_equal_picture_has_no_artefacts():
    assert zipper(edge(), edge()) == 0
    assert false_colour(edge(), edge()) == 0


def test_a_brighter_picture_has_no_false_colour_and_a_tinted_one_is_all_false():
    grey = edge()
    assert false_colour(grey + 0.1, grey) == 0
    tinted = grey + torch.tensor([0.05, 0.0, -0.05])[:, None, None]
    assert false_colour(tinted, grey) == 1


def test_an_on_off_line_along_an_edge_counts_its_pixels_and_those_that_leaned_on_them():
    """Every other pixel of one column is changed: these lost their like neighbours; half as many more had them."""
    truth = torch.full((3, 22, 30), 0.5)
    test = truth.clone()
    test[:, 4:18:2, 15] = 0.7
    share = zipper(test, truth)
    inner = 20 * 28
    assert 7 / inner <= share <= 7 * 9 / inner


def test_a_change_below_the_threshold_is_no_zipper():
    truth = torch.full((3, 22, 30), 0.5)
    test = truth.clone()
    test[:, 4:18:2, 15] += 0.015
    assert zipper(test, truth) == 0


def test_bilinear_zips_and_colours_straight_edges_and_a_directional_method_does_not():
    for picture in (edge(), edge().mT):
        mosaic = cfa.mosaic(picture, "RGGB")
        plain, best = bilinear(mosaic, "RGGB"), mlri(mosaic, "RGGB")
        assert zipper(plain, picture) > 0.02
        assert false_colour(plain, picture) > 0.02
        assert zipper(best, picture) == false_colour(best, picture) == 0


def test_crop_leaves_the_border_out_and_small_pictures_are_refused():
    truth = torch.full((3, 22, 30), 0.5)
    test = truth.clone()
    test[0, :3] = 1
    assert false_colour(test, truth, crop=3) == 0
    assert zipper(test, truth, crop=4) == 0
    assert zipper(test, truth) > 0
    with pytest.raises(ValueError, match="3×3"):
        zipper(truth[:, :2], truth[:, :2])
