"""The functions of Windows that fastmmap calls, by ctypes, which is loaded when the first of them is called."""

from __future__ import annotations

import errno
import functools
import os

from .. import _imports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# INVALID_HANDLE_VALUE
INVALID = (1 << 64) - 1

# GetFileType, and the ways to open a file.
FILE_TYPE_DISK, FILE_TYPE_CHAR, FILE_TYPE_PIPE = 1, 2, 3
GENERIC_READ, GENERIC_WRITE, DELETE, READ_ATTRIBUTES = 0x80000000, 0x40000000, 0x00010000, 0x80
SHARE_ALL = 7  # FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE
CREATE_NEW, CREATE_ALWAYS, OPEN_EXISTING, OPEN_ALWAYS, TRUNCATE_EXISTING = 1, 2, 3, 4, 5
ATTRIBUTE_READONLY, ATTRIBUTE_NORMAL, ATTRIBUTE_TEMPORARY = 0x1, 0x80, 0x100
ATTRIBUTE_SPARSE, ATTRIBUTE_REPARSE_POINT = 0x200, 0x400
OPEN_REPARSE_POINT, BACKUP_SEMANTICS, WRITE_THROUGH = 0x00200000, 0x02000000, 0x80000000

# LockFileEx.
LOCKFILE_FAIL_IMMEDIATELY, LOCKFILE_EXCLUSIVE_LOCK = 1, 2

# What GetFileInformationByHandleEx and SetFileInformationByHandle are asked for, or told.
FILE_BASIC_INFO, FILE_STANDARD_INFO, FILE_END_OF_FILE_INFO, FILE_REMOTE_PROTOCOL_INFO = 0, 1, 6, 13
FILE_RENAME_INFO_EX = 22

FSCTL_SET_SPARSE, FSCTL_SET_ZERO_DATA = 0x000900C4, 0x000980C8

# Errors, by the names of winerror.h.
ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION, ERROR_HANDLE_EOF = 5, 32, 33, 38
ERROR_ALREADY_EXISTS, ERROR_IO_PENDING, ERROR_USER_MAPPED_FILE, ERROR_NOT_LOCKED = 183, 997, 1224, 158
ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED, ERROR_INVALID_PARAMETER, ERROR_CALL_NOT_IMPLEMENTED = 1, 50, 87, 120
ERROR_BROKEN_PIPE, ERROR_NO_DATA = 109, 232
ERROR_DELETE_PENDING, ERROR_CANT_ACCESS_FILE = 303, 1920

_MAPPED = "The file is mapped, here or by another process, and Windows can't cut, replace or remove it before that ends"

# Name: what it returns, and what it takes. h: a handle, p: a pointer, w: a text, d: 32 bits, b: a BOOL, q: 64 bits.
_SIGNATURES = {
    "CreateFileW": "h wddpddh",
    "ReOpenFile": "h hddd",
    "CloseHandle": "b h",
    "ReadFile": "b hpdpp",
    "WriteFile": "b hpdpp",
    "LockFileEx": "b hddddp",
    "UnlockFileEx": "b hdddp",
    "FlushFileBuffers": "b h",
    "GetFileType": "d h",
    "GetFileInformationByHandleEx": "b hdpd",
    "SetFileInformationByHandle": "b hdpd",
    "GetFinalPathNameByHandleW": "d hpdd",
    "GetVolumeInformationByHandleW": "b hpdppppd",
    "GetDiskFreeSpaceExW": "b wppp",
    "DeviceIoControl": "b hdpdpdpp",
    "PeekNamedPipe": "b hpdppp",
    "SetFileTime": "b hppp",
    "GetSystemTimePreciseAsFileTime": "n p",
    "MoveFileExW": "b wwd",
    "GetConsoleMode": "b hp",
    "SetConsoleMode": "b hd",
    "GetKernelObjectSecurity": "b hdpdp",
    "SetKernelObjectSecurity": "b hdp",
    "NtQueryInformationFile": "d hppdd",
    "NtQuerySystemInformation": "d dpdp",
}

# Where those are that aren't in kernel32.
_LIBRARIES = {
    "GetKernelObjectSecurity": "advapi32", "SetKernelObjectSecurity": "advapi32",
    "NtQueryInformationFile": "ntdll", "NtQuerySystemInformation": "ntdll",
}  # fmt: skip


@functools.cache
def function(name: str) -> Any:
    """A function of Windows, with the types that it takes."""
    ctypes = _imports.load("ctypes")
    kinds = {"h": ctypes.c_void_p, "p": ctypes.c_void_p, "w": ctypes.c_wchar_p, "n": None,
             "d": ctypes.c_uint32, "b": ctypes.c_int, "q": ctypes.c_uint64}  # fmt: skip
    library = ctypes.WinDLL(_LIBRARIES.get(name, "kernel32"), use_last_error=True)
    found = library[name]
    result, _, arguments = _SIGNATURES[name].partition(" ")
    found.restype, found.argtypes = kinds[result], [kinds[each] for each in arguments]
    return found


def last_error() -> int:
    """The number of the error that the last call ended with."""
    return int(_imports.load("ctypes").get_last_error())


def error(number: int, path: Any = None) -> OSError:
    """The OSError for an error of Windows, which chooses its errno. Where its words don't help, there are others."""
    if number == ERROR_USER_MAPPED_FILE:
        return OSError(errno.EBUSY, _MAPPED, path)
    if number in (ERROR_LOCK_VIOLATION, ERROR_DELETE_PENDING):
        text = str(_imports.load("ctypes").FormatError(number))
        return OSError(errno.EACCES, text, path)
    text = str(_imports.load("ctypes").FormatError(number)).strip(" .") or f"Windows' error {number}"
    return OSError(0, text, path, number)


def handle_of(fd: int) -> int:
    """The handle of a descriptor."""
    import msvcrt

    return msvcrt.get_osfhandle(fd)  # type: ignore[attr-defined,no-any-return]


def open_into(fds: list[int], flags: int, path: Any, name: str, *arguments: Any) -> None:
    """Puts a descriptor into a list, with flags of os.open, of the handle that a function of Windows returns.

    Each is kept in the step that makes it: what a signal handler raises loses none. A file of a lost handle could be
    neither replaced nor removed until the process ends. With os.O_EXCL the file is a new one, which goes then, too.
    """
    import msvcrt

    count, opens, handles = len(fds), function(name), list[int]()
    try:
        handles.extend(map(opens, *zip(arguments)))
        if handles[0] == INVALID:
            raise error(last_error(), path)
        flags_of_crt = flags & os.O_APPEND | os.O_NOINHERIT  # type: ignore[attr-defined]
        fds.extend(map(msvcrt.open_osfhandle, handles, (flags_of_crt,)))  # type: ignore[attr-defined]
    except BaseException:
        if len(fds) == count and handles and handles[0] != INVALID:
            if flags & os.O_EXCL:
                os.unlink(path)  # while it is open, so that it is this one
            function("CloseHandle")(handles[0])
        raise


def buffer(size: int) -> Any:
    """Memory for an answer."""
    return _imports.load("ctypes").create_string_buffer(size)


def wide(size: int) -> Any:
    """Memory for a text."""
    return _imports.load("ctypes").create_unicode_buffer(size)


def memory(data: Any) -> tuple[Any, int]:
    """What can be handed to Windows, and how many bytes that has: a copy, as memory may not be written to."""
    if isinstance(data, bytes):
        return data, len(data)
    with memoryview(data) as view:
        return bytes(view), view.nbytes


def number() -> Any:
    """Memory for a number of 32 bits."""
    return _imports.load("ctypes").c_uint32()


def at(memory: Any) -> Any:
    """A pointer to memory, for as long as the call takes."""
    return _imports.load("ctypes").byref(memory)


def overlapped(offset: int) -> Any:
    """An OVERLAPPED that says where in a file something is to be read, written or locked. It has 32 bytes."""
    block = buffer(32)
    block[16:24] = offset.to_bytes(8, "little")
    return block


def ask(fd: int, kind: int, size: int) -> bytes:
    """GetFileInformationByHandleEx."""
    block = buffer(size)
    if not function("GetFileInformationByHandleEx")(handle_of(fd), kind, block, size):
        raise error(last_error())
    return bytes(block.raw)


def tell(fd: int, kind: int, data: bytes) -> None:
    """SetFileInformationByHandle."""
    if not function("SetFileInformationByHandle")(handle_of(fd), kind, data, len(data)):
        raise error(last_error())


def control(fd: int, code: int, data: bytes = b"") -> bool:
    """DeviceIoControl; False where the filesystem doesn't know it."""
    got = number()
    if function("DeviceIoControl")(handle_of(fd), code, data, len(data), None, 0, at(got), None):
        return True
    ended = last_error()
    if ended in (ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED, ERROR_INVALID_PARAMETER, ERROR_CALL_NOT_IMPLEMENTED):
        return False
    raise error(ended)


def is_disk(fd: int) -> bool:
    """Whether a descriptor is that of a file, and not of a pipe or a console."""
    return bool(function("GetFileType")(handle_of(fd)) == FILE_TYPE_DISK)


def is_pipe(fd: int) -> bool:
    """Whether a descriptor is that of a pipe."""
    return bool(function("GetFileType")(handle_of(fd)) == FILE_TYPE_PIPE)
