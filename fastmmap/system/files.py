"""What is read and written by a descriptor, the same on all systems."""

from __future__ import annotations

import os
import select
import stat
import sys

from ..blame import ours
from ..errors import reading
from .calls import calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# How much of a file is written at a time where blocks have to be allocated by writing zeros. Linux keeps in one large
# page what is written in one piece, and the first store to each 4 KiB of a mapping of it walks all of it: the 512 such
# faults of 2 MiB take 0.14 ms after pieces of 64 KiB, 5 ms after one piece.
_ZEROS = 1 << 16

# How much is read or written by one call. Linux does no more, macOS refuses more.
MOST = 0x7FFF_F000


def write_zeros(fd: int, offset: int, end: int) -> None:
    """Allocates blocks by writing zeros, which filesystems that copy on write take for a promise, too."""
    zeros = bytes(min(_ZEROS, end - offset))
    while offset < end:
        offset += calls.pwrite(fd, zeros[: end - offset], offset)


def is_file(status: os.stat_result) -> bool:
    """Whether a descriptor is that of a regular file, or of shared memory, which on macOS is of no kind."""
    kind = stat.S_IFMT(status.st_mode)
    return kind == stat.S_IFREG or (kind == 0 and sys.platform == "darwin")


def truncate(fd: int, size: int) -> None:
    """Cuts a file."""
    calls.ftruncate(fd, size)


def write_some(fd: int, data: Any) -> int:
    """write(2), which may write less than it is given."""
    return calls.write(fd, data)


def write_all(fd: int, data: Any) -> None:
    """write(2) until all of a buffer is written."""
    with reading(data), memoryview(data) as view:
        written = 0
        while written < len(view):
            with view[written:] as rest:  # released, or the frames of an error would keep the export
                written += write_some(fd, rest)


def write_at(fd: int, data: Any, offset: int) -> None:
    """pwrite(2) until all of a buffer is written, at an offset that may be the file's end."""
    with reading(data):
        written = calls.pwrite(fd, data, offset) if len(data) <= MOST else 0
        if written == len(data):
            return
        with memoryview(data) as view:
            while written < len(view):
                with view[written : written + MOST] as rest:
                    written += calls.pwrite(fd, rest, offset + written)


def write_pieces(fd: int, pieces: list[memoryview]) -> int:
    """writev(2): pieces of memory, one after the other, in one write, which may write less than it is given."""
    if sum(map(len, pieces)) <= MOST:
        return calls.writev(fd, pieces)
    with next(filter(None, pieces))[:MOST] as first:
        return calls.writev(fd, [first])


def read_at(fd: int, size: int, offset: int) -> bytes:
    """pread(2) of `size` bytes; fewer where the file ends."""
    block = calls.pread(fd, min(size, MOST), offset)
    if len(block) == size:
        return block
    blocks = [block]
    size, offset = size - len(block), offset + len(block)
    while block and size and (block := calls.pread(fd, min(size, MOST), offset)):
        blocks.append(block)
        size, offset = size - len(block), offset + len(block)
    return b"".join(blocks)


def read_into(fd: int, block: Any, offset: int) -> int:
    """preadv(2) until all of a block is read, or the file ends. Returns how many bytes that were."""
    filled = 0
    with memoryview(block) as view:
        while filled < len(view):
            with view[filled : filled + MOST] as rest:
                read = calls.preadv(fd, [rest], offset + filled)
            if read == 0:
                break
            filled += read
    return filled


def read_some(fd: int, size: int) -> bytes:
    """read(2), which waits for what a descriptor that doesn't block has yet to get."""
    while True:
        try:
            return os.read(fd, size)
        except ours(BlockingIOError):
            wait(fd)


def wait(fd: int, writes: bool = False, seconds: float | None = None) -> bool:
    """Returns when a descriptor can be read from, or written to: True; or after so many seconds, False if it can't."""
    if sys.platform == "win32":
        return calls.wait(fd, writes, seconds)
    if hasattr(select, "poll"):
        polled = select.poll()
        polled.register(fd, select.POLLOUT if writes else select.POLLIN)
        return bool(polled.poll(None if seconds is None else seconds * 1000))
    return any(select.select([] if writes else [fd], [fd] if writes else [], [], seconds))


def has_no_reader(fd: int) -> bool:
    """Whether a descriptor is that of a pipe or a socket whose other end is closed, as far as the system tells."""
    if sys.platform == "win32":
        return calls.has_no_reader(fd)
    if not hasattr(select, "poll"):
        return False
    polled = select.poll()
    polled.register(fd, 0)
    return bool(polled.poll(0))
