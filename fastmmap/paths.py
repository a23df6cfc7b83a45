"""What is at a path: functions of os.path that don't take every OSError for an answer.

Python runs signal handlers within os.path, too. What they raise would make a link a file there, and a file none.
"""

from __future__ import annotations

import errno
import os
import stat

from .blame import ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    # What names a file.
    Path: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]

# What says that nothing is there, or nothing that we may see.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG)

# Linux follows no more links than these in one path: what is left of more would be a link.
_LINKS = 40


def resolved(path: str) -> str:
    """os.path.realpath: the path without links, whether anything is there or not. OSError for links in a circle."""
    if os.name == "nt":
        return os.path.realpath(path)
    names, done, links = _names(path), "/", 0
    if not path.startswith("/"):
        names += _names(os.getcwd())
    while names:
        name = names.pop()
        if name == "..":
            done = os.path.dirname(done)
            continue
        place = os.path.join(done, name)
        link = _link(place)
        if link is None:
            done = place
            continue
        links += 1
        if links > _LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        names += _names(link)
        if link.startswith("/"):
            done = "/"
    return done


def _names(path: str) -> list[str]:
    """What a path goes through, the first of them last."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _link(path: str) -> str | None:
    """Where a link leads; None for what is no link."""
    try:
        if not stat.S_ISLNK(os.lstat(path).st_mode):
            return None
    except ours(OSError) as error:
        if error.errno in _ABSENT:
            return None
        raise
    return os.readlink(path)


def is_directory(path: str) -> bool:
    """os.path.isdir."""
    status = _status(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def exists(path: str) -> bool:
    """os.path.exists."""
    return _status(path) is not None


def is_taken(path: str) -> bool:
    """os.path.lexists: whether a name is there, if only that of a link that leads nowhere."""
    return _status(path, follow=False) is not None


def leads_to(path: str, fd: int, follow: bool = True) -> bool:
    """Whether what is at a path is an open file."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=follow), os.fstat(fd))
    except ours(FileNotFoundError, NotADirectoryError):
        return False


def _status(path: str, follow: bool = True) -> os.stat_result | None:
    try:
        return os.stat(path, follow_symlinks=follow)
    except ours(OSError):
        return None
