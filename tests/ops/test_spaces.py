import warnings

import numpy as np
import pytest
import torch

from isp_ns.ops import spaces

COLOUR_NAMES = {
    "srgb": "sRGB",
    "display-p3": "Display P3",
    "rec2020": "ITU-R BT.2020",
    "prophoto": "ROMM RGB",
    "aces": "ACES2065-1",
    "acescg": "ACEScg",
}


@pytest.fixture(scope="module")
def colour():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import colour
    return colour


@pytest.mark.parametrize("name", COLOUR_NAMES)
def test_matrix_to_xyz_agrees_with_colour_science(colour, name):
    expected = colour.RGB_COLOURSPACES[COLOUR_NAMES[name]].matrix_RGB_to_XYZ
    # colour prints the rounded matrices of some standards: sRGB and ROMM have four digits.
    np.testing.assert_allclose(spaces.rgb_to_xyz_matrix(name), expected, atol=3e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        derived = colour.RGB_COLOURSPACES[COLOUR_NAMES[name]].copy()
    derived.use_derived_transformation_matrices(True)
    np.testing.assert_allclose(spaces.rgb_to_xyz_matrix(name), derived.matrix_RGB_to_XYZ, atol=1e-12)


def test_srgb_matrix_is_the_published_one():
    published = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    np.testing.assert_allclose(spaces.rgb_to_xyz_matrix("srgb"), published, atol=6e-5)
    assert spaces.luminance_weights("srgb") == pytest.approx((0.2126, 0.7152, 0.0722), abs=5e-5)


@pytest.mark.parametrize("name", spaces.SPACES)
def test_neutral_maps_onto_the_white(name):
    white = spaces.rgb_to_xyz_matrix(name) @ torch.ones(3, dtype=torch.float64)
    torch.testing.assert_close(white, spaces.white_xyz(spaces.SPACES[name].white_xy), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["srgb", "display-p3", "rec2020", "prophoto"])
def test_every_encoded_space_has_a_linear_twin(name):
    twin = spaces.SPACES[f"linear-{name}"]
    assert twin.primaries_xy == spaces.SPACES[name].primaries_xy
    assert twin.transfer == "linear"


@pytest.mark.parametrize(("method", "name"), [("bradford", "Bradford"), ("cat16", "CAT16"), ("xyz", "XYZ Scaling")])
def test_adaptation_agrees_with_colour_science(colour, method, name):
    expected = colour.adaptation.matrix_chromatic_adaptation_VonKries(
        colour.xy_to_XYZ(spaces.D65_XY), colour.xy_to_XYZ(spaces.D50_XY), transform=name
    )
    np.testing.assert_allclose(spaces.adaptation_matrix(spaces.D65_XY, spaces.D50_XY, method), expected, atol=1e-12)


def test_bradford_d65_to_d50_is_the_icc_matrix():
    # ICC sRGB profiles carry this matrix in their chad tag, for a slightly different D50.
    chad = [[1.0479, 0.0229, -0.0502], [0.0296, 0.9904, -0.0171], [-0.0092, 0.0151, 0.7519]]
    np.testing.assert_allclose(spaces.adaptation_matrix(spaces.D65_XY, spaces.D50_XY), chad, atol=3e-4)


@pytest.mark.parametrize("source", spaces.SPACES)
@pytest.mark.parametrize("target", ["srgb", "prophoto", "acescg"])
def test_neutral_stays_neutral_between_spaces(source, target):
    ones = torch.ones(3, dtype=torch.float64)
    matrix = spaces.rgb_to_rgb_matrix(source, target)
    torch.testing.assert_close(matrix @ ones, ones, rtol=0, atol=1e-12)
    round_trip = spaces.rgb_to_rgb_matrix(target, source) @ matrix
    torch.testing.assert_close(round_trip, torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-12)


def test_the_table_cannot_be_changed_through_a_result():
    spaces.rgb_to_xyz_matrix("srgb").zero_()
    assert spaces.rgb_to_xyz_matrix("srgb").abs().sum() > 1


def test_bad_names_list_the_good_ones():
    with pytest.raises(ValueError, match="linear-rec2020"):
        spaces.get_space("sRGB1")
    with pytest.raises(ValueError, match="bradford, cat16"):
        spaces.adaptation_matrix(spaces.D65_XY, spaces.D50_XY, "sharp")
    with pytest.raises(ValueError, match="y must be above 0"):
        spaces.white_xyz((0.3, 0.0))
