"""Search in files: what lets the functions that only read take an os.PathLike."""

from __future__ import annotations

import os
from typing import Any

from .mapped import MappedFile
from .reference.arguments import as_buffer

# Files below this many bytes are read, which takes fewer system calls than mapping and unmapping.
# `python -m bench.small` shows where the two meet.
READ_BELOW = 1 << 17


@as_buffer.register(os.PathLike)
def _(source: os.PathLike[Any]) -> Any:
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if 0 < os.fstat(fd).st_size < READ_BELOW:
            return _read(fd)
        mapped = MappedFile(fd)
        mapped.name = os.fspath(source)
        return mapped
    except OSError as error:
        error.filename = os.fspath(source)
        raise
    finally:
        os.close(fd)


def _read(fd: int) -> bytes:
    """All there is: a file may have grown since it was asked for its size."""
    blocks = []
    while block := os.read(fd, READ_BELOW):
        blocks.append(block)
    return b"".join(blocks)
