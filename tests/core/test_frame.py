"""Frames: crops move origin and CFA phase; metadata changes only in copies."""

import pytest
import torch

from isp_ns.core.frame import Frame
from isp_ns.core.meta import Cfa, Meta


@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG"])
def test_the_pattern_follows_a_crop(pattern):
    letters = torch.tensor([["RGB".index(c) for c in row] for row in (pattern[:2], pattern[2:])])
    image = letters.repeat(4, 5)[None].float()
    whole = Frame(image, Meta(cfa=Cfa(pattern)))
    for y in (0, 1, 2, 3):
        for x in (0, 1, 4):
            part = whole.crop((y, x, y + 4, x + 4)).crop((y + 1, x + 2, y + 3, x + 4))
            for colour, row, column in part.cfa.planes():
                assert part.data[0, row, column] == colour
            assert part.full_size == (8, 10)


def test_patterns_and_boxes_are_checked():
    with pytest.raises(ValueError, match="RGBG"):
        Cfa("RGBG")
    with pytest.raises(ValueError, match="outside"):
        Frame(torch.zeros(1, 4, 4)).crop((0, 0, 5, 4))
    with pytest.raises(ValueError, match=r"\(C, H, W\)"):
        Frame(torch.zeros(4, 4))
    with pytest.raises(ValueError, match="no colour filter array"):
        _ = Frame(torch.zeros(1, 4, 4)).cfa


def test_metadata_changes_in_copies_and_notes_its_source():
    meta = Meta(iso=100.0, source={"iso": "exif"})
    changed = meta.with_values("user", iso=200.0)
    assert (meta.iso, changed.iso) == (100.0, 200.0)
    assert changed.source == {"iso": "user"}
    with pytest.raises(TypeError, match="isoo"):
        meta.with_values("user", isoo=1)
