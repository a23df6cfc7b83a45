"""replace and substitution of every kernel, against bytes.replace."""

from __future__ import annotations

import itertools
import mmap
import os
import sys

import numpy
import pytest
from support.oracle import SEEDS

import fastmmap


def other(needle):
    """Something as long as the needle that differs from it."""
    return bytes(255 - byte for byte in needle)


def rewritten(kernel, data, old, new, count=-1, block=64):
    """What substitution gives, and how many it replaced."""
    out, room = bytearray(), bytearray(max(block, len(new)))
    with kernel.substitution(data, old, new, count) as edit:
        while filled := edit.readinto(room):
            out += room[:filled]
        return bytes(out), edit.replaced


@pytest.mark.parametrize(("old", "text"), SEEDS)
def test_replace_in_place(kernel, old, text):
    for pad in (0, 1, 31, 64, 100):
        for count in (-1, 0, 1, 2, 1000):
            data = bytearray(b"." * pad + text * 3 + b"." * pad)
            expected = bytes(data).replace(old, other(old), count)
            number = bytes(data).count(old)
            assert kernel.replace(data, old, other(old), count) == (number if count < 0 else min(number, count))
            assert data == expected


@pytest.mark.parametrize(("old", "text"), SEEDS)
def test_substitution(kernel, old, text):
    for pad, block in itertools.product((0, 1, 64), (1, 7, 64, 4096)):
        data = b"." * pad + text * 3 + b"." * pad
        for new in (b"", b"N", old + old, other(old)):
            for count in (-1, 0, 1, 2):
                number = data.count(old)
                expected = data.replace(old, new, count), (number if count < 0 else min(number, count))
                assert rewritten(kernel, data, old, new, count, block) == expected


def test_replace_exhaustively(kernel):
    longest = 6 if kernel.name == "python" else 9
    for length in range(longest + 1):
        for letters in itertools.product(b"ab", repeat=length):
            text = bytes(letters)
            for old in (b"a", b"aa", b"ab", b"aba", b"aab"):
                data = bytearray(text)
                assert kernel.replace(data, old, b"ba"[: len(old)] + b"a" * (len(old) - 2)) == text.count(old)
                assert data == text.replace(old, b"ba"[: len(old)] + b"a" * (len(old) - 2))
                assert rewritten(kernel, text, old, b"bab", block=3)[0] == text.replace(old, b"bab")


def test_replace_more_than_a_step(kernel):
    text = b"the cat and the dog, " * 120_000
    data = bytearray(text)
    assert kernel.replace(data, b"the", b"eht") == 240_000
    assert data == text.replace(b"the", b"eht")
    assert rewritten(kernel, text, b"the", b"longer than before", block=1 << 16) == (
        text.replace(b"the", b"longer than before"),
        240_000,
    )
    assert rewritten(kernel, text, b"and ", b"", 1000, block=1 << 20)[0] == text.replace(b"and ", b"", 1000)


def test_replace_within_a_span(kernel):
    for span in ((2, 9), (-7, -1), (5, 2), (99, 100), (0, None), (None, 4)):
        data = bytearray(b"aabaabaabaab")
        start, end, _ = slice(*span).indices(len(data))
        end = max(start, end)
        expected = data[:start] + data[start:end].replace(b"aab", b"xyz") + data[end:]
        number = data[start:end].count(b"aab")
        assert kernel.replace(data, b"aab", b"xyz", start=span[0], end=span[1]) == number
        assert data == expected


def test_replace_never_touches_its_neighbours(kernel, fence):
    for length in range(200):
        text = (b"abab.ab" * 40)[:length]
        for view in (fence.at_end(text), fence.at_start(text)):
            kernel.replace(view, b"ab", b"yz")
            assert bytes(view) == text.replace(b"ab", b"yz")


def test_old_and_new_may_be_the_buffer(kernel):
    data = bytearray(b"abXYab..ab")
    view = memoryview(data)
    assert kernel.replace(data, view[0:2], view[2:4]) == 3
    assert data == b"XYXYXY..XY"
    assert rewritten(kernel, data, view[0:2], view[2:5])[0] == bytes(data).replace(b"XY", b"XYX")


def test_replacing_by_the_same_writes_nothing(kernel):
    with mmap.mmap(-1, 4096) as memory:
        memory[:4] = b"abab"
        assert kernel.replace(memory, b"ab", b"ab") == 2
        assert kernel.replace(memory, b"ab", b"ab", 1) == 1


def test_str_is_utf8(kernel):
    data = bytearray("größe".encode())
    assert kernel.replace(data, "ö", "ü") == 1
    assert data.decode() == "grüße"


@pytest.mark.parametrize(
    ("buffer", "old", "new", "error", "words"),
    [
        (bytearray(b"abc"), b"", b"", ValueError, "old must not be empty"),
        (bytearray(b"abc"), b"a", b"xy", ValueError, "replace_file"),
        (b"abc", b"a", b"x", BufferError, None),
        (memoryview(b"abc"), b"a", b"x", BufferError, None),
        (numpy.frombuffer(b"abc", dtype=numpy.uint8), b"a", b"x", BufferError, "read-only"),
        (memoryview(bytearray(b"abcd"))[::2], b"a", b"x", BufferError, "contiguous"),
        ("abc", b"a", b"x", TypeError, "fastmmap.open"),
        (12, b"a", b"x", TypeError, "int"),
        (bytearray(b"abc"), 97, b"x", TypeError, "old"),
        (bytearray(b"abc"), b"a", None, TypeError, "new"),
    ],
)
def test_replace_refuses(kernel, buffer, old, new, error, words):
    before = None if isinstance(buffer, int) else str(buffer) if isinstance(buffer, str) else bytes(buffer)
    with pytest.raises(error, match=words):
        kernel.replace(buffer, old, new)
    if before is not None and not isinstance(buffer, str):
        assert bytes(buffer) == before


def test_substitution_refuses(kernel):
    with pytest.raises(ValueError, match="old must not be empty"):
        kernel.substitution(b"abc", b"", b"x")
    with pytest.raises(TypeError, match="pathlib"):
        kernel.substitution("abc", b"a", b"x")
    edit = kernel.substitution(b"abcabc", b"a", b"xyz")
    for block in (bytearray(2), bytearray()):
        with pytest.raises(ValueError, match="no room"):
            edit.readinto(block)
    with pytest.raises(BufferError):
        edit.readinto(bytes(9))
    assert edit.readinto(bytearray(20)) == 10
    edit.close()
    edit.close()
    with pytest.raises(ValueError, match="closed"):
        edit.readinto(bytearray(9))


@pytest.mark.skipif(not os.path.exists("/proc/self/pagemap"), reason="the system doesn't tell which pages are whose")
def test_only_pages_with_a_match_are_written_to(kernel, make):
    """Of a private mapping, so that a page that was written to is no longer the file's."""
    page, pages = mmap.PAGESIZE, 300
    data = bytearray(b"." * page * pages)
    dense = [*range(20, 60), *range(61, 100), 200]
    for number in dense:
        data[number * page : (number + 1) * page] = b"the cat ".ljust(32, b".") * (page // 32)
    for offset in (150 * page, 160 * page - 2, 170 * page - 3, 299 * page + page - 3):
        data[offset : offset + 3] = b"cat"
    path = make(data)
    with fastmmap.open(path, "c") as m, m.view() as view:
        kernel.replace(view, b"cat", b"dog")
        assert m[:] == data.replace(b"cat", b"dog")
        if sys.platform == "win32":
            pytest.skip("this system has no /proc/self/pagemap")
        with open("/proc/self/pagemap", "rb") as file:
            file.seek(numpy.frombuffer(view, numpy.uint8).ctypes.data // page * 8)
            entries = numpy.frombuffer(file.read(8 * pages), numpy.uint64)
        present, of_the_file = entries >> 63 & 1, entries >> 61 & 1
        written = numpy.flatnonzero((present == 1) & (of_the_file == 0)).tolist()
    assert written == sorted([*dense, 150, 159, 160, 169, 299])
    assert path.read_bytes() == data


def test_needle_and_replacement_may_be_part_of_the_buffer(kernel):
    data = bytearray(b"catdog a cat and a dog and a catcat")
    expected = bytes(data).replace(b"cat", b"dog")
    view = memoryview(data)
    assert kernel.replace(view, view[:3], view[3:6]) == 4
    assert data == expected
    data = bytearray(b"abababab")
    view = memoryview(data)
    assert kernel.replace(view, view[0:2], view[1:3]) == 4
    assert data == b"babababa"
