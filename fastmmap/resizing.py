"""resize and append: what changes the size of a mapping, and of its file."""

from __future__ import annotations

import operator
import os

from . import growing, system
from ._backend import chosen
from .blame import ignoring, is_ours
from .errors import naming
from .indexes import state_of
from .reference.arguments import export_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import RLock
    from typing import Any

    from .indexes import LineIndex
    from .reference.arguments import Data


class Resizing:
    """Mixed into a mapping, which ends where its file does, also after what a signal handler has raised anywhere.

    A change that is interrupted is done, or it isn't: only the file tells which.
    """

    if TYPE_CHECKING:
        _lock: RLock
        _index: LineIndex
        _is_device: bool
        _to_end: bool
        _descriptor: int
        backend: str
        offset: int
        mode: str
        name: Any

        def __len__(self) -> int: ...
        def _remap(self, fd: int, offset: int, length: int, lengthen: Callable[[], None] | None = None) -> None: ...

    def resize(self, size: int) -> None:
        r"""Makes the mapping longer or shorter, and the file with it. New bytes are zeros, with blocks allocated.

        Parameters
        ----------
        size : int
            How many bytes the mapping is to have.

        Raises
        ------
        BufferError
            Views of the mapping live, such as memoryview(m).
        TypeError
            The mode is "r" or "c".
        ValueError
            `size` is negative, the mapping is closed or of a device, or it doesn't end where the file does: what others
            have appended isn't cut.
        OSError
            The disk is full, or the system reports something else.

        Notes
        -----
        On any error nothing has changed; after an interrupt either nothing has, or all is done.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.open("file", "w+") as m:
        ...     m.resize(3)
        ...     m[:]
        b'\x00\x00\x00'
        """
        size = operator.index(size)
        if size < 0:
            raise ValueError(f"size must not be negative: {size}")
        with self._lock, naming(self.name):
            before, end = self._check_resizable()
            self._index.forget()  # before, lest an interrupt keep it, and behind, lest a handler have asked meanwhile
            try:
                if self._descriptor < 0:
                    self._remap(-1, 0, size)
                elif self.offset + size > end and self._to_end:
                    self._grow(before, size)
                elif end != self.offset + before:
                    raise self._ends_elsewhere(before, end)
                elif size < before:
                    self._shrink(before, size)
            finally:
                self._index.forget()

    def _grow(self, before: int, size: int) -> None:
        """Makes the file longer, and maps it to its new end."""
        end = os.fstat(self._descriptor).st_size
        try:
            self._give_way()
            growing.grow(
                self._descriptor,
                self.offset + size,
                lambda lengthen: self._remap(self._descriptor, self.offset, size, lengthen),
            )
        except BaseException:
            # The end may have moved already, and doesn't move back.
            with ignoring(BufferError, OSError):
                now = os.fstat(self._descriptor).st_size
                self._remap(self._descriptor, self.offset, now - self.offset if now > end else before)
            raise

    def _shrink(self, before: int, size: int) -> None:
        """Maps less, and cuts the file there."""
        end = self.offset + before
        try:
            if system.CUTS_MAPPED:
                self._remap(self._descriptor, self.offset, size)
            self._give_way()
            now = os.fstat(self._descriptor).st_size
            if now != end:  # another has appended meanwhile
                raise self._ends_elsewhere(before, now)
            system.truncate(self._descriptor, self.offset + size)
            if not system.CUTS_MAPPED:
                self._remap(self._descriptor, self.offset, size)
        except BaseException:
            with ignoring(BufferError, OSError):
                if os.fstat(self._descriptor).st_size >= end:  # else it is cut
                    self._remap(self._descriptor, self.offset, before)
            raise

    def append(self, data: Data) -> int:
        r"""Adds bytes at the end of the file, and maps what is there then. For many small records there is Appender.

        Other processes may append to the file meanwhile: nothing of theirs is overwritten, and what they have appended
        is in the mapping then.

        Parameters
        ----------
        data : bytes-like or str
            What is appended. A str is encoded as UTF-8.

        Returns
        -------
        int
            The new length of the mapping, in bytes.

        Raises
        ------
        BufferError
            Views of the mapping live, such as memoryview(m).
        TypeError
            The mode is "r" or "c", or `data` is neither bytes-like nor a str.
        ValueError
            The mapping was made of a part of the file, is of a device, or is closed.
        OSError
            The disk is full, with nothing appended, or the system reports something else.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.open("file", "w+") as m:
        ...     m.append("one\n"), m[:]
        (4, b'one\n')
        """
        with self._lock, naming(self.name), export_data(data) as view:
            before, end = self._check_resizable()
            self._index.forget()  # before, lest an interrupt keep it, and behind, lest a handler have asked meanwhile
            try:
                if self._descriptor < 0:
                    self._append_to_memory(view, before)
                elif not self._to_end or end < self.offset:
                    raise self._ends_elsewhere(before, end)
                else:
                    self._append_to_file(view, end)
            finally:
                self._index.forget()
            return len(self)

    def refresh(self) -> int:
        r"""Maps what others have added to the file since it was mapped, or what is left where they have cut it.

        Lines that were indexed stay so: only what is new is looked through.

        Returns
        -------
        int
            The length of the mapping, in bytes. Memory keeps its own; so does what was read because it couldn't be
            mapped, as a file that was empty when it was opened with mode "r".

        Raises
        ------
        BufferError
            The size has changed, and views of the mapping live, such as memoryview(m).
        TypeError
            The mode is "c": what was written would be lost.
        ValueError
            The mapping was made of a part of the file, or is closed; or it kept no descriptor of the file, as the
            process had hardly any left.
        OSError
            The system reports something.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one\n")
        >>> with fastmmap.open("file") as m, open("file", "ab") as log:
        ...     written = log.write(b"two\n"), log.flush()
        ...     m.refresh(), m.lines[-1]
        (8, b'two')
        """
        with self._lock, naming(self.name):
            before = len(self)
            if self.mode == "c":
                raise TypeError("a mapping with mode 'c' can't be refreshed: what was written to it would be lost")
            if self.backend == "memory" or self._is_device:
                return before
            if not self._to_end:
                raise ValueError(f"the mapping is of a part of {self.name!r}, which has no end of its own")
            if self._descriptor < 0:
                raise ValueError(f"no descriptor of {self.name!r} was kept, as hardly any were left: open it again")
            if os.fstat(self._descriptor).st_size - self.offset == before:
                if self._index.is_dated(state_of(self)):  # written to, or cut and written anew
                    self._index.forget()
                return before
            self._index.extend()  # before, lest others look with it at what is mapped next, and behind, as above
            try:
                self._map_to_end()
            finally:
                if len(self) < before:
                    self._index.forget()
                else:
                    self._index.extend()
            return len(self)

    def _append_to_memory(self, view: memoryview, before: int) -> None:
        try:
            self._remap(-1, 0, before + len(view))
            chosen.append(self, before, view)
        except BaseException:
            self._remap(-1, 0, before)
            raise

    def _append_to_file(self, view: memoryview, end: int) -> None:
        """Appends to the file, and maps it to its end."""
        written = False
        try:
            self._give_way()
            # Written, not stored: write(2) answers a full disk with an error, a store does so with a signal.
            growing.append_whole(self._descriptor, view)
            written = True
            self._map_to_end()
        except BaseException as error:
            # Another thread has taken a view, or there is no room to map.
            if written and isinstance(error, (BufferError, OSError)) and is_ours(error):
                if not growing.take_back(self._descriptor, end, end + len(view)):
                    return
                if not system.CUTS_MAPPED:
                    with ignoring(BufferError, OSError):
                        self._map_to_end()
            else:  # an interrupt may have come right behind the write, before anybody knew of it
                with ignoring(BufferError, OSError):
                    self._map_to_end()
            raise

    def _map_to_end(self) -> None:
        self._remap(self._descriptor, self.offset, max(os.fstat(self._descriptor).st_size - self.offset, 0))

    def _give_way(self) -> None:
        """Maps nothing meanwhile, where a file that is mapped can't be cut: what fails has to be taken back."""
        if not system.CUTS_MAPPED:
            self._remap(self._descriptor, self.offset, 0)

    def _check_resizable(self) -> tuple[int, int]:
        """The length, if it may be changed, and where the file ends."""
        length = len(self)
        if self.mode not in ("r+", "w+"):
            raise TypeError(f"a mapping with mode {self.mode!r} can't change its size")
        if self._is_device:
            raise ValueError(f"{self.name!r} is a device and has a fixed size")
        end = os.fstat(self._descriptor).st_size if self._descriptor >= 0 else length
        if self._to_end and self._descriptor >= 0:
            length = min(length, max(end - self.offset, 0))  # of a file that was cut no more is there
        self._remap(self._descriptor, self.offset, length)  # BufferError while views live
        return length, end

    def _ends_elsewhere(self, length: int, end: int) -> ValueError:
        return ValueError(f"the mapping ends at byte {self.offset + length} of {self.name!r}, which has {end} bytes")
