import numpy as np
import pytest
import torch
from scipy import ndimage

from isp_ns.ops import filters

SIZES = [(1, 1), (2, 3), (17, 32), (31, 45)]


def image(size, channels=1, seed=0):
    return torch.rand(channels, *size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", SIZES)
def test_double_size_is_bilinear_interpolation(size):
    x = image(size, 2)
    expected = torch.nn.functional.interpolate(x[None], scale_factor=2, mode="bilinear", align_corners=False)[0]
    assert torch.allclose(filters.double_size(x), expected, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_pad_mirror_matches_numpy_for_any_size(size):
    x = image(size, 2)
    expected = np.pad(x.numpy(), ((0, 0), (5, 5), (5, 5)), mode="reflect")
    assert np.array_equal(filters.pad_mirror(x, 5).numpy(), expected)


def test_pad_mirror_keeps_the_phase_of_a_mosaic():
    cell = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    padded = filters.pad_mirror(cell.repeat(5, 6)[None, :9, :11], (3, 2, 1, 4))
    assert torch.equal(padded[0], cell.roll((1, 1), (0, 1)).repeat(7, 8)[:14, :16])


@pytest.mark.parametrize("sigma_px", [0.5, 1.0, 2.3])
def test_gaussian_matches_scipy(sigma_px):
    x = image((33, 40), 3).double()
    radius = filters.gaussian_radius(sigma_px)
    expected = ndimage.gaussian_filter(x.numpy(), (0, sigma_px, sigma_px), mode="mirror", radius=(0, radius, radius))
    np.testing.assert_allclose(filters.gaussian_blur(x, sigma_px).numpy(), expected, atol=1e-12)


def test_gaussian_kernel_sums_to_one_and_refuses_zero_width():
    taps = filters.gaussian_taps(1.7)
    assert taps[0] + 2 * sum(taps[1:]) == pytest.approx(1.0, abs=1e-12)
    with pytest.raises(ValueError, match="sigma_px"):
        filters.gaussian_taps(0.0)


@pytest.mark.parametrize("width_px", range(1, 12))
def test_window_sum_is_a_sliding_sum(width_px):
    x = image((4, 30)).double()
    expected = x.unfold(-1, width_px, 1).sum(-1)
    torch.testing.assert_close(filters.window_sum_valid(x, width_px, -1), expected)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("radius_px", [0, 1, 3])
def test_box_mean_matches_scipy(size, radius_px):
    x = image(size, 2).double()
    expected = (
        ndimage.uniform_filter(x.numpy(), (0, 2 * radius_px + 1, 2 * radius_px + 1), mode="mirror", axes=(0, 1, 2))
        if radius_px
        else x.numpy()
    )
    np.testing.assert_allclose(filters.box_mean(x, radius_px).numpy(), expected, atol=1e-12)


def test_starlet_smooth_is_the_b3_spline():
    kernel = np.array([1, 4, 6, 4, 1]) / 16
    x = image((40, 41)).double()
    wide = np.zeros(9)
    wide[::2] = kernel
    expected = ndimage.correlate1d(ndimage.correlate1d(x.numpy(), wide, 1, mode="mirror"), wide, 2, mode="mirror")
    np.testing.assert_allclose(filters.starlet_smooth(x, 2).numpy(), expected, atol=1e-12)


def test_local_extrema_match_scipy():
    x = image((20, 23), 2)
    low, high = filters.local_extrema(x)
    assert np.array_equal(low.numpy(), ndimage.minimum_filter(x.numpy(), (1, 3, 3), mode="mirror"))
    assert np.array_equal(high.numpy(), ndimage.maximum_filter(x.numpy(), (1, 3, 3), mode="mirror"))


def test_guided_filter_keeps_an_edge_and_flattens_noise():
    guide = torch.zeros(1, 40, 40)
    guide[..., 20:] = 1.0
    noisy = guide + 0.05 * torch.randn(1, 40, 40, generator=torch.Generator().manual_seed(1))
    out = filters.guided_filter(guide, noisy, 3, 1e-3)
    assert (out - guide).std() < 0.3 * 0.05
    assert out[..., 20].mean() - out[..., 19].mean() > 0.97


@pytest.mark.parametrize("size", [(1, 1), (4, 6), (5, 6), (7, 9)])
def test_phases_round_trip(size):
    x = image(size)
    planes = filters.split_phases(x)
    assert planes.shape == (4, -(-size[0] // 2), -(-size[1] // 2))
    assert torch.equal(filters.merge_phases(planes, size), x)


def test_filters_keep_dtype_and_leave_their_input_alone():
    x = image((16, 16), 2).double()
    before = x.clone()
    for out in (filters.box_mean(x, 2), filters.gaussian_blur(x, 1.0), *filters.local_extrema(x)):
        assert out.dtype == torch.float64
    assert torch.equal(x, before)
