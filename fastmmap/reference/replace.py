"""replace in a buffer, and Substitution for a new length: the definition."""

from __future__ import annotations

from itertools import islice

from .arguments import (
    END,
    are_pairs,
    check_old,
    check_same_length,
    check_threads,
    clamp,
    data_bytes,
    haystack,
    index_or,
    replace_in_blocks,
    search_many,
    writable,
)
from .search import matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, SupportsIndex

    from typing_extensions import Buffer

    from ..progress import Progress
    from .arguments import Data, Index, Pairs, Readable


def replace(
    buffer: Buffer,
    old: Data | Pairs,
    new: Data | None = None,
    count: SupportsIndex = -1,
    *,
    start: Index = 0,
    end: Index = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> int:
    """Replaces `old` by `new`, which is as long, in a buffer, in place. Nothing but the matches is written.

    Matches are taken from left to right and don't overlap, as in bytes.replace; those of several pairs are what
    find_each finds. What has been replaced isn't searched again. For other lengths there is replace_file.

    Parameters
    ----------
    buffer : writable bytes-like
        Any C-contiguous buffer, taken as bytes. A file is opened before: fastmmap.open(path, "r+").
    old : bytes-like or str; or mapping {old: new, ...}
        What to replace, not empty. A str is encoded as UTF-8. A mapping names several, and what by.
    new : bytes-like, str or None
        What to replace it by, of the same length in bytes. It is left out beside a mapping.
    count : int, default -1
        How many matches are replaced at most. A negative number: all.
    start, end : int or None, default 0 and None
        Only matches in buffer[start:end].
    threads : int or None, default None
        How many threads may work at most. None: as many as pay. 1: only the calling one.
    progress : callable or None, default None
        Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

    Returns
    -------
    int
        How many matches were replaced.

    Raises
    ------
    BufferError
        The buffer is read-only, or isn't C-contiguous.
    TypeError, ValueError
        `buffer` is no buffer, `old` is empty, `new` has another length, or `threads` is below 1.
    MappedFileError
        The mapped file was truncated meanwhile, or has a hole and the disk is full. Some matches may be replaced.

    Examples
    --------
    >>> data = bytearray(b"one two one")
    >>> fastmmap.replace(data, "one", "ONE")
    2
    >>> data
    bytearray(b'ONE two ONE')
    >>> fastmmap.replace(data, {"ONE": "two", "two": "ONE"})
    3
    >>> data
    bytearray(b'two ONE two')
    """
    if are_pairs(old, new):
        replaced: int = search_many(
            "python", "replace", buffer, old, count, start, end, threads=threads, progress=progress
        )
        return replaced
    own_old, own_new = data_bytes(old, "old"), data_bytes(new, "new")  # type: ignore[arg-type]
    most, first, last = index_or(count, -1), index_or(start, 0), index_or(end, END)
    check_threads(threads)
    check_same_length(own_old, own_new)
    if progress is not None and most < 0 and own_old != own_new:
        return replace_in_blocks(buffer, own_old, own_new, (first, last), progress)
    replaced = 0
    with writable(buffer, "replace") as view:
        first, last = clamp(first, last, len(view))
        for offset in islice(matches(view, own_old, first, last), END if most < 0 else min(most, END)):
            if own_old != own_new:
                view[offset : offset + len(own_new)] = own_new
            replaced += 1
    return replaced


class Filling:
    """The bytes of view[start:end] with what stands at some places replaced, read in blocks.

    `found` gives each place, how many bytes are replaced there, and by what; `longest` is as long as any of those.
    """

    def __init__(self, view: memoryview, span: tuple[int, int], found: Iterator[tuple[int, int, bytes]], longest: int):
        self._view, self._found, self._longest = view, found, longest
        self._copied, self._end = min(span), span[1]
        self._next = next(found, None)
        self._closed = False
        self.replaced = 0

    @property
    def consumed(self) -> int:
        """How far the buffer is read: what was read so far is made of the bytes before this offset."""
        return self._copied

    def readinto(self, block: Buffer) -> int:
        """Fills `block` from its start. Returns how many bytes it filled: 0 at the end, else at least one.

        A block must have room for the longest replacement, or it is a ValueError.
        """
        with writable(block, "readinto") as out:
            if len(out) < max(self._longest, 1):
                raise ValueError(f"a block of {len(out)} bytes has no room for a replacement of {self._longest}")
            if self._closed:
                raise ValueError("the substitution is closed")
            filled = 0
            while True:
                until, step, new = self._next or (self._end, 0, b"")
                length = min(until - self._copied, len(out) - filled)
                # As bytes: guarded memory takes no memoryview.
                out[filled : filled + length] = bytes(self._view[self._copied : self._copied + length])
                filled, self._copied = filled + length, self._copied + length
                if self._copied < until or self._next is None or len(out) - filled < len(new):
                    return filled
                out[filled : filled + len(new)] = new
                filled, self._copied = filled + len(new), self._copied + step
                self.replaced += 1
                self._next = next(self._found, None)

    def close(self) -> None:
        """Releases the buffer. Closing twice does nothing."""
        if not self._closed:
            self._closed = True
            self._found = iter(())  # lets go of the view
            self._view.release()

    def __enter__(self) -> Filling:
        return self

    def __exit__(self, kind: Any, *exception: Any) -> None:
        try:
            self.close()
        except BufferError:  # see `held`
            if kind is None:
                raise


class Substitution(Filling):
    """The bytes of buffer[start:end] with every `old` replaced by `new`, of any length, read in blocks.

    `readinto(block)` fills the block from its start and returns how many bytes it filled, 0 at the end; what is behind
    them in the block may be overwritten. `replaced` is
    how many replacements have been read. The buffer stays exported until `close`, or the end of a with statement.
    """

    def __init__(
        self, buffer: Readable, old: Data, new: Data, count: SupportsIndex = -1, start: Index = 0, end: Index = None
    ) -> None:
        own_old, own_new = data_bytes(old, "old"), data_bytes(new, "new")
        check_old(own_old)
        most, first, last = index_or(count, -1), index_or(start, 0), index_or(end, END)
        view = haystack(buffer)
        span = clamp(first, last, len(view))
        starts = islice(matches(view, own_old, *span), END if most < 0 else min(most, END))
        super().__init__(view, span, ((at, len(own_old), own_new) for at in starts), len(own_new))


def substitution(
    buffer: Readable, old: Data, new: Data, count: SupportsIndex = -1, start: Index = 0, end: Index = None
) -> Substitution:
    """What buffer[start:end] is with `old` replaced by `new`, of any length: a Substitution, read in blocks."""
    return Substitution(buffer, old, new, count, start, end)
