"""Makes files longer while other processes append to them. None of their bytes is overwritten or cut.

The room is had before the end moves, and the end only ever moves forward, so a failure has nothing to cut. What can be
left to be taken back is behind the end, or was appended by us: see `take_back`.
"""

from __future__ import annotations

import errno
import os
import sys
import time

from . import system
from ._backend import MAPS_BEYOND_END
from .blame import ignoring
from .errors import reading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    # What maps a file that grows, given what makes it longer.
    Body = Callable[[Callable[[], None]], None]

# Zeros that are appended at a time where blocks can't be allocated.
_ZEROS = bytes(1 << 16)

# How long a file must have kept its size before it is cut, in seconds.
_QUIET = 0.002


def grow(fd: int, new_size: int, body: Body = lambda lengthen: None) -> None:
    """Makes a file `new_size` bytes long, with blocks allocated: a store through a map can't meet a full disk then.

    The room is had before the body, which maps the file, and the end is moved behind it: if the body fails, the file is
    what it was. (Where nothing is mapped beyond the end, that is moved before: its zeros stay.) The new bytes are
    zeros. Once the end has moved it stays, whatever is raised: another's bytes may stand before it.

    A body whose mapping others read already calls what it is given, which moves the end at once.
    """
    size = os.fstat(fd).st_size
    if new_size <= size:
        body(_nothing)
        return
    check_room(fd, size, new_size)
    try:
        system.allocate(fd, size, new_size)  # where that can't be had, moving the end does it
        if not MAPS_BEYOND_END:
            lengthen(fd, new_size)
        body(lambda: lengthen(fd, new_size))
        lengthen(fd, new_size)
    except BaseException:
        take_back(fd, size, size)  # the blocks behind the end
        raise


def empty(fd: int, new_size: int, body: Body) -> None:
    """Empties a file and makes it `new_size` bytes long: `grow`, with what can be found out before it is emptied."""
    check_room(fd, 0, new_size)
    if MAPS_BEYOND_END:
        body(_nothing)
        system.truncate(fd, 0)
        grow(fd, new_size)
    else:
        system.truncate(fd, 0)
        grow(fd, new_size, body)


def _nothing() -> None:
    """What moves the end of a file that is long enough."""


def lengthen(fd: int, new_size: int) -> None:
    """Moves the end, unless others have moved it as far meanwhile."""
    size = os.fstat(fd).st_size
    if size >= new_size or system.lengthen(fd, size, new_size):
        return
    written = 0
    try:
        while (left := new_size - os.fstat(fd).st_size) > 0:
            written += system.append_some(fd, _ZEROS[:left])
    except BaseException:
        take_back(fd, size, size + written)
        raise


def check_room(fd: int, size: int, new_size: int) -> None:
    """OSError where a file can't become so large: a try would fill the disk before it fails."""
    if new_size > sys.maxsize or not system.allows("RLIMIT_FSIZE", new_size):
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    needed = new_size - max(size, system.allocated(fd))  # it may have blocks behind its end
    if needed > system.room(fd):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def append_whole(fd: int, data: memoryview) -> None:
    """Appends a record to a file that others append to as well: in one write(2), or with an error not at all.

    Only a full disk, or a limit, has a write end half-way, and what it has written is taken back then.
    """
    written, size = 0, os.fstat(fd).st_size
    try:
        with reading(data):
            while written < len(data):
                with data[written:] as rest:  # released, or the frames of an error would keep the export
                    written += system.append_some(fd, rest)
    except BaseException:
        if written:
            take_back(fd, size, size + written)
        raise


def take_back(fd: int, size: int, end: int) -> bool:
    """Cuts what we have put behind `size`, if the file ends at `end` as we left it, and returns whether it did.

    What stands behind ours is another's, and stays, with ours before it. There is no call that cuts under a condition:
    what another process appends between the last look at the size and the cut, microseconds later, is lost. Whoever
    appends all the time is seen by the looks before, which is why there are two.
    """
    with ignoring(OSError):
        for pause in (_QUIET, 0):
            if os.fstat(fd).st_size != end:
                return False
            time.sleep(pause)
        if os.fstat(fd).st_size == end:
            system.truncate(fd, size)
            return True
    return False
