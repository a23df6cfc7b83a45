"""MappedFile: what is read and stored in every mode, memory that outlives close, and what is refused."""

from __future__ import annotations

import mmap
import os
import re
import sys
import threading

import numpy
import pytest

import fastmmap
from fastmmap import system
from fastmmap._backend import NATIVE

# Without extensions a Python class can't export a buffer before 3.12: view() is the way then.
EXPORTS = NATIVE or sys.version_info >= (3, 12)


def test_read(text):
    with fastmmap.open(text) as m:
        assert len(m) == 18
        assert m.read() == m[:] == b"hello mapped world"
        assert m[6:-6] == b"mapped"
        assert (m.name, m.mode, m.backend, m.closed) == (str(text), "r", "mmap", False)
        assert m[0] == 104
        assert m[-1] == m[numpy.int64(17)] == ord("d")
        assert m[6:12] == b"mapped"
        assert m[::-3] == b"hello mapped world"[::-3]
        assert m[20:30] == b""
        assert b"mapped" in m
        assert "world" in m
        assert 104 in m
        assert b"nothing" not in m
        assert "18 bytes" in repr(m)
    assert m.closed
    assert "closed" in repr(m)


def test_the_kernels_are_methods(text):
    with fastmmap.open(text, "c") as m:
        assert m.find(b"o") == 4
        assert m.find("O", 5, ignorecase=True) == 14
        assert m.rfind(b"l") == 16
        assert m.count(b"l") == 3
        assert m.find_all(b"l", limit=2).tolist() == [2, 3]
        assert list(m.iter_find(b"l")) == [2, 3, 16]
        assert m.line_starts().tolist() == [0]
        assert m.gather([0, 6], 2).tolist() == [[104, 101], [109, 97]]
        assert m.replace(b"l", b"L", 2) == 2
        assert m[:5] == b"heLLo"


@pytest.mark.skipif(not EXPORTS, reason="a Python class can't export a buffer before 3.12")
def test_it_is_a_buffer(text):
    with fastmmap.open(text) as m:
        view = memoryview(m)
        assert view.readonly
        assert (view.format, view.itemsize, view.nbytes) == ("B", 1, 18)
        assert re.search(rb"m\w+", m).group() == b"mapped"
        assert numpy.frombuffer(m, dtype=numpy.uint8)[0] == 104
        assert bytes(m) == b"hello mapped world"
        assert fastmmap.count(m, b"o") == 2
        view.release()


def test_memory_outlives_close_while_views_live(text):
    m = fastmmap.open(text)
    view = m.view()
    part = view[6:12]
    m.close()
    view.release()
    assert bytes(part) == b"mapped"
    for use in (lambda: m[0], lambda: m[:], lambda: len(m), lambda: m.find(b"a"), lambda: m.view(), lambda: m.read(),
                lambda: m.flush(), lambda: m.lines[0], lambda: m.advise("normal")):  # fmt: skip
        with pytest.raises(ValueError, match="closed"):
            use()
    m.close()


def test_write_through(text):
    with fastmmap.open(text, "r+") as m:
        m[6:12] = b"python"
        m[0] = ord("H")
        m[-1] = 33
        m[1:5:2] = b"_!"
        m.flush()
        m.flush(3, 4, wait=False)
        assert text.read_bytes() == b"H_l!o python worl!"
    with fastmmap.open(text, "r+") as m:
        m[0:4] = m.view()[1:5]
        assert m[:5] == b"_l!oo"


def test_copy_on_write_never_reaches_the_file(text):
    with fastmmap.open(text, "c") as m:
        m[:5] = b"HELLO"
        assert m.replace(b"o", b"0") == 1
        m.flush()
        m.advise("dontneed")
        assert m[:] == b"HELLO mapped w0rld"
    assert text.read_bytes() == b"hello mapped world"


def test_empty_files(make):
    path = make()
    with fastmmap.open(path) as m:
        assert (len(m), m[:], m.read(), m.backend) == (0, b"", b"", "mmap")
        assert m.find(b"") == 0
        assert m.find(b"a") == -1
        assert m.line_starts().tolist() == m.lines[:] == []
        assert m.ranges(3) == []
        m.flush()
        m.advise("sequential")
        with pytest.raises(IndexError):
            m[0]
        assert bytes(m.view()) == b""
    with fastmmap.open(path, "r+") as m:
        m.append("grown")
        assert m[:] == b"grown"
        m.resize(0)
        assert m[:] == b""
        m.append(b"again")
    assert path.read_bytes() == b"again"


@pytest.mark.parametrize("offset", [0, 1, 100, 4095, 4096, 4097, 9999, 10_000])
def test_any_offset(make, offset):
    data = os.urandom(10_000)
    path = make(data)
    with fastmmap.open(path, offset=offset) as m:
        assert m[:] == data[offset:]
    size = min(7, len(data) - offset)
    with fastmmap.open(path, "r+", size=size, offset=offset) as m:
        m[:] = b"x" * size
        m.flush(0, size)
        m.advise("willneed", 0, size)
    assert path.read_bytes() == data[:offset] + b"x" * size + data[offset + size :]


def test_memory():
    with fastmmap.open(None, size=10) as m:
        assert (m[:], m.backend, m.name) == (bytes(10), "memory", None)
        m[2:5] = b"abc"
        m.append(b"tail")
        m.resize(20_000)
        assert m[:14] == b"\0\0abc" + bytes(5) + b"tail"
        m.flush()
        m.advise("dontneed")
        assert m[2:5] == b"abc"
        m.resize(3)
        assert m[:] == b"\0\0a"
    with pytest.raises(ValueError, match="size"):
        fastmmap.open(None)
    with fastmmap.open(None, size=0) as m:
        assert m[:] == b""


@pytest.mark.parametrize(
    ("index", "value", "error"),
    [
        (0, 256, ValueError),
        (0, -1, ValueError),
        (0, b"a", TypeError),
        (0, 1.0, TypeError),
        (18, 1, IndexError),
        (-19, 1, IndexError),
        (2**70, 1, IndexError),
        ("a", 1, TypeError),
        (slice(0, 3), b"ab", ValueError),
        (slice(0, 3), b"abcd", ValueError),
        (slice(0, 3), "abc", TypeError),
        (slice(0, 3), 5, TypeError),
        (slice(0, 6, 2), b"ab", ValueError),
        (slice("a", None), b"ab", TypeError),
    ],
)
def test_stores_that_are_refused(text, index, value, error):
    with fastmmap.open(text, "r+") as m:
        with pytest.raises(error):
            m[index] = value
        with pytest.raises(TypeError):
            del m[index]
        assert m[:] == b"hello mapped world"


def test_read_only_is_read_only(text):
    with fastmmap.open(text) as m:
        with pytest.raises(TypeError, match="read-only"):
            m[0] = 1
        with pytest.raises(TypeError, match="read-only"):
            m[:2] = b"ab"
        for change in (lambda: m.replace(b"l", b"L"), lambda: fastmmap.replace(m, b"l", b"L")):
            with pytest.raises(BufferError, match="read-only"):
                change()
        with pytest.raises(BufferError, match="read-only"):
            fastmmap.append(m, 0, b"x")


def test_iterating_says_what_to_iterate(text):
    with fastmmap.open(text) as m, pytest.raises(TypeError, match=r"m\.lines.*memoryview\(m\)"):
        iter(m)


def test_advice(text):
    with fastmmap.open(text, "r+") as m:
        for advice in system.ADVICE:
            m.advise(advice)
            m.advise(advice, 3, 4)
        with pytest.raises(ValueError, match="sequential.*'faster'"):
            m.advise("faster")
        with pytest.raises(ValueError, match="not within"):
            m.advise("normal", 10, 9)
        with pytest.raises(ValueError, match="not within"):
            m.flush(19)
        with pytest.raises(ValueError, match="not within"):
            m.flush(-1, 3)
        assert m[:] == b"hello mapped world"


def test_ranges(make):
    data = b"".join(b"line %d\n" % i for i in range(100)) + b"no newline"
    with fastmmap.open(make(data)) as m:
        for n in (1, 2, 3, 7, 50, 1000):
            ranges = m.ranges(n)
            assert len(ranges) <= n
            assert [low for low, _ in ranges] == [0] + [high for _, high in ranges[:-1]]
            assert ranges[-1][1] == len(data)
            assert all(data[high - 1 : high] == b"\n" for _, high in ranges[:-1])
        assert m.ranges(4, align=None) == m.ranges(4, align=b"")
        assert len(m.ranges(4, align=None)) == 4
        assert m.ranges(5, align="line 99\n") == [(0, data.index(b"no n")), (data.index(b"no n"), len(data))]
        assert m.ranges(5, align=b"absent") == [(0, len(data))]
        for bad in (0, -1):
            with pytest.raises(ValueError, match="ranges"):
                m.ranges(bad)


def test_threads_read_while_it_closes(text):
    """Whatever comes first, a thread gets an answer or a ValueError."""
    for _ in range(50):
        m = fastmmap.open(text)
        answers = []

        def read(m=m, answers=answers):
            try:
                while True:
                    answers.append(m.find(b"world"))
            except ValueError:
                answers.append("closed")

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        m.close()
        for thread in threads:
            thread.join()
        assert set(answers) <= {13, "closed"}


def test_an_index_that_closes_the_mapping(text):
    class Closing:
        def __init__(self, m):
            self.m = m

        def __index__(self):
            self.m.close()
            return 0

    for use in (lambda m, i: m[i], lambda m, i: m.find(b"h", i), lambda m, i: m[i:],
                lambda m, i: fastmmap.count(m, b"h", i), lambda m, i: m.gather([0], i)):  # fmt: skip
        m = fastmmap.open(text)
        with pytest.raises(ValueError, match="closed"):
            use(m, Closing(m))


def test_mapping_of_an_open_mmap_can_not_close_under_a_kernel():
    memory = mmap.mmap(-1, 4096)
    matches = fastmmap.iter_find(memory, b"\0")
    next(matches)
    with pytest.raises(BufferError):
        memory.close()
    del matches
    memory.close()
    with pytest.raises(ValueError, match="closed"):
        fastmmap.find(memory, b"\0")


def test_huge_steps():
    with fastmmap.open(None, size=10) as m:
        m[3 :: sys.maxsize] = b"x"
        assert m[3 :: sys.maxsize] == m[3 :: -sys.maxsize] == b"x"
        with pytest.raises(TypeError):
            m[0] = None


@pytest.mark.skipif(sys.version_info < (3, 12), reason="a Python class can't export a buffer before 3.12")
def test_a_class_that_exports_a_large_buffer():
    class Exporter:
        def __init__(self, data):
            self.data = data

        def __buffer__(self, flags):
            return memoryview(self.data)

    data = bytearray(1 << 25) + b"end"
    assert fastmmap.find(Exporter(data), b"end", threads=2) == 1 << 25
    assert fastmmap.count(Exporter(data), b"end", threads=2) == 1
    assert fastmmap.replace(Exporter(data), b"end", b"dne", threads=2) == 1
