"""Search in files: lets the functions that only read take an os.PathLike."""

from __future__ import annotations

import os

from . import unmapped
from .blame import ours
from .descriptors import Open
from .errors import add_name
from .mapped import MappedFile
from .reference import arguments
from .reference.arguments import END
from .system.calls import calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Files below this many bytes are read, which takes fewer system calls than mapping and unmapping.
# `python -m bench.small` shows where the two meet.
READ_BELOW = 1 << 17


def _open_path(source: os.PathLike[Any], end: int) -> Any:
    name = os.fspath(source)
    file = Open()
    try:  # naming and a with statement would take half a microsecond
        file.extend(map(calls.open, (name,), (os.O_RDONLY | calls.O_CLOEXEC,)))
        fd = file[0]
        status = os.fstat(fd)
        if 0 < status.st_size < READ_BELOW:
            return _read(fd)
        if end < END and not unmapped.may_be_mapped(status):
            return b"".join(unmapped.blocks(fd, 0, end))
        mapped = MappedFile(fd)
        mapped.name = name
        return mapped
    except ours(OSError) as error:
        add_name(error, name, always=True)
        raise
    finally:
        file.close()


def _read(fd: int) -> bytes:
    """All bytes of a file, which may have grown since its status was read."""
    blocks = []
    while block := os.read(fd, READ_BELOW):
        blocks.append(block)
    return b"".join(blocks)


arguments.open_path = _open_path
