"""What macOS does otherwise."""

from __future__ import annotations

import fcntl
import os

from . import generic
from .generic import (
    CHANGES,
    CUTS_MAPPED,
    REFUSED,
    acts_as_owner,
    add_watch,
    allocated,
    append_some,
    attributes,
    birth,
    boot,
    exchange,
    fallocate,
    has_holes,
    is_local,
    is_named,
    is_path_of,
    is_read_only,
    lock,
    make_sparse,
    mapped_at,
    name_file,
    open_unnamed_into,
    open_watch,
    punch,
    quota,
    remove_watch,
    start_writeback,
    unlock,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "CHANGES", "CUTS_MAPPED", "REFUSED", "acts_as_owner", "add_watch", "allocated", "append_some", "attributes",
    "birth", "boot", "create_shared", "exchange", "fallocate", "has_holes", "is_local", "is_named", "is_path_of",
    "is_read_only", "lock", "make_durable", "make_sparse", "mapped_at", "name_file", "open_unnamed_into", "open_watch",
    "path_of", "punch", "quota", "remove_watch", "start_writeback", "unlock",
]  # fmt: skip


def make_durable(fd: int) -> None:
    fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # type: ignore[attr-defined]  # fsync leaves them in the drive's cache


def path_of(fd: int) -> Any:
    return fcntl.fcntl(fd, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")  # type: ignore[attr-defined]


def create_shared(open_by_name: Callable[..., int], name: str, size: int) -> int:
    fd = generic.create_shared(open_by_name, name, size)
    if os.fstat(fd).st_size == 0:
        os.ftruncate(fd, size)  # the one way there, and only once
    return fd
