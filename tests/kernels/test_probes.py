"""Needles whose bytes stand in a text, but not together: probes are chosen on it, and anew where it changes."""

from __future__ import annotations

import random

import pytest
from support.oracle import positions

LINES = {
    "JSON": lambda rng: b'{"ts":%d,"path":"/api/v4/items/%d","ms":%d}\n' % tuple(rng.randrange(9999) for _ in range(3)),
    "log": lambda rng: (
        b"2015-07-29 %d - INFO [QuorumPeer:/0.0.0.0:2181] connection %d\n" % (rng.randrange(99), rng.randrange(99))
    ),
    "hex": lambda rng: b"%032x  %016x\n" % (rng.getrandbits(128), rng.getrandbits(60)),
    "Cyrillic": lambda rng: " ".join(rng.choices(("слово", "дело", "поле", "море"), k=9)).encode() + b"\n",
    "zeros": lambda rng: bytes(200),
    "one letter": lambda rng: b"a" * 100 + b"ab"[rng.randrange(2) :],
}


def lines(kind, size, rng):
    """Some 64 KiB of lines, again and again."""
    text = b"".join(LINES[kind](rng) for _ in range(900))
    return (text * (size // len(text) + 1))[:size]


def near_misses(text, rng, number):
    """Pieces of a text, as they are, and with a byte changed to another of the text's."""
    for _ in range(number):
        length = rng.choice((3, 4, 7, 12, 16, 17, 24, 40, 300, 700))
        at = rng.randrange(len(text) - length)
        needle = bytearray(text[at : at + length])
        yield bytes(needle)
        needle[rng.randrange(length)] = rng.choice(text)
        yield bytes(needle)


def check(kernel, text, needle):
    expected = positions(text, needle)
    assert kernel.count(text, needle, threads=1) == len(expected)
    assert kernel.find_all(text, needle, threads=1).tolist() == expected
    for start in (0, len(text) // 3):
        assert kernel.find(text, needle, start, threads=1) == text.find(needle, start)
    for end in (len(text), len(text) // 2):
        assert kernel.rfind(text, needle, 0, end, threads=1) == text.rfind(needle, 0, end)


@pytest.mark.parametrize("kind", LINES)
def test_near_misses(kernel, kind):
    rng = random.Random(kind)
    text = lines(kind, 700_000, rng)
    for needle in near_misses(text[:50_000], rng, 4 if kernel.name in ("python", "scalar") else 20):
        check(kernel, text, needle)


def test_a_text_that_changes(kernel):
    """What was chosen on megabytes of a header is chosen anew behind it; the other way round, and backwards."""
    rng = random.Random(3)
    size = 600_000 if kernel.name in ("python", "scalar") else 2_000_000
    texts = [lines(kind, size, rng) for kind in ("zeros", "JSON", "hex", "JSON", "log", "one letter")]
    text = b"".join(texts)
    for piece in texts:
        for needle in near_misses(piece[:50_000], rng, 1):
            check(kernel, text, needle)


def test_letters_in_either_case(kernel):
    rng = random.Random(4)
    text = lines("log", 500_000, rng)
    for needle in near_misses(text[:50_000], rng, 4):
        lowered = positions(text.lower(), needle.lower())
        assert kernel.count(text, needle.swapcase(), ignorecase=True, threads=1) == len(lowered)
        assert kernel.find(text, needle, ignorecase=True, threads=1) == text.lower().find(needle.lower())
        assert kernel.rfind(text, needle, ignorecase=True, threads=1) == text.lower().rfind(needle.lower())


@pytest.mark.parametrize("distance", [1, 2, 60, 63, 64, 65, 300, 5000, 20_000, 70_000, 1_500_000])
def test_from_match_to_match(kernel, distance):
    """Near ones are found before a kernel is set to work, those further away by larger and larger steps."""
    text = (b"#" * (distance % 3) + b"e~#~e") * 7 if distance < 5 else (b"x" * (distance - 5) + b"~#~~#") * 4
    for needle in (b"~#", b"~", b"~#~~"):
        expected, found, start = positions(text, needle, overlapping=True), [], -1
        while (start := kernel.find(text, needle, start + 1)) >= 0:
            found.append(start)
        assert found == expected
        found, end = [], len(text)
        while (start := kernel.rfind(text, needle, 0, end)) >= 0:
            found.append(start)
            end = start + len(needle) - 1
        assert found[::-1] == expected
