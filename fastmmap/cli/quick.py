"""count, for one needle in one file, without what takes longer to import than 100 MB take to search.

What isn't simple is left to those who know all about it: each function here may answer None.
"""

from __future__ import annotations

import os

from .._kernels import search_alone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Parts for each CPU, and CPUs at most: more wait for memory. A quota of control groups isn't asked for: it is long.
PARTS, MOST_CPUS = 4, 8


def count(fd: int, size: int, needle: bytes, ignorecase: bool) -> int | None:
    """How many matches a regular file of `size` bytes has; None where that isn't found out here."""
    from ..reference.overlaps import cannot_overlap

    kernel = search_alone()
    own = needle.lower() if ignorecase else needle
    if kernel is None or "FASTMMAP_THREADS" in os.environ or not cannot_overlap(own) or not is_cached(fd, size):
        return None
    before = os.fstat(fd)
    if before.st_size != size:
        return None
    from .._mapping import Mapping  # type: ignore[import-not-found]
    from .._parallel import run  # type: ignore[import-not-found]

    mapping, cpus = Mapping(fd, 0, size, "read"), min(len(os.sched_getaffinity(0)), MOST_CPUS)

    def count_part(start: int, end: int) -> int:
        number: int = kernel.count(mapping, needle, start, end + len(needle) - 1, ignorecase=ignorecase, threads=1)
        return number

    step = -(-size // (cpus * PARTS))
    parts = [(start, min(start + step, size)) for start in range(0, size, step)]
    try:
        number = sum(run(count_part, parts, cpus))
    except ImportError:  # of what knows what to do where memory has lost its file
        return None
    after = os.fstat(fd)
    same = (after.st_size, after.st_mtime_ns) == (size, before.st_mtime_ns)
    return number if same else None


def is_cached(fd: int, size: int) -> bool:
    """Whether a file is in memory, as far as some of its bytes tell: what comes from a disk is read by one thread."""
    room: Any = bytearray(1)
    try:
        return all(os.preadv(fd, [room], size * part // 8, os.RWF_NOWAIT) for part in range(8))
    except (OSError, AttributeError):
        return False
