"""What Windows keeps of a file beside its bytes."""

from __future__ import annotations

import os

from ..descriptors import Open
from . import windows_api as api
from .windows_files import fchmod

# DACL_SECURITY_INFORMATION: who may do what with a file; and the right to change that.
_DACL, _WRITE_DAC = 4, 0x00040000

# FILE_ATTRIBUTE_VALID_SET_FLAGS
_SETTABLE = 0x31A7

# FILE_ATTRIBUTE_HIDDEN, SYSTEM, ARCHIVE, NOT_CONTENT_INDEXED
_KEPT = 0x2 | 0x4 | 0x20 | 0x2000


def keep_attributes(fd: int, source: int, before: os.stat_result) -> None:
    """Who may do what with the file, when it was made, and whether it is hidden and so on."""
    _keep_rights(fd, source)
    old = api.ask(source, api.FILE_BASIC_INFO, 40)
    new = bytearray(api.ask(fd, api.FILE_BASIC_INFO, 40))
    flags = _SETTABLE & int.from_bytes(new[32:36], "little") & ~_KEPT | int.from_bytes(old[32:36], "little") & _KEPT
    new[:32] = old[:8] + bytes(24)
    new[32:36] = (flags or api.ATTRIBUTE_NORMAL).to_bytes(4, "little")
    api.tell(fd, api.FILE_BASIC_INFO, bytes(new))
    fchmod(fd, before.st_mode)


def _keep_rights(fd: int, source: int) -> None:
    block = _rights(source)
    if block == _rights(fd):
        return
    with Open() as file:
        api.open_into(file, 0, None, "ReOpenFile", api.handle_of(fd), _WRITE_DAC, api.SHARE_ALL, 0)
        if not api.function("SetKernelObjectSecurity")(api.handle_of(file.fd), _DACL, block):
            raise api.error(api.last_error())


def _rights(fd: int) -> bytes:
    """Who may do what with a file, as a security descriptor."""
    size = api.number()
    function = api.function("GetKernelObjectSecurity")
    function(api.handle_of(fd), _DACL, None, 0, api.at(size))
    block = api.buffer(size.value)
    if not function(api.handle_of(fd), _DACL, block, size.value, api.at(size)):
        raise api.error(api.last_error())
    return bytes(block.raw)
