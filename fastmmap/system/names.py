"""Names in directories, and descriptors by them, the same on all systems."""

from __future__ import annotations

import errno
import os

from ..blame import ignoring, ours
from .calls import calls


def open_into(fds: list[int], path: str, flags: int, mode: int = 0o777) -> None:
    """os.open, whose descriptor is in a list before a signal handler can run: what that raises would lose it.

    A call from Python would end with handlers running before its result is kept; this is one from C.
    """
    in_steps = getattr(calls, "open_into", None)  # on Windows, where it takes several calls
    if in_steps is not None:
        in_steps(fds, path, flags, mode)
    else:
        fds.extend(map(calls.open, (path,), (flags | calls.O_CLOEXEC,), (mode,)))


def open_directory_into(fds: list[int], path: str) -> None:
    """open_into of a directory, for make_names_durable."""
    open_into(fds, path, os.O_RDONLY | calls.O_DIRECTORY)


def make_names_durable(directory: int) -> None:
    """Returns when the names in a directory, given by its descriptor, would survive a power loss."""
    try:
        os.fsync(directory)
    except ours(OSError) as error:
        if error.errno != errno.EINVAL:  # filesystems that keep no directory say so
            raise


def link(path: str, other: str) -> None:
    """A second name for a file."""
    os.link(path, other)


def rename(old: str, new: str) -> None:
    """Puts a file in the place of another, in one step."""
    os.replace(old, new)


def remove(path: str) -> None:
    """Takes a name away, if it is there."""
    with ignoring(FileNotFoundError):
        os.unlink(path)
