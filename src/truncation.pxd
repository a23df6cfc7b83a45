"""What tells a file that was truncated where no fault does: its new end within a page, or zeros where it grew again.

A large call asks the mapping's file for its status before it reads and after. It also keeps a witness: a byte near the
end that was there before, and that lies in a hole if the file was cut and grew again.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release
from cpython.exc cimport PyErr_Clear
from libc.stdint cimport uint8_t
from capi cimport *
from guard cimport *
from memory cimport *
from package cimport *

# From this many bytes on, the file is asked. That takes 0.5 microseconds, the work ten.
cdef enum:
    STATUS_BYTES = 1 << 17

# The witness is one of the last WITNESS_BYTES at most, and of the last part of the range, one of WITNESS_PART.
cdef enum:
    WITNESS_BYTES = 1 << 16
    WITNESS_PART = 16

cdef struct Stretch:
    const uint8_t *start
    const uint8_t *end

cdef inline int pass_zeros_back(void *context) noexcept nogil:
    cdef Stretch *stretch = <Stretch *> context
    while stretch.end - stretch.start >= 8 and fm_eight(stretch.end - 8) == 0:
        stretch.end -= 8
    while stretch.end > stretch.start and stretch.end[-1] == 0:
        stretch.end -= 1
    return DONE

cdef inline const char *last_byte(fm_guard guarded, Watch *watching) noexcept:
    """The witness: the last byte of the first range that isn't zero, if it stands near the end and is in memory
    already.

    NULL where there is none.
    """
    cdef Stretch stretch
    cdef size_t length = watching.memory.range[0].length
    cdef size_t part = min(length // WITNESS_PART, <size_t> WITNESS_BYTES)
    stretch.end = <const uint8_t *> watching.memory.range[0].address + length
    stretch.start = fm_resident(stretch.end - part, stretch.end)
    if guarded(pass_zeros_back, &stretch, &watching.memory) == FM_FAULT or stretch.end == stretch.start:
        return NULL
    return <const char *> stretch.end - 1

cdef inline object mapping_behind(object owner):
    """What owns the memory of an export: a mapping, if it is one of ours."""
    while isinstance(owner, memoryview) or hasattr(owner, "_behind"):
        owner = owner.obj if isinstance(owner, memoryview) else owner._behind
    return owner

cdef inline object status_before(fm_guard guarded, Watch *watching, object mapping, const char **witness):
    """The status of the mapping's file, and the witness. None for what isn't a mapping of ours with a descriptor."""
    if not hasattr(mapping, "_file_status") or mapping._descriptor < 0:
        return None
    witness[0] = last_byte(guarded, watching)
    return mapping._file_status()

cdef inline int check_status(const Watch *watching, object mapping, object before, const char *witness) except -1:
    """Raises where the file isn't what it was, or doesn't have what was read."""
    cdef Py_buffer whole
    cdef Py_ssize_t skipped, size, end = end_of(watching)
    after = mapping._file_status()
    if after is None:
        return 0  # its descriptor was closed meanwhile
    if try_export(mapping, &whole, PyBUF_SIMPLE) != 0:
        PyErr_Clear()
        return 0  # it was closed just now
    skipped, size = watching.origin[0] - <const char *> whole.buf, whole.len
    PyBuffer_Release(&whole)
    if <void *> mapping != watching.owner[0]:
        size = (<object> watching.owner[0]).nbytes
    if after != before or after[2] < skipped + end:
        place = -1 if witness == NULL else witness - watching.origin[0]
        judge_status(mapping, before, after, (skipped, size, end, place))
    return 0
