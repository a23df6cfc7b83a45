"""Holes: stretches of zeros in a file for which no blocks are allocated."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from .. import system


def write_data(fd: int, data: Any, offset: int, block: int, *, clears: bool = False) -> None:
    """Writes what isn't a whole block of zeros, or what there is of a block.

    For such blocks nothing is done, as in a file that has only zeros there; or they are made a hole, with `clears`.
    What there is of a block of zeros at either end is written then, unless it is there.
    """
    with memoryview(data) as view:
        begun = None  # where data began that has yet to be written
        for low, high, is_zero in _blocks(bytes(view), offset, block):
            if is_zero and clears and (high - low) % block:
                is_zero = system.read_at(fd, high - low, offset + low) == bytes(high - low)
            elif is_zero and clears:
                is_zero = system.punch(fd, offset + low, high - low)
            if is_zero and begun is not None:
                with view[begun:low] as part:
                    system.write_at(fd, part, offset + begun)
                begun = None
            elif not is_zero and begun is None:
                begun = low
        if begun is not None:
            with view[begun:] as part:
                system.write_at(fd, part, offset + begun)


def _blocks(copy: bytes, offset: int, block: int) -> Iterator[tuple[int, int, bool]]:
    """The blocks of a file that bytes come to at an offset, the first and last in part: and whether each is zeros.

    Where all of them are, those between the first and the last are one.
    """
    zeros = bytes(len(copy))
    bounds = [0, *range(-offset % block, len(copy), block), len(copy)]
    if copy == zeros and len(bounds) > 3:
        bounds = [bounds[0], bounds[1], bounds[-2], bounds[-1]]
    for low, high in pairwise(bounds):
        if low < high:
            yield low, high, copy[low:high] == zeros[: high - low]
