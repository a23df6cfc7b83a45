"""What is read on with its matches replaced, as replace_file makes of a file: in blocks of every size."""

from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.oracle import replaced

import fastmmap
from fastmmap import streams
from fastmmap.editing import filtering
from fastmmap.editing.filtering import substituted
from fastmmap.editing.preparing import edit_of

same = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


class Stream:
    """Gives its bytes in blocks of the given sizes, in turns."""

    def __init__(self, data, sizes):
        self.data, self.sizes, self.at, self.reads = data, sizes, 0, 0

    def fill(self, block):
        size = min(len(block), self.sizes[self.reads % len(self.sizes)], len(self.data) - self.at)
        block[:size] = self.data[self.at : self.at + size]
        self.at, self.reads = self.at + size, self.reads + 1
        return size


def filtered(data, edit, sizes=(1 << 30,)):
    """All that is given, and how many were replaced."""
    pieces, made = substituted(Stream(data, sizes).fill, edit), bytearray()
    while True:
        try:
            made += next(pieces)
        except StopIteration as end:
            return bytes(made), end.value


def small_windows(patch, window, block=1):
    patch.setattr(streams, "WINDOW", window)
    patch.setattr(filtering, "BLOCK", block)


some = st.text("aAbB", min_size=1, max_size=6).map(str.encode)
news = st.text("aAbX", max_size=9).map(str.encode)


@given(
    st.text("aAbB", max_size=200).map(str.encode),
    st.dictionaries(some, news, max_size=5),
    st.integers(-1, 6),
    st.booleans(),
    st.lists(st.integers(1, 7), min_size=1, max_size=5),
    st.sampled_from([2, 8, 64, 1 << 20]),
)
@settings(deadline=None)
def test_as_re_replaces(text, pairs, count, ignorecase, sizes, window):
    """One and several pairs, that overlap themselves and each other; needles longer than a window."""
    expected, counts = replaced(text, pairs, count, ignorecase)
    with pytest.MonkeyPatch.context() as patch:
        small_windows(patch, window)
        edit = edit_of(pairs, None, count, ignorecase)
        assert filtered(text, edit, sizes) == (expected, sum(counts))
        assert filtered(text, edit) == (expected, sum(counts))


@given(st.text("ab", max_size=300).map(str.encode), st.text("ab", min_size=1, max_size=4).map(str.encode), news,
       st.integers(-1, 6), st.integers(1, 7))  # fmt: skip
@settings(deadline=None)
def test_as_bytes_replace(text, old, new, count, size):
    with pytest.MonkeyPatch.context() as patch:
        small_windows(patch, 16)
        expected = text.replace(old, new, count), min(text.count(old), text.count(old) if count < 0 else count)
        assert filtered(text, edit_of(old, new, count), [size]) == expected


@same
@given(st.text("aAb\n", max_size=200).map(str.encode), st.dictionaries(some, news, min_size=1, max_size=4),
       st.integers(-1, 6), st.booleans(), st.integers(1, 7))  # fmt: skip
def test_as_replace_file_replaces(tmp_path, text, pairs, count, ignorecase, size):
    path = tmp_path / "file"
    path.write_bytes(text)
    done = fastmmap.replace_file(path, pairs, count=count, ignorecase=ignorecase, durable=False)
    with pytest.MonkeyPatch.context() as patch:
        small_windows(patch, 32)
        assert filtered(text, edit_of(pairs, None, count, ignorecase), [size]) == (path.read_bytes(), done.count)


@pytest.mark.parametrize("ignorecase", [False, True])
@pytest.mark.parametrize("pairs", [{b"the": b"a"}, {b"the": b"those many", b"Cat": b"", b"no such": b"x"}])
def test_much(ignorecase, pairs):
    """Several windows as they are, in blocks as a pipe gives them, with a match every few bytes."""
    text = b"the cat THE Cat and the rest. " * (20_000 if fastmmap.kernel == "python" else 200_000)
    expected, counts = replaced(text, pairs, ignorecase=ignorecase)
    assert filtered(text, edit_of(pairs, None, -1, ignorecase), [1 << 16, 5000]) == (expected, sum(counts))
    most = sum(counts) // 2
    expected, _ = replaced(text, pairs, most, ignorecase=ignorecase)
    assert filtered(text, edit_of(pairs, None, most, ignorecase), [1 << 16]) == (expected, most)


@pytest.mark.parametrize("ignorecase", [False, True])
def test_a_needle_longer_than_a_window(ignorecase, monkeypatch):
    small_windows(monkeypatch, 1 << 12, 1 << 10)
    old = b"x" * 9000 + b"Y"
    text = b"-" * 5000 + old + b"x" * 8000 + old + old[:-1] + b"-" + old.swapcase() + old[:8999]
    expected, counts = replaced(text, {old: b"<>"}, ignorecase=ignorecase)
    assert counts == (3 if ignorecase else 2,)
    for sizes in ([1 << 20], [700, 1]):
        assert filtered(text, edit_of(old, b"<>", -1, ignorecase), sizes) == (expected, counts[0])
        both = edit_of({old: b"<>", b"-": b"+"}, None, -1, ignorecase)
        assert filtered(text, both, sizes)[0] == expected.replace(b"-", b"+")


@pytest.mark.parametrize("ignorecase", [False, True])
@pytest.mark.parametrize("pairs", [{b"aa": b"b"}, {b"aa": b"b", b"aaa": b"c"}, {b"aaa": b"aaaa", b"a": b""}])
def test_needles_that_overlap_themselves(ignorecase, pairs, monkeypatch):
    """There is no place between windows that no occurrence lies across."""
    small_windows(monkeypatch, 16, 4)
    for length in range(100):
        text = b"a" * length
        expected, counts = replaced(text, pairs, ignorecase=ignorecase)
        for size in (1, 3, 100):
            assert filtered(text, edit_of(pairs, None, -1, ignorecase), [size]) == (expected, sum(counts))


@pytest.mark.parametrize("ignorecase", [False, True])
def test_what_is_decided_is_given_before_the_next_read(ignorecase):
    """A terminal's lines: all of one but what a match may begin with."""
    lines = [b"one Cat\n", b"two cat\n", b"ca", b"t\n", b"c", b"ats"]
    given, blocks = [], iter(lines)

    def fill(block):
        given.append(b"")
        data = next(blocks, b"")
        block[: len(data)] = data
        return len(data)

    for piece in substituted(fill, edit_of({"cat": "dog"}, None, -1, ignorecase)):
        given[-1] += piece
    assert given[:2] == ([b"one dog", b"\ntwo dog"] if ignorecase else [b"one Ca", b"t\ntwo dog"])
    assert given[2:] == [b"\n", b"dog", b"", b"\ndog", b"s"]
    assert b"".join(given) == re.sub(b"(?i)cat" if ignorecase else b"cat", b"dog", b"".join(lines))


def test_behind_the_last_one_all_is_given_at_once():
    """With a count, and with none: nothing is held back for a match that isn't replaced any more."""
    for count, data, expected in ((1, b"cat ca", b"dog ca"), (0, b"ca", b"ca")):
        blocks = iter([data, b""])

        def fill(block, blocks=blocks):
            data = next(blocks)
            block[: len(data)] = data
            return len(data)

        pieces, made = substituted(fill, edit_of("cat", "dog", count)), b""
        while len(made) < len(expected):
            made += next(pieces)
        assert next(blocks) == b""  # it hasn't been asked for
        assert made == expected


def test_nothing_to_replace_and_nothing_to_read():
    assert filtered(b"", edit_of("a", "b", -1)) == (b"", 0)
    assert filtered(b"text", edit_of({}, None, -1), [1]) == (b"text", 0)
    assert filtered(b"text", edit_of("t", "t", -1), [1]) == (b"text", 2)
    assert filtered(b"tt", edit_of("t", "", -1), [1]) == (b"", 2)


def test_what_a_read_raises_comes_out():
    def fill(block):
        raise error

    error = OSError("theirs")
    with pytest.raises(OSError, match="theirs") as caught:
        list(substituted(fill, edit_of("a", "b", -1)))
    assert caught.value is error


def test_it_can_be_given_up():
    """Whoever takes no more closes it, as `head` ends a pipe."""
    pieces = substituted(Stream(b"cat " * 1_000_000, [1 << 20]).fill, edit_of("cat", "leopard", -1))
    assert bytes(next(pieces)[:7]) == b"leopard"
    pieces.close()


@pytest.mark.skipif(fastmmap.kernel == "python", reason="it takes seconds")
def test_memory_is_constant():
    """Of 70 MB some windows."""
    block = b"the cat sat on the mat\n" * 40_000
    left = 0

    def fill(target):
        nonlocal left
        left -= 1
        size = min(len(block), len(target)) if left else 0
        target[:size] = block[:size]
        return size

    for pairs, ignorecase in (({"cat": "leopard"}, False), ({"CAT": "leopard", "mat": ""}, True)):
        left = 5
        for _ in substituted(fill, edit_of(pairs, None, -1, ignorecase)):  # what is imported and made once
            pass
        left = 140
        tracemalloc.start()
        try:
            for _ in substituted(fill, edit_of(pairs, None, -1, ignorecase)):
                pass
            assert tracemalloc.get_traced_memory()[1] < 12 << 20
        finally:
            tracemalloc.stop()
