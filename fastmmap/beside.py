"""Our own files beside the user's: their names, which are trusted, how they are created and opened.

New files of an edit, stages and their locks stand in the folder of the file that they are for, where others may have
put something under the same name.
"""

from __future__ import annotations

import errno
import os
import stat

from . import _imports, system
from .blame import ignoring, ours
from .descriptors import Held
from .paths import is_taken, resolved

# What their names begin with. With a dot, so that no `app.log*` sees them.
PREFIX = ".fastmmap-"

# And with what they end: stages, what was set aside of them, locks and turns of logs, journals of edits.
_LOCKS = (".lock", ".turn")
_SUFFIXES = (".stage", ".aside", ".journal", *_LOCKS)


def is_ours(path: str) -> bool:
    """Whether a path has a name that nobody else's files have."""
    name = os.path.basename(path)
    return name.startswith(PREFIX) and name.endswith(_SUFFIXES)


class Untrusted(OSError):
    """A file that has a name of ours, but isn't ours, or may not be: it is left alone, with a warning."""

    def __init__(self, path: str, reason: str, number: int = errno.EPERM) -> None:
        super().__init__(number, f"{os.path.basename(path)!r} is ignored: {reason}", path)


def create_into(fds: list[int], folder: str, path: str) -> bool:
    """Puts a new file's descriptor into a list, for us alone to read; whether it has a name already, `path` then.

    Without one, nothing is left of it when this process is killed, until `system.name_file` gives it its name.
    """
    if system.open_unnamed_into(fds, folder):
        return False
    system.open_into(fds, path, os.O_RDWR | os.O_CREAT | os.O_EXCL | system.calls.O_NOFOLLOW, 0o600)
    return True


def adopt(path: str, mode: int | None = None) -> Held:
    """Opens a file that may be one of ours: no link, and nothing that can't be one. With a mode it may be a new one."""
    try:
        if mode is None and not stat.S_ISREG(os.lstat(path).st_mode):
            raise Untrusted(path, "it is not a regular file")  # to open a device may do something
        file = _open(path, mode)
    except ours(OSError) as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise Untrusted(path, "it is not a regular file") from None
        if error.errno == errno.EACCES and is_taken(path):
            raise Untrusted(path, str(error.strerror), error.errno) from None
        raise
    if not stat.S_ISREG(os.fstat(file.fd).st_mode):
        raise Untrusted(path, "it is not a regular file")
    file.path = path
    return file


def _open(path: str, mode: int | None = None) -> Held:
    """A file that somebody else may have put there: no link, and nothing that blocks.

    With a mode it is made where it isn't there.
    """
    flags = os.O_RDWR | system.CAREFULLY
    while True:
        try:
            return Held.of(system.calls.open, path, flags)
        except ours(FileNotFoundError):
            if mode is None:
                raise
        # Where everybody may write, Linux refuses O_CREAT for a file of another user (fs.protected_regular).
        with ignoring(FileExistsError):
            return Held.of(system.calls.open, path, flags | os.O_CREAT | os.O_EXCL, mode)


def close_locks() -> None:
    """Closes all locks and turns that this process has open, by their names."""
    with ignoring(OSError):
        for fd in map(int, os.listdir("/dev/fd")):
            with ignoring(OSError):  # it was of that list
                path = resolved(os.fsdecode(system.path_of(fd))).removesuffix(" (deleted)")
                if is_ours(path) and path.endswith(_LOCKS):
                    os.close(fd)


def check_trust(fd: int, path: str, file: os.stat_result, shared: bool = False) -> None:
    """Raises Untrusted unless a file of ours is as private as the one it is for, and belongs to its owner or to us.

    Otherwise somebody who may not write to that file could have us do so. With `shared` it may be anybody's who may.
    """
    status = os.fstat(fd)
    if status.st_nlink > 1:
        raise Untrusted(path, "it has several hard links")
    if status.st_uid not in (system.user(), file.st_uid) and not (shared and may_write(status.st_uid, file)):
        raise Untrusted(path, f"it belongs to user {status.st_uid}")
    others_group = status.st_gid != file.st_gid and not file.st_mode & 0o002
    if status.st_mode & ~file.st_mode & 0o022 or (status.st_mode & 0o020 and others_group):
        raise Untrusted(path, "users who may not write to the file may write to it")


def may_write(user: int, file: os.stat_result) -> bool:
    """Whether a file's mode lets a user write to it, as far as the groups are known."""
    if user == file.st_uid or file.st_mode & 0o002:
        return True
    if not file.st_mode & 0o020:
        return False
    try:
        account = _imports.load("pwd").getpwuid(user)
        return file.st_gid in os.getgrouplist(account.pw_name, account.pw_gid)
    except ours(ImportError, KeyError, OSError):
        return False


def adapt(fd: int, file: os.stat_result) -> None:
    """Gives a file of ours the owner and group of the one it is for, where we may, and its users rights."""
    with ignoring(OSError):
        system.keep_owner(fd, file)
    if os.fstat(fd).st_gid != file.st_gid:
        with ignoring(OSError):
            system.give_to_group(fd, file.st_gid)
    mode = permissions(file)
    system.set_mode(fd, mode if os.fstat(fd).st_gid == file.st_gid else mode & ~0o070)


def permissions(file: os.stat_result) -> int:
    """The mode of a file beside a log: to read and write for those who may do both to the log.

    Who may only read the log could lock the file, and so hold writers up; who may only write to it could read records.
    """
    both = file.st_mode & file.st_mode >> 1 & 0o222
    return both | both << 1 | 0o600
