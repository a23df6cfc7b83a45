"""Arguments turned into numbers and bytes; buffers taken, held and released."""
from cpython.buffer cimport (
    PyBUF_FULL_RO, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_Clear
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint8_t
from capi cimport *
from guard cimport *
from memory cimport *
from package cimport *
from steps cimport *

# From this many bytes on, a call may use several threads: handing out work costs some 100 microseconds, and this many
# bytes take a millisecond at memory speed.
cdef enum:
    PARALLEL_BYTES = 1 << 24

# --- buffers ---

cdef inline int take(object source, Py_buffer *view, int flags) except -1:
    """Exports `source` as contiguous bytes. What can't be exported so is a BufferError, even if it is numpy's."""
    if try_export(source, view, flags) == 0:
        return 0
    PyErr_Clear()
    return take_again(source, view, flags)

cdef inline int take_again(object source, Py_buffer *view, int flags) except -1:
    """take, at the price of a `try`, which is a tenth of a small call."""
    try:
        return PyObject_GetBuffer(source, view, flags)
    except ValueError as error:
        # A closed mapping is a ValueError; an array that is read-only or not contiguous can be exported otherwise.
        PyObject_GetBuffer(source, view, PyBUF_FULL_RO)
        PyBuffer_Release(view)
        raise BufferError(str(error)) from None

cdef inline object take_readable(object source, Py_buffer *view):
    """Exports a haystack; what isn't a buffer is first made one, where the file layer knows how. Returns the exporter.

    Only that can be exported again: view.obj may be a stand-in, as it is for classes with a `__buffer__`.
    """
    if not PyObject_CheckBuffer(source):
        source = as_buffer(source)
    take(source, view, PyBUF_SIMPLE)
    return source

cdef inline object take_within(object source, Py_buffer *view, Py_ssize_t start, Py_ssize_t end):
    """take_readable, of which nothing from `end` on is looked at: so what has to be read is read up to there."""
    if not PyObject_CheckBuffer(source):
        source = buffer_within(source, start, end)
    return take_readable(source, view)

cdef inline int take_writable(object target, Py_buffer *view, str verb) except -1:
    """Exports a buffer to be changed in place."""
    if not PyObject_CheckBuffer(target):
        raise TypeError(f"{verb} needs a writable buffer, not {type(target).__name__!r}: "
                        f"use fastmmap.open(path, 'r+') to change a file in place")
    return take(target, view, PyBUF_WRITABLE)

# An export that an object keeps. It is a struct because Cython would tell the garbage collector of the exporter of a
# Py_buffer that is a member. CPython before 3.13 doesn't survive that for a memoryview: it clears one that is exported.
cdef struct Held:
    Py_buffer view

cdef inline object exporter_of(Held *held):
    """What the collector may be told of: the exporter, None for a memoryview. The view's reference to it becomes that
    one.

    For a member of an object that isn't cleared (no_gc_clear), and gives it back to `let_go`.
    """
    if <void *> held.view.obj == NULL or isinstance(<object> held.view.obj, memoryview):
        return None
    exporter = <object> held.view.obj
    Py_DECREF(exporter)
    return exporter

cdef inline void let_go(Held *held, object exporter) noexcept:
    """Releases an export. The caller forgets the exporter next."""
    if exporter is not None:
        Py_INCREF(exporter)
    PyBuffer_Release(&held.view)

# --- bytes ---

cdef inline bytes private_bytes(fm_guard guarded, object data, str name):
    """bytes-like or str as bytes of our own: what a kernel compares with or stores must not change under it."""
    cdef Py_buffer view
    cdef Watch watching
    if PyBytes_CheckExact(data):
        return <bytes> data
    if isinstance(data, str):
        return (<str> data).encode()
    if not PyObject_CheckBuffer(data):
        raise TypeError(f"{name} must be bytes-like or str, not {type(data).__name__!r}")
    take(data, &view, PyBUF_SIMPLE)
    try:
        own = PyBytes_FromStringAndSize(NULL, view.len)
        watch_view(&watching, &view)
        copy_guarded(guarded, PyBytes_AS_STRING(own), <const char *> view.buf, view.len, &watching)
        return own
    finally:
        PyBuffer_Release(&view)

cdef inline bytes needle_bytes(fm_guard guarded, object needle):
    """A needle as bytes: bytes-like, str as UTF-8, or one byte as an integer, as bytes.find takes it."""
    cdef Py_ssize_t byte
    if PyBytes_CheckExact(needle):
        return <bytes> needle
    if PyIndex_Check(needle) and not PyObject_CheckBuffer(needle):
        byte = PyNumber_AsSsize_t(needle, NULL)
        if not 0 <= byte <= 255:
            raise ValueError("byte must be in range(0, 256)")
        return bytes((byte,))
    if not PyObject_CheckBuffer(needle) and not isinstance(needle, str):
        refuse_needle(needle)
    return private_bytes(guarded, needle, "needle")

# --- numbers ---

cdef inline Py_ssize_t workers(object threads, const Py_buffer *view, Py_ssize_t start, Py_ssize_t end) except -1:
    """How many threads work on view[start:end], which is clamped.

    What comes from a disk is read by one, in order, unless the caller says otherwise: the system reads ahead of that,
    and not of several that take turns. A cold GiB took 0.29 s by one, as long as by read(2) or ripgrep, 0.37 to 0.5 by
    two.
    """
    if threads is None and end - start < PARALLEL_BYTES or PyLong_CheckExact(threads) and threads == 1:
        return 1
    cdef Py_ssize_t most = most_workers(threads)
    if end - start < PARALLEL_BYTES or threads is None and fm_is_cold(<const uint8_t *> view.buf + start, end - start):
        return 1
    return most

cdef inline Py_ssize_t index_or(object index, Py_ssize_t default) except? -1:
    """A slice index: None is the default, and what is too large for the machine is as large as can be."""
    cdef Py_ssize_t value
    if index is None:
        return default
    if PyLong_CheckExact(index):
        value = try_ssize(index)
        if value != -1:
            return value
        PyErr_Clear()
    if not PyIndex_Check(index):
        raise TypeError("slice indices must be integers or None or have an __index__ method")
    return PyNumber_AsSsize_t(index, NULL)

cdef inline void clamp(Py_ssize_t *start, Py_ssize_t *end, Py_ssize_t length) noexcept nogil:
    """Slice semantics as in bytes.find: start may stay beyond the end, and then nothing matches, not even b""."""
    if end[0] > length:
        end[0] = length
    elif end[0] < 0:
        end[0] = end[0] + length if end[0] + length > 0 else 0
    if start[0] < 0:
        start[0] = start[0] + length if start[0] + length > 0 else 0
