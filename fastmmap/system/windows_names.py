"""Names in directories, as Windows has them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from ..blame import ignoring
from ..descriptors import Open
from ..paths import is_directory, is_taken
from . import windows_api as api

# FILE_RENAME_FLAG_REPLACE_IF_EXISTS, FILE_RENAME_FLAG_POSIX_SEMANTICS, FILE_RENAME_FLAG_IGNORE_READONLY_ATTRIBUTE
_REPLACE = 1 | 2 | 0x40
_MOVE_REPLACE, _MOVE_WRITE_THROUGH = 1, 8

# What says that a filesystem, or an older Windows, doesn't know how to replace a file that is open.
_UNKNOWN = (
    api.ERROR_INVALID_FUNCTION, api.ERROR_NOT_SUPPORTED, api.ERROR_INVALID_PARAMETER, api.ERROR_CALL_NOT_IMPLEMENTED,
)  # fmt: skip


def rename(old: str, new: str) -> None:
    """In one step, also where others have the file open that is replaced, if they let it be removed."""
    if not is_directory(old) and _rename_open(old, new):
        return
    with _writable(new):
        if not api.function("MoveFileExW")(old, new, _MOVE_REPLACE | _MOVE_WRITE_THROUGH):
            raise _explained(api.last_error(), old, new)


def remove(path: str) -> None:
    """Also a file that may only be read."""
    with ignoring(FileNotFoundError), _writable(path):
        os.unlink(path)


@contextmanager
def _writable(path: str) -> Iterator[None]:
    """A file that may only be read can be neither replaced nor removed: meanwhile it isn't one."""
    before = None
    with ignoring(OSError):
        before = os.lstat(path)
    if before is None or not stat.S_ISREG(before.st_mode) or before.st_mode & stat.S_IWRITE:
        yield
        return
    os.chmod(path, stat.S_IWRITE)
    try:
        yield
    except BaseException:
        os.chmod(path, before.st_mode)
        raise


def _rename_open(old: str, new: str) -> bool:
    """FileRenameInfoEx, with names as POSIX has them; False where that isn't supported."""
    access, attributes = api.DELETE | api.READ_ATTRIBUTES, api.OPEN_REPARSE_POINT | api.WRITE_THROUGH
    name = os.path.abspath(new).encode("utf-16-le")
    data = _REPLACE.to_bytes(8, "little") + bytes(8) + len(name).to_bytes(4, "little") + name + bytes(2)
    with Open() as file:
        api.open_into(
            file, 0, old, "CreateFileW", old, access, api.SHARE_ALL, None, api.OPEN_EXISTING, attributes, None
        )
        rename = api.function("SetFileInformationByHandle")
        if rename(api.handle_of(file.fd), api.FILE_RENAME_INFO_EX, data, len(data)):
            return True
        ended = api.last_error()
    if ended in _UNKNOWN:
        return False
    raise _explained(ended, old, new)


def _explained(ended: int, old: str, new: str) -> OSError:
    error = api.error(ended, old)
    if ended == api.ERROR_ACCESS_DENIED and is_taken(new) and not stat.S_ISDIR(os.lstat(new).st_mode):
        text = f"{error.strerror}: the file that would be replaced may be mapped, or open without FILE_SHARE_DELETE"
        return OSError(0, text, old, ended, new)
    return error


def make_names_durable(directory: int) -> None:
    """Nothing: a file is renamed by what writes through."""
