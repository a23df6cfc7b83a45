"""What has no pages to map is read: pipes, devices, files in /proc. No more of it than is asked for."""

from __future__ import annotations

import errno
import mmap
import os
import stat

from . import system
from .blame import ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# How much is read at a time.
BLOCK = 1 << 20


def check_is_file(fd: int, status: os.stat_result) -> None:
    """Raises OSError for what has no pages to be written to: a pipe, or a file in /proc, with bytes but no size."""
    if system.is_file(status) and (status.st_size or not system.calls.pread(fd, 1, 0) or os.fstat(fd).st_size):
        return
    raise OSError(errno.ENODEV, "Not a regular file")


def may_be_mapped(status: os.stat_result) -> bool:
    """Whether a file has a size, and so perhaps pages."""
    return stat.S_ISBLK(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_size > 0)


def copy(fd: int, target: int, offset: int, size: int | None) -> int:
    """Writes `size` bytes from `offset` on of what can be read to another file; all there are when None.

    Returns how many there were, which may be fewer. ValueError where the offset is past the end.
    """
    length = 0
    for block in blocks(fd, offset, size):
        system.write_all(target, block)
        length += len(block)
    return length


def blocks(fd: int, offset: int, size: int | None) -> Iterator[bytes]:
    """What a file has, wherever the descriptor's position is; what a pipe has from now on."""
    try:
        block = _read_at(fd, _most(size), offset)
        if not block and offset and not system.calls.pread(fd, 1, offset - 1):
            raise ValueError(f"offset {offset} is past the end")
    except ours(OSError) as error:
        if error.errno != errno.ESPIPE:
            raise
    else:
        while block:
            yield block
            offset, size = offset + len(block), None if size is None else size - len(block)
            block = _read_at(fd, _most(size), offset)
        return
    skipped = 0
    while skipped < offset:
        block = system.read_some(fd, _most(offset - skipped))
        if not block:
            raise ValueError(f"offset {offset} is past the end, which is at {skipped} bytes")
        skipped += len(block)
    while most := _most(size):
        if not (block := system.read_some(fd, most)):
            return
        yield block
        size = None if size is None else size - len(block)


def _read_at(fd: int, size: int, offset: int) -> bytes:
    """pread(2), also from a file that has only pieces of one size read, as /proc/self/pagemap does: from its pages."""
    try:
        return system.calls.pread(fd, size, offset)
    except ours(OSError) as error:
        if error.errno != errno.EINVAL:
            raise
    before = offset % mmap.PAGESIZE
    whole = -(-(before + size) // mmap.PAGESIZE) * mmap.PAGESIZE
    return system.calls.pread(fd, whole, offset - before)[before : before + size]


def _most(size: int | None) -> int:
    """How much to read at once of what is left."""
    return BLOCK if size is None else min(BLOCK, size)
