"""MappedFileError, and how a fault on mapped memory becomes one."""

from __future__ import annotations

import errno
import mmap
import os
import sys
import warnings
from typing import Any

from .blame import ours

_MEANING = {
    "truncated": (errno.ESTALE, "the file was truncated while it was mapped, and byte {} of the mapping is gone"),
    "changed": (errno.ESTALE, "the file was truncated and grew again while it was read"),
    "no-space": (errno.ENOSPC, "no space on the disk for the page at byte {} of the mapping"),
    "io": (errno.EIO, "byte {} of the mapping can't be accessed on the disk"),
}


class MappedFileError(OSError):
    """Mapped memory has lost its file: the call ended there, and no answer was made of what isn't the file's.

    offset: the byte of the buffer that couldn't be accessed. reason: "truncated", "changed" (it shrank and grew back,
    so zeros may have been read), "no-space" (a hole in the file was written to on a full disk) or "io". errno is
    ESTALE, ENOSPC or EIO; filename is known where the buffer knows it.
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


def fault(owner: Any, offset: int) -> MappedFileError:
    """The error for a fault at `offset` of what `owner` exports. What was the matter is asked of the file now."""
    file = _behind(owner)
    return MappedFileError.because(_reason(file), offset, getattr(file, "name", None))


def check_status(mapping: Any, before: tuple[int, ...], after: tuple[int, ...] | None, end: int) -> None:
    """Raises what no fault tells, given a Mapping's file_status before and after its bytes up to `end` were read.

    A file that was cut within a page shows zeros behind its new end; one that was cut and grew back shows them
    everywhere. The latter has fewer blocks than before then, and fewer than its bytes fill. (One that was written anew
    as well isn't told from one that was overwritten in place, which is allowed.)
    """
    if after is None or before[:2] != after[:2]:
        return  # its descriptor was closed meanwhile
    (_, _, size_before, blocks_before), (_, _, size, blocks) = before, after
    if size < end:
        raise MappedFileError.because("truncated", max(size, 0), getattr(mapping, "name", None))
    if blocks < blocks_before and blocks * 512 < min(size, size_before):
        raise MappedFileError.because("changed", 0, getattr(mapping, "name", None))


def warn(text: str) -> None:
    """A RuntimeWarning that points at the line of the caller's that called us, however deep in the package we are."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None:
        name, file = frame.f_globals.get("__name__", ""), frame.f_code.co_filename
        if name.partition(".")[0] not in ("fastmmap", "importlib"):
            break
        level += not ("importlib" in file and "_bootstrap" in file)  # the frames of an import, which warnings skips
        frame = frame.f_back
    warnings.warn(text, RuntimeWarning, stacklevel=level)


def _behind(owner: Any) -> Any:
    """What has the file behind a view or an array."""
    while True:
        if isinstance(owner, memoryview):
            owner = owner.obj
        elif type(owner).__module__ == "numpy" and owner.base is not None:
            owner = owner.base
        else:
            return owner


def _reason(file: Any) -> str:
    """Why a byte of a file couldn't be accessed, as far as can be found out afterwards."""
    try:
        if isinstance(file, mmap.mmap):
            return "truncated" if file.size() < len(file) else "io"
        path = file.descriptor if file.descriptor >= 0 else file.name
        if os.stat(path).st_size < file.offset + len(file):
            return "truncated"
        if file.mode in ("r+", "w+") and os.statvfs(path).f_bavail == 0:
            return "no-space"
        return "io"
    except ours(OSError, ValueError, TypeError, AttributeError):
        return "truncated"  # the most frequent by far
