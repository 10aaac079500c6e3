import math

import pytest
import torch

from isp_ns.ops import tone
from isp_ns.ops.transfer import encode

SETTINGS = [
    {},
    {"contrast": 1.3, "shoulder": 3.0},
    {"contrast": 0.8, "white_ev": 6.0, "shoulder": 1.0},
    {"white_ev": 2.47, "shoulder": 2.0, "black_ev": -6.0},
    {"grey": 0.1, "grey_out": 0.2, "shoulder": 1.5},
]


def lightness(linear):
    """CIE L* of display luminance."""
    y = torch.as_tensor(linear, dtype=torch.float64)
    return torch.where(y > 216 / 24389, 116 * y.clamp(min=1e-9) ** (1 / 3) - 16, y * 24389 / 27)


def hue(rgb):
    """Hue of HSV in sixths of a turn, by its definition."""
    red, green, blue = rgb.double()
    top, bottom = rgb.double().amax(0), rgb.double().amin(0)
    chroma = (top - bottom).clamp(min=1e-12)
    by_top = torch.stack(((green - blue) / chroma % 6, (blue - red) / chroma + 2, (red - green) / chroma + 4))
    return by_top.gather(0, rgb.argmax(0, keepdim=True))[0]


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_curve_goes_through_its_three_points(setting):
    curve = tone.view_curve(**setting)
    grey, grey_out = setting.get("grey", 0.18), setting.get("grey_out", 0.18)
    white = grey * 2 ** setting.get("white_ev", 3.5)
    ends = curve(torch.tensor([-1.0, 0.0, grey, white, 10 * white], dtype=torch.float64))
    expected = torch.tensor([0.0, 0.0, grey_out, 1.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(ends, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_curve_rises_and_bends_smoothly(setting):
    light = torch.linspace(0, setting.get("grey", 0.18) * 2 ** setting.get("white_ev", 3.5), 4001, dtype=torch.float64)
    display = tone.view_curve(**setting)(light)
    slope = display.diff()
    assert bool((slope > 0).all())
    assert slope[40:].diff().abs().max() < 0.01 * slope.max()


def test_slope_at_grey_is_the_contrast():
    for contrast in (0.8, 1.0, 1.4):
        curve = tone.view_curve(contrast=contrast, white_ev=8.0, shoulder=4.0, black_ev=-16.0)
        low, high = curve(torch.tensor([0.18 / 1.01, 0.18 * 1.01], dtype=torch.float64))
        assert math.log(high / low) / (2 * math.log(1.01)) == pytest.approx(contrast, rel=5e-3)


def test_toe_halves_the_light_at_black():
    curve = tone.view_curve(black_ev=-6.0)
    without = tone.view_curve(black_ev=-30.0)
    at_black = torch.tensor([0.18 * 2**-6.0], dtype=torch.float64)
    assert (curve(at_black) / without(at_black)).item() == pytest.approx(0.5, abs=0.02)


def test_the_default_look_is_as_bright_as_the_plain_srgb_curve():
    curve = tone.view_curve()
    grey = encode(curve(torch.tensor([0.18], dtype=torch.float64)), "srgb")
    assert grey.item() == pytest.approx(0.461, abs=1e-3)
    light = torch.tensor([0.01, 0.03, 0.1, 0.18, 0.3, 0.5, 0.7], dtype=torch.float64)
    assert (lightness(curve(light)) - lightness(light)).abs().max() < 3.0


def test_fast_powers_agree_with_the_general_ones():
    light = torch.linspace(0, 3, 500, dtype=torch.float64)
    for shoulder in (2.0, 4.0):
        exact = tone.view_curve(shoulder=shoulder)(light)
        near = tone.view_curve(shoulder=shoulder + 1e-9, contrast=1 + 1e-12)(light)
        torch.testing.assert_close(exact, near, rtol=0, atol=1e-7)


def scene():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(3, 40, 50, generator=generator) * 4 * torch.rand(1, 40, 50, generator=generator) ** 3


@pytest.mark.parametrize("setting", SETTINGS)
def test_view_keeps_hue_and_the_order_of_channels_and_fits_the_display(setting):
    rgb = scene()
    out = tone.view_transform(rgb, **setting)
    assert out.min() >= 0
    assert out.max() <= 1 + 1e-6
    vivid = (out.amax(0) - out.amin(0)) > 0.02
    turn = (hue(out) - hue(rgb) + 3) % 6 - 3
    assert turn[vivid].abs().max() < 2e-3
    neutral = torch.linspace(0, 4, 64).expand(3, 4, 64)
    grey_out = tone.view_transform(neutral, **setting)
    assert (grey_out.amax(0) - grey_out.amin(0)).max() == 0


def test_bright_colours_pale_towards_white():
    orange = torch.tensor([1.0, 0.45, 0.15])[:, None, None] * torch.tensor([0.5, 2.0, 8.0, 60.0])
    out = tone.view_transform(orange)[:, 0]
    saturation = 1 - out.amin(0) / out.amax(0)
    assert bool((saturation.diff() < 0).all())
    assert saturation[-1] == 0


def test_out_of_gamut_input_is_brought_in():
    out = tone.view_transform(torch.tensor([-0.1, 0.5, 1.2])[:, None, None].expand(3, 2, 2))
    assert out[0].abs().max() < 1e-6
    assert out.max() <= 1
    assert torch.equal(tone.view_transform(torch.full((3, 2, 2), -0.1)), torch.zeros(3, 2, 2))


def test_a_curve_on_colours_is_the_curve_on_greys():
    curve = tone.view_curve(contrast=1.2)
    grey = torch.rand(1, 8, 8).expand(3, 8, 8)
    torch.testing.assert_close(tone.apply_curve(grey, curve), curve(grey.contiguous()))
    batch = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(tone.apply_curve(batch, curve)[1], tone.apply_curve(batch[1], curve))


def test_bad_curves_are_refused():
    for bad in ({"contrast": 0.0}, {"white_ev": -1.0}, {"black_ev": 1.0}, {"grey_out": 1.0}, {"shoulder": -1.0}):
        with pytest.raises(ValueError, match="a view curve needs"):
            tone.view_curve(**bad)


def test_exposure_is_in_stops():
    rgb = scene()
    torch.testing.assert_close(tone.exposure(rgb, 1.5), rgb * 2**1.5)


def test_contrast_turns_about_grey_and_keeps_chromaticity():
    grey = torch.full((3, 2, 2), 0.18)
    torch.testing.assert_close(tone.contrast(grey, 1.4), grey)
    rgb = scene() + 0.01
    out = tone.contrast(rgb, 1.4)
    torch.testing.assert_close(out / out.sum(0), rgb / rgb.sum(0), rtol=1e-5, atol=1e-6)
    twice = tone.contrast(torch.full((3, 1, 1), 0.36), 2.0)
    torch.testing.assert_close(twice, torch.full((3, 1, 1), 0.72), rtol=1e-4, atol=0)
    torch.testing.assert_close(tone.contrast(rgb, 1.0), rgb)


def test_exposure_statistics_add_over_tiles():
    rgb = scene()
    whole = tone.exposure_stats(rgb)
    parts = [tone.exposure_stats(rgb[:, y : y + 20, x : x + 25]) for y in (0, 20) for x in (0, 25)]
    assert torch.equal(sum(parts), whole)
    assert whole.sum() == 40 * 50


def test_exposure_brings_the_mean_to_the_key():
    for level in (0.01, 0.045, 0.3):
        ev = tone.exposure_ev(tone.exposure_stats(torch.full((3, 16, 16), level)), highlight_ev=10)
        assert ev == pytest.approx(max(-4, min(4, math.log2(0.18 / level))), abs=1 / 16)


def test_exposure_spares_the_highlights_and_holds_its_limit():
    dark_with_sky = torch.full((3, 10, 100), 0.01)
    dark_with_sky[..., :20] = 0.9
    ev = tone.exposure_ev(tone.exposure_stats(dark_with_sky), highlight_ev=2.5)
    assert 0.9 * 2**ev == pytest.approx(0.18 * 2**2.5, rel=0.05)
    assert tone.exposure_ev(tone.exposure_stats(torch.full((3, 4, 4), 1e-5)), limit_ev=3) == 3
    assert tone.exposure_ev(torch.zeros(384, dtype=torch.float64)) == 0.0


def test_input_is_not_touched():
    rgb = scene()
    before = rgb.clone()
    tone.view_transform(rgb)
    tone.view_transform(rgb, contrast=1.2, shoulder=3)
    tone.view_curve()(rgb)
    tone.contrast(rgb, 1.2)
    tone.exposure_stats(rgb)
    assert torch.equal(rgb, before)
