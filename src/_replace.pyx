# cython: binding=False, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""replace in a buffer, and Substitution for a new length. Their definition is fastmmap/reference/replace.py."""
cimport cython
from cpython.buffer cimport PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int64_t, uint8_t, uintptr_t
from libc.string cimport memcpy
from arguments cimport *
from capi cimport *
from guard cimport *
from memory cimport *
from package cimport *
from scan cimport *
from steps cimport *
from walk cimport *

cdef fm_guard guarded = import_guard()

# Matches that are found before they are stored: 4 KiB of offsets for new bytes, up to 32 KiB in place, where what is found
# at once is what can be made writable at once. Those are allocated: a thread's whole stack may be as small.
cdef enum:
    BATCH = 512
    STORED = 4096

# Runs of so many pages, all with a match, are made writable by a system call of their own: it costs 2 microseconds, as
# much as four faults. A GiB with a match every 25 bytes took 0.57 s by faults of two threads, 0.27 s so.
cdef enum:
    WRITABLE_PAGES = 8

cdef uintptr_t PAGE = sysconf(_SC_PAGESIZE)
cdef bint CAN_MAKE_WRITABLE = fm_can_make_writable()

cdef struct Replace:
    Walk walk
    uint8_t *hay
    const uint8_t *new
    Py_ssize_t left         # how many more may be replaced
    Py_ssize_t replaced
    bint mapped             # whether the first store to a page is a fault
    int64_t *offsets
    Py_ssize_t room         # for offsets

cdef inline void make_writable(const Replace *job) noexcept nogil:
    """Makes writable the pages that all have one of the matches found, and no other."""
    cdef uintptr_t hay = <uintptr_t> job.hay, length = job.walk.needle.length, address
    cdef uintptr_t first = hay + <uintptr_t> job.offsets[0], last = first
    cdef Py_ssize_t i
    for i in range(job.walk.matches):
        address = hay + <uintptr_t> job.offsets[i]
        # The bytes between this one's page and the last one's are fewer than a page has: it's the same or the next.
        if (address & ~(PAGE - 1)) > last + PAGE:
            make_run_writable(first, last)
            first = address
        last = address + length - 1
    make_run_writable(first, last)

cdef inline void make_run_writable(uintptr_t first, uintptr_t last) noexcept nogil:
    if last - first >= WRITABLE_PAGES * PAGE:
        fm_make_writable(first, last, PAGE)

cdef int replace_step(void *context) noexcept nogil:
    """Finds as many matches as there is room for, then stores.

    A store changes nothing that the walk will look at: it ends where the next start that counts begins.
    """
    cdef Replace *job = <Replace *> context
    cdef Py_ssize_t i, length = <Py_ssize_t> job.walk.needle.length
    cdef int answer
    job.walk.out, job.walk.matches = job.offsets, 0
    job.walk.capacity = min(job.left, job.room)
    answer = walk_step(&job.walk)
    # In a sparse batch no run of pages is worth a look.
    if job.mapped and CAN_MAKE_WRITABLE and job.walk.matches >= WRITABLE_PAGES:
        if job.offsets[job.walk.matches - 1] - job.offsets[0] < job.walk.matches * <Py_ssize_t> PAGE:
            make_writable(job)
    for i in range(job.walk.matches):
        fm_store(job.hay + job.offsets[i], job.new, length)
    job.left -= job.walk.matches
    job.replaced += job.walk.matches
    if job.left == 0:
        return DONE
    return MORE if answer == FULL else answer


cdef class Kernel:
    """The functions that replace, of one kernel, as methods."""
    cdef const fm_kernel *kernel
    cdef str name

    def __cinit__(self, str name):
        self.kernel = choose(name)
        self.name = name

    def __reduce__(self):
        return reduce_kernel(self, "replace", self.name)

    def replace(self, buffer, old, new, count=-1, *, start=0, end=None, threads=None):
        """Replaces `old` by `new`, which is as long, in a buffer, in place. Nothing but the matches is written.

        Matches are taken from left to right and don't overlap, as in bytes.replace. For other lengths there is
        replace_file.

        Parameters
        ----------
        buffer : writable bytes-like
            Any C-contiguous buffer, taken as bytes. A file is opened before: fastmmap.open(path, "r+").
        old, new : bytes-like or str
            What is replaced by what, of one length in bytes. A str is encoded as UTF-8. `old` must not be empty.
        count : int, default -1
            How many matches are replaced at most. A negative number: all.
        start, end : int or None, default 0 and None
            Only matches in buffer[start:end].
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.

        Returns
        -------
        int
            How many matches were replaced.

        Raises
        ------
        BufferError
            The buffer is read-only, or isn't C-contiguous.
        TypeError, ValueError
            `buffer` is no buffer, `old` is empty, `new` has another length, or `threads` is below 1.
        MappedFileError
            The mapped file was truncated meanwhile, or has a hole and the disk is full. Some matches may be replaced.

        Examples
        --------
        >>> data = bytearray(b"one two one")
        >>> fastmmap.replace(data, "one", "ONE")
        2
        >>> data
        bytearray(b'ONE two ONE')
        """
        cdef Py_buffer view
        cdef Replace job
        cdef bytes own_old = private_bytes(guarded, old, "old"), own_new = private_bytes(guarded, new, "new")
        cdef Py_ssize_t most = index_or(count, -1), number
        cdef Py_ssize_t first = index_or(start, 0), last = index_or(end, PY_SSIZE_T_MAX)
        cdef Watch watching
        job.offsets = NULL
        check_same_length(own_old, own_new)
        take_writable(buffer, &view, "replace")
        try:
            clamp(&first, &last, view.len)
            number = workers(threads, &view, first, last)
            if number > 1 and most < 0 and own_old != own_new:
                rfind = search_kernel(self.name).rfind
                return in_threads("replace")(self, haystack(buffer, first, last), rfind, own_old, own_new, number)
            begin(&job.walk, self.kernel, own_old, False, False)
            job.left = PY_SSIZE_T_MAX if most < 0 else most
            if job.left == 0 or not over(&job.walk, &view, first, last):
                return 0
            watch_walk(&watching, &job.walk, &view)
            if own_old == own_new:
                job.walk.capacity = job.left
                drive(guarded, walk_step, &job.walk, job.walk.stop - job.walk.position, &watching)
                return job.walk.matches
            job.hay, job.new, job.replaced = <uint8_t *> view.buf, <const uint8_t *> PyBytes_AS_STRING(own_new), 0
            job.mapped = watching.stores[0] = watching.memory.ranges > 0
            job.room = min((job.walk.stop - job.walk.position - 1) // len(own_old) + 1, <Py_ssize_t> STORED)
            job.offsets = <int64_t *> PyMem_Malloc(job.room * sizeof(int64_t))
            if job.offsets == NULL:
                raise MemoryError
            drive(guarded, replace_step, &job, job.walk.stop - job.walk.position, &watching)
            return job.replaced
        finally:
            PyMem_Free(job.offsets)
            PyBuffer_Release(&view)

    def substitution(self, buffer, old, new, count=-1, start=0, end=None):
        """What buffer[start:end] is with `old` replaced by `new`, of any length, as a Substitution to be read in blocks."""
        return Substitution(self, buffer, old, new, count, start, end)


cdef struct Fill:
    Walk walk
    const uint8_t *new
    Py_ssize_t new_length
    uint8_t[32] padded      # the replacement, if it is no longer than this, which is FM_SLACK
    Py_ssize_t left         # how many more may be replaced
    Py_ssize_t replaced
    Py_ssize_t copied       # source bytes before this one are in the output
    Py_ssize_t end          # of the source
    Py_ssize_t given        # offsets of the batch that are in the output
    bint searched           # no match lies behind the batch
    uint8_t *out
    Py_ssize_t room
    int64_t[BATCH] offsets

cdef inline void give_matches(Fill *job) noexcept nogil:
    """Copies up to the end of one match after the other, as long as there is slack behind it on both sides."""
    cdef Py_ssize_t until, length, fixed = job.new_length + 2 * FM_SLACK
    cdef Py_ssize_t last = job.end - FM_SLACK
    cdef uint8_t *out = job.out
    cdef Py_ssize_t room = job.room, copied = job.copied, given = job.given
    while given < job.walk.matches:
        until = job.offsets[given]
        length = until - copied
        if room < length + fixed or until > last:
            break
        fm_copy_loosely(out, job.walk.hay + copied, length)
        out += length
        if job.new_length <= FM_SLACK:
            fm_copy_loosely(out, job.padded, job.new_length)
        else:
            memcpy(out, job.new, job.new_length)
        out += job.new_length
        room -= length + job.new_length
        copied = until + <Py_ssize_t> job.walk.needle.length
        given += 1
    job.replaced += given - job.given
    job.out, job.room, job.copied, job.given = out, room, copied, given

cdef int fill_step(void *context) noexcept nogil:
    """Fills the room: unmatched bytes, replacement, unmatched bytes ... FULL where the next piece doesn't fit."""
    cdef Fill *job = <Fill *> context
    cdef Py_ssize_t until, length
    while True:
        if job.given == job.walk.matches and not job.searched:
            job.walk.out, job.walk.matches, job.given = job.offsets, 0, 0
            job.walk.capacity = job.left if job.left < BATCH else BATCH
            job.searched = walk_step(&job.walk) == DONE if job.left else True
            job.left -= job.walk.matches
        give_matches(job)
        # Bytes below the next match are certain not to be replaced; without one, those the walk has left behind.
        if job.given < job.walk.matches:
            until = job.offsets[job.given]
        elif job.searched:
            until = job.end
        else:
            until = job.walk.position if job.walk.position > job.walk.next_start else job.walk.next_start
        length = until - job.copied
        if length > job.room:
            length = job.room
        memcpy(job.out, job.walk.hay + job.copied, length)
        job.out += length
        job.room -= length
        job.copied += length
        if job.copied < until:
            return FULL
        if job.given < job.walk.matches:
            if job.room < job.new_length:
                return FULL
            memcpy(job.out, job.new, job.new_length)
            job.out += job.new_length
            job.room -= job.new_length
            job.copied += <Py_ssize_t> job.walk.needle.length
            job.given += 1
            job.replaced += 1
        elif job.searched:
            return DONE
        else:
            return MORE


@cython.no_gc_clear  # see Held
cdef class Substitution:
    """The bytes of buffer[start:end] with every `old` replaced by `new`, of any length, read in blocks.

    `readinto(block)` fills the block from its start and returns how many bytes it filled, 0 at the end; what is behind
    them in the block may be overwritten. `replaced` is
    how many replacements have been read. The buffer stays exported until `close`, or the end of a with statement.
    """
    cdef Held held
    cdef object exporter
    cdef Fill job
    cdef Kernel kernel
    cdef bytes old, new
    cdef bint exported, running

    def __cinit__(self, Kernel kernel not None, buffer, old, new, count=-1, start=0, end=None):
        cdef Py_ssize_t most = index_or(count, -1)
        cdef Py_ssize_t first = index_or(start, 0), last = index_or(end, PY_SSIZE_T_MAX)
        self.kernel = kernel
        self.old, self.new = private_bytes(guarded, old, "old"), private_bytes(guarded, new, "new")
        check_old(self.old)
        take_readable(buffer, &self.held.view)
        self.exporter = exporter_of(&self.held)
        self.exported = True
        begin(&self.job.walk, kernel.kernel, self.old, False, False)
        self.job.new, self.job.new_length = <const uint8_t *> PyBytes_AS_STRING(self.new), len(self.new)
        if self.job.new_length <= FM_SLACK:
            memcpy(self.job.padded, self.job.new, self.job.new_length)
        self.job.left = PY_SSIZE_T_MAX if most < 0 else most
        clamp(&first, &last, self.held.view.len)
        self.job.copied = min(first, last)
        self.job.end = last
        self.job.searched = not over(&self.job.walk, &self.held.view, first, last)

    @property
    def replaced(self):
        """How many replacements have been read."""
        return self.job.replaced

    def readinto(self, block):
        """Fills `block` from its start. Returns how many bytes it filled: 0 at the end, else at least one.

        A block must have room for the replacement, or it is a ValueError.
        """
        cdef Py_buffer target
        cdef Watch watching
        take_writable(block, &target, "readinto")
        try:
            if target.len < max(self.job.new_length, 1):
                raise ValueError(f"a block of {target.len} bytes has no room for a replacement of "
                                 f"{self.job.new_length}")
            self.enter()
            try:
                self.job.out, self.job.room = <uint8_t *> target.buf, target.len
                watch_view(&watching, &self.held.view)
                watch_target(&watching, &target)
                drive(guarded, fill_step, &self.job, target.len, &watching)
                return target.len - self.job.room
            finally:
                self.running = False
        finally:
            PyBuffer_Release(&target)

    cdef int enter(self) except -1:
        """One call at a time: another thread may come while this one has released the GIL."""
        with cython.critical_section(self):
            if not self.exported:
                raise ValueError("the substitution is closed")
            if self.running:
                raise ValueError("the substitution is being read by another thread")
            self.running = True
        return 0

    def close(self):
        """Releases the buffer. Closing twice does nothing."""
        if self.exported:
            self.enter()
            self.running = False
            self.release()

    cdef void release(self) noexcept:
        if self.exported:
            self.exported = False
            let_go(&self.held, self.exporter)
            self.exporter = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __dealloc__(self):
        self.release()
