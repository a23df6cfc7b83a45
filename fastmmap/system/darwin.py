"""What macOS does otherwise. tools/compile_macos.py compares the numbers here with macOS' headers."""

from __future__ import annotations

import errno
import fcntl
import functools
import os
from struct import Struct

from .. import _imports
from ..blame import ours
from . import generic, libc, names
from .generic import (
    CHANGES,
    CUTS_MAPPED,
    REFUSED,
    add_watch,
    allocated,
    append_some,
    check_name,
    has_holes,
    is_named,
    is_path_of,
    is_read_only,
    lock,
    make_sparse,
    mapped_at,
    name_file,
    open_unnamed_into,
    open_watch,
    quota,
    remove_watch,
    start_writeback,
    unlock,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "CHANGES", "CUTS_MAPPED", "REFUSED", "acts_as_owner", "add_watch", "allocated", "append_some", "attributes",
    "birth", "boot", "check_name", "create_shared", "exchange", "fallocate", "has_holes", "is_local", "is_named",
    "is_path_of", "is_read_only", "keep_attributes", "lock", "make_attributes_durable", "make_durable",
    "make_names_durable", "make_sparse", "mapped_at", "name_file", "open_unnamed_into", "open_watch", "path_of",
    "punch", "quota", "remove_watch", "start_writeback", "unlock",
]  # fmt: skip

# Requests of fcntl(2): F_PREALLOCATE, F_GETPATH, F_FULLFSYNC, F_PUNCHHOLE. Python has names for the middle two alone.
_PREALLOCATE, _GETPATH, _FULLFSYNC, _PUNCHHOLE = 42, 50, 51, 99

# What they take: struct fstore, with F_ALLOCATEALL and F_PEOFPOSMODE, and struct fpunchhole; and MAXPATHLEN.
_FSTORE, _ALL, _BEHIND = Struct("@IiqqQ"), 4, 3
_HOLE = Struct("@IIqq")
_LONGEST = 1024

# What says that a filesystem doesn't know a request.
_UNKNOWN = (*REFUSED, errno.EINVAL, errno.ENOTTY)

_HERE, _SWAP = -2, 2  # AT_FDCWD, RENAME_SWAP

# struct statfs: f_flags, of which MNT_LOCAL is one, and f_fstypename.
_STATFS, _LOCAL = Struct("@64xI4x16s"), 0x1000
_LOCAL_NAMES = frozenset((b"apfs", b"hfs", b"tmpfs"))  # what a FUSE filesystem says of itself isn't enough

# What keeps a file as it is, in st_flags: UF_IMMUTABLE and SF_IMMUTABLE, UF_APPEND and SF_APPEND.
_IMMUTABLE, _APPEND_ONLY = 0x2 | 0x20000, 0x4 | 0x40000
_FLAGS = {_IMMUTABLE: "immutable", _APPEND_ONLY: "append-only"}

_COPIED = 1 | 4  # COPYFILE_ACL, COPYFILE_XATTR

_BOOT = b"kern.bootsessionuuid"


def _ask(fd: int, request: int, argument: bytes) -> bool:
    """fcntl(2) with a struct; False where the filesystem doesn't know the request."""
    try:
        fcntl.fcntl(fd, request, argument)
    except ours(OSError) as error:
        if error.errno not in _UNKNOWN:
            raise
        return False
    return True


def fallocate(fd: int, offset: int, length: int, keeps_size: bool) -> bool:
    """Has blocks behind the file's last. The end isn't moved: ftruncate would cut what others append meanwhile."""
    if not keeps_size:
        return False
    missing = offset + length - max(offset, allocated(fd, None))
    return missing <= 0 or _ask(fd, _PREALLOCATE, _FSTORE.pack(_ALL, _BEHIND, 0, missing, 0))


def punch(fd: int, offset: int, length: int) -> bool:
    return _ask(fd, _PUNCHHOLE, _HOLE.pack(0, 0, offset, length))  # of whole blocks alone


def _sync(fd: int) -> bool:
    """Has the drive write what it has, as fsync doesn't; False where a filesystem doesn't know how, as on a server."""
    return _ask(fd, _FULLFSYNC, b"")


def make_durable(fd: int) -> None:
    if not _sync(fd):
        os.fsync(fd)


def make_attributes_durable(fd: int) -> None:
    make_durable(fd)


def make_names_durable(directory: int) -> None:
    if not _sync(directory):
        names.make_names_durable(directory)


def path_of(fd: int) -> Any:
    return fcntl.fcntl(fd, _GETPATH, bytes(_LONGEST)).rstrip(b"\0")


def is_local(fd: int) -> bool:
    # The first name is that of today's struct where there was an older one.
    status = libc.statfs("fstatfs$INODE64", fd) or libc.statfs("fstatfs", fd)
    if status is None:
        return False
    flags, name = _STATFS.unpack_from(status)
    return bool(flags & _LOCAL) and name.rstrip(b"\0") in _LOCAL_NAMES


@functools.cache
def boot() -> bytes:
    call = libc.function("sysctlbyname")
    if call is None:
        return b""
    ctypes = _imports.load("ctypes")
    block, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
    if call(_BOOT, block, ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
        return b""
    try:
        return bytes.fromhex(block.value.decode("ascii").replace("-", ""))
    except ours(ValueError):
        return b""


def birth(file: int | str) -> int:
    """When a file was made. It moves with a time of change that is set to one before it."""
    try:
        status = os.fstat(file) if isinstance(file, int) else os.lstat(file)
    except ours(OSError):
        return 0
    return max(round(getattr(status, "st_birthtime", 0) * 10**9), 0)


def attributes(path: str) -> set[str]:
    try:
        flags = getattr(os.lstat(path), "st_flags", 0)
    except ours(OSError):
        return set()
    return {word for bits, word in _FLAGS.items() if flags & bits}


def acts_as_owner() -> bool:
    return os.geteuid() == 0


def keep_attributes(fd: int, source: int, before: os.stat_result) -> None:
    """The mode, extended attributes, and the access control list."""
    call = libc.function("fcopyfile", "iipu")
    if call is None:
        raise OSError(errno.ENOSYS, "This Python has no ctypes, and so can't give a new file the attributes of the old")
    ctypes = _imports.load("ctypes")
    if call(source, fd, None, _COPIED) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    os.fchmod(fd, before.st_mode & 0o7777)


def exchange(path: str, other: str) -> bool:
    return libc.exchange("renameatx_np", _HERE, _SWAP, (path, other))


def create_shared(open_by_name: Callable[..., int], name: str, size: int) -> int:
    fd = generic.create_shared(open_by_name, name, size)
    if os.fstat(fd).st_size == 0:
        os.ftruncate(fd, size)  # the one way there, and only once
    return fd
