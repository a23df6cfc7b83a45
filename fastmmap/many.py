"""Search for many needles at once: the verbs, over what a kernel has for it."""

from __future__ import annotations

from . import _backend, _imports
from .needles import prepare
from .pairs import Pairs, check_writable, replace_in
from .parts import Search, Sum, iterate
from .reference.arguments import END, check_limit, check_threads, index_or

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, SupportsIndex

    from .needles import Needles
    from .progress import Progress
    from .reference.arguments import Index, Needle, Offsets, Readable, Which

# A search for one match looks so far before there is any thought of threads.
NEAR = 1 << 20


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

    def find(
        self, buffer: Any, needles: Any, start: Any, end: Any, *, ignorecase: bool, threads: Any, progress: Any = None
    ) -> int:
        """The offset at which the first match starts, or -1."""
        search = self._search(buffer, needles, (start, end), ignorecase=ignorecase, threads=threads)
        search.progress = progress
        near = min(search.start + NEAR, search.end) if progress is None else search.start
        found: int = self.kernel.find_first(search.buffer, search.prepared, (search.start, search.end, near))
        if found >= 0 or near == search.end:
            return found
        search.start = near
        results = search.run(self.kernel.find_first, _is_found)
        return results[-1] if results else -1

    def rfind(
        self, buffer: Any, needles: Any, start: Any, end: Any, *, ignorecase: bool, threads: Any, progress: Any = None
    ) -> int:
        """The offset at which the last one of all that stand there starts, or -1."""
        search = self._search(buffer, needles, (start, end), ignorecase=ignorecase, threads=threads)
        search.progress = progress
        near = max(search.end - NEAR, search.start) if progress is None else search.end
        found: int = self.kernel.find_last(search.buffer, search.prepared, (near, search.end, search.end))
        if found >= 0 or near == search.start:
            return found
        search.until = near
        results = search.run(self.kernel.find_last, _is_found, back=True)
        return results[-1] if results else -1

    def count(
        self,
        buffer: Any,
        needles: Any,
        start: Any,
        end: Any,
        *,
        overlapping: bool,
        ignorecase: bool,
        threads: Any,
        progress: Any = None,
    ) -> int:
        """How many matches there are."""
        search = self._search(buffer, needles, (start, end), overlapping, ignorecase, threads)
        search.progress = progress
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
        progress: Any = None,
    ) -> Offsets:
        """The offsets of all matches that `count` counts, ascending."""
        search = self._search(buffer, needles, (start, end), overlapping, ignorecase, threads)
        search.progress = progress
        offsets: Offsets = self._find(search, check_limit(limit), False)[0]
        return offsets

    def iter_find(
        self, buffer: Any, needles: Any, start: Any, end: Any, *, overlapping: bool, ignorecase: bool
    ) -> Iterator[int]:
        """An iterator over the offsets that find_all returns."""
        return iterate(self._search(buffer, needles, (start, end), overlapping, ignorecase, 1), False)

    def replace(
        self, buffer: Any, pairs: Any, count: Any, start: Any, end: Any, *, threads: Any, progress: Any = None
    ) -> int:
        """Replaces each needle by what is as long, in place, and returns how many."""
        own, most = Pairs(pairs), min(max(index_or(count, -1), -1), END)
        own.check_lengths()
        span = index_or(start, 0), index_or(end, END)
        check_threads(threads)
        check_writable(buffer)
        search = Search(self.kernel, buffer, own.prepared(self.kernel).prepared, span, False, threads)
        search.progress = progress
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
        progress: Progress | None = None,
    ) -> tuple[Offsets, Which]:
        """The offsets of all matches of several needles, and which needle stands at each.

        The next match is the one that starts first, the longest of those that start there, and the search goes on
        behind it: what `re` finds for the alternatives sorted from the longest to the shortest.

        Parameters
        ----------
        buffer : bytes-like or os.PathLike
            Any C-contiguous buffer, taken as bytes, or the path of a file. For a path in a str use pathlib.Path.
        needles : Needles, or list or tuple of bytes-like, str or int
            What to look for, none of it empty. Where two are equal, matches are the first one's.
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
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

        Returns
        -------
        tuple of ndarray
            The offsets, in bytes, as int64 of shape (n,); the needles' places in `needles`, as int32 of shape (n,).

        Raises
        ------
        TypeError, ValueError
            `buffer` is neither a buffer nor a path; one of the needles isn't one, or is empty; `limit` is negative, or
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
        search.progress = progress
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
        progress: Progress | None = None,
    ) -> Offsets:
        """How many matches each of several needles has: those that find_each finds.

        Parameters
        ----------
        buffer : bytes-like or os.PathLike
            Any C-contiguous buffer, taken as bytes, or the path of a file. For a path in a str use pathlib.Path.
        needles : Needles, or list or tuple of bytes-like, str or int
            What to look for, none of it empty. Where two are equal, matches are the first one's.
        start, end : int or None, default 0 and None
            Only matches in buffer[start:end].
        overlapping, ignorecase : bool, default False
            Whether every occurrence of every needle counts; whether ASCII letters match in both cases.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

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
        search.progress = progress
        numpy = _imports.load("numpy")
        total = Sum(numpy.zeros(len(search.prepared), dtype=numpy.int64))

        def add(buffer: Any, prepared: Any, span: tuple[int, int, int], overlapping: bool) -> None:
            counts = numpy.zeros(len(prepared), dtype=numpy.int64)
            self.kernel.count_all(buffer, prepared, span, overlapping, counts)
            total.add(span, counts)

        search.run(add)
        counts: Offsets = total.now()
        return counts

    def count_few(
        self, buffer: Any, needles: Any, *, overlapping: bool, ignorecase: bool, threads: Any, progress: Any
    ) -> list[int]:
        """count_each of not too many needles, without numpy, whose import takes as long as a gigabyte's search."""
        search = self._search(buffer, needles, (0, None), overlapping, ignorecase, threads)
        search.progress = progress
        array = _imports.load("array").array

        def counted(buffer: Any, prepared: Any, span: tuple[int, int, int], overlapping: bool) -> Any:
            counts = array("q", bytes(8 * len(prepared)))
            self.kernel.count_all(buffer, prepared, span, overlapping, counts)
            return counts

        return list(map(sum, zip(*search.run(counted), strict=True)))

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
            found = []
            for span in search.in_turn():
                some = collect(search.buffer, search.prepared, span, search.overlapping)
                found += some
                most -= sum(len(offsets) for offsets, _ in some)
                if most == 0:
                    break
        else:
            found = [piece for part in search.run(collect) for piece in part]
        empty = numpy.empty(0, dtype=numpy.int64), numpy.empty(0, dtype=numpy.int32)
        offsets = numpy.concatenate([empty[0], *(piece[0] for piece in found)])
        return offsets, numpy.concatenate([empty[1], *(piece[1] for piece in found)]) if each else None


def _is_found(offset: int) -> bool:
    return offset >= 0


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
