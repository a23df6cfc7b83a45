"""Holes: stretches of zeros in a file for which no blocks are allocated."""

from __future__ import annotations

import os
from typing import Any

from .. import system


def has_holes(status: os.stat_result) -> bool:
    """Whether a file has fewer blocks than its bytes fill: holes, or a filesystem that compresses."""
    return getattr(status, "st_blocks", status.st_size) * 512 < status.st_size


def write_data(fd: int, data: Any, offset: int, block: int) -> None:
    """Writes to a file that has only zeros there what isn't a whole block of them, or what there is of a block."""
    with memoryview(data) as view:
        copy = bytes(view)
        zeros = bytes(len(copy))
        if copy == zeros:
            return
        begun = None  # where data began that has yet to be written
        low = 0
        while low < len(copy):
            high = min(low + block - (offset + low) % block, len(copy))
            if copy[low:high] != zeros[: high - low]:
                begun = low if begun is None else begun
            elif begun is not None:
                with view[begun:low] as part:
                    system.write_at(fd, part, offset + begun)
                begun = None
            low = high
        if begun is not None:
            with view[begun:] as part:
                system.write_at(fd, part, offset + begun)
