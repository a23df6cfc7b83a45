"""Every difference between operating systems, and every call that can fail for want of space: the one seam.

What changes a file goes through here, so that tests can make each call fail.
"""

from __future__ import annotations

import errno
import functools
import mmap
import os
import select
import struct
import sys
from typing import Any

from . import _imports, _limits, errors, paths
from .blame import ignoring, is_ours, ours

if sys.platform != "win32":
    try:
        import fcntl  # not when it is needed: that may be while the interpreter ends
    except ImportError:  # as in a browser: there are no locks, and so no stages
        fcntl = None  # type: ignore[assignment]

_WRITEBACK = 2  # SYNC_FILE_RANGE_WRITE
_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
_EMPTY_PATH, _NOFOLLOW, _BIRTH = 0x1000, 0x100, 0x800  # AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, STATX_BTIME

# What advise() may say. No other advice of madvise is here: some of them change what the memory holds.
ADVICE = ("normal", "random", "sequential", "willneed", "dontneed", "hugepage", "nohugepage")

# A descriptor below this number isn't worth the question how many there may be: nowhere are they fewer than twice that.
_FEW = 32

# How much of a file is written at a time where blocks have to be allocated by writing zeros. Linux keeps in one large
# page what is written in one piece, and the first store to each 4 KiB of a mapping of it walks all of it: the 512 such
# faults of 2 MiB take 0.14 ms after pieces of 64 KiB, 5 ms after one piece.
_ZEROS = 1 << 16

# Filesystems, by their number in statfs(2), whose mappings, locks and writes mean the same to all processes of a
# machine: ext2 to ext4, XFS, Btrfs, tmpfs, overlayfs, ZFS, F2FS, bcachefs, ramfs, JFS.
_LOCAL = frozenset((
    0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x794C7630, 0x2FC12FC1, 0xF2F52010, 0xCA451A4E, 0x858458F6, 0x3153464A,
))  # fmt: skip
_LOCAL_NAMES = frozenset((
    "ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "f2fs", "bcachefs", "ramfs", "jfs",
))  # fmt: skip


@functools.cache
def _libc() -> Any:
    """The C library, None where Python was built without ctypes. It is loaded when it is needed, not at import."""
    try:
        return _imports.load("ctypes").CDLL(None, use_errno=True)
    except ours(ImportError, OSError):
        return None


def _function(name: str) -> Any:
    """A function of the C library's, None where it isn't to be had."""
    return getattr(_libc(), name, None) if sys.platform == "linux" else None


# What a system call answers that isn't there, or that a sandbox (seccomp) refuses, whatever it is called for.
_REFUSED = (errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP)


def advice(name: str) -> int | None:
    """madvise's number for a name, None where this system doesn't know the advice."""
    if name not in ADVICE:
        raise ValueError(f"advice must be one of {', '.join(ADVICE)}, not {name!r}")
    return getattr(mmap, f"MADV_{name.upper()}", None)


def cpus() -> int:
    """How many CPUs this process may use: by its affinity, and by the quota of its control groups."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except ours(OSError, AttributeError):
        allowed = os.cpu_count() or 1
    return min(allowed, _quota())


@functools.cache
def _quota() -> int:
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


def is_scarce(fd: int) -> bool:
    """Whether more than half of the descriptors that this process may have seem to be in use.

    A new one has the lowest free number, so it tells about how many there are.
    """
    return fd >= _FEW and not _limits.allows("RLIMIT_NOFILE", 2 * fd)


def room(file: int | str) -> int:
    """How many bytes a file's filesystem has free for us, sys.maxsize where it doesn't say."""
    try:
        disk = os.statvfs(file)
    except ours(OSError) as error:
        if error.errno not in _REFUSED:
            raise
        return sys.maxsize
    free = disk.f_bavail if os.geteuid() else disk.f_bfree  # some are kept for root
    return free * disk.f_frsize if disk.f_blocks else sys.maxsize


def allocate(fd: int, size: int, new_size: int) -> bool:
    """Blocks for a file of `size` bytes to become larger; its size stays. False where that isn't to be had."""
    return _fallocate(fd, size, new_size - size, _KEEP_SIZE)


def lengthen(fd: int, size: int, new_size: int) -> bool:
    """Makes a file `new_size` bytes long, with blocks for what lies beyond `size`. False where that isn't to be had.

    A file that is longer by then stays so: another process may have appended to it.
    """
    return _fallocate(fd, size, new_size - size, 0)


class naming:
    """Gives an OSError of ours the file's name: see `name`. No generator, which would take a microsecond."""

    __slots__ = ("_always", "_name")

    def __init__(self, name: Any, always: bool = False) -> None:
        self._name, self._always = name, always

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, OSError) and is_ours(error):
            name(error, self._name, self._always)


def name(error: OSError, name: Any, always: bool = False) -> None:
    """Gives an OSError a file's name, where the call that failed knew none, or only a descriptor.

    With `always`, where it knew another as well: that of a file beside it.
    """
    if isinstance(error, errors.MappedFileError):
        return  # it is another file's, whose name it has where that is known
    if name is not None and (always or not isinstance(error.filename, (str, bytes))):
        error.filename = name
        if error.filename2 is not None:
            del error.filename2


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
                errors.check_readable(buffer)


def _fallocate(fd: int, offset: int, length: int, mode: int) -> bool:
    """fallocate(2), False where it isn't to be had. Not posix_fallocate: glibc's imitation of it rewrites the file."""
    call = _function("fallocate")
    if call is None:
        return False
    ctypes = _imports.load("ctypes")
    call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    number = errno.EINTR
    while number == errno.EINTR:
        if call(fd, mode, offset, length) == 0:
            return True
        number = ctypes.get_errno()
    if number in _REFUSED:
        return False
    raise OSError(number, os.strerror(number))


def write_zeros(fd: int, offset: int, end: int) -> None:
    """Allocates blocks by writing zeros, which filesystems that copy on write take for a promise, too."""
    zeros = bytes(min(_ZEROS, end - offset))
    while offset < end:
        offset += os.pwrite(fd, zeros[: end - offset], offset)


def truncate(fd: int, size: int) -> None:
    """Cuts a file."""
    os.ftruncate(fd, size)


def write_some(fd: int, data: Any) -> int:
    """write(2), which may write less than it is given."""
    return os.write(fd, data)


def write_all(fd: int, data: Any) -> None:
    """write(2) until all of a buffer is written."""
    with reading(data), memoryview(data) as view:
        written = 0
        while written < len(view):
            with view[written:] as rest:  # released, or the frames of an error would keep the export
                written += write_some(fd, rest)


def append_some(fd: int, data: Any) -> int:
    """write(2) at the end of a file, wherever that is by then, which may write less than it is given.

    The descriptor's position and flags stay: they may be shared with others.
    """
    if hasattr(os, "RWF_APPEND"):
        try:
            return os.pwritev(fd, [data], 0, os.RWF_APPEND)
        except ours(OSError) as error:
            if error.errno not in (*_REFUSED, errno.EINVAL):
                raise
    try:
        own = os.open(_path_of(fd), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    except ours(FileNotFoundError):
        text = "Without /proc, and without pwritev2, nothing can be appended to a file that is open"
        raise OSError(errno.ENOSYS, text) from None
    try:
        if not os.path.samestat(os.fstat(own), os.fstat(fd)):
            raise OSError(errno.ESTALE, "The file was renamed or replaced, and can't be opened again to append to it")
        return os.write(own, data)
    finally:
        os.close(own)


def _path_of(fd: int) -> Any:
    """A path by which an open file can be opened once more."""
    if sys.platform == "darwin":
        return fcntl.fcntl(fd, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")
    return f"/proc/self/fd/{fd}"


def write_at(fd: int, data: Any, offset: int) -> None:
    """pwrite(2) until all of a buffer is written, at an offset that may be the file's end."""
    with reading(data):
        written = os.pwrite(fd, data, offset)
        if written == len(data):
            return
        with memoryview(data) as view:
            while written < len(view):
                with view[written:] as rest:
                    written += os.pwrite(fd, rest, offset + written)


def write_pieces(fd: int, pieces: list[memoryview]) -> int:
    """writev(2): pieces of memory, one after the other, in one write, which may write less than it is given."""
    return os.writev(fd, pieces)


def read_at(fd: int, size: int, offset: int) -> bytes:
    """pread(2) of `size` bytes; fewer where the file ends."""
    block = os.pread(fd, size, offset)
    if len(block) == size:
        return block
    blocks = [block]
    size, offset = size - len(block), offset + len(block)
    while block and size and (block := os.pread(fd, size, offset)):
        blocks.append(block)
        size, offset = size - len(block), offset + len(block)
    return b"".join(blocks)


def lock(fd: int, wait: bool = True) -> bool:
    """Takes the lock of an open file (flock), which goes with its last descriptor; False where another has it."""
    if fcntl is None:
        raise OSError(errno.ENOSYS, "This Python has no fcntl, and so no locks")
    try:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ours(BlockingIOError):
        return False
    return True


def unlock(fd: int) -> None:
    """Gives it back."""
    fcntl.flock(fd, fcntl.LOCK_UN)


def _polled(fd: int, event: int) -> Any:
    """What waits for an event of a descriptor's, or says whether it is there."""
    polled = select.poll()
    polled.register(fd, event)
    return polled


def is_local(fd: int) -> bool:
    """Whether a file is on a filesystem on which a mapping, a lock and a write mean the same to all processes."""
    call = _function("fstatfs")
    if call is None:
        return _is_mounted_locally(fd)
    ctypes = _imports.load("ctypes")
    status = ctypes.create_string_buffer(512)  # a struct statfs is shorter than this
    while call(fd, status) != 0:
        number = ctypes.get_errno()
        if number in _REFUSED:
            return _is_mounted_locally(fd)
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))
    return filesystem(status.raw, os.uname().machine) in _LOCAL


def _is_mounted_locally(fd: int) -> bool:
    """is_local by the table of mounts, where the system can't be asked itself. Not all of Btrfs is found so."""
    device = os.fstat(fd).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", errors="surrogateescape") as mounts:
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
    """A struct statx, by a descriptor or a path, whose link isn't followed; None where it isn't to be had."""
    call = _function("statx")
    if call is None:
        return None
    ctypes = _imports.load("ctypes")
    block = ctypes.create_string_buffer(256)
    at, path, flags = (file, b"", _EMPTY_PATH) if isinstance(file, int) else (_HERE, os.fsencode(file), _NOFOLLOW)
    return block.raw if call(at, path, flags, mask, block) == 0 else None


@functools.cache
def boot() -> bytes:
    """16 bytes that are others after the machine has started anew; none where the system doesn't tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return bytes.fromhex(file.read().replace("-", ""))
    except ours(OSError):
        return b""


def make_durable(fd: int) -> None:
    """Returns when the file's bytes, and its size, would survive a power loss."""
    if sys.platform == "darwin":
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # fsync there leaves them in the drive's cache
    else:
        os.fdatasync(fd)


def open_into(fds: list[int], path: str, flags: int, mode: int = 0o777) -> None:
    """os.open, whose descriptor is in a list before a signal handler can run: what that raises would lose it.

    A call from Python would end with handlers running before its result is kept; this is one from C.
    """
    fds.extend(map(os.open, (path,), (flags | os.O_CLOEXEC,), (mode,)))


def open_directory(path: str) -> int:
    """A directory's descriptor, for make_names_durable."""
    fds: list[int] = []
    open_directory_into(fds, path)
    return fds.pop()


def open_directory_into(fds: list[int], path: str) -> None:
    """open_directory, as open_into does it."""
    open_into(fds, path, os.O_RDONLY | os.O_DIRECTORY)


def make_names_durable(directory: int) -> None:
    """Returns when the names in a directory, given by its descriptor, would survive a power loss."""
    try:
        os.fsync(directory)
    except ours(OSError) as error:
        if error.errno != errno.EINVAL:  # filesystems that keep no directory say so
            raise


def start_writeback(fd: int, offset: int, length: int) -> None:
    """Asks for the bytes to be written to the disk soon, where the system can be asked; promises nothing."""
    call = _function("sync_file_range")
    if call is not None and length:
        ctypes = _imports.load("ctypes")
        call.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
        call(fd, offset, length, _WRITEBACK)


def memory_file() -> int:
    """The descriptor of a new file that is in no directory and goes with its last user."""
    try:
        return os.memfd_create("fastmmap", os.MFD_CLOEXEC)
    except ours(OSError, AttributeError) as error:
        if isinstance(error, OSError) and error.errno not in (*_REFUSED, errno.EACCES):
            raise
    tempfile = _imports.load("tempfile")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def device_size(fd: int) -> int:
    """How many bytes a block device has. The descriptor's position stays: it may be shared with others."""
    own = os.open(f"/dev/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)  # on Linux a description of its own
    try:
        position = os.lseek(own, 0, os.SEEK_CUR)
        size = os.lseek(own, 0, os.SEEK_END)
        os.lseek(own, position, os.SEEK_SET)
        return size
    finally:
        os.close(own)


def read_some(fd: int, size: int) -> bytes:
    """read(2), which waits for what a descriptor that doesn't block has yet to get."""
    while True:
        try:
            return os.read(fd, size)
        except ours(BlockingIOError):
            wait(fd)


def wait(fd: int, writes: bool = False) -> None:
    """Returns when a descriptor can be read from, or written to."""
    if hasattr(select, "poll"):
        _polled(fd, select.POLLOUT if writes else select.POLLIN).poll()
    else:
        select.select([] if writes else [fd], [fd] if writes else [], [])


def is_ready(fd: int) -> bool:
    """Whether a descriptor can be read from without waiting, as far as that can be known."""
    return bool(_polled(fd, select.POLLIN).poll(0)) if hasattr(select, "poll") else False


# Where Linux keeps what shm_open makes: a filesystem in memory.
_SHARED = "/dev/shm"


def _shm() -> Any:
    """What multiprocessing.shared_memory is made of, without its tracker."""
    try:
        return _imports.load("_posixshmem")
    except ImportError:
        raise OSError(errno.ENOSYS, "This Python has no shared memory with names (_posixshmem)") from None


def open_shared(name: str, size: int | None) -> int:
    """The descriptor of the shared memory of that name; what isn't there is made where a size is given.

    Where the system can do so, new memory comes into sight with its size: nobody can open it in between.
    """
    fd: int
    try:
        fd = _shm().shm_open(f"/{name}", os.O_RDWR)
        return fd
    except ours(FileNotFoundError):
        if size is None:
            raise
    if _can_name_files():
        try:
            fd = os.open(_SHARED, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except ours(OSError):
            pass  # shared memory is elsewhere here
        else:
            if _may_link(fd, _SHARED):
                return _link_shared(fd, name, size)
            os.close(fd)
    fd = _shm().shm_open(f"/{name}", os.O_RDWR | os.O_CREAT, mode=0o600)
    if sys.platform == "darwin" and os.fstat(fd).st_size == 0:
        os.ftruncate(fd, size)  # the one way there, and only once
    return fd


def _link_shared(fd: int, name: str, size: int) -> int:
    """Names a file without a name; the descriptor of who was first, if another process was."""
    try:
        if size and not _fallocate(fd, 0, size, 0):
            write_zeros(fd, 0, size)
        name_file(fd, f"{_SHARED}/{name}")
    except ours(FileExistsError):
        os.close(fd)
        return open_shared(name, size)
    except BaseException:
        os.close(fd)
        raise
    return fd


def remove_shared(name: str) -> None:
    """Takes the name of shared memory away. The memory goes with its last mapping."""
    _shm().shm_unlink(f"/{name}")


# What the names of files of ours begin with that stand beside others for a while. With a dot, so that no `app.log*`
# sees them.
OURS = ".fastmmap-"


def create_beside(folder: str, path: str) -> tuple[int, bool]:
    """A new file in a folder, only for us to read; whether it has a name already, which is `path` then.

    Without one, nothing is left of it when this process is killed.
    """
    fds: list[int] = []
    named = create_beside_into(fds, folder, path)
    return fds.pop(), named


def create_beside_into(fds: list[int], folder: str, path: str) -> bool:
    """create_beside, as open_into does it."""
    if _can_name_files():
        try:
            open_into(fds, folder, os.O_TMPFILE | os.O_RDWR, 0o600)
            if _may_link(fds[-1], folder):
                return False
            os.close(fds.pop())
        except ours(OSError) as error:
            # Filesystems without them say so in different ways; old kernels take the flag for O_DIRECTORY.
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT):
                raise
    open_into(fds, path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    return True


def open_ours(path: str, mode: int | None = None) -> int:
    """A file of ours beside others, which somebody else may have put there: no link, and nothing that blocks.

    With a mode it is made where it isn't there.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    while True:
        try:
            return os.open(path, flags)
        except ours(FileNotFoundError):
            if mode is None:
                raise
        # Where everybody may write, Linux refuses O_CREAT for a file that is somebody else's (fs.protected_regular).
        with ignoring(FileExistsError):
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, mode)


def _can_name_files() -> bool:
    """Whether a file that has no name can be given one, which goes by /proc."""
    return sys.platform == "linux" and paths.is_directory("/proc/self/fd")


def _may_link(fd: int, taken: str) -> bool:
    """Whether a sandbox lets files be named so: by a name that is taken, of which nothing but that can come."""
    try:
        os.link(f"/proc/self/fd/{fd}", taken, src_dir_fd=fd)
    except ours(FileExistsError):
        return True
    except ours(OSError) as error:
        return error.errno not in _REFUSED
    return True


def name_file(fd: int, path: str) -> None:
    """Names a file that has no name. FileExistsError where the name is taken."""
    try:
        os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd)  # with a directory's descriptor it is linkat, which follows
    except ours(OSError) as error:
        raise OSError(error.errno, error.strerror, path) from None  # the other name is of no use to anybody


def link(path: str, other: str) -> None:
    """A second name for a file."""
    os.link(path, other)


def exchange(path: str, other: str) -> bool:
    """Lets two files have each other's name, in one step; False where the system can't do so, with nothing done."""
    call = _function("renameat2")
    if call is None:
        return False
    ctypes = _imports.load("ctypes")
    call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    if call(_HERE, os.fsencode(path), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (*_REFUSED, errno.EINVAL):
        return False  # where EPERM was meant, the other way meets it again
    raise OSError(number, os.strerror(number), path, None, other)


def remove(path: str) -> None:
    """Takes a name away, if it is there."""
    with ignoring(FileNotFoundError):
        os.unlink(path)


def reserve(fd: int, folder: str, size: int, written: int | None = None) -> None:
    """Makes a new file `size` bytes long, with blocks for all of them, or raises OSError.

    written: how many of them will be, if the others are to be holes. No blocks are allocated then.
    """
    if written is not None:
        os.ftruncate(fd, size)
        size = written
    elif size == 0 or _fallocate(fd, 0, size, 0):
        return
    if room(folder) < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def rename(old: str, new: str) -> None:
    """Puts a file in the place of another, in one step."""
    os.replace(old, new)


def keep_owner(fd: int, before: os.stat_result) -> None:
    """Gives a new file the owner of the file it will replace, or raises PermissionError."""
    now = os.fstat(fd)
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        os.fchown(fd, before.st_uid, before.st_gid)


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
    os.fchmod(fd, before.st_mode & 0o7777)
    for name in names:
        value = os.getxattr(source, name)
        if name not in _attributes(fd) or os.getxattr(fd, name) != value:
            os.setxattr(fd, name, value)


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
