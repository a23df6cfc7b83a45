"""Memory that ends, and begins, at a page that nobody may touch."""

from __future__ import annotations

import ctypes
import mmap
import sys


class Fence:
    """Memory between two pages that kill who touches them."""

    def __init__(self, pages=4):
        page = mmap.PAGESIZE
        self._map = mmap.mmap(-1, (pages + 2) * page)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self._first, self._last = base, base + (pages + 1) * page
        for fence in (self._first, self._last):
            self._protect(fence, allowed=False)
        self.size = pages * page
        self._start = base + page

    def _protect(self, address, allowed):
        page, memory = ctypes.c_size_t(mmap.PAGESIZE), ctypes.c_void_p(address)
        if sys.platform == "win32":
            before = ctypes.c_uint32()  # PAGE_READWRITE or PAGE_NOACCESS
            kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            if not kernel.VirtualProtect(memory, page, 4 if allowed else 1, ctypes.byref(before)):
                raise ctypes.WinError(ctypes.get_last_error())
            return
        protection = mmap.PROT_READ | mmap.PROT_WRITE if allowed else 0
        if ctypes.CDLL(None, use_errno=True).mprotect(memory, page, protection) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")

    def at_end(self, data):
        """A writable view of `data` whose last byte is the last before the fence."""
        return self._view(self.size - len(data), data)

    def at_start(self, data):
        """A writable view of `data` whose first byte is the first after the fence."""
        return self._view(0, data)

    def _view(self, offset, data):
        view = memoryview((ctypes.c_ubyte * len(data)).from_address(self._start + offset)).cast("B")
        view[:] = data
        return view

    def close(self):
        for fence in (self._first, self._last):
            self._protect(fence, allowed=True)
