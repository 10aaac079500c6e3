import warnings

import numpy as np
import pytest
import torch

from isp_ns.metrics import cielab, delta_e_1976, delta_e_2000, mean_delta_e_2000

# Table 1 of Sharma, Wu and Dalal (2005): two colours in CIELAB and their CIEDE2000 difference.
SHARMA = np.array(
    [
        [50, 2.6772, -79.7751, 50, 0, -82.7485, 2.0425],
        [50, 3.1571, -77.2803, 50, 0, -82.7485, 2.8615],
        [50, 2.8361, -74.0200, 50, 0, -82.7485, 3.4412],
        [50, -1.3802, -84.2814, 50, 0, -82.7485, 1.0000],
        [50, -1.1848, -84.8006, 50, 0, -82.7485, 1.0000],
        [50, -0.9009, -85.5211, 50, 0, -82.7485, 1.0000],
        [50, 0, 0, 50, -1, 2, 2.3669],
        [50, -1, 2, 50, 0, 0, 2.3669],
        [50, 2.49, -0.001, 50, -2.49, 0.0009, 7.1792],
        [50, 2.49, -0.001, 50, -2.49, 0.0010, 7.1792],
        [50, 2.49, -0.001, 50, -2.49, 0.0011, 7.2195],
        [50, 2.49, -0.001, 50, -2.49, 0.0012, 7.2195],
        [50, -0.001, 2.49, 50, 0.0009, -2.49, 4.8045],
        [50, -0.001, 2.49, 50, 0.0010, -2.49, 4.8045],
        [50, -0.001, 2.49, 50, 0.0011, -2.49, 4.7461],
        [50, 2.5, 0, 50, 0, -2.5, 4.3065],
        [50, 2.5, 0, 73, 25, -18, 27.1492],
        [50, 2.5, 0, 61, -5, 29, 22.8977],
        [50, 2.5, 0, 56, -27, -3, 31.9030],
        [50, 2.5, 0, 58, 24, 15, 19.4535],
        [50, 2.5, 0, 50, 3.1736, 0.5854, 1.0000],
        [50, 2.5, 0, 50, 3.2972, 0, 1.0000],
        [50, 2.5, 0, 50, 1.8634, 0.5757, 1.0000],
        [50, 2.5, 0, 50, 3.2592, 0.3350, 1.0000],
        [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
        [63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630],
        [61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731],
        [35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645],
        [22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373],
        [36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146],
        [90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441],
        [90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381],
        [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377],
        [2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082],
    ]
)


@pytest.fixture(scope="module")
def colour():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import colour
    return colour


def random_lab(seed):
    generator = torch.Generator().manual_seed(seed)
    scale = torch.tensor([100.0, 160.0, 160.0])[:, None]
    offset = torch.tensor([0.0, -80.0, -80.0])[:, None]
    return (torch.rand(3, 4000, generator=generator) * scale + offset).double()


def test_delta_e_2000_reproduces_the_published_pairs():
    first, second = (torch.from_numpy(SHARMA[:, columns].T.copy()) for columns in (slice(0, 3), slice(3, 6)))
    np.testing.assert_allclose(delta_e_2000(first, second), SHARMA[:, 6], atol=5.1e-5)
    np.testing.assert_allclose(delta_e_2000(second, first), SHARMA[:, 6], atol=5.1e-5)


def test_delta_e_2000_agrees_with_colour_science(colour):
    first, second = random_lab(1), random_lab(2)
    near = first + 0.05 * (second - first)
    for other in (second, near):
        expected = colour.difference.delta_E_CIE2000(first.T.numpy(), other.T.numpy())
        np.testing.assert_allclose(delta_e_2000(first, other), expected, atol=1e-8)


def test_equal_and_grey_colours_have_finite_differences():
    grey = torch.tensor([[20.0, 80.0], [0.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    assert torch.equal(delta_e_2000(grey, grey), torch.zeros(2, dtype=torch.float64))
    assert torch.equal(delta_e_1976(grey[:, :1], grey[:, 1:]), torch.tensor([60.0], dtype=torch.float64))


@pytest.mark.parametrize(("space", "name"), [("srgb", "sRGB"), ("display-p3", "Display P3")])
def test_cielab_agrees_with_colour_science(colour, space, name):
    rgb = torch.rand(3, 30, 40, generator=torch.Generator().manual_seed(5)).double()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = colour.RGB_COLOURSPACES[name].copy()
    model.use_derived_transformation_matrices(True)
    xyz = model.cctf_decoding(rgb.permute(1, 2, 0).numpy()) @ model.matrix_RGB_to_XYZ.T
    expected = colour.XYZ_to_Lab(xyz, model.whitepoint)
    np.testing.assert_allclose(cielab(rgb, space).permute(1, 2, 0), expected, atol=1e-5)


def test_mean_over_a_picture_and_white_is_neutral():
    white = torch.ones(3, 6, 7)
    torch.testing.assert_close(
        cielab(white), torch.tensor([100.0, 0, 0]).double()[:, None, None].expand(3, 6, 7), atol=1e-6, rtol=0
    )
    darker = white.clone()
    darker[..., 0] = 0.5
    one = float(delta_e_2000(cielab(white), cielab(darker))[0, 0])
    assert mean_delta_e_2000(darker, white) == pytest.approx(one / 7)
    assert mean_delta_e_2000(darker, white, crop=1) == 0
