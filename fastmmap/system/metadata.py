"""Owners, modes and extended attributes of files."""

from __future__ import annotations

import errno
import os

from ..blame import ignoring, ours
from .calls import calls

# What says that a file can't be given an extended attribute.
_NO_MARK = (errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOSPC, errno.EDQUOT, errno.E2BIG, errno.ERANGE, errno.EPERM)


def keep_owner(fd: int, before: os.stat_result) -> None:
    """Gives a new file the owner of the file it will replace, or raises PermissionError."""
    now = os.fstat(fd)
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        calls.fchown(fd, before.st_uid, before.st_gid)


def keep_attributes(fd: int, source: int, before: os.stat_result) -> None:
    """Gives a new file the mode and extended attributes of the file it will replace.

    After the owner and the last write, both of which clear the set-user-ID bit. An attribute that can't be given is a
    PermissionError.
    """
    names = _attributes(source)
    # What a folder gives its new files, an access control list above all, would open the file to others.
    for name in _attributes(fd):
        if name not in names and not name.startswith("security."):
            os.removexattr(fd, name)
    calls.fchmod(fd, before.st_mode & 0o7777)
    for name in names:
        value = os.getxattr(source, name)
        if name not in _attributes(fd) or os.getxattr(fd, name) != value:
            os.setxattr(fd, name, value)


def make_attributes_durable(fd: int) -> None:
    """Returns when a file's attributes would survive a power loss, as well as its bytes."""
    os.fsync(fd)


def mark(fd: int, name: str, value: bytes) -> bool:
    """Gives a file an extended attribute of the user's. False where it can't have any, or has no room for it."""
    try:
        os.setxattr(fd, f"user.{name}", value)
    except ours(OSError, AttributeError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_MARK:
            raise
        return False
    return True


def mark_of(file: int | str, name: str) -> bytes | None:
    """What `mark` has given a file, by its descriptor or path; None where it has none."""
    try:
        return os.getxattr(file, f"user.{name}")
    except ours(OSError, AttributeError):
        return None


def remove_mark(fd: int, name: str) -> None:
    """Takes it away, if it is there."""
    with ignoring(OSError, AttributeError):
        os.removexattr(fd, f"user.{name}")


def _attributes(fd: int) -> list[str]:
    """The names of a file's extended attributes, none where there can't be any."""
    if not hasattr(os, "listxattr"):
        return []
    try:
        return os.listxattr(fd)
    except ours(OSError) as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENOSYS):
            return []
        if error.errno == errno.EPERM:  # which no filesystem says
            error.strerror = f"{error.strerror}: its extended attributes, which a new file must keep, can't be listed"
        raise


def give_to_group(fd: int, group: int) -> None:
    """Gives a file to a group, or raises PermissionError."""
    calls.fchown(fd, -1, group)


def set_mode(fd: int, mode: int) -> None:
    """Gives a file its permissions."""
    calls.fchmod(fd, mode)
