"""Copies of bytes that stand apart: slices with a step."""
from guard cimport *
from steps cimport *

cdef struct Strides:
    char *target
    const char *source
    Py_ssize_t target_step, source_step, left

cdef inline int strided_step(void *context) noexcept nogil:
    cdef Strides *strides = <Strides *> context
    cdef Py_ssize_t i, count = strides.left if strides.left < STEP_BYTES else STEP_BYTES
    for i in range(count):
        strides.target[i * strides.target_step] = strides.source[i * strides.source_step]
    strides.left -= count
    if strides.left == 0:
        return DONE  # before a pointer is moved past the last byte, by a step of any size
    strides.target += count * strides.target_step
    strides.source += count * strides.source_step
    return MORE

cdef inline int copy_strided(
    fm_guard guarded, char *target, Py_ssize_t target_step, const char *source, Py_ssize_t source_step,
    Py_ssize_t count, Watch *watching,
) except -1:
    """Copies bytes that stand `step` apart, between a mapping and private memory."""
    cdef Strides strides = Strides(target, source, target_step, source_step, count)
    if count == 0:
        return DONE
    if target_step == 1 and source_step == 1:
        return copy_guarded(guarded, target, source, count, watching)
    return drive(guarded, strided_step, &strides, count, watching)

cdef inline void watch_span(
    Watch *watching, const Py_buffer *view, Py_ssize_t start, Py_ssize_t step, Py_ssize_t count,
) noexcept:
    """From the first to the last of `count` bytes of a view, whichever comes first in memory."""
    cdef Py_ssize_t last = start + step * (count - 1)
    if count:
        watch(watching, <void *> view.obj, view.buf, <char *> view.buf + min(start, last), abs(last - start) + 1)
    else:
        watching.memory.ranges = 0
