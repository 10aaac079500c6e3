import numpy as np
import pytest
import torch

from isp_ns.ops import levels

PATTERNS = ["RGGB", "BGGR", "GRBG", "GBRG"]


def counts(size=(7, 9), seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 60000, (1, *size)).astype(np.uint16))


def test_table_is_looked_up_and_its_last_entry_serves_all_beyond():
    table = torch.tensor([0.0, 10.0, 40.0, 90.0])
    stored = torch.tensor([[[0, 1, 2, 3, 4, 65535]]], dtype=torch.uint16)
    assert levels.linearise(stored, table).tolist() == [[[0.0, 10.0, 40.0, 90.0, 90.0, 90.0]]]
    with pytest.raises(ValueError, match="table"):
        levels.linearise(stored, torch.zeros(0))


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("origin", [(0, 0), (3, 2), (1, 5)])
def test_every_site_has_black_zero_and_white_one(pattern, origin):
    black = ((100.0, 200.0, 150.0), (300.0, 400.0, 250.0))
    white = (4000.0, 4100.0, 4200.0)
    rows, columns = np.mgrid[0:9, 0:11]
    blacks = np.array(black)[(rows + origin[0]) % 2, (columns + origin[1]) % 3]
    letters = np.array(list(pattern)).reshape(2, 2)[rows % 2, columns % 2]
    whites = np.vectorize(dict(zip("RGB", white, strict=True)).get)(letters)
    for level, expected in ((blacks, 0.0), (whites, 1.0), (blacks - (whites - blacks), -1.0)):
        stored = torch.from_numpy(level[None].astype(np.float32))
        out = levels.normalise(stored, black=black, white=white, pattern=pattern, origin=origin)
        np.testing.assert_allclose(out.numpy(), expected, atol=1e-6)


def test_row_and_column_deltas_follow_the_origin():
    rows, columns = torch.arange(20.0), 100 * torch.arange(30.0)
    stored = (rows[:, None] + columns + 1000)[None, 4:15, 7:20]
    out = levels.normalise(
        stored, black=((1000.0,),), white=(2000.0,), origin=(4, 7), black_rows=rows, black_columns=columns
    )
    assert torch.equal(out, torch.zeros_like(out))


def test_counts_above_white_and_below_black_survive():
    stored = torch.tensor([[[0, 500, 1000, 3000]]], dtype=torch.uint16)
    out = levels.normalise(stored, black=((500.0,),), white=(1000.0,))
    assert out.tolist() == [[[-1.0, 0.0, 1.0, 5.0]]]


def test_planes_take_their_own_white():
    stored = torch.full((3, 2, 2), 100.0)
    out = levels.normalise(stored, black=((0.0,),), white=(100.0, 200.0, 400.0))
    assert out[:, 0, 0].tolist() == [1.0, 0.5, 0.25]


def test_tiles_equal_the_whole():
    stored = counts((21, 24))
    black = ((64.0, 65.0), (66.0, 67.0))
    whole = levels.normalise(stored, black=black, white=(60000.0,), pattern="RGGB")
    tile = levels.normalise(stored[:, 5:16, 3:20], black=black, white=(60000.0,), pattern="BGGR", origin=(5, 3))
    assert torch.equal(tile, whole[:, 5:16, 3:20])


def test_input_is_left_alone_and_bad_levels_are_named():
    stored = counts().float()
    before = stored.clone()
    levels.normalise(stored, black=((1.0,),), white=(2.0,))
    assert torch.equal(stored, before)
    with pytest.raises(ValueError, match="not above black"):
        levels.normalise(stored, black=((500.0,),), white=(400.0,))
    with pytest.raises(ValueError, match="white has 2"):
        levels.normalise(stored, black=((5.0,),), white=(400.0, 500.0))
