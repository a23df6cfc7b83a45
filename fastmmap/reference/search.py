"""find, rfind, count, find_all and iter_find: the definition. `re` walks the buffer itself, so nothing is copied."""

from __future__ import annotations

import re
from collections import deque
from contextlib import closing
from itertools import islice

from .. import _imports
from . import arguments
from .arguments import END, check_limit, check_threads, clamp, haystack, held, index_or, needle_bytes, readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import Any, SupportsIndex

    from ..progress import Progress
    from .arguments import Index, Needle, Offsets, Readable, Several, Stream

# rfind looks at so many starts at first, and at twice as many each time that it has found nothing.
WINDOW = 1 << 12

# How many starts are looked at in a copy of memory: few at first, so that an early match is found early.
FIRST_PIECE, LARGEST_PIECE = 1 << 14, 1 << 20


def find(
    buffer: Readable | Stream,
    needle: Needle | Several,
    start: Index = 0,
    end: Index = None,
    *,
    ignorecase: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> int:
    """The offset of the first match, or -1: as bytes.find in every case.

    Parameters
    ----------
    buffer : bytes-like, os.PathLike or file
        Any C-contiguous buffer, taken as bytes; the path of a file; or what is read as a binary file is, such as a
        pipe or a gzip.GzipFile, from where it stands. For a path in a str use pathlib.Path.
    needle : bytes-like, str or int; or Needles, or list or tuple of those
        What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
    start, end : int or None, default 0 and None
        Only matches in buffer[start:end]. Offsets count from the buffer's start, in bytes.
    ignorecase : bool, default False
        Whether ASCII letters match in both cases. Other letters don't.
    threads : int or None, default None
        How many threads may work at most. None: as many as pay. 1: only the calling one.
    progress : callable or None, default None
        Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

    Returns
    -------
    int
        The offset in bytes, or -1 where nothing matches.

    Raises
    ------
    TypeError, ValueError
        `buffer` is neither a buffer nor a path, an int isn't a byte, or `threads` is below 1.
    BufferError, OSError
        The buffer isn't C-contiguous; the file can't be read (MappedFileError: it was truncated meanwhile).

    Examples
    --------
    >>> fastmmap.find(b"Hello, hello", "hello")
    7
    """
    options: dict[str, Any] = {"ignorecase": ignorecase, "threads": threads, "progress": progress}
    if arguments.is_stream(buffer):
        return arguments.in_stream("find", buffer, needle, (start, end), options)  # type: ignore[no-any-return]
    if progress is not None:
        return arguments.in_blocks("find", buffer, needle, (start, end), options)  # type: ignore[no-any-return]
    if isinstance(needle, arguments.several):
        return arguments.search_many("python", "find", buffer, needle, start, end, **options)  # type: ignore[no-any-return]
    own, first, last = needle_bytes(needle), index_or(start, 0), index_or(end, END)
    check_threads(threads)
    with readable(buffer, first, last) as view:
        return next(matches(view, own, *clamp(first, last, len(view)), ignorecase=ignorecase), -1)


def rfind(
    buffer: Readable,
    needle: Needle | Several,
    start: Index = 0,
    end: Index = None,
    *,
    ignorecase: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> int:
    """The offset of the last match, or -1: as bytes.rfind in every case.

    Parameters
    ----------
    buffer : bytes-like or os.PathLike
        Any C-contiguous buffer, taken as bytes, or the path of a file. For a path in a str use pathlib.Path.
    needle : bytes-like, str or int; or Needles, or list or tuple of those
        What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
    start, end : int or None, default 0 and None
        Only matches in buffer[start:end]. Offsets count from the buffer's start, in bytes.
    ignorecase : bool, default False
        Whether ASCII letters match in both cases. Other letters don't.
    threads : int or None, default None
        How many threads may work at most. None: as many as pay. 1: only the calling one.
    progress : callable or None, default None
        Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

    Returns
    -------
    int
        The offset in bytes, or -1 where nothing matches.

    Raises
    ------
    TypeError, ValueError, BufferError, OSError
        As find does.

    Examples
    --------
    >>> fastmmap.rfind(b"hello, Hello", "hello")
    0
    """
    options: dict[str, Any] = {"ignorecase": ignorecase, "threads": threads, "progress": progress}
    if progress is not None:
        return arguments.in_blocks("rfind", buffer, needle, (start, end), options)  # type: ignore[no-any-return]
    if isinstance(needle, arguments.several):
        return arguments.search_many("python", "rfind", buffer, needle, start, end, **options)  # type: ignore[no-any-return]
    own, first, last = needle_bytes(needle), index_or(start, 0), index_or(end, END)
    check_threads(threads)
    with readable(buffer, first, last) as view:
        first, last = clamp(first, last, len(view))
        if not own:
            return last if first <= last else -1
        stop, window = last - len(own) + 1, WINDOW  # one above the last start that can hold the needle
        while stop > first:
            low = max(first, stop - window)
            found = deque(matches(view, own, low, stop - 1 + len(own), overlapping=True, ignorecase=ignorecase), 1)
            if found:
                return found[0]
            stop, window = low, 2 * window
        return -1


def count(
    buffer: Readable | Stream,
    needle: Needle | Several,
    start: Index = 0,
    end: Index = None,
    *,
    overlapping: bool = False,
    ignorecase: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> int:
    """How many matches there are: as bytes.count in every case.

    Parameters
    ----------
    buffer : bytes-like, os.PathLike or file
        Any C-contiguous buffer, taken as bytes; the path of a file; or what is read as a binary file is, such as a
        pipe or a gzip.GzipFile, from where it stands. For a path in a str use pathlib.Path.
    needle : bytes-like, str or int; or Needles, or list or tuple of those
        What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
    start, end : int or None, default 0 and None
        Only matches in buffer[start:end]. Offsets count from the buffer's start, in bytes.
    overlapping, ignorecase : bool, default False
        Whether matches that overlap the one before count, too; whether ASCII letters match in both cases.
    threads : int or None, default None
        How many threads may work at most. None: as many as pay. 1: only the calling one.
    progress : callable or None, default None
        Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

    Returns
    -------
    int
        The number of matches. An empty needle matches before each byte and at the end.

    Raises
    ------
    TypeError, ValueError
        `buffer` is neither a buffer nor a path, an int isn't a byte, or `threads` is below 1.
    BufferError, OSError
        The buffer isn't C-contiguous; the file can't be read (MappedFileError: it was truncated meanwhile).

    Examples
    --------
    >>> fastmmap.count(b"banana", "ana"), fastmmap.count(b"banana", "ana", overlapping=True)
    (1, 2)
    """
    options: dict[str, Any] = {
        "overlapping": overlapping,
        "ignorecase": ignorecase,
        "threads": threads,
        "progress": progress,
    }
    if arguments.is_stream(buffer):
        return arguments.in_stream("count", buffer, needle, (start, end), options)  # type: ignore[no-any-return]
    if progress is not None:
        return arguments.in_blocks("count", buffer, needle, (start, end), options)  # type: ignore[no-any-return]
    if isinstance(needle, arguments.several):
        return arguments.search_many("python", "count", buffer, needle, start, end, **options)  # type: ignore[no-any-return]
    own, first, last = needle_bytes(needle), index_or(start, 0), index_or(end, END)
    check_threads(threads)
    with readable(buffer, first, last) as view:
        first, last = clamp(first, last, len(view))
        if not own:
            return max(last - first + 1, 0)
        return sum(1 for _ in matches(view, own, first, last, overlapping=overlapping, ignorecase=ignorecase))


def find_all(
    buffer: Readable,
    needle: Needle | Several,
    start: Index = 0,
    end: Index = None,
    *,
    overlapping: bool = False,
    ignorecase: bool = False,
    limit: SupportsIndex | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Offsets:
    """The offsets of all matches that `count` counts, ascending, in an array.

    Parameters
    ----------
    buffer : bytes-like or os.PathLike
        Any C-contiguous buffer, taken as bytes, or the path of a file. For a path in a str use pathlib.Path.
    needle : bytes-like, str or int; or Needles, or list or tuple of those
        What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
    start, end : int or None, default 0 and None
        Only matches in buffer[start:end]. Offsets count from the buffer's start, in bytes.
    overlapping, ignorecase : bool, default False
        Whether matches that overlap the one before count, too; whether ASCII letters match in both cases.
    limit : int or None, default None
        How many offsets at most, the first ones. None: all.
    threads : int or None, default None
        How many threads may work at most. None: as many as pay. 1: only the calling one.
    progress : callable or None, default None
        Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

    Returns
    -------
    ndarray of int64, shape (n,)
        Offsets in bytes. Those of an empty needle are all from start to end, the end included.

    Raises
    ------
    TypeError, ValueError
        `buffer` is neither a buffer nor a path, an int isn't a byte, `limit` is negative, or `threads` is below 1.
    BufferError, OSError
        The buffer isn't C-contiguous; the file can't be read (MappedFileError: it was truncated meanwhile).

    Examples
    --------
    >>> fastmmap.find_all(b"banana", "an").tolist()
    [1, 3]
    """
    options: dict[str, Any] = {
        "overlapping": overlapping,
        "ignorecase": ignorecase,
        "limit": limit,
        "threads": threads,
        "progress": progress,
    }
    if progress is not None:
        return arguments.in_blocks("find_all", buffer, needle, (start, end), options)  # type: ignore[no-any-return]
    if isinstance(needle, arguments.several):
        return arguments.search_many("python", "find_all", buffer, needle, start, end, **options)  # type: ignore[no-any-return]
    numpy = _imports.load("numpy")
    own, first, last, most = needle_bytes(needle), index_or(start, 0), index_or(end, END), check_limit(limit)
    check_threads(threads)
    with readable(buffer, first, last) as view:
        first, last = clamp(first, last, len(view))
        # Closed, because what `limit` leaves unfinished still holds the view.
        with closing(matches(view, own, first, last, overlapping=overlapping, ignorecase=ignorecase)) as offsets:
            found: Offsets = numpy.fromiter(islice(offsets, most), dtype=numpy.int64)
            return found


def find_into(
    offsets: Offsets,
    buffer: Readable,
    needle: bytes,
    start: int,
    end: int,
    *,
    overlapping: bool = False,
    ignorecase: bool = False,
    added: int = 0,
) -> int:
    """Writes the first offsets, plus `added`, into an int64 array that may be too short; returns how many."""
    number = 0
    with (
        readable(buffer) as view,
        closing(matches(view, needle, start, end, overlapping=overlapping, ignorecase=ignorecase)) as found,
    ):
        for number, offset in enumerate(islice(found, len(offsets)), 1):
            offsets[number - 1] = offset + added
    return number


def iter_find(
    buffer: Readable | Stream,
    needle: Needle | Several,
    start: Index = 0,
    end: Index = None,
    *,
    overlapping: bool = False,
    ignorecase: bool = False,
) -> Iterator[int]:
    """An iterator over the offsets that find_all returns, in constant memory.

    Parameters
    ----------
    buffer : bytes-like, os.PathLike or file
        Any C-contiguous buffer, taken as bytes; the path of a file; or what is read as a binary file is, such as a
        pipe or a gzip.GzipFile, from where it stands. For a path in a str use pathlib.Path.
    needle : bytes-like, str or int; or Needles, or list or tuple of those
        What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
    start, end : int or None, default 0 and None
        Only matches in buffer[start:end]. Offsets count from the buffer's start, in bytes.
    overlapping, ignorecase : bool, default False
        Whether matches that overlap the one before count, too; whether ASCII letters match in both cases.

    Returns
    -------
    iterator of int
        Offsets in bytes, ascending. It keeps the buffer, which can't be resized, until it is exhausted or gone.

    Raises
    ------
    TypeError, ValueError, BufferError, OSError
        As find_all does.

    Examples
    --------
    >>> list(fastmmap.iter_find(b"banana", "an"))
    [1, 3]
    """
    options: dict[str, Any] = {"overlapping": overlapping, "ignorecase": ignorecase}
    if arguments.is_stream(buffer):
        return arguments.in_stream("iter_find", buffer, needle, (start, end), options)  # type: ignore[no-any-return]
    if isinstance(needle, arguments.several):
        return arguments.search_many("python", "iter_find", buffer, needle, start, end, **options)  # type: ignore[no-any-return]
    own, first, last = needle_bytes(needle), index_or(start, 0), index_or(end, END)
    view = haystack(buffer, first, last)  # now, so that a bad buffer is an error of this call, not of the first next()

    def offsets() -> Iterator[int]:
        with held(view):  # a collector without a GIL closes this while it has the parts of the view in its hands
            yield from matches(
                view, own, *clamp(first, last, len(view)), overlapping=overlapping, ignorecase=ignorecase
            )

    return offsets()


def matches(
    view: memoryview, needle: bytes, start: int, end: int, *, overlapping: bool = False, ignorecase: bool = False
) -> Generator[int, None, None]:
    """The offsets of the matches in view[start:end], start and end as `clamp` leaves them."""
    if not needle:
        yield from range(start, end + 1)
        return
    if end - start < len(needle):
        return
    literal = re.escape(needle)
    # A lookahead matches without consuming, so the search goes on at the next byte: matches may overlap.
    pattern = re.compile(b"(?=" + literal + b")" if overlapping else literal, re.IGNORECASE if ignorecase else 0)
    if isinstance(view, memoryview):
        for match in pattern.finditer(view, start, end):
            yield match.start()
        return
    # What can't be given to `re` is copied in pieces, each of which begins where no start was looked at.
    piece = FIRST_PIECE
    while end - start >= len(needle):
        high = min(start + piece + len(needle) - 1, end)
        low, start = start, high - len(needle) + 1
        for match in pattern.finditer(view[low:high]):
            yield low + match.start()
            if not overlapping:
                start = max(start, low + match.end())
        piece = min(2 * piece, LARGEST_PIECE)
