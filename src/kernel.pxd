"""What every kernel module shares: the C declarations, arguments turned into numbers, and the one way to run a step.

All of it is inlined into the modules; the order in a kernel is always the same. Arguments are converted first, because
an `__index__` or `__buffer__` runs Python code that may resize the mapping. Buffers are taken last, and released on
every path. Between those, steps run through `drive`, which holds no Python object while memory is read.
"""
from cpython.buffer cimport (
    PyBUF_FULL_RO, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from cpython.bytearray cimport PyByteArray_CheckExact
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals, PyErr_Clear
from cpython.pycapsule cimport PyCapsule_Import
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcmp, memcpy, memmove, memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef extern from "Python.h":
    int export "PyObject_GetBuffer"(object, Py_buffer *, int)  # leaves it to the caller to look at the error
    int PyLong_CheckExact(object)
    Py_ssize_t as_ssize "PyLong_AsSsize_t"(object)  # likewise: -1 may be one
    bint PyIndex_Check(object)
    object PyImport_GetModule(object)
    Py_ssize_t PyNumber_AsSsize_t(object, void *) except? -1
    enum: PY_SSIZE_T_MAX

cdef extern from "scan/kernel.h" nogil:
    enum: FM_PROBES
    enum: FM_STEP

    ctypedef struct fm_needle:
        const uint8_t *bytes
        size_t length
        size_t probes
        size_t *probe
        int fold
        int apart
        size_t periods
        size_t *period

    ctypedef struct fm_kernel:
        const char *name
        size_t (*forward)(const uint8_t *, size_t, const fm_needle *, uint32_t *, size_t, size_t *) noexcept nogil
        size_t (*backward)(const uint8_t *, size_t, const fm_needle *, uint32_t *, size_t *) noexcept nogil
        size_t (*count)(const uint8_t *, size_t, const fm_needle *, size_t *) noexcept nogil

    ctypedef enum fm_status:
        FM_READY
        FM_NOT_BUILT
        FM_NOT_ON_THIS_CPU

    const fm_kernel *fm_kernel_named(const char *, fm_status *)

cdef extern from "memory/agree.h" nogil:
    uint64_t fm_eight(const uint8_t *)
    uint8_t fm_fold(uint8_t)
    size_t fm_agree(const uint8_t *, const uint8_t *, size_t, int)
    size_t fm_agree_back(const uint8_t *, const uint8_t *, size_t, int)

cdef extern from "memory/pages.h" nogil:
    bint fm_is_cold(const uint8_t *, size_t)
    void fm_read_ahead(const uint8_t *, size_t)
    void fm_drop(const uint8_t *, const uint8_t *, int, int64_t)
    const uint8_t *fm_resident(const uint8_t *, const uint8_t *)

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

cdef extern from *:
    """
    typedef int (*fm_check)(void);
    static fm_check fm_check_wanted;  /* a module's, once it has imported the guard */
    """
    ctypedef int (*fm_check)() except -1
    fm_check fm_check_wanted

# What a step answers: nothing left to do; call me again; call me again when there is room for more results.
cdef enum:
    DONE = 0
    MORE = 1
    FULL = 2

# How many bytes one step looks at. 1 MiB is 65 microseconds at 16 GB/s, 1.5 ms at the slowest: long against the cost
# of entering a step, short against the 100 ms within which Ctrl-C is seen.
cdef enum:
    STEP_BYTES = 1 << 20

# Below this many bytes the GIL is kept: releasing and taking it back costs about as much as scanning a few KiB, and
# far more when other threads want it. hashlib's threshold is 2 KiB of hashing, about as long as 64 KiB of scanning.
cdef enum:
    RELEASE_BYTES = 1 << 16

# From this many bytes on, the file is asked before and after whether it shrank meanwhile: 0.5 microseconds, against ten
# for the work. That covers what no fault tells: new zeros where the file grew back, or behind its new end in the last page.
cdef enum:
    STATUS_BYTES = 1 << 17

# In how many bytes before its end, at most, a large call looks for one that isn't zero, and in which part of its size.
# Where the file was cut and grew again, that byte is gone: see `last_byte`.
cdef enum:
    WITNESS_BYTES = 1 << 16
    WITNESS_PART = 16

# A scan that drops what lies behind it does so this many bytes at a time.
cdef enum:
    DROP_BYTES = 1 << 23

# From this many bytes on, a call may use several threads: handing out work costs some 100 microseconds, and this many
# bytes take a millisecond at memory speed.
cdef enum:
    PARALLEL_BYTES = 1 << 24

# How long a call runs before it takes the GIL back to look for signals. A busy thread holds the GIL for 5 ms, so
# looking after every step would be slower than the scan itself.
cdef enum:
    SIGNALS_NS = 50 * 1000 * 1000

cdef inline fm_guard import_guard() except NULL:
    """The address of the process's one fm_guarded, which lives in _mapping."""
    global fm_check_wanted
    fm_check_wanted = <fm_check> PyCapsule_Import("fastmmap._parallel.wanted", 0)
    return <fm_guard> PyCapsule_Import("fastmmap._mapping.guarded", 0)

cdef inline fm_question import_contested() except NULL:
    """The address of fm_contested, which lives there too."""
    return <fm_question> PyCapsule_Import("fastmmap._mapping.contested", 0)

cdef inline object ours(str module, str name):
    """What a module of the package has by that name. The package imports all of them that kernels use, so none is
    imported here, where a fork in another thread could leave half of it."""
    return getattr(PyImport_GetModule(module), name)

cdef inline bint in_danger(fm_question contested, const Py_buffer *view) noexcept:
    """Whether memory may be mapped, and a fault in it not be caught: it is read by way of fastmmap.sheltered then."""
    cdef void *owner = <void *> view.obj
    return not (PyBytes_CheckExact(<object> owner) or PyByteArray_CheckExact(<object> owner)) and contested()

cdef inline object sheltered(fm_question contested, object kernel, const Py_buffer *view):
    """The search kernel that blocks of this memory are given to."""
    if not in_danger(contested, view):
        return kernel
    return ours("fastmmap.sheltered", "Sheltered")(kernel)

cdef inline const fm_kernel *choose(str name) except NULL:
    """The kernel of that name. Not built is an ImportError, not on this CPU a RuntimeError."""
    cdef fm_status status
    cdef const fm_kernel *kernel = fm_kernel_named(name.encode(), &status)
    if status == FM_NOT_ON_THIS_CPU:
        raise RuntimeError(f"kernel {name!r} is built, but this CPU has not its instructions")
    if kernel == NULL:
        raise ImportError(f"kernel {name!r} is not built: it is not for this machine's architecture")
    return kernel

cdef inline int64_t now() noexcept nogil:
    cdef timespec clock
    clock_gettime(CLOCK_MONOTONIC, &clock)
    return <int64_t> clock.tv_sec * 1000000000 + clock.tv_nsec

# --- running ---

cdef struct Watch:
    fm_watch memory
    void *owner[2]              # who exports the range; the caller holds the export
    const char *origin[2]       # the owner's byte 0
    bint stores[2]              # whether the range is stored to
    const Py_ssize_t *position  # how far in the first range the steps are, as the owner's offset; NULL: they don't tell
    Py_ssize_t reach            # how many bytes behind that position they have read
    bint back                   # they come from its end
    int file                    # the descriptor of what is dropped behind them, -1 where nothing is
    int64_t file_offset         # of the owner's byte 0
    Py_ssize_t dropped          # up to where, or down to where, it was

cdef inline void watch_also(Watch *watch, void *owner, const void *origin, const void *address, size_t length,
                            bint stores) noexcept:
    """Adds a stretch that steps will touch. What bytes and bytearray hold can't fault, and isn't watched."""
    cdef int i = watch.memory.ranges
    if length == 0 or owner == NULL or PyBytes_CheckExact(<object> owner) or PyByteArray_CheckExact(<object> owner):
        return
    watch.memory.range[i].address, watch.memory.range[i].length = address, length
    watch.owner[i], watch.origin[i], watch.stores[i] = owner, <const char *> origin, stores
    watch.memory.ranges = i + 1

cdef inline void watch(Watch *watch, void *owner, const void *origin, const void *address, size_t length) noexcept:
    """Begins with one such stretch, which is read."""
    watch.memory.ranges = 0
    watch.position, watch.reach, watch.back, watch.file = NULL, 0, False, -1
    watch_also(watch, owner, origin, address, length, False)

cdef inline void watch_view(Watch *watching, const Py_buffer *view) noexcept:
    """Begins with all of what a view shows."""
    watch(watching, <void *> view.obj, view.buf, view.buf, view.len)

cdef inline void watch_target(Watch *watching, const Py_buffer *view) noexcept:
    """Adds all of what a view shows, which is stored to."""
    watch_also(watching, <void *> view.obj, view.buf, view.buf, view.len, True)

cdef inline int drive(fm_guard guarded, fm_step step, void *context, Py_ssize_t size, Watch *watching) except -1:
    """Runs a step until it answers DONE or FULL, which it returns. A fault is a MappedFileError.

    `size` bytes of work decide about the GIL, and about how much is asked of the file.
    """
    cdef int answer = MORE
    cdef const char *witness = NULL
    if size < RELEASE_BYTES:
        while answer == MORE:
            answer = guarded(step, context, &watching.memory) if watching.memory.ranges else step(context)
    elif size < STATUS_BYTES or watching.memory.ranges == 0:
        answer = drive_released(guarded, step, context, watching)
    else:
        owner = <object> watching.owner[0]
        if isinstance(owner, memoryview):
            owner = owner.obj
        before = None
        if hasattr(owner, "file_status") and owner.descriptor >= 0:
            witness = last_byte(guarded, watching)
            before = owner.file_status()
        if before is not None and owner.drop_behind:
            begin_dropping(watching, owner.descriptor, owner.offset)
        answer = drive_released(guarded, step, context, watching)
        if watching.file >= 0:
            drop(watching, watching.position[0] if watching.back else end_of(watching))
        if answer != FM_FAULT and before is not None:
            check_status(watching, owner, before, witness)
    if answer == FM_FAULT:
        raise_fault(watching)
    return answer

cdef inline int drive_released(fm_guard guarded, fm_step step, void *context, Watch *watching) except? -1:
    """Runs a step to its end without the GIL; FM_FAULT is no exception yet."""
    cdef int answer = MORE
    cdef int64_t pause
    while answer == MORE:
        with nogil:
            pause = now() + SIGNALS_NS
            while answer == MORE:
                answer = guarded(step, context, &watching.memory)
                if watching.file >= 0 and watching.position != NULL:
                    if distance(watching.position[0], watching.dropped) >= DROP_BYTES:
                        drop(watching, watching.position[0])
                if now() > pause:
                    break
        if answer == MORE:
            PyErr_CheckSignals()
            if fm_check_wanted != NULL:
                fm_check_wanted()  # it ends what helps a call that an error or an interrupt has ended
    return answer

cdef inline void begin_dropping(Watch *watching, int file, int64_t file_offset) noexcept:
    watching.file, watching.file_offset = file, file_offset
    watching.dropped = <const char *> watching.memory.range[0].address - watching.origin[0]
    if watching.back:
        watching.dropped += watching.memory.range[0].length

cdef inline Py_ssize_t distance(Py_ssize_t one, Py_ssize_t other) noexcept nogil:
    return one - other if one > other else other - one

cdef inline Py_ssize_t end_of(const Watch *watching) noexcept nogil:
    """Up to where the first range was read: all of it, where the steps don't tell."""
    cdef Py_ssize_t start = <const char *> watching.memory.range[0].address - watching.origin[0]
    cdef Py_ssize_t end = start + <Py_ssize_t> watching.memory.range[0].length
    if watching.position == NULL or watching.back:
        return end
    return min(end, watching.position[0] + watching.reach)

cdef inline void drop(Watch *watching, Py_ssize_t until) noexcept nogil:
    """Lets go of the pages that the steps have read. Should they come back to one, it is read again.

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
    """The last byte of the first range that isn't zero, if it stands near the end and is in memory already.

    NULL where there is none. A file that is cut and grows again has a hole in its place.
    """
    cdef Stretch stretch
    cdef size_t length = watching.memory.range[0].length
    cdef size_t part = min(length // WITNESS_PART, <size_t> WITNESS_BYTES)
    stretch.end = <const uint8_t *> watching.memory.range[0].address + length
    stretch.start = fm_resident(stretch.end - part, stretch.end)
    if guarded(pass_zeros_back, &stretch, &watching.memory) == FM_FAULT or stretch.end == stretch.start:
        return NULL
    return <const char *> stretch.end - 1

cdef inline int check_status(const Watch *watching, object owner, object before, const char *witness) except -1:
    """Raises where the file isn't what it was, or doesn't have what was read. `owner` is the mapping."""
    cdef Py_buffer whole
    cdef Py_ssize_t skipped, size, end = end_of(watching)
    after = owner.file_status()
    if after is None:
        return 0  # its descriptor was closed meanwhile
    if export(owner, &whole, PyBUF_SIMPLE) != 0:
        PyErr_Clear()
        return 0  # it was closed just now
    skipped, size = watching.origin[0] - <const char *> whole.buf, whole.len
    PyBuffer_Release(&whole)
    if <void *> owner != watching.owner[0]:
        size = (<object> watching.owner[0]).nbytes
    if after != before or after[2] < skipped + end:
        read = (skipped, size, end, -1 if witness == NULL else witness - watching.origin[0])
        ours("fastmmap.errors", "check_status")(owner, before, after, ours("fastmmap.errors", "Read")(*read))
    return 0

cdef inline int raise_fault(const Watch *watching) except -1:
    """The MappedFileError for the fault: src/_guarded.pyx finds out what was the matter."""
    cdef int i = watching.memory.faulted
    cdef uintptr_t start = <uintptr_t> watching.memory.range[i].address
    # What was reported lies in a page of the range, but perhaps outside of it.
    cdef uintptr_t fault = min(max(<uintptr_t> watching.memory.fault, start), start + watching.memory.range[i].length - 1)
    raise ours("fastmmap._guarded", "lost")(<object> watching.owner[i], <uintptr_t> watching.origin[i], fault, watching.stores[i])

# --- arguments ---

cdef inline int take(object source, Py_buffer *view, int flags) except -1:
    """Exports `source` as contiguous bytes. What can't be exported so is a BufferError, even if it is numpy's."""
    if export(source, view, flags) == 0:
        return 0
    PyErr_Clear()
    return take_again(source, view, flags)

cdef inline int take_again(object source, Py_buffer *view, int flags) except -1:
    """take, at the price of a `try`, which is a tenth of a small call."""
    try:
        return PyObject_GetBuffer(source, view, flags)
    except ValueError as error:
        # A closed mapping is a ValueError; an array that is read-only or not contiguous can be exported otherwise.
        PyObject_GetBuffer(source, view, PyBUF_FULL_RO)
        PyBuffer_Release(view)
        raise BufferError(str(error)) from None

cdef inline object take_readable(object source, Py_buffer *view):
    """Exports a haystack; what isn't a buffer is first made one, where the file layer knows how. Returns the exporter.

    Only that can be exported again: view.obj may be a stand-in, as it is for classes with a `__buffer__`.
    """
    if not PyObject_CheckBuffer(source):
        source = ours("fastmmap.reference.arguments", "as_buffer")(source)
    take(source, view, PyBUF_SIMPLE)
    return source

cdef inline object take_within(object source, Py_buffer *view, Py_ssize_t start, Py_ssize_t end):
    """take_readable, of which nothing from `end` on is looked at: so what has to be read is read up to there."""
    if not PyObject_CheckBuffer(source):
        source = ours("fastmmap.reference.arguments", "buffer_within")(source, start, end)
    return take_readable(source, view)

cdef inline int take_writable(object target, Py_buffer *view, str verb) except -1:
    """Exports a buffer to be changed in place."""
    if not PyObject_CheckBuffer(target):
        raise TypeError(f"{verb} needs a writable buffer, not {type(target).__name__!r}: "
                        f"use fastmmap.open(path, 'r+') to change a file in place")
    return take(target, view, PyBUF_WRITABLE)

# An export that an object keeps. In a struct, because of a Py_buffer's exporter Cython would have the garbage collector told
# even where it is a memoryview, which CPython before 3.13 doesn't survive when it clears one that is exported.
cdef struct Held:
    Py_buffer view

cdef inline object exporter_of(Held *held):
    """What the collector may be told of: the exporter, None for a memoryview. The view's reference to it becomes that one.

    For a member of an object that isn't cleared (no_gc_clear), and gives it back to `let_go`.
    """
    if <void *> held.view.obj == NULL or isinstance(<object> held.view.obj, memoryview):
        return None
    exporter = <object> held.view.obj
    Py_DECREF(exporter)
    return exporter

cdef inline void let_go(Held *held, object exporter) noexcept:
    """Releases an export. The caller forgets the exporter next."""
    if exporter is not None:
        Py_INCREF(exporter)
    PyBuffer_Release(&held.view)

cdef struct Copy:
    char *target
    const char *source
    Py_ssize_t length

cdef inline int copy_step(void *context) noexcept nogil:
    """Copies one stretch, which may overlap its target, STEP_BYTES at a time where it doesn't."""
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

cdef inline bytes private_bytes(fm_guard guarded, object data, str name):
    """bytes-like or str as bytes of our own: what a kernel compares with or stores must not change under it."""
    cdef Py_buffer view
    cdef Watch watching
    if PyBytes_CheckExact(data):
        return <bytes> data
    if isinstance(data, str):
        return (<str> data).encode()
    if not PyObject_CheckBuffer(data):
        raise TypeError(f"{name} must be bytes-like or str, not {type(data).__name__!r}")
    take(data, &view, PyBUF_SIMPLE)
    try:
        own = PyBytes_FromStringAndSize(NULL, view.len)
        watch_view(&watching, &view)
        copy_guarded(guarded, PyBytes_AS_STRING(own), <const char *> view.buf, view.len, &watching)
        return own
    finally:
        PyBuffer_Release(&view)

cdef inline bytes needle_bytes(fm_guard guarded, object needle):
    """A needle as bytes: bytes-like, str as UTF-8, or one byte as an integer, as bytes.find takes it."""
    cdef Py_ssize_t byte
    if PyBytes_CheckExact(needle):
        return <bytes> needle
    if PyIndex_Check(needle) and not PyObject_CheckBuffer(needle):
        byte = PyNumber_AsSsize_t(needle, NULL)
        if not 0 <= byte <= 255:
            raise ValueError("byte must be in range(0, 256)")
        return bytes((byte,))
    if not PyObject_CheckBuffer(needle) and not isinstance(needle, str):
        raise TypeError(f"needle must be bytes-like, str or an integer in range(256), not {type(needle).__name__!r}")
    return private_bytes(guarded, needle, "needle")

cdef inline Py_ssize_t workers(object threads, const Py_buffer *view, Py_ssize_t start, Py_ssize_t end) except -1:
    """How many threads work on view[start:end], which is clamped.

    What comes from a disk is read by one, in order, unless the caller says otherwise: the system reads ahead of that,
    and not of several that take turns. A cold GiB took 0.29 s by one, as long as by read(2) or ripgrep, 0.37 to 0.5 by two.
    """
    if threads is None and end - start < PARALLEL_BYTES:
        return 1
    cdef Py_ssize_t most = ours("fastmmap.parallel", "workers")(threads)
    if end - start < PARALLEL_BYTES or threads is None and fm_is_cold(<const uint8_t *> view.buf + start, end - start):
        return 1
    return most

cdef inline Py_ssize_t index_or(object index, Py_ssize_t default) except? -1:
    """A slice index: None is the default, and what is too large for the machine is as large as can be."""
    cdef Py_ssize_t value
    if index is None:
        return default
    if PyLong_CheckExact(index):
        value = as_ssize(index)
        if value != -1:
            return value
        PyErr_Clear()
    if not PyIndex_Check(index):
        raise TypeError("slice indices must be integers or None or have an __index__ method")
    return PyNumber_AsSsize_t(index, NULL)

cdef inline void clamp(Py_ssize_t *start, Py_ssize_t *end, Py_ssize_t length) noexcept nogil:
    """Slice semantics as in bytes.find: start may stay beyond the end, and then nothing matches, not even b""."""
    if end[0] > length:
        end[0] = length
    elif end[0] < 0:
        end[0] = end[0] + length if end[0] + length > 0 else 0
    if start[0] < 0:
        start[0] = start[0] + length if start[0] + length > 0 else 0
