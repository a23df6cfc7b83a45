"""The answers, computed from `bytes` by the shortest way that can't be wrong. Shared by the tests of every verb."""

from __future__ import annotations

import itertools
import re

# (needle, haystack): what is special about it is what the needle does to itself or to the haystack's ends.
SEEDS = [
    (b"a", b"a"),
    (b"a", b"b"),
    (b"a", b""),
    (b"ab", b"ab"),
    (b"ab", b"aab"),
    (b"aa", b"aaaaa"),
    (b"aba", b"ababababa"),
    (b"abab", b"abababab"),
    (b"abc", b"ab"),
    (b"abc", b"zabzabcabcab"),
    (b" the ", b" the the the  the "),
    (b"\n", b"\n\n\n"),
    (b"\x00", b"\x00\x01\x00"),
    (b"\x00\x00", b"\x00\x00\x00"),
    (b"\xff\xfe", b"\xff\xff\xfe"),
    (b"aaaaaaaab", b"aaaaaaaaaaaaaaaab"),
    (b"baaaaaaaa", b"baaaaaaaaaaaaaaaa"),
    (b"x" * 17, b"x" * 40),
    (b"ab" * 20, b"ab" * 45),
    (b"Ab", b"aBAbab"),
    (b"@[`{", b"@[`{" * 3),
    ("ß".encode(), "ßẞß".encode()),
]


def positions(haystack, needle, start=0, end=None, overlapping=False, ignorecase=False):
    """The offsets of all matches, by bytes.find alone."""
    haystack = bytes(haystack)
    if ignorecase:  # ASCII alone: bytes.lower is exactly that
        haystack, needle = haystack.lower(), needle.lower()
    start, end, _ = slice(start, end).indices(len(haystack)) if start <= len(haystack) else (start, -1, 1)
    if not needle:
        return list(range(start, end + 1))
    found = []
    offset = haystack.find(needle, start, end) if end >= 0 else -1
    while offset >= 0:
        found.append(offset)
        offset = haystack.find(needle, offset + (1 if overlapping else len(needle)), end)
    return found


# --- many needles ---


def occurrences(text, needles, start=0, end=None, ignorecase=False):
    """All that stands in text[start:end], by offset, then by needle. Of equal ones the first counts."""
    if ignorecase:
        text, needles = text.lower(), [each.lower() for each in needles]
    start, end, _ = slice(start, end).indices(len(text))
    found = []
    for number, each in enumerate(needles):
        at = text.find(each, start, end) if needles.index(each) == number else -1
        while at >= 0:
            found.append((at, number))
            at = text.find(each, at + 1, end)
    return sorted(found)


def matches(text, needles, *span, ignorecase=False):
    """Of those the one that starts first, the longest of those that start there, and on behind it."""
    found, free = [], 0
    for at, together in itertools.groupby(
        occurrences(text, needles, *span, ignorecase=ignorecase), key=lambda each: each[0]
    ):
        if at >= free:
            number = max((number for _, number in together), key=lambda number: len(needles[number]))
            found.append((at, number))
            free = at + len(needles[number])
    return found


def replaced(text, pairs, count=-1, ignorecase=False):
    """What re makes of a text by {old: new, ...}, and how many of each pair it replaced."""
    counts = dict.fromkeys(pairs, 0)
    spelt = {old.lower() if ignorecase else old: old for old in reversed(pairs)}  # of equal ones the first counts

    def new_of(match):
        old = spelt[match.group().lower() if ignorecase else match.group()]
        counts[old] += 1
        return pairs[old]

    if pairs and count:
        alternatives = b"|".join(map(re.escape, sorted(pairs, key=len, reverse=True)))
        flags = re.IGNORECASE if ignorecase else 0
        text = re.sub(alternatives, new_of, text, count=max(count, 0), flags=flags)
    return text, tuple(counts.values())


# --- lines ---


def grepped(text, search, invert=False):
    """(offset, start, end, line, number) of each line in which something is found: the definition of grep."""
    found, start = [], 0
    for number, line in enumerate(lines_of(text)):
        hit = search(line)
        if (hit is None) == invert:
            found.append((start if invert else start + hit.start(), start, start + len(line), line, number))
        start += len(line) + 1
    return found


def lines_of(text):
    """The lines, without their newlines. A final one opens no line."""
    lines = text.split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines
