# Included by _many.pyx: needles made ready, and the filters for them.

# More needles than this are never in a set of the kernel's buckets, and no more than this without a sample.
cdef enum:
    MOST_IN_SET = 32
    FEW = 8
    MANY = 200

# What filters take, in hundredths of a nanosecond: a byte by a set of the kernel's buckets, a place that is looked up
# by its pair or hash, to look closer at a candidate, and at one window more in its bucket. Measured on a Zen 5; only
# the proportions matter, and those roughly.
cdef enum:
    SET_COST = 10
    PAIR_COST = 30
    HASH_COST = 50
    CANDIDATE_COST = 2000
    WINDOW_COST = 500

# A table of hashes has at least so many places for each window: so few others are taken for one that it matters little.
cdef enum:
    PLACES = 256
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
    cdef double tolerable   # see ManyWalk
    cdef Py_ssize_t filled  # how many windows there are

    def __dealloc__(self):
        cdef int k
        free(self.filter.windows)
        for k in range(self.filter.groups):
            free(self.filter.group[k].table.flags)
            free(self.filter.group[k].heads)

    cdef int fill_buckets(self, Prepared prepared, Sample *sample, int sets) except -1:
        """Needles whose windows are alike share a bucket, so that the tables of each say much."""
        cdef Py_ssize_t i, length, standing = 0
        cdef int bucket, k, byte
        cdef const Needle *needle
        cdef int width
        self.filter.by_buckets, self.filter.tables.sets = True, sets
        width = fm_window(&self.filter.tables)
        self.filter.short, self.filter.behind = -1, width - 1
        self.filter.windows = <Window *> malloc(2 * prepared.number * sizeof(Window))
        if self.filter.windows == NULL:
            raise MemoryError
        for bucket in range(8 * sets):
            self.filter.bucket[bucket] = -1
        windows = []
        for i in range(prepared.number):
            needle = &prepared.sorted[i]
            length = min(needle.length, <Py_ssize_t> width)
            offset = rarest_window(needle, <int> length, 0, 1, sample, &standing)
            windows.append((needle.bytes[offset:offset + length], i, offset))
        windows.sort()
        for number, (window, i, offset) in enumerate(windows):
            bucket = number * 8 * sets // len(windows)
            self.filter.reach = max(self.filter.reach, <Py_ssize_t> offset)
            self.add_window(&self.filter.bucket[bucket], i, offset)
            if len(window) < width:
                self.add_window(&self.filter.short, i, 0)
            for k in range(width):
                if k < len(window):
                    self.add_byte(k, window[k], bucket)
                    if prepared.fold and b"a"[0] <= window[k] <= b"z"[0]:
                        self.add_byte(k, window[k] - 0x20, bucket)
                    continue
                for byte in range(0, 256, 17):  # any byte: each half once
                    self.add_byte(k, byte, bucket)
        return 0

    cdef void add_byte(self, int k, int byte, int bucket) noexcept:
        self.filter.tables.low[bucket >> 3][k][byte & 15] |= 1 << (bucket & 7)
        self.filter.tables.high[bucket >> 3][k][byte >> 4] |= 1 << (bucket & 7)

    cdef Py_ssize_t cost(self, const fm_kernel *kernel, Sample *sample) noexcept:
        """What the kernel's buckets take on the sample."""
        cdef fm_candidate[CANDIDATES_AT_ONCE] candidates
        cdef size_t scanned, listed, i
        cdef Py_ssize_t at = 0, found = 0, looked = 0
        cdef Py_ssize_t windows = PIECES * sample.piece - fm_window(&self.filter.tables) + 1
        while at < windows:
            listed = kernel.many(sample.bytes + at, windows - at, &self.filter.tables, candidates, CANDIDATES_AT_ONCE,
                                 &scanned)
            found += listed
            for i in range(listed):
                looked += self.windows_in(candidates[i].buckets)
            at += scanned
        return self.filter.tables.sets * SET_COST * windows + CANDIDATE_COST * found + WINDOW_COST * looked

    cdef Py_ssize_t windows_in(self, uint32_t buckets) noexcept:
        cdef Py_ssize_t number = 0
        cdef int32_t head
        cdef int bucket = 0
        while buckets:
            head = self.filter.bucket[bucket] if buckets & 1 else -1
            while head >= 0:
                number += 1
                head = self.filter.windows[head].next
            buckets >>= 1
            bucket += 1
        return number

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
            group.bytes, group.table.hashed, group.table.stride = bytes, bytes == 4, stride
            bits = 16
            if group.table.hashed:
                bits = FEWEST_BITS
                while bits < MOST_BITS and PLACES * stride * <Py_ssize_t> len(members) > 1 << bits:
                    bits += 1
                group.table.fold = 0x20202020u if prepared.fold else 0
            group.table.shift = 32 - bits
            group.table.flags = <uint8_t *> calloc(1 << bits, 1)
            group.heads = <int32_t *> malloc((<size_t> 1 << bits) * sizeof(int32_t))
            self.filter.groups += 1
            if group.table.flags == NULL or group.heads == NULL:
                raise MemoryError
            for i in members:
                if prepared.sorted[i].length == 1:
                    self.add_any_pair(group, i, prepared.sorted[i].bytes[0])
                    if prepared.fold and c'a' <= prepared.sorted[i].bytes[0] <= c'z':
                        self.add_any_pair(group, i, prepared.sorted[i].bytes[0] - 0x20)
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
        if group.table.hashed or not prepared.fold:
            self.add_place(group, window, needle, offset)
            return
        seen = []
        for cases in range(4):
            for k in range(2):
                pair[k] = window[k] - 0x20 if cases >> k & 1 and c'a' <= window[k] <= c'z' else window[k]
            if fm_pair(pair) not in seen:
                seen.append(fm_pair(pair))
                self.add_place(group, pair, needle, offset)

    cdef void add_any_pair(self, Group *group, Py_ssize_t needle, uint8_t first) noexcept:
        """Adds a needle of one byte, with whatever stands behind it."""
        cdef uint8_t[2] pair
        cdef int second
        for second in range(256):
            pair[0], pair[1] = first, <uint8_t> second
            self.add_place(group, pair, needle, 0)

    cdef void add_place(self, Group *group, const uint8_t *window, Py_ssize_t needle, Py_ssize_t offset) noexcept:
        cdef uint32_t place = fm_place(&group.table, window)
        if not group.table.flags[place]:
            group.heads[place] = -1
        group.table.flags[place] = 1
        self.add_window(&group.heads[place], needle, offset)

    cdef void add_window(self, int32_t *head, Py_ssize_t needle, Py_ssize_t offset) noexcept:
        cdef Window *window = &self.filter.windows[self.filled]
        window.needle, window.offset, window.next = <int32_t> needle, <int32_t> offset, head[0]
        head[0] = <int32_t> self.filled
        self.filled += 1

    cdef void tell_windows(self, Prepared prepared, Sample *sample) noexcept:
        """Finds by which bytes of its needle each window is told."""
        cdef Py_ssize_t i, rarest = 0, standing = 0
        cdef int32_t known = -1
        cdef const Needle *needle = NULL
        for i in range(self.filled):
            if self.filter.windows[i].needle != known:  # those of a needle come together
                known = self.filter.windows[i].needle
                needle = &prepared.sorted[known]
                rarest = rarest_window(needle, <int> min(needle.length, <Py_ssize_t> 4), 0, 1, sample, &standing)
            set_window(&self.filter.windows[i], needle, rarest, prepared.fold)


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
    """Needles made ready: what all searches for them read. It doesn't change, but for what is made when it is needed.
    """
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

    cdef Py_ssize_t length_of(self, int32_t index) noexcept:
        return self.sorted[self.by_index[index]].length

    cdef TextFilter filter_for(self, const fm_kernel *kernel):
        """The filter that there is, made by what is common in most texts if there is none yet."""
        made = self.filters.get(<uintptr_t> kernel)
        return self.make_filter(kernel, &NO_SAMPLE) if made is None else made

    cdef TextFilter make_filter(self, const fm_kernel *kernel, Sample *sample):
        """The filter that takes least on a sample."""
        cdef TextFilter made = None, filter
        cdef Py_ssize_t least = PY_SSIZE_T_MAX, cost
        cdef int most, sets
        best = None
        for sets in (1, 2, 4):
            if kernel.many == NULL or self.number > (MOST_IN_SET * sets if sample.piece else FEW * (sets == 1)):
                continue
            filter = TextFilter.__new__(TextFilter)
            filter.fill_buckets(self, sample, sets)
            cost = filter.cost(kernel, sample) if sample.piece else 0
            if cost < least:
                least, made = cost, filter
        for hashed, most in OPTIONS:
            PyErr_CheckSignals()  # for many thousands of needles each takes a tenth of a second
            groups = groups_of(self, hashed, most)
            cost = cost_of(self, sample, groups) if sample.piece else most + (self.number > MANY) * (2 - hashed)
            if cost < least:
                least, best = cost, groups
        if best is not None:
            made = TextFilter.__new__(TextFilter)
            made.fill_flags(self, sample, best)
        made.tell_windows(self, sample)
        if sample.piece:
            made.by_sample = True
            made.tolerable = least / (<double> CANDIDATE_COST * PIECES * sample.piece)
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
