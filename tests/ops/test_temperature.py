import warnings

import pytest

from isp_ns.ops.temperature import ILLUMINANT_CCT_K, MAX_CCT_K, MIN_CCT_K, cct_to_xy, xy_to_cct

WHITES = {"A": ((0.44757, 0.40745), 2856), "D50": ((0.34567, 0.35850), 5003), "D65": ((0.31272, 0.32903), 6504)}


@pytest.mark.parametrize("name", WHITES)
def test_standard_illuminants_have_their_temperature(name):
    xy, cct_k = WHITES[name]
    assert xy_to_cct(xy)[0] == pytest.approx(cct_k, rel=1e-3)


@pytest.mark.parametrize("xy", [(0.3127, 0.3290), (0.3457, 0.3585), (0.28, 0.31), (0.5, 0.4), (0.44757, 0.40745)])
def test_agrees_with_colour_science(xy):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import colour
        from colour.temperature import uv_to_CCT_Robertson1968
    cct_k, duv = uv_to_CCT_Robertson1968(colour.UCS_to_uv(colour.XYZ_to_UCS(colour.xy_to_XYZ(xy))))
    assert xy_to_cct(xy) == pytest.approx((cct_k, 3000 * duv), rel=1e-9)


@pytest.mark.parametrize("cct_k", [1700, 2000, 2856, 3500, 5200, 6500, 9000, 20_000, 100_000])
@pytest.mark.parametrize("tint", [-60.0, 0.0, 35.0, 120.0])
def test_there_and_back(cct_k, tint):
    assert xy_to_cct(cct_to_xy(cct_k, tint)) == pytest.approx((cct_k, tint), rel=1e-4, abs=1e-4)


def test_tint_is_positive_for_a_greenish_light_as_in_adobe_converters():
    x, y = cct_to_xy(5200)
    assert xy_to_cct((x, y + 0.01))[1] > 10
    assert xy_to_cct((x, y - 0.01))[1] < -10
    assert xy_to_cct((0.3127, 0.3290))[1] == pytest.approx(9.8, abs=0.1)


def test_the_ends_of_the_table_hold():
    assert xy_to_cct(cct_to_xy(500))[0] == pytest.approx(MIN_CCT_K)
    assert xy_to_cct(cct_to_xy(1e9))[0] == pytest.approx(MAX_CCT_K, rel=1e-3)
    assert xy_to_cct((0.20, 0.15))[0] == MAX_CCT_K
    assert xy_to_cct((0.65, 0.33))[0] == pytest.approx(MIN_CCT_K)


def test_impossible_lights_are_refused():
    with pytest.raises(ValueError, match="y must be above 0"):
        xy_to_cct((0.3, 0.0))
    with pytest.raises(ValueError, match="kelvin"):
        cct_to_xy(0.0)


def test_illuminant_codes():
    assert ILLUMINANT_CCT_K[17] == 2850
    assert ILLUMINANT_CCT_K[21] == 6500
    assert 0 not in ILLUMINANT_CCT_K
    assert 255 not in ILLUMINANT_CCT_K
