# Included by what has a Substitution, for one needle or for many: what both are.


cdef class Filling:
    """What is read in blocks. A subclass holds the memory, says when `job` is ready, and lets the memory go."""
    cdef Fill job
    cdef bint exported, running
    cdef Py_ssize_t longest_new

    cdef void begin_filling(self, const uint8_t *hay, Py_ssize_t start, Py_ssize_t end) noexcept:
        """Sets it upon a range of the source. The search is the caller's to set."""
        cdef Batch *batch = &self.job.batch
        self.job.hay, self.job.copied, self.job.end = hay, min(start, end), end
        batch.offsets, batch.room = self.job.offsets, BATCH

    cdef Py_ssize_t work_for(self, const Py_buffer *target) noexcept:
        """How many bytes may be read to fill a target: much may be replaced by nothing."""
        return max(target.len, self.job.end - self.job.copied)

    cdef int fill(self, const Py_buffer *target) except -1:
        """Runs fill_step until the target is full."""
        raise NotImplementedError

    cdef void release(self) noexcept:
        pass

    @property
    def replaced(self):
        """How many replacements have been read."""
        return self.job.replaced

    @property
    def consumed(self):
        """How far the buffer is read: what was read so far is made of the bytes before this offset."""
        return self.job.copied

    def readinto(self, block):
        """Fills `block` from its start. Returns how many bytes it filled: 0 at the end, else at least one.

        A block must have room for the longest replacement, or it is a ValueError.
        """
        cdef Py_buffer target
        take_writable(block, &target, "readinto")
        try:
            if target.len < max(self.longest_new, 1):
                raise ValueError(f"a block of {target.len} bytes has no room for a replacement of {self.longest_new}")
            self.enter()
            try:
                self.job.out, self.job.room = <uint8_t *> target.buf, target.len
                self.fill(&target)
                return target.len - self.job.room
            finally:
                self.leave()
        finally:
            PyBuffer_Release(&target)

    cdef int enter(self) except -1:
        """One call at a time: another thread may come while this one has released the GIL."""
        with cython.critical_section(self):
            if not self.exported:
                raise ValueError("the substitution is closed")
            self.check_idle()
            self.running = True
        return 0

    cdef int leave(self) except -1:
        with cython.critical_section(self):
            self.running = False
        return 0

    cdef int check_idle(self) except -1:
        if self.running:
            raise ValueError("the substitution is being read by another thread")
        return 0

    def close(self):
        """Releases the buffer. Closing twice does nothing."""
        with cython.critical_section(self):
            self.check_idle()
            self.release()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
