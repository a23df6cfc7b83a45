"""progress(done, total) of every call that may take long: the same callable everywhere, in the calling thread."""

from __future__ import annotations

import re
import threading

import pytest

import fastmmap
from fastmmap import parallel, progress

pytestmark = pytest.mark.any_kernel

TEXT = b"a line of text: needle, pin\n" * 1_000_000  # 28 MB, several blocks
SEVERAL = [b"pin", b"needles", b"absent"]

CALLS = {
    "count": lambda m, **options: fastmmap.count(m, b"needle", **options),
    "count overlapping": lambda m, **options: m.count(b"n", overlapping=True, ignorecase=True, **options),
    "count several": lambda m, **options: m.count(SEVERAL, **options),
    "find": lambda m, **options: m.find(b"absent", **options),
    "find several": lambda m, **options: m.find([b"absent", b"lost"], **options),
    "rfind": lambda m, **options: m.rfind(b"absent", ignorecase=True, **options),
    "rfind several": lambda m, **options: fastmmap.rfind(m, [b"absent", b"lost"], **options),
    "find_all": lambda m, **options: m.find_all(b"pin", **options).tolist(),
    "find_all limit": lambda m, **options: m.find_all(b"pin", limit=7, **options).tolist(),
    "find_all several": lambda m, **options: m.find_all(SEVERAL, **options).tolist(),
    "find_each": lambda m, **options: [each.tolist() for each in m.find_each(SEVERAL, **options)],
    "find_each limit": lambda m, **options: [each.tolist() for each in m.find_each(SEVERAL, limit=5, **options)],
    "count_each": lambda m, **options: m.count_each(SEVERAL, **options).tolist(),
    "line_starts": lambda m, **options: m.line_starts(**options).tolist(),
    "grep": lambda m, **options: list(fastmmap.grep(m, re.compile(b"absent"), **options)),
}
CHANGES = {
    "replace": (lambda m, **options: m.replace(b"needle", b"NEEDLE", **options)),
    "replace back": (lambda m, **options: fastmmap.replace(m, b"NEEDLE", b"needle", **options)),
    "replace pairs": (lambda m, **options: m.replace({b"needle": b"NEEDLE", b"pin": b"PIN"}, **options)),
    "replace them back": (lambda m, **options: m.replace({b"NEEDLE": b"needle", b"PIN": b"pin"}, **options)),
}

# Which end before they have looked at all.
EARLY = {"find_all limit", "find_each limit"}


@pytest.fixture(scope="module")
def big():
    with fastmmap.open(None, size=len(TEXT)) as m:
        m[:] = TEXT
        yield m


@pytest.mark.parametrize("threads", [None, 1, 3])
@pytest.mark.parametrize("name", CALLS)
def test_it_is_told(big, name, threads, monkeypatch):
    if fastmmap.kernel == "python" and name not in ("count", "find", "rfind several", "line_starts", "grep"):
        pytest.skip("the reference takes too long for all of them")
    monkeypatch.setattr(progress, "PAUSE", 0)
    told, callers = [], set()

    def tell(done, total):
        told.append((done, total))
        callers.add(threading.get_ident())

    assert CALLS[name](big, threads=threads, progress=tell) == CALLS[name](big, threads=threads)
    if name in EARLY and not told:
        return
    assert callers == {threading.get_ident()}
    assert told == sorted(told)
    assert len({total for _, total in told}) == 1
    done, total = told[-1]
    assert done == total or name in EARLY
    assert 0 < total <= len(TEXT)
    if threads == 1 and name not in EARLY:
        assert len(told) > 2


@pytest.mark.parametrize("name", CALLS)
def test_of_little(name):
    """Also of a few bytes, and of none."""
    text = b"needle, pin\nneedles\n"
    for buffer in (text, b""):
        with fastmmap.open(None, size=len(buffer)) as m:
            m[:] = buffer
            told = []
            found = CALLS[name](m, progress=lambda *numbers: told.append(numbers))  # noqa: B023
            assert found == CALLS[name](m)
            assert all(0 <= done <= total == len(buffer) for done, total in told)


@pytest.mark.parametrize("name", CALLS)
def test_what_it_raises_ends_the_call(big, name, monkeypatch):
    if fastmmap.kernel == "python" or name in EARLY:
        pytest.skip("it takes too long, or has found what it looks for before it tells anything")
    monkeypatch.setattr(progress, "PAUSE", 0)

    def fail(done, total):
        raise OSError(28, "mine")

    with pytest.raises(OSError, match="^.Errno 28. mine$"):
        CALLS[name](big, progress=fail, threads=2)


def test_at_most_ten_times_a_second(monkeypatch):
    """By a clock that we turn."""
    now = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    told = []
    reporter = progress.Reporter(lambda *numbers: told.append(numbers), 1000)
    for _ in range(100):
        now[0] += 0.03
        reporter.add(10)
    reporter.end()
    assert len(told) == 26
    assert told[0] == (40, 1000)
    assert told[-1] == (1000, 1000)


def test_where_the_answer_is_known_before_the_end(big):
    """Of what isn't looked at, nothing is told."""
    told = []
    at = 18 << 20
    big[at : at + 6] = b"absent"
    try:
        assert big.find(b"absent", threads=1, progress=lambda *numbers: told.append(numbers)) == at
    finally:
        big[at : at + 6] = TEXT[at : at + 6]
    done, total = told[-1]
    assert 0 < done < total
    assert total - done <= len(TEXT) - at + parallel.BLOCK


def test_what_is_found_at_once_is_told_as_well():
    told = []
    text = b"needle" + bytes(100)
    for find in (fastmmap.find, fastmmap.rfind):
        assert find(text, b"needle", progress=lambda *numbers: told.append(numbers)) == 0
        assert find(text, [b"needle", b"pin"], progress=lambda *numbers: told.append(numbers)) == 0
    assert len(told) == 4


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_replacing(big, threads, monkeypatch):
    if fastmmap.kernel == "python" and threads != 1:
        pytest.skip("the reference takes too long for all of them")
    monkeypatch.setattr(progress, "PAUSE", 0)
    for name, change in CHANGES.items():
        told = []
        number = change(big, threads=threads, progress=lambda *numbers: told.append(numbers))  # noqa: B023
        assert number == 1_000_000 * (2 if "pairs" in name or "them" in name else 1)
        assert told == sorted(told)
        assert told[-1] == (len(TEXT), len(TEXT))
        if threads == 1:
            assert len(told) > 2
    assert big[:] == TEXT
    with pytest.raises(ValueError, match="same length"):
        big.replace(b"a", b"bb", progress=print)
    with pytest.raises((TypeError, BufferError)):
        fastmmap.replace(b"text", b"t", b"x", progress=print)


@pytest.mark.parametrize("span", [(10, None), (2, 1), (3, 3)])
@pytest.mark.parametrize("needle", [b"x", [b"x", b"y"]])
def test_a_range_of_nothing(needle, span):
    told = []
    for search in (fastmmap.count, fastmmap.find, fastmmap.rfind, fastmmap.find_all):
        search(b"abc", needle, *span, progress=lambda *numbers: told.append(numbers))
    assert {*told} <= {(0, 0)}
