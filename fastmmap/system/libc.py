"""Calls of the C library that Python doesn't have, by ctypes, which is loaded when it is needed, not at import."""

from __future__ import annotations

import errno
import functools
import os

from .. import _imports
from ..blame import ours
from .generic import REFUSED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# No system's struct statfs is longer.
LONGEST_STATFS = 4096


@functools.cache
def _libc() -> Any:
    """The C library, None where Python was built without ctypes."""
    try:
        return _imports.load("ctypes").CDLL(None, use_errno=True)
    except ours(ImportError, OSError):
        return None


# What stands for the types of arguments.
_TYPES = {"i": "c_int", "u": "c_uint32", "q": "c_int64", "s": "c_char_p", "p": "c_void_p"}


@functools.cache
def function(name: str, types: str = "") -> Any:
    """A function of the C library, whose arguments have these types; None if it has no such function.

    Each has an object of its own, which is ready before anybody gets it: types that change while another thread calls
    it are freed under that call.
    """
    library = _libc()
    if not hasattr(library, name):
        return None
    found = library[name]
    if types:
        ctypes = _imports.load("ctypes")
        found.argtypes = [getattr(ctypes, _TYPES[each]) for each in types]
    return found


def exchange(name: str, here: int, flag: int, paths: tuple[str, str]) -> bool:
    """Exchanges two names by a function like renameat2, whose first and third argument are `here`."""
    call = function(name, "isisu")
    if call is None:
        return False
    ctypes = _imports.load("ctypes")
    if call(here, os.fsencode(paths[0]), here, os.fsencode(paths[1]), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in (*REFUSED, errno.EINVAL):
        return False  # where EPERM was meant, the other way meets it again
    raise OSError(number, os.strerror(number), paths[0], None, paths[1])


def statfs(name: str, fd: int) -> bytes | None:
    """What a function like fstatfs says of a descriptor; None where it can't be called."""
    call = function(name)
    if call is None:
        return None
    ctypes = _imports.load("ctypes")
    status = ctypes.create_string_buffer(LONGEST_STATFS)
    while call(fd, status) != 0:
        number = ctypes.get_errno()
        if number in REFUSED:
            return None
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))
    return bytes(status.raw)
