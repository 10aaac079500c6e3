import pytest

from isp_ns.nets.reach import REACHES, measured_reach


@pytest.mark.parametrize("name", REACHES)
def test_the_reaches_are_what_is_measured(name):
    assert measured_reach(name) == REACHES[name]
