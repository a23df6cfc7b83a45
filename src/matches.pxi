# Included by _search.pyx: the iterator over matches.

cdef object empty_matches(object buffer, Py_ssize_t first, Py_ssize_t last):
    cdef Py_buffer view
    take_within(buffer, &view, first, last)
    clamp(&first, &last, view.len)
    PyBuffer_Release(&view)
    return iter(range(first, last + 1))


@cython.no_gc_clear  # see Held
cdef class Matches:
    """What iter_find returns: offsets, found BATCH at a time."""
    cdef Held held
    cdef object exporter
    cdef Walk walk
    cdef bytes needle
    cdef int64_t[BATCH] batch
    cdef Py_ssize_t given, room
    cdef bint exported, running

    def __iter__(self):
        return self

    def __next__(self):
        cdef Py_ssize_t given
        with cython.critical_section(self):
            if self.running:
                raise ValueError("iterator already executing")
            if self.given == self.walk.matches:
                self.refill()
            given = self.given
            self.given += 1
            return self.batch[given]

    cdef int refill(self) except -1:
        if not self.exported:
            raise StopIteration
        cdef int answer = DONE
        self.running = True  # another thread may come while the walk has released the GIL
        self.given = 0
        try:
            self.room = min(self.room * GROWTH, <Py_ssize_t> BATCH) if self.room else 1
            self.walk.out, self.walk.capacity, self.walk.matches = self.batch, self.room, 0
            answer = search(guarded, &self.walk, &self.held.view)
        finally:
            self.running = False
            if answer == DONE:
                self.release()  # after an error, too: there is no going on
        if self.walk.matches == 0:
            raise StopIteration
        return 0

    cdef void release(self) noexcept:
        if self.exported:
            self.exported = False
            let_go(&self.held, self.exporter)
            self.exporter = None

    def __dealloc__(self):
        self.release()
