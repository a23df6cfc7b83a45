"""What Linux has beyond POSIX: calls by ctypes, which a sandbox may refuse, and what /proc and /sys tell."""

from __future__ import annotations

import errno
import functools
import os
import struct
import sys

from .. import _imports
from ..blame import ours
from ..descriptors import Open
from ..paths import is_directory
from . import generic, libc
from .files import write_zeros
from .generic import (
    CHANGES,
    CUTS_MAPPED,
    REFUSED,
    allocated,
    append_some,
    check_name,
    has_holes,
    ioctl,
    is_named,
    is_read_only,
    lock,
    make_durable,
    make_sparse,
    path_of,
    unlock,
)
from .libc import function
from .names import open_into

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "CHANGES", "CUTS_MAPPED", "REFUSED", "acts_as_owner", "add_watch", "allocated", "append_some", "attributes",
    "birth", "boot", "check_name", "create_shared", "exchange", "fallocate", "has_holes", "is_local", "is_named",
    "is_path_of", "is_read_only", "lock", "make_durable", "make_sparse", "mapped_at", "name_file", "open_unnamed_into",
    "open_watch", "path_of", "punch", "quota", "remove_watch", "start_writeback", "unlock",
]  # fmt: skip

_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE
_WRITEBACK = 2  # SYNC_FILE_RANGE_WRITE
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
_EMPTY_PATH, _NOFOLLOW, _BIRTH = 0x1000, 0x100, 0x800  # AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, STATX_BTIME

# Filesystems, by their number in statfs(2), whose mappings, locks and writes mean the same to all processes of a
# machine: ext2 to ext4, XFS, Btrfs, tmpfs, overlayfs, ZFS, F2FS, bcachefs, ramfs, JFS.
_LOCAL = frozenset((
    0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x794C7630, 0x2FC12FC1, 0xF2F52010, 0xCA451A4E, 0x858458F6, 0x3153464A,
))  # fmt: skip

_LOCAL_NAMES = frozenset((
    "ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "f2fs", "bcachefs", "ramfs", "jfs",
))  # fmt: skip

# IN_MODIFY, IN_ATTRIB, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_MOVE_SELF: a file grows, is cut, renamed or
# removed, or one comes into a folder or leaves it.
_EVENTS = 0x2 | 0x4 | 0x40 | 0x80 | 0x100 | 0x200 | 0x800

# Where Linux keeps what shm_open makes: a filesystem in memory.
_SHARED = "/dev/shm"
IMMUTABLE, APPEND_ONLY, MOUNT_POINT = "immutable", "append-only", "a mount point"
MOUNTS = "/proc/self/mountinfo"

# CAP_FOWNER, among the capabilities of a process.
_FOWNER = 1 << 3

# The bits of statx(2).
_STATX = {0x10: IMMUTABLE, 0x20: APPEND_ONLY, 0x2000: MOUNT_POINT}

# FS_IOC_GETFLAGS, which is _IOR('f', 1, long), and its bits. A system that numbers requests otherwise answers ENOTTY.
_GET_FLAGS = 0x80006601 | struct.calcsize("l") << 16
_FLAGS = {0x10: IMMUTABLE, 0x20: APPEND_ONLY}


def fallocate(fd: int, offset: int, length: int, keeps_size: bool) -> bool:
    """fallocate(2), False where it isn't supported. Not posix_fallocate: glibc's imitation of it rewrites the file."""
    return _fallocate(fd, offset, length, _KEEP_SIZE if keeps_size else 0)


def punch(fd: int, offset: int, length: int) -> bool:
    return _fallocate(fd, offset, length, _KEEP_SIZE | _PUNCH_HOLE)


def _fallocate(fd: int, offset: int, length: int, mode: int) -> bool:
    call = function("fallocate", "iiqq")
    if call is None:
        return False
    ctypes = _imports.load("ctypes")
    number = errno.EINTR
    while number == errno.EINTR:
        if call(fd, mode, offset, length) == 0:
            return True
        number = ctypes.get_errno()
    if number in REFUSED:
        return False
    raise OSError(number, os.strerror(number))


def start_writeback(fd: int, offset: int, length: int) -> None:
    """Asks for the bytes to be written to the disk soon, where the system can be asked; promises nothing."""
    call = function("sync_file_range", "iqqu")
    if call is not None and length:
        call(fd, offset, length, _WRITEBACK)


def exchange(path: str, other: str) -> bool:
    """Lets two files have each other's name, in one step; False where the system can't do so, with nothing done."""
    return libc.exchange("renameat2", _HERE, _EXCHANGE, (path, other))


def is_local(fd: int) -> bool:
    """Whether a file is on a filesystem on which a mapping, a lock and a write mean the same to all processes."""
    status = libc.statfs("fstatfs", fd)
    if status is None:
        return _is_mounted_locally(fd)
    return filesystem(status, os.uname().machine) in _LOCAL


def _is_mounted_locally(fd: int) -> bool:
    """is_local by the table of mounts, where the system can't be asked itself. Not all of Btrfs is found so."""
    device = os.fstat(fd).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open(MOUNTS, errors="surrogateescape") as mounts:
            for line in mounts:
                mount, _, kind = line.partition(" - ")
                if mount.split()[2] == number:
                    return kind.split()[0] in _LOCAL_NAMES
    except ours(OSError):
        pass
    return False


def filesystem(status: bytes, machine: str) -> int:
    """The number of a filesystem, with which a struct statfs begins: a long, but on s390x."""
    (number,) = struct.unpack_from("@I" if machine == "s390x" else "@l", status)
    return int(number) & 0xFFFFFFFF


def birth(file: int | str) -> int:
    """When a file was made, in nanoseconds, by its descriptor or path; 0 where that isn't known.

    It tells a file from another that got its inode after it.
    """
    block = statx(file, _BIRTH)
    if block is None:
        return 0
    mask, seconds, nanoseconds = struct.unpack_from("=I76xqI", block)
    return seconds * 10**9 + nanoseconds if mask & _BIRTH else 0


def statx(file: int | str, mask: int = 0) -> bytes | None:
    """A struct statx, by a descriptor or a path, whose link isn't followed; None where statx isn't supported."""
    call = function("statx")
    if call is None:
        return None
    ctypes = _imports.load("ctypes")
    block = ctypes.create_string_buffer(256)
    at, path, flags = (file, b"", _EMPTY_PATH) if isinstance(file, int) else (_HERE, os.fsencode(file), _NOFOLLOW)
    return block.raw if call(at, path, flags, mask, block) == 0 else None


def attributes(path: str) -> set[str]:
    """Which of the three a file or folder is, as far as the system tells. A link is not followed."""
    block = statx(path)
    attributes, known = (0, 0) if block is None else struct.unpack_from("=8xQ40xQ", block)
    found = {word for bit, word in _STATX.items() if attributes & known & bit}
    if not known & 0x2000 and path in _mount_points():
        found.add(MOUNT_POINT)
    if not known & 0x30:
        found |= _flags(path)
    return found


def _mount_points() -> set[str]:
    """Where something is mounted, for kernels before 5.8, and where statx(2) can't be called."""
    try:
        with open(MOUNTS, "rb") as file:
            places = [line.split(b" ")[4] for line in file]
    except ours(OSError):
        return set()
    return {os.fsdecode(_unescaped(place)) for place in places}


def _unescaped(place: bytes) -> bytes:
    """A path of mountinfo, in which spaces and the like are backslashes with three octal digits."""
    head, *pieces = place.split(b"\\")
    return head + b"".join(bytes([int(piece[:3], 8)]) + piece[3:] for piece in pieces)


def _flags(path: str) -> set[str]:
    """What chattr(1) has set, for filesystems that don't tell statx(2)."""
    try:
        with Open() as file:
            open_into(file, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            (flags,) = struct.unpack_from("=I", ioctl(file.fd, _GET_FLAGS, bytes(8)))
    except ours(OSError):
        return set()
    return {word for bit, word in _FLAGS.items() if flags & bit}


@functools.cache
def boot() -> bytes:
    """16 bytes that change when the machine is restarted; none where the system doesn't tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return bytes.fromhex(file.read().replace("-", ""))
    except ours(OSError):
        return b""


@functools.cache
def quota() -> int:
    """The CPUs that the control groups (version 2) allow, rounded up. cpu.max holds "quota period" or "max period"."""
    quota = sys.maxsize
    try:
        with open("/proc/self/cgroup") as file:
            group = file.read().strip().rpartition("::")[2]
    except ours(OSError):
        return quota
    while True:
        try:
            with open(f"/sys/fs/cgroup{group}/cpu.max") as file:
                most, period = file.read().split()
            if most != "max":
                quota = min(quota, max(1, -(-int(most) // int(period))))
        except ours(OSError, ValueError):
            pass
        if group in ("", "/"):
            return quota
        group = os.path.dirname(group)


def mapped_at(address: int) -> tuple[str, int] | None:
    """The path of the file that is mapped at an address, and which of its bytes is; None where that isn't known."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            for line in maps:
                bounds, _, offset, _, _, *path = line.rstrip("\n").split(maxsplit=5)
                start, end = (int(bound, 16) for bound in bounds.split("-"))
                if start <= address < end:
                    if not path or not path[0].startswith("/") or path[0].endswith(" (deleted)"):
                        return None
                    return path[0].replace("\\012", "\n"), int(offset, 16) + address - start
    except ours(OSError, ValueError):
        pass
    return None


def is_path_of(name: bytes) -> bool:
    return name.startswith(b"/proc/self/fd/")


def acts_as_owner() -> bool:
    try:
        with open("/proc/self/status", "rb") as file:
            (capabilities,) = (line.split()[1] for line in file if line.startswith(b"CapEff:"))
        return bool(int(capabilities, 16) & _FOWNER)
    except ours(OSError, ValueError):
        return True


def can_name_files() -> bool:
    """Whether a file that has no name can be given one, which goes by /proc."""
    return is_directory("/proc/self/fd")


def open_unnamed_into(fds: list[int], folder: str) -> bool:
    if not can_name_files():
        return False
    try:
        open_into(fds, folder, os.O_TMPFILE | os.O_RDWR, 0o600)
    except ours(OSError) as error:
        # Filesystems without them say so in different ways; old systems take the flag for O_DIRECTORY.
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT):
            raise
        return False
    if _may_link(fds[-1], folder):
        return True
    os.close(fds.pop())
    return False


def _may_link(fd: int, taken: str) -> bool:
    """Whether a sandbox lets files be named so: by a name that is taken, of which nothing but that can come."""
    try:
        os.link(path_of(fd), taken, src_dir_fd=fd)
    except ours(FileExistsError):
        return True
    except ours(OSError) as error:
        return error.errno not in REFUSED
    return True


def name_file(fd: int, path: str) -> None:
    try:
        os.link(path_of(fd), path, src_dir_fd=fd)  # with a directory's descriptor it is linkat, which follows
    except ours(OSError) as error:
        raise OSError(error.errno, error.strerror, path) from None  # the other name is of no use to anybody


@functools.cache
def _watching() -> Any:
    """inotify(7) by an extension; None in a build in plain Python, which lacks it."""
    try:
        return _imports.load("fastmmap._watch")
    except ours(ImportError):
        return None


def open_watch() -> int:
    if _watching() is None:
        return -1
    try:
        return int(_watching().open_watch())
    except ours(OSError) as error:  # there are 128 for each user
        if error.errno not in (*REFUSED, errno.EMFILE, errno.ENFILE):
            raise
        return -1


def add_watch(fd: int, path: str) -> int:
    return int(_watching().add_watch(fd, os.fsencode(path), _EVENTS))


def remove_watch(fd: int, number: int) -> None:
    _watching().remove_watch(fd, number)


def create_shared(open_by_name: Callable[..., int], name: str, size: int) -> int:
    fds: list[int] = []
    try:
        if not open_unnamed_into(fds, _SHARED):
            raise FileNotFoundError(_SHARED)
    except ours(OSError):  # shared memory is elsewhere here
        return generic.create_shared(open_by_name, name, size)
    try:
        if size and not fallocate(fds[-1], 0, size, False):
            write_zeros(fds[-1], 0, size)
        name_file(fds[-1], f"{_SHARED}/{name}")
    except BaseException:
        os.close(fds.pop())
        raise
    return fds.pop()
