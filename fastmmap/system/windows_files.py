"""Calls of the os module that Windows lacks, or does in a way of its own, under the names that they have there.

Files are opened so that they can be renamed and removed meanwhile, and what is in them isn't translated.
"""

from __future__ import annotations

import builtins
import errno
import os
import stat
import sys

from ..descriptors import Open
from ..paths import is_directory
from . import windows_api as api
from .windows_pipes import has_no_reader, wait, write_to_pipe  # noqa: F401  the first two for `calls`

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

O_CLOEXEC = getattr(os, "O_NOINHERIT", 0) | getattr(os, "O_BINARY", 0)
O_NONBLOCK = O_NOCTTY = 0  # nothing that can be opened here waits for another end, or becomes a terminal of ours
O_NOFOLLOW, O_DIRECTORY = 1 << 28, 1 << 29  # which os.open doesn't know

# So much is written by one call: what can't be written to has to be copied for it.
_PIECE = 1 << 24

# The offset that stands for the end of a file, wherever that is by then.
_END = (1 << 64) - 1


def open(path: Any, flags: int, mode: int = 0o777) -> int:
    """os.open, as `open_into` does it."""
    file = Open()
    open_into(file, path, flags, mode)
    return file.pop()


def open_into(fds: list[int], path: Any, flags: int, mode: int = 0o777) -> None:
    """os.open into a list, with others free to rename and remove the file. A new file is as old as it is.

    Windows gives a file that is made within 15 seconds of the end of another of that name that one's birth. Whatever a
    signal handler raises, no file is left open or made.
    """
    name = os.fsdecode(path)
    if "\0" in name:
        raise ValueError("embedded null character")
    sys.audit("open", path, None, flags)
    attributes = api.ATTRIBUTE_NORMAL
    if flags & O_NOFOLLOW:
        attributes |= api.OPEN_REPARSE_POINT
    if flags & O_DIRECTORY:
        attributes |= api.BACKUP_SEMANTICS
    arguments, count = (name, _access(flags), api.SHARE_ALL, None, _disposition(flags), attributes, None), len(fds)
    try:
        api.open_into(fds, flags, path, "CreateFileW", *arguments)
        is_new = flags & os.O_CREAT and api.last_error() != api.ERROR_ALREADY_EXISTS
        if flags & O_NOFOLLOW and _is_link(fds[-1]):
            raise OSError(errno.ELOOP, "A link is not followed here", path)
        if is_new:
            _be_born(fds[-1])
    except BaseException as error:
        if len(fds) > count:
            if flags & os.O_EXCL:
                os.unlink(name)  # which has been made here; while it is open, so that it is this one
            os.close(fds.pop())
        if getattr(error, "winerror", None) == api.ERROR_ACCESS_DENIED and is_directory(name):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path) from None
        raise


def _access(flags: int) -> int:
    if flags & os.O_RDWR:
        return api.GENERIC_READ | api.GENERIC_WRITE
    return api.GENERIC_WRITE if flags & os.O_WRONLY else api.GENERIC_READ


def _disposition(flags: int) -> int:
    if flags & os.O_CREAT:
        if flags & os.O_EXCL:
            return api.CREATE_NEW
        return api.CREATE_ALWAYS if flags & os.O_TRUNC else api.OPEN_ALWAYS
    return api.TRUNCATE_EXISTING if flags & os.O_TRUNC else api.OPEN_EXISTING


def _is_link(fd: int) -> bool:
    return stat.S_ISLNK(os.fstat(fd).st_mode) or bool(_attributes(fd) & api.ATTRIBUTE_REPARSE_POINT)


def _attributes(fd: int) -> int:
    return int.from_bytes(api.ask(fd, api.FILE_BASIC_INFO, 40)[32:36], "little")


def _be_born(fd: int) -> None:
    """Has a file be made now."""
    now = api.buffer(8)
    api.function("GetSystemTimePreciseAsFileTime")(now)
    api.function("SetFileTime")(api.handle_of(fd), now, None, None)  # where it can't, that is no harm


def _check_disk(fd: int) -> None:
    if not api.is_disk(fd):
        raise OSError(errno.ESPIPE, os.strerror(errno.ESPIPE))


def _transfer(name: str, fd: int, memory: Any, size: int, offset: int) -> int:
    """ReadFile or WriteFile at an offset. It moves the descriptor's position, which may be shared with others: back."""
    position = os.lseek(fd, 0, os.SEEK_CUR)
    done = api.number()
    try:
        if not api.function(name)(api.handle_of(fd), memory, size, api.at(done), api.overlapped(offset)):
            ended = api.last_error()
            if ended != api.ERROR_HANDLE_EOF:
                raise api.error(ended)
    finally:
        os.lseek(fd, position, os.SEEK_SET)
    return int(done.value)


def pread(fd: int, size: int, offset: int) -> bytes:
    """os.pread."""
    _check_disk(fd)
    if size == 0:
        return b""
    memory = api.buffer(size)
    number = _transfer("ReadFile", fd, memory, size, offset)
    return bytes(memoryview(memory)[:number])


def preadv(fd: int, blocks: list[Any], offset: int) -> int:
    """os.preadv, of one block."""
    (block,) = blocks
    with memoryview(block) as view, view.cast("B") as room:
        found = pread(fd, min(len(room), _PIECE), offset)
        room[: len(found)] = found
    return len(found)


def pwrite(fd: int, data: Any, offset: int) -> int:
    """os.pwrite."""
    _check_disk(fd)
    with memoryview(data) as view, view[:_PIECE] as piece:
        memory, size = api.memory(data if view.nbytes <= _PIECE else piece)
    return _transfer("WriteFile", fd, memory, size, offset) if size else 0


def write(fd: int, data: Any) -> int:
    """os.write. A pipe that has no reader, or no room, is said to; a console is given text, which it has in UTF-16."""
    if api.is_pipe(fd):
        return write_to_pipe(fd, data)
    if os.isatty(fd):
        with builtins.open(fd, "wb", buffering=0, closefd=False) as console:
            return console.write(data) or 0
    return os.write(fd, data)


def append(fd: int, data: Any) -> int:
    """Writes behind the end of a file, in one step, whatever others append; or to what is no file."""
    memory, size = api.memory(data)
    if not api.is_disk(fd):
        return write(fd, memory)
    return _transfer("WriteFile", fd, memory, size, _END) if size else 0


def writev(fd: int, pieces: list[Any]) -> int:
    """os.writev, of a file that is open to be appended to, in one write."""
    return append(fd, b"".join(pieces))


def ftruncate(fd: int, size: int) -> None:
    """os.ftruncate."""
    _check_disk(fd)
    api.tell(fd, api.FILE_END_OF_FILE_INFO, size.to_bytes(8, "little"))


def geteuid() -> int:
    """The user to whom all files belong, as os.stat has it here: who may do what is told by other means."""
    return 0


def fchmod(fd: int, mode: int) -> None:
    """os.fchmod, of which Windows knows whether a file may be written to."""
    basic = bytearray(api.ask(fd, api.FILE_BASIC_INFO, 40))
    before = int.from_bytes(basic[32:36], "little")
    now = before & ~api.ATTRIBUTE_READONLY if mode & 0o200 else before | api.ATTRIBUTE_READONLY
    if now != before:
        basic[:32] = bytes(32)  # times stay what they are
        basic[32:36] = (now or api.ATTRIBUTE_NORMAL).to_bytes(4, "little")
        api.tell(fd, api.FILE_BASIC_INFO, bytes(basic))


def fchown(fd: int, user: int, group: int) -> None:
    """os.fchown: files have the owners that Windows gives them."""


def get_blocking(fd: int) -> bool:
    """os.get_blocking: whether it waits can't be chosen."""
    return False


def path_of(fd: int) -> Any:
    r"""A path that begins with \\?\, and isn't cut at 260 characters."""
    size = 512
    while True:
        text = api.wide(size)
        needed = api.function("GetFinalPathNameByHandleW")(api.handle_of(fd), text, size, 0)
        if needed == 0:
            raise api.error(api.last_error())
        if needed < size:
            return str(text.value)
        size = needed + 1
