"""Mapping on top of the standard library's mmap: the definition, and what a build without extensions uses.

Before Python 3.12 a Python class can't export a buffer: there `view()` is the way to the memory, and no guard is.
"""

from __future__ import annotations

import mmap
import operator
import os
import sys

from ..blame import ours
from . import arguments
from .arguments import data_bytes, index_or

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, SupportsIndex, overload

# What is said of it in src/_mapping.pyx: the mmap module maps nothing beyond the end.
MAPS_BEYOND_END = False

_ACCESS = {"read": mmap.ACCESS_READ, "write": mmap.ACCESS_WRITE, "copy": mmap.ACCESS_COPY}


if TYPE_CHECKING and sys.version_info < (3, 12):
    _Buffer = mmap.mmap  # the types of numpy name all buffers that it takes, before there was a type for any buffer
else:
    _Buffer = object


def _pages(fd: int, length: int, access: int, offset: int) -> mmap.mmap:
    """Maps pages. On Windows the mmap module moves the descriptor's position, which may be shared with others: back."""
    if sys.platform != "win32" or fd < 0:
        return mmap.mmap(fd, length, access=access, offset=offset)
    position = os.lseek(fd, 0, os.SEEK_CUR)
    try:
        return mmap.mmap(fd, length, access=access, offset=offset)
    finally:
        os.lseek(fd, position, os.SEEK_SET)


class _Attached:
    """Pages, where in them the mapping's bytes lie, and what takes their place as soon as they are closed.

    Closing is one step, which fails while views live. So every thread, and every signal handler, sees one of the two.
    """

    __slots__ = ("before", "length", "next", "pages")

    def __init__(self, pages: mmap.mmap | None, before: int, length: int) -> None:
        self.pages, self.before, self.length = pages, before, length
        self.next: _Attached | None = None


class Mapping(_Buffer):
    """`length` bytes of a file from `offset` on, or with fd -1 of anonymous memory, mapped until the last view is gone.

    access is "read", "write" (stores reach the file) or "copy" (they stay in this process). An empty mapping is as good
    as any other, and the offset need not be a multiple of the page size. `_descriptor`, where whoever made the mapping
    sets it, is the file's as long as it is open, and tells whether the file shrank: see `_file_status`. With
    `drop_behind` set, large scans let go of the pages they have read, in the page cache too.
    """

    offset: int
    _descriptor = -1
    drop_behind = False  # the reference's scans are not ours to interrupt

    def __init__(self, fd: int, offset: int, length: int, access: str) -> None:
        if access not in _ACCESS:
            raise ValueError(f"access must be 'read', 'write' or 'copy', not {access!r}")
        self._access = access
        self._attached = _Attached(None, 0, 0)
        self.offset = offset
        self._unmapped = False
        self._attach(fd, offset, length)

    def _attach(self, fd: int, offset: int, length: int) -> None:
        if offset < 0 or length < 0:
            raise ValueError(f"offset and length must not be negative: {offset}, {length}")
        replaced = self._now()
        before = offset % mmap.ALLOCATIONGRANULARITY
        pages = None
        if length:
            access = _ACCESS[self._access]
            pages = _pages(fd, before + length, access, offset - before)
            if fd < 0 and replaced.pages is not None:
                kept = min(length, replaced.length)
                pages[:kept] = replaced.pages[:kept]
        attached = _Attached(pages, before, length)
        if replaced.pages is not None:
            replaced.next = attached
            try:
                replaced.pages.close()
            except BufferError:
                raise BufferError("cannot resize a mapping while views of it are alive") from None
        self._attached = attached

    def _now(self) -> _Attached:
        """What is attached: not what another thread has closed and is about to replace."""
        attached = self._attached
        while attached.pages is not None and attached.pages.closed and attached.next is not None:
            attached = attached.next
        return attached

    def _unmap(self) -> None:
        """No new view can be had from now on; the memory goes with the last one. Unmapping twice does nothing."""
        self._unmapped = True
        self._attached = _Attached(None, 0, 0)  # the pages close when no view refers to them

    def _remap(self, fd: int, offset: int, length: int, lengthen: Callable[[], None] | None = None) -> None:
        """Maps `length` bytes instead, perhaps at another address: all or nothing.

        BufferError while views live. With the length that the mapping has, that is all that is asked. `lengthen` is
        called when the bytes have their addresses, and makes the file have them, before anybody can read them there.
        """
        self._check_mapped()
        if lengthen is not None and length != self._now().length:
            lengthen()  # before the mapping is made: the mmap module maps nothing beyond the end
        self._attach(fd, offset, length)

    def _close_file(self, file: Any) -> None:
        """Has no more asked by the descriptor, and closes it: when nobody reads from it any more."""
        self._descriptor = -1
        file.close()

    def _file_status(self) -> tuple[int, int, int, int] | None:
        """What tells whether the file shrank: its device, its inode, the bytes it has from the mapping's first on, and
        its blocks of 512 bytes.

        None without a descriptor. Another thread may close that at any time, so a caller compares device and inode too.
        """
        try:
            status = os.fstat(self._descriptor)
        except ours(OSError):
            return None
        return status.st_dev, status.st_ino, status.st_size - self.offset, getattr(status, "st_blocks", 0)

    def _sync(self, start: int, length: int) -> None:
        """Writes the pages that hold [start, start + length) back and waits until that is done (msync, MS_SYNC)."""
        with self.view() as view:
            pages, first, size = self._on_pages(view, start, length)
            if pages is not None and size:
                pages.flush(first, size)

    def advise(self, start: int, length: int, advice: int) -> None:
        """Tells the system how the pages that hold [start, start + length) will be used (madvise)."""
        with self.view() as view:
            pages, first, size = self._on_pages(view, start, length)
            if pages is not None and size and hasattr(pages, "madvise"):
                pages.madvise(advice, first, size)

    def _on_pages(self, view: memoryview, start: int, length: int) -> tuple[mmap.mmap | None, int, int]:
        """The pages, which nobody closes while the view lives, and where in them the pages of these bytes are."""
        if not 0 <= start <= len(view) or not 0 <= length <= len(view) - start:
            raise ValueError(f"{length} bytes at {start} are not within the mapping of {len(view)} bytes")
        attached = self._now()
        skip = (attached.before + start) % mmap.PAGESIZE
        return attached.pages, attached.before + start - skip, length + skip if length else 0

    def _check_mapped(self) -> None:
        if self._unmapped:
            raise ValueError("the mapping is closed")

    def view(self) -> memoryview:
        """The memory as a memoryview, which keeps it after `close`. The guard doesn't reach what reads by it.

        Returns
        -------
        memoryview
            Of bytes. It can be written to in modes other than "r".

        Raises
        ------
        ValueError
            The mapping is closed.

        Examples
        --------
        >>> import fastmmap
        >>> m = fastmmap.open(None, size=3)
        >>> m.view().tolist()
        [0, 0, 0]
        """
        while True:
            attached = self._now()  # before the question, because another thread may unmap after it
            self._check_mapped()
            if attached.pages is None:
                return memoryview(b"" if self._access == "read" else bytearray())
            try:
                view = memoryview(attached.pages)
            except ValueError:  # another thread has closed them since
                continue
            return view[attached.before : attached.before + attached.length]

    def __buffer__(self, flags: int) -> memoryview:
        view = self.view()
        if flags & 1 and view.readonly:  # PyBUF_WRITABLE
            raise BufferError("the mapping is read-only")
        return view

    def __len__(self) -> int:
        length = self._now().length  # before the question, as in `view`
        self._check_mapped()
        return length

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, index: SupportsIndex) -> int: ...

        @overload
        def __getitem__(self, index: slice) -> bytes: ...

    def __getitem__(self, index: Any) -> Any:
        """A byte as an integer, or a slice as bytes."""
        place = self._place(index)
        with self.view() as view:
            return bytes(view[place]) if isinstance(place, slice) else view[self._within(view, place)]

    def __setitem__(self, index: Any, value: Any) -> None:
        """Stores a byte, or as many bytes as the slice has."""
        if isinstance(index, slice):
            if isinstance(value, str):
                raise TypeError("a bytes-like object is required, not 'str'")
            own = data_bytes(value, "value")
        else:
            if value is None:
                raise TypeError("a byte must be an integer, not 'NoneType'")
            byte = index_or(value, -1)
            if not 0 <= byte <= 255:
                raise ValueError("byte must be in range(0, 256)")
        place = self._place(index)
        self._check_writable()
        with self.view() as view:
            if not isinstance(place, slice):
                view[self._within(view, place)] = byte
                return
            room = len(range(len(view))[place])
            if room != len(own):
                raise ValueError(f"a slice of {room} bytes can't hold {len(own)}: use resize or append for that")
            view[place] = own

    def __delitem__(self, index: Any) -> None:  # type: ignore[override]
        raise TypeError("a mapping's items can't be deleted: use resize")

    def _check_writable(self) -> None:
        self._check_mapped()
        if self._access == "read":
            raise TypeError("cannot modify a read-only mapping")

    def _place(self, index: Any) -> Any:
        """An integer, or a slice of integers: converted before a view is taken, for that may run any code."""
        if isinstance(index, slice):
            return slice(
                *(part if part is None else operator.index(part) for part in (index.start, index.stop, index.step))
            )
        if not hasattr(type(index), "__index__"):
            raise TypeError(f"mapping indices must be integers or slices, not {type(index).__name__!r}")
        return operator.index(index)

    @staticmethod
    def _within(view: memoryview, position: int) -> int:
        if not -len(view) <= position < len(view):
            raise IndexError("mapping index out of range")
        return position


arguments.viewed = (Mapping,)
