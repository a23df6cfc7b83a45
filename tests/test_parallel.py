"""Ranges cover everything once."""

from __future__ import annotations

import pytest

from fastmmap import parallel


@pytest.mark.parametrize("size", [0, 1, 2, 7, 100, 2**40])
@pytest.mark.parametrize("parts", [1, 2, 3, 8, 200])
def test_ranges_cover_everything_once(size, parts):
    ranges = parallel.ranges(5, 5 + size, parts)
    assert len(ranges) == min(size, parts)
    assert [low for low, _ in ranges] == ([5] + [high for _, high in ranges])[: len(ranges)]
    if ranges:
        assert ranges[-1][1] == 5 + size
        lengths = [high - low for low, high in ranges]
        assert max(lengths) - min(lengths) <= 1


def test_no_part_is_no_range():
    with pytest.raises(ValueError, match="at least 1"):
        parallel.ranges(0, 10, 0)
