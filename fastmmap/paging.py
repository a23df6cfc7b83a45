"""flush and advise: what is asked of the system about pages."""

from __future__ import annotations

import errno
import sys

from . import system
from ._backend import Mapping
from .blame import ours
from .errors import naming

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What a mapping may do, by its mode.
ACCESS = {"r": "read", "c": "copy", "r+": "write", "w+": "write"}


class Paging(Mapping):
    """A mapping whose pages have a file."""

    if TYPE_CHECKING:
        backend: str
        mode: str
        name: Any

    def flush(self, start: int = 0, length: int | None = None, *, wait: bool = True) -> None:
        """Writes changed pages back to the file.

        Without a file to write to (modes "r" and "c", anonymous memory) nothing happens.

        Parameters
        ----------
        start : int, default 0
            Where what is written back begins, in bytes.
        length : int or None, default None
            How many bytes are. None: all from `start` on.
        wait : bool, default True
            Whether to return when they are on the disk. False only asks the system to begin, and promises nothing.

        Raises
        ------
        ValueError
            The range isn't within the mapping, or that is closed.
        OSError
            The disk can't be written to.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.open("file", "w+", size=5) as m:
        ...     m[:] = b"hello"
        ...     m.flush()
        """
        length = self._check_span(start, length)
        if self.backend != "mmap" or ACCESS[self.mode] != "write":
            return
        with naming(self.name):
            if not wait:
                if self._descriptor >= 0:
                    system.start_writeback(self._descriptor, self.offset + start, length)
                return
            self._sync(start, length)
            if sys.platform == "darwin" and self._descriptor >= 0:
                system.make_durable(self._descriptor)

    def advise(self, advice: str, start: int = 0, length: int | None = None) -> None:  # type: ignore[override]
        """Tells the system how the memory will be used.

        It is no more than advice: where the system doesn't know it, or can't follow it without losing what only memory
        holds, nothing happens.

        Parameters
        ----------
        advice : {"normal", "random", "sequential", "willneed", "dontneed", "hugepage", "nohugepage"}
            As madvise(2) knows it.
        start : int, default 0
            Where the memory begins that it is about, in bytes.
        length : int or None, default None
            How many bytes it is about. None: all from `start` on.

        Raises
        ------
        ValueError
            The advice is unknown, the range isn't within the mapping, or that is closed.
        OSError
            The system refuses it.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.open("file", "w+", size=5) as m:
        ...     m.advise("sequential")
        """
        number = system.advice(advice)
        length = self._check_span(start, length)
        if number is None or (
            advice == "dontneed" and (self.mode == "c" or (self._descriptor < 0 and self.mode != "r"))
        ):
            return
        with naming(self.name):
            try:
                super().advise(start, length, number)
            except ours(OSError) as error:
                if error.errno != errno.EINVAL:  # a system built without it, as is common for huge pages
                    raise

    def _check_span(self, start: int, length: int | None) -> int:
        """The length of a span, which is to the end for None, if it is within the mapping."""
        size = len(self)
        if length is None:
            length = max(size - start, 0)
        if not 0 <= start <= size or not 0 <= length <= size - start:
            raise ValueError(f"{length} bytes at {start} are not within the mapping of {size} bytes")
        return length
