"""grep: against a walk over all lines, and as grep(1) prints lines around matches."""

from __future__ import annotations

import gc
import io
import itertools
import pathlib
import pickle
import random
import re
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.oracle import grepped as expected
from support.patterns import LOG, PATTERNS, SINCE_3_11

import fastmmap
from fastmmap import finders, line_windows

pytestmark = pytest.mark.any_kernel

LINES = LOG.splitlines()
ENOUGH = [pytest.param(pattern, id=repr(pattern)) for pattern in PATTERNS]


def facts(matches):
    return [(match.offset, match.start, match.end, match.line, match.number) for match in matches]


@pytest.fixture(params=[None, 50], ids=["windows", "small windows"])
def _windows(request, monkeypatch):
    """Windows and blocks of a few lines have borders everywhere."""
    if request.param:
        for module, name in [(line_windows, "FIRST"), (finders, "FIRST_BLOCK"), (finders, "MOST_BLOCK")]:
            monkeypatch.setattr(module, name, request.param)
        monkeypatch.setattr(line_windows, "MOST", 400)


@pytest.mark.usefixtures("_windows")
@pytest.mark.parametrize("pattern", ENOUGH)
def test_patterns(pattern):
    compiled = re.compile(pattern)
    for text in (LOG, LOG.rstrip(b"\n"), LOG.replace(b"\n", b"\r\n")):
        assert facts(fastmmap.grep(text, compiled)) == expected(text, compiled.search)
    assert facts(fastmmap.grep(LOG, compiled, invert=True)) == expected(LOG, compiled.search, invert=True)
    folded = re.compile(pattern, re.IGNORECASE)
    assert facts(fastmmap.grep(LOG, compiled, ignorecase=True)) == expected(LOG, folded.search)


@pytest.mark.parametrize(
    "flags", [re.DOTALL, re.MULTILINE, re.VERBOSE, re.IGNORECASE, re.LOCALE, re.DOTALL | re.MULTILINE]
)
@pytest.mark.parametrize("pattern", ENOUGH)
def test_flags_outside(pattern, flags):
    try:
        compiled = re.compile(pattern, flags)
    except (re.error, ValueError):
        pytest.skip("the pattern doesn't go with the flag")
    assert facts(fastmmap.grep(LOG, compiled)) == expected(LOG, compiled.search)


def test_there_are_patterns_of_every_kind():
    assert len(PATTERNS) >= 150
    matching = [pattern for pattern in PATTERNS if any(map(re.compile(pattern).search, LINES))]
    assert len(matching) > 100
    assert any(b"++" in pattern for pattern in PATTERNS) == SINCE_3_11


@pytest.mark.usefixtures("_windows")
@pytest.mark.parametrize(
    "needles",
    [b"error", "error", 101, b"", b"no such thing", b"r\n", [b"error", b"ERROR"], (b"a\nb", b"k"), [b"\n"], [b" "]],
)
def test_needles(needles):
    several = needles if isinstance(needles, (list, tuple)) else [needles]
    own = [
        bytes([each]) if isinstance(each, int) else each.encode() if isinstance(each, str) else each for each in several
    ]
    search = re.compile(b"|".join(map(re.escape, sorted(own, key=len, reverse=True)))).search
    assert facts(fastmmap.grep(LOG, needles)) == expected(LOG, search)
    assert facts(fastmmap.grep(LOG, needles, invert=True)) == expected(LOG, search, invert=True)
    folded = re.compile(search.__self__.pattern, re.IGNORECASE).search
    assert facts(fastmmap.grep(LOG, needles, ignorecase=True)) == expected(LOG, folded)
    if isinstance(needles, list):
        assert facts(fastmmap.grep(LOG, fastmmap.Needles(needles, ignorecase=True))) == expected(LOG, folded)


def printed(matches):
    """What grep prints: with a line -- where something is left out."""
    lines, at = [], None
    for match in matches:
        first = match.number - len(match.before)
        if at is not None and first > at:
            lines.append(b"--")
        lines += [*match.before, match.line, *match.after]
        at = match.number + 1 + len(match.after)
    return lines


def printed_by_walk(lines, hits, before, after):
    shown = sorted({n for hit in hits for n in range(max(hit - before, 0), min(hit + after + 1, len(lines)))})
    out = []
    for previous, number in zip([None, *shown], shown):
        if previous is not None and number > previous + 1:
            out.append(b"--")
        out.append(lines[number])
    return out


@pytest.mark.usefixtures("_windows")
@pytest.mark.parametrize("around", [(0, 1), (1, 0), (1, 1), (2, 3), (100, 0), (0, 100), (7, 7), (10**20, 10**20)])
@pytest.mark.parametrize("pattern", [rb"error", rb"^$", rb"nothing", rb".", rb"\d{9}", rb"kernel|sshd"])
def test_lines_around(pattern, around):
    before, after = around
    search = re.compile(pattern).search
    hits = [number for number, line in enumerate(LINES) if search(line)]
    matches = list(fastmmap.grep(LOG, re.compile(pattern), before=before, after=after))
    assert [match.number for match in matches] == hits
    assert printed(matches) == printed_by_walk(LINES, hits, before, after)
    assert all(len(match.before) <= before and len(match.after) <= after for match in matches)


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from([b"a", b"", b"b", b"ab", b"x\r"]), max_size=30),
    st.booleans(),
    st.sampled_from([b"a", rb"a|^$", rb"b$", rb"x?", rb"(?i)A"]),
    st.integers(0, 4),
    st.integers(0, 4),
    st.booleans(),
)
def test_any_text(lines, ended, pattern, before, after, invert):
    text = b"\n".join(lines) + b"\n" * ended
    own = text.splitlines() if b"\r" not in text else text.removesuffix(b"\n").split(b"\n") if text else []
    search = re.compile(pattern).search
    matches = list(fastmmap.grep(text, re.compile(pattern), before=before, after=after, invert=invert))
    assert facts(matches) == expected(text, search, invert)
    assert printed(matches) == printed_by_walk(own, [match.number for match in matches], before, after)


def test_a_limit_reads_no_further():
    asked = []
    text = b"".join(b"line %d\n" % number for number in range(100_000))
    matches = fastmmap.grep(text, b"line", limit=3, progress=lambda *told: asked.append(told))
    assert [match.line for match in matches] == [b"line 0", b"line 1", b"line 2"]
    assert asked == []
    assert list(fastmmap.grep(text, b"line", limit=0)) == []
    assert len(list(fastmmap.grep(text, re.compile(rb"\d$"), limit=7, after=2))) == 7


def test_the_first_match_comes_before_the_next_is_looked_for(make):
    """Of a mapping, what is behind the first window isn't read for it."""
    text = b"here\n" + b"x" * 99 + b"\n"
    with fastmmap.open(None, size=64 << 20) as m:
        m[: len(text)] = text
        for options in ({}, {"after": 1}):
            match = next(fastmmap.grep(m, b"here", **options))
            assert (match.line, match.number) == (b"here", 0)


@pytest.mark.parametrize("pattern", [b"7 ", re.compile(rb"line \d*7 "), re.compile(rb"\d7 ")])
def test_a_file(make, pattern):
    """Larger than a window, which threads share."""
    lines = 60_000 if fastmmap.kernel == "python" else 2_000_000
    text = b"".join(b"line %d of a file\n" % number for number in range(lines))
    search = pattern.search if isinstance(pattern, re.Pattern) else re.compile(pattern).search
    path = make(text)
    hits = [number for number, line in enumerate(text.splitlines()) if search(line)]
    for source in (path, fastmmap.open(path)):
        matches = list(fastmmap.grep(source, pattern))
        assert [match.start for match in matches[:3]] == [text.index(b"line %d " % number) for number in hits[:3]]
        assert len(matches) == len(hits)
        assert (matches[-1].number, matches[-1].line) == (hits[-1], text.splitlines()[hits[-1]])
        assert matches[0].number == hits[0]


def test_texts_whose_lines_change(make):
    """What a pattern needs is in every line of the first half, and in none of the second, or the other way round."""
    times = 5_000 if fastmmap.kernel == "python" else 50_000
    some, other = b"the first: 12 apples\n" * times, b"nothing of it at all\n" * times
    for text in (some + other, other + some, some + other + some):
        for pattern in (rb"first: (\d+) app\w+s$", rb"first: [^x]", rb"(?<!z)first: \d+"):
            compiled = re.compile(pattern)
            matches = list(fastmmap.grep(text, compiled))
            assert len(matches) == text.count(b"the first")
            assert {match.line for match in matches} == {b"the first: 12 apples"}


def test_giant_lines():
    text = b"a" * 3_000_000 + b"needle" + b"b" * 3_000_000 + b"\nshort\n" + b"c" * 1_000_000
    matches = list(fastmmap.grep(text, b"needle"))
    assert [(match.offset, match.start, match.end) for match in matches] == [(3_000_000, 0, 6_000_006)]
    assert [match.start for match in fastmmap.grep(text, re.compile(rb"needle|t$|c"), before=1)] == [
        0,
        6_000_007,
        6_000_013,
    ]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (("log", b"x"), {}, TypeError, "use pathlib.Path"),
        ((5, b"x"), {}, TypeError, "a buffer or an os.PathLike is needed"),
        ((b"x", 5.5), {}, TypeError, "needle must be"),
        ((b"x", 300), {}, ValueError, "byte must be in range"),
        ((b"x", None), {}, TypeError, "needle must be"),
        ((b"x", [b""]), {}, ValueError, "empty"),
        ((b"x", re.compile("x")), {}, TypeError, "must be one of bytes"),
        ((b"x", [re.compile(b"x")]), {}, TypeError, "needle must be"),
        ((b"x", b"x"), {"before": -1}, ValueError, "before must not be negative: -1"),
        ((b"x", b"x"), {"after": -2}, ValueError, "after must not be negative"),
        ((b"x", b"x"), {"after": 1.5}, TypeError, "after must be an integer, not 'float'"),
        ((b"x", b"x"), {"progress": True}, TypeError, "progress must be callable"),
        ((b"x", b"x"), {"limit": -1}, ValueError, "limit"),
        ((b"x", b"x"), {"threads": 0}, ValueError, "threads"),
        ((memoryview(b"xxxx")[::2], b"x"), {}, BufferError, "contiguous"),
    ],
)
def test_refusals_come_at_the_call(arguments, options, error, words):
    with pytest.raises(error, match=words):
        fastmmap.grep(*arguments, **options)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        fastmmap.grep(tmp_path / "nowhere", b"x")


def test_matches_outlive_their_file(make):
    path = make(LOG)
    with fastmmap.open(path) as m:
        matches = list(fastmmap.grep(m, b"error", before=1))
        first = matches[0].number
    assert matches[0].line in LINES
    assert matches[0].number == first
    with pytest.raises(ValueError, match="closed"):
        matches[-1].number  # noqa: B018
    with fastmmap.open(path) as m:
        running = fastmmap.grep(m, b"error")
    with pytest.raises(ValueError, match="closed"):
        next(running)


def test_a_match_is_a_value():
    matches = list(fastmmap.grep(LOG, b"error", before=1, after=1))
    again = pickle.loads(pickle.dumps(matches))
    assert again == matches
    assert hash(again[0]) == hash(matches[0])
    assert [match.number for match in again] == [match.number for match in matches]
    assert [match.before for match in again] == [match.before for match in matches]
    assert matches[0] != matches[1]
    assert matches[0] != "something else"
    assert isinstance(matches[0], fastmmap.Match)
    assert repr(matches[0]) == f"<fastmmap.Match at {matches[0].offset}: {matches[0].line!r}>"
    for name in ("offset", "start", "end", "line", "number", "before", "after"):
        with pytest.raises(AttributeError):
            setattr(matches[0], name, 1)


def test_numbers_in_any_order():
    matches = list(fastmmap.grep(LOG, b"e"))
    numbers = [match.number for match in reversed(matches)]
    assert numbers[::-1] == [match.number for match in fastmmap.grep(LOG, b"e")]


def test_progress(make):
    told = []
    text = LOG * 2000
    assert len(list(fastmmap.grep(make(text), b"error", progress=lambda *numbers: told.append(numbers))))
    assert told[-1] == (len(text), len(text))
    assert told == sorted(told)

    def fail(done, total):
        raise OSError("mine")

    with pytest.raises(OSError, match="^mine$"):
        list(fastmmap.grep(make(text), b"error", progress=fail))


def test_lines_that_change_meanwhile():
    """What is found is a line of the text at one time or another, whatever is stored meanwhile."""
    text = bytearray(b"some line\n" * 20_000)
    matches = fastmmap.grep(text, b"line")
    for number, match in enumerate(itertools.islice(matches, 100)):
        text[match.end : match.end + 1] = b"\n" if number % 2 else b"x"
        assert b"line" in match.line
    assert all(b"line" in match.line for match in matches)


def test_many_matches_in_a_last_line_without_newline():
    assert [match.line for match in fastmmap.grep(b"a\n" + b"b" * 3000, b"b")] == [b"b" * 3000]
    assert [match.line for match in fastmmap.grep(b"bb" * 3000, re.compile(rb"b$"))] == [b"bb" * 3000]


@pytest.mark.parametrize(
    "pattern", [rb"x(){4000000}", rb"x(?:\b){400000000}y", rb"(?:a{0}){9}x", rb"((a{1000}){1000}){9}"]
)
def test_repeats_of_nothing_take_no_time(pattern):
    assert [match.line for match in fastmmap.grep(b"x\nz\n", re.compile(pattern))] == [
        line for line in (b"x", b"z") if re.search(pattern, line)
    ]


def test_many_alternatives():
    words = [b"word%d" % number for number in range(0, 700, 7)]
    pattern = re.compile(b"|".join(words) + rb"|(?:one|two)\d")
    text = b"".join(b"a word%d here\n" % number for number in range(1000)) + b"two3\n"
    assert facts(fastmmap.grep(text, pattern)) == expected(text, pattern.search)


def test_no_warning_comes_twice(recwarn, capsys):
    with pytest.warns(FutureWarning, match="nested set"):
        pattern = re.compile(rb"[[a]bc")
    assert [match.line for match in fastmmap.grep(b"abc\nx\n", pattern)] == [b"abc"]
    pattern = re.compile(b"ab", re.DEBUG)
    capsys.readouterr()
    assert len(list(fastmmap.grep(b"AB\n", pattern, ignorecase=True))) == 1
    assert capsys.readouterr().out == ""


def test_a_text_that_loses_its_newlines_meanwhile():
    text = bytearray(b"abq\nxx\n" * 100_000)
    matches = fastmmap.grep(text, b"ab")
    assert next(matches).line == b"abq"
    text[:] = b"ab" * (len(text) // 2)
    assert len(list(matches)) >= 1


def test_matches_that_keep_their_own_mapping(make):
    """A circle is collected."""
    m = fastmmap.open(make(LOG))
    m.hits = list(fastmmap.grep(m, b"error"))
    gone = weakref.ref(m)
    del m
    gc.collect()
    assert gone() is None


@pytest.mark.usefixtures("_windows")
@pytest.mark.parametrize("limit", [0, 1, 2, 5, 100])
@pytest.mark.parametrize("around", [(0, 2), (1, 0), (2, 3), (0, 1000)])
def test_a_limit_among_lines_around(limit, around):
    """As grep -m does: what is behind the last line is around it, whether it matches or not."""
    hits = [number for number, line in enumerate(LINES) if b"e" in line][:limit]
    for source in (LOG, io.BytesIO(LOG)):
        matches = list(fastmmap.grep(source, b"e", limit=limit, before=around[0], after=around[1]))
        assert [match.number for match in matches] == hits
        assert printed(matches) == printed_by_walk(LINES, hits, *around)


def test_a_method(make):
    with fastmmap.open(make(LOG)) as m:
        assert list(m.grep(re.compile(rb"err\w+"), before=1)) == list(
            fastmmap.grep(LOG, re.compile(rb"err\w+"), before=1)
        )
        with pytest.raises(ValueError, match="before"):
            m.grep(b"x", before=-1)


def test_numbers_far_apart_and_back(make, monkeypatch):
    monkeypatch.setattr(line_windows, "COUNTED", 1000)
    text = b"".join(b"line %d\n" % number for number in range(5000))
    matches = list(fastmmap.grep(text, b"7"))
    order = random.Random(5).sample(matches, len(matches))
    assert [match.number for match in order] == [int(match.line[5:]) for match in order]
    assert matches[-1].number == 4997


@pytest.mark.parametrize(
    ("needle", "hint"),
    [
        (re.compile(b"x"), "fastmmap.grep takes patterns"),
        ({b"x"}, "several needles are a list or a tuple"),
        ((each for each in [b"x"]), "several needles are a list or a tuple"),
        (pathlib.Path("x"), "what is searched in comes first"),
    ],
)
def test_what_may_have_been_meant(needle, hint):
    for search in (fastmmap.count, fastmmap.find, fastmmap.find_all):
        with pytest.raises(TypeError, match=hint):
            search(b"text", needle)
