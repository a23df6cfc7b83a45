"""Holes: stretches of zeros in a file for which no blocks are allocated."""

from __future__ import annotations

import os
from typing import Any

from .. import system


def has_holes(status: os.stat_result) -> bool:
    """Whether a file has fewer blocks than its bytes fill: holes, or a filesystem that compresses."""
    return getattr(status, "st_blocks", status.st_size) * 512 < status.st_size


def write_data(fd: int, data: Any, offset: int, block: int, *, clears: bool = False) -> None:
    """Writes what isn't a whole block of zeros, or what there is of a block.

    For such blocks nothing is done, as in a file that has only zeros there; or they are made a hole, with `clears`.
    What there is of a block of zeros at either end is written then, unless it is there.
    """
    with memoryview(data) as view:
        copy = bytes(view)
        zeros = bytes(len(copy))
        low = 0
        while low < len(copy):
            is_hole, begun = None, low  # of one kind, from here on
            while low < len(copy):
                high = min(low + block - (offset + low) % block, len(copy))
                is_zero = copy[low:high] == zeros[: high - low]
                if is_zero and clears and high - low < block:
                    is_zero = system.read_at(fd, high - low, offset + low) == zeros[: high - low]
                if is_hole is None:
                    is_hole = is_zero
                elif is_hole != is_zero:
                    break
                low = high
            if not is_hole or (clears and not system.punch(fd, offset + begun, low - begun)):
                with view[begun:low] as part:
                    system.write_at(fd, part, offset + begun)
