import numpy as np
import pytest
import rawpy
import torch
from tests_dng import long, rational, short

from isp_ns.io.camerafile import ALGORITHMS
from isp_ns.io.raw import render_libraw


def flat(level=3000, bright=0):
    """A neutral grey mosaic under the test matrix's as-shot balance (0.5, 1, 0.6), with a bright patch."""
    mosaic = np.zeros((200, 300), np.float64)
    neutral = np.array([[0.5, 1.0], [1.0, 0.6]])
    mosaic += np.tile(neutral, (100, 150)) * level
    if bright:
        mosaic[:40, :40] = bright
    return mosaic.astype(np.uint16)


def test_brightness_does_not_depend_on_the_content(make_dng):
    tags = [short(50717, 16383)]
    values = []
    for bright in (0, 11000, 12500, 16383):
        path = make_dng(flat(bright=bright), tags=tags, name=f"{bright}.dng")
        values.append(render_libraw(path).data[:, 120:, 150:].mean(dim=(1, 2)))
    for value in values[1:]:
        torch.testing.assert_close(value, values[0], atol=1e-5, rtol=0)
    expected = 3000 / 16383
    encoded = 1.055 * expected ** (1 / 2.4) - 0.055
    torch.testing.assert_close(values[0], torch.full((3,), encoded), atol=4e-3, rtol=0)


def test_grey_is_grey_and_saturation_is_white(make_dng):
    picture = render_libraw(make_dng(flat(bright=16383), tags=[short(50717, 16383)])).data
    assert (picture.amax(dim=0) - picture.amin(dim=0))[100:, 100:].max() < 5e-3
    torch.testing.assert_close(picture[:, 10:30, 10:30], torch.ones(3, 20, 20), atol=1e-3, rtol=0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_is_in_this_libraw(make_dng, algorithm):
    assert rawpy.DemosaicAlgorithm[algorithm].isSupported is not False
    frame = render_libraw(make_dng(flat()), algorithm=algorithm)
    assert frame.data.shape == (3, 200, 300)
    assert (frame.meta.space, frame.meta.source["space"]) == ("srgb", "libraw")


def test_unknown_algorithm():
    with pytest.raises(ValueError, match="AHD"):
        render_libraw("a.dng", algorithm="amaze")


@pytest.mark.parametrize("orientation", [1, 2, 6, 8])
def test_orientation_is_left_to_the_writer(make_dng, orientation):
    frame = render_libraw(make_dng(flat(), tags=[short(274, orientation)]))
    assert frame.size == (200, 300)
    assert frame.meta.orientation == orientation


def test_the_crop_of_the_file_is_applied(make_dng):
    mosaic = flat()
    mosaic[20:22] = 0
    tags = [long(50829, 10, 4, 190, 290), rational(50719, 6.0, 8.0), rational(50720, 200.0, 150.0)]
    frame = render_libraw(make_dng(mosaic, tags=tags))
    assert frame.size == (150, 200)
    assert frame.meta.default_crop is None
    darkest = int(frame.data.sum(dim=(0, 2)).argmin())
    assert darkest in (2, 3)  # rows 20 and 21 of the sensor are 2 and 3 of the crop


def test_xtrans_and_mono(shared_data):
    layouts = shared_data / "raw/layouts"
    assert render_libraw(layouts / "gopro6_xtrans_14bit.dng").data.shape == (3, 600, 900)
    mono = render_libraw(layouts / "gopro6_mono_14bit.dng").data
    assert torch.equal(mono[0], mono[2])


def test_wide_pixels_are_resampled_by_libraw(shared_data):
    path = next((shared_data / "raw/canon_s40_kodak/Kodak/DC120").rglob("P003908.KDC"))
    frame = render_libraw(path)
    assert frame.size == (976, round(848 * 1.5345911949685533))
    assert frame.meta.pixel_aspect == 1.0
