"""Edits of files: old or new, never a mix."""

from __future__ import annotations

import errno
import os
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsIndex

from . import _system
from ._backend import chosen
from .mapped import MappedFile
from .reference.arguments import check_old, check_threads, data_bytes, index_or

if TYPE_CHECKING:
    from .reference.arguments import Data
    from .reference.replace import Substitution

# What is assembled before it is written: large enough for one system call to cost nothing, small enough for the cache.
BLOCK = 1 << 20


@dataclass(frozen=True)
class Replacement:
    """What replace_file did. strategy is "none" (no match, file untouched) or "rewrite"; int() is the count."""

    path: str
    count: int
    old_size: int
    new_size: int
    strategy: str
    seconds: float

    def __int__(self) -> int:
        return self.count


def replace_file(
    path: str | bytes | os.PathLike[str] | os.PathLike[bytes],
    old: Data,
    new: Data,
    count: SupportsIndex = -1,
    *,
    durable: bool | None = None,
    threads: int | None = None,
) -> Replacement:
    """Replaces `old` by `new`, of any length, in a file; at most `count` times where it isn't negative.

    The new file is written beside the old one and takes its place in one step, so that a reader, a crash or a full disk
    finds the old or the new, never a mix. durable=False doesn't wait for the disk: a power loss may then leave an empty
    file. Mode, owner and extended attributes are kept; a symbolic link's target is edited. Without a match the file
    isn't touched.

    OSError, with the file unchanged and nothing left beside it: a file with several hard links, which would come apart;
    an owner or attribute that can't be kept; a file that changed meanwhile; and whatever the system reports. The one
    error after the file is replaced is that of flushing the directory: the new file is there, but a power loss may
    bring back the old.
    """
    began = time.perf_counter()
    own_old, own_new, most = data_bytes(old, "old"), data_bytes(new, "new"), index_or(count, -1)
    check_old(own_old)
    check_threads(threads)
    target = os.path.realpath(os.fsdecode(path))
    with _system.naming(target):
        fd = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
        try:
            before = os.fstat(fd)
            if not stat.S_ISREG(before.st_mode) and not stat.S_ISDIR(before.st_mode):  # MappedFile refuses a directory
                raise OSError(errno.ENODEV, "Not a regular file")
            with MappedFile(fd) as source:
                size = len(source)
                if most == 0 or own_old == own_new or source.find(own_old) < 0:
                    number = source.count(own_old) if own_old == own_new else 0
                    number = min(number, most) if most >= 0 else number
                    return Replacement(target, number, size, size, "none", time.perf_counter() - began)
                if before.st_nlink > 1:
                    raise OSError(errno.EMLINK, f"{before.st_nlink} hard links, of which a rewrite would change one")
                with chosen.substitution(source, own_old, own_new, most) as edit:
                    room = max(BLOCK, len(own_new))
                    number, new_size = _rewrite(target, fd, before, edit, room, durable is not False)
        finally:
            os.close(fd)
    return Replacement(target, number, size, new_size, "rewrite", time.perf_counter() - began)


def _rewrite(
    target: str, fd: int, before: os.stat_result, edit: Substitution, room: int, durable: bool
) -> tuple[int, int]:
    """Writes the new file and puts it in the place of the old. Returns how many were replaced, and its size."""
    beside = os.path.join(os.path.dirname(target), f".fastmmap-{os.urandom(8).hex()}")
    # Opened first: a directory that can't be, and so can't be flushed, is an error before the file is replaced.
    directory = _system.open_directory(os.path.dirname(target)) if durable else -1
    try:
        result = _write_beside(beside, target, fd, before, edit, room, durable)
        if durable:
            _system.make_names_durable(directory)
        return result
    finally:
        if durable:
            os.close(directory)


def _write_beside(
    beside: str, target: str, fd: int, before: os.stat_result, edit: Substitution, room: int, durable: bool
) -> tuple[int, int]:
    """Makes the new file and renames it; on any error it is removed."""
    out = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            number = _write_substituted(out, edit, room)
            size = os.fstat(out).st_size
            _system.keep_attributes(out, fd, before)
            if durable:
                _system.make_durable(out)
        finally:
            os.close(out)
        _check_unchanged(target, before)
        _system.rename(beside, target)
    except BaseException:
        os.unlink(beside)
        raise
    return number, size


def _write_substituted(out: int, edit: Substitution, room: int) -> int:
    """Writes what the edit gives, in blocks of `room` bytes. Returns how many were replaced."""
    block = bytearray(room)
    while filled := edit.readinto(block):
        _system.write_all(out, memoryview(block)[:filled])
    return edit.replaced


def _check_unchanged(target: str, before: os.stat_result) -> None:
    """What somebody wrote to the file since we began would be lost with the rename."""
    now = os.stat(target)
    for field in ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"):
        if getattr(now, field) != getattr(before, field):
            raise OSError(errno.EBUSY, f"The file changed while it was being edited ({field})", target)
