"""Views: sizes, truth that follows the picture, and repeatability."""

import pytest
import torch

from isp_ns.train.views import View, draw_view, jitter_colour, view_picture, view_truth, whole_view


def ramp(height=48, width=64):
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return rows.float(), columns.float()


@pytest.mark.parametrize("aspect", [(4, 3), (1, 1), (16, 9), (3, 4)])
def test_views_have_the_aspect_and_lie_inside(aspect):
    rng = torch.Generator().manual_seed(0)
    for _ in range(50):
        view = draw_view((480, 640), aspect, rng, zoom=2.0, scales={1.0: 0.5, 0.5: 0.5})
        top, left, height, width = view.box
        assert top >= 0
        assert left >= 0
        assert top + height <= 480
        assert left + width <= 640
        assert width * aspect[1] == height * aspect[0]
        assert view.size[1] * aspect[1] == view.size[0] * aspect[0]
        assert view.size[0] % 4 == view.size[1] % 4 == 0


def test_views_repeat_by_seed():
    draws = [
        [draw_view((480, 640), (4, 3), rng, zoom=1.5, scales={1.0: 1, 0.7: 1}) for _ in range(5)]
        for rng in (torch.Generator().manual_seed(3), torch.Generator().manual_seed(3))
    ]
    assert draws[0] == draws[1]
    assert len(set(draws[0])) > 1


def test_too_small_pictures_are_refused():
    with pytest.raises(ValueError, match="too small"):
        draw_view((8, 8), (16, 9), torch.Generator(), scales={1.0: 1})


def test_a_view_at_scale_one_keeps_the_pixels():
    image = torch.randint(0, 256, (3, 48, 64), dtype=torch.uint8)
    view = View((4, 8, 24, 32), (24, 32))
    assert torch.equal(view_picture(image, view), image[:, 4:28, 8:40].float() / 255)
    assert torch.equal(view_picture(image, whole_view((48, 64))), image.float() / 255)


def test_a_smaller_view_averages():
    checks = (torch.arange(64) % 2 * 255).to(torch.uint8).expand(3, 48, 64)
    small = view_picture(checks, whole_view((48, 64), 0.25))
    assert small.shape == (3, 12, 16)
    assert (small - 0.5).abs().max() < 0.08


def test_truth_follows_the_box():
    rows, columns = ramp()
    view = View((12, 16, 24, 32), (24, 32))
    depth, labels = view_truth(rows[None], columns[None].byte(), view, (6, 8))
    # Cells of 4 pixels from row 12 and column 16 on; the nearest pixel to a centre is the third.
    assert depth[0, :, 0].tolist() == [14.0, 18.0, 22.0, 26.0, 30.0, 34.0]
    assert labels[0, 0].tolist() == [18, 22, 26, 30, 34, 38, 42, 46]


def test_missing_truth_is_unknown():
    depth, labels = view_truth(None, None, whole_view((48, 64)), (6, 8))
    assert not depth.any()
    assert (labels == 255).all()


def test_colours_change_and_stay_in_range():
    image = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert jitter_colour(image, torch.Generator().manual_seed(1), 0.0) is image
    first, again = (jitter_colour(image, torch.Generator().manual_seed(1), 1.0) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, image)
    assert 0 <= float(first.min()) <= float(first.max()) <= 1
