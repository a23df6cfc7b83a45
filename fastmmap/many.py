"""Search for many needles at once: the verbs, over what a kernel has for it."""

from __future__ import annotations

import itertools
import os
from _thread import allocate_lock
from contextlib import closing

from . import _backend, _imports, parallel
from .needles import prepare
from .pairs import Pairs, check_writable, replace_in
from .parallel import blocks, workers
from .reference.arguments import END, buffer_within, check_limit, check_threads, clamp, index_or, viewed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, SupportsIndex

    from .needles import Needles
    from .reference.arguments import Index, Needle, Offsets, Readable

# A search for one match looks so far before there is any thought of threads.
NEAR = 1 << 20

# Matches that are looked for at a time: few at first, which may be all that anybody wants, then GROWTH times as many.
FIRST_ROOM, GROWTH = 64, 8

# How far a seam is moved besides.
SLACK = 4096


class ManyVerbs:
    """What is done with many needles, by one kernel.

    find, rfind, count, find_all and iter_find are called by those for one needle, which have the same parameters.
    """

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel
        self.name = kernel.name

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        kind, arguments = _backend.reduced(self, "many", self.name)
        return verbs_of if kind is ManyVerbs else kind, arguments

    def find(self, buffer: Any, needles: Any, start: Any, end: Any, *, ignorecase: bool, threads: Any) -> int:
        """The offset at which the first match starts, or -1."""
        search = self._search(buffer, needles, (start, end), ignorecase=ignorecase, threads=threads)
        near = min(search.start + NEAR, search.end)
        found: int = self.kernel.find_first(search.buffer, search.prepared, (search.start, search.end, near))
        if found >= 0 or near == search.end:
            return found
        search.start = near
        results = search.run(self.kernel.find_first, _is_found)
        return results[-1] if results else -1

    def rfind(self, buffer: Any, needles: Any, start: Any, end: Any, *, ignorecase: bool, threads: Any) -> int:
        """The offset at which the last one of all that stand there starts, or -1."""
        search = self._search(buffer, needles, (start, end), ignorecase=ignorecase, threads=threads)
        near = max(search.end - NEAR, search.start)
        found: int = self.kernel.find_last(search.buffer, search.prepared, (near, search.end, search.end))
        if found >= 0 or near == search.start:
            return found
        search.until = near
        results = search.run(self.kernel.find_last, _is_found, back=True)
        return results[-1] if results else -1

    def count(
        self, buffer: Any, needles: Any, start: Any, end: Any, *, overlapping: bool, ignorecase: bool, threads: Any
    ) -> int:
        """How many matches there are."""
        search = self._search(buffer, needles, (start, end), overlapping, ignorecase, threads)
        return sum(search.run(self.kernel.count_all))

    def find_all(
        self,
        buffer: Any,
        needles: Any,
        start: Any,
        end: Any,
        *,
        overlapping: bool,
        ignorecase: bool,
        limit: Any,
        threads: Any,
    ) -> Offsets:
        """The offsets of all matches that `count` counts, ascending."""
        search = self._search(buffer, needles, (start, end), overlapping, ignorecase, threads)
        offsets: Offsets = self._find(search, check_limit(limit), False)[0]
        return offsets

    def iter_find(
        self, buffer: Any, needles: Any, start: Any, end: Any, *, overlapping: bool, ignorecase: bool
    ) -> Iterator[int]:
        """An iterator over the offsets that find_all returns."""
        return _iterate(self._search(buffer, needles, (start, end), overlapping, ignorecase, 1), False)

    def replace(self, buffer: Any, pairs: Any, count: Any, start: Any, end: Any, *, threads: Any) -> int:
        """Replaces each needle by what is as long, in place, and returns how many."""
        own, most = Pairs(pairs), index_or(count, -1)
        own.check_lengths()
        span = index_or(start, 0), index_or(end, END)
        check_threads(threads)
        check_writable(buffer)
        search = Search(self.kernel, buffer, own.prepared(self.kernel).prepared, span, False, threads)
        return replace_in(search, own, most) if most else 0

    def find_each(
        self,
        buffer: Readable,
        needles: Needles | list[Needle] | tuple[Needle, ...],
        start: Index = 0,
        end: Index = None,
        *,
        overlapping: bool = False,
        ignorecase: bool = False,
        limit: SupportsIndex | None = None,
        threads: int | None = None,
    ) -> tuple[Offsets, Any]:
        """The offsets of all matches of several needles, and which needle stands at each.

        The next match is the one that starts first, the longest of those that start there, and the search goes on
        behind it: what `re` finds for the alternatives sorted from the longest to the shortest.

        Parameters
        ----------
        buffer : bytes-like or os.PathLike
            Any C-contiguous buffer, taken as bytes, or the path of a file. For a path in a str use pathlib.Path.
        needles : Needles, or list or tuple of bytes-like, str or int
            What to look for, none of it empty. Of equal ones the first counts.
        start, end : int or None, default 0 and None
            Only matches in buffer[start:end]. Offsets count from the buffer's start, in bytes.
        overlapping : bool, default False
            Whether every occurrence of every needle counts: by offset, then by needle.
        ignorecase : bool, default False
            Whether ASCII letters match in both cases. Other letters don't.
        limit : int or None, default None
            How many matches at most, the first ones. None: all.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.

        Returns
        -------
        tuple of ndarray
            The offsets, in bytes, as int64 of shape (n,); the needles' places in `needles`, as int32 of shape (n,).

        Raises
        ------
        TypeError, ValueError
            `buffer` is neither a buffer nor a path; one of the needles is none, or is empty; `limit` is negative, or
            `threads` is below 1.
        BufferError, OSError
            The buffer isn't C-contiguous; the file can't be read (MappedFileError: it was truncated meanwhile).

        Examples
        --------
        >>> import fastmmap
        >>> offsets, which = fastmmap.find_each(b"a catalog of dogs", ["cat", "catalog", "dog"])
        >>> offsets.tolist(), which.tolist()
        ([2, 13], [1, 2])
        """
        search = self._search(buffer, needles, (start, end), overlapping, ignorecase, threads)
        return self._find(search, check_limit(limit), True)

    def count_each(
        self,
        buffer: Readable,
        needles: Needles | list[Needle] | tuple[Needle, ...],
        start: Index = 0,
        end: Index = None,
        *,
        overlapping: bool = False,
        ignorecase: bool = False,
        threads: int | None = None,
    ) -> Offsets:
        """How many matches each of several needles has: those that find_each finds.

        Parameters
        ----------
        buffer : bytes-like or os.PathLike
            Any C-contiguous buffer, taken as bytes, or the path of a file. For a path in a str use pathlib.Path.
        needles : Needles, or list or tuple of bytes-like, str or int
            What to look for, none of it empty. Of equal ones the first counts.
        start, end : int or None, default 0 and None
            Only matches in buffer[start:end].
        overlapping, ignorecase : bool, default False
            Whether every occurrence of every needle counts; whether ASCII letters match in both cases.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.

        Returns
        -------
        ndarray of int64, shape (len(needles),)
            One number a needle.

        Raises
        ------
        TypeError, ValueError, BufferError, OSError
            As find_each does.

        Examples
        --------
        >>> import fastmmap
        >>> fastmmap.count_each(b"a catalog of dogs", ["cat", "catalog", "dog"]).tolist()
        [0, 1, 1]
        """
        search = self._search(buffer, needles, (start, end), overlapping, ignorecase, threads)
        numpy = _imports.load("numpy")
        total: Offsets = numpy.zeros(len(search.prepared), dtype=numpy.int64)
        lock = allocate_lock()

        def add(buffer: Any, prepared: Any, span: tuple[int, int, int], overlapping: bool) -> None:
            counts = numpy.zeros(len(prepared), dtype=numpy.int64)
            self.kernel.count_all(buffer, prepared, span, overlapping, counts)
            with lock:
                numpy.add(total, counts, out=total)

        search.run(add)
        return total

    # --- what they are made of ---

    def _search(
        self,
        buffer: Any,
        needles: Any,
        span: tuple[Any, Any],
        overlapping: bool = True,
        ignorecase: bool = False,
        threads: Any = None,
    ) -> Search:
        """Arguments are converted first, and the buffer is looked at last."""
        check_threads(threads)
        prepared = prepare(needles, self.kernel.Prepared, bool(ignorecase))
        start, end = index_or(span[0], 0), index_or(span[1], END)
        return Search(self.kernel, buffer, prepared, (start, end), bool(overlapping), threads)

    def _find(self, search: Search, most: int, each: bool) -> tuple[Any, Any]:
        """The first matches, at most so many: offsets, and needles where they are wanted."""
        numpy = _imports.load("numpy")

        def collect(buffer: Any, prepared: Any, span: tuple[int, int, int], overlapping: bool) -> list[Any]:
            found: list[Any] = self.kernel.find_all(buffer, prepared, span, overlapping, most, each)
            return found

        if most < END:
            search.threads = 1
        found = [piece for part in search.run(collect) for piece in part]
        empty = numpy.empty(0, dtype=numpy.int64), numpy.empty(0, dtype=numpy.int32)
        offsets = numpy.concatenate([empty[0], *(piece[0] for piece in found)])
        return offsets, numpy.concatenate([empty[1], *(piece[1] for piece in found)]) if each else None


class _Released:
    """Has `release` be called `close`."""

    def __init__(self, scan: Any) -> None:
        self.find_into, self.close = scan.find_into, scan.release


def _is_found(offset: int) -> bool:
    return offset >= 0


def _iterate(search: Search, each: bool) -> Iterator[Any]:
    """The offsets of the matches, in constant memory; each with the number of its needle, if that is asked for.

    The buffer is held from the call on.
    """
    scans = search.scans()
    return itertools.chain.from_iterable(_found(scan, each) for scan in itertools.chain([next(scans)], scans))


def _found(scan: Any, each: bool) -> Iterator[Any]:
    array = _imports.load("array").array
    room = 1
    with closing(_Released(scan)):
        while True:
            offsets, which = array("q", bytes(8 * room)), array("i", bytes(4 * room)) if each else None
            number = scan.find_into(offsets, which)
            yield from zip(offsets[:number], which, strict=False) if which else offsets[:number]
            if number < room:
                return
            room = min(room * GROWTH, FIRST_ROOM * GROWTH)


class Search:
    """One call: where it searches, and in how many parts."""

    def __init__(
        self, kernel: Any, buffer: Any, prepared: Any, span: tuple[int, int], overlapping: bool, threads: Any
    ) -> None:
        if isinstance(buffer, (str, os.PathLike)):
            buffer = buffer_within(buffer, *span)
        self.kernel, self.buffer, self.prepared, self.overlapping = kernel, buffer, prepared, overlapping
        self.threads = threads
        try:
            size = memoryview(buffer).nbytes  # in no variable, which an interrupt's frames would keep
        except TypeError:  # the reference's mapping; what is no buffer is refused by the kernel
            size = len(buffer) if isinstance(buffer, viewed) else 0
        self.start, self.end = clamp(*span, size)
        self.until = self.end

    def scans(self) -> Iterator[Any]:
        """What finds the matches from left to right, in one part after the other."""
        span = self._spans(True)
        for number in range(len(self._blocks())):
            yield self.kernel.scan(self.buffer, self.prepared, span(self.buffer, number), self.overlapping)

    def iterate(self) -> Iterator[tuple[int, int]]:
        """The matches from left to right, in constant memory: where they are, and which needle's."""
        found: Iterator[tuple[int, int]] = _iterate(self, True)
        return found

    def _blocks(self) -> list[tuple[int, int]]:
        """More than one where there are threads to work on them, or where they are copied one by one."""
        if self.until - self.start >= parallel.WORTHWHILE:
            copied = self.kernel.is_copied(self.buffer)
            if copied or self.kernel.workers(self.buffer, self.threads, self.start) > 1:
                return blocks(self.start, self.until)
        return [(self.start, self.until)]

    def _spans(self, apart: bool) -> Callable[[Any, int], tuple[int, int, int]]:
        """Tells start, end and until of each part.

        Parts end where no match lies; or where matches may overlap, or `apart` is false, anywhere: `until` is where
        their starts end, and `end` what they may read.
        """
        parts = self._blocks()
        seams = ManySeams(self) if apart and len(parts) > 1 and not self.overlapping else None

        def span(view: Any, number: int) -> tuple[int, int, int]:
            start, until = seams.within(view, number) if seams else parts[number]
            return start, until if seams else min(until + max(self.prepared.longest - 1, 0), self.end), until

        return span

    def run(self, work: Any, enough: Any = None, *, back: bool = False) -> list[Any]:
        """work(buffer, prepared, (start, end, until), overlapping) for each part, the results in order."""
        options = (self.overlapping,) if enough is None else ()
        span, numbers = self._spans(enough is None), range(len(self._blocks()))

        def part(view: Any, number: int) -> Any:
            return work(view, self.prepared, span(view, number), *options)

        if len(numbers) == 1:
            return [part(self.buffer, 0)]
        order = [(number,) for number in (reversed(numbers) if back else numbers)]
        return _backend.run(part, order, workers(self.threads), enough, self.buffer)


class ManySeams:
    """Bounds of blocks across which no match lies, overlapping ones included: see parallel.Seams."""

    def __init__(self, search: Search) -> None:
        self._search, self._blocks = search, blocks(search.start, search.until)
        self._bounds: dict[int, int | None] = {0: search.start, len(self._blocks): search.until}

    def numbers(self) -> list[tuple[int]]:
        """The blocks, as parts for `run`, whose work asks `within`."""
        return [(block,) for block in range(len(self._blocks))]

    def within(self, view: Any, block: int) -> tuple[int, int]:
        """A block, found by a thread's own view of the buffer. It is empty where its bound was given up."""
        low = self._bound(view, block)
        if low is None:
            return self._search.start, self._search.start
        bounds = (self._bound(view, later) for later in range(block + 1, len(self._blocks) + 1))
        return low, next(high for high in bounds if high is not None)

    def _bound(self, view: Any, block: int) -> int | None:
        if block in self._bounds:
            return self._bounds[block]
        return self._bounds.setdefault(block, self._look(view, self._blocks[block][0]))

    def _look(self, view: Any, bound: int) -> int | None:
        """The first place from a bound on that no match lies across, if it isn't far."""
        search = self._search
        reach = search.prepared.longest - 1
        low, high = max(bound - reach, search.start), min(bound + 2 * reach + SLACK, search.end)
        past: int = search.kernel.past_matches(view, search.prepared, (low, high, high), bound)
        return past if past <= high - reach or high == search.end else None


def verbs_of(name: str) -> ManyVerbs:
    """The verbs for many needles of a kernel, by its name."""
    if name not in _verbs:
        if name == "python":
            from .reference import many as kernel
        else:
            kernel = _imports.load("fastmmap._many").Kernel(name)
        _verbs[name] = ManyVerbs(kernel)
    return _verbs[name]


_verbs: dict[str, ManyVerbs] = {}
