# cython: binding=False, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""Search for many needles at once. Its definition is fastmmap/reference/many.py."""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memset
from arguments cimport *
from automaton cimport *
from capi cimport *
from filter cimport *
from guard cimport *
from many cimport *
from package cimport *
from replacing cimport *
from scan cimport *
from steps cimport *

# Matches that are looked for at a time: few at first, which may be all that anybody wants.
cdef enum:
    FIRST_MATCHES = 64
    MOST_MATCHES = 1 << 15

cdef fm_guard guarded = import_guard()
cdef fm_question contested = import_contested()

include "prepared.pxi"


@cython.no_gc_clear  # see Held
cdef class Scan:
    """A search for many needles in a buffer, which it holds until `release`."""
    cdef Held held
    cdef object exporter
    cdef bint exported
    cdef ManyWalk walk
    cdef Prepared prepared
    cdef TextFilter filter  # which the walk reads
    cdef Py_ssize_t end     # of what the whole search reads
    cdef bint back          # whether it goes from the end to the start

    cdef int begin(self, const fm_kernel *kernel, object buffer, Prepared prepared, tuple span) except -1:
        """Takes the buffer, and sets the walk upon buffer[start:end], where matches start before `until`."""
        cdef Py_ssize_t start, end, until
        start, end, until = span
        buffer = take_within(buffer, &self.held.view, start, end)
        clamp(&start, &end, self.held.view.len)
        end = min(end, min(until, end) + max(prepared.longest_needle - 1, 0))  # nothing behind it is read
        self.walk.hay = <const uint8_t *> self.held.view.buf
        if in_danger(contested, &self.held.view):
            PyBuffer_Release(&self.held.view)
            take(copy_safely(buffer, start, end), &self.held.view, PyBUF_SIMPLE)
            self.walk.hay = <const uint8_t *> self.held.view.buf - start
        self.exporter = exporter_of(&self.held)
        self.exported = True
        self.prepared = prepared
        self.walk.kernel, self.walk.needles, self.walk.by_index = kernel, prepared.sorted, prepared.by_index
        self.walk.position = self.walk.next_start = start
        self.walk.stop = self.end = end
        self.walk.until = min(until, end) if prepared.number else start
        self.walk.fold = prepared.fold
        self.walk.block, self.walk.more_dense = FIRST_BLOCK, FEWEST_DENSE
        self.walk.capacity = PY_SSIZE_T_MAX
        self.walk.patience = FALSE_CANDIDATES + FALSE_FOR_EACH * prepared.number
        self.walk.last = -1
        if self.walk.position >= self.walk.until:
            return 0
        self.filter = prepared.filter_for(kernel)
        self.use_filter()
        self.make_room(ROOM)
        if prepared.is_built():
            self.use_automaton()
        return 0

    cdef int go(self) except -1:
        """Walks on until the end, or until there is no room for more results."""
        cdef Watch watching
        self.watch_rest(&watching)
        return self.drive(many_step, &self.walk, self.end - self.walk.position, &watching)

    cdef void watch_rest(self, Watch *watching) noexcept:
        cdef const ManyWalk *walk = &self.walk
        watch(watching, <void *> self.held.view.obj, self.held.view.buf, walk.hay + walk.position,
              max(self.end - walk.position, 0))
        watching.position, watching.reach, watching.back = &walk.position, self.prepared.longest_needle, self.back

    cdef int drive(self, fm_step step, void *context, Py_ssize_t size, Watch *watching) except -1:
        """Runs a step that walks on, and sees to what the walk needs."""
        cdef int answer
        while True:
            answer = drive(guarded, step, context, size, watching)
            if answer == NEEDS_SAMPLE:
                self.take_sample()
            elif answer != NEEDS_AUTOMATON:
                return answer
            elif self.prepared.build():
                self.use_automaton()
            else:
                self.use_patience()

    cdef int take_sample(self) except -1:
        """Has the filter made anew, by what stands where the walk has come to."""
        cdef Watch watching
        cdef ManyWalk *walk = &self.walk
        cdef Sample *sample = <Sample *> calloc(1, sizeof(Sample))
        if sample == NULL:
            raise MemoryError
        try:
            sample.hay = walk.hay + walk.position
            sample.size = min(walk.stop - walk.position, <Py_ssize_t> SAMPLE_BYTES)
            watch(&watching, <void *> self.held.view.obj, self.held.view.buf, sample.hay, sample.size)
            drive(guarded, copy_sample, sample, sample.size // SHARE, &watching)
            count_windows(sample, walk.fold)
            self.filter = self.prepared.make_filter(walk.kernel, sample)
        finally:
            free(sample)
        self.use_filter()
        walk.wasted, walk.patience = 0, 4 * walk.patience
        return 0

    cdef void use_filter(self) noexcept:
        cdef ManyWalk *walk = &self.walk
        walk.filter, walk.sampled, walk.tolerable = &self.filter.filter, self.filter.by_sample, self.filter.tolerable
        walk.sampled_at = walk.position

    cdef int use_automaton(self) except -1:
        cdef Automaton *automaton = &self.prepared.automaton
        self.make_room(automaton.room)
        self.walk.rows = <int32_t *> malloc(automaton.block * sizeof(int32_t))
        if self.walk.rows == NULL:
            raise MemoryError
        self.walk.automaton = automaton
        return 0

    cdef int use_patience(self) except -1:
        """Room for all that may start at one place, so that a block of one start has room."""
        self.make_room(max(<Py_ssize_t> ROOM, min(self.prepared.number, self.prepared.longest_needle)))
        self.walk.patient = True
        return 0

    cdef int make_room(self, Py_ssize_t room) except -1:
        cdef void *found = realloc(self.walk.found, room * sizeof(uint64_t))
        if found == NULL:
            raise MemoryError
        self.walk.found, self.walk.room = <uint64_t *> found, room
        return 0

    cdef void release(self) noexcept:
        if self.exported:
            self.exported = False
            let_go(&self.held, self.exporter)
            self.exporter = None
        free(self.walk.found)
        free(self.walk.rows)
        self.walk.found = NULL
        self.walk.rows = NULL

    def __dealloc__(self):
        self.release()


include "pairs.pxi"


cdef class Kernel:
    """The functions for many needles of one kernel, as methods: what fastmmap/many.py makes the public ones of."""
    cdef const fm_kernel *kernel
    cdef readonly str name

    def __cinit__(self, str name):
        self.kernel = choose(name)
        self.name = name

    @property
    def Prepared(self):
        """The class of what needles are made ready as."""
        return Prepared

    @property
    def Replacements(self):
        """The class of what they are replaced by is made ready as."""
        return Replacements

    def workers(self, buffer, threads, Py_ssize_t start):
        """How many threads work on a large buffer, from an offset on."""
        cdef Py_buffer view
        take_readable(buffer, &view)
        try:
            return workers(threads, &view, min(start, view.len), view.len)
        finally:
            PyBuffer_Release(&view)

    def is_copied(self, buffer):
        """Whether what is searched is copied first, because faults in it couldn't be caught."""
        cdef Py_buffer view
        take_readable(buffer, &view)
        try:
            return in_danger(contested, &view)
        finally:
            PyBuffer_Release(&view)

    def find_first(self, buffer, Prepared prepared not None, tuple span not None):
        """The offset at which the first match starts, or -1. `span` is start, end and until: it starts in
        [start, until), and ends at `end` at most.
        """
        cdef Scan scan = Scan.__new__(Scan)
        try:
            scan.begin(self.kernel, buffer, prepared, span)
            scan.walk.capacity = 1
            scan.go()
            return scan.walk.last
        finally:
            scan.release()

    def find_last(self, buffer, Prepared prepared not None, tuple span not None):
        """The offset at which the last one of all that stand there starts, or -1."""
        cdef Scan scan = Scan.__new__(Scan)
        cdef Py_ssize_t start, end, high, reach = FIRST_BLOCK
        try:
            scan.begin(self.kernel, buffer, prepared, span)
            scan.walk.overlapping = scan.back = True
            start, end, high = scan.walk.position, scan.walk.stop, scan.walk.until
            while high > start and scan.walk.last < 0:
                scan.walk.until = high
                scan.walk.position = high = max(start, high - reach)
                scan.walk.stop = min(end, scan.walk.until + prepared.longest_needle - 1)
                scan.walk.block = MANY_BLOCK
                scan.go()
                reach = min(4 * reach, 1 << 20)
            return scan.walk.last
        finally:
            scan.release()

    def count_all(self, buffer, Prepared prepared not None, tuple span not None, bint overlapping, counts=None,
                  Py_ssize_t most=PY_SSIZE_T_MAX):
        """How many matches there are, up to `most` of them, the first ones. Adds those of each needle to its place in
        an int64 array, if there is one.
        """
        cdef Scan scan = Scan.__new__(Scan)
        cdef Py_buffer room
        cdef bint given = counts is not None
        if given:
            take_counts(counts, prepared, &room)
        try:
            scan.begin(self.kernel, buffer, prepared, span)
            scan.walk.overlapping, scan.walk.capacity = overlapping, most
            scan.walk.counts = <int64_t *> room.buf if given else NULL
            scan.go()
            return scan.walk.matches
        finally:
            scan.release()
            if given:
                PyBuffer_Release(&room)

    def scan(self, buffer, Prepared prepared not None, tuple span not None, bint overlapping):
        """What finds the matches from left to right, as many at a time as it is given room for."""
        cdef ManyMatches found = ManyMatches.__new__(ManyMatches)
        found.scan = Scan.__new__(Scan)
        found.scan.begin(self.kernel, buffer, prepared, span)
        found.scan.walk.overlapping = overlapping
        return found

    def find_all(self, buffer, Prepared prepared not None, tuple span not None, bint overlapping, Py_ssize_t most,
                 bint each):
        """The matches up to `most` of them, as pairs of arrays: offsets, and if `each` needles, else None."""
        cdef Py_ssize_t room = min(<Py_ssize_t> FIRST_MATCHES, most), number
        numpy, found = load_numpy(), []
        cdef ManyMatches scan = self.scan(buffer, prepared, span, overlapping)
        try:
            while room:
                offsets = numpy.empty(room, dtype=numpy.int64)
                which = numpy.empty(room, dtype=numpy.int32) if each else None
                number = scan.find_into(offsets, which)
                found.append((offsets[:number], which[:number] if each else None))
                most -= number
                room = min(8 * room, <Py_ssize_t> MOST_MATCHES, most) if number == room else 0
            return found
        finally:
            scan.release()

    def past_matches(self, buffer, Prepared prepared not None, tuple span not None, Py_ssize_t bound):
        """The first place from a bound on that no match lies across, overlapping ones included."""
        cdef int64_t[FIRST_MATCHES] offsets
        cdef int32_t[FIRST_MATCHES] which
        cdef Scan scan = Scan.__new__(Scan)
        cdef ManyWalk *walk = &scan.walk
        cdef Py_ssize_t i
        try:
            scan.begin(self.kernel, buffer, prepared, span)
            walk.overlapping, walk.out, walk.which, walk.capacity = True, offsets, which, FIRST_MATCHES
            while True:
                walk.matches = 0
                scan.go()
                for i in range(walk.matches):
                    if offsets[i] >= bound:
                        return bound
                    bound = max(bound, offsets[i] + prepared.length_of(which[i]))
                if walk.matches < walk.capacity:
                    return bound
        finally:
            scan.release()

    def replace(self, buffer, Replacements pairs not None, tuple span not None, Py_ssize_t most):
        """Replaces each needle by what is as long, in place. Returns how many, `most` of them, or all if that is below
        0.
        """
        return replace_in_place(self.kernel, buffer, pairs, span, most)

    def substitution(self, buffer, pairs, span, most):
        """What buffer[start:end] is with needles replaced, as a Substitution to be read in blocks."""
        return Substitution(self, buffer, pairs, span, most)


cdef int take_counts(object counts, Prepared prepared, Py_buffer *room) except -1:
    take_writable(counts, room, "count_each")
    if room.len < <Py_ssize_t> (len(prepared.needles) * sizeof(int64_t)):
        PyBuffer_Release(room)
        raise ValueError("there is a place for each needle's count")
    return 0


cdef class ManyMatches:
    """A search that goes on. One thread at a time may ask it."""
    cdef Scan scan
    cdef bint running

    def find_into(self, offsets, which=None):
        """Writes the next matches into an int64 array, and into an int32 array of that length which needle each is.

        How many there were: fewer than there is room for only at the end.
        """
        cdef Py_buffer room, numbers
        cdef ManyWalk *walk = &self.scan.walk
        self.enter()
        try:
            take_writable(offsets, &room, "find_into")
            try:
                walk.out, walk.which, walk.matches = <int64_t *> room.buf, NULL, 0
                walk.capacity = room.len // <Py_ssize_t> sizeof(int64_t)
                if which is None:
                    self.scan.go()
                    return walk.matches
                take_writable(which, &numbers, "find_into")
                try:
                    if numbers.len // <Py_ssize_t> sizeof(int32_t) < walk.capacity:
                        raise ValueError("the two arrays are of one length")
                    walk.which = <int32_t *> numbers.buf
                    self.scan.go()
                    return walk.matches
                finally:
                    PyBuffer_Release(&numbers)
            finally:
                PyBuffer_Release(&room)
        finally:
            self.leave()

    cdef int enter(self) except -1:
        with cython.critical_section(self):
            if self.running:
                raise ValueError("iterator already executing")
            if not self.scan.exported:
                raise ValueError("the search was released")
            self.running = True
        return 0

    cdef int leave(self) except -1:
        with cython.critical_section(self):
            self.running = False
        return 0

    def release(self):
        """Lets go of the buffer."""
        with cython.critical_section(self):
            if self.running:
                raise ValueError("iterator already executing")
            self.scan.release()
