import pytest
import torch

from isp_ns.ops.denoise_chroma import chroma_halo, smooth_chroma
from isp_ns.ops.filters import box_mean
from isp_ns.ops.noise import add_noise

PAIRS = ((2e-3, 2e-5),)


def luma(image):
    return image.mean(0)


def chroma_error(image, clean):
    difference = image - clean
    return float((difference - difference.mean(0)).std())


def test_blotches_of_colour_go_and_luma_stays():
    clean = torch.full((3, 120, 130), 0.2)
    noisy = clean + 2 * box_mean(add_noise(clean, PAIRS, generator=torch.Generator().manual_seed(0)) - clean, 1)
    out = smooth_chroma(noisy, PAIRS)
    assert chroma_error(out, clean) < 0.35 * chroma_error(noisy, clean)
    assert (luma(out) - luma(noisy)).std() < 0.15 * (luma(noisy) - luma(clean)).std()


def test_an_edge_of_colour_without_luma_stays():
    clean = torch.full((3, 60, 60), 0.3)
    clean[0, :, 30:], clean[2, :, 30:] = 0.4, 0.2
    noisy = add_noise(clean, ((1e-4, 1e-6),), generator=torch.Generator().manual_seed(0))
    out = smooth_chroma(noisy, ((1e-4, 1e-6),))
    step = (out[0] - out[2])[:, 30:32].mean() - (out[0] - out[2])[:, 28:30].mean()
    assert step == pytest.approx(0.2, rel=0.05)


def test_a_photograph_comes_closer():
    picture = torch.from_numpy(pytest.importorskip("skimage.data").coffee()).permute(2, 0, 1)
    clean = (picture[:, 60:220, 100:300].float() / 255.0) ** 2.2
    noisy = clean + 2 * box_mean(add_noise(clean, PAIRS, generator=torch.Generator().manual_seed(0)) - clean, 1)
    assert chroma_error(smooth_chroma(noisy, PAIRS), clean) < 0.8 * chroma_error(noisy, clean)


def test_tiles_with_halo_equal_the_whole_and_input_is_untouched():
    image = add_noise(torch.rand(3, 90, 95), PAIRS, generator=torch.Generator().manual_seed(0))
    before = image.clone()
    whole = smooth_chroma(image, PAIRS, radius_px=4)
    assert torch.equal(image, before)
    halo = chroma_halo(4)
    tile = smooth_chroma(image[:, 30 - halo : 61 + halo, 20 - halo : 55 + halo], PAIRS, radius_px=4)
    torch.testing.assert_close(tile[:, halo:-halo, halo:-halo], whole[:, 30:61, 20:55], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (9, 5)])
def test_any_size_and_negligible_noise(size):
    image = torch.rand(3, *size)
    assert smooth_chroma(image, PAIRS).shape == image.shape
    assert smooth_chroma(image, ((0.0, 0.0),)) is image
