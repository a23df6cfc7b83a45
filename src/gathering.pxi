# Included by _lines.pyx: records that are copied together.

# A record is asked for so many records before it is copied: those that are far apart are each waited for otherwise.
cdef enum:
    AHEAD = 12
    LINE_BYTES = 64

# What a record takes besides its bytes, as so many bytes: whether threads are worth it is told by that.
cdef enum:
    RECORD_COST = 256

cdef struct Gather:
    const char *source
    char *target
    const int64_t *offsets
    const int64_t *lengths
    Py_ssize_t length_step  # 0 where one length is every record's, else 1
    Py_ssize_t left

cdef int gather_step(void *context) noexcept nogil:
    """Copies records until STEP_BYTES are copied. Every record was found to lie in the source before the first."""
    cdef Gather *gather = <Gather *> context
    cdef Py_ssize_t copied = 0, length
    cdef const char *later
    while gather.left and copied < STEP_BYTES:
        if gather.left > AHEAD:
            later = gather.source + gather.offsets[AHEAD]
            fm_ask_for(later)
            fm_ask_for(later + LINE_BYTES)
        length = gather.lengths[0]
        memcpy(gather.target, gather.source + gather.offsets[0], length)
        gather.offsets += 1
        gather.lengths += gather.length_step
        gather.target += length
        gather.left -= 1
        copied += length + 64  # even an empty record takes time
    return MORE if gather.left else DONE


cdef bint are_within(object offsets, object lengths, Py_ssize_t size, bint lengths_alone=False) except -1:
    """Whether records lie in `size` bytes, and what they hold together is no more than memory may: arrays of our own.

    What says which one doesn't is numpy's, whose comparisons take 24 KiB of the stack, where a thread may have 32.
    """
    cdef Py_buffer at, sizes
    cdef const int64_t *offset
    cdef const int64_t *length
    cdef Py_ssize_t i, number, step = 0 if lengths.ndim == 0 else 1
    cdef double total = 0
    PyObject_GetBuffer(offsets, &at, PyBUF_SIMPLE)
    PyObject_GetBuffer(lengths, &sizes, PyBUF_SIMPLE)
    try:
        offset, length = <const int64_t *> at.buf, <const int64_t *> sizes.buf
        number = (sizes.len if lengths_alone else at.len) // <Py_ssize_t> sizeof(int64_t)
        for i in range(number):
            if length[i * step] < 0:
                return False
            if lengths_alone:
                continue
            if offset[i] < 0 or offset[i] > size - length[i * step]:
                return False
            total += length[i * step]
        return total <= PY_SSIZE_T_MAX // 2
    finally:
        PyBuffer_Release(&sizes)
        PyBuffer_Release(&at)


cdef Py_ssize_t end_of_records(const Gather *gather) noexcept nogil:
    """Up to where records reach."""
    cdef Py_ssize_t end = 0, i
    for i in range(gather.left):
        end = max(end, gather.offsets[i] + gather.lengths[i * gather.length_step])
    return end


cdef int fill(object data, const Py_buffer *source, object offsets, object lengths) except -1:
    """Copies the records one after the other into data, which has exactly their size."""
    cdef Gather gather
    cdef Py_buffer target, at, sizes
    cdef Watch watching
    # Three arrays of our own, which nobody else knows: exporting them can't fail, and they can't change meanwhile.
    PyObject_GetBuffer(data, &target, PyBUF_WRITABLE)
    PyObject_GetBuffer(offsets, &at, PyBUF_SIMPLE)
    PyObject_GetBuffer(lengths, &sizes, PyBUF_SIMPLE)
    try:
        gather.source, gather.target = <const char *> source.buf, <char *> target.buf
        gather.offsets, gather.lengths = <const int64_t *> at.buf, <const int64_t *> sizes.buf
        gather.length_step = 0 if lengths.ndim == 0 else 1
        gather.left = at.len // <Py_ssize_t> sizeof(int64_t)
        watch(&watching, <void *> source.obj, source.buf, source.buf, end_of_records(&gather))
        return drive(guarded, gather_step, &gather, target.len, &watching)
    finally:
        PyBuffer_Release(&sizes)
        PyBuffer_Release(&at)
        PyBuffer_Release(&target)
