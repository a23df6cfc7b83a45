"""Shared memory with a name, as files that the system keeps in memory as long as it has enough of it.

A mapping of Windows' own with a name goes with the last process that has it open. A file stays until it is removed.
"""

from __future__ import annotations

import errno
import os

from .. import _imports
from ..blame import ignoring
from ..paths import is_directory
from . import windows_files as files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What the files are called whose names were taken away while somebody had them mapped.
_GONE = ".gone-"

# What no name of a file has.
_REFUSED = frozenset('\\:*?"<>|')


def _folder() -> str:
    """A folder of this user's, for as long as Windows runs: what was shared before it was started anew is removed."""
    from .windows import boot

    home = os.environ.get("LOCALAPPDATA") or _imports.load("tempfile").gettempdir()
    shared = os.path.join(home, "fastmmap", "shared")
    folder = os.path.join(shared, boot().hex())
    if not is_directory(folder):
        os.makedirs(folder, exist_ok=True)
        for name in os.listdir(shared):
            if os.path.join(shared, name) != folder:
                _remove_all(os.path.join(shared, name))
    return folder


def _remove_all(folder: str) -> None:
    with ignoring(OSError):
        for name in os.listdir(folder):
            with ignoring(OSError):
                os.unlink(os.path.join(folder, name))
        os.rmdir(folder)


def _path(name: str) -> str:
    name = name.removeprefix("/")
    if _REFUSED.intersection(name) or name.startswith(_GONE):
        raise OSError(errno.EINVAL, "Windows can't have a file of this name", name)
    return os.path.join(_folder(), name)


def shm_open(name: str, flags: int, mode: int = 0o600) -> int:
    """shm_open(3)."""
    return files.open(_path(name), flags, mode)


def shm_unlink(name: str) -> None:
    """shm_unlink(3). What is mapped can't be removed: it gets another name, and goes with a later call."""
    path = _path(name)
    folder = os.path.dirname(path)
    gone: Any = os.path.join(folder, f"{_GONE}{os.urandom(8).hex()}")
    os.rename(path, gone)
    for other in os.listdir(folder):
        if other.startswith(_GONE):
            with ignoring(OSError):
                os.unlink(os.path.join(folder, other))
