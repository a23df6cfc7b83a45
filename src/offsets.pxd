"""Offsets of matches in an array that grows while it is filled."""
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t
from guard cimport *
from package cimport *
from steps cimport *
from walk cimport *

# Room for offsets at first: 4 KiB of them.
cdef enum:
    FIRST_ROOM = 512

cdef inline object grow(fm_guard guarded, Walk *walk, const Py_buffer *view, object offsets, Py_ssize_t filled,
                        Py_ssize_t most):
    """Walks to the end and returns all matches, but `most` at most, as an array of int64.

    `offsets` is an array of int64 that nothing else refers to, `filled` how many of its elements are set already.
    """
    cdef Py_buffer room
    cdef Watch watching
    cdef Py_ssize_t start = walk.position
    cdef int answer = FULL if walk.position < walk.stop else DONE
    while answer == FULL and filled < most:
        if filled == len(offsets):
            expect = min(most, expected(filled, walk.position - start, walk.stop - walk.position))
            offsets = enlarge(offsets, expect)
        PyObject_GetBuffer(offsets, &room, PyBUF_WRITABLE)
        try:
            walk.out, walk.matches = <int64_t *> room.buf + filled, 0
            walk.capacity = room.len // <Py_ssize_t> sizeof(int64_t) - filled
            watch_walk(&watching, walk, view)
            answer = drive(guarded, walk_step, walk, walk.stop - walk.position, &watching)
            filled += walk.matches
        finally:
            PyBuffer_Release(&room)
    offsets.resize(filled, refcheck=False)
    return offsets

cdef inline Py_ssize_t expected(Py_ssize_t filled, Py_ssize_t scanned, Py_ssize_t left) noexcept:
    """How many matches there will be if they go on as before, with an eighth to spare; never more than can be."""
    cdef double more = 1.125 * filled * left / max(scanned, 1)
    return filled + min(left, FIRST_ROOM + <Py_ssize_t> min(more, 1e18))
