# cython: binding=False, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""Memory that may lose its file: copies of it that no fault ends, and after a fault, what was the matter."""
cimport cython
from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_STRIDED_RO, PyBUF_WRITABLE, PyBuffer_Release, PyObject_CheckBuffer,
)
from cpython.bytearray cimport PyByteArray_CheckExact
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize
from cpython.list cimport PyList_GET_SIZE, PyList_GetItem, PyList_SetSlice
from libc.stdint cimport uint8_t, uintptr_t
from libc.string cimport memcpy
from arguments cimport *
from capi cimport *
from guard cimport *
from memory cimport *
from package cimport *
from steps cimport *
from system cimport fm_close_descriptor, fm_page_size
from truncation cimport *

cdef fm_guard guarded = import_guard()
cdef fm_question contested = import_contested()
cdef uintptr_t PAGE = fm_page_size()


# --- copies ---

cdef int read_step(void *context) noexcept nogil:
    """copy_step by a system call, which stops where a fault would be. What is left is `length`."""
    cdef Copy *copy = <Copy *> context
    cdef Py_ssize_t length = min(copy.length, <Py_ssize_t> STEP_BYTES)
    cdef Py_ssize_t copied = fm_read(copy.target, copy.source, length)
    if copied < 0:
        return copy_step(context)  # in a sandbox without that call
    copy.target += copied
    copy.source += copied
    copy.length -= copied
    return MORE if copied == length and copy.length else DONE

cdef bytes copied(const Py_buffer *view, Py_ssize_t start, Py_ssize_t end):
    """view[start:end], which isn't empty and lies in the view."""
    cdef Watch watching
    cdef Copy copy
    data = PyBytes_FromStringAndSize(NULL, end - start)
    copy.target, copy.source, copy.length = PyBytes_AS_STRING(data), <char *> view.buf + start, end - start
    watch(&watching, <void *> view.obj, view.buf, copy.source, copy.length)
    drive(guarded, read_step, &copy, copy.length, &watching)
    if copy.length:
        watching.memory.faulted, watching.memory.fault = 0, copy.source
        raise_fault(&watching)
    return data


def read(buffer, Py_ssize_t start, Py_ssize_t end):
    """buffer[start:end] as bytes, copied by a system call that no fault can end: b"" where end isn't beyond start.

    Else they lie in the buffer.
    """
    cdef Py_buffer view
    if end <= start:
        return b""
    take_readable(buffer, &view)
    try:
        if not 0 <= start < end <= view.len:
            raise ValueError(f"[{start}, {end}) is outside the buffer of {view.len} bytes")
        return copied(&view, start, end)
    finally:
        PyBuffer_Release(&view)


@cython.no_gc_clear  # see Held
cdef class Export:
    """The memory of a contiguous buffer, which is read and stored to as a memoryview of bytes is, but that a slice is
    bytes.

    What fastmmap/guarded.py gives to the reference. Its end, where no error came, asks whether the file shrank and grew
    again meanwhile.
    """
    cdef Held held
    cdef object exporter
    cdef Watch watching
    cdef object before          # the file's status, for a large buffer
    cdef const char *witness
    cdef Py_ssize_t start       # from where on it was read,
    cdef Py_ssize_t end         # and up to where
    cdef bint exported

    def __cinit__(self, source, bint writable=False):
        take(source, &self.held.view, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
        self.exporter = exporter_of(&self.held)
        self.exported = True
        if self.held.view.len >= STATUS_BYTES:
            watch_view(&self.watching, &self.held.view)
            self.before = status_before(guarded, &self.watching, self.mapping(), &self.witness)

    cdef object mapping(self):
        return mapping_behind(<object> self.held.view.obj)

    cdef int check_held(self) except -1:
        if not self.exported:
            raise ValueError("the memory was released")
        return 0

    @property
    def readonly(self):
        """Whether it can't be stored to."""
        return self.held.view.readonly

    def __len__(self):
        return self.held.view.len

    def __bytes__(self):
        return self[:]

    def __getitem__(self, slice place not None):
        """A slice, as bytes."""
        cdef Py_ssize_t start, stop
        start, stop, _ = place.indices(self.held.view.len)
        self.check_held()
        if start >= stop:
            return b""
        self.start, self.end = min(self.start, start) if self.end else start, max(self.end, stop)
        return copied(&self.held.view, start, stop)

    def __setitem__(self, slice place not None, bytes data not None):
        """Stores as many bytes as the slice has."""
        cdef Py_ssize_t start, stop
        cdef Watch watching
        start, stop, _ = place.indices(self.held.view.len)
        self.check_held()
        if self.held.view.readonly:
            raise TypeError("cannot modify read-only memory")
        if stop - start != len(data):
            raise ValueError(f"a slice of {stop - start} bytes can't hold {len(data)}")
        watch(
            &watching, <void *> self.held.view.obj, self.held.view.buf, <char *> self.held.view.buf + start, len(data),
        )
        watching.stores[0] = True
        copy_guarded(guarded, <char *> self.held.view.buf + start, PyBytes_AS_STRING(data), len(data), &watching)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        try:
            # As the kernels do, for what is worth it.
            if kind is None and self.exported and self.before is not None and self.end - self.start >= STATUS_BYTES:
                self.watching.memory.range[0].length = self.end
                check_status(&self.watching, self.mapping(), self.before, self.witness)
        finally:
            self.release()

    def release(self):
        """Lets go of the memory. Releasing twice does nothing."""
        with cython.critical_section(self):
            if self.exported:
                self.exported = False
                let_go(&self.held, self.exporter)
                self.exporter = None

    def __dealloc__(self):
        if self.exported:
            let_go(&self.held, self.exporter)


# --- arrays ---

# No buffer has more axes, and no list of lists that numpy makes an array of is deeper.
cdef enum:
    AXES = 64

cdef struct Items:
    char *target
    const char *source          # where the next one is
    Py_ssize_t left
    Py_ssize_t size             # of one
    int axes
    const Py_ssize_t *shape
    const Py_ssize_t *strides
    Py_ssize_t index[AXES]      # of the next one
    bint sheltered

cdef int items_step(void *context) noexcept nogil:
    """Copies items that stand apart, by their indices. Some are left where a system call says that one is gone."""
    cdef Items *items = <Items *> context
    cdef Py_ssize_t done = 0, copied
    cdef int axis
    while items.left and done < STEP_BYTES:
        copied = fm_read(items.target, items.source, items.size) if items.sheltered else -1
        if 0 <= copied < items.size:
            items.source += copied
            return DONE
        if copied < 0:
            memcpy(items.target, items.source, items.size)
        items.target += items.size
        items.left -= 1
        done += items.size + 8
        for axis in range(items.axes - 1, -1, -1):
            items.index[axis] += 1
            items.source += items.strides[axis]
            if items.index[axis] < items.shape[axis]:
                break
            items.source -= items.index[axis] * items.strides[axis]
            items.index[axis] = 0
    return MORE if items.left else DONE

cdef bytes items_of(const Py_buffer *view):
    """The items of a view, of which there are some, without what stands between them."""
    cdef Watch watching
    cdef Items items
    cdef const char *low = <const char *> view.buf
    cdef Py_ssize_t span = view.itemsize, reach
    cdef int axis
    for axis in range(view.ndim):
        items.index[axis] = 0
        reach = (view.shape[axis] - 1) * view.strides[axis]
        span += abs(reach)
        low += min(reach, 0)
    data = PyBytes_FromStringAndSize(NULL, view.len)
    items.target, items.source, items.size = PyBytes_AS_STRING(data), <const char *> view.buf, view.itemsize
    items.axes, items.shape, items.strides = view.ndim, view.shape, view.strides
    items.left, items.sheltered = view.len // view.itemsize, contested()
    watch(&watching, <void *> view.obj, low, low, span)
    drive(guarded, items_step, &items, view.len, &watching)
    if items.left:
        watching.memory.faulted, watching.memory.fault = 0, items.source
        raise_fault(&watching)
    return data

cdef bint is_array_like(object numbers):
    """Whether numpy makes an array of it that has the same memory."""
    if PyBytes_CheckExact(numbers):
        return False
    return PyObject_CheckBuffer(numbers) or hasattr(numbers, "__array__") or hasattr(numbers, "__array_interface__")

cdef object safe_items(object items, object numpy, int depth):
    """A list or tuple whose arrays are safe. Most have none, and stay what they are."""
    harmless = int  # most items are of one type
    for item in items:
        if type(item) is harmless or isinstance(item, numpy.generic):
            harmless = type(item)
        elif isinstance(item, (list, tuple)) or is_array_like(item):
            return items if depth == AXES else [safe_numbers_in(item, numpy, depth + 1) for item in items]
    return items

cdef object safe_numbers_in(object numbers, object numpy, int depth):
    if isinstance(numbers, (list, tuple)):
        return safe_items(numbers, numpy, depth)
    return safe_array(numpy.asarray(numbers), numpy) if is_array_like(numbers) else numbers

cdef bint is_private(object array, object numpy):
    """Whether an array's memory is the process's own: it was allocated by numpy, or is held by bytes."""
    owner = array
    while isinstance(owner, (numpy.ndarray, memoryview)):
        if isinstance(owner, memoryview):
            owner = owner.obj
        elif owner.flags.owndata:
            return True
        else:
            owner = owner.base
    return PyBytes_CheckExact(owner) or PyByteArray_CheckExact(owner)


cdef object safe_array(object array, object numpy):
    """An array, or a copy by the guard if it is of memory that may lose its file."""
    cdef Py_buffer view
    if is_private(array, numpy) or array.nbytes == 0 or array.dtype.hasobject:
        return array
    # As items without a meaning: some that numpy knows can't be exported.
    take(array.view(f"V{array.itemsize}"), &view, PyBUF_STRIDED_RO)
    try:
        data = copied(&view, 0, view.len) if array.flags.c_contiguous else items_of(&view)
    finally:
        PyBuffer_Release(&view)
    return numpy.ndarray(array.shape, array.dtype, data)


def safe_numbers(numbers):
    """Numbers that numpy may read: arrays that may lose their file are copied by the guard, also those in lists."""
    if PyLong_CheckExact(numbers):
        return numbers
    return safe_numbers_in(numbers, load_numpy(), 0)


# --- after a fault ---

cdef struct Touch:
    uint8_t *byte
    bint stores

cdef int touch_step(void *context) noexcept nogil:
    cdef Touch *touch = <Touch *> context
    fm_touch(touch.byte, touch.stores)
    return DONE

cdef bint can_be_stored_to(uintptr_t address) noexcept nogil:
    cdef Touch touch = Touch(<uint8_t *> address, True)
    return answers(&touch)

cdef bint can_be_read(uintptr_t address) noexcept nogil:
    """By a system call, where there is one, for the signal may be contested."""
    cdef uint8_t byte
    cdef Py_ssize_t copied = fm_read(&byte, <const void *> address, 1)
    cdef Touch touch = Touch(<uint8_t *> address, False)
    return copied == 1 if copied >= 0 else answers(&touch)

cdef bint answers(Touch *touch) noexcept nogil:
    cdef fm_watch memory
    memory.ranges = 1
    memory.range[0].address, memory.range[0].length = touch.byte, 1
    return guarded(touch_step, touch, &memory) == DONE

cdef uintptr_t page_of(uintptr_t address) noexcept nogil:
    return address - address % PAGE

cdef uintptr_t first_gone(uintptr_t start, uintptr_t fault) noexcept nogil:
    """The first page from `start` on that can't be read, as far as a bisection tells; that of `fault` can't."""
    cdef uintptr_t low = page_of(start), high = page_of(fault), middle
    if low < high and not can_be_read(start):
        return low
    # The page at low can be read, that at high can't.
    while high - low > PAGE:
        middle = page_of(low + (high - low) // 2)
        if can_be_read(middle):
            low = middle
        else:
            high = middle
    return high


def lost(owner, uintptr_t start, uintptr_t fault, bint stores):
    """The MappedFileError for what `owner` exports from the address `start` on, and a step couldn't touch at `fault`.

    Only a page that can't be touched while the file is long enough for it is the disk's fault. The file may change
    between those two questions, so they are asked more than once.
    """
    cdef uintptr_t gone = page_of(fault)
    cdef int _asked
    file = file_behind(owner)
    reason = reason_of(file, fault, stores)
    for _asked in range(3):
        if reason == "truncated":
            break
        if can_be_stored_to(fault) if stores else can_be_read(fault):
            reason = "changed"
            break
        reason = reason_of(file, fault, stores)
    with nogil:
        if not can_be_read(fault):
            gone = first_gone(start, fault)
    return mapped_file_error(reason, gone - start if gone > start else 0, file, fault)


def check_readable(buffer):
    """Raises MappedFileError for a buffer that a system call couldn't read, unless all of it can be read now."""
    cdef Py_buffer view
    cdef uintptr_t address, end
    take(buffer, &view, PyBUF_SIMPLE)
    try:
        address = <uintptr_t> view.buf
        end = address + view.len
        with nogil:
            while address < end and can_be_read(address):
                address = page_of(address) + PAGE
        if address < end:
            raise lost(<object> view.obj, <uintptr_t> view.buf, address, False)
    finally:
        PyBuffer_Release(&view)


# --- descriptors that were forgotten: in a finalizer that isn't native, nobody would see the exception of Ctrl-C ---

@cython.binding(True)
def close_list(self):
    """descriptors.Open.__del__: closes all that the list has."""
    cdef Py_ssize_t last
    cdef int fd
    if not isinstance(self, list):
        raise TypeError(f"a list is needed, not {type(self).__name__!r}")
    for last in range(PyList_GET_SIZE(self) - 1, -1, -1):
        fd = <object> PyList_GetItem(self, last)
        PyList_SetSlice(self, last, last + 1, [])
        with nogil:
            fm_close_descriptor(fd)


@cython.binding(True)
def close_one(self):
    """descriptors.Descriptor.__del__: closes it, unless that was done."""
    cdef int fd = self.fd
    if fd >= 0:
        self.fd = -1
        with nogil:
            fm_close_descriptor(fd)
