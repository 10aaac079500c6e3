import dataclasses

import pytest

from isp_ns.nets.reach import REACHES, measured_reach, reach_of
from isp_ns.nets.space import SPECS


@pytest.mark.parametrize("name", REACHES)
def test_the_reaches_are_what_is_measured(name):
    assert measured_reach(SPECS[name]) == REACHES[name]


def test_widths_do_not_change_the_reach_and_layers_do():
    lite = SPECS["ns-lite"]
    narrow = dataclasses.replace(lite, width_b=16, decoder_width=5)
    assert reach_of(narrow) == measured_reach(narrow) == REACHES["ns-lite"]
    far = reach_of(dataclasses.replace(lite, denoise_far=8))
    # Two convolutions of dilation 2 and 3 on cells of 4 pixels.
    assert far.denoise_px - REACHES["ns-lite"].denoise_px == 4 * (2 + 3)
    # One more pair of 3×3 convolutions on cells of 4 pixels.
    deeper = reach_of(dataclasses.replace(lite, blocks_t=lite.blocks_t + 1))
    assert deeper.encode_px - REACHES["ns-lite"].encode_px == 2 * 4


def test_a_deep_space_is_measured_with_a_larger_probe():
    deep = dataclasses.replace(SPECS["ns-lite"], width_b=4, z_b=12, z_t=4, blocks_b=6, blocks_t=8)
    # 28 pixels, and 5 and 6 blocks more of two convolutions, each a cell of 2 and of 4 pixels wider.
    assert reach_of(deep).encode_px == 28 + 5 * 2 * 2 + 6 * 2 * 4
