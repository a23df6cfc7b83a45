"""Running steps: through the guard, without the GIL where it pays, with a look for signals.

A step is native, looks at STEP_BYTES and holds no Python object. The order in a call is always the same. Arguments are
converted first, because an `__index__` or `__buffer__` runs Python code that may resize the mapping. Buffers are taken
last, and released on every path. Between those, `drive` runs the steps.
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t
from libc.string cimport memmove
from dropping cimport *
from guard cimport *
from package cimport *
from system cimport fm_now
from truncation cimport *

# How many bytes one step looks at. 1 MiB is 65 microseconds at 16 GB/s, 1.5 ms at the slowest: long against the cost
# of entering a step, short against the 100 ms within which Ctrl-C is seen.
cdef enum:
    STEP_BYTES = 1 << 20

# Below this many bytes the GIL is kept: releasing and taking it back costs about as much as scanning a few KiB, and
# far more when other threads want it. hashlib's threshold is 2 KiB of hashing, about as long as 64 KiB of scanning.
cdef enum:
    RELEASE_BYTES = 1 << 16

# How long a call runs before it takes the GIL back to look for signals. A busy thread holds the GIL for 5 ms, so
# looking after every step would be slower than the scan itself.
cdef enum:
    SIGNALS_NS = 50 * 1000 * 1000

cdef inline int drive(fm_guard guarded, fm_step step, void *context, Py_ssize_t size, Watch *watching) except -1:
    """Runs a step until it answers DONE or FULL, which it returns. A fault is a MappedFileError.

    `size` bytes of work decide about the GIL, and about how much is asked of the file.
    """
    cdef int answer = MORE
    cdef const char *witness = NULL
    if size < RELEASE_BYTES:
        answer = guarded(step, context, &watching.memory) if watching.memory.ranges else step(context)
        if answer == MORE:  # it is more than was thought, as a long line among short ones
            answer = drive_released(guarded, step, context, watching)
    elif size < STATUS_BYTES or watching.memory.ranges == 0:
        answer = drive_released(guarded, step, context, watching)
    else:
        mapping = mapping_behind(<object> watching.owner[0])
        before = status_before(guarded, watching, mapping, &witness)
        if before is not None and mapping.drop_behind:
            begin_dropping(watching, mapping._descriptor, mapping.offset)
        answer = drive_released(guarded, step, context, watching)
        end_dropping(watching)
        if answer != FM_FAULT and before is not None:
            check_status(watching, mapping, before, witness)
    if answer == FM_FAULT:
        raise_fault(watching)
    return answer

cdef inline int drive_released(fm_guard guarded, fm_step step, void *context, Watch *watching) except? -1:
    """Runs a step to its end without the GIL; FM_FAULT is no exception yet."""
    cdef int answer = MORE
    cdef int64_t pause
    while answer == MORE:
        with nogil:
            pause = fm_now() + SIGNALS_NS
            while answer == MORE:
                answer = guarded(step, context, &watching.memory)
                drop_behind(watching)
                if fm_now() > pause:
                    break
        if answer == MORE:
            PyErr_CheckSignals()
            check_wanted()
    return answer

cdef struct Copy:
    char *target
    const char *source
    Py_ssize_t length

cdef inline int copy_step(void *context) noexcept nogil:
    """Copies bytes to where they may overlap themselves, STEP_BYTES at a time where they don't."""
    cdef Copy *copy = <Copy *> context
    cdef Py_ssize_t length = copy.length
    if length > STEP_BYTES and (copy.target + length <= copy.source or copy.source + length <= copy.target):
        length = STEP_BYTES
    memmove(copy.target, copy.source, length)
    copy.target += length
    copy.source += length
    copy.length -= length
    return MORE if copy.length else DONE

cdef inline int copy_guarded(fm_guard guarded, char *target, const char *source, Py_ssize_t length,
                             Watch *watching) except -1:
    cdef Copy copy = Copy(target=target, source=source, length=length)
    return drive(guarded, copy_step, &copy, length, watching) if length else DONE
