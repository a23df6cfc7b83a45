"""How a fault on mapped memory, or what a file's status tells, becomes a MappedFileError."""

from __future__ import annotations

import errno
import mmap
import os

from . import system
from .blame import ours
from .descriptors import Open
from .errors import MappedFileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Read:
    """What of a mapping a call has read, by way of a buffer that shows all of it or a part."""

    def __init__(self, skipped: int, size: int, end: int, witness: int) -> None:
        self.skipped = skipped  # bytes that the buffer leaves out at the mapping's start
        self.size = size  # the buffer's
        self.end = end  # up to which of the buffer's bytes it was read
        self.witness = witness  # which of them was there before, and not zero; -1 for none


def check_status(mapping: Any, before: tuple[int, ...], after: tuple[int, ...], read: Read) -> None:
    """Raises for changes that cause no fault, given a Mapping's file_status before and after its bytes were read.

    A file that was cut within a page shows zeros behind its new end; one that was cut and grew back shows them
    everywhere. The latter has fewer blocks than before then, and ends in a hole, in which that byte was. (One that was
    written anew as well isn't told from one that was overwritten in place, which is allowed.)
    """
    if before[:2] != after[:2]:
        return  # its descriptor was closed meanwhile, and another file has it
    (_, _, _, blocks_before), (_, _, size, blocks) = before, after
    if size < read.skipped + read.end:
        # Where the first page begins that is gone; where none is, the file's new end.
        gone = -(-(mapping.offset + size) // mmap.PAGESIZE) * mmap.PAGESIZE - mapping.offset
        offset = gone if gone < read.skipped + read.size else size
        raise MappedFileError.because("truncated", max(offset - read.skipped, 0), name_of(mapping))
    if blocks < blocks_before and read.witness >= 0:
        place = mapping.offset + read.skipped + min(read.witness, read.end - 1)
        if _ends_in_hole(mapping._descriptor, place):
            raise MappedFileError.because("changed", 0, name_of(mapping))


def _ends_in_hole(fd: int, place: int) -> bool:
    """Whether a file has no data from a place on."""
    return _next_data(fd, place) < 0


def _next_data(file: int | str, place: int) -> int:
    """Where a file has data from a place on, -1 where nowhere; the place itself where that can't be known.

    It is asked by a descriptor of our own, because to ask moves its position.
    """
    if not hasattr(os, "SEEK_DATA"):
        return place
    with Open() as own:
        try:
            path = system.path_of(file) if isinstance(file, int) else file
            own.add(system.calls.open, path, os.O_RDONLY | system.calls.O_CLOEXEC)
            return os.lseek(own.fd, place, os.SEEK_DATA)
        except ours(OSError) as error:
            return -1 if error.errno == errno.ENXIO else place


def behind(owner: Any) -> Any:
    """What has the file behind a view or an array."""
    while True:
        if isinstance(owner, memoryview):
            owner = owner.obj
        elif hasattr(owner, "_behind"):  # see src/steady.pxi
            owner = owner._behind
        elif any(kind.__module__ == "numpy" for kind in type(owner).__mro__) and owner.base is not None:
            owner = owner.base
        else:
            return owner


def name_of(file: Any, address: int | None = None) -> str | bytes | None:
    """The name of what has a file, or of the file that is mapped at an address; None where neither is known."""
    name = getattr(file, "name", None)
    if isinstance(name, (str, bytes)) and not system.is_path_of(os.fsencode(name)):
        return name
    mapped = None if address is None else system.mapped_at(address)
    return None if mapped is None else mapped[0]


def reason_of(file: Any, address: int, stores: bool) -> str:
    """Why memory at an address couldn't be accessed, as far as the file tells now."""
    try:
        if isinstance(file, mmap.mmap) or not hasattr(file, "_descriptor"):
            mapped = system.mapped_at(address)
            if mapped is None:
                return "truncated"  # the most frequent by far
            path, needed = mapped
            end = file.size() if isinstance(file, mmap.mmap) else os.stat(path).st_size
        else:
            path = file._descriptor if file._descriptor >= 0 else file.name
            end, needed = os.stat(path).st_size, file.offset + len(file) - 1
            stores = stores or file.mode in ("r+", "w+")
        if end <= needed:
            return "truncated"
        is_full = hasattr(os, "statvfs") and os.statvfs(path).f_bavail == 0
        return "no-space" if is_full and (stores or _is_hole(path, address)) else "io"
    except ours(OSError, ValueError, TypeError, AttributeError):
        return "truncated"


def _is_hole(file: int | str, address: int) -> bool:
    """Whether a file has no data where it is mapped at an address: where memory is the disk, to read it takes space."""
    mapped = system.mapped_at(address)
    return mapped is not None and _next_data(file, mapped[1]) != mapped[1]
