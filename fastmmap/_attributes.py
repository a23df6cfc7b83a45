"""What keeps a file from being replaced, beside its mode: that it is immutable, append-only or a mount point."""

from __future__ import annotations

import os
import re
import struct
import sys

from . import _system
from .blame import ours
from .descriptors import Open

IMMUTABLE, APPEND_ONLY, MOUNT_POINT = "immutable", "append-only", "a mount point"

MOUNTS = "/proc/self/mountinfo"

# The bits of statx(2).
_STATX = {0x10: IMMUTABLE, 0x20: APPEND_ONLY, 0x2000: MOUNT_POINT}

# FS_IOC_GETFLAGS, which is _IOR('f', 1, long), and its bits. A system that numbers requests otherwise answers ENOTTY.
_GET_FLAGS = 0x80006601 | struct.calcsize("l") << 16
_FLAGS = {0x10: IMMUTABLE, 0x20: APPEND_ONLY}


def attributes(path: str) -> set[str]:
    """Which of the three a file or folder is, as far as the system tells. A link is not followed."""
    if sys.platform != "linux":
        return set()
    block = _system.statx(path)
    attributes, known = (0, 0) if block is None else struct.unpack_from("=8xQ40xQ", block)
    found = {word for bit, word in _STATX.items() if attributes & known & bit}
    if not known & 0x2000 and path in _mount_points():
        found.add(MOUNT_POINT)
    if not known & 0x30:
        found |= _flags(path)
    return found


def _mount_points() -> set[str]:
    """Where something is mounted, for kernels before 5.8, and where statx(2) can't be called."""
    try:
        with open(MOUNTS, "rb") as file:
            places = [line.split(b" ")[4] for line in file]
    except ours(OSError):
        return set()
    return {os.fsdecode(re.sub(rb"\\(\d{3})", lambda code: bytes([int(code[1], 8)]), place)) for place in places}


def _flags(path: str) -> set[str]:
    """What chattr(1) has set, for filesystems that don't tell statx(2)."""
    try:
        import fcntl

        with Open() as file:
            _system.open_into(file, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            (flags,) = struct.unpack_from("=I", fcntl.ioctl(file.fd, _GET_FLAGS, bytes(8)))
    except ours(OSError, ImportError):
        return set()
    return {word for bit, word in _FLAGS.items() if flags & bit}
