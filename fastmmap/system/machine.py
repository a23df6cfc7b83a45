"""What the machine has for this process: CPUs, descriptors, space, and advice on memory."""

from __future__ import annotations

import mmap
import os
import sys

from ..blame import ours
from .native import native

if sys.platform != "win32":
    try:
        import resource
    except ImportError:  # as in a browser
        resource = None  # type: ignore[assignment]


# What advise() may say. No other advice of madvise is here: some of them change what the memory holds.
ADVICE = ("normal", "random", "sequential", "willneed", "dontneed", "hugepage", "nohugepage")

# A descriptor below this number isn't worth the question how many there may be: nowhere are they fewer than twice that.
_FEW = 32


def cpus() -> int:
    """How many CPUs this process may use: by its affinity, and by the quota of its control groups."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except ours(OSError, AttributeError):
        allowed = os.cpu_count() or 1
    return min(allowed, native.quota())


def advice(name: str) -> int | None:
    """madvise's number for a name, None where this system doesn't know the advice."""
    if name not in ADVICE:
        raise ValueError(f"advice must be one of {', '.join(ADVICE)}, not {name!r}")
    return getattr(mmap, f"MADV_{name.upper()}", None)


def is_scarce(fd: int) -> bool:
    """Whether more than half of the descriptors that this process may have seem to be in use.

    A new one has the lowest free number, so it tells about how many there are.
    """
    return fd >= _FEW and not allows("RLIMIT_NOFILE", 2 * fd)


def room(file: int | str) -> int:
    """How many bytes a file's filesystem has free for us, sys.maxsize where it doesn't say."""
    if sys.platform == "win32":
        return native.room(file)
    try:
        disk = os.statvfs(file)
    except ours(OSError) as error:
        if error.errno not in native.REFUSED:
            raise
        return sys.maxsize
    free = disk.f_bavail if os.geteuid() else disk.f_bfree  # some are kept for root
    return free * disk.f_frsize if disk.f_blocks else sys.maxsize


def allows(limit: str, number: int) -> bool:
    """Whether a number is within a limit of getrlimit(2), as "RLIMIT_FSIZE"; where none is known, all are."""
    if sys.platform == "win32" or resource is None:
        return True
    try:
        most, _ = resource.getrlimit(getattr(resource, limit))
    except ours(OSError):  # in a sandbox
        return True
    return most == resource.RLIM_INFINITY or number <= most
