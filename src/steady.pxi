# Included by _lines.pyx and _parallel.pyx: memory that threads may take views of, and let go of, side by side.

cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
    #define fm_is_free_threaded 1
    #else
    #define fm_is_free_threaded 0
    #endif
    """
    bint fm_is_free_threaded


@cython.no_gc_clear  # see Held
cdef class Steady:
    """Exports what it has one export of, and counts nothing: its memory goes with the last who refers to it.

    Views that are made of one memoryview, its slices among them, share a counter that isn't atomic, at least up to
    CPython 3.15. Without the GIL, some that are dropped in several threads could release the memory under the others.
    """
    cdef Held held
    cdef object exporter
    cdef bint exported

    def __cinit__(self, source):
        take(source, &self.held.view, PyBUF_SIMPLE)
        self.exporter = exporter_of(&self.held)
        self.exported = True

    @property
    def _behind(self):
        """What has exported the memory."""
        return <object> self.held.view.obj

    def __getbuffer__(self, Py_buffer *view, int flags):
        fm_fill_view(view, self, self.held.view.buf, self.held.view.len, self.held.view.readonly, flags)

    def __dealloc__(self):
        if self.exported:
            let_go(&self.held, self.exporter)


cdef object steady_of(object view):
    """What parts of a memoryview are to be made of, where several threads may have them: itself, where the GIL does it.
    """
    return Steady.__new__(Steady, view) if fm_is_free_threaded else view
