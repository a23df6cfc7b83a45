"""Every kernel against bytes, on what hypothesis thinks of."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.oracle import positions

# Few letters, so that needles stand where they are looked for and overlap themselves; all bytes, for the rest.
letters = st.sampled_from([b"ab", b"aAbB", b"a\n\0\xff"]).flatmap(lambda s: st.lists(st.sampled_from(s), max_size=400))
haystacks = st.one_of(letters.map(bytes), st.binary(max_size=400))
needles = st.one_of(st.lists(st.sampled_from(b"aAbB\n"), max_size=9).map(bytes), st.binary(max_size=3))
index = st.one_of(st.none(), st.integers(-500, 500))

same = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@st.composite
def searches(draw):
    """A haystack, and a needle that is part of it as often as not."""
    haystack = draw(haystacks)
    if haystack and draw(st.booleans()):
        start = draw(st.integers(0, len(haystack) - 1))
        return haystack, haystack[start : start + draw(st.integers(0, 70))]
    return haystack, draw(needles)


@same
@given(searches(), index, index, st.booleans(), st.booleans())
def test_search(kernel, search, start, end, overlapping, ignorecase):
    haystack, needle = search
    expected = positions(haystack, needle, start or 0, end, overlapping, ignorecase)
    options = {"ignorecase": ignorecase}
    assert kernel.find(haystack, needle, start, end, **options) == (expected[0] if expected else -1)
    overlaps = positions(haystack, needle, start or 0, end, True, ignorecase)
    assert kernel.rfind(haystack, needle, start, end, **options) == (overlaps[-1] if overlaps else -1)
    options["overlapping"] = overlapping
    assert kernel.count(haystack, needle, start, end, **options) == len(expected)
    assert kernel.find_all(haystack, needle, start, end, **options).tolist() == expected
    assert list(kernel.iter_find(haystack, needle, start, end, **options)) == expected
    if not overlapping and not ignorecase:
        assert haystack.find(needle, start, end) == kernel.find(haystack, needle, start, end)
        assert haystack.count(needle, start, end) == len(expected)


@same
@given(searches(), st.data(), st.integers(-1, 5))
def test_replace(kernel, search, data, count):
    haystack, old = search
    if not old:
        return
    new = data.draw(st.binary(min_size=len(old), max_size=len(old)))
    buffer = bytearray(haystack)
    number = haystack.count(old)
    assert kernel.replace(buffer, old, new, count) == (number if count < 0 else min(number, count))
    assert buffer == haystack.replace(old, new, count)


@same
@given(searches(), st.binary(max_size=12), st.integers(-1, 5), st.integers(12, 40), index, index)
def test_substitution(kernel, search, new, count, room, start, end):
    haystack, old = search
    if not old:
        return
    out, block = bytearray(), bytearray(room)
    with kernel.substitution(haystack, old, new, count, start, end) as edit:
        while filled := edit.readinto(block):
            out += block[:filled]
    assert out == haystack[start:end].replace(old, new, count)


@same
@given(haystacks, index, index)
def test_line_starts(kernel, text, start, end):
    first, last, _ = slice(start, end).indices(len(text))
    expected = [first] if first < last else []
    expected += [i + 1 for i in range(first, last) if text[i] == 10 and i + 1 < last]
    assert kernel.line_starts(text, start, end).tolist() == expected


@same
@given(st.binary(min_size=1, max_size=300), st.data())
def test_gather(kernel, text, data):
    spans = data.draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(0, 40)), max_size=20))
    spans = [(at, min(length, len(text) - at)) for at, length in spans]
    copied, starts = kernel.gather(text, [at for at, _ in spans], [length for _, length in spans])
    assert copied.tobytes() == b"".join(text[at : at + length] for at, length in spans)
    assert [int(b - a) for a, b in itertools.pairwise(starts)] == [length for _, length in spans]


@same
@given(st.lists(st.binary(max_size=30), max_size=30), st.integers(0, 200))
def test_append(kernel, records, size):
    buffer, position = bytearray(size), 0
    for record in records:
        if position + len(record) <= size:
            position = kernel.append(buffer, position, record)
        else:
            with pytest.raises(ValueError, match="don't fit"):
                kernel.append(buffer, position, record)
            break
    assert b"".join(records).startswith(bytes(buffer[:position]))
    assert buffer[position:] == bytes(size - position)
