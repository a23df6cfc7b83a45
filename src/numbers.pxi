# Included by _append.pyx: the numbers of a stage, which other threads may change at any time.

cdef class Numbers:
    """How much a stage has stored, and how much it takes."""
    cdef Py_ssize_t used        # bytes of records in its buffer
    cdef Py_ssize_t before      # those stored in the buffers before this one
    cdef Py_ssize_t switches
    cdef Py_ssize_t largest     # of a record, in bytes
    cdef Py_ssize_t edge        # which `_stored` stays below

    def __cinit__(self, *arguments, **keywords):
        self.largest = self.edge = PY_SSIZE_T_MAX

    @property
    def _tail(self):
        """How many bytes of records are in the buffer."""
        cdef Py_ssize_t used
        with cython.critical_section(self):
            used = self.used
        return used

    @property
    def _stored(self):
        """How many bytes of records it has stored, in all its buffers."""
        cdef Py_ssize_t stored
        with cython.critical_section(self):
            stored = self.before + self.used
        return stored

    @property
    def _filling(self):
        """The number of the drain that is being filled: how often it was switched."""
        cdef Py_ssize_t switches
        with cython.critical_section(self):
            switches = self.switches
        return switches

    @property
    def _largest(self):
        """No record is stored that has more bytes."""
        cdef Py_ssize_t largest
        with cython.critical_section(self):
            largest = self.largest
        return largest

    @_largest.setter
    def _largest(self, Py_ssize_t largest):
        with cython.critical_section(self):
            self.largest = largest

    @property
    def _edge(self):
        """No record is stored that would bring `_stored` there."""
        cdef Py_ssize_t edge
        with cython.critical_section(self):
            edge = self.edge
        return edge

    @_edge.setter
    def _edge(self, Py_ssize_t edge):
        with cython.critical_section(self):
            self.edge = edge
