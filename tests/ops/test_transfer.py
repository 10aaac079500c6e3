import warnings

import numpy as np
import pytest
import torch

from isp_ns.ops import spaces, transfer

ENCODED = ["srgb", "display-p3", "rec2020", "prophoto"]


def srgb_in_float64(x):
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 0.0031308) ** (1 / 2.4) - 0.055)


def test_published_values():
    grey = torch.tensor([0.18])
    assert transfer.encode(grey, "srgb").item() == pytest.approx(0.461, abs=5e-4)
    assert transfer.encode(grey, "rec2020").item() == pytest.approx(0.409, abs=5e-4)
    # ITU-R BT.2020 in 12 bits: the curve meets its line at 4.5 beta = 0.0812.
    knee = torch.tensor([0.018053968510807], dtype=torch.float64)
    assert transfer.encode(knee, "rec2020").item() == pytest.approx(0.08124285829, abs=1e-10)


@pytest.mark.parametrize(
    ("name", "function"), [("srgb", "sRGB"), ("rec2020", "ITU-R BT.2020"), ("prophoto", "ROMM RGB")]
)
def test_agrees_with_colour_science(name, function):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import colour
    linear = np.linspace(0.0, 1.0, 2001)
    extra = {"is_12_bits_system": True} if name == "rec2020" else {}
    encoders = {**colour.CCTF_ENCODINGS, **colour.OETFS}
    expected = encoders[function](linear, **extra)
    # colour rounds the BT.2020 constants to four digits and ROMM's result is the same formula.
    np.testing.assert_allclose(transfer.encode(torch.tensor(linear), name), expected, atol=5e-5)


@pytest.mark.parametrize("space", [*ENCODED, "acescg", "linear-srgb"])
def test_decode_inverts_encode_also_outside_the_display_range(space):
    linear = torch.linspace(-0.2, 4.0, 5001, dtype=torch.float64)
    torch.testing.assert_close(transfer.decode(transfer.encode(linear, space), space), linear, rtol=0, atol=2e-7)


@pytest.mark.parametrize("space", ENCODED)
def test_ends_order_and_continuity(space):
    linear = torch.linspace(-0.1, 1.5, 100_001, dtype=torch.float64)
    encoded = transfer.encode(linear, space)
    assert bool((encoded.diff() > 0).all())
    assert encoded.diff().max() < 20 * 1.7e-5
    ends = transfer.encode(torch.tensor([0.0, 1.0], dtype=torch.float64), space)
    torch.testing.assert_close(ends, torch.tensor([0.0, 1.0], dtype=torch.float64), rtol=0, atol=1e-7)


def test_float32_is_good_for_sixteen_bits():
    linear = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    exact = srgb_in_float64(linear.double().numpy())
    assert np.abs(transfer.encode(linear, "srgb").numpy() - exact).max() < 0.25 / 65535


def test_bytes_are_the_rounded_codes():
    linear = torch.linspace(0.0, 1.0, 300_001)
    exact = 255 * srgb_in_float64(linear.double().numpy())
    codes = transfer.encode_uint8(linear, "srgb").numpy().astype(float)
    assert codes.min() == 0
    assert codes.max() == 255
    assert np.abs(codes - exact).max() < 0.6
    assert (codes != np.round(exact)).mean() < 0.02


def test_every_code_survives_a_round_trip_through_bytes():
    codes = torch.arange(256, dtype=torch.uint8)
    linear = transfer.decode(codes.float() / 255, "srgb")
    assert torch.equal(transfer.encode_uint8(linear, "srgb"), codes)


def test_bytes_clip_and_keep_the_shape():
    wild = torch.tensor([[-1.0, 2.0, float("inf")], [float("-inf"), float("nan"), 1e30]])
    expected = torch.tensor([[0, 255, 255], [0, 0, 255]], dtype=torch.uint8)
    assert torch.equal(transfer.encode_uint8(wild, "srgb"), expected)
    assert transfer.encode_uint8(torch.rand(3, 4, 6)[:, :, ::2], "rec2020").shape == (3, 4, 3)
    linear = torch.tensor([0.0, 0.5, 1.0])
    assert transfer.encode_uint8(linear, "acescg").tolist() == [0, 128, 255]


def test_input_is_not_touched():
    linear = torch.rand(3, 8, 8)
    before = linear.clone()
    for space in spaces.SPACES:
        transfer.encode(linear, space)
        transfer.decode(linear, space)
        transfer.encode_uint8(linear, space)
    assert torch.equal(linear, before)
