import warnings

import numpy as np
import pytest
import torch

from isp_ns.core.meta import IlluminantCalibration
from isp_ns.ops import dng_colour, spaces
from isp_ns.ops.dng_colour import Calibration, calibration_weights, camera_neutral, camera_to_space, neutral_to_xy
from isp_ns.ops.temperature import cct_to_xy

# The example camera of the documentation of colour-hdri.
COLOR_A = ((0.5309, -0.0229, -0.0336), (-0.6241, 1.3265, 0.3337), (-0.0817, 0.1215, 0.6664))
COLOR_D65 = ((0.4716, 0.0603, -0.0830), (-0.7798, 1.5474, 0.2480), (-0.1496, 0.1937, 0.6651))
FORWARD_A = ((0.8924, -0.1041, 0.1760), (0.4351, 0.6621, -0.0972), (0.0505, -0.1562, 0.9308))
FORWARD_D65 = ((0.8924, -0.1041, 0.1760), (0.4351, 0.6621, -0.0972), (0.0505, -0.1562, 0.9308))
UNIT = np.eye(3)
NEUTRAL = (0.413070, 1.0, 0.646465)
WHITE = (0.3281624, 0.3469816)

BOTH = (Calibration(2850, COLOR_A), Calibration(6500, COLOR_D65))
FORWARD = (Calibration(2850, COLOR_A, FORWARD_A), Calibration(6500, COLOR_D65, FORWARD_D65))


@pytest.fixture(scope="module")
def dng():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from colour_hdri.models import dng
    return dng


def close(actual, expected, atol=1e-9):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=0, atol=atol)


def test_weight_is_linear_in_reciprocal_temperature():
    first, second = calibration_weights(cct_to_xy(5000), (2850, 6500))
    assert first == pytest.approx(0.2342, abs=5e-5)
    assert first + second == 1.0


def test_each_calibration_rules_at_its_own_temperature():
    assert calibration_weights(cct_to_xy(2850), (2850, 6500)) == pytest.approx((1.0, 0.0), abs=1e-4)
    assert calibration_weights(cct_to_xy(6500), (2850, 6500)) == pytest.approx((0.0, 1.0), abs=1e-4)
    assert calibration_weights(cct_to_xy(2000), (2850, 6500)) == (1.0, 0.0)
    assert calibration_weights(cct_to_xy(9000), (2850, 6500)) == (0.0, 1.0)


def test_interpolated_matrix_is_the_published_one():
    matrix = dng_colour.xyz_to_camera_matrix(cct_to_xy(5000), BOTH)
    assert matrix[0, 0].item() == pytest.approx(0.48549, abs=5e-6)


def test_neutral_and_white_are_the_published_pair():
    close(neutral_to_xy(NEUTRAL, BOTH), WHITE, atol=1e-6)
    close(camera_neutral(WHITE, BOTH), NEUTRAL, atol=1e-6)


@pytest.mark.parametrize("xy", [(0.44757, 0.40745), (0.3457, 0.3585), (0.3127, 0.3290), (0.29, 0.30)])
def test_agrees_with_colour_hdri(dng, xy):
    balance = np.array([1.1, 1.0, 0.9])
    own_a, own_d65 = np.diag([1.02, 1.0, 0.97]), np.diag([0.99, 1.0, 1.01])
    own = (
        Calibration(2850, COLOR_A, FORWARD_A, own_a),
        Calibration(6500, COLOR_D65, FORWARD_D65, own_d65),
    )
    colors = (2850, 6500, np.array(COLOR_A), np.array(COLOR_D65), own_a, own_d65, balance)
    expected = dng.matrix_XYZ_to_camera_space(np.array(xy), *colors)
    close(dng_colour.xyz_to_camera_matrix(xy, own, balance), expected)
    neutral = dng.xy_to_camera_neutral(np.array(xy), *colors)
    close(camera_neutral(xy, own, balance), neutral / neutral.max())
    close(neutral_to_xy(neutral, own, balance), dng.camera_neutral_to_xy(neutral, *colors), atol=1e-6)


def test_camera_to_xyz_with_forward_matrices_agrees_with_colour_hdri(dng):
    args = (2850, 6500, np.array(COLOR_A), np.array(COLOR_D65), UNIT, UNIT, np.ones(3))
    expected = dng.matrix_camera_space_to_XYZ(np.array(WHITE), *args, np.array(FORWARD_A), np.array(FORWARD_D65))
    # The library takes camera values before white balance; ours come after it.
    actual = dng_colour.camera_to_xyz_d50(NEUTRAL, FORWARD).numpy() / np.array(NEUTRAL)
    close(actual / actual[1].sum(), expected / expected[1].sum(), atol=3e-4)


def test_camera_to_xyz_without_forward_matrices_agrees_with_colour_hdri(dng):
    args = (2850, 6500, np.array(COLOR_A), np.array(COLOR_D65), UNIT, UNIT, np.ones(3))
    expected = dng.matrix_camera_space_to_XYZ(np.array(WHITE), *args, UNIT, UNIT)
    actual = dng_colour.camera_to_xyz_d50(NEUTRAL, BOTH).numpy() / np.array(NEUTRAL)
    close(actual / actual[1, 1], expected / expected[1, 1], atol=5e-4)


@pytest.mark.parametrize("light", ["A", "D50", "D65"])
@pytest.mark.parametrize("calibrations", [BOTH, FORWARD, BOTH[:1], FORWARD[1:]])
@pytest.mark.parametrize("space", ["srgb", "prophoto", "rec2020", "acescg"])
def test_greys_stay_neutral(light, calibrations, space):
    xy = {"A": (0.44757, 0.40745), "D50": (0.34567, 0.35850), "D65": (0.31272, 0.32903)}[light]
    result = camera_to_space(space, camera_neutral(xy, calibrations), calibrations)
    ones = torch.ones(3, dtype=torch.float64)
    torch.testing.assert_close(result.matrix @ ones, ones, rtol=0, atol=1e-12)
    close(result.white_xy, xy, atol=1e-5)
    assert result.source == "dng"


@pytest.mark.parametrize("calibrations", [BOTH, FORWARD])
def test_order_of_the_calibrations_does_not_matter(calibrations):
    straight = camera_to_space("srgb", NEUTRAL, calibrations)
    swapped = camera_to_space("srgb", NEUTRAL, calibrations[::-1])
    torch.testing.assert_close(straight.matrix, swapped.matrix, rtol=0, atol=1e-12)


def test_a_simulated_camera_is_inverted():
    """Colours seen by a camera that obeys one colour matrix come back, adapted from their white to that of sRGB."""
    single = (Calibration(6500, COLOR_D65),)
    colours = torch.rand(3, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
    white = (0.33, 0.35)
    camera = torch.tensor(COLOR_D65, dtype=torch.float64) @ colours
    neutral = torch.tensor(COLOR_D65, dtype=torch.float64) @ spaces.white_xyz(white)
    result = camera_to_space("srgb", neutral, single)
    adapted = spaces.adaptation_matrix(spaces.D50_XY, spaces.D65_XY) @ spaces.adaptation_matrix(white, spaces.D50_XY)
    expected = spaces.xyz_to_rgb_matrix("srgb") @ adapted @ colours
    torch.testing.assert_close(result.matrix @ (camera / neutral[:, None]), expected, rtol=0, atol=1e-6)


def test_forward_matrix_is_scaled_onto_d50():
    sums = dng_colour.camera_to_xyz_d50(NEUTRAL, FORWARD).sum(dim=1)
    close(sums, (0.9643, 1.0, 0.8251), atol=1e-4)


def test_three_calibrations():
    ccts = (2850.0, 5000.0, 7500.0)
    for i, cct_k in enumerate(ccts):
        weights = calibration_weights(cct_to_xy(cct_k), ccts)
        assert weights == pytest.approx([float(j == i) for j in range(3)], abs=1e-3)
    between = calibration_weights(cct_to_xy(3500), ccts)
    assert sum(between) == pytest.approx(1.0)
    assert between[2] < between[0]
    assert between[2] < between[1]
    backwards = calibration_weights(cct_to_xy(3500), ccts[::-1])
    assert backwards == pytest.approx(between[::-1])


def test_three_weights_by_hand():
    # At 1500 K / T = 0.4 with lights at 0.5, 0.3 and 0.2: squared distances 0.01, 0.01, 0.04, so 4 : 4 : 1,
    # smooth-stepped 0.4170, 0.4170, 0.0343, less 0.02, over their sum.
    weights = calibration_weights(cct_to_xy(3750), (3000, 5000, 7500))
    steps = [3 * w**2 - 2 * w**3 - 0.02 for w in (4 / 9, 4 / 9, 1 / 9)]
    assert weights == pytest.approx([s / sum(steps) for s in steps], abs=2e-4)


def test_the_fallback_chain():
    zeros = ((0.0,) * 3,) * 3
    absent = (Calibration(6500, zeros),)
    to_srgb = ((1.6, -0.4, -0.2), (-0.2, 1.5, -0.3), (0.0, -0.5, 1.5))
    everything = {"xyz_to_camera": COLOR_D65, "camera_to_srgb": to_srgb}
    assert camera_to_space("srgb", NEUTRAL, BOTH, **everything).source == "dng"
    second = camera_to_space("srgb", NEUTRAL, absent, **everything)
    assert second.source == "xyz_to_camera"
    third = camera_to_space("srgb", NEUTRAL, absent, xyz_to_camera=zeros, camera_to_srgb=to_srgb)
    assert third.source == "camera_to_srgb"
    close(third.matrix, to_srgb)
    last = camera_to_space("srgb", NEUTRAL)
    assert last.source == "default"
    close(last.matrix, UNIT, atol=1e-12)
    for result in (second, third, last):
        assert result.white_xy is None
        close(result.matrix.sum(dim=1), (1, 1, 1))


def test_xyz_to_camera_alone_gives_what_libraw_computes():
    # LibRaw's cam_xyz_coeff: camera from sRGB, rows normalised to sum 1, then inverted.
    camera_from_srgb = np.array(COLOR_D65) @ spaces.rgb_to_xyz_matrix("srgb").numpy()
    expected = np.linalg.inv(camera_from_srgb / camera_from_srgb.sum(axis=1, keepdims=True))
    close(camera_to_space("srgb", NEUTRAL, xyz_to_camera=COLOR_D65).matrix, expected)


def test_one_of_two_matrices_unusable():
    zeros = ((0.0,) * 3,) * 3
    half = camera_to_space("srgb", NEUTRAL, (BOTH[0], Calibration(6500, zeros))).matrix
    torch.testing.assert_close(half, camera_to_space("srgb", NEUTRAL, BOTH[:1]).matrix)


def test_calibrations_of_the_metadata_are_accepted():
    own = (IlluminantCalibration(2850, COLOR_A), IlluminantCalibration(6500, COLOR_D65))
    torch.testing.assert_close(
        camera_to_space("srgb", NEUTRAL, own).matrix, camera_to_space("srgb", NEUTRAL, BOTH).matrix
    )


def test_a_neutral_that_no_light_gives_still_keeps_grey():
    odd = (0.05, 1.0, 0.05)
    with pytest.raises(ValueError, match="no light"):
        neutral_to_xy(odd, BOTH)
    result = camera_to_space("srgb", odd, BOTH)
    assert result.white_xy is None
    close(result.matrix.sum(dim=1), (1, 1, 1))


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match="one to three"):
        calibration_weights((0.33, 0.33), ())
    with pytest.raises(ValueError, match="three positive numbers"):
        camera_to_space("srgb", (0.0, 1.0, 0.0), BOTH)
    with pytest.raises(ValueError, match="four-colour"):
        camera_to_space("srgb", NEUTRAL, (Calibration(6500, np.ones((4, 3)).tolist()),))
    with pytest.raises(ValueError, match="no calibration has a usable"):
        neutral_to_xy(NEUTRAL, ())
