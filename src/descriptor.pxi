# Included by _mapping.pyx: the descriptor of a mapping's file, by which the file is asked and large slices are read.

cdef class HasDescriptor:
    """What may have a descriptor, which another thread may close at any time."""
    cdef public int64_t offset  # of the first byte of ours in the file
    cdef int descriptor         # -1 for none
    cdef int readers            # how many threads read from it, or ask it, now
    cdef object to_close        # what has that descriptor, when it was closed meanwhile

    def __cinit__(self, *arguments, **keywords):
        self.descriptor = -1

    @property
    def _descriptor(self):
        """The file's, -1 for none."""
        return self.current_descriptor()

    @_descriptor.setter
    def _descriptor(self, int descriptor):
        with cython.critical_section(self):
            self.descriptor = descriptor

    cdef int current_descriptor(self) noexcept:
        cdef int descriptor
        with cython.critical_section(self):
            descriptor = self.descriptor
        return descriptor

    def _file_status(self):
        """What tells whether the file shrank: its device, its inode, the bytes it has from the mapping's first on, and
        its blocks of 512 bytes.

        None without a descriptor. Another thread may close that at any time, so a caller compares device and inode too.
        """
        cdef fm_file file
        cdef int descriptor = self.begin_reading()
        cdef bint known
        if descriptor < 0:
            return None
        try:
            known = fm_look(descriptor, &file) == 0
        finally:
            self.end_reading()
        return (file.device, file.inode, <int64_t> file.size - self.offset, file.blocks) if known else None

    cdef int begin_reading(self) except -2:
        """The descriptor to read from or to ask, -1 for none. It isn't closed before `end_reading`."""
        cdef int descriptor
        with cython.critical_section(self):
            descriptor = self.descriptor
            if descriptor >= 0:
                self.readers += 1
        return descriptor

    cdef int end_reading(self) except -1:
        with cython.critical_section(self):
            self.readers -= 1
            if self.readers:
                return 0
            file, self.to_close = self.to_close, None
        if file is not None:
            file.close()
        return 0

    def _close_file(self, file):
        """Has no more asked by the descriptor, and closes it: when nobody reads from it any more."""
        with cython.critical_section(self):
            self.descriptor = -1
            if self.readers:
                self.to_close = file
                return
        file.close()
