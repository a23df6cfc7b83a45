"""grep: needles and regular expressions made at random, in texts of lines, against a walk over all lines by `re`."""

from __future__ import annotations

import io
import random
import re
import warnings
from pathlib import Path

import pytest
from support.oracle import grepped, lines_of
from support.patterns import LOG, PATTERNS

import fastmmap
from fastmmap import finders, line_windows
from tools.fuzz import texts

ATOMS = (
    b"a", b"b", b"ab", b"the", b"cat", b"A", b".", b"[ab]", b"[^a]", b"[a-c]", rb"\w", rb"\d", rb"\s", rb"\W", rb"\x00",
    b"\xff", rb"\n", b"[^\n]", b"[]a]", b"\\.", b" ",
)  # fmt: skip
PLACES = (b"^", b"$", rb"\b", rb"\B", rb"\A", rb"\Z")
FEW, MANY = (b"?", b"??", b"{2}", b"{0,2}", b"{0}"), (b"*", b"+", b"*?", b"+?", b"{2,}", b"{1,5}")
GROUPS = (b"(%s)", b"(?:%s)", b"(?=%s)", b"(?!%s)", b"(?i:%s)", b"(?-i:%s)", b"(?s:%s)", b"(?:%s)?")
LOG_LINES = LOG.splitlines()
# Without one that takes `re` years where there are many a's in a row.
KNOWN = [pattern for pattern in PATTERNS if pattern != rb"(a*)*b"]
FLAGS = (0, 0, 0, re.IGNORECASE, re.DOTALL, re.MULTILINE)


def a_pattern(rng: random.Random, depth: int = 3) -> bytes:
    """What is repeated without a bound holds no such repeat, which could take `re` years."""
    pieces = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        kind = rng.randrange(8)
        if kind < 4 or depth == 0:
            pieces.append(rng.choice(ATOMS) + rng.choice((b"", b"", b"", *FEW, *MANY)))
        elif kind == 4:
            pieces.append(rng.choice(PLACES))
        elif kind == 5:
            pieces.append(b"(?:%s|%s)" % (a_pattern(rng, depth - 1), a_pattern(rng, depth - 1)))
        elif kind == 6:
            pieces.append(rng.choice(GROUPS) % a_pattern(rng, depth - 1))
        else:
            pieces.append(b"(?:%s)" % a_needle(rng) + rng.choice(MANY))
    return b"".join(pieces)


def a_needle(rng: random.Random) -> bytes:
    return rng.choice((b"a", b"the", b"cat", b"ab", b"b", b"aa", b"the cat"))


def case(rng: random.Random, folder: Path) -> None:
    letters = rng.choice((b"ab", b"abA", b"aAbB\x00\xff", b"the ca1"))
    lines = [
        rng.choice(LOG_LINES) if rng.random() < 0.2 else texts.a_text(rng, letters, [a_needle(rng)])[:24]
        for _ in range(rng.choice((0, 1, 5, 40)))
    ]
    text = b"\n".join(lines) + b"\n" * (rng.random() < 0.5)
    ignorecase, invert = rng.random() < 0.2, rng.random() < 0.2
    pattern, search = asked(rng, ignorecase)
    if search is None:
        return
    around = rng.choice((0, 0, 1, 3)), rng.choice((0, 0, 1, 3))
    options = {"ignorecase": ignorecase, "invert": invert, "before": around[0], "after": around[1]}
    expected = grepped(text, search, invert)
    limit = rng.choice((None, None, 0, 1, 3))
    with pytest.MonkeyPatch.context() as patch:
        if rng.random() < 0.7:  # windows and blocks of a few lines have bounds everywhere
            for module, name in ((line_windows, "FIRST"), (finders, "FIRST_BLOCK"), (finders, "MOST_BLOCK")):
                patch.setattr(module, name, rng.choice((1, 20, 50)))
            patch.setattr(line_windows, "MOST", 400)
            texts.small_blocks(patch, rng)
        source = io.BytesIO(text) if rng.random() < 0.3 else texts.placed(rng, text)
        matches = list(fastmmap.grep(source, pattern, limit=limit, threads=rng.choice((None, 1, 2)), **options))
    facts = [(match.offset, match.start, match.end, match.line, match.number) for match in matches]
    assert facts == expected[:limit], (pattern, text)
    check_around(matches, lines_of(text), around)


def asked(rng: random.Random, ignorecase: bool):
    """What is looked for, and the search of a line; None for a pattern that `re` refuses."""
    kind = rng.randrange(4)
    if kind == 0:
        needles = [a_needle(rng) for _ in range(rng.choice((1, 1, 2, 5)))]
        own = b"|".join(map(re.escape, sorted(needles, key=len, reverse=True)))
        found = re.compile(own, re.IGNORECASE if ignorecase else 0)
        return (needles[0] if len(needles) == 1 else needles), found.search
    pattern = rng.choice(KNOWN) if kind == 1 else a_pattern(rng)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # possible set differences, and the like
            compiled = re.compile(pattern, rng.choice(FLAGS))
            # As grep does it where letters match in both cases.
            folded = re.compile(compiled.pattern, compiled.flags | re.IGNORECASE) if ignorecase else compiled
    except (re.error, ValueError, OverflowError):
        return None, None
    return compiled, folded.search


def check_around(matches, lines: list[bytes], around: tuple[int, int]) -> None:
    """Lines around matches are those of the text, and no line comes twice."""
    shown = -1
    for match in matches:
        first, last = match.number - len(match.before), match.number + len(match.after)
        assert shown < first, "a line came twice"
        assert [*match.before, match.line, *match.after] == lines[first : last + 1]
        assert len(match.before) == min(around[0], match.number - shown - 1)
        assert len(match.after) <= around[1]
        shown = last
    if matches:
        assert matches[-1].number + around[1] >= len(lines) or len(matches[-1].after) == around[1]
