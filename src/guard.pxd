"""The guard: C declarations of src/guard, what a step answers, and which memory it touches.

Every step over memory that may be mapped runs with a Watch, which names that memory. A fault in it ends the step with
FM_FAULT. src/steps.pxd runs steps; src/package.pxd makes an error of a fault.
"""
from cpython.bytearray cimport PyByteArray_CheckExact
from cpython.bytes cimport PyBytes_CheckExact
from libc.stdint cimport int64_t

cdef extern from "guard/guard.h" nogil:
    enum: FM_FAULT

    ctypedef struct fm_range:
        const void *address
        size_t length

    ctypedef struct fm_watch:
        fm_range *range
        int ranges
        int faulted
        const void *fault

    ctypedef int (*fm_step)(void *) noexcept nogil
    ctypedef int (*fm_guard)(fm_step, void *, fm_watch *) noexcept nogil
    ctypedef int (*fm_question)() noexcept nogil
    int fm_guarded(fm_step, void *, fm_watch *)
    int fm_contested()
    Py_ssize_t fm_read(void *, const void *, size_t)

# What a step answers, unless there was a fault: nothing is left to do; call it again; call it again when there is room
# for more results.
cdef enum:
    DONE = 0
    MORE = 1
    FULL = 2

cdef struct Watch:
    fm_watch memory
    void *owner[2]              # who exports the range; the caller holds the export
    const char *origin[2]       # the owner's byte 0
    bint stores[2]              # whether the range is stored to
    const Py_ssize_t *position  # how far in the first range the steps are, as the owner's offset; NULL: they don't tell
    Py_ssize_t reach            # how many bytes behind that position they have read
    bint back                   # they go from the end to the start
    # What src/dropping.pxd lets go of behind them:
    int file                    # the file's descriptor, -1 where nothing is dropped
    int64_t file_offset         # of the owner's byte 0
    Py_ssize_t dropped          # the owner's offset up to which, or backwards down to which, pages were dropped

cdef inline void watch_also(Watch *watch, void *owner, const void *origin, const void *address, size_t length,
                            bint stores) noexcept:
    """Adds a range that steps will touch. What bytes and bytearray hold can't fault, and isn't watched."""
    cdef int i = watch.memory.ranges
    if length == 0 or owner == NULL or PyBytes_CheckExact(<object> owner) or PyByteArray_CheckExact(<object> owner):
        return
    watch.memory.range[i].address, watch.memory.range[i].length = address, length
    watch.owner[i], watch.origin[i], watch.stores[i] = owner, <const char *> origin, stores
    watch.memory.ranges = i + 1

cdef inline void watch(Watch *watch, void *owner, const void *origin, const void *address, size_t length) noexcept:
    """Begins with one such range, which is read."""
    watch.memory.ranges = 0
    watch.position, watch.reach, watch.back, watch.file = NULL, 0, False, -1
    watch_also(watch, owner, origin, address, length, False)

cdef inline void watch_view(Watch *watching, const Py_buffer *view) noexcept:
    """Begins with all of what a view shows."""
    watch(watching, <void *> view.obj, view.buf, view.buf, view.len)

cdef inline void watch_target(Watch *watching, const Py_buffer *view) noexcept:
    """Adds all of what a view shows, which is stored to."""
    watch_also(watching, <void *> view.obj, view.buf, view.buf, view.len, True)

cdef inline Py_ssize_t end_of(const Watch *watching) noexcept nogil:
    """Up to where the first range was read, as the owner's offset: all of it, where the steps don't tell."""
    cdef Py_ssize_t start = <const char *> watching.memory.range[0].address - watching.origin[0]
    cdef Py_ssize_t end = start + <Py_ssize_t> watching.memory.range[0].length
    if watching.position == NULL or watching.back:
        return end
    return min(end, watching.position[0] + watching.reach)

cdef inline bint in_danger(fm_question contested, const Py_buffer *view) noexcept:
    """Whether memory may be mapped, and a fault in it not be caught: it is read by way of `sheltered` kernels then."""
    cdef void *owner = <void *> view.obj
    return not (PyBytes_CheckExact(<object> owner) or PyByteArray_CheckExact(<object> owner)) and contested()
