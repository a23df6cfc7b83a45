# cython: binding=False, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""Mapping: the only object that owns an address range. Its definition is fastmmap/reference/mapping.py.

Also the home of the process's one guard, which the other modules reach through a capsule.
"""
cimport cython
from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_SetFromErrno
from cpython.memoryview cimport PyMemoryView_FromObject
from cpython.pycapsule cimport PyCapsule_New
from cpython.slice cimport PySlice_AdjustIndices, PySlice_Unpack
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy
from arguments cimport *
from capi cimport *
from fresh cimport *
from guard cimport *
from memory cimport *
from package cimport *
from steps cimport *
from strides cimport *
from system cimport *

cdef extern from "pythread.h":
    unsigned long PyThread_get_thread_ident()

cdef fm_guard guarded = fm_guarded
globals()["guarded"] = PyCapsule_New(<void *> fm_guarded, "fastmmap._mapping.guarded", NULL)
globals()["contested"] = PyCapsule_New(<void *> fm_contested, "fastmmap._mapping.contested", NULL)

# Whether a mapping may lie beyond the end of its file, so that this is moved when the mapping is made.
globals()["MAPS_BEYOND_END"] = FM_MAPS_BEYOND_END

cdef Py_ssize_t PAGE = fm_page_size()
cdef Py_ssize_t UNIT = fm_map_unit()  # of which an offset in a file is a multiple

# How long a view waits for a change of the size, which takes some system calls: a second at most.
cdef enum:
    WAIT_MICROSECONDS = 50
    WAIT_TURNS = 20000

# What an empty mapping exports: no system maps zero bytes, and an export needs an address.
cdef char NOTHING = 0


include "descriptor.pxi"


cdef class Mapping(HasDescriptor):
    """`length` bytes of a file from `offset` on, or with fd -1 of anonymous memory, mapped until the last view is gone.

    access is "read", "write" (stores reach the file) or "copy" (they stay in this process). An empty mapping is as good
    as any other, and the offset need not be a multiple of the page size. `_descriptor`, where whoever made the mapping
    sets it, is the file's as long as it is open, and tells whether the file shrank: see `_file_status`. With
    `drop_behind` set, large scans let go of the pages they have read, in the page cache too.
    """
    cdef char *base             # what fm_map returned, NULL when nothing is mapped
    cdef Py_ssize_t before      # bytes between base and the first byte of ours: offset modulo UNIT
    cdef Py_ssize_t length
    cdef Py_ssize_t exports     # views alive: the memory stays while there are any
    cdef fm_access access
    cdef bint unmapped          # no new view can be had
    cdef unsigned long resizing  # the thread that is changing the size, 0 for none
    cdef public bint drop_behind

    def __cinit__(self, *arguments, **keywords):
        self.unmapped = True

    def __init__(self, fd, offset, length, access):
        if self.base != NULL or not self.unmapped:
            raise ValueError("the mapping is already mapped")
        if access not in ("read", "write", "copy"):
            raise ValueError(f"access must be 'read', 'write' or 'copy', not {access!r}")
        self.access = FM_MAP_READ if access == "read" else FM_MAP_WRITE if access == "write" else FM_MAP_COPY
        self.offset = offset
        self.adopt(self.map(fd, offset, length), offset % UNIT, length)
        self.unmapped = False

    cdef char *map(self, int fd, int64_t offset, Py_ssize_t length) except? NULL:
        """A new range for these bytes, which nobody knows yet. NULL for none."""
        cdef Py_ssize_t before
        cdef void *base
        if offset < 0 or length < 0:
            raise ValueError(f"offset and length must not be negative: {offset}, {length}")
        before = offset % UNIT
        if length > PY_SSIZE_T_MAX - before:
            raise OverflowError(f"{length} bytes are more than can be mapped")
        if length == 0:
            return NULL
        with nogil:
            base = fm_map(before + length, self.access, fd, offset - before)
        if base == NULL:
            PyErr_SetFromErrno(OSError)
        return <char *> base

    cdef void adopt(self, char *base, Py_ssize_t before, Py_ssize_t length) noexcept:
        """Puts a range in the place of the one before, in one go, and only then unmaps that: no thread sees half."""
        cdef void *old = self.base
        cdef size_t size = self.before + self.length
        self.base, self.before, self.length = base, before, length
        if old != NULL:
            with nogil:
                fm_unmap(old, size)

    cdef int check_mapped(self) except -1:
        if self.unmapped:
            raise ValueError("the mapping is closed")
        return 0

    cdef char *address(self) noexcept nogil:
        return self.base + self.before if self.base != NULL else &NOTHING

    def _unmap(self):
        """No new view can be had from now on; the memory goes with the last one. Unmapping twice does nothing."""
        with cython.critical_section(self):
            self.unmapped = True
            if self.exports == 0:
                self.adopt(NULL, 0, 0)

    def _remap(self, fd, offset, length, lengthen=None):
        """Maps `length` bytes instead, perhaps at another address: all or nothing.

        BufferError while views live. With the length that the mapping has, that is all that is asked. `lengthen` is
        called when the bytes have their addresses, and makes the file have them, before anybody can read them there.
        """
        cdef int64_t begin = offset
        cdef Py_ssize_t size = length
        cdef char *base
        cdef bint resizing = False
        with cython.critical_section(self):
            self.check_unexported()
            if size == self.length:
                return
        base = self.map(fd, begin, size)
        try:
            with cython.critical_section(self):
                self.check_unexported()  # again, because map released the GIL
                self.resizing = PyThread_get_thread_ident()
                resizing = True
            if lengthen is not None:
                lengthen()
            with cython.critical_section(self):
                if fd < 0 and base != NULL:
                    memcpy(base, self.address(), min(self.length, size))
                self.adopt(base, begin % UNIT, size)
                base = NULL
        finally:
            if resizing:
                with cython.critical_section(self):
                    self.resizing = 0
            if base != NULL:
                fm_unmap(base, begin % UNIT + size)

    cdef int wait_for_size(self) except -1:
        """Returns when no thread is changing the size: a view that is taken meanwhile would refuse it.

        BufferError for a signal handler that came into the change, and where that doesn't end, as in a forked child.
        """
        cdef int turns = WAIT_TURNS
        cdef unsigned long resizing
        while True:
            with cython.critical_section(self):
                resizing = self.resizing
            if resizing == 0:
                return 0
            if resizing == PyThread_get_thread_ident() or turns == 0:
                raise BufferError("the mapping's size is being changed")
            turns -= 1
            with nogil:
                fm_pause(WAIT_MICROSECONDS)

    cdef int check_unexported(self) except -1:
        self.check_mapped()
        if self.exports:
            raise BufferError(f"cannot resize a mapping while {self.exports} of its views are alive")
        return 0

    def view(self):
        """The memory as a memoryview, which keeps it after `close`. The guard doesn't reach what reads by it.

        Returns
        -------
        memoryview
            Of bytes. It can be written to in modes other than "r".

        Raises
        ------
        ValueError
            The mapping is closed.

        Examples
        --------
        >>> import fastmmap
        >>> m = fastmmap.open(None, size=3)
        >>> m.view().tolist()
        [0, 0, 0]
        """
        return PyMemoryView_FromObject(self)

    def _sync(self, start, length):
        """Writes the pages that hold [start, start + length) back and waits until that is done (msync, MS_SYNC)."""
        cdef int descriptor = self.begin_reading()
        try:
            self.on_pages(start, length, -1, descriptor)
        finally:
            if descriptor >= 0:
                self.end_reading()

    def advise(self, start, length, advice):
        """Tells the system how the pages that hold [start, start + length) will be used (madvise)."""
        self.on_pages(start, length, advice, -1)

    cdef int on_pages(self, Py_ssize_t start, Py_ssize_t length, int advice, int fd) except -1:
        """madvise, or msync where advice is -1. A view is held meanwhile, so that nobody unmaps."""
        cdef Py_buffer view
        cdef size_t skip
        cdef char *page
        cdef int answer
        PyObject_GetBuffer(self, &view, PyBUF_SIMPLE)
        try:
            if not 0 <= start <= view.len or not 0 <= length <= view.len - start:
                raise ValueError(f"{length} bytes at {start} are not within the mapping of {view.len} bytes")
            if length == 0:
                return 0
            skip = (self.before + start) % PAGE
            page = <char *> view.buf + start - skip
            with nogil:
                length += skip
                answer = fm_write_back(page, length, fd) if advice < 0 else fm_advise(page, length, advice)
            if answer != 0:
                PyErr_SetFromErrno(OSError)
                return -1
            return 0
        finally:
            PyBuffer_Release(&view)

    def __getbuffer__(self, Py_buffer *view, int flags):
        cdef bint is_exported = False
        while True:
            with cython.critical_section(self):
                # One section: a view of what the memory was before a change of its size would be left without it.
                if self.resizing == 0:
                    self.check_mapped()
                    if flags & PyBUF_WRITABLE and self.access == FM_MAP_READ:
                        raise BufferError("the mapping is read-only")
                    fm_fill_view(view, self, self.address(), self.length, self.access == FM_MAP_READ, flags)
                    self.exports += 1
                    is_exported = True
            if is_exported:
                return
            self.wait_for_size()

    def __releasebuffer__(self, Py_buffer *view):
        with cython.critical_section(self):
            self.exports -= 1
            if self.unmapped and self.exports == 0:
                self.adopt(NULL, 0, 0)

    def __dealloc__(self):
        self.adopt(NULL, 0, 0)

    def __len__(self):
        cdef Py_ssize_t length
        with cython.critical_section(self):
            self.check_mapped()
            length = self.length
        return length

    def __getitem__(self, index):
        """A byte as an integer, or a slice as bytes."""
        cdef Py_ssize_t start, stop, step, count
        cdef int descriptor = -1
        cdef Py_buffer view
        cdef Watch watching
        if fm_contested():
            return sheltered_item(self, index)
        if isinstance(index, slice):
            PySlice_Unpack(index, &start, &stop, &step)
            take(self, &view, PyBUF_SIMPLE)
            try:
                count = PySlice_AdjustIndices(view.len, &start, &stop, step)
                data = PyBytes_FromStringAndSize(NULL, count)
                watch_span(&watching, &view, start, step, count)
                if step == 1 and count >= FRESH_BYTES and self.reads_apart():
                    descriptor = self.begin_reading()
                if descriptor >= 0:
                    try:
                        copy_from_file(guarded, descriptor, self.offset + start, PyBytes_AS_STRING(data),
                                       <char *> view.buf + start, count, &watching)
                    finally:
                        self.end_reading()
                else:
                    copy_strided(guarded, PyBytes_AS_STRING(data), 1, <char *> view.buf + start, step, count, &watching)
                return data
            finally:
                PyBuffer_Release(&view)
        return self.byte_at(index, -1)

    def __setitem__(self, index, value):
        """Stores a byte, or as many bytes as the slice has."""
        cdef Py_ssize_t start, stop, step, count, byte
        cdef Py_buffer view
        cdef Watch watching
        cdef bytes own
        if not isinstance(index, slice):
            if value is None:
                raise TypeError("a byte must be an integer, not 'NoneType'")
            byte = index_or(value, -1)
            if not 0 <= byte <= 255:
                raise ValueError("byte must be in range(0, 256)")
            self.byte_at(index, byte)
            return
        PySlice_Unpack(index, &start, &stop, &step)
        if not PyObject_CheckBuffer(value):
            raise TypeError(f"a bytes-like object is required, not {type(value).__name__!r}")
        own = private_bytes(guarded, value, "value")
        with cython.critical_section(self):
            self.check_writable()
        take(self, &view, PyBUF_WRITABLE)
        try:
            count = PySlice_AdjustIndices(view.len, &start, &stop, step)
            if count != len(own):
                raise ValueError(f"a slice of {count} bytes can't hold {len(own)}: use resize or append for that")
            watch_span(&watching, &view, start, step, count)
            watching.stores[0] = True
            copy_strided(guarded, <char *> view.buf + start, step, PyBytes_AS_STRING(own), 1, count, &watching)
        finally:
            PyBuffer_Release(&view)

    def __delitem__(self, index):
        raise TypeError("a mapping's items can't be deleted: use resize")

    cdef bint reads_apart(self) noexcept:
        """Whether a file's bytes are what the mapping shows, and can be read without moving anybody's position."""
        return self.access != FM_MAP_COPY and FM_KEEPS_POSITION

    cdef int check_writable(self) except -1:
        self.check_mapped()
        if self.access == FM_MAP_READ:
            raise TypeError("cannot modify a read-only mapping")
        return 0

    cdef object byte_at(self, object index, int value):
        """Reads a byte, or stores one where value isn't -1."""
        cdef char byte = <char> value
        cdef Py_ssize_t i
        cdef Watch watching
        if not PyIndex_Check(index):
            raise TypeError(f"mapping indices must be integers or slices, not {type(index).__name__!r}")
        i = PyNumber_AsSsize_t(index, <void *> IndexError)
        with cython.critical_section(self):
            self.check_mapped()
            if value >= 0:
                self.check_writable()
            if i < 0:
                i += self.length
            if not 0 <= i < self.length:
                raise IndexError("mapping index out of range")
            watch(&watching, <void *> self, self.address(), self.address() + i, 1)
            watching.stores[0] = value >= 0
            if value >= 0:
                copy_guarded(guarded, self.address() + i, &byte, 1, &watching)
                return None
            copy_guarded(guarded, &byte, self.address() + i, 1, &watching)
            return <uint8_t> byte


include "method.pxi"
