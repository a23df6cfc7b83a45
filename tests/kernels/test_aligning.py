"""Ranges that split no record, whatever ends one."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastmmap
from fastmmap import parallel
from fastmmap.aligning import aligned_ranges

same = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)


def definition(data, n, mark):
    """The marks as bytes.split finds them; each bound is the first end of one at or behind it."""
    ends, at = [], 0
    for record in data.split(mark)[:-1]:
        at += len(record) + len(mark)
        ends.append(at)
    bounds = {0, len(data)}
    for _, high in parallel.ranges(0, len(data), n):
        bounds.add(min((end for end in ends if end >= high), default=len(data)))
    bounds = sorted(bounds)
    return list(itertools.pairwise(bounds))


MARKS = [b"\n", b"\n\n", b"\n\n\n", b"aa", b"aba", b"aabaa", b"\r\n", b"\r\n\r\n", b"abab", b"a" * 9]


@same
@given(st.text("ab", max_size=200), st.integers(1, 30), st.sampled_from(MARKS))
def test_as_defined(kernel, text, n, mark):
    data = text.encode()
    if b"\n" in mark:
        data = data.replace(b"a", b"\n").replace(b"b", b"\r")
    assert aligned_ranges(kernel, data, 0, len(data), n, mark) == definition(data, n, mark)


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000, 10_001])
def test_long_runs(kernel, mark, size):
    for data in (mark[:1] * size, b"x" + mark[:1] * size, mark * (size // len(mark)) + b"x", mark[:1] * size + mark):
        for n in (2, 7, 50):
            assert aligned_ranges(kernel, data, 0, len(data), n, mark) == definition(data, n, mark)


class Counted:
    """A kernel that counts the bytes it is asked to look at."""

    def __init__(self):
        self.looked = 0

    def find(self, buffer, needle, start, end):
        found = fastmmap.find(buffer, needle, start, end)
        self.looked += (end if found < 0 else found) - start
        return found

    def count(self, buffer, needle, start, end):
        self.looked += end - start
        return fastmmap.count(buffer, needle, start, end)


@pytest.mark.parametrize("n", [2, 50, 2000])
def test_linear(n):
    data, counted = b"\n" * 1_000_001, Counted()
    assert aligned_ranges(counted, data, 0, len(data), n, b"\n\n") == definition_of_a_run(len(data), n)
    assert counted.looked < 4 * len(data)


def definition_of_a_run(size, n):
    """Newlines alone, two of which are a mark."""
    ends = sorted({0, size, *(high + high % 2 for _, high in parallel.ranges(0, size, n) if high + high % 2 < size)})
    return list(itertools.pairwise(ends))


@pytest.mark.parametrize("n", [10**9, 2**40, 2**70])
def test_more_ranges_than_bytes(n):
    """As many looks as there are records, though each byte were a bound, and a bound for each byte of a large file."""
    size, looks = 1 << 40, []

    class Kernel:
        def find(self, buffer, needle, start, end):
            looks.append(start)
            return (start | (1 << 37) - 1) if start < end else -1

    wide = aligned_ranges(Kernel(), None, 0, size, n, b"\n")
    assert wide == [(low, low + (1 << 37)) for low in range(0, size, 1 << 37)]
    assert len(looks) == 8
    data = b"one\ntwo\n\nthree"
    assert aligned_ranges(fastmmap, data, 0, len(data), n, b"\n") == definition(data, len(data), b"\n")
    assert len(aligned_ranges(fastmmap, data, 0, len(data), n, None)) == len(data)
    with fastmmap.open(None, size=3) as m:
        assert m.ranges(n, align=None) == [(0, 1), (1, 2), (2, 3)]


def test_of_a_mapping(make):
    data = b"one\r\ntwo\n\nthree\n\n\n\nfour" * 50
    with fastmmap.open(make(data)) as m:
        for mark in ("\n\n", b"\r\n", bytearray(b"\n\n\n")):
            assert m.ranges(9, align=mark) == definition(data, 9, mark.encode() if isinstance(mark, str) else mark)
