"""The command's output: all of it is written to standard output, or it is an error. Errors go to standard error."""

from __future__ import annotations

import errno
import os
import sys
from _thread import get_ident

# So much is collected before it is written.
_PIECE = 1 << 16


class OutputError(Exception):
    """Standard output can't be written to. It isn't an OSError, because it is about none of the files."""


class OutputClosed(OutputError):
    """The reader of standard output has closed it."""


class Output:
    """Standard output as bytes. `write` is for print, and has names that are any bytes come out as they are."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._size = 0
        self.written = 0
        self.owner = get_ident()  # the thread that prints

    def put(self, data: bytes) -> None:
        """Writes bytes, at the next flush at the latest."""
        self._waiting.append(data)
        self._size += len(data)
        if self._size >= _PIECE:
            self.flush()

    def write(self, text: str) -> int:
        """Writes text."""
        self.put(os.fsencode(text))
        return len(text)

    def flush(self) -> None:
        """Returns when all was written. What couldn't be is given up, with an OutputError."""
        if not self._waiting:
            return
        data, self._waiting, self._size = b"".join(self._waiting), [], 0
        self.written += len(data)
        try:
            _write_whole(1, data)
        except BrokenPipeError as error:
            raise OutputClosed(error.strerror) from error
        except OSError as error:
            raise OutputError(f"standard output: {error.strerror}") from error

    def check_open(self) -> None:
        """Raises OutputClosed if nobody reads it any more, which is seen without writing where it is a pipe."""
        from .. import system

        if system.has_no_reader(1):
            raise OutputClosed("nobody reads it")

    def isatty(self) -> bool:
        """Whether a terminal shows it."""
        return os.isatty(1)

    def fileno(self) -> int:
        """Its descriptor."""
        return 1


def say(text: str) -> None:
    """One line on standard error, if that is open."""
    # A name may have newlines, and what a terminal would obey.
    line = "".join([sign if sign >= " " and sign != "\x7f" else repr(sign)[1:-1] for sign in text])
    try:
        _write_whole(2, os.fsencode(f"fastmmap: {line}\n"))
    except OSError:
        return


def _write_whole(fd: int, data: bytes) -> None:
    """write(2) until all is written; a pipe that doesn't block is waited for."""
    with memoryview(data) as view:
        written = 0
        while written < len(view):
            try:
                written += _write(fd, view[written:])
            except BlockingIOError:
                from .. import system

                system.wait(fd, writes=True)


def _write(fd: int, data: memoryview) -> int:
    """write(2). Elsewhere than on Windows nothing is imported for that."""
    if sys.platform == "win32":
        from ..system.calls import calls

        return calls.write(fd, data)
    return os.write(fd, data)


def keep_numbers() -> set[int]:
    """Which of the standard descriptors are closed. They are taken, so that no file gets their numbers.

    What is opened can't be read as input, nor written to as output: using it fails as if it were closed.
    """
    closed = set()
    for fd, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(fd)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            closed.add(fd)
            os.open(os.devnull, flags)  # gets the lowest free number, which is this one
    return closed


out = Output()


def complain(error: Exception) -> None:
    """One line for an error."""
    if isinstance(error, OSError) and error.filename is not None:
        name = "standard input" if error.filename == 0 else os.fsdecode(error.filename) or "''"
        error = OSError(f"{name}: {error.strerror}")
    say(str(error) or "out of memory")
