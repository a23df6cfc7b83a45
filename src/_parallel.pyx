# cython: binding=False, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""run: the parts of a large call by several threads. Its definition is fastmmap/reference/parallel.py.

The threads belong to the call and end with it: nothing is left to be reset after a fork, and nobody waits for a thread
that is busy with another caller's call. All of it is native, so no signal handler comes between two of its steps.

- The calling thread works too, and does whatever nobody else does: what threads that can't be had, or are gone after a
  fork, have not done.
- A part is taken by an atomic counter. Its result has a place of its own.
- The call ends when no helper is at work any more, whatever has happened. A helper that comes later does nothing.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE
from cpython.exc cimport PyErr_CheckSignals
from cpython.bytes cimport PyBytes_CheckExact
from cpython.memoryview cimport PyMemoryView_FromObject
from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int64_t
from arguments cimport Held, exporter_of, let_go, take
from capi cimport fm_fill_view
from system cimport fm_process

from _thread import start_new_thread  # now: see src/package.pxd

cdef extern from "Python.h":
    unsigned long PyThread_get_thread_ident() nogil

cdef extern from "memory/crew.h" nogil:
    ctypedef struct fm_crew:
        int64_t next
        int64_t last
        int64_t inside
    int64_t fm_take(fm_crew *)
    int64_t fm_last(fm_crew *)
    void fm_lower(fm_crew *, int64_t)
    bint fm_enter(fm_crew *)
    void fm_leave(fm_crew *)
    void fm_close(fm_crew *)
    bint fm_is_empty(fm_crew *)
    void fm_await(fm_crew *)

cdef extern from *:
    """
    /* What this thread helps with. */
    static FM_IN_EACH_THREAD fm_crew *helped;
    static FM_IN_EACH_THREAD int64_t helped_part;
    """
    fm_crew *helped
    int64_t helped_part

include "steady.pxi"

# The result of a part that has none yet.
cdef object UNDONE = object()


class Unwanted(BaseException):
    """Ends a part in a helping thread whose result nobody wants any more."""


cdef int check_helped() except -1:
    if helped != NULL and helped_part >= fm_last(helped):
        raise Unwanted
    return 0

globals()["wanted"] = PyCapsule_New(<void *> check_helped, "fastmmap._parallel.wanted", NULL)


def check_wanted():
    """What long work of a part calls now and then: it ends the part where an error or an interrupt made it useless."""
    check_helped()


cdef class Crew:
    """One call of `run`."""
    cdef fm_crew crew
    cdef object work, parts, enough, buffer
    cdef list results, errors, views
    cdef unsigned long caller
    cdef long process
    cdef bint forgotten  # there was an error, and no memory to keep it

    cdef object go(self, Py_ssize_t threads):
        """Does all parts, and lets go of everything."""
        cdef Py_ssize_t number = len(self.parts)
        self.results, self.errors, self.views = [UNDONE] * number, [], []
        self.crew.last = number
        self.caller, self.process = PyThread_get_thread_ident(), fm_process()
        try:
            self.take_views(max(min(threads, number), 1))
            try:
                self.start(min(threads, number) - 1)
                self.take_turns(self.views[0], True)
            finally:
                self.wait()
            self.finish()
        finally:
            self.release_views()
            # A thread that begins later still holds this object, for how long nobody knows.
            results, self.results = self.results, None
            self.work = self.parts = self.enough = self.buffer = None
        self.raise_first()
        return results[:fm_last(&self.crew)]

    cdef int take_views(self, Py_ssize_t number) except -1:
        """A view of the buffer for each thread. Exports are counted by buffers, and not all count safely in threads."""
        if self.buffer is None or PyBytes_CheckExact(self.buffer):
            self.views = [self.buffer] * number
            return 0
        source = self.buffer
        for _ in range(number):
            try:
                if source is self.buffer and isinstance(source, memoryview):
                    source = steady_of(source)
                self.views.append(PyMemoryView_FromObject(source))
            except (BufferError, ValueError):
                self.views.append(self.buffer)  # a kernel asks for less than a memoryview does, or says what's wrong

    cdef int release_views(self) except -1:
        for view in self.views:
            if isinstance(view, memoryview) and view is not self.buffer:
                try:
                    view.release()
                except BufferError:
                    pass  # in a forked child: the thread that used it is the parent's
        self.views = []
        return 0

    cdef void start(self, Py_ssize_t helpers) noexcept:
        """Starts threads, as many as can be had."""
        cdef Py_ssize_t i
        for i in range(1, helpers + 1):
            try:
                start_new_thread(self.help, (i,))
            except (RuntimeError, MemoryError, OSError):
                return  # of threads or of memory there are no more, or the interpreter ends
            except BaseException as error:  # a signal handler's, where threads are started by somebody's Python code
                self.fail(-1, error, True)
                return

    def help(self, Py_ssize_t i):
        """What a helping thread does."""
        global helped
        # One that runs in the calling thread is a greenlet, which the call could wait for in vain.
        if PyThread_get_thread_ident() == self.caller or not fm_enter(&self.crew):
            return
        helped = &self.crew
        try:
            self.take_turns(self.views[i], False)
        finally:
            helped = NULL
            fm_leave(&self.crew)

    cdef void take_turns(self, object view, bint calling) noexcept:
        cdef int64_t part = fm_take(&self.crew)
        while part >= 0:
            self.do(part, view, calling)
            if calling:
                self.look_for_signals()
            part = fm_take(&self.crew)

    cdef void do(self, int64_t part, object view, bint calling) noexcept:
        """Does a part, and keeps its result or its error."""
        global helped_part
        if not calling:
            helped_part = part
        try:
            result = self.work(*self.parts[part]) if self.buffer is None else self.work(view, *self.parts[part])
            if self.enough is not None and self.enough(result):
                fm_lower(&self.crew, part + 1)
            self.results[part] = result
        except Unwanted:
            pass
        except BaseException as error:
            self.fail(part if isinstance(error, Exception) or not calling else -1, error, calling)
            self.results[part] = None

    cdef void fail(self, int64_t part, object error, bint calling) noexcept:
        """Nothing behind the part is wanted any more. An interrupt has part -1, so nothing at all."""
        fm_lower(&self.crew, part + 1)
        try:
            self.errors.append((part, calling, error))
        except MemoryError:
            self.forgotten = True

    cdef void look_for_signals(self) noexcept:
        try:
            PyErr_CheckSignals()
        except BaseException as error:
            self.fail(-1, error, True)

    cdef void wait(self) noexcept:
        """Returns when no helper is at work. After a fork there is none."""
        fm_close(&self.crew)
        while not fm_is_empty(&self.crew) and fm_process() == self.process:
            with nogil:
                fm_await(&self.crew)
            self.look_for_signals()

    cdef void finish(self) noexcept:
        """Does what nobody has done: in a forked child, what the parent's threads had begun."""
        cdef int64_t part = 0
        while part < fm_last(&self.crew):
            if self.results[part] is UNDONE:
                self.do(part, self.views[0], True)
            part += 1

    cdef int raise_first(self) except -1:
        """Raises the error of the first part, or an interrupt; the next one is its context, if it has none.

        What happened behind a result that was enough didn't happen. In the calling thread it counts nevertheless,
        because it may be a signal handler's.
        """
        cdef int64_t last = fm_last(&self.crew)
        errors, self.errors = sorted(self.errors, key=lambda error: error[0]), []
        if self.forgotten:
            raise MemoryError
        for part, calling, first in errors:  # no-cython-lint
            if calling or part < last:
                break
        else:
            return 0
        for _, _, other in errors:
            if other is not first and first.__context__ is None and other.__context__ is None:
                first.__context__ = other
        raise first


def run(work, parts, threads, enough=None, buffer=None):
    """work(*part) for each part, by the calling thread and others; the results in order.

    Parts are begun in order. After a result that is enough no later part is begun, and the list ends with it. An
    error, or an interrupt, stops all threads after their block, and is raised when none of them runs any more: the
    first part's, where there are several. With a buffer, work(view, *part), where each thread has a view of its own.
    """
    cdef Crew crew = Crew.__new__(Crew)
    crew.work, crew.parts, crew.enough, crew.buffer = work, parts, enough, buffer
    return crew.go(threads)
