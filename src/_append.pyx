# cython: binding=False, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""append to a buffer, and Stage. Their definition is fastmmap/reference/append.py."""
cimport cython
from kernel cimport *

cdef fm_guard guarded = import_guard()


cdef int take_data(object data, Py_buffer *view) except -1:
    """Exports the bytes of a record: bytes-like, or str as UTF-8. The export keeps an encoded str alive."""
    if isinstance(data, str):
        data = (<str> data).encode()
    if not PyObject_CheckBuffer(data):
        raise TypeError(f"data must be bytes-like or str, not {type(data).__name__!r}")
    return take(data, view, PyBUF_SIMPLE)


def append(buffer, position, data):
    """Stores `data`, bytes-like or str, at buffer[position:] and returns the position after it.

    ValueError where it doesn't fit, with nothing stored.
    """
    cdef Py_buffer record, target
    cdef Py_ssize_t at
    cdef Watch watching
    if position is None:
        raise TypeError("position must be an integer, not None")
    at = index_or(position, 0)
    take_data(data, &record)
    try:
        take_writable(buffer, &target, "append")
        try:
            if at < 0 or at > target.len:
                raise ValueError(f"position {at} is outside the buffer of {target.len} bytes")
            if record.len > target.len - at:
                raise ValueError(f"{record.len} bytes don't fit at position {at} of a buffer of {target.len} bytes")
            watch_view(&watching, &record)
            watch_also(&watching, <void *> target.obj, target.buf, <char *> target.buf + at, record.len)
            copy_guarded(guarded, <char *> target.buf + at, <const char *> record.buf, record.len, &watching)
            return at + record.len
        finally:
            PyBuffer_Release(&target)
    finally:
        PyBuffer_Release(&record)


cdef class Stage:
    """A writable buffer that takes records until it is full.

    A record that doesn't fit goes to `overflow(data)`, which a subclass defines: it makes room or stores the record
    elsewhere. A stage without a buffer is full from the start.
    """
    cdef Py_buffer view
    cdef Py_ssize_t used
    cdef Py_ssize_t limit

    def __init__(self, buffer=None):
        self.switch(buffer)

    @property
    def tail(self):
        """How many bytes of records are in the buffer."""
        return self.used

    def append(self, data):
        """Stores one record, bytes-like or str; nothing is added to it."""
        cdef Py_buffer record
        if PyBytes_CheckExact(data):
            if not self.store(data, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)):
                self.overflow(data)
            return
        take_data(data, &record)
        try:
            if not self.store(<object> record.obj, <const char *> record.buf, record.len):
                self.overflow(data)
        finally:
            PyBuffer_Release(&record)

    def append_many(self, records):
        """Stores each record of an iterable and returns how many there were."""
        cdef Py_ssize_t number = 0
        for record in records:
            self.append(record)
            number += 1
        return number

    def overflow(self, data):
        """Called with a record that doesn't fit."""
        raise ValueError(f"the record doesn't fit in a stage of {max(self.limit, 0)} bytes with {self.used} in use")

    def switch(self, buffer):
        """Goes on at the start of another buffer, or of none, and returns how many bytes were in the one before."""
        cdef Py_buffer view, before
        cdef Py_ssize_t used
        memset(&view, 0, sizeof(view))
        if buffer is not None:
            take_writable(buffer, &view, "Stage")
        with cython.critical_section(self):
            before, used = self.view, self.used
            # Without a buffer not even an empty record fits: a closed stage refuses them all.
            self.view, self.used, self.limit = view, 0, view.len if buffer is not None else -1
        PyBuffer_Release(&before)
        return used

    cdef bint store(self, object owner, const char *record, Py_ssize_t length) except -1:
        """Copies a record, which `owner` exports, behind the tail if it fits. No Python code runs until the tail is
        stored; a fault leaves the tail as it was."""
        cdef Copy copy
        cdef Watch watching
        cdef char *tail
        cdef int answer = MORE
        cdef bint fits
        with cython.critical_section(self):
            fits = length <= self.limit - self.used
            if fits and length:
                tail = <char *> self.view.buf + self.used
                copy = Copy(target=tail, source=record, length=length)
                watch(&watching, <void *> owner, record, record, length)
                watch_also(&watching, <void *> self.view.obj, self.view.buf, tail, length)
                while answer == MORE:
                    answer = guarded(copy_step, &copy, &watching.memory)
                if answer == FM_FAULT:
                    raise_fault(&watching)
                self.used += length
        return fits

    def __dealloc__(self):
        PyBuffer_Release(&self.view)
