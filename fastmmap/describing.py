"""fileno, readable and so on: what a mapping says of itself to whoever takes a binary file."""

from __future__ import annotations

import errno
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
        descriptor: int
        offset: int
        mode: str

        def __len__(self) -> int: ...

    def readable(self) -> bool:
        """True: it may be read."""
        return self._check_readable()

    def seekable(self) -> bool:
        """True: its position may be moved."""
        return self._check_readable()

    def writable(self) -> bool:
        """False: it is changed by its items, `replace` and `append`, not by write."""
        return not self._check_readable()

    def isatty(self) -> bool:
        """False: it is no terminal."""
        return not self._check_readable()

    def fileno(self) -> int:
        """A descriptor of the file's, for those who read by it: it has the same bytes at the same positions.

        It is never the caller's, whose position stays, and is closed with the mapping. io.UnsupportedOperation where it
        can't be had: for a mapping of a part of the file or with changes of its own ("c"), for one without a
        descriptor, and for one of a caller's whose file can't be opened again.
        """
        with self._lock:
            size = len(self)
            fd = self.descriptor
            if fd < 0 or self.mode == "c" or self.offset or os.fstat(fd).st_size != size:
                raise io.UnsupportedOperation("fileno: the mapping isn't all of a file that is open")
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
                system.open_into(file, system.path_of(fd), flags)
                if not os.path.samestat(os.fstat(file.fd), os.fstat(fd)):
                    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
                os.dup2(file.fd, fd, inheritable=False)
        except ours(OSError) as error:
            text = "fileno: the descriptor's position isn't ours to move, and its file can't be opened anew"
            raise io.UnsupportedOperation(f"{text}: {error.strerror}") from None
        self._is_reopened = True

    def _check_readable(self) -> bool:
        """True; ValueError when it is closed."""
        return len(self) >= 0
