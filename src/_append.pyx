# cython: binding=False, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""append to a buffer, and Stage. Their definition is fastmmap/reference/append.py."""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_CheckBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.list cimport PyList_CheckExact
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from cpython.tuple cimport PyTuple_CheckExact
from cpython.unicode cimport PyUnicode_DATA, PyUnicode_GET_LENGTH
from libc.stdint cimport uint64_t
from libc.string cimport memmove, memset
from arguments cimport *
from capi cimport *
from guard cimport *
from memory cimport *
from package cimport *
from steps cimport *

cdef fm_guard guarded = import_guard()


cdef int take_data(object data, Py_buffer *view) except -1:
    """Exports the bytes of a record: bytes-like, or str as UTF-8. The export keeps an encoded str alive."""
    if isinstance(data, str):
        data = (<str> data).encode()
    if not PyObject_CheckBuffer(data):
        raise TypeError(f"data must be bytes-like or str, not {type(data).__name__!r}")
    return take(data, view, PyBUF_SIMPLE)


def append(buffer, position, data):
    r"""Stores bytes in a buffer at a position, and returns the position behind them.

    Parameters
    ----------
    buffer : writable bytes-like
        Any C-contiguous buffer, taken as bytes.
    position : int
        Where to store, in bytes from the buffer's start.
    data : bytes-like or str
        What to store. A str is encoded as UTF-8.

    Returns
    -------
    int
        The position behind what was stored, for the next call.

    Raises
    ------
    ValueError
        `data` doesn't fit at `position`, or that is outside the buffer. Nothing is stored.
    BufferError
        The buffer is read-only, or isn't C-contiguous.
    TypeError
        `buffer` is no buffer, `position` no integer, or `data` neither bytes-like nor a str.
    MappedFileError
        The mapped file was truncated meanwhile.

    Examples
    --------
    >>> buffer = bytearray(8)
    >>> fastmmap.append(buffer, 0, "one")
    3
    >>> fastmmap.append(buffer, 3, b"two")
    6
    >>> buffer
    bytearray(b'onetwo\x00\x00')
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
            watch_also(&watching, <void *> target.obj, target.buf, <char *> target.buf + at, record.len, True)
            copy_guarded(guarded, <char *> target.buf + at, <const char *> record.buf, record.len, &watching)
            return at + record.len
        finally:
            PyBuffer_Release(&target)
    finally:
        PyBuffer_Release(&record)


# How many records of a list are stored in one guarded step, which costs about as much as storing three of them.
cdef enum:
    RUN = 64

cdef struct Run:
    char *tail
    uint64_t *word      # NULL: nobody else is told
    uint64_t told       # what the word is to be afterwards
    Py_ssize_t number
    const char *source[RUN]
    Py_ssize_t length[RUN]

cdef int store_run(void *context) noexcept nogil:
    """Copies records behind the tail. The word is stored last: until then none of them has been there."""
    cdef Run *run = <Run *> context
    cdef Py_ssize_t i
    for i in range(run.number):
        memmove(run.tail, run.source[i], run.length[i])
        run.tail += run.length[i]
    if run.word != NULL:
        fm_publish(run.word, run.told)
    return DONE


include "numbers.pxi"


@cython.no_gc_clear  # see Held
cdef class Stage(Numbers):
    """A writable buffer that takes records until it is full.

    A record that doesn't fit, is longer than `_largest`, or would bring `_stored` to `_edge`, goes to
    `_overflow(data)`, which a subclass defines: it makes room or stores the record elsewhere. A stage without a buffer
    is full from the start.
    """
    cdef Held held
    cdef object exporter
    cdef char *place            # of the first record in the view
    cdef Py_ssize_t room        # for records from there on; -1 without a buffer
    cdef Py_ssize_t limit       # room, or -1 while the stage rests: then not even an empty record fits
    cdef uint64_t *word
    cdef uint64_t base          # the word before the first record

    def __init__(self, buffer=None):
        self._switch(buffer)

    def append(self, data):
        r"""Stores one record behind those before it. Nothing is added to it.

        Parameters
        ----------
        data : bytes-like or str
            The record. A str is encoded as UTF-8.

        Raises
        ------
        TypeError
            The record is neither bytes-like nor a str.
        ValueError
            The appender is closed.
        OSError
            An Appender can't write to its file. The record isn't taken; those before it wait for the next flush.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.Appender("app.log") as log:
        ...     log.append("one\n")
        ...     log.position
        4
        """
        if PyBytes_CheckExact(data):
            if not self.store(data, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)):
                self._overflow(data)
            return
        if not self.take_export(data):
            self._overflow(data)

    def append_many(self, records):
        """Stores each record of an iterable and returns how many there were. An error leaves those before it stored."""
        cdef Py_ssize_t number = 0, stored
        if (PyList_CheckExact(records) or PyTuple_CheckExact(records)) and type(self).append is Stage.append:
            while True:
                stored = self.store_some(records, number)
                number += stored
                if stored < RUN:
                    if number >= len(records):
                        return number
                    self.append(records[number])
                    number += 1
        for record in records:
            self.append(record)
            number += 1
        return number

    def _take(self, data):
        """Stores one record if it fits, and returns whether it does."""
        if PyBytes_CheckExact(data):
            return self.store(data, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        return self.take_export(data)

    def _take_line(self, text, end):
        """Stores a line of two strs in ASCII, if they are that and fit, and returns whether it has."""
        cdef Run run
        if not (is_ascii(text) and is_ascii(end)):
            return False
        cdef Py_ssize_t length = PyUnicode_GET_LENGTH(text) + PyUnicode_GET_LENGTH(end)
        with cython.critical_section(self):
            if length > self.limit - self.used or not self.takes(length, 0):
                return False
            run.number = 2
            run.source[0], run.length[0] = <const char *> PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text)
            run.source[1], run.length[1] = <const char *> PyUnicode_DATA(end), PyUnicode_GET_LENGTH(end)
            self.store_all(&run, length, b"")
        return True

    def _overflow(self, data):
        """Called with a record that doesn't fit."""
        cdef Py_ssize_t limit, used
        with cython.critical_section(self):
            limit, used = max(self.limit, 0), self.used
        raise ValueError(f"the record doesn't fit in a stage of {limit} bytes with {used} in use")

    def _switch(self, buffer, Py_ssize_t start=0, end=None, word=None, bint rests=False, filling=None):
        """Goes on at buffer[start:end], or nowhere without a buffer, and returns how many bytes were stored before.

        `word` is the offset, a multiple of 8, of an integer of 64 bits in the buffer, to which the number of bytes that
        are stored is added: it is changed after them, in one store, so that whoever shares the memory sees how far
        the records go. With `rests` the stage takes no records yet. With `filling` nothing is done and -1 returned,
        unless that is the number of the drain being filled and the buffer, if there is one, holds records: else
        somebody, a signal handler perhaps, has switched it meanwhile, or has written them elsewhere.
        """
        cdef Held fresh, released
        cdef Py_ssize_t used, stop = 0, room = -1, expected = -1 if filling is None else filling
        cdef uint64_t *counter = NULL
        cdef uint64_t base = 0
        memset(&fresh, 0, sizeof(fresh))
        if buffer is not None:
            take_writable(buffer, &fresh.view, "Stage")
            try:
                stop = fresh.view.len if end is None else end
                counter = word_at(&fresh.view, start, stop, word)
                if counter != NULL:
                    base = load(&fresh.view, counter)
            except BaseException:
                PyBuffer_Release(&fresh.view)
                raise
            room = stop - start
        exporter = exporter_of(&fresh)
        with cython.critical_section(self):
            if expected == -1 or (expected == self.switches and (self.used or self.room < 0)):
                released, used = self.held, self.used
                exporter, self.exporter = self.exporter, exporter
                self.held, self.place, self.used = fresh, <char *> fresh.view.buf + start, 0
                self.room, self.limit = room, -1 if rests else room
                self.word, self.base = counter, base
                self.before += used
                self.switches += 1
            else:
                released, used = fresh, -1
        let_go(&released, exporter)
        return used

    def _count(self, Py_ssize_t length):
        """Adds to what it has stored the bytes of a record that was stored elsewhere."""
        with cython.critical_section(self):
            self.before += length

    def _rest(self, bint anyway=False):
        """Lets the next record overflow, if none is stored, or anyway; returns whether it will."""
        cdef bint rests
        with cython.critical_section(self):
            rests = anyway or self.used == 0
            if rests:
                self.limit = -1
        return rests

    def _wake(self):
        """Lets records fit again, where there is a buffer. Without one not even an empty record does."""
        with cython.critical_section(self):
            self.limit = self.room

    cdef bint take_export(self, object data) except -1:
        """_take, of what has to be exported first."""
        cdef Py_buffer record
        take_data(data, &record)
        try:
            return self.store(<object> record.obj, <const char *> record.buf, record.len)
        finally:
            PyBuffer_Release(&record)

    cdef bint store(self, object owner, const char *record, Py_ssize_t length) except -1:
        """Stores a record, which `owner` exports, if it fits. No Python code runs until the tail is stored; a fault
        leaves the tail as it was."""
        cdef Run run
        cdef bint fits
        with cython.critical_section(self):
            fits = length <= self.limit - self.used and self.takes(length, 0)
            if fits:
                run.number, run.source[0], run.length[0] = 1, record, length
                self.store_all(&run, length, owner)
        return fits

    cdef inline bint takes(self, Py_ssize_t length, Py_ssize_t others) noexcept:
        """Whether a record may be stored where there is room, behind so many bytes of others."""
        return length <= self.largest and length < self.edge - self.before - self.used - others

    cdef Py_ssize_t store_some(self, object records, Py_ssize_t first) except -1:
        """Stores what it can, RUN at most, of a list or tuple from an index on: bytes that fit. Returns how many."""
        cdef Run run
        cdef PyObject *held[RUN]  # a list may lose what it holds to another thread
        cdef Py_ssize_t length, total = 0, end = min(len(records), first + RUN), i
        run.number = 0
        with cython.critical_section(self):
            try:
                for i in range(first, end):
                    record = (<list> records)[i] if PyList_CheckExact(records) else (<tuple> records)[i]
                    if not PyBytes_CheckExact(record):
                        break
                    length = PyBytes_GET_SIZE(record)
                    if length > self.limit - self.used - total or not self.takes(length, total):
                        break
                    Py_INCREF(record)
                    held[run.number] = <PyObject *> record
                    run.source[run.number], run.length[run.number] = PyBytes_AS_STRING(record), length
                    run.number += 1
                    total += length
                if run.number:
                    self.store_all(&run, total, b"")
            finally:
                for i in range(run.number):
                    Py_DECREF(<object> held[i])
        return run.number

    cdef int store_all(self, Run *run, Py_ssize_t total, object owner) except -1:
        """Stores a run of `total` bytes. Precondition: it fits, and `owner` exports it; bytes need no other name."""
        cdef Watch watching
        run.tail, run.word = self.place + self.used, self.word
        run.told = self.base + <uint64_t> (self.used + total)
        watch(&watching, <void *> owner, run.source[0], run.source[0], run.length[0])
        watch_target(&watching, &self.held.view)
        if (guarded(store_run, run, &watching.memory) if watching.memory.ranges else store_run(run)) == FM_FAULT:
            raise_fault(&watching)
        self.used += total
        return 0

    def __dealloc__(self):
        let_go(&self.held, self.exporter)


cdef struct Load:
    const uint64_t *word
    uint64_t value

cdef int load_step(void *context) noexcept nogil:
    cdef Load *loading = <Load *> context
    loading.value = loading.word[0]
    return DONE


cdef uint64_t load(const Py_buffer *view, const uint64_t *word) except? 0:
    """What a word of a buffer holds, which may be cut."""
    cdef Watch watching
    cdef Load loading
    loading.word = word
    watch_view(&watching, view)
    if (guarded(load_step, &loading, &watching.memory) if watching.memory.ranges else load_step(&loading)) == FM_FAULT:
        raise_fault(&watching)
    return loading.value


cdef uint64_t *word_at(const Py_buffer *view, Py_ssize_t start, Py_ssize_t end, object word) except? NULL:
    """The word of a switch, NULL for none; ValueError for what isn't inside the buffer."""
    cdef Py_ssize_t place
    if not 0 <= start <= end <= view.len:
        raise ValueError(f"[{start}, {end}) is outside the buffer of {view.len} bytes")
    if word is None:
        return NULL
    place = word
    if place % 8 or not 0 <= place <= view.len - 8 or start - 8 < place < end:
        raise ValueError(f"a word at {place} is misaligned, overlaps [{start}, {end}), or is outside {view.len} bytes")
    return <uint64_t *> (<char *> view.buf + place)
