# Included by _many.pyx: needles made ready, and the filters for them.

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
    MOST_BITS = 24


# Nothing was counted in it, and its piece is 0.
cdef Sample NO_SAMPLE

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
    cdef bint built, too_large

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
        made = self.filters.get(<uintptr_t> kernel)
        return self.make_filter(kernel, &NO_SAMPLE) if made is None else made

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

    cdef bint is_built(self) except -1:
        with cython.critical_section(self):
            return self.built

    cdef bint build(self) except -1:
        """Makes the automaton, once. False where there is no memory for it."""
        cdef Automaton automaton
        with cython.critical_section(self):
            if not self.built and not self.too_large:
                if build_automaton(&automaton, self.sorted, self.number, self.fold, ROOM):
                    self.automaton = automaton
                    self.built = True
                else:
                    free_automaton(&automaton)
                    self.too_large = True
        return self.built
