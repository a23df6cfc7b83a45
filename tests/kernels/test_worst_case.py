"""Needles and haystacks made to cost a search much: it stays correct, and it stays linear."""

from __future__ import annotations

import itertools
import random
import time

import pytest
from support.hard import hard
from support.oracle import positions

# A walk turns to Two-Way after about a hundred attempts that fail, so what is to be searched that way comes after, or
# before, so many near misses.
ATTEMPTS = 300


def near_misses(needle, rng):
    """The needle again and again, each time with another byte wrong."""
    pieces = []
    for _ in range(ATTEMPTS):
        at = rng.randrange(len(needle))
        pieces.append(needle[:at] + (b"b" if needle[at : at + 1] == b"a" else b"a") + needle[at + 1 :])
    return b"".join(pieces)


def check(kernel, text, needle):
    for ignorecase, overlapping in itertools.product((False, True), repeat=2):
        options = {"ignorecase": ignorecase, "overlapping": overlapping}
        expected = positions(text, needle, **options)
        assert kernel.count(text, needle, **options) == len(expected)
        assert kernel.find_all(text, needle, **options).tolist() == expected
    assert kernel.find(text, needle) == text.find(needle)
    assert kernel.rfind(text, needle) == text.rfind(needle)
    first = text.find(needle)
    assert kernel.find(text, needle, first + 1) == text.find(needle, first + 1)
    last = text.rfind(needle)
    if last >= 0:
        end = last + len(needle) - 1
        assert kernel.rfind(text, needle, 0, end) == text.rfind(needle, 0, end)


def needles():
    rng = random.Random(3)
    for length in (9, 10, 12, 17, 33, 70):
        yield b"a" * length
        yield b"a" * (length - 1) + b"b"
        yield b"b" + b"a" * (length - 1)
        yield b"a" * (length // 2) + b"b" + b"a" * (length - length // 2 - 1)
        yield (b"ab" * length)[:length]
        yield (b"aab" * length)[:length]
        yield (b"abaab" * length)[:length]
        yield bytes(rng.choices(b"ab", k=length))
    one, two = b"a", b"ab"
    while len(two) < 90:
        one, two = two, two + one
    yield two  # a Fibonacci word: it overlaps itself in as many ways as can be


@pytest.mark.parametrize("needle", list(needles()))
def test_after_near_misses(kernel, needle):
    rng = random.Random(needle)
    misses = near_misses(needle, rng)
    for _ in range(4):
        text = bytes(rng.choices(b"abA", weights=(8, 3, 1), k=200))
        hits = text + needle + needle[-3:] + needle + text[:50] + needle[:-1] + needle
        check(kernel, misses + hits + misses, needle)
    check(kernel, misses + needle * 5 + needle[1:] + misses, needle)


def test_every_needle_of_nine(kernel):
    """All needles of nine letters, in one text that has all texts of nine letters."""
    if kernel.name == "python":
        pytest.skip("re is not ours")
    rng = random.Random(4)
    every = b"".join(bytes(letters) for letters in itertools.product(b"ab", repeat=9))
    for letters in itertools.product(b"ab", repeat=9):
        needle = bytes(letters)
        text = near_misses(needle, rng) + every + near_misses(needle, rng)
        assert kernel.find_all(text, needle).tolist() == positions(text, needle)
        assert kernel.count(text, needle, overlapping=True) == len(positions(text, needle, overlapping=True))
        last = text.rfind(needle)
        assert kernel.rfind(text, needle) == last
        assert kernel.rfind(text, needle, 0, last + 8) == text.rfind(needle, 0, last + 8)


def search_all(kernel, length, size):
    """Every search of hard(length, size), each checked; returns the CPU time that they took."""
    taken = 0.0
    for needle, name, text in hard(length, size):
        began = time.process_time()
        found = kernel.find(text, needle, 1), kernel.rfind(text, needle), kernel.count(text, needle)
        kernel.count(text, needle, ignorecase=True)
        kernel.count(text, needle, overlapping=True)
        taken += time.process_time() - began
        # bytes.rfind is quadratic, bytes.find isn't
        mirrored = text[::-1].find(needle[::-1])
        last = size - mirrored - length if mirrored >= 0 else -1
        assert found == (text.find(needle, 1), last, text.count(needle)), (name, needle[:20])
    return taken


def test_linear(kernel):
    """A needle that is 64 times as long takes a linear search no longer, and a simple one 64 times."""
    if kernel.name == "python":
        pytest.skip("re is quadratic")
    search_all(kernel, 16, 1 << 20)
    short, long = search_all(kernel, 1 << 10, 1 << 20), search_all(kernel, 1 << 16, 1 << 20)
    assert long < 16 * short
