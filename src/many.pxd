"""The walk for many needles: from candidates to matches, block by block. _many.pyx makes what it reads.

What stands in a block is found by a filter, as `filter.pxd` describes, and verified. Where candidates are so many that
this takes longer than reading each byte, the block is read by an automaton instead: so it takes linear time for all
needles and texts. Either way a block gives a list of all that stands in it, of which those are taken that are wanted.
"""
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport qsort
from automaton cimport *
from capi cimport *
from filter cimport *
from guard cimport *
from memory cimport *
from scan cimport *

# Starts that are looked at at a time: what is found of them stays in a core's first caches.
cdef enum:
    MANY_BLOCK = 1 << 15
    FIRST_BLOCK = 1 << 10

# Room for what is found in a block. What has no room is found by the automaton, piece by piece; or in smaller blocks,
# where there is no memory for an automaton.
cdef enum:
    ROOM = 1 << 12

# So many blocks are left to the automaton when one was too dense for the filter; twice as many the next time.
cdef enum:
    FEWEST_DENSE = 4
    MOST_DENSE = 256

# A filter that was made without a sample of a text is given up for one with it where there is so much to scan. Any is
# given up when too many candidates were false: so many and more for each needle, for a filter for many takes time to
# make; and the next time four times as many.
cdef enum:
    SAMPLE_WORTHWHILE = 1 << 20
    FALSE_CANDIDATES = 1 << 12
    FALSE_FOR_EACH = 1 << 6

# What a step answers besides: a filter by a sample of the text is needed, or the automaton.
cdef enum:
    NEEDS_SAMPLE = 3
    NEEDS_AUTOMATON = 4

cdef struct ManyWalk:
    const fm_kernel *kernel
    const Needle *needles       # sorted by length, the longest first
    const int32_t *by_index     # which of them is each of the caller's
    const Filter *filter
    const Automaton *automaton  # NULL until it is needed
    const uint8_t *hay
    Py_ssize_t position         # all starts before it are done
    Py_ssize_t until            # where starts end,
    Py_ssize_t stop             # and what may be read
    Py_ssize_t last             # the start of the match that was taken last
    Py_ssize_t next_start       # where matches may start that overlap none before
    Py_ssize_t block            # how many starts to look at next
    bint overlapping
    bint fold
    bint sampled                # whether the filter was made by a sample, perhaps of another text
    Py_ssize_t wasted, patience  # how many candidates were false with it, and how many may be, besides
    double tolerable            # so many a byte, which take as long as all of it was thought to take, by the sample,
    Py_ssize_t sampled_at       # from here on
    bint patient                # whether there is no automaton to be had: the filter takes as long as it takes
    Py_ssize_t room             # how much there is in `found`
    Py_ssize_t dense, more_dense  # blocks that are left to the automaton, and how many the next time
    int64_t *out                # where matches are written, NULL where they aren't wanted,
    int32_t *which              # which needle each is,
    int64_t *counts             # and how often each stands there
    Py_ssize_t matches, capacity
    uint64_t *found             # what stands in the block, start << 32 | order; see `order_of`
    Py_ssize_t base             # what these starts are relative to
    Py_ssize_t listed, given
    int32_t *rows               # what the automaton has found to start at each place from `base` on, -1 for nothing
    Py_ssize_t rows_read, rows_given

cdef inline uint64_t order_of(const ManyWalk *walk, int32_t needle) noexcept nogil:
    """How needles that start together are ordered: by their numbers, or the longest first where only that is taken."""
    return <uint64_t> (walk.needles[needle].index if walk.overlapping else needle)

cdef inline int many_step(void *context) noexcept nogil:
    """One block: DONE at the end, FULL when `capacity` matches are found, MORE, or what is needed to go on."""
    cdef ManyWalk *walk = <ManyWalk *> context
    cdef Py_ssize_t end
    take_found(walk)
    while walk.given == walk.listed and walk.rows_given < walk.rows_read and walk.matches < walk.capacity:
        list_rows(walk)
        take_found(walk)
    if walk.matches == walk.capacity:
        return FULL
    if not walk.overlapping and walk.position < walk.next_start:
        walk.position = walk.next_start
    if walk.position >= walk.until:
        return DONE
    if wants_sample(walk, walk.until - walk.position):
        return NEEDS_SAMPLE
    end = min(walk.position + walk.block, walk.until)
    walk.listed = walk.given = 0
    walk.base = walk.position
    if walk.dense > 0 or not filter_block(walk, end):
        walk.listed = 0  # what the filter has found is not all
        if walk.patient:
            walk.block = max((end - walk.position) // 2, 1)
            if end - walk.position == 1:
                walk.position = end  # there is room for all that may start at one place, but where a text changes
            return MORE
        if walk.automaton == NULL:
            return NEEDS_AUTOMATON
        if walk.dense == 0:
            walk.dense = walk.more_dense
            walk.more_dense = min(2 * walk.more_dense, <Py_ssize_t> MOST_DENSE)
        walk.dense -= 1
        end = min(walk.position + walk.automaton.block, walk.until)
        read_rows(walk, end)
    else:
        sort_found(walk.found, walk.listed)
    walk.position = end
    walk.block = min(4 * walk.block, <Py_ssize_t> MANY_BLOCK)
    return MORE

cdef inline Py_ssize_t reached(const ManyWalk *walk) noexcept nogil:
    """No match that overlaps none before, and hasn't been taken, starts before this place."""
    cdef Py_ssize_t at = walk.position
    if walk.given < walk.listed:
        at = walk.base + <Py_ssize_t> (walk.found[walk.given] >> 32)
    elif walk.rows_given < walk.rows_read:
        at = walk.base + walk.rows_given
    return max(at, walk.next_start)

cdef inline bint wants_sample(const ManyWalk *walk, Py_ssize_t left) noexcept nogil:
    if left >= SAMPLE_WORTHWHILE and not walk.sampled:
        return True
    return left >= 2 * MANY_BLOCK and walk.wasted > walk.patience + <Py_ssize_t> (
        walk.tolerable * <double> (walk.position - walk.sampled_at))

# --- by the filter ---

cdef inline bint filter_block(ManyWalk *walk, Py_ssize_t end) noexcept nogil:
    """Lists all that starts in [position, end). False where there is too much of it."""
    cdef Py_ssize_t effort = PY_SSIZE_T_MAX if walk.patient else (end - walk.position) // 4 + 256
    cdef int k
    if walk.filter.by_buckets:
        if not filter_by_buckets(walk, end, &effort):
            return False
    for k in range(walk.filter.groups):
        if not filter_by_flags(walk, &walk.filter.group[k], end, &effort):
            return False
    return walk.filter.short < 0 or filter_the_end(walk, end, &effort)

cdef inline bint filter_the_end(ManyWalk *walk, Py_ssize_t end, Py_ssize_t *effort) noexcept nogil:
    """What is shorter than a window may stand behind the last of them."""
    cdef Py_ssize_t at = max(walk.position, walk.stop - walk.filter.behind)
    while at < end:
        if not verify(walk, at, walk.filter.short, end, effort):
            return False
        at += 1
    return True

cdef inline bint verify(
    ManyWalk *walk, Py_ssize_t window, int32_t head, Py_ssize_t end, Py_ssize_t *effort,
) noexcept nogil:
    """Lists the needles of a bucket, or of a hash, that stand around a window. False where that has become too much."""
    cdef const Window *windows = walk.filter.windows
    cdef const Window *each
    cdef const Needle *needle
    cdef const uint8_t *hay = walk.hay
    cdef Py_ssize_t start, position = walk.position, stop = walk.stop, listed = walk.listed, cost = 0
    cdef size_t agreed
    while head >= 0:
        each = &windows[head]
        head = each.next
        cost += 1
        if not may_stand(each, hay, window, position, stop):
            continue
        needle = &walk.needles[each.needle]
        start = window - each.offset
        if start < position or start >= end or start + needle.length > stop:
            continue
        agreed = fm_agree(hay + start, needle.bytes, needle.length, walk.fold)
        cost += <Py_ssize_t> agreed >> 4
        if agreed == <size_t> needle.length:
            if listed == walk.room:
                return False
            walk.found[listed] = <uint64_t> (start - walk.base) << 32 | order_of(walk, each.needle)
            listed += 1
    walk.wasted += listed == walk.listed
    walk.listed = listed
    effort[0] -= cost
    return effort[0] >= 0

cdef inline bint filter_by_buckets(ManyWalk *walk, Py_ssize_t end, Py_ssize_t *effort) noexcept nogil:
    cdef fm_candidate[CANDIDATES_AT_ONCE] candidates
    cdef size_t listed, scanned, i
    cdef uint32_t buckets
    cdef int bucket
    cdef Py_ssize_t at = walk.position
    cdef Py_ssize_t until = min(end + walk.filter.reach, walk.stop - fm_window(&walk.filter.tables) + 1)
    while at < until:
        listed = walk.kernel.many(
            walk.hay + at, until - at, &walk.filter.tables, candidates, CANDIDATES_AT_ONCE, &scanned,
        )
        for i in range(listed):
            buckets = candidates[i].buckets
            bucket = 0
            while buckets:
                if buckets & 1 and not verify(walk, at + candidates[i].window, walk.filter.bucket[bucket], end, effort):
                    return False
                buckets >>= 1
                bucket += 1
        at += scanned
    return True

cdef inline bint filter_by_flags(ManyWalk *walk, const Group *group, Py_ssize_t end, Py_ssize_t *effort) noexcept nogil:
    cdef uint32_t[CANDIDATES_AT_ONCE] places
    cdef size_t listed, i
    cdef uint32_t place
    cdef Py_ssize_t scanned, window, stride = group.table.stride
    cdef Py_ssize_t at = walk.position + (stride - walk.position % stride) % stride
    cdef Py_ssize_t until = min(end + group.reach, walk.stop - group.bytes + 1)
    while at < until:
        listed = fm_list_flags(&group.table, walk.hay + at, until - at, places, CANDIDATES_AT_ONCE, &scanned)
        for i in range(listed):
            window = at + places[i]
            place = fm_place(&group.table, walk.hay + window)
            # The text may have changed meanwhile, and a place without a flag has no head.
            if group.table.flags[place] and not verify(walk, window, group.heads[place], end, effort):
                return False
        at += scanned
    return True

# --- by the automaton ---

cdef inline int32_t state_before(const ManyWalk *walk, Py_ssize_t at) noexcept nogil:
    """The automaton's state when it comes to what ends at `at`: it has read as far behind that as a needle may reach.
    """
    cdef const Automaton *automaton = walk.automaton
    cdef Py_ssize_t i = min(at + automaton.longest_needle - 1, walk.stop)
    cdef int32_t state = 0
    while i > at:
        i -= 1
        state = automaton.next[state + automaton.byte_class[walk.hay[i]]]
    return state

cdef inline void read_rows(ManyWalk *walk, Py_ssize_t end) noexcept nogil:
    """Reads the block right to left, in four quarters at once: a state waits for the one before, and memory for none.
    """
    cdef const Automaton *automaton = walk.automaton
    cdef const int32_t *next = automaton.next
    cdef const uint8_t *byte_class = <const uint8_t *> automaton.byte_class
    cdef const uint8_t *hay = walk.hay + walk.position
    cdef int32_t *rows = walk.rows
    cdef Py_ssize_t size = end - walk.position, quarter = size // 4, i = size - 3 * quarter
    cdef int32_t classes = automaton.classes
    cdef int32_t first = state_before(walk, walk.position + quarter)
    cdef int32_t second = state_before(walk, walk.position + 2 * quarter)
    cdef int32_t third = state_before(walk, walk.position + 3 * quarter), fourth = state_before(walk, end)
    cdef const uint8_t *hay_second = hay + quarter
    cdef const uint8_t *hay_third = hay + 2 * quarter
    cdef const uint8_t *hay_fourth = hay + 3 * quarter
    while i > quarter:
        i -= 1
        fourth = next[fourth + byte_class[hay_fourth[i]]]
        rows[3 * quarter + i] = next[fourth + classes]
    while i > 0:
        i -= 1
        first = next[first + byte_class[hay[i]]]
        second = next[second + byte_class[hay_second[i]]]
        third = next[third + byte_class[hay_third[i]]]
        fourth = next[fourth + byte_class[hay_fourth[i]]]
        rows[i] = next[first + classes]
        rows[quarter + i] = next[second + classes]
        rows[2 * quarter + i] = next[third + classes]
        rows[3 * quarter + i] = next[fourth + classes]
    walk.rows_read, walk.rows_given = size, 0

cdef inline void list_rows(ManyWalk *walk) noexcept nogil:
    """Lists what the rows say, as much as there is room for. Without `overlapping` that is the longest of those that
    start together, and on behind it."""
    cdef const Automaton *automaton = walk.automaton
    cdef const int32_t *rows = walk.rows
    cdef uint64_t *found = walk.found
    cdef Py_ssize_t i = walk.rows_given, read = walk.rows_read, listed = 0, first, room = walk.room
    cdef int32_t row, needle
    if not walk.overlapping:
        i = max(i, min(walk.next_start - walk.base, read))
        while i < read and listed < room:
            row = rows[i]
            if row < 0:
                i += 1
                continue
            needle = automaton.needle[row]
            found[listed] = <uint64_t> i << 32 | <uint64_t> needle
            listed += 1
            i += walk.needles[needle].length
        i = min(i, read)
    else:
        room -= automaton.most_together
        while i < read and listed <= room:
            row, first = rows[i], listed
            while row >= 0:
                found[listed] = <uint64_t> i << 32 | order_of(walk, automaton.needle[row])
                listed += 1
                row = automaton.link[row]
            if listed - first > 1:
                sort_found(found + first, listed - first)
            i += 1
    walk.rows_given, walk.listed, walk.given = i, listed, 0

# --- what was found ---

cdef inline void take_found(ManyWalk *walk) noexcept nogil:
    """Takes what is wanted of what was listed, as much as there is room for."""
    cdef const uint64_t *found = walk.found
    cdef const Needle *needles = walk.needles
    cdef const Needle *each
    cdef int64_t *out = walk.out
    cdef int32_t *which = walk.which
    cdef int64_t *counts = walk.counts
    cdef Py_ssize_t given = walk.given, listed = walk.listed, matches = walk.matches, capacity = walk.capacity
    cdef Py_ssize_t start, base = walk.base, next_start = walk.next_start, last = walk.last
    cdef bint overlapping = walk.overlapping
    cdef int32_t order
    while given < listed and matches < capacity:
        start, order = base + <Py_ssize_t> (found[given] >> 32), <int32_t> (found[given] & 0xffffffffu)
        given += 1
        each = &needles[walk.by_index[order] if overlapping else order]
        if not overlapping:
            if start < next_start:
                continue
            next_start = start + each.length
        last = start
        if out != NULL:
            out[matches] = start
        if which != NULL:
            which[matches] = each.index
        if counts != NULL:
            counts[each.index] += 1
        matches += 1
    walk.given, walk.matches, walk.next_start, walk.last = given, matches, next_start, last

cdef inline int compare_found(const void *one, const void *other) noexcept nogil:
    cdef uint64_t a = (<const uint64_t *> one)[0], b = (<const uint64_t *> other)[0]
    return (a > b) - (a < b)

cdef inline void sort_found(uint64_t *found, Py_ssize_t number) noexcept nogil:
    """Windows come in order, and starts nearly so: what is moved far is left to qsort."""
    cdef Py_ssize_t i, j, moves = 8 * number
    cdef uint64_t each
    for i in range(1, number):
        each = found[i]
        j = i
        while j > 0 and found[j - 1] > each:
            found[j] = found[j - 1]
            j -= 1
        found[j] = each
        moves -= i - j
        if moves < 0:
            qsort(found, number, sizeof(uint64_t), &compare_found)
            return
