import numpy as np
import pytest

from isp_ns.bench.statistic import paired_ratios, spread


def test_spread_is_numpys_quartiles():
    values = [0.3, 4.0, 1.5, 2.25, 9.0, 0.7]
    found = spread(values)
    assert (found.q1, found.median, found.q3) == pytest.approx(np.percentile(values, [25, 50, 75]))
    assert found.values == tuple(values)


def test_one_value_has_no_spread_and_none_is_refused():
    assert spread([2.0]) == spread([2.0])
    assert (spread([2.0]).q1, spread([2.0]).median, spread([2.0]).q3) == (2.0, 2.0, 2.0)
    with pytest.raises(ValueError, match="nothing was measured"):
        spread([])


def test_ratios_are_taken_pair_by_pair():
    """A machine that is three times slower during one pair changes no ratio, though both medians move."""
    found = paired_ratios([1.0, 3.0, 1.0], [2.0, 6.0, 2.0])
    assert found.values == (0.5, 0.5, 0.5)
    assert paired_ratios([1.0, 4.0, 3.0], [1.0, 2.0, 1.0]).median == 2.0


@pytest.mark.parametrize(("ours", "theirs"), [([1.0], [1.0, 2.0]), ([], []), ([1.0], [0.0])])
def test_ratios_refuse_what_cannot_be_paired(ours, theirs):
    with pytest.raises(ValueError):
        paired_ratios(ours, theirs)
