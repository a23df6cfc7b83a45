"""grep: the lines in which a needle, several, or a regular expression is found, with lines around them."""

from __future__ import annotations

import operator
import os
import re
from itertools import chain, islice

from ._backend import Match
from .finders import Confirmed, EveryLine, Finder, Plain, Without
from .line_windows import Window, first_lines, last_lines, size_of, windows_in_stream, windows_of
from .needles import prepare
from .patterns import Literals, literals_of
from .progress import Reporter, check_progress
from .reference.arguments import (
    END,
    as_buffer,
    check_limit,
    check_threads,
    is_stream,
    needle_bytes,
    several,
)
from .streams import reader_of

TYPE_CHECKING = False  # typing takes milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, SupportsIndex

    from .progress import Progress
    from .reference.arguments import Needle, Readable, Several, Stream


def grep(
    source: Readable | Stream,
    pattern: Needle | Several | re.Pattern[bytes],
    *,
    before: SupportsIndex = 0,
    after: SupportsIndex = 0,
    ignorecase: bool = False,
    invert: bool = False,
    limit: SupportsIndex | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Match]:
    r"""The lines in which a needle, one of several, or a regular expression is found.

    They come one by one, the first at once. A line has no newline, so what holds one is found nowhere.

    Parameters
    ----------
    source : bytes-like, os.PathLike or file
        Any C-contiguous buffer, taken as bytes; the path of a file; or what is read as a binary file is, such as a pipe
        or a gzip.GzipFile, from where it stands. For a path in a str use pathlib.Path.
    pattern : bytes-like, str or int; or Needles, or list or tuple of those; or re.Pattern of bytes
        What to look for. A str is encoded as UTF-8. A pattern that `re` has compiled matches where
        `pattern.search(line)` finds something.
    before, after : int, default 0
        How many lines before and behind each match are wanted, too.
    ignorecase : bool, default False
        Whether ASCII letters match in both cases.
    invert : bool, default False
        Whether the lines are wanted that do not match.
    limit : int or None, default None
        How many lines at most, the first ones. None: all. `after` of the last has more, if they follow.
    threads : int or None, default None
        How many threads may work at most. None: as many as pay. 1: only the calling one.
    progress : callable or None, default None
        Called as progress(done, total) in the thread that asks for matches, in bytes, at most ten times a second and,
        if no limit comes before, at the end. `total` is None for a stream.

    Returns
    -------
    iterator of Match
        One for each line, from the first to the last.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type; a number is negative; one of several needles is empty.
    BufferError, OSError
        The buffer isn't C-contiguous; the file can't be read (MappedFileError: it was truncated meanwhile).

    Notes
    -----
    What is found is copied: it stays when the file changes or is closed. Only `number` needs the source, if that isn't
    a stream: ask for it before. A str is a needle: for a regular expression use ``re.compile(rb"...")``.
    The literals that a regular expression needs are looked for first, and `re` sees only the lines that hold one. A
    pattern without literals, such as ``rb"\d\d\d"``, is as fast as `re` is.

    Examples
    --------
    >>> import fastmmap, pathlib, re
    >>> size = pathlib.Path("log").write_bytes(b"1 ok\n2 error: disk\n3 ok\n4 error: net\n")
    >>> for match in fastmmap.grep(pathlib.Path("log"), re.compile(rb"error: \w+"), before=1):
    ...     match.number, match.before, match.line
    (1, [b'1 ok'], b'2 error: disk')
    (3, [b'3 ok'], b'4 error: net')
    """
    most, around = check_limit(limit), (_lines(before, "before"), _lines(after, "after"))
    if around == (0, 0):
        some = some_matches(source, pattern, ignorecase, invert, threads, progress)
        return islice(chain.from_iterable(some), most)
    windows, finder = _search(source, pattern, (ignorecase, invert, threads), progress, around[0])
    return _with_lines_around(windows, finder, around, most)


def some_matches(
    source: Any, pattern: Any, ignorecase: bool, invert: bool, threads: int | None, progress: Progress | None
) -> Iterator[list[Match]]:
    """What grep finds, without lines around: some lines at a time, as they are found, one at first."""
    windows, finder = _search(source, pattern, (ignorecase, invert, threads), progress, 0)
    return chain.from_iterable(_in_window(window, finder) for window in windows)


def matches_and_lines(
    source: Any, pattern: Any, around: tuple[int, int], how: tuple[bool, bool, int | None], most: int | None, told: Any
) -> Iterator[Match | Behind]:
    """What grep finds, each line as soon as it is known: matches with lines before them, and the lines behind each."""
    windows, finder = _search(source, pattern, how, told, around[0])
    return _as_found(windows, finder, around, END if most is None else most)


def _search(
    source: Any, pattern: Any, how: tuple[bool, bool, int | None], progress: Progress | None, before: int
) -> tuple[Iterator[Window], Finder]:
    """The windows of what is searched, and what finds lines in them. `how`: ignorecase, invert and threads."""
    ignorecase, invert, threads = how
    check_threads(threads)
    check_progress(progress)
    finder = _finder(pattern, bool(ignorecase), threads)
    if invert:
        finder = Without(finder, threads)
    size = None
    if is_stream(source):
        windows = windows_in_stream(reader_of(source)[0], before)
    else:
        buffer = as_buffer(source) if isinstance(source, (str, os.PathLike)) else source
        size = size_of(buffer)
        windows = windows_of(buffer, size)
    return windows if progress is None else _reported(windows, progress, size), finder


def _lines(number: SupportsIndex, name: str) -> int:
    if not hasattr(type(number), "__index__"):
        raise TypeError(f"{name} must be an integer, not {type(number).__name__!r}")
    lines = operator.index(number)
    if lines < 0:
        raise ValueError(f"{name} must not be negative: {lines}")
    return min(lines, END)


def _finder(pattern: Any, ignorecase: bool, threads: int | None) -> Finder:
    if isinstance(pattern, re.Pattern):
        if isinstance(pattern.pattern, str):
            raise TypeError(f"a pattern must be one of bytes, as re.compile(rb'...') makes it, not {pattern!r}")
        if ignorecase:
            pattern = re.compile(pattern.pattern, (pattern.flags | re.IGNORECASE) & ~re.DEBUG)
        sets = literals_of(pattern)
        if sets and sets[0].are_all:
            return Plain(sets[0], threads)
        return Confirmed(pattern, sets, threads) if sets else EveryLine(pattern, threads)
    if isinstance(pattern, several):
        literals = prepare(pattern, _in_lines, ignorecase)
    else:
        needle = needle_bytes(pattern)
        if not needle:
            return EveryLine(re.compile(b""), threads)
        literals = _in_lines((needle,), ignorecase)
    return Plain(literals, threads) if literals.needles else EveryLine(re.compile(rb"(?!)"), threads)


def _in_lines(needles: tuple[bytes, ...], ignorecase: bool) -> Literals:
    """Those that a line can hold: it has no newline."""
    return Literals([needle for needle in needles if b"\n" not in needle], ignorecase, are_all=True, begin=True)


def _in_window(window: Window, finder: Finder) -> Iterator[list[Match]]:
    some = finder.some_lines(window)
    return some if window.earlier is None else _numbered(some)


class Behind(list[bytes]):
    """Lines behind the last match."""


def _with_lines_around(
    windows: Iterator[Window], finder: Finder, around: tuple[int, int], most: int
) -> Iterator[Match]:
    """A match is handed out when the lines behind it are known: not later than the window that has them."""
    last: Match | None = None
    for found in _as_found(windows, finder, around, most):
        if isinstance(found, Behind):
            assert last is not None
            last.after.extend(found)
        else:
            if last is not None:
                yield last
            last = found
        if len(last.after) == around[1]:
            yield last
            last = None
    if last is not None:
        yield last


def _as_found(
    windows: Iterator[Window], finder: Finder, around: tuple[int, int], most: int
) -> Iterator[Match | Behind]:
    """Each match as soon as it is found, then lines behind it, as they come."""
    before, after = around
    missing = 0  # how many lines are wanted behind the last match, of those that have yet to come
    given = 0  # what is before this byte is somebody's
    for window in windows if most else ():
        for found in chain.from_iterable(_in_window(window, finder)) if most else ():
            if missing:
                behind, given = first_lines(window, given, found.start, missing)
                if behind:
                    yield Behind(behind)
            missing, most = after, most - 1
            found.before.extend(last_lines(window, given, found.start, before))
            given = found.end + 1
            yield found
            if not most:
                break
        if missing:
            behind, given = first_lines(window, given, window.offset + window.end, missing)
            missing -= len(behind)
            if behind:
                yield Behind(behind)
        if not missing and not most:
            return


def _numbered(some: Iterator[list[Match]]) -> Iterator[list[Match]]:
    """Matches whose numbers are counted now: what they are counted in passes."""
    for matches in some:
        for match in matches:
            match.number  # noqa: B018
        yield matches


def _reported(windows: Iterator[Window], progress: Progress, total: int | None) -> Iterator[Window]:
    """The windows; `progress` is told when the next one is asked for."""
    reporter = Reporter(progress, total)
    for window in windows:
        yield window
        reporter.add(window.end - window.start)
    reporter.end()
