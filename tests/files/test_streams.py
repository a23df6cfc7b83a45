"""Readable binary objects as sources: the answers of their whole text, in constant memory."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import itertools
import lzma
import os
import random
import re
import socket
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.lacks import without

import fastmmap
from fastmmap import _backend, line_windows, streams

pytestmark = pytest.mark.any_kernel

LINES = 20_000 if _backend.NATIVE else 3_000
TEXT = b"".join(b"%d: error %d of a line\n" % (number, number % 7) for number in range(LINES))


class Trickle(io.RawIOBase):
    """Gives a few bytes at a time."""

    def __init__(self, data, sizes):
        self._data, self._at, self._sizes = data, 0, itertools.cycle(sizes)

    def readable(self):
        return True

    def readinto(self, room):
        size = min(next(self._sizes), len(room))
        block = self._data[self._at : self._at + size]
        room[: len(block)] = block
        self._at += len(block)
        return len(block)


class Reading:
    """Has `read` and nothing else, as some clients' responses do."""

    def __init__(self, data):
        self._data, self.asked = io.BytesIO(data), []

    def read(self, size=-1):
        self.asked.append(size)
        return self._data.read(size)


@contextlib.contextmanager
def piped(data):
    read, write = os.pipe()

    def fill():
        with contextlib.suppress(BrokenPipeError), os.fdopen(write, "wb", buffering=0) as file:
            for at in range(0, len(data), 100_000):
                file.write(data[at : at + 100_000])

    writer = threading.Thread(target=fill)
    writer.start()
    try:
        with open(read, "rb") as file:
            yield file
    finally:
        writer.join()


@contextlib.contextmanager
def connected(data):
    ours, theirs = socket.socketpair()

    def fill():
        with theirs, contextlib.suppress(OSError):
            theirs.sendall(data)

    writer = threading.Thread(target=fill)
    writer.start()
    with ours, ours.makefile("rb") as file:
        yield file
    writer.join()


@contextlib.contextmanager
def compressed(data, module, folder):
    path = folder / "compressed"
    with module.open(path, "wb") as file:
        file.write(data)
    with module.open(path, "rb") as file:
        yield file


@pytest.fixture(params=["pipe", "socket", "gzip", "bz2", "lzma", "bytes", "buffered", "raw", "trickle", "read alone"])
def opened(request, tmp_path):
    """Something that has a text, and can only be read."""

    def opened(data):
        ways = {
            "pipe": lambda: piped(data),
            "socket": lambda: connected(data),
            "gzip": lambda: compressed(data, gzip, tmp_path),
            "bz2": lambda: compressed(data, bz2, tmp_path),
            "lzma": lambda: compressed(data, lzma, tmp_path),
            "bytes": lambda: io.BytesIO(data),
            "buffered": lambda: io.BufferedReader(io.BytesIO(data)),
            "raw": lambda: Trickle(data, [len(data) + 1]),
            "trickle": lambda: Trickle(data, [9973, 1, 70_000]),
            "read alone": lambda: contextlib.nullcontext(Reading(data)),
        }
        return ways[request.param]()

    return opened


NEEDLES = [b"error 3", "6 of", 57, b"absent", b"e", [b"error 3", b"of a", b"rror 3 o"], (b"line\n2", b"9: e")]


@pytest.mark.parametrize("needle", NEEDLES, ids=repr)
def test_searches(opened, needle):
    with opened(TEXT) as stream:
        assert fastmmap.count(stream, needle) == fastmmap.count(TEXT, needle)
    with opened(TEXT) as stream:
        assert fastmmap.find(stream, needle) == fastmmap.find(TEXT, needle)
    with opened(TEXT) as stream:
        assert list(fastmmap.iter_find(stream, needle)) == list(fastmmap.iter_find(TEXT, needle))


PATTERNS = [b"error 3", [b"9: e", b"absent"], re.compile(rb"error [35] of"), re.compile(rb"\d7:")]
OPTIONS = [{}, {"before": 2, "after": 1}, {"invert": True}, {"limit": 5, "after": 3}]


@pytest.mark.parametrize("pattern", PATTERNS, ids=repr)
@pytest.mark.parametrize("options", OPTIONS, ids=repr)
def test_grep(opened, pattern, options):
    expected = list(fastmmap.grep(TEXT, pattern, **options))
    with opened(TEXT) as stream:
        found = list(fastmmap.grep(stream, pattern, **options))
    assert found == expected
    assert [match.number for match in found] == [match.number for match in expected]


texts = st.text("aAb\n", max_size=60).map(str.encode)


@settings(max_examples=300)
@given(texts, st.lists(st.integers(1, 7), min_size=1, max_size=4), st.data())
def test_small_windows(text, sizes, data):
    """Windows whose borders lie everywhere, against the text as a whole."""
    window, first, most = streams.WINDOW, line_windows.FIRST, line_windows.STREAMED
    streams.WINDOW, line_windows.FIRST, line_windows.STREAMED = 4, 3, 3
    try:
        needle = data.draw(
            st.one_of(texts.filter(bool), st.lists(texts.filter(bool), min_size=1, max_size=4), st.just(b""))
        )
        options = {"overlapping": data.draw(st.booleans()), "ignorecase": data.draw(st.booleans())}
        start, end = data.draw(st.integers(0, 9)), data.draw(st.one_of(st.none(), st.integers(0, 70)))
        expected = list(fastmmap.iter_find(text, needle, start, end, **options))
        assert list(fastmmap.iter_find(Trickle(text, sizes), needle, start, end, **options)) == expected
        assert fastmmap.count(Trickle(text, sizes), needle, start, end, **options) == len(expected)
        del options["overlapping"]
        assert fastmmap.find(Trickle(text, sizes), needle, start, end, **options) == fastmmap.find(
            text, needle, start, end, **options
        )
        few = st.sampled_from([0, 1, 2, 3, 10**18, 10**20])
        around = {"before": data.draw(few), "after": data.draw(few)}
        around["invert"] = data.draw(st.booleans())
        if needle != [b""]:
            expected = list(fastmmap.grep(text, needle, **around, **options))
            found = list(fastmmap.grep(Trickle(text, sizes), needle, **around, **options))
            assert found == expected
            assert [match.number for match in found] == [match.number for match in expected]
    finally:
        streams.WINDOW, line_windows.FIRST, line_windows.STREAMED = window, first, most


def test_long_needles():
    """Longer than what a window has room for."""
    rng = random.Random(2)
    needle = bytes(rng.choices(b"ab", k=3_000_000 if _backend.NATIVE else 700_000))
    text = b"c" * 999 + needle + b"d" * 5 + needle
    assert fastmmap.count(io.BytesIO(text), needle) == 2
    assert list(fastmmap.iter_find(io.BytesIO(text), [needle, b"cd"])) == [999, 999 + len(needle) + 5]


def test_what_is_known_comes_before_a_read_that_blocks():
    read, write = os.pipe()
    with open(read, "rb") as file, open(write, "wb", buffering=0) as writer:
        writer.write(b"one error\nnext ")
        offsets = fastmmap.iter_find(file, b"error")
        assert next(offsets) == 4
        writer.write(b"error\n")
        assert next(offsets) == 15
    read, write = os.pipe()
    with open(read, "rb") as file, open(write, "wb", buffering=0) as writer:
        writer.write(b"one error\nnext ")
        matches = fastmmap.grep(file, b"error")
        assert next(matches).line == b"one error"
        writer.write(b"error\nlast")
        assert next(matches).line == b"next error"


@without("resource.getrusage")
def test_constant_memory():
    """Of megabytes, of which no line is in memory but for those of a window."""
    code = """if True:
        import re, resource, fastmmap
        class Long:
            left = 200_000 if fastmmap.kernel != "python" else 40_000
            def read(self, size=-1):
                self.left -= size // 100
                return (b"x" * 99 + b"\\n") * (size // 100) if self.left > 0 else b""
        fastmmap.count(b"", b"x"); list(fastmmap.grep(b"a\\n" * 999999, re.compile(rb"b")))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert fastmmap.count(Long(), b"xxxx") > 10**5
        assert fastmmap.find(Long(), [b"ab", b"cd"]) == -1
        assert sum(1 for _ in fastmmap.grep(Long(), re.compile(rb"x\\b"))) > 10**4
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 10_000, grown
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_positions():
    """A search begins where a stream stands; offsets count from there."""
    stream = io.BytesIO(b"error error")
    stream.seek(1)
    assert fastmmap.find(stream, b"error") == 5
    stream.seek(2)
    assert fastmmap.find(stream, b"e", 5, None) == -1
    stream.seek(2)
    assert fastmmap.count(stream, b"r", 1, 3) == 1
    assert fastmmap.count(io.BytesIO(b"rrr"), b"", 1) == 3
    assert fastmmap.count(io.BytesIO(b"rrr"), b"", 9) == 0


class Closed(io.RawIOBase):
    def readinto(self, room):
        return None


def failing(room):
    raise ConnectionResetError("the other side")


@pytest.mark.parametrize(
    ("stream", "arguments", "error", "words"),
    [
        (io.StringIO("text"), (b"x",), TypeError, "a stream of bytes is needed, not one of text"),
        (io.BytesIO(b"text"), (b"x", -1), ValueError, "a stream has no end to count from"),
        (io.BytesIO(b"text"), (b"x", 0, -1), ValueError, "a stream has no end to count from"),
        (io.BytesIO(b"text"), ([b""],), ValueError, "empty"),
        (io.BytesIO(b"text"), (5.5,), TypeError, "needle must be"),
        (Closed(), (b"x",), BlockingIOError, "temporarily unavailable"),
    ],
)
def test_refusals(stream, arguments, error, words):
    for search in (fastmmap.count, fastmmap.find, lambda *each: list(fastmmap.iter_find(*each))):
        with pytest.raises(error, match=words):
            search(stream, *arguments)
    if len(arguments) == 1:
        with pytest.raises(error, match=words):
            list(fastmmap.grep(stream, *arguments))


def test_errors_of_the_stream_are_its_own():
    class Broken:
        readinto = staticmethod(failing)

        def read(self, size=-1):
            raise AssertionError

    for search in (fastmmap.count, fastmmap.find, lambda *each: list(fastmmap.grep(*each))):
        with pytest.raises(ConnectionResetError, match="the other side"):
            search(Broken(), b"x")


def test_where_there_must_be_a_buffer():
    for search in (fastmmap.rfind, fastmmap.find_all, fastmmap.count_each):
        with pytest.raises(
            TypeError, match="a buffer or an os.PathLike is needed, not '_io.BufferedReader'|'BufferedReader'"
        ):
            search(io.BufferedReader(io.BytesIO(b"text")), [b"x"])


def test_progress():
    told = []
    assert fastmmap.count(io.BytesIO(TEXT), b"error", progress=lambda *numbers: told.append(numbers)) == LINES
    assert told[-1] == (len(TEXT), None)
    told.clear()
    list(fastmmap.grep(io.BytesIO(TEXT), b"error", progress=lambda *numbers: told.append(numbers)))
    assert told[-1] == (len(TEXT), None)


def test_mappings_are_no_streams(make):
    with fastmmap.open(make(TEXT)) as m:
        m.read(100)
        assert fastmmap.count(m, b"error") == LINES
        assert m.tell() == 100
