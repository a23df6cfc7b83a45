"""Letting go of pages behind a scan, where its mapping asks for it (drop_behind)."""
from libc.stdint cimport int64_t, uint8_t
from guard cimport *
from memory cimport *

# Pages are dropped so many bytes at a time.
cdef enum:
    DROP_BYTES = 1 << 23

cdef inline void begin_dropping(Watch *watching, int file, int64_t file_offset) noexcept:
    watching.file, watching.file_offset = file, file_offset
    watching.dropped = <const char *> watching.memory.range[0].address - watching.origin[0]
    if watching.back:
        watching.dropped += watching.memory.range[0].length

cdef inline void drop_behind(Watch *watching) noexcept nogil:
    """What is done after each step: nothing, until DROP_BYTES are behind it."""
    if watching.file >= 0 and watching.position != NULL:
        if distance(watching.position[0], watching.dropped) >= DROP_BYTES:
            drop(watching, watching.position[0])

cdef inline void end_dropping(Watch *watching) noexcept nogil:
    if watching.file >= 0:
        drop(watching, watching.position[0] if watching.back else end_of(watching))

cdef inline Py_ssize_t distance(Py_ssize_t one, Py_ssize_t other) noexcept nogil:
    return one - other if one > other else other - one

cdef inline void drop(Watch *watching, Py_ssize_t until) noexcept nogil:
    """Lets go of the pages that the steps have read, up to an offset. A step that comes back to one reads it again.

    What was dropped the last time is dropped once more: the system reads what lies around a fault, on both sides.
    """
    cdef const uint8_t *origin = <const uint8_t *> watching.origin[0]
    cdef Py_ssize_t start = <const char *> watching.memory.range[0].address - watching.origin[0]
    cdef Py_ssize_t end = start + <Py_ssize_t> watching.memory.range[0].length
    cdef Py_ssize_t low = min(watching.dropped, until), high = max(watching.dropped, until)
    if watching.back:
        high += DROP_BYTES
    else:
        low -= DROP_BYTES
    # A walk that has moved its window by a needle's length may stand outside its range: what lies there is not ours.
    low, high = max(low, start), min(high, end)
    if low < high:
        fm_drop(origin + low, origin + high, watching.file, watching.file_offset + low)
    watching.dropped = until
