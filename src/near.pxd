"""Searches by one walk: near its start first, where a single match is wanted."""
from cpython.buffer cimport PyBuffer_Release
from cpython.bytes cimport PyBytes_CheckExact, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from arguments cimport *
from guard cimport *
from steps cimport *
from walk cimport *

# How far a walk that ends with its first match looks before it releases the GIL or asks for its file's status.
cdef enum:
    NEAR_BYTES = 1 << 14

# A few needles in so many bytes are looked for one after the other: that is sooner done than making them ready.
cdef enum:
    FEW_NEEDLES = 8
    FEW_BYTES = 1 << 13

cdef inline int search(fm_guard guarded, Walk *walk, const Py_buffer *view, Py_ssize_t looked_at=0) except -1:
    """Walks on until the end, or until the walk has what it has room for. It belongs to a call that has looked at so
    many bytes before: whether the file is asked for its status depends on all of them."""
    cdef Watch watching
    watch_walk(&watching, walk, view)
    return drive(guarded, walk_step, walk, walk.stop - walk.position + looked_at, &watching)

cdef inline int search_back(fm_guard guarded, Walk *walk, const Py_buffer *view, Py_ssize_t looked_at=0) except -1:
    """The mirror. The file must have what was looked at before, too."""
    cdef Watch watching
    watch_walk(&watching, walk, view)
    if watching.memory.ranges:
        watching.memory.range[0].length += looked_at
    return drive(guarded, walk_back_step, walk, walk.position - walk.stop + looked_at, &watching)

cdef inline Py_ssize_t search_near(fm_guard guarded, Walk *walk, const Py_buffer *view, bint back) except -1:
    """Looks near the start of a walk for what ends it. How many bytes it has looked at in vain; 0 if all is done.

    What is found soon must not cost more than finding it: first a few pages are scanned, as a small call does it, then
    the first step's bytes, before anybody thinks of threads.
    """
    cdef Py_ssize_t stop = walk.stop, start = walk.position, looked_at = 0, reach = NEAR_BYTES
    while reach <= STEP_BYTES:
        if back:
            walk.stop = max(stop, walk.position - reach)
            search_back(guarded, walk, view, looked_at)
            if walk.match >= 0:
                return 0
        else:
            walk.stop = min(stop, walk.position + reach)
            if search(guarded, walk, view, looked_at) == FULL:
                return 0
        if walk.stop == stop:
            return 0
        walk.stop = stop
        looked_at = abs(walk.position - start)
        reach *= STEP_BYTES // NEAR_BYTES
    return looked_at

cdef inline object find_few(fm_guard guarded, fm_question contested, const fm_kernel *kernel, object buffer,
                            object needles, object start, object end):
    """The first match of a few needles, as bytes, in a small buffer; None for whatever else there is."""
    cdef Py_buffer view
    cdef Walk walk
    cdef Py_ssize_t first, last, bound
    cdef int64_t found = -1, offset
    cdef tuple several
    cdef bytes needle
    if not isinstance(needles, (list, tuple)):
        needles = needles._plain  # of Needles: None where they match in either case
    if needles is None or len(needles) > FEW_NEEDLES or not PyObject_CheckBuffer(buffer):
        return None
    first, last = index_or(start, 0), index_or(end, PY_SSIZE_T_MAX)
    several = tuple(needles)  # which the code of others, as in __buffer__, can't change
    for each in several:
        if not PyBytes_CheckExact(each) or PyBytes_GET_SIZE(each) == 0:
            return None
    take(buffer, &view, PyBUF_SIMPLE)
    try:
        clamp(&first, &last, view.len)
        if last - first > FEW_BYTES or in_danger(contested, &view):
            return None
        for needle in several:
            begin(&walk, kernel, needle, False, True)
            walk.out, walk.capacity, walk.glancing = &offset, 1, True
            bound = last if found < 0 else min(last, <Py_ssize_t> found + PyBytes_GET_SIZE(needle) - 1)
            if over(&walk, &view, first, bound):
                search(guarded, &walk, &view)
                if walk.matches:
                    found = offset
        return found
    finally:
        PyBuffer_Release(&view)
