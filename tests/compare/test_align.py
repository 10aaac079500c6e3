"""Alignment finds offsets and gains that were put in."""

import numpy as np
import pytest
import skimage.data
import torch

from isp_ns.compare.align import Offset, common_boxes, display_srgb, exposure_gain, find_offset, with_gain
from isp_ns.core.errors import OutputError
from isp_ns.core.frame import Frame
from isp_ns.core.meta import Meta
from isp_ns.ops.transfer import decode, encode


def photograph(top=0, left=0, height=240, width=320):
    picture = skimage.data.astronaut()[top : top + height, left : left + width]
    return torch.from_numpy(picture / 255.0).permute(2, 0, 1).float()


@pytest.mark.parametrize(("y", "x"), [(0, 0), (4, 4), (-7, 12), (21, -3)])
@pytest.mark.parametrize("sigma", [0.0, 0.1])
def test_an_offset_is_found_in_whole_pixels_also_under_noise(y, x, sigma):
    noise = torch.Generator().manual_seed(3)
    reference = photograph(40, 60)
    test = photograph(40 + y, 60 + x, 236, 314)
    test = test + sigma * torch.randn(test.shape, generator=noise)
    found = find_offset(test, reference)
    assert (found.y, found.x) == (y, x)
    assert found.correlation > 0.9


def test_equal_sizes_stay_in_place_where_nothing_moved():
    noise = torch.Generator().manual_seed(4)
    flat = torch.full((3, 100, 100), 0.4)
    flat[:, 40:60, 30:70] = 0.6
    test = flat + 0.05 * torch.randn(flat.shape, generator=noise)
    assert (find_offset(test, flat).y, find_offset(test, flat).x) == (0, 0)


def test_another_scale_and_another_scene_are_refused():
    with pytest.raises(OutputError, match="another scale"):
        find_offset(photograph(height=240, width=320), photograph(height=480, width=500))
    other = torch.from_numpy(skimage.data.coffee()[:240, :320] / 255.0).permute(2, 0, 1).float()
    with pytest.raises(OutputError, match="does not show"):
        find_offset(other, photograph())


def test_common_boxes_cut_all_pictures_to_the_same_scene():
    whole = photograph(0, 0, 200, 200)
    places = [(0, 0, 200, 200), (4, 6, 190, 150), (10, 2, 180, 198)]
    cuts = [whole[:, top : top + height, left : left + width] for top, left, height, width in places]
    boxes = common_boxes([(h, w) for _, _, h, w in places], [Offset(y, x, 1.0) for y, x, _, _ in places])
    parts = [image[:, b[0] : b[2], b[1] : b[3]] for image, b in zip(cuts, boxes, strict=True)]
    assert parts[0].shape == (3, 180, 150)
    assert all(torch.equal(part, parts[0]) for part in parts)


@pytest.mark.parametrize("gain", [0.6, 1.0, 1.37, 2.5])
def test_a_gain_is_found_whatever_the_noise_colour_and_clipping(gain):
    noise = torch.Generator().manual_seed(5)
    reference = photograph(0, 100, 256, 256)
    light = decode(reference, "srgb") / gain * torch.tensor([1.02, 1.0, 0.98])[:, None, None]
    light = light + 0.004 * torch.randn(light.shape, generator=noise)
    test = encode(light.clamp(0, 1), "srgb")
    test[:, :60, :60] = 0.9
    assert exposure_gain(test, reference) == pytest.approx(gain, rel=0.02)


def test_aligned_pictures_of_other_exposure_agree():
    reference = photograph(0, 100, 256, 256) * 0.8
    darker = encode(decode(reference, "srgb") * 0.5, "srgb")
    aligned = with_gain(darker, exposure_gain(darker, reference))
    assert float((aligned - reference).abs().max()) < 2e-3


def test_a_black_picture_has_no_gain():
    assert exposure_gain(torch.zeros(3, 64, 64), photograph(height=64, width=64)) == 1.0


def test_display_pictures_are_upright_srgb_of_three_channels():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import colour

    rgb = photograph(height=32, width=48)
    frame = Frame(rgb, Meta(space="display-p3", orientation=6))
    found = display_srgb(frame)
    assert found.shape == (3, 48, 32)
    p3, srgb = colour.RGB_COLOURSPACES["Display P3"], colour.RGB_COLOURSPACES["sRGB"]
    turned = np.rot90(rgb.permute(1, 2, 0).double().numpy(), -1)
    expected = colour.RGB_to_RGB(turned, p3, srgb, apply_cctf_decoding=True, apply_cctf_encoding=True)
    np.testing.assert_allclose(found.permute(1, 2, 0).numpy(), expected.clip(0, 1), atol=2e-3)


def test_integers_and_grey_become_floats_of_three_channels():
    found = display_srgb(Frame(torch.tensor([[[0, 255]]], dtype=torch.uint8), Meta(space="srgb")))
    assert found.tolist() == [[[0.0, 1.0]]] * 3
