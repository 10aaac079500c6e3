import colorsys
import struct

import numpy as np
import pytest
import torch

from isp_ns.ops.dcp import HueSatMap, apply_dcp_look, apply_hue_sat_map, hue_sat_map_for, parse_dcp, spline_curve
from isp_ns.ops.dng_colour import camera_to_space
from isp_ns.ops.temperature import cct_to_xy

COLOR_A = ((0.5309, -0.0229, -0.0336), (-0.6241, 1.3265, 0.3337), (-0.0817, 0.1215, 0.6664))
COLOR_D65 = ((0.4716, 0.0603, -0.0830), (-0.7798, 1.5474, 0.2480), (-0.1496, 0.1937, 0.6651))
FORWARD = ((0.8924, -0.1041, 0.1760), (0.4351, 0.6621, -0.0972), (0.0505, -0.1562, 0.9308))
CURVE = ((0.0, 0.0), (0.25, 0.2), (0.5, 0.6), (1.0, 1.0))


def entry(tag, kind, values):
    """(tag, type, count, bytes per byte order) of a TIFF directory entry."""
    layout = {1: "B", 2: "s", 3: "H", 4: "I", 5: "I", 10: "i", 11: "f"}[kind]
    if kind == 2:
        return tag, kind, len(values) + 1, lambda order: values.encode() + b"\0"
    flat = np.ravel(values).tolist()
    if kind in (5, 10):
        flat = [number for value in flat for number in (round(value * 10_000), 10_000)]
    count = len(flat) // 2 if kind in (5, 10) else len(flat)
    return tag, kind, count, lambda order: struct.pack(f"{order}{len(flat)}{layout}", *flat)


def write_dcp(entries, order="<"):
    """A DCP file with these entries."""
    head = b"IIRC" if order == "<" else b"MMCR"
    start = 8
    body_start = start + 2 + 12 * len(entries) + 4
    directory, body = struct.pack(order + "H", len(entries)), b""
    for tag, kind, count, pack in sorted(entries, key=lambda e: e[0]):
        data = pack(order)
        directory += struct.pack(order + "HHI", tag, kind, count)
        if len(data) <= 4:
            directory += data.ljust(4, b"\0")
        else:
            directory += struct.pack(order + "I", body_start + len(body))
            body += data + b"\0" * (len(data) % 2)
    return head + struct.pack(order + "I", start) + directory + struct.pack(order + "I", 0) + body


def full_profile():
    generator = torch.Generator().manual_seed(0)
    cool = torch.rand(1, 6, 4, 3, generator=generator) * torch.tensor([20.0, 0.4, 0.4]) + torch.tensor([-10, 0.8, 0.8])
    warm = torch.rand(1, 6, 4, 3, generator=generator) * torch.tensor([20.0, 0.4, 0.4]) + torch.tensor([-10, 0.8, 0.8])
    look = torch.rand(3, 6, 4, 3, generator=generator) * torch.tensor([20.0, 0.4, 0.4]) + torch.tensor([-10, 0.8, 0.8])
    entries = [
        entry(50708, 2, "Fictitious Camera 1"),
        entry(50936, 2, "Test Look"),
        entry(50942, 2, "Nobody"),
        entry(50778, 3, [17]),
        entry(50779, 3, [21]),
        entry(50721, 10, COLOR_A),
        entry(50722, 10, COLOR_D65),
        entry(50964, 10, FORWARD),
        entry(50965, 10, FORWARD),
        entry(50937, 4, [6, 4, 1]),
        entry(50938, 11, warm.numpy()),
        entry(50939, 11, cool.numpy()),
        entry(50981, 4, [6, 4, 3]),
        entry(50982, 11, look.numpy()),
        entry(51108, 4, [1]),
        entry(50940, 11, CURVE),
        entry(51109, 10, [-0.35]),
        entry(51110, 4, [1]),
    ]
    return entries, warm, cool, look


@pytest.mark.parametrize("order", ["<", ">"])
def test_everything_that_was_written_is_read(order):
    entries, warm, cool, look = full_profile()
    profile = parse_dcp(write_dcp(entries, order))
    assert (profile.name, profile.camera, profile.copyright) == ("Test Look", "Fictitious Camera 1", "Nobody")
    assert [c.cct_k for c in profile.calibrations] == [2850, 6500]
    np.testing.assert_allclose(profile.calibrations[0].color_matrix, COLOR_A, atol=1e-9)
    np.testing.assert_allclose(profile.calibrations[1].color_matrix, COLOR_D65, atol=1e-9)
    np.testing.assert_allclose(profile.calibrations[1].forward_matrix, FORWARD, atol=1e-9)
    assert torch.equal(profile.hue_sat_maps[0].deltas, warm)
    assert torch.equal(profile.hue_sat_maps[1].deltas, cool)
    assert not profile.hue_sat_maps[0].encoded
    assert torch.equal(profile.look_table.deltas, look)
    assert profile.look_table.encoded
    np.testing.assert_allclose(profile.tone_curve, CURVE, atol=1e-7)
    assert profile.baseline_exposure_offset_ev == pytest.approx(-0.35)
    assert not profile.black_subtraction


def test_a_small_profile_is_enough():
    profile = parse_dcp(write_dcp([entry(50721, 10, COLOR_D65)]))
    assert profile.calibrations[0].cct_k == 6500
    assert profile.calibrations[0].forward_matrix is None
    assert profile.hue_sat_maps == ()
    assert profile.look_table is None
    assert profile.tone_curve is None
    assert profile.black_subtraction
    assert hue_sat_map_for(profile, (0.33, 0.33)) is None
    rgb = torch.rand(3, 4, 4)
    assert torch.equal(apply_dcp_look(rgb, profile, (0.33, 0.33)), rgb)


def test_matrices_of_a_profile_work():
    profile = parse_dcp(write_dcp(full_profile()[0]))
    result = camera_to_space("prophoto", (0.41, 1.0, 0.65), profile.calibrations)
    torch.testing.assert_close(result.matrix.sum(1), torch.ones(3, dtype=torch.float64))


def test_maps_are_interpolated_as_the_matrices_are():
    entries, warm, cool, _ = full_profile()
    profile = parse_dcp(write_dcp(entries))
    torch.testing.assert_close(hue_sat_map_for(profile, cct_to_xy(2500)).deltas, warm)
    torch.testing.assert_close(hue_sat_map_for(profile, cct_to_xy(8000)).deltas, cool)
    # 5000 K between 2850 K and 6500 K counts 0.2342 for the first, as DNG computes it.
    expected = 0.2342 * warm + 0.7658 * cool
    torch.testing.assert_close(hue_sat_map_for(profile, cct_to_xy(5000)).deltas, expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a camera profile"),
        (b"\x89PNG\r\n\x1a\n", "not a camera profile"),
        (write_dcp([entry(50936, 2, "Empty")]), "no ColorMatrix1"),
        (write_dcp([entry(50721, 10, COLOR_D65)])[:60], "cut short"),
        (write_dcp([entry(50721, 10, COLOR_D65)])[:6], "cut short"),
        (
            write_dcp([entry(50721, 10, COLOR_D65), entry(50937, 4, [6, 4, 1]), entry(50938, 11, [0.0, 1.0, 1.0])]),
            "table has 3 values",
        ),
    ],
)
def test_bad_files_are_named(data, message):
    with pytest.raises(ValueError, match=message):
        parse_dcp(data)


def identity(levels=1, hues=6, saturations=4):
    return torch.tensor([0.0, 1.0, 1.0]).expand(levels, hues, saturations, 3).clone()


def pixels(high=1.0):
    return torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(2)) * high


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("levels", [1, 3])
def test_a_table_of_no_change_changes_nothing(encoded, levels):
    rgb = pixels(1.5)
    torch.testing.assert_close(apply_hue_sat_map(rgb, HueSatMap(identity(levels), encoded)), rgb, rtol=0, atol=2e-6)
    grey = torch.linspace(0, 1, 8).expand(3, 2, 8)
    torch.testing.assert_close(apply_hue_sat_map(grey, HueSatMap(identity(levels), encoded)), grey, rtol=0, atol=2e-6)


def test_a_uniform_table_is_hsv_arithmetic():
    rgb = pixels()
    shift, richer, brighter = 40.0, 0.7, 0.9
    table = HueSatMap(torch.tensor([shift, richer, brighter]).expand(1, 6, 4, 3).contiguous())
    out = apply_hue_sat_map(rgb, table).flatten(1).T
    for before, after in zip(rgb.flatten(1).T[::37].tolist(), out[::37].tolist(), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        expected = colorsys.hsv_to_rgb((hue + shift / 360) % 1, min(saturation * richer, 1), value * brighter)
        assert after == pytest.approx(expected, abs=1e-5)


def test_tables_are_interpolated_by_hue_and_saturation_and_wrap():
    # The shift is 10 degrees at red and 0 at the other five hues, for every saturation but the first.
    deltas = identity()
    deltas[0, 0, 1:, 0] = 10.0
    table = HueSatMap(deltas)

    def turn(degrees, saturation):
        rgb = torch.tensor(colorsys.hsv_to_rgb(degrees / 360, saturation, 0.8))[:, None, None]
        after = apply_hue_sat_map(rgb, table)[:, 0, 0].tolist()
        return (colorsys.rgb_to_hsv(*after)[0] * 360 - degrees + 180) % 360 - 180

    assert turn(0, 1.0) == pytest.approx(10, abs=1e-3)
    assert turn(30, 1.0) == pytest.approx(5, abs=1e-3)
    assert turn(330, 1.0) == pytest.approx(5, abs=1e-3)
    assert turn(60, 1.0) == pytest.approx(0, abs=1e-3)
    assert turn(0, 1 / 6) == pytest.approx(5, abs=1e-3)


def test_value_of_an_encoded_table_is_looked_up_and_scaled_in_the_srgb_curve():
    deltas = identity(levels=3)
    deltas[1, ..., 2] = 1.1
    grey_half = ((0.5 + 0.055) / 1.055) ** 2.4
    out = apply_hue_sat_map(torch.full((3, 1, 1), grey_half), HueSatMap(deltas, encoded=True))
    assert out[0, 0, 0].item() == pytest.approx(((0.55 + 0.055) / 1.055) ** 2.4, rel=1e-4)


def test_spline_is_the_natural_one():
    from scipy.interpolate import CubicSpline

    x = np.linspace(0, 1, 5001)
    expected = CubicSpline(*zip(*CURVE, strict=True), bc_type="natural")(x)
    np.testing.assert_allclose(spline_curve(CURVE)(torch.tensor(x)), expected, atol=1e-6)
    two = spline_curve(((0.0, 0.0), (1.0, 1.0)))
    torch.testing.assert_close(two(torch.tensor(x)), torch.tensor(x), rtol=0, atol=1e-9)
    assert spline_curve(CURVE)(torch.tensor([-1.0, 2.0])).tolist() == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize("bad", [((0.0, 0.0),), ((0.0, 0.0), (0.0, 1.0)), ((0.5, 0.0), (0.2, 1.0))])
def test_bad_curves_are_refused(bad):
    with pytest.raises(ValueError, match="rising x"):
        spline_curve(bad)


def test_the_look_runs_in_the_order_of_the_specification():
    profile = parse_dcp(write_dcp(full_profile()[0]))
    rgb, white = pixels(0.8), cct_to_xy(5000)
    step = apply_hue_sat_map(rgb, hue_sat_map_for(profile, white)) * 2 ** (0.5 - 0.35)
    step = apply_hue_sat_map(step, profile.look_table)
    out = apply_dcp_look(rgb, profile, white, exposure_ev=0.5)
    grey_axis = spline_curve(CURVE)(step.amax(0))
    torch.testing.assert_close(out.amax(0), grey_axis, rtol=0, atol=1e-5)
    assert out.min() >= 0
    assert out.max() <= 1 + 1e-6
