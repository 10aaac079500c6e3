from pathlib import Path

import numpy as np
import pytest

from isp_ns.core.errors import DecodeError
from isp_ns.io.layout import RawLayout
from isp_ns.io.raw import read_raw


def test_parse_reads_all_parts():
    layout = RawLayout.parse("1920x1080:10:grbg:64:1000:big")
    assert layout == RawLayout(1920, 1080, 10, "GRBG", 64.0, 1000.0, "big")
    assert RawLayout.parse("8x6:12:RGGB").saturation == 4095


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("1920x1080", "form"),
        ("1920x1080:10", "form"),
        ("1920:1080:10:RGGB", "form"),
        ("1920x1080:ten:RGGB", "ten"),
        ("1920x1080:17:RGGB", "bits"),
        ("1920x1080:10:RGBW", "CFA"),
        ("1920x1080:10:RGGB:2000:1000", "black < white"),
        ("1920x1080:10:RGGB:0:1023:middle", "byte order"),
        ("0x1080:10:RGGB", "size"),
    ],
)
def test_parse_says_what_is_wrong(text, word):
    with pytest.raises(ValueError, match=word):
        RawLayout.parse(text)


def test_name_must_give_all_three():
    full = RawLayout.from_name(Path("chart_1920x1080_12bit_BGGR.raw"))
    assert (full.width, full.height, full.bits, full.cfa, full.source) == (1920, 1080, 12, "BGGR", "name")
    assert RawLayout.from_name(Path("DSC_1339_768x512_rggb.raw")) is None
    assert RawLayout.from_name(Path("IMG_0042.raw")) is None
    assert RawLayout.from_name(Path("a_640x480_10bit_embgrgb.raw")) is None


@pytest.mark.parametrize("endian", ["little", "big"])
def test_counts_and_levels_of_a_file(tmp_path, endian):
    counts = np.arange(48, dtype=np.uint16).reshape(6, 8) * 20
    path = tmp_path / "mosaic.raw"
    path.write_bytes(counts.astype("<u2" if endian == "little" else ">u2").tobytes())
    frame = read_raw(path, raw=f"8x6:10:GBRG:16:1000:{endian}")
    np.testing.assert_array_equal(frame.data.numpy()[0], counts)
    assert (frame.cfa, frame.meta.black, frame.meta.white) == ("GBRG", ((16.0,),), (1000.0,))
    assert {frame.meta.source[name] for name in ("cfa", "black", "white")} == {"user"}
    assert frame.meta.source["calibrations"] == "default"


def test_eight_bits_in_one_byte_or_two(tmp_path):
    counts = np.arange(48, dtype=np.uint8).reshape(6, 8)
    for dtype in ("u1", "<u2"):
        path = tmp_path / f"{dtype[-2:]}.bin"
        path.write_bytes(counts.astype(dtype).tobytes())
        np.testing.assert_array_equal(read_raw(path, raw="8x6:8:MONO").data.numpy()[0], counts)


def test_size_must_match_exactly(tmp_path):
    path = tmp_path / "x_16x12_10bit_RGGB.raw"
    path.write_bytes(bytes(383))
    with pytest.raises(DecodeError, match="383 bytes are not 16x12"):
        read_raw(path)
    path.write_bytes(bytes(240))
    with pytest.raises(DecodeError, match="packed"):
        read_raw(path)


def test_wrong_byte_order_is_noticed(tmp_path):
    path = tmp_path / "a.raw"
    path.write_bytes(np.full((6, 8), 1023, ">u2").tobytes())
    with pytest.raises(DecodeError, match="byte order"):
        read_raw(path, raw="8x6:10:RGGB")


def test_headerless_is_refused_without_a_layout(tmp_path):
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(96))
    with pytest.raises(DecodeError, match=r"--raw .*never guessed"):
        read_raw(path)
