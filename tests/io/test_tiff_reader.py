import io
import struct

import numpy as np
import pytest
import tifffile

from isp_ns.io.tiff import read_tiff


def small_tiff(byteorder: str = "<") -> bytes:
    file = io.BytesIO()
    tags = [
        (50721, 10, 3, (-1, 2, 3, 4, 5, 0), True),
        (51041, "d", 2, (1.5e-4, 2e-8), True),
        (50717, "I", 1, 70000, True),
        (271, "s", 5, "Maker", True),
    ]
    tifffile.imwrite(file, np.zeros((4, 5), np.uint16), byteorder=byteorder, extratags=tags, metadata=None)
    return file.getvalue()


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_values_of_both_byte_orders(byteorder):
    tiff = read_tiff(small_tiff(byteorder))
    first = tiff.first
    assert (first.integer(256), first.integer(257), first.integer(50717)) == (5, 4, 70000)
    assert first.numbers(50721)[:2] == (-0.5, 0.75)
    assert np.isnan(first.numbers(50721)[2])
    assert first.numbers(51041) == (1.5e-4, 2e-8)
    assert first.text(271) == "Maker"
    assert first.numbers(60000) == ()
    assert first.number(60000) is None
    assert tiff.damage == ()


def test_order_of_a_tag_can_be_changed():
    little, big = (read_tiff(small_tiff(order)).first.tags[51041] for order in "<>")
    assert big.to_order("<") == little.data
    assert little.to_order(">") == big.data


def test_what_is_no_tiff_is_none():
    assert read_tiff(b"") is None
    assert read_tiff(b"\xff\xd8\xff\xe0" + bytes(20)) is None


def test_a_directory_that_points_to_itself_ends():
    head = b"II*\0" + struct.pack("<I", 8)
    entry = struct.pack("<HHII", 330, 4, 1, 8)
    tiff = read_tiff(head + struct.pack("<H", 1) + entry + struct.pack("<I", 8))
    assert len(tiff.ifds) == 1


def test_values_beyond_the_end_are_named():
    whole = bytearray(small_tiff())
    entry = whole.index(struct.pack("<HHI", 51041, 12, 2))
    whole[entry + 8 : entry + 12] = struct.pack("<I", len(whole) - 8)
    tiff = read_tiff(bytes(whole))
    assert "51041" in tiff.damage[0]
    assert tiff.first.numbers(51041) == ()
    assert tiff.first.integer(50717) == 70000


def test_damage_never_raises():
    rng, whole = np.random.default_rng(7), small_tiff()
    for _ in range(300):
        content = bytearray(whole)
        for place in rng.integers(0, len(content), rng.integers(1, 12)):
            content[place] = rng.integers(0, 256)
        tiff = read_tiff(bytes(content[: rng.integers(len(content) // 2, len(content) + 1)]))
        for ifd in tiff.all() if tiff is not None else ():
            for tag in ifd.tags.values():
                tag.numbers(), tag.text(), tag.rationals()
