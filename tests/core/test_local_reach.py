"""What a local stage is given for the pixels that it has to make."""

import pytest

from isp_ns.core.reach import Local


def boxes(size: tuple[int, int], step: int) -> list[tuple[int, int, int, int]]:
    height, width = size
    return [
        (top, left, min(top + step, height), min(left + step, width))
        for top in range(0, height, step)
        for left in range(0, width, step)
    ]


@pytest.mark.parametrize("size", [(400, 600), (37, 50), (401, 603)])
@pytest.mark.parametrize("step", [48, 101, 700])
def test_a_box_has_its_halo_and_a_width_that_is_a_multiple(size: tuple[int, int], step: int) -> None:
    reach = Local(halo=10, align=4, width_multiple=32)
    for box in boxes(size, step):
        top, left, bottom, right = reach.in_box(box, size, {})
        assert 0 <= top <= max(box[0] - 10, 0)
        assert 0 <= left <= max(box[1] - 10, 0)
        assert min(box[2] + 10, size[0]) <= bottom <= size[0]
        assert min(box[3] + 10, size[1]) <= right <= size[1]
        assert (top % 4, left % 4) == (0, 0)
        # An image may end within a cell, of which the box then has the columns that there are.
        spare = size[1] % 4 if right == size[1] else 0
        assert (right - left) % 32 <= spare or (left, right) == (0, size[1])
        assert right - left < min(box[3] - box[1] + 20, size[1]) + 6 + 32


def test_without_a_multiple_a_box_is_as_small_as_halo_and_alignment_allow() -> None:
    assert Local(halo=10, align=4).in_box((100, 100, 148, 148), (400, 600), {}) == (88, 88, 160, 160)
    assert Local(halo=10, align=4, width_multiple=32).in_box((100, 100, 148, 148), (400, 600), {}) == (88, 88, 160, 184)
    assert Local(halo=10, align=4, width_multiple=32).in_box((0, 540, 48, 600), (400, 600), {}) == (0, 504, 60, 600)
