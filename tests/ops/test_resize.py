import numpy as np
import pytest
import torch
from PIL import Image

from isp_ns.ops import resize as r

KINDS = ["area", "bilinear", "bicubic", "lanczos"]
PILLOW = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def scene(size=(83, 120), channels=1):
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.random((channels, *size))).float()


@pytest.mark.parametrize("kernel", list(PILLOW))
@pytest.mark.parametrize("out_size", [(40, 50), (25, 120), (100, 171), (83, 60)])
def test_inner_pixels_match_pillow(kernel, out_size):
    image = scene()
    out = r.resize(image, out_size, kernel)[0].numpy()
    expected = np.asarray(Image.fromarray(image[0].numpy()).resize(out_size[::-1], PILLOW[kernel]))
    np.testing.assert_allclose(out[6:-6, 6:-6], expected[6:-6, 6:-6], atol=2e-6)


def test_area_is_the_mean_of_whole_cells():
    image = scene((60, 90), 3)
    expected = image.view(3, 20, 3, 18, 5).mean((2, 4))
    torch.testing.assert_close(r.resize(image, (20, 18), "area"), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernel", KINDS)
@pytest.mark.parametrize("out_size", [(1, 1), (7, 200), (83, 120), (160, 31)])
def test_flat_stays_flat_to_the_border(kernel, out_size):
    out = r.resize(torch.full((2, 83, 120), 0.4), out_size, kernel)
    assert out.shape == (2, *out_size)
    torch.testing.assert_close(out, torch.full_like(out, 0.4), rtol=1e-5, atol=1e-6)


def test_reduction_does_not_alias():
    stripes = torch.sin(torch.arange(400) * 2.6).expand(1, 8, 400)
    assert r.resize(stripes, (8, 100), "lanczos")[..., 5:-5].abs().max() < 0.02


def test_same_size_is_the_same_image():
    image = scene()
    assert torch.equal(r.resize(image, (83, 120)), image)


@pytest.mark.parametrize("kernel", KINDS)
@pytest.mark.parametrize("out_size", [(31, 47), (170, 201), (83, 150)])
@pytest.mark.parametrize("box", [(0, 0, 9, 11), (5, 20, 31, 33), (12, 21, 31, 47)])
def test_tiles_read_only_their_footprint_and_equal_the_whole(kernel, out_size, box):
    image = scene(channels=2)
    whole = r.resize(image, out_size, kernel)
    top, left, bottom, right = box[:2] + tuple(np.minimum(box[2:], out_size).tolist())
    if out_size[0] > 100:
        bottom, right = out_size
        top, left = out_size[0] - 13, out_size[1] - 17
    out_box = (top, left, bottom, right)
    in_box = r.resize_footprint(out_box, (83, 120), out_size, kernel)
    part = image[:, in_box[0] : in_box[2], in_box[1] : in_box[3]]
    tile = r.resize_tile(part, in_box, out_box, (83, 120), out_size, kernel)
    torch.testing.assert_close(tile, whole[:, top:bottom, left:right], rtol=1e-5, atol=1e-6)


def test_aspect_stretches_one_axis_only():
    assert r.aspect_size((976, 848), 1.53) == (976, 1297)
    assert r.aspect_size((100, 200), 0.5) == (200, 200)
    assert r.aspect_size((100, 200), 1.0) == (100, 200)
    with pytest.raises(ValueError, match="aspect"):
        r.aspect_size((10, 10), 0.0)


def test_bad_size_is_named_and_one_pixel_grows():
    with pytest.raises(ValueError, match="resize"):
        r.resize(scene(), (0, 5))
    assert r.resize(torch.full((1, 1, 1), 0.3), (3, 4)).shape == (1, 3, 4)
