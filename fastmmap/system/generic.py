"""What any POSIX system has. Where Linux or macOS can do more, their own file says so under the same name."""

from __future__ import annotations

import errno
import os
import sys

from ..blame import ignoring, ours
from ..descriptors import Open
from .names import open_into

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

try:
    import fcntl  # not when it is needed: that may be while the interpreter ends
except ImportError:  # as in a browser: there are no locks, and so no stages
    fcntl = None  # type: ignore[assignment]

# What a system call answers that isn't there, or that a sandbox (seccomp) refuses, whatever it is called for.
REFUSED = (errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP)  # the last two are one on Linux alone

CUTS_MAPPED = True
CHANGES = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")


def fallocate(fd: int, offset: int, length: int, keeps_size: bool) -> bool:
    return False


def punch(fd: int, offset: int, length: int) -> bool:
    return False


def make_sparse(fd: int) -> None:
    """A file can have holes anyway."""


def allocated(fd: int, status: os.stat_result | None) -> int:
    return (status or os.fstat(fd)).st_blocks * 512


def has_holes(status: os.stat_result) -> bool:
    return status.st_blocks * 512 < status.st_size


def start_writeback(fd: int, offset: int, length: int) -> None:
    pass


def make_durable(fd: int) -> None:
    os.fdatasync(fd)


def lock(fd: int, wait: bool = True) -> bool:
    if fcntl is None:
        raise OSError(errno.ENOSYS, "This Python has no fcntl, and so no locks")
    try:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ours(BlockingIOError):
        return False
    return True


def unlock(fd: int) -> None:
    fcntl.flock(fd, fcntl.LOCK_UN)


def ioctl(fd: int, request: int, argument: bytes) -> bytes:
    """ioctl(2) on a descriptor, which may change its argument: it is returned."""
    if fcntl is None:
        raise OSError(errno.ENOSYS, "This Python has no fcntl")
    return fcntl.ioctl(fd, request, argument)


def is_local(fd: int) -> bool:
    return False


def open_watch() -> int:
    return -1


def add_watch(fd: int, path: str) -> int:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), path)


def remove_watch(fd: int, number: int) -> None:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def birth(file: int | str) -> int:
    return 0


def boot() -> bytes:
    return b""


def attributes(path: str) -> set[str]:
    return set()


def quota() -> int:
    return sys.maxsize


def path_of(fd: int) -> Any:
    return f"/proc/self/fd/{fd}"


def is_path_of(name: bytes) -> bool:
    return name.startswith(b"/dev/fd/")


def acts_as_owner() -> bool:
    return True


def mapped_at(address: int) -> tuple[str, int] | None:
    return None


def is_named(fd: int) -> bool:
    return os.fstat(fd).st_nlink > 0


def append_some(fd: int, data: Any) -> int:
    if hasattr(os, "RWF_APPEND"):
        try:
            return os.pwritev(fd, [data], 0, os.RWF_APPEND)
        except ours(OSError) as error:
            if error.errno not in (*REFUSED, errno.EINVAL):
                raise
    with Open() as own:
        try:
            open_into(own, path_of(fd), os.O_WRONLY | os.O_APPEND)
        except ours(FileNotFoundError):
            text = "Appending to an open file needs pwritev2 or /proc"
            raise OSError(errno.ENOSYS, text) from None
        if not os.path.samestat(os.fstat(own.fd), os.fstat(fd)):
            raise OSError(errno.ESTALE, "The file was renamed or replaced, and can't be opened again to append to it")
        return os.write(own.fd, data)


def is_read_only(path: str) -> bool:
    with ignoring(OSError):
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    return False


def check_name(path: str) -> None:
    """The system says so itself."""


def exchange(path: str, other: str) -> bool:
    return False


def open_unnamed_into(fds: list[int], folder: str) -> bool:
    return False


def name_file(fd: int, path: str) -> None:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), path)


def create_shared(open_by_name: Callable[..., int], name: str, size: int) -> int:
    return open_by_name(f"/{name}", os.O_RDWR | os.O_CREAT, mode=0o600)
