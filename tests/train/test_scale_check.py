"""Depth and labels of one photo at several sizes: answers that are known, and sizes that are the same."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from random_heads import save_known_heads

from isp_ns.core.frame import Frame
from isp_ns.ops.transfer import encode
from isp_ns.train import scale_check
from isp_ns.train.perception_evaluate import shoot
from isp_ns.train.scale_check import Answer, answer_on, check_scales, compare_answers, shared_grid

HEIGHT, WIDTH = 96, 128


@pytest.fixture
def photo(tmp_path):
    ramp = np.linspace(30, 220, WIDTH)[None, :, None] * np.ones((HEIGHT, 1, 3))
    noisy = ramp + np.random.default_rng(0).uniform(-25, 25, (HEIGHT, WIDTH, 3))
    path = tmp_path / "photo.png"
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path)
    return path


def weights(folder, **known):
    return str(save_known_heads(folder, **known))


def split_at(column, columns=10):
    """Label 1 from a column on."""
    return (torch.arange(columns) >= column).long().expand(1, 8, columns)


def test_the_same_size_twice_is_equal(photo, tmp_path):
    found = check_scales([photo], weights=weights(tmp_path), shrinks=(2, 2))
    (row,) = found["rows"]
    assert (row["photo"], row["shrinks"], row["depth_difference"]) == ("photo.png", [2, 2], 0)
    assert row["labels_equal"] in (1, None)


def test_constant_answers_are_equal_at_all_sizes(photo, tmp_path):
    seen = []
    found = check_scales(
        [photo, photo],
        weights=weights(tmp_path, metres=3, label=4),
        shrinks=(6, 4, 2, 1),
        iso=1600,
        watch=lambda done, count: seen.append((done, count)),
    )
    assert len(found["rows"]) == 12
    for row in found["rows"]:
        assert row["depth_difference"] == pytest.approx(0, abs=1e-6)
        assert (row["labels_equal"], row["label_cells"]) == (1, 1)
    assert found["worst"] == {"depth_difference": pytest.approx(0, abs=1e-6), "labels_equal": 1}
    assert seen == [(done, 8) for done in range(1, 9)]
    assert found["protocol"]["noise"].startswith("the camera's")


def test_what_heads_cannot_say_is_none(photo, tmp_path):
    (row,) = check_scales([photo], weights=weights(tmp_path, tasks={"labels": 11}), shrinks=(2, 1))["rows"]
    assert row["depth_difference"] is None
    assert row["label_cells"] is not None


def test_depth_differs_by_the_median_of_the_shares():
    first = Answer(torch.tensor([[[1.0, 2.0, 4.0]]]), None)
    second = Answer(torch.tensor([[[1.0, 2.2, 2.0]]]), None)
    for pair in ((first, second), (second, first)):
        found = compare_answers(*pair)
        assert found["depth_difference"] == pytest.approx(0.1)
        assert found["labels_equal"] is None


def test_a_label_border_may_move_by_a_cell():
    found = compare_answers(Answer(None, split_at(4)), Answer(None, split_at(5)))
    assert (found["labels_equal"], found["label_cells"]) == (1, pytest.approx(0.7))
    assert found["depth_difference"] is None


def test_a_label_border_that_moves_further_counts():
    """Borders at 3 and 7 leave out columns 2, 3, 6 and 7; of the other six, columns 4 and 5 differ."""
    found = compare_answers(Answer(None, split_at(3)), Answer(None, split_at(7)))
    assert (found["labels_equal"], found["label_cells"]) == (pytest.approx(4 / 6), pytest.approx(0.6))


def test_no_share_without_cells():
    board = (torch.arange(8)[:, None] + torch.arange(8)).remainder(2)[None]
    found = compare_answers(Answer(None, board), Answer(None, board))
    assert (found["labels_equal"], found["label_cells"]) == (None, 0)


def test_the_grid_is_half_the_canonical_one_or_the_smallest_picture():
    assert shared_grid([(667, 1000), (1000, 1500), (2000, 3000), (4000, 6000)]) == (53, 80)
    assert shared_grid([(30, 40), (120, 160)]) == (30, 40)


def test_answers_come_onto_the_grid():
    depth = torch.arange(1.0, 9.0)[None, None].expand(1, 4, 8)
    labels = torch.tensor([0, 0, 0, 0, 5, 5, 5, 5], dtype=torch.uint8).expand(1, 4, 8)
    found = answer_on((2, 2), {"depth": Frame(depth), "labels": Frame(labels)})
    assert found.depth_m.tolist() == [[pytest.approx([2.5, 6.5])] * 2]
    assert found.labels.tolist() == [[[0, 5]] * 2]


def test_a_shrunk_photo_keeps_its_light(tmp_path):
    """Black and white pixels mix to half the light, which is brighter than half the code."""
    board = ((np.indices((64, 64)).sum(0) % 2) * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "board.png")
    found = scale_check._shoot_at(scale_check._read(tmp_path / "board.png"), (32, 32), "fictitious-phone", 0, seed=0)
    grey = encode(torch.full((3, 32, 32), 0.5), "srgb")
    flat = shoot(grey, "fictitious-phone", 0, focal_35mm=28, seed=0)
    difference = found.data.to(torch.int32) - flat.data.to(torch.int32)
    assert difference.abs().max() <= 1
    assert found.meta.focal_35mm == 28


def test_the_photo_tells_its_focal_length_and_how_it_was_held(tmp_path):
    image = Image.fromarray(np.full((40, 64, 3), 99, np.uint8))
    exif = Image.Exif()
    exif[274] = 6
    exif.get_ifd(34665)[41989] = 50
    image.save(tmp_path / "held.jpg", exif=exif)
    found = check_scales([tmp_path / "held.jpg"], weights=weights(tmp_path), shrinks=(2, 1))
    assert found["photos"] == [{"name": "held.jpg", "size_px": [40, 64], "focal_35mm": 50, "focal": "EXIF"}]


def test_a_photo_without_a_focal_length_gets_the_stated_one(photo, tmp_path):
    found = check_scales([photo], weights=weights(tmp_path), shrinks=(2, 1))
    assert found["photos"] == [{"name": "photo.png", "size_px": [WIDTH, HEIGHT], "focal_35mm": 28, "focal": "assumed"}]
    assert "28 mm" in found["protocol"]["focal"]


@pytest.mark.parametrize("shrinks", [(1,), (0.5, 1), (math.nan, 1), (math.inf, 1)])
def test_what_is_no_size_is_refused(photo, tmp_path, shrinks):
    with pytest.raises(ValueError, match="numbers from 1 on"):
        check_scales([photo], weights=weights(tmp_path), shrinks=shrinks)


def test_a_photo_that_becomes_too_small_is_refused(photo, tmp_path):
    with pytest.raises(ValueError, match=r"photo\.png: 1/8 of its sides is 16x12 pixels"):
        check_scales([photo], weights=weights(tmp_path), shrinks=(8, 1))
