"""The one seam to the operating system: every call that differs between systems, or fails for want of space.

What changes a file goes through here, so that tests can make each call fail. `files.py`, `names.py`, `metadata.py` and
`machine.py` have what is the same on all systems; `linux.py`, `darwin.py` and `windows.py` what a system does its own
way, under names that this file explains; `generic.py` what the other systems do, and what they lack.
"""

from __future__ import annotations

import errno
import os
import sys

from .. import _imports
from ..blame import ours
from ..descriptors import Open
from .calls import CAREFULLY, calls
from .files import (
    has_no_reader,
    is_file,
    read_at,
    read_into,
    read_some,
    truncate,
    wait,
    write_all,
    write_at,
    write_pieces,
    write_some,
    write_zeros,
)
from .machine import ADVICE, advice, allows, cpus, is_scarce, room
from .metadata import give_to_group, keep_owner, mark, mark_of, remove_mark, set_mode
from .names import link, open_directory_into, open_into
from .native import native
from .shared_memory import open_shared, remove_shared

if sys.platform == "win32":
    from .metadata import make_attributes_durable
    from .windows_metadata import keep_attributes
    from .windows_names import make_names_durable, remove, rename
elif sys.platform == "darwin":
    from .darwin import keep_attributes, make_attributes_durable, make_names_durable
    from .names import remove, rename
else:
    from .metadata import keep_attributes, make_attributes_durable
    from .names import make_names_durable, remove, rename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "ADVICE", "CAREFULLY", "CHANGES", "CUTS_MAPPED", "acts_as_owner", "add_watch", "advice", "allocate", "allocated",
    "allows", "append_some", "attributes", "birth", "block_size", "boot", "calls", "check_name", "check_same_file",
    "cpus", "device_size", "exchange", "give_to_group", "has_holes", "has_no_reader", "is_file", "is_local",
    "is_named", "is_path_of", "is_read_only", "is_scarce", "keep_attributes", "keep_owner", "lengthen", "link", "lock",
    "make_attributes_durable", "make_durable", "make_names_durable", "mapped_at", "mark", "mark_of", "memory_file_into",
    "name_file", "native", "open_again_into", "open_directory_into", "open_into", "open_shared",
    "open_unnamed_into", "open_watch", "path_of", "punch", "read_at", "read_into", "read_some", "remove",
    "remove_mark", "remove_shared", "remove_watch", "rename", "reserve", "room", "set_mode", "start_writeback",
    "truncate", "unlock", "user", "wait", "write_all", "write_at", "write_pieces", "write_some", "write_zeros",
]  # fmt: skip

# Whether a file can be cut while it is mapped beyond where it ends then.
CUTS_MAPPED = native.CUTS_MAPPED

# What of a file's status tells that it was changed, or another has its place.
CHANGES = native.CHANGES

# --- space ---


def allocate(fd: int, size: int, new_size: int) -> bool:
    """Blocks for a file of `size` bytes to become larger; its size stays. False where that isn't supported."""
    return native.fallocate(fd, size, new_size - size, True)


def lengthen(fd: int, size: int, new_size: int) -> bool:
    """Makes a file `new_size` bytes long, with blocks for what lies beyond `size`. False where that isn't supported.

    A file that is longer by then stays so: another process may have appended to it.
    """
    return native.fallocate(fd, size, new_size - size, False)


def punch(fd: int, offset: int, length: int) -> bool:
    """Makes bytes of a file zeros, without blocks where whole ones are. False where that isn't supported."""
    return native.punch(fd, offset, length)


def reserve(fd: int, size: int, written: int | None = None) -> None:
    """Makes a new file `size` bytes long, with blocks for all of them, or raises OSError.

    written: how many of them will be, if the others are to be holes. No blocks are allocated then.
    """
    if written is not None:
        native.make_sparse(fd)
        truncate(fd, size)
        size = written
    elif size == 0 or native.fallocate(fd, 0, size, False):
        return
    if room(fd) < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def allocated(fd: int, status: os.stat_result | None = None) -> int:
    """How many bytes a file has blocks for, behind its end as well; or had with a status, where that tells."""
    return native.allocated(fd, status)


def has_holes(status: os.stat_result) -> bool:
    """Whether a file has fewer blocks than its bytes fill: holes, or a filesystem that compresses."""
    return native.has_holes(status)


def block_size(status: os.stat_result) -> int:
    """How many bytes a hole has at least."""
    return getattr(status, "st_blksize", 1 << 16)


def device_size(fd: int) -> int:
    """How many bytes a block device has. The descriptor's position stays: it may be shared with others."""
    with Open() as own:
        open_into(own, f"/dev/fd/{fd}", os.O_RDONLY)  # on Linux a description of its own
        position = os.lseek(own.fd, 0, os.SEEK_CUR)
        size = os.lseek(own.fd, 0, os.SEEK_END)
        os.lseek(own.fd, position, os.SEEK_SET)
        return size


# --- the disk ---


def make_durable(fd: int) -> None:
    """Returns when the file's bytes, and its size, would survive a power loss."""
    native.make_durable(fd)


def start_writeback(fd: int, offset: int, length: int) -> None:
    """Asks for the bytes to be written to the disk soon, where the system can be asked; promises nothing."""
    native.start_writeback(fd, offset, length)


# --- processes ---


def lock(fd: int, wait: bool = True) -> bool:
    """Takes the lock of an open file (flock), which goes with its last descriptor; False where another has it."""
    return native.lock(fd, wait)


def unlock(fd: int) -> None:
    """Gives it back."""
    native.unlock(fd)


def is_read_only(path: str) -> bool:
    """Whether nothing can be written to where a file is."""
    return native.is_read_only(path)


def is_local(fd: int) -> bool:
    """Whether a file is on a filesystem on which a mapping, a lock and a write mean the same to all processes."""
    return native.is_local(fd)


def boot() -> bytes:
    """16 bytes that change when the machine is restarted; none where the system doesn't tell."""
    return native.boot()


def user() -> int:
    """The user whose files we make and may change, as os.stat has it. On Windows all files have the same."""
    return calls.geteuid()


def acts_as_owner() -> bool:
    """Whether this process may do to others' files what their owners may, also where that can't be known."""
    return native.acts_as_owner()


def memory_file_into(fds: list[int]) -> None:
    """Puts the descriptor of a new file into a list, which is in no directory and goes with its last user."""
    try:
        fds.extend(map(os.memfd_create, ("fastmmap",), (os.MFD_CLOEXEC,)))
        return
    except ours(OSError, AttributeError) as error:
        if isinstance(error, OSError) and error.errno not in (*native.REFUSED, errno.EACCES):
            raise
    tempfile = _imports.load("tempfile")
    with tempfile.TemporaryFile() as file:
        fds.extend(map(os.dup, (file.fileno(),)))


# --- which file it is ---


def birth(file: int | str) -> int:
    """When a file was made, in nanoseconds, by its descriptor or path; 0 where that isn't known.

    It tells a file from another that got its inode after it.
    """
    return native.birth(file)


def is_named(fd: int) -> bool:
    """Whether an open file has a name. One that goes when all have closed it has none any more."""
    return native.is_named(fd)


def attributes(path: str) -> set[str]:
    """What keeps a file from being replaced beside its mode, as far as the system tells. A link is not followed.

    "immutable", "append-only", and "a mount point", which a folder may be, too.
    """
    return native.attributes(path)


def path_of(fd: int) -> Any:
    """A path by which an open file can be opened once more."""
    return native.path_of(fd)


def open_again_into(fds: list[int], fd: int, flags: int) -> None:
    """Opens an open file once more: see `open_into`. FileNotFoundError where its path is another's by now."""
    open_into(fds, path_of(fd), flags)
    check_same_file(fds[-1], fd)


def check_same_file(fd: int, other: int) -> None:
    """FileNotFoundError where two descriptors are of two files: `path_of` gives a name, where others may put theirs."""
    if not os.path.samestat(os.fstat(fd), os.fstat(other)):
        raise FileNotFoundError(errno.ESTALE, os.strerror(errno.ESTALE))


def is_path_of(name: bytes) -> bool:
    """Whether a path is one of those that `path_of` makes."""
    return native.is_path_of(name)


def mapped_at(address: int) -> tuple[str, int] | None:
    """The path of the file that is mapped at an address, and which of its bytes is; None where that isn't known."""
    return native.mapped_at(address)


def append_some(fd: int, data: Any) -> int:
    """write(2) at the end of a file, wherever that is by then, which may write less than it is given.

    The descriptor's position and flags stay: they may be shared with others.
    """
    return native.append_some(fd, data)


# --- changes ---


def open_watch() -> int:
    """A descriptor that can be read when what is watched by it has changed; -1 where the system gives none."""
    return native.open_watch()


def add_watch(fd: int, path: str) -> int:
    """Has what is at a path, a file or a folder, be watched by that descriptor. Returns the number of the watch."""
    return native.add_watch(fd, path)


def remove_watch(fd: int, number: int) -> None:
    """Ends a watch."""
    native.remove_watch(fd, number)


# --- names ---


def open_unnamed_into(fds: list[int], folder: str) -> bool:
    """A new file in a folder that has no name yet, which `name_file` can give it; its descriptor is put into a list.

    Nothing is left of it when this process is killed. False where that isn't supported.
    """
    return native.open_unnamed_into(fds, folder)


def name_file(fd: int, path: str) -> None:
    """Names a file that has no name. FileExistsError where the name is taken."""
    native.name_file(fd, path)


def check_name(path: str) -> None:
    """OSError for a name that no file can have, where the system takes it for one that isn't there."""
    native.check_name(path)


def exchange(path: str, other: str) -> bool:
    """Lets two files have each other's name, in one step; False where the system can't do so, with nothing done."""
    return native.exchange(path, other)
