"""What Windows has in ways of its own. What each name means is said in `__init__.py`.

`windows_files.py` has the calls by a descriptor, `windows_pipes.py` those of pipes, `windows_names.py` those on names,
`windows_shared.py` shared memory, and `windows_api.py` the functions that all of them call.
"""

from __future__ import annotations

import errno
import functools
import os
import time

from .. import _imports
from ..blame import ours
from ..descriptors import Open
from ..paths import is_directory
from . import windows_api as api
from .generic import (
    REFUSED,
    add_watch,
    attributes,
    exchange,
    fallocate,
    mapped_at,
    name_file,
    open_unnamed_into,
    open_watch,
    quota,
    remove_watch,
    start_writeback,
)
from .windows_files import append as append_some
from .windows_files import ftruncate, open_into, path_of
from .windows_pipes import pauses
from .windows_shared import shm_open, shm_unlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CHANGES", "CUTS_MAPPED", "REFUSED", "acts_as_owner", "add_watch", "allocated", "append_some", "attributes",
    "birth", "boot", "check_name", "create_shared", "exchange", "fallocate", "has_holes", "is_local", "is_named",
    "is_path_of", "is_read_only", "lock", "make_durable", "make_obey", "make_sparse", "mapped_at", "name_file",
    "open_unnamed_into", "open_watch", "path_of", "punch", "quota", "remove_watch", "room", "shm_open", "shm_unlink",
    "start_writeback", "unlock",
]  # fmt: skip

CUTS_MAPPED = False
CHANGES = ("st_dev", "st_ino", "st_size", "st_mtime_ns")  # st_ctime is that of its birth

# Where the lock of a file is: a byte so far behind any data that nobody who reads or writes comes to it.
_LOCK_AT = 1 << 62

# The filesystem whose files have numbers of 64 bits that aren't given to others soon. (Those of ReFS have 128.)
_LOCAL = ("NTFS",)

_LONGEST_NAME = 255  # in units of UTF-16
_READ_ONLY = 0x00080000  # FILE_READ_ONLY_VOLUME
_TIME_OF_DAY = 3  # SystemTimeOfDayInformation


def make_durable(fd: int) -> None:
    """Not by os.fsync, whose errors are all EBADF. A pipe isn't flushed: that would wait for who reads from it."""
    if not api.is_disk(fd):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    if not api.function("FlushFileBuffers")(api.handle_of(fd)):
        raise api.error(api.last_error())


def punch(fd: int, offset: int, length: int) -> bool:
    """In a file that isn't sparse this writes zeros."""
    bounds = offset.to_bytes(8, "little") + (offset + length).to_bytes(8, "little")
    return api.control(fd, api.FSCTL_SET_ZERO_DATA, bounds)


def make_sparse(fd: int) -> None:
    api.control(fd, api.FSCTL_SET_SPARSE)


def allocated(fd: int, status: os.stat_result | None) -> int:
    return int.from_bytes(api.ask(fd, api.FILE_STANDARD_INFO, 24)[:8], "little")


def has_holes(status: os.stat_result) -> bool:
    return bool(getattr(status, "st_file_attributes", 0) & api.ATTRIBUTE_SPARSE)


def room(file: int | str) -> int:
    free = _imports.load("ctypes").c_uint64()
    path = path_of(file) if isinstance(file, int) else os.path.abspath(file)
    if not is_directory(path):
        path = os.path.dirname(path)
    if not api.function("GetDiskFreeSpaceExW")(os.path.join(path, ""), api.at(free), None, None):
        raise api.error(api.last_error(), path)
    return int(free.value)


# --- locks ---


def lock(fd: int, wait: bool = True) -> bool:
    """LockFileEx, which is waited for by looking now and then: signal handlers run meanwhile."""
    waits = pauses()
    while not _lock_at_once(fd):
        if not wait:
            return False
        time.sleep(next(waits))
    return True


def _lock_at_once(fd: int) -> bool:
    flags = api.LOCKFILE_EXCLUSIVE_LOCK | api.LOCKFILE_FAIL_IMMEDIATELY
    if api.function("LockFileEx")(api.handle_of(fd), flags, 0, 1, 0, api.overlapped(_LOCK_AT)):
        return True
    ended = api.last_error()
    if ended in (api.ERROR_LOCK_VIOLATION, api.ERROR_IO_PENDING):
        return False
    raise api.error(ended)


def unlock(fd: int) -> None:
    """Where it isn't locked that is no error, as elsewhere."""
    if not api.function("UnlockFileEx")(api.handle_of(fd), 0, 1, 0, api.overlapped(_LOCK_AT)):
        ended = api.last_error()
        if ended not in (api.ERROR_NOT_LOCKED, api.ERROR_LOCK_VIOLATION):  # Wine says the latter
            raise api.error(ended)


# --- which file it is, and where ---


def is_named(fd: int) -> bool:
    """A file that is to be removed when all have closed it counts as one without a name."""
    answer = api.ask(fd, api.FILE_STANDARD_INFO, 24)
    return any(answer[16:20]) and not answer[20]  # NumberOfLinks, DeletePending


@functools.cache
def _is_wine() -> bool:
    return hasattr(_imports.load("ctypes").WinDLL("ntdll"), "wine_get_version")


def birth(file: int | str) -> int:
    """Wine tells when a file was changed instead."""
    if _is_wine():
        return 0
    status = os.stat(file, follow_symlinks=isinstance(file, int))
    born: int = getattr(status, "st_birthtime_ns", status.st_ctime_ns)  # the latter before Python 3.12
    return born


def is_path_of(name: bytes) -> bool:
    return False


def _volume(fd: int) -> tuple[str, int]:
    """The name of a file's filesystem, and its flags; "" where it doesn't say."""
    name, flags = api.wide(64), api.number()
    found = api.function("GetVolumeInformationByHandleW")(
        api.handle_of(fd), None, 0, None, None, api.at(flags), name, 64
    )
    return (str(name.value), int(flags.value)) if found else ("", 0)


def is_local(fd: int) -> bool:
    return _volume(fd)[0] in _LOCAL and not _is_remote(fd)


def _is_remote(fd: int) -> bool:
    """Whether a file is another machine's: only of those can this be asked."""
    try:
        api.ask(fd, api.FILE_REMOTE_PROTOCOL_INFO, 180)
    except ours(OSError):
        return False
    return True


def is_read_only(path: str) -> bool:
    with Open() as file:
        open_into(file, path, os.O_RDONLY)
        return bool(_volume(file.fd)[1] & _READ_ONLY)


def acts_as_owner() -> bool:
    return True


@functools.cache
def boot() -> bytes:
    """When Windows was started, by a clock that isn't set."""
    answer = api.buffer(48)
    if api.function("NtQuerySystemInformation")(_TIME_OF_DAY, answer, len(answer), None) != 0:
        return b""
    started, moved = (int.from_bytes(answer.raw[at : at + 8], "little", signed=True) for at in (0, 32))
    return (started - moved).to_bytes(8, "little", signed=True) + b"windows\0"


def make_obey(fd: int) -> bool:
    """Has a console take colours, as ENABLE_VIRTUAL_TERMINAL_PROCESSING; whether it does."""
    handle, mode = api.handle_of(fd), api.number()
    if not api.function("GetConsoleMode")(handle, api.at(mode)):
        return False
    return bool(mode.value & 4 or api.function("SetConsoleMode")(handle, mode.value | 4))


def check_name(path: str) -> None:
    if len(os.path.basename(path).encode("utf-16-le", "surrogatepass")) > 2 * _LONGEST_NAME:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)


def create_shared(open_by_name: Callable[..., int], name: str, size: int) -> int:
    fd = open_by_name(f"/{name}", os.O_RDWR | os.O_CREAT | os.O_EXCL, mode=0o600)
    try:
        ftruncate(fd, size)
    except BaseException:
        os.close(fd)
        shm_unlink(f"/{name}")
        raise
    return fd
