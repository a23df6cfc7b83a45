# cython: binding=False, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""replace in a buffer, and Substitution for a new length. Their definition is fastmmap/reference/replace.py."""
cimport cython
from cpython.buffer cimport PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int64_t, uint8_t
from arguments cimport *
from capi cimport *
from guard cimport *
from memory cimport *
from package cimport *
from replacing cimport *
from scan cimport *
from steps cimport *
from walk cimport *

cdef fm_guard guarded = import_guard()

cdef int find_of_one(void *context) noexcept nogil:
    """Fills a batch by a walk for one needle."""
    cdef Batch *batch = <Batch *> context
    cdef Walk *walk = <Walk *> batch.walk
    cdef int answer
    walk.out, walk.matches, walk.capacity = batch.offsets, 0, batch.capacity
    answer = walk_step(walk)
    batch.matches = walk.matches
    batch.reached = walk.position if walk.position > walk.next_start else walk.next_start
    return answer


cdef class Kernel:
    """The functions that replace, of one kernel, as methods."""
    cdef const fm_kernel *kernel
    cdef str name

    def __cinit__(self, str name):
        self.kernel = choose(name)
        self.name = name

    def __reduce__(self):
        return reduce_kernel(self, "replace", self.name)

    def replace(self, buffer, old, new=None, count=-1, *, start=0, end=None, threads=None,
                progress=None):
        """Replaces `old` by `new`, which is as long, in a buffer, in place. Nothing but the matches is written.

        Matches are taken from left to right and don't overlap, as in bytes.replace; those of several pairs are what
        find_each finds. What has been replaced isn't searched again. For other lengths there is replace_file.

        Parameters
        ----------
        buffer : writable bytes-like
            Any C-contiguous buffer, taken as bytes. A file is opened before: fastmmap.open(path, "r+").
        old : bytes-like or str; or mapping {old: new, ...}
            What to replace, not empty. A str is encoded as UTF-8. A mapping names several, and what by.
        new : bytes-like, str or None
            What to replace it by, of the same length in bytes. It is left out beside a mapping.
        count : int, default -1
            How many matches are replaced at most. A negative number: all.
        start, end : int or None, default 0 and None
            Only matches in buffer[start:end].
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

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
        >>> fastmmap.replace(data, {"ONE": "two", "two": "ONE"})
        3
        >>> data
        bytearray(b'two ONE two')
        """
        cdef Py_buffer view
        cdef Walk walk
        cdef Pair pair
        cdef Replace job
        cdef Batch *batch = &job.batch
        cdef bytes own_old, own_new
        cdef Py_ssize_t most, number, first, last
        cdef Watch watching
        if are_pairs(old, new):
            return in_many(self.name).replace(buffer, old, count, start, end, threads=threads, progress=progress)
        own_old, own_new = private_bytes(guarded, old, "old"), private_bytes(guarded, new, "new")
        most, first, last = index_or(count, -1), index_or(start, 0), index_or(end, PY_SSIZE_T_MAX)
        batch.offsets = NULL
        check_same_length(own_old, own_new)
        take_writable(buffer, &view, "replace")
        try:
            clamp(&first, &last, view.len)
            number = workers(threads, &view, first, last)
            if (number > 1 or progress is not None) and most < 0 and own_old != own_new:
                rfind, hay = search_kernel(self.name).rfind, haystack(buffer, first, last, progress)
                return in_threads("replace")(self, hay, rfind, own_old, own_new, number)
            begin(&walk, self.kernel, own_old, False, False)
            batch.left = PY_SSIZE_T_MAX if most < 0 else most
            if batch.left == 0 or not over(&walk, &view, first, last):
                return 0
            watch_walk(&watching, &walk, &view)
            if own_old == own_new:
                walk.capacity = batch.left
                drive(guarded, walk_step, &walk, walk.stop - walk.position, &watching)
                return walk.matches
            watching.stores[0] = watching.memory.ranges > 0
            set_pair_of(&pair, own_old, own_new)
            begin_batch(batch, &walk, &pair)
            batch.room = min((walk.stop - walk.position - 1) // len(own_old) + 1, <Py_ssize_t> STORED)
            batch.offsets = <int64_t *> PyMem_Malloc(batch.room * sizeof(int64_t))
            if batch.offsets == NULL:
                raise MemoryError
            job.hay, job.replaced, job.page = <uint8_t *> view.buf, 0, page_to_fault(watching.memory.ranges > 0)
            drive(guarded, replace_step, &job, walk.stop - walk.position, &watching)
            return job.replaced
        finally:
            PyMem_Free(batch.offsets)
            PyBuffer_Release(&view)

    def substitution(self, buffer, old, new, count=-1, start=0, end=None):
        """What buffer[start:end] is with `old` replaced by `new`, of any length: a Substitution, read in blocks."""
        return Substitution(self, buffer, old, new, count, start, end)


cdef void begin_batch(Batch *batch, Walk *walk, const Pair *pair) noexcept:
    """Has a walk for one needle find for it."""
    batch.find, batch.walk, batch.pairs, batch.which = find_of_one, walk, pair, NULL

cdef void set_pair_of(Pair *pair, bytes old, bytes new) noexcept:
    set_pair(
        pair, <const uint8_t *> PyBytes_AS_STRING(old), len(old), <const uint8_t *> PyBytes_AS_STRING(new), len(new),
    )


include "filling.pxi"


@cython.no_gc_clear  # see Held
cdef class Substitution(Filling):
    """The bytes of buffer[start:end] with every `old` replaced by `new`, of any length, read in blocks.

    `readinto(block)` fills the block from its start and returns how many bytes it filled, 0 at the end; what is behind
    them in the block may be overwritten. `replaced` is
    how many replacements have been read. The buffer stays exported until `close`, or the end of a with statement.
    """
    cdef Held held
    cdef object exporter
    cdef Walk walk
    cdef Pair pair
    cdef Kernel kernel
    cdef bytes old, new

    def __cinit__(self, Kernel kernel not None, buffer, old, new, count=-1, start=0, end=None):
        cdef Py_ssize_t most = index_or(count, -1)
        cdef Py_ssize_t first = index_or(start, 0), last = index_or(end, PY_SSIZE_T_MAX)
        self.kernel = kernel
        self.old, self.new = private_bytes(guarded, old, "old"), private_bytes(guarded, new, "new")
        check_old(self.old)
        take_readable(buffer, &self.held.view)
        self.exporter = exporter_of(&self.held)
        self.exported = True
        clamp(&first, &last, self.held.view.len)
        set_pair_of(&self.pair, self.old, self.new)
        self.longest_new = self.pair.new_length
        self.begin_filling(<const uint8_t *> self.held.view.buf, first, last)
        begin(&self.walk, kernel.kernel, self.old, False, False)
        begin_batch(&self.job.batch, &self.walk, &self.pair)
        self.job.batch.left = PY_SSIZE_T_MAX if most < 0 else most
        self.job.searched = not over(&self.walk, &self.held.view, first, last)

    cdef int fill(self, const Py_buffer *target) except -1:
        cdef Watch watching
        watch_view(&watching, &self.held.view)
        watch_target(&watching, target)
        return drive(guarded, fill_step, &self.job, self.work_for(target), &watching)

    cdef void release(self) noexcept:
        if self.exported:
            self.exported = False
            let_go(&self.held, self.exporter)
            self.exporter = None

    def __dealloc__(self):
        self.release()
