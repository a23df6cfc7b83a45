"""What Windows lacks. No extension is built there yet, and nothing here has been run there."""

from __future__ import annotations

import errno
import os

from .generic import (
    REFUSED,
    acts_as_owner,
    add_watch,
    attributes,
    birth,
    boot,
    create_shared,
    exchange,
    fallocate,
    is_local,
    is_path_of,
    mapped_at,
    name_file,
    open_unnamed_into,
    open_watch,
    path_of,
    punch,
    quota,
    remove_watch,
    start_writeback,
)

__all__ = [
    "REFUSED", "acts_as_owner", "add_watch", "attributes", "birth", "boot", "create_shared", "exchange", "fallocate",
    "is_local", "is_path_of", "lock", "make_durable", "mapped_at", "name_file", "open_unnamed_into", "open_watch",
    "path_of", "punch", "quota", "remove_watch", "start_writeback", "unlock",
]  # fmt: skip


def make_durable(fd: int) -> None:
    os.fsync(fd)


def lock(fd: int, wait: bool = True) -> bool:
    raise OSError(errno.ENOSYS, "fastmmap has no locks on Windows")


def unlock(fd: int) -> None:
    raise OSError(errno.ENOSYS, "fastmmap has no locks on Windows")
