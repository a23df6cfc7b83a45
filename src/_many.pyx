# cython: binding=False, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""Search for many needles at once. Its definition is fastmmap/reference/many.py."""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
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
from scan cimport *
from steps cimport *

cdef fm_guard guarded = import_guard()
cdef fm_question contested = import_contested()

# More needles than this are never in the kernel's buckets, and no more than this without a sample.
cdef enum:
    MOST_IN_BUCKETS = 64
    FEW = 8
    MANY = 200

# What filters take, in hundredths of a nanosecond: a byte by the kernel's buckets, a place that is looked up by its pair
# or hash, and to look closer at a candidate. Measured on a Zen 5; only the proportions matter, and those roughly.
cdef enum:
    BUCKETS_COST = 10
    PAIR_COST = 30
    HASH_COST = 60
    CANDIDATE_COST = 800

# A table of hashes has at least so many places for each window, that few others are taken for one.
cdef enum:
    PLACES = 64
    FEWEST_BITS = 12
    MOST_BITS = 20


# The filters by flags that are tried on a sample: whether by hashes, and at each how many places at most.
cdef tuple OPTIONS = ((False, 1), (False, 2), (False, 3), (True, 1), (True, 2), (True, 3), (True, 4), (True, 8))


cdef class TextFilter:
    """A filter for some needles, for a kind of text."""
    cdef Filter filter
    cdef bint by_sample
    cdef Py_ssize_t filled  # how many windows there are

    def __dealloc__(self):
        cdef int k
        free(self.filter.windows)
        for k in range(self.filter.groups):
            free(self.filter.group[k].flags)
            free(self.filter.group[k].heads)

    cdef int fill_buckets(self, Prepared prepared, Sample *sample) except -1:
        """Needles whose windows are alike share a bucket, so that the tables of each say much."""
        cdef Py_ssize_t i, length, standing = 0
        cdef int bucket, k, byte
        cdef int32_t place = 0
        cdef const Needle *needle
        self.filter.by_buckets = True
        self.filter.short, self.filter.behind = -1, FM_WINDOW - 1
        self.filter.windows = <Window *> malloc(2 * prepared.number * sizeof(Window))
        if self.filter.windows == NULL:
            raise MemoryError
        for bucket in range(8):
            self.filter.bucket[bucket] = -1
        windows = []
        for i in range(prepared.number):
            needle = &prepared.sorted[i]
            length = min(needle.length, <Py_ssize_t> FM_WINDOW)
            offset = rarest_window(needle, <int> length, 0, 1, sample, &standing)
            windows.append((needle.bytes[offset:offset + length], i, offset))
        windows.sort()
        for number, (window, i, offset) in enumerate(windows):
            bucket = number * 8 // len(windows)
            self.filter.reach = max(self.filter.reach, <Py_ssize_t> offset)
            self.filter.windows[place] = Window(needle=i, offset=offset, next=self.filter.bucket[bucket])
            self.filter.bucket[bucket] = place
            place += 1
            if len(window) < FM_WINDOW:
                self.filter.windows[place] = Window(needle=i, offset=0, next=self.filter.short)
                self.filter.short = place
                place += 1
            for k in range(FM_WINDOW):
                if k < len(window):
                    self.add(k, window[k], bucket)
                    if prepared.fold and b"a"[0] <= window[k] <= b"z"[0]:
                        self.add(k, window[k] - 0x20, bucket)
                    continue
                for byte in range(16):
                    self.filter.tables.low[k][byte] |= 1 << bucket
                    self.filter.tables.high[k][byte] |= 1 << bucket
        return 0

    cdef void add(self, int k, int byte, int bucket) noexcept:
        self.filter.tables.low[k][byte & 15] |= 1 << bucket
        self.filter.tables.high[k][byte >> 4] |= 1 << bucket

    cdef Py_ssize_t cost(self, const fm_kernel *kernel, Sample *sample) noexcept:
        """What the kernel's buckets take on the sample."""
        cdef fm_candidate[CANDIDATES_AT_ONCE] candidates
        cdef size_t scanned
        cdef Py_ssize_t at = 0, windows = PIECES * sample.piece - FM_WINDOW + 1, found = 0
        while at < windows:
            found += kernel.many(sample.bytes + at, windows - at, &self.filter.tables, candidates, CANDIDATES_AT_ONCE,
                                 &scanned)
            at += scanned
        return BUCKETS_COST * windows + CANDIDATE_COST * found

    cdef int fill_flags(self, Prepared prepared, Sample *sample, list groups) except -1:
        """A table for each group: see `groups_of`."""
        cdef Py_ssize_t number = 0, i, offset, standing = 0
        cdef int bytes, stride, bits, k
        cdef Group *group
        self.filter.short, self.filter.behind = -1, 1
        for bytes, stride, members in groups:
            number += stride * len(members) * (4 if prepared.fold and bytes == 2 else 1)
        # One byte, in either case, has a window for each that may stand behind it; and one at the end.
        number += (2 * 256 + 1) * prepared.number_of_bytes
        self.filter.windows = <Window *> malloc(number * sizeof(Window))
        if self.filter.windows == NULL:
            raise MemoryError
        for bytes, stride, members in groups:
            group = &self.filter.group[self.filter.groups]
            memset(group, 0, sizeof(Group))
            group.hashed, group.bytes, group.stride = bytes == 4, bytes, stride
            bits = 16
            if group.hashed:
                bits = FEWEST_BITS
                while bits < MOST_BITS and PLACES * stride * <Py_ssize_t> len(members) > 1 << bits:
                    bits += 1
                group.fold = 0x20202020u if prepared.fold else 0
            group.shift = 32 - bits
            group.flags = <uint8_t *> calloc(1 << bits, 1)
            group.heads = <int32_t *> malloc((<size_t> 1 << bits) * sizeof(int32_t))
            self.filter.groups += 1
            if group.flags == NULL or group.heads == NULL:
                raise MemoryError
            for i in members:
                if prepared.sorted[i].length == 1:
                    self.add_byte(group, prepared.sorted[i].bytes[0], i)
                    if prepared.fold and c'a' <= prepared.sorted[i].bytes[0] <= c'z':
                        self.add_byte(group, prepared.sorted[i].bytes[0] - 0x20, i)
                    self.add_window(&self.filter.short, i, 0)
                    continue
                for k in range(stride):
                    offset = rarest_window(&prepared.sorted[i], bytes, k, stride, sample, &standing)
                    group.reach = max(group.reach, offset)
                    self.add_cases(group, prepared, i, offset, prepared.sorted[i].bytes + offset)
        return 0

    cdef void add_cases(self, Group *group, Prepared prepared, Py_ssize_t needle, Py_ssize_t offset,
                        const uint8_t *window) noexcept:
        """Adds a window, as pairs in upper case as well where letters match in either."""
        cdef uint8_t[2] pair
        cdef int cases, k
        cdef uint32_t place
        if group.hashed or not prepared.fold:
            self.add_place(group, place_of(group, window), needle, offset)
            return
        seen = []
        for cases in range(4):
            for k in range(2):
                pair[k] = window[k] - 0x20 if cases >> k & 1 and c'a' <= window[k] <= c'z' else window[k]
            place = fm_pair(pair)
            if place not in seen:
                seen.append(place)
                self.add_place(group, place, needle, offset)

    cdef void add_byte(self, Group *group, uint8_t first, Py_ssize_t needle) noexcept:
        """Adds a needle of one byte, with whatever stands behind it."""
        cdef uint8_t[2] pair
        cdef int second
        for second in range(256):
            pair[0], pair[1] = first, <uint8_t> second
            self.add_place(group, fm_pair(pair), needle, 0)

    cdef void add_place(self, Group *group, uint32_t place, Py_ssize_t needle, Py_ssize_t offset) noexcept:
        if not group.flags[place]:
            group.flags[place] = 1
            group.heads[place] = -1
        self.add_window(&group.heads[place], needle, offset)

    cdef void add_window(self, int32_t *head, Py_ssize_t needle, Py_ssize_t offset) noexcept:
        self.filter.windows[self.filled].needle = <int32_t> needle
        self.filter.windows[self.filled].offset = <int32_t> offset
        self.filter.windows[self.filled].next = head[0]
        head[0] = <int32_t> self.filled
        self.filled += 1


cdef list groups_of(Prepared prepared, bint hashed, int most):
    """Needles by how many bytes of their windows: that, at each how many places to look, and which they are.

    All are found by pairs; or by hashes, but for those that are shorter.
    """
    cdef Py_ssize_t i
    cdef int bytes
    groups = []
    for bytes in range(2, 5 if hashed else 3, 2):
        members = [i for i in range(prepared.number)
                   if not hashed or (prepared.sorted[i].length >= 4) == (bytes == 4)]
        if members:
            shortest = min([prepared.sorted[i].length for i in members])
            groups.append((bytes, max(1, min(most, shortest - bytes + 1)), members))
    return groups

cdef Py_ssize_t cost_of(Prepared prepared, Sample *sample, list groups) except -1:
    """What tables of flags take on the sample."""
    cdef Py_ssize_t i, standing, cost = 0, size = PIECES * sample.piece
    cdef int bytes, stride, k
    for bytes, stride, members in groups:
        standing = 0
        for i in members:
            for k in range(stride):
                rarest_window(&prepared.sorted[i], min(bytes, prepared.sorted[i].length), k, stride, sample,
                              &standing)
        # Each of so many windows stands at a place that is looked at once in `stride` times.
        cost += ((PAIR_COST if bytes == 2 else HASH_COST) * size + CANDIDATE_COST * standing) // stride
    return cost


cdef class Prepared:
    """Needles made ready: what all searches for them read. It doesn't change, but for what is made when it is needed."""
    cdef tuple needles              # in lower case where letters match in either case; equal ones are left in
    cdef Needle *sorted             # without those that are equal to an earlier one
    cdef int32_t *by_index
    cdef Py_ssize_t number, longest_needle
    cdef Py_ssize_t number_of_bytes  # how many have one alone, in either case
    cdef bint fold
    cdef dict filters               # by the name of a kernel
    cdef Automaton automaton
    cdef bint built

    def __init__(self, tuple needles not None, bint fold):
        cdef Py_ssize_t i
        cdef int32_t index
        cdef bytes each
        self.needles, self.fold = tuple([each.lower() for each in needles]) if fold else needles, fold
        first = {}
        for i, each in enumerate(self.needles):
            first.setdefault(each, i)
        self.number = len(first)
        self.sorted = <Needle *> malloc(max(self.number, 1) * sizeof(Needle))
        self.by_index = <int32_t *> malloc(max(len(self.needles), 1) * sizeof(int32_t))
        if self.sorted == NULL or self.by_index == NULL:
            raise MemoryError
        for i, (each, index) in enumerate(sorted(first.items(), key=lambda item: (-len(item[0]), item[1]))):
            self.sorted[i].bytes = <const uint8_t *> PyBytes_AS_STRING(each)
            self.sorted[i].length, self.sorted[i].index = PyBytes_GET_SIZE(each), index
            self.by_index[index] = <int32_t> i
            self.number_of_bytes += self.sorted[i].length == 1
        self.longest_needle = self.sorted[0].length if self.number else 0
        self.filters = {}

    def __dealloc__(self):
        free(self.sorted)
        free(self.by_index)
        if self.built:
            free_automaton(&self.automaton)

    def __len__(self):
        return len(self.needles)

    @property
    def longest(self):
        """How many bytes the longest needle has, 0 without one."""
        return self.longest_needle

    def length(self, Py_ssize_t index):
        """How many bytes a needle has."""
        return len(self.needles[index])

    cdef TextFilter filter_for(self, const fm_kernel *kernel):
        """The filter that there is, made by what is common in most texts if there is none yet."""
        cdef Sample *sample
        made = self.filters.get(<uintptr_t> kernel)
        if made is None:
            sample = <Sample *> calloc(1, sizeof(Sample))
            if sample == NULL:
                raise MemoryError
            try:
                made = self.make_filter(kernel, sample)
            finally:
                free(sample)
        return made

    cdef TextFilter make_filter(self, const fm_kernel *kernel, Sample *sample):
        """The filter that takes least on a sample."""
        cdef TextFilter made = TextFilter.__new__(TextFilter)
        cdef Py_ssize_t least = PY_SSIZE_T_MAX, cost
        cdef int most
        best = None
        if kernel.many != NULL and self.number <= (MOST_IN_BUCKETS if sample.piece else FEW):
            made.fill_buckets(self, sample)
            least = made.cost(kernel, sample) if sample.piece else 0
        for hashed, most in OPTIONS:
            groups = groups_of(self, hashed, most)
            cost = cost_of(self, sample, groups) if sample.piece else most + (self.number > MANY) * (2 - hashed)
            if cost < least:
                least, best = cost, groups
        if best is not None:
            made = TextFilter.__new__(TextFilter)
            made.fill_flags(self, sample, best)
        made.by_sample = sample.piece > 0
        self.filters[<uintptr_t> kernel] = made
        return made

    cdef int build(self) except -1:
        cdef Automaton automaton
        cdef bint made
        with cython.critical_section(self):
            if not self.built:
                made = build_automaton(&automaton, self.sorted, self.number, self.fold, ROOM)
                if not made:
                    free_automaton(&automaton)
                    raise MemoryError(f"the automaton for {self.number} needles doesn't fit in memory")
                self.automaton = automaton
                self.built = True
        return 0


@cython.no_gc_clear  # see Held
cdef class Scan:
    """A search for many needles in a buffer, which it holds until `release`."""
    cdef Held held
    cdef object exporter
    cdef bint exported
    cdef ManyWalk walk
    cdef Prepared prepared
    cdef TextFilter filter  # which the walk reads

    cdef int begin(self, const fm_kernel *kernel, object buffer, Prepared prepared, Py_ssize_t start, Py_ssize_t end,
                   Py_ssize_t until) except -1:
        """Takes the buffer, and sets the walk upon buffer[start:end], where matches start before `until`."""
        buffer = take_within(buffer, &self.held.view, start, end)
        if in_danger(contested, &self.held.view):
            PyBuffer_Release(&self.held.view)
            take(copy_safely(buffer), &self.held.view, PyBUF_SIMPLE)
        self.exporter = exporter_of(&self.held)
        self.exported = True
        clamp(&start, &end, self.held.view.len)
        self.prepared = prepared
        self.walk.kernel, self.walk.needles, self.walk.by_index = kernel, prepared.sorted, prepared.by_index
        self.walk.hay = <const uint8_t *> self.held.view.buf
        self.walk.position = self.walk.next_start = start
        self.walk.stop = end
        self.walk.until = min(until, end) if prepared.number else start
        self.walk.fold = prepared.fold
        self.walk.block, self.walk.more_dense = FIRST_BLOCK, FEWEST_DENSE
        self.walk.capacity = PY_SSIZE_T_MAX
        self.walk.last = -1
        if self.walk.position >= self.walk.until:
            return 0
        self.filter = prepared.filter_for(kernel)
        self.walk.filter, self.walk.sampled = &self.filter.filter, self.filter.by_sample
        self.walk.found = <uint64_t *> malloc(ROOM * sizeof(uint64_t))
        if self.walk.found == NULL:
            raise MemoryError
        if prepared.built:
            self.use_automaton()
        return 0

    cdef int go(self) except -1:
        """Walks on until the end, or until there is no room for more results."""
        cdef Watch watching
        cdef ManyWalk *walk = &self.walk
        cdef int answer = MORE
        while True:
            watch(&watching, <void *> self.held.view.obj, self.held.view.buf, walk.hay + walk.position,
                  max(walk.stop - walk.position, 0))
            watching.position, watching.reach = &walk.position, self.prepared.longest_needle
            answer = drive(guarded, many_step, walk, walk.until - walk.position, &watching)
            if answer == NEEDS_SAMPLE:
                self.take_sample()
            elif answer == NEEDS_AUTOMATON:
                self.prepared.build()
                self.use_automaton()
            else:
                return answer

    cdef int take_sample(self) except -1:
        """Has the filter made anew, by what stands where the walk has come to."""
        cdef Watch watching
        cdef ManyWalk *walk = &self.walk
        cdef Sample *sample = <Sample *> calloc(1, sizeof(Sample))
        if sample == NULL:
            raise MemoryError
        try:
            sample.hay, sample.size = walk.hay + walk.position, min(walk.stop - walk.position, <Py_ssize_t> SAMPLE_BYTES)
            watch(&watching, <void *> self.held.view.obj, self.held.view.buf, sample.hay, sample.size)
            drive(guarded, copy_sample, sample, sample.size // SHARE, &watching)
            count_windows(sample, walk.fold)
            self.filter = self.prepared.make_filter(walk.kernel, sample)
        finally:
            free(sample)
        walk.filter = &self.filter.filter
        walk.sampled, walk.wasted = True, 0
        return 0

    cdef int use_automaton(self) except -1:
        cdef Automaton *automaton = &self.prepared.automaton
        cdef void *found = realloc(self.walk.found, automaton.room * sizeof(uint64_t))
        if found == NULL:
            raise MemoryError
        self.walk.found = <uint64_t *> found
        self.walk.rows = <int32_t *> malloc(automaton.block * sizeof(int32_t))
        if self.walk.rows == NULL:
            raise MemoryError
        self.walk.automaton = automaton
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

    def workers(self, buffer, threads, Py_ssize_t start):
        """How many threads work on a large buffer, from an offset on."""
        cdef Py_buffer view
        take_readable(buffer, &view)
        try:
            return workers(threads, &view, min(start, view.len), view.len)
        finally:
            PyBuffer_Release(&view)

    def find_first(self, buffer, Prepared prepared not None, Py_ssize_t start, Py_ssize_t end, Py_ssize_t until):
        """The offset at which the first match starts, or -1. It starts in [start, until), and ends at `end` at most."""
        cdef Scan scan = Scan.__new__(Scan)
        try:
            scan.begin(self.kernel, buffer, prepared, start, end, until)
            scan.walk.capacity = 1
            scan.go()
            return scan.walk.last
        finally:
            scan.release()

    def find_last(self, buffer, Prepared prepared not None, Py_ssize_t start, Py_ssize_t end, Py_ssize_t until):
        """The offset at which the last one of all that stand there starts, or -1."""
        cdef Scan scan = Scan.__new__(Scan)
        cdef Py_ssize_t high, reach = FIRST_BLOCK
        try:
            scan.begin(self.kernel, buffer, prepared, start, end, until)
            scan.walk.overlapping = True
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

    def count_all(self, buffer, Prepared prepared not None, Py_ssize_t start, Py_ssize_t end, Py_ssize_t until,
                  bint overlapping, counts=None):
        """How many matches there are. Adds those of each needle to its place in an int64 array, if there is one."""
        cdef Scan scan = Scan.__new__(Scan)
        cdef Py_buffer room
        cdef bint given = counts is not None
        if given:
            take_counts(counts, prepared, &room)
        try:
            scan.begin(self.kernel, buffer, prepared, start, end, until)
            scan.walk.overlapping = overlapping
            scan.walk.counts = <int64_t *> room.buf if given else NULL
            scan.go()
            return scan.walk.matches
        finally:
            scan.release()
            if given:
                PyBuffer_Release(&room)

    def scan(self, buffer, Prepared prepared not None, Py_ssize_t start, Py_ssize_t end, Py_ssize_t until,
             bint overlapping):
        """What finds the matches from left to right, as many at a time as it is given room for."""
        cdef ManyMatches found = ManyMatches.__new__(ManyMatches)
        found.scan = Scan.__new__(Scan)
        found.scan.begin(self.kernel, buffer, prepared, start, end, until)
        found.scan.walk.overlapping = overlapping
        return found


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
        with cython.critical_section(self):
            if self.running:
                raise ValueError("iterator already executing")
            self.running = True
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
            self.running = False

    def release(self):
        """Lets go of the buffer."""
        self.scan.release()
