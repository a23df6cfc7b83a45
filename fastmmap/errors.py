"""MappedFileError, warnings, and the names that errors of the system are given."""

from __future__ import annotations

import errno
import sys
import warnings
from types import FrameType

from .blame import is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MEANING = {
    "truncated": (errno.ESTALE, "the file was truncated while it was mapped, and byte {} of the mapping is gone"),
    "changed": (errno.ESTALE, "the file was truncated and grew again while it was read"),
    "no-space": (errno.ENOSPC, "no space on the disk for the page at byte {} of the mapping"),
    "io": (errno.EIO, "byte {} of the mapping can't be accessed on the disk"),
}


class MappedFileError(OSError):
    """Mapped memory has lost its file: the call ended there, and no answer was made of what isn't the file's.

    It is an OSError. Any function or method that reads or writes a mapping may raise it; the process lives.

    Attributes
    ----------
    offset : int
        Where the first page of the buffer that is gone begins, in bytes from the buffer's start: 0 where it begins
        before that; the file's new end, where that lies within a page.
    reason : str
        "truncated"; "changed": the file shrank and grew back, so zeros may have been read; "no-space": a hole in the
        file was written to on a full disk, or read on a full tmpfs; "io": the disk can't be read or written.
    errno : int
        ESTALE for "truncated" and "changed", ENOSPC for "no-space", EIO for "io".
    filename : str, bytes or None
        The file, where the system tells it.

    Examples
    --------
    >>> import fastmmap, os, pathlib
    >>> pathlib.Path("data").write_bytes(bytes(100_000))
    100000
    >>> with fastmmap.open("data") as m:
    ...     os.truncate("data", 0)
    ...     try:
    ...         m.count(b"x")
    ...     except fastmmap.MappedFileError as error:
    ...         print(error.reason, error.offset)
    truncated 0
    """

    offset: int
    reason: str

    @classmethod
    def because(cls, reason: str, offset: int, filename: Any) -> MappedFileError:
        """The error for one of the reasons."""
        number, text = _MEANING[reason]
        named = filename if isinstance(filename, (str, bytes)) else None
        error = cls(number, text.format(offset), named) if named is not None else cls(number, text.format(offset))
        error.offset, error.reason = offset, reason
        return error


class naming:
    """Gives an OSError of ours the file's name: see `add_name`. No generator, which would take a microsecond."""

    __slots__ = ("_always", "_name")

    def __init__(self, name: Any, always: bool = False) -> None:
        self._name, self._always = name, always

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, OSError) and is_ours(error):
            add_name(error, self._name, self._always)


def add_name(error: OSError, name: Any, always: bool = False) -> None:
    """Gives an OSError a file's name, where the call that failed knew none, or only a descriptor.

    With `always`, where it knew another as well: that of a file beside it.
    """
    if isinstance(error, MappedFileError):
        return  # it is another file's, whose name it has where that is known
    if name is not None and (always or not isinstance(error.filename, (str, bytes))):
        error.filename = name
        if error.filename2 is not None:
            del error.filename2


def add_note(error: BaseException, text: str) -> None:
    """BaseException.add_note, which there is from Python 3.11 on."""
    vars(error)["__notes__"] = [*getattr(error, "__notes__", []), text]


class reading:
    """A system call that reads memory of a caller's. Where that has lost its file, the error names it, not ours."""

    __slots__ = ("_buffers",)

    def __init__(self, *buffers: Any) -> None:
        self._buffers = buffers

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, OSError) and error.errno == errno.EFAULT:
            for buffer in self._buffers:
                check_readable(buffer)


def check_readable(buffer: Any) -> None:
    """Raises if a buffer that a system call couldn't read (EFAULT) has lost its file.

    Extensions find that out; fastmmap/guarded.py puts theirs in the place of this.
    """


def warn(text: str) -> None:
    """A RuntimeWarning that points at the line of the caller's that called us, however deep in the package we are.

    What stands between is the package's and the standard library's: a context manager, an import, the start of a thread
    or a module. Where there is nobody's code behind that, it points at what of ours was called.
    """
    place = sys._getframe()
    frame: FrameType | None = place
    while frame is not None:
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package not in sys.stdlib_module_names:
            place = frame
            if package != "fastmmap":
                break
        frame = frame.f_back
    known = place.f_globals
    registry = known.setdefault("__warningregistry__", {})
    file, line = place.f_code.co_filename, place.f_lineno
    warnings.warn_explicit(text, RuntimeWarning, file, line, known.get("__name__"), registry)
