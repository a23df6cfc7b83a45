# Included by _many.pyx: {old: new, ...}, in place and into new memory.


cdef class Replacements:
    """What each of several needles is replaced by, made ready. It doesn't change."""
    cdef readonly Prepared prepared
    cdef tuple news
    cdef Pair *pairs            # by the caller's numbers of needles
    cdef readonly Py_ssize_t longest
    cdef bint changes           # whether any is replaced by something else

    def __cinit__(self, Prepared prepared not None, tuple news not None):
        cdef Py_ssize_t i
        cdef bytes old, new
        if len(news) != len(prepared.needles):
            raise ValueError("there is a replacement for each needle")
        self.prepared, self.news = prepared, news
        self.pairs = <Pair *> malloc(max(len(news), 1) * sizeof(Pair))
        if self.pairs == NULL:
            raise MemoryError
        for i in range(len(news)):
            old, new = prepared.needles[i], news[i]
            set_pair(&self.pairs[i], <const uint8_t *> PyBytes_AS_STRING(old), PyBytes_GET_SIZE(old),
                     <const uint8_t *> PyBytes_AS_STRING(new), PyBytes_GET_SIZE(new))
            if prepared.fold and old != old.upper():
                self.pairs[i].same = False  # what stands there may be written otherwise
            self.longest = max(self.longest, self.pairs[i].new_length)
            self.changes |= not self.pairs[i].same

    def __dealloc__(self):
        free(self.pairs)


cdef int find_of_many(void *context) noexcept nogil:
    """Fills a batch by a walk for many needles."""
    cdef Batch *batch = <Batch *> context
    cdef ManyWalk *walk = <ManyWalk *> batch.walk
    cdef Py_ssize_t until = walk.position + STEP_BYTES
    cdef int answer = MORE
    walk.out, walk.which, walk.matches, walk.capacity = batch.offsets, batch.which, 0, batch.capacity
    while answer == MORE and walk.position < until:  # a step is a small block, and a batch has room for more
        answer = many_step(walk)
    batch.matches, batch.reached = walk.matches, reached(walk)
    return answer

cdef int begin_batch(Batch *batch, Scan scan, Replacements pairs, Py_ssize_t most) except -1:
    batch.find, batch.walk, batch.pairs = find_of_many, &scan.walk, pairs.pairs
    batch.left = PY_SSIZE_T_MAX if most < 0 else most
    return 0

cdef Py_ssize_t replace_in_place(const fm_kernel *kernel, object buffer, Replacements pairs, tuple span,
                                 Py_ssize_t most) except -1:
    """Replaces what is as long, in a range of a buffer. Returns how many."""
    cdef Scan scan = Scan.__new__(Scan)
    cdef Py_buffer view
    cdef Replace job
    cdef Watch watching
    take_writable(buffer, &view, "replace")
    try:
        scan.begin(kernel, buffer, pairs.prepared, span)
        begin_batch(&job.batch, scan, pairs, most)
        if most == 0:
            return 0
        job.hay, job.replaced = <uint8_t *> view.buf, 0
        job.batch.room = max(min(scan.walk.until - scan.walk.position, <Py_ssize_t> STORED), 1)
        job.batch.offsets = <int64_t *> malloc(job.batch.room * (sizeof(int64_t) + sizeof(int32_t)))
        if job.batch.offsets == NULL:
            raise MemoryError
        try:
            job.batch.which = <int32_t *> (job.batch.offsets + job.batch.room)
            scan.watch_rest(&watching)
            if watching.memory.ranges:
                watching.stores[0] = True
            else:  # the scan reads a copy
                watch_target(&watching, &view)
            job.page = page_to_fault(pairs.changes and watching.memory.ranges > 0)
            scan.drive(replace_step, &job, scan.end - scan.walk.position, &watching)
            return job.replaced
        finally:
            free(job.batch.offsets)
    finally:
        scan.release()
        PyBuffer_Release(&view)


include "filling.pxi"


@cython.no_gc_clear  # its end needs the scan
cdef class Substitution(Filling):
    """The bytes of buffer[start:end] with every one of several needles replaced, read in blocks."""
    cdef Scan scan
    cdef Replacements pairs

    def __cinit__(self, Kernel kernel not None, buffer, Replacements pairs not None, tuple span not None,
                  Py_ssize_t most):
        cdef Batch *batch = &self.job.batch
        self.pairs, self.longest_new = pairs, pairs.longest
        self.scan = Scan.__new__(Scan)
        self.scan.begin(kernel.kernel, buffer, pairs.prepared, span)
        self.exported = True
        self.begin_filling(self.scan.walk.hay, self.scan.walk.position, self.scan.end)
        begin_batch(batch, self.scan, pairs, most)
        batch.which = self.job.which
        self.job.searched = self.scan.walk.position >= self.scan.walk.until

    cdef int fill(self, const Py_buffer *target) except -1:
        cdef Watch watching
        watch_view(&watching, &self.scan.held.view)
        watch_target(&watching, target)
        return self.scan.drive(fill_step, &self.job, self.work_for(target), &watching)

    cdef void release(self) noexcept:
        self.exported = False
        self.scan.release()
