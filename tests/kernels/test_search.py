"""find, rfind, count, find_all and iter_find of every kernel, against bytes."""

from __future__ import annotations

import array
import itertools
import mmap
import random
import sys

import numpy
import pytest
from support.oracle import SEEDS, positions

# How much stands before a text, and how much behind it: each remainder by each power of two up to 128, in another order
# on the other side.
PADDINGS = [(front, front * 55 % 129) for front in range(129)]


def check(kernel, haystack, needle, *span, **options):
    """Every search function gives what bytes gives."""
    expected = positions(haystack, needle, *span, **options)
    overlaps = positions(haystack, needle, *span, **{**options, "overlapping": True})
    case = {"ignorecase": options.get("ignorecase", False)}
    assert kernel.find(haystack, needle, *span, **case) == (expected[0] if expected else -1)
    assert kernel.rfind(haystack, needle, *span, **case) == (overlaps[-1] if overlaps else -1)
    assert kernel.count(haystack, needle, *span, **options) == len(expected)
    found = kernel.find_all(haystack, needle, *span, **options)
    assert found.dtype == numpy.int64
    assert found.tolist() == expected
    assert list(kernel.iter_find(haystack, needle, *span, **options)) == expected


@pytest.mark.parametrize(("needle", "haystack"), SEEDS)
def test_seeds_at_every_alignment(kernel, needle, haystack):
    for front, back in PADDINGS:
        for filler in (b"~", needle[:1]):
            check(kernel, filler * front + haystack + filler * back, needle)
            check(kernel, filler * front + haystack, needle)
            check(kernel, haystack + filler * back, needle)


@pytest.mark.parametrize("overlapping", [False, True])
@pytest.mark.parametrize("ignorecase", [False, True])
@pytest.mark.parametrize(("needle", "haystack"), SEEDS)
def test_options(kernel, needle, haystack, overlapping, ignorecase):
    for pad, between in PADDINGS:
        text = b"." * pad + haystack.swapcase() + b"." * between + haystack
        check(kernel, text, needle, overlapping=overlapping, ignorecase=ignorecase)


def test_small_alphabet_exhaustively(kernel):
    longest = 7 if kernel.name == "python" else 11
    needles = [bytes(n) for length in range(5) for n in itertools.product(b"ab", repeat=length)]
    for length in range(longest + 1):
        for letters in itertools.product(b"ab", repeat=length):
            for needle in needles:
                check(kernel, bytes(letters), needle)


def test_never_reads_outside(kernel, fence):
    """Haystacks of every length up to some hundred, right before and right after a page that kills."""
    lengths = range(330) if kernel.name != "python" else (0, 1, 15, 100, 329)
    for length in lengths:
        text = (b"xyxxxy" * 60)[:length]
        for needle in (b"x", b"xy", b"yxxxy", b"xyxxxyxz", b"xyxxxy" * 2, (b"xyxxxy" * 3)[:17], b"xyxxxy" * 6):
            expected = positions(text, needle)
            for view in (fence.at_end(text), fence.at_start(text)):
                assert kernel.find_all(view, needle).tolist() == expected
                assert kernel.count(view, needle) == len(expected)
                assert kernel.rfind(view, needle) == text.rfind(needle)
                assert kernel.find(view, needle, ignorecase=True) == text.find(needle)


HUGE = 2**70
SPANS = [
    (0, 3),
    (2,),
    (-4,),
    (-4, -1),
    (3, 2),
    (5, 5),
    (12,),
    (13,),
    (99,),
    (0, 99),
    (-99, 99),
    (None, None),
    (None, 4),
]
SPANS += [(HUGE,), (0, HUGE), (-HUGE, HUGE), (0, -HUGE)]


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("needle", [b"", b"a", b"ab", b"abcabcabcabc", b"zz"])
def test_spans_are_slices(kernel, span, needle):
    text = b"abcabcabcabc"
    assert kernel.find(text, needle, *span) == text.find(needle, *span)
    assert kernel.rfind(text, needle, *span) == text.rfind(needle, *span)
    assert kernel.count(text, needle, *span) == text.count(needle, *span)
    found = kernel.find_all(text, needle, *span).tolist()
    assert found == list(kernel.iter_find(text, needle, *span))
    assert len(found) == text.count(needle, *span)
    assert found[:1] == [text.find(needle, *span)] * bool(found)


def test_an_empty_needle_stands_everywhere(kernel):
    assert kernel.find_all(b"abc", b"").tolist() == [0, 1, 2, 3]
    assert kernel.find_all(b"abc", b"", limit=2).tolist() == [0, 1]
    assert kernel.find_all(b"abc", b"", 3).tolist() == [3]
    assert kernel.find_all(b"abc", b"", 4).tolist() == []
    assert kernel.find_all(b"", b"").tolist() == [0]
    assert list(kernel.iter_find(b"abc", b"", 1, 2)) == [1, 2]


def test_random_text_with_false_candidates(kernel):
    rng = random.Random(1)
    text = bytes(rng.choices(b"abc \n", weights=(5, 3, 1, 5, 1), k=30_000))
    for length in (1, 2, 3, 5, 8, 33, 100):
        for _ in range(4):
            at = rng.randrange(len(text) - length)
            check(kernel, text, text[at : at + length])
            check(kernel, text, text[at : at + length].upper(), ignorecase=True, overlapping=True)


def test_more_than_a_step_and_more_than_a_sample(kernel):
    """Above 256 KiB the probes are chosen on the haystack, above 1 MiB there are several steps."""
    unit = b"the quick brown fox jumps over the lazy dog \n"
    text = unit * 60_000  # 2.7 MB
    for needle in (b"the", b" the lazy ", b"\n", b"dog \nthe", b"absent!", unit * 3):
        assert kernel.count(text, needle) == text.count(needle)
        assert kernel.find(text, needle, 5) == text.find(needle, 5)
        assert kernel.rfind(text, needle) == text.rfind(needle)
        assert kernel.find_all(text, needle).tolist() == positions(text, needle)


def test_limit(kernel):
    text = b"ab" * 5000
    assert kernel.find_all(text, b"a", limit=0).tolist() == []
    assert kernel.find_all(text, b"a", limit=3).tolist() == [0, 2, 4]
    assert kernel.find_all(text, b"a", limit=600).tolist() == list(range(0, 1200, 2))
    assert kernel.find_all(text, b"a", limit=10**30).size == 5000
    with pytest.raises(ValueError, match="limit"):
        kernel.find_all(text, b"a", limit=-1)


def test_what_a_needle_may_be(kernel):
    text = "naïve café".encode() + bytes(range(256))
    assert kernel.find(text, "café") == text.find("café".encode())
    assert kernel.find(text, 65) == text.find(65)
    assert kernel.count(text, True) == text.count(True)
    assert kernel.find(text, bytearray(b"ve ")) == kernel.find(text, memoryview(b"ve ")) == text.find(b"ve ")
    assert kernel.find(text, numpy.frombuffer(b"ve ", dtype=numpy.uint8)) == text.find(b"ve ")
    for bad in (256, -1, 2**80):
        with pytest.raises(ValueError, match=r"byte must be in range\(0, 256\)"):
            kernel.find(text, bad)
    for bad in (1.5, None, {1}, object()):
        with pytest.raises(TypeError, match="needle"):
            kernel.count(text, bad)


def test_what_a_buffer_may_be(kernel):
    with mmap.mmap(-1, 4096) as memory:
        memory[100:103] = b"xyz"
        assert kernel.find(memory, b"xyz") == 100
        memory.close()  # no export is left behind: else it is a BufferError
    assert kernel.find(bytearray(b"axyz"), b"xyz") == 1
    integers = array.array("i", [1, 2])
    assert kernel.find(integers, b"\x02") == integers.tobytes().find(2) >= 4
    assert kernel.find(numpy.arange(6, dtype=">i2").reshape(2, 3), b"\x00\x05") == 10
    assert kernel.count(numpy.zeros((0, 3)), b"a") == 0


@pytest.mark.skipif(sys.version_info < (3, 12), reason="classes export buffers from 3.12 on")
def test_what_a_class_exports(kernel):
    class Exporting:
        def __init__(self, data):
            self.data = bytearray(data)

        def __buffer__(self, flags):
            return memoryview(self.data)

    text = Exporting(b"the cat sat")
    needle = Exporting(b"at")
    assert (kernel.find(text, needle), kernel.rfind(text, needle), kernel.count(text, needle)) == (5, 9, 2)
    assert kernel.find_all(text, needle).tolist() == list(kernel.iter_find(text, needle)) == [5, 9]
    assert kernel.find_each(text, [needle])[0].tolist() == [5, 9]
    assert kernel.line_starts(text).tolist() == [0]
    assert kernel.replace(text, Exporting(b"cat"), Exporting(b"dog")) == 1
    assert kernel.append(text, 8, Exporting(b"ran")) == 11
    assert text.data == b"the dog ran"


def test_nothing_stays_exported(kernel):
    text = bytearray(b"some text some" * 1000)
    kernel.find(text, b"text"), kernel.rfind(text, b"x"), kernel.count(text, b"e"), kernel.find_all(text, b"some")
    for bad in (lambda: kernel.find(text, b"x", 1.5), lambda: kernel.find(text, 999)):
        with pytest.raises((TypeError, ValueError)):
            bad()
    matches = kernel.iter_find(text, b"some")
    assert next(matches) == 0
    with pytest.raises(BufferError):
        text.clear()
    del matches
    assert len(list(kernel.iter_find(text, b"some"))) == 2000
    text.clear()


def test_iter_find_goes_on_where_it_stopped(kernel):
    text = b"a" * 2000
    matches = kernel.iter_find(text, b"aa", overlapping=True)
    assert iter(matches) is matches
    assert [next(matches) for _ in range(1999)] == list(range(1999))
    assert next(matches, None) is None
    assert next(matches, None) is None


def test_only_ascii_letters_fold(kernel):
    every = bytes(range(256))
    for byte in range(256):
        expected = [i for i in range(256) if bytes([i]).lower() == bytes([byte]).lower()]
        assert kernel.find_all(every, byte, ignorecase=True).tolist() == expected
        assert kernel.find_all(every * 2, bytes([byte, (byte + 1) % 256]), ignorecase=True).tolist() == positions(
            every * 2, bytes([byte, (byte + 1) % 256]), ignorecase=True
        )


def test_a_needle_in_the_haystack_itself(kernel):
    text = bytearray(b"one two one two")
    assert kernel.count(text, memoryview(text)[4:7]) == 2
    assert kernel.count(text, text) == 1
