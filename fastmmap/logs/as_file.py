"""An appender where a file is expected: print, csv, logging's handlers and the like write lines to it, in pieces."""

from __future__ import annotations

import os
from _thread import get_ident
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .._backend import chosen
from ..reference.arguments import export, export_data
from .ending import has_ended
from .staging import LARGE, Open
from .storing import Storing

if TYPE_CHECKING:
    from typing import Any

    from ..reference.arguments import Data


class AsFile(Storing):
    """What a file that is written to has. A line is stored as a whole, whatever pieces it comes in."""

    encoding = "utf-8"
    errors = "strict"

    def _prepare(self, *options: Any) -> None:
        super()._prepare(*options)
        # The beginnings of lines, by the thread that writes them. Each thread changes its own, in single steps.
        self._unended: dict[int, bytes] = {}

    @property
    def position(self) -> int:
        """How many bytes this appender has accepted, an int. `reopen` doesn't set it back."""
        return self._stored + self._waiting()

    @property
    def size(self) -> int:
        """How many bytes the file has with those that wait in this appender, an int.

        What waits in other appenders isn't counted. ValueError when the appender is closed.
        """
        with Open(self), self._lock:
            self._check_open()
            return self._log.size() + self._staged() + self._waiting()

    def _waiting(self) -> int:
        """How many bytes wait for more of their lines."""
        return sum(map(len, list(self._unended.values())))

    def write(self, data: Data) -> int:
        r"""Takes a piece of text or data, for code that expects a file: print, csv, pickle. Returns its length.

        A line is appended when its end comes, as one record, so processes that print to one file don't mix their lines.
        What has no end yet waits, that of each thread by itself: until its end, until this thread calls `flush`, or any
        `sync`, `reopen` or `close`, until something is appended behind it, or it is 64 KiB long. If the process is
        killed, it is lost.

        Parameters
        ----------
        data : bytes-like or str
            The piece. A str is encoded as UTF-8.

        Returns
        -------
        int
            How many bytes were taken: all of them. Of a str that is the length of its UTF-8.

        Raises
        ------
        TypeError, OSError, ValueError
            As `append` does. Nothing of the piece was taken.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.Appender("app.log") as log:
        ...     log.write("one\n")
        ...     print("two", 3, file=log)
        4
        """
        data = _bytes_of(data)
        # Not `append`: where that finds no room, it stores what other threads have begun meanwhile, as it is.
        if not (data.endswith(b"\n") and not self._unended and self._take(data)):
            with Open(self), self._lock:
                self._check_open()
                self._durability.check()
                self._write_piece(data)
        return len(data)

    def _write_piece(self, data: bytes) -> None:
        """Stores what ends a line, with what was there of it, and keeps what doesn't. The lock is held."""
        if not data:
            return
        thread, before = get_ident(), self._stored
        kept = self._unended.pop(thread, b"")
        end = data.rfind(b"\n") + 1
        if len(kept) + len(data) - end >= LARGE or has_ended():
            end = len(data)
        try:
            if end:
                self._store(memoryview(kept + data[:end]))
        except BaseException as error:
            # An interrupt may come when all is stored.
            if kept and (isinstance(error, Exception) or self._stored == before):
                self._keep(thread, kept)
            raise
        if end < len(data):
            self._keep(thread, data[end:] if end else kept + data)

    def _keep(self, thread: int, piece: bytes) -> None:
        """Has a piece wait for more of its line. What is appended meanwhile goes behind it: the stage rests."""
        self._unended[thread] = piece + self._unended.pop(thread, b"")
        self._rest(anyway=True)

    # --- the stage, while a line has no end ---

    def _overflow(self, data: Data) -> None:
        with export_data(data) as view, Open(self), self._lock:  # exported by anybody's code, and so without the lock
            self._check_open()
            self._store_unended()
            self._store(view)

    def _store_unended(self, *threads: int) -> None:
        for thread in threads or list(self._unended):
            kept = self._unended.pop(thread, b"")
            try:
                if kept:
                    self._store(memoryview(kept))
            except BaseException:
                self._keep(thread, kept)
                raise

    def _store(self, record: memoryview) -> None:
        super()._store(record)
        if self._unended:
            self._rest(anyway=True)

    def _get_ready(self, length: int = 0) -> None:
        super()._get_ready(length)
        if self._durability.policy != "always" and not (self._takes_no_more or self._reopen_is_due):
            super()._wake()  # it rests for lines without an end

    def _wake(self) -> None:
        if not self._unended:
            super()._wake()

    @property
    def _rests(self) -> bool:
        return self._takes_no_more or len(self._unended) > 0

    def _start_anew(self) -> None:
        super()._start_anew()
        self._unended = {}  # the lines that the parent has begun

    def writelines(self, lines: Iterable[Data]) -> None:
        r"""Writes each of an iterable's lines, for code that expects a file.

        Parameters
        ----------
        lines : iterable of bytes-like or str
            The lines. As for files, nothing is added to them, no newline either.

        Raises
        ------
        TypeError, OSError, ValueError
            As `write` does. The lines before are taken, but with sync="always", where all are taken together.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.Appender("app.log") as log:
        ...     log.writelines(["one\n", "two\n"])
        """
        if self._durability.policy == "always":
            lines = [b"".join(map(_bytes_of, lines))]  # all of them by one sync
        for line in lines:
            self.write(line)

    def readable(self) -> bool:
        """Whether it can be read from, for io.TextIOWrapper and the like.

        Returns
        -------
        bool
            False.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.Appender("app.log") as log:
        ...     log.readable()
        False
        """
        return False

    def writable(self) -> bool:
        """Whether it can be written to, for io.TextIOWrapper and the like.

        Returns
        -------
        bool
            True.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.Appender("app.log") as log:
        ...     log.writable()
        True
        """
        return True

    def seekable(self) -> bool:
        """Whether it has a position that can be set, for io.TextIOWrapper and the like.

        Returns
        -------
        bool
            False.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.Appender("app.log") as log:
        ...     log.seekable()
        False
        """
        return False

    def fileno(self) -> int:
        """The descriptor of the file, for subprocess, faulthandler and the like. It appends.

        What is written to it goes before what waits in the stage: `flush` first. It is another one after `reopen`, and
        once the file was removed or replaced.

        Returns
        -------
        int
            The descriptor, which stays the appender's.

        Raises
        ------
        ValueError
            The appender is closed.

        Examples
        --------
        >>> import fastmmap, subprocess
        >>> with fastmmap.Appender("app.log") as log:
        ...     process = subprocess.run(["echo", "one"], stdout=log)
        """
        self._check_open()
        return self._log.file.fd

    def isatty(self) -> bool:
        """Whether the file is a terminal.

        Returns
        -------
        bool
            False for every regular file.

        Raises
        ------
        ValueError
            The appender is closed.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.Appender("app.log") as log:
        ...     log.isatty()
        False
        """
        return os.isatty(self.fileno())


def _bytes_of(data: Data) -> bytes:
    if isinstance(data, str):
        return str.encode(data)
    if type(data) is bytes:
        return data
    with export(data) as view:
        copied = bytearray(len(view))
        chosen.append(copied, 0, view)  # by a kernel: it may be memory that has lost its file
        return bytes(copied)
