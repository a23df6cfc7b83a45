"""Shared memory with a name, of which multiprocessing.shared_memory is made, without its tracker."""

from __future__ import annotations

import errno
import os
import sys

from .. import _imports
from ..blame import ours
from .native import native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _shm() -> Any:
    if sys.platform == "win32":
        return native
    try:
        return _imports.load("_posixshmem")
    except ImportError:
        raise OSError(errno.ENOSYS, "This Python has no shared memory with names (_posixshmem)") from None


def open_shared(name: str, size: int | None) -> int:
    """The descriptor of the shared memory of that name; what isn't there is made where a size is given.

    Where the system can do so, new memory comes into sight with its size: nobody can open it in between.
    """
    open_by_name = _shm().shm_open
    while True:
        try:
            fd: int = open_by_name(f"/{name}", os.O_RDWR)
            return fd
        except ours(FileNotFoundError):
            if size is None:
                raise
        try:
            return native.create_shared(open_by_name, name, size)
        except ours(FileExistsError):
            pass  # another process was first


def remove_shared(name: str) -> None:
    """Takes the name of shared memory away. The memory goes with its last mapping."""
    _shm().shm_unlink(f"/{name}")
