"""fileno, readable and so on: what a mapping says of itself to whoever takes a binary file."""

from __future__ import annotations

import io
import os

from . import system
from .blame import ours
from .descriptors import Open

TYPE_CHECKING = False
if TYPE_CHECKING:
    from threading import RLock


class Describing:
    """Mixed into a mapping."""

    _is_reopened = False

    if TYPE_CHECKING:
        _lock: RLock
        _position: int
        _descriptor: int
        offset: int
        mode: str

        def __len__(self) -> int: ...

    def readable(self) -> bool:
        """True: the mapping may be read.

        Returns
        -------
        bool
            True.

        Raises
        ------
        ValueError
            The mapping is closed.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.open(None, size=3) as m:
        ...     m.readable()
        True
        """
        return self._check_readable()

    def seekable(self) -> bool:
        """True: the position may be moved.

        Returns
        -------
        bool
            True.

        Raises
        ------
        ValueError
            The mapping is closed.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.open(None, size=3) as m:
        ...     m.seekable()
        True
        """
        return self._check_readable()

    def writable(self) -> bool:
        """False: the mapping is changed by its items, `replace` and `append`, not by write.

        Returns
        -------
        bool
            False.

        Raises
        ------
        ValueError
            The mapping is closed.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.open(None, size=3) as m:
        ...     m.writable()
        False
        """
        return not self._check_readable()

    def isatty(self) -> bool:
        """False: the mapping is no terminal.

        Returns
        -------
        bool
            False.

        Raises
        ------
        ValueError
            The mapping is closed.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.open(None, size=3) as m:
        ...     m.isatty()
        False
        """
        return not self._check_readable()

    def fileno(self) -> int:
        """A descriptor of the file's, for those who read by it: it has the same bytes at the same positions.

        It is never the caller's, whose position stays. It is closed with the mapping.

        Returns
        -------
        int
            The descriptor.

        Raises
        ------
        io.UnsupportedOperation
            It can't be had: the mapping is of a part of the file, has changes of its own ("c") or no descriptor, or was
            made of a caller's descriptor whose file can't be opened again.
        ValueError
            The mapping is closed.

        Examples
        --------
        >>> import fastmmap, os, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one")
        >>> with fastmmap.open("file", "r+") as m:
        ...     os.fstat(m.fileno()).st_size
        3
        """
        with self._lock:
            size = len(self)
            fd = self._descriptor
            if fd < 0 or self.mode == "c" or self.offset or os.fstat(fd).st_size != size:
                raise io.UnsupportedOperation("fileno: the mapping isn't the whole of an open file")
            if isinstance(getattr(self, "name", None), int) and not self._is_reopened:
                self._reopen(fd)
            os.lseek(fd, self._position, os.SEEK_SET)
            return fd

    def _reopen(self, fd: int) -> None:
        """Has the copy of a caller's descriptor stand for the file opened anew, with a position of its own.

        It keeps its number, so whoever is at work with it notices nothing.
        """
        flags = os.O_RDWR if self.mode in ("r+", "w+") else os.O_RDONLY
        try:
            with Open() as file:
                system.open_again_into(file, fd, flags)
                os.dup2(file.fd, fd, inheritable=False)
        except ours(OSError) as error:
            text = "fileno: the descriptor's position must not move, and its file can't be opened again"
            raise io.UnsupportedOperation(f"{text}: {error.strerror}") from None
        self._is_reopened = True

    def _check_readable(self) -> bool:
        """True; ValueError when it is closed."""
        return len(self) >= 0
