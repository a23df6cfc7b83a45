"""The walk: from a kernel's candidates to the matches that were asked for. Every verb that searches is a walk.

A walk is resumable: each step looks at up to STEP_BYTES starts, and what it needs to go on stands in the struct.

The candidates of a needle that is all probes are its matches. A longer one's are verified, and what failed attempts
cost is paid from a budget which grows with the bytes that are scanned. Once it is spent the walk turns to Two-Way, so
it takes linear time for every needle.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy
from arguments cimport *
from capi cimport *
from guard cimport *
from memory cimport *
from probes cimport *
from scan cimport *
from steps cimport *
from twoway cimport *

# Room for candidates on the stack: 4 KiB. A thread may have a stack of 32 KiB, of which a signal's frame takes up to
# 12.
cdef enum:
    CANDIDATES = 1024

# A failed attempt costs as much as scanning so many bytes, and what it compared besides. The budget never exceeds
# MOST_BUDGET, so that no step takes much longer than others.
cdef enum:
    ATTEMPT_COST = 64
    FIRST_BUDGET = 1 << 13
    MOST_BUDGET = 1 << 20

# Two-Way that has moved its window by so many bytes tries the next window at once, and so does a row of matches: that
# costs no more than listing the candidates between, which are many then.
cdef enum:
    LEAP = 16

# Probes are chosen by a sample where so much is left to scan that it costs next to nothing; and anew, of what comes
# next, when so many groups of starts were worth a closer look for nothing: that has cost as much as the choice. Where
# that comes soon again, one in RARE bytes, twice as many are let pass the next time. The first probes are watched from
# step to smaller step.
cdef enum:
    CHOOSE_ABOVE = 1 << 22
    PATIENCE = 1 << 8
    RARE = 1 << 11
    WATCHED_BYTES = 1 << 16

# A search for one match looks at so many starts byte by byte before it sets a kernel to work, and no longer than the
# first byte of the needle has stood at so many of them.
cdef enum:
    GLANCE = 64
    GLANCES = 4

# How far below a backward scan its file is read, where it isn't in the page cache. The system reads ahead of forward
# scans alone: a cold GiB took rfind 0.71 s without this.
cdef enum:
    READ_BEFORE = 1 << 23

cdef struct Walk:
    const fm_kernel *kernel
    fm_needle needle
    const uint8_t *hay      # offsets are relative to it
    Py_ssize_t position     # forward: the first start not looked at; backward: one above the last
    Py_ssize_t stop         # forward: one above the last start that can hold the needle; backward: the first start
    Py_ssize_t next_start   # in the walk's direction, the first start that matches and attempts so far leave open
    bint overlapping        # forward: whether matches that overlap another one count too
    int64_t *out            # forward: where matches are written; NULL where only their number is wanted
    int64_t added           # to each start that is written to out
    Py_ssize_t matches      # forward: how many there are; never more than `capacity`
    Py_ssize_t capacity
    Py_ssize_t match        # backward: the last match, -1 until it is known
    size_t batch            # candidates to ask for at once: few at first, so that an early match ends the walk early
    bint glancing           # one match is wanted, and may be near
    bint chosen             # whether the probes were chosen by a sample
    Py_ssize_t chosen_at    # where
    Py_ssize_t wasted       # groups of starts that were looked at closer for nothing, since then
    Py_ssize_t patience     # how many may be, before the probes are chosen anew
    Py_ssize_t budget       # what failed attempts may still cost
    bint linear             # whether it was spent: `way` is set then
    TwoWay way

cdef inline bint certain(const Walk *walk) noexcept nogil:
    """Whether a candidate is a match."""
    return walk.needle.probes == walk.needle.length

cdef inline void begin(Walk *walk, const fm_kernel *kernel, bytes needle, bint fold, bint overlapping) noexcept:
    """`needle` must stay alive as long as the walk, and be in lower case when fold is set. It has a byte or more."""
    cdef size_t length = PyBytes_GET_SIZE(needle)
    walk.kernel = kernel
    walk.needle.bytes = <const uint8_t *> PyBytes_AS_STRING(needle)
    walk.needle.length = length
    walk.needle.fold = fold
    spread_probes(&walk.needle)
    walk.overlapping = overlapping
    walk.needle.apart = False
    if not overlapping and length <= FM_PROBES:
        find_periods(&walk.needle)
    walk.out = NULL
    walk.added = 0
    walk.matches = 0
    walk.capacity = PY_SSIZE_T_MAX
    walk.batch = FM_STEP
    walk.glancing = False
    walk.chosen = length <= 2
    walk.wasted = walk.chosen_at = 0
    walk.patience = <Py_ssize_t> PATIENCE if length > 2 else PY_SSIZE_T_MAX
    walk.budget = FIRST_BUDGET
    walk.linear = False

cdef inline bint over(Walk *walk, const Py_buffer *view, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Sets a walk upon view[start:end], forwards. False when the needle can't stand in there."""
    clamp(&start, &end, view.len)
    walk.hay = <const uint8_t *> view.buf
    walk.position = walk.next_start = start
    walk.stop = end - <Py_ssize_t> walk.needle.length + 1
    return walk.position < walk.stop

cdef inline bint over_backward(Walk *walk, const Py_buffer *view, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """The same from the end."""
    cdef bint possible = over(walk, view, start, end)
    walk.position, walk.stop = walk.stop, walk.position
    walk.next_start = walk.position - 1
    walk.match = -1
    return possible

cdef inline void watch_walk(Watch *watching, const Walk *walk, const Py_buffer *view) noexcept:
    """What a walk over the view will read, in either direction."""
    cdef Py_ssize_t low = min(walk.position, walk.stop), high = max(walk.position, walk.stop)
    watch(watching, <void *> view.obj, view.buf, walk.hay + low, high - low + <Py_ssize_t> walk.needle.length - 1)
    watching.position, watching.back = &walk.position, walk.position > walk.stop
    watching.reach = walk.needle.length - 1

cdef inline void turn_linear(Walk *walk, bint back) noexcept nogil:
    """Goes on with Two-Way. What fails at the bytes that it compares first is no candidate then, which vectors tell:
    each attempt that is left moves the window by more than SPREAD bytes, or agrees in the whole right part."""
    cut_needle(&walk.way, &walk.needle, back)
    probe_window(&walk.needle, walk.way.cut, back)
    walk.linear = True

cdef inline bint stands_at(Walk *walk, Py_ssize_t start, bint back) noexcept nogil:
    """Whether a candidate is a match. Moves `next_start` by what was learnt; what the attempt cost leaves the budget.
    """
    cdef size_t agreed, shift = 1, length = walk.needle.length
    cdef bint stands
    if walk.linear:
        stands = window_matches(&walk.way, walk.hay + start, &walk.needle, back, &shift)
    else:
        agreed = fm_agree(walk.hay + start, walk.needle.bytes, length, walk.needle.fold)
        stands = agreed == length
        # Overlapping matches compare bytes again that another one has compared.
        if not stands or walk.overlapping:
            walk.budget -= ATTEMPT_COST + <Py_ssize_t> agreed
    if stands and not walk.overlapping:
        shift = length
    walk.next_start = start - <Py_ssize_t> shift if back else start + <Py_ssize_t> shift
    return stands

cdef inline void earn(Walk *walk, size_t scanned) noexcept nogil:
    walk.budget = min(walk.budget + <Py_ssize_t> scanned, <Py_ssize_t> MOST_BUDGET)

cdef inline const uint8_t *last_of(const uint8_t *bytes, uint8_t byte, size_t length) noexcept nogil:
    """memrchr, which not every system has."""
    cdef uint64_t eight, ones = 0x0101010101010101
    while length >= 8:
        memcpy(&eight, bytes + length - 8, 8)
        eight ^= ones * byte
        if (eight - ones) & ~eight & (ones << 7):  # one of them is it
            break
        length -= 8
    while length:
        length -= 1
        if bytes[length] == byte:
            return bytes + length
    return NULL

cdef inline Py_ssize_t glance(Walk *walk, bint back) noexcept nogil:
    """The match among the next few starts, or -1 where there is none, or it isn't clear so soon."""
    cdef size_t length = walk.needle.length, left = GLANCE, number
    cdef const uint8_t *start
    walk.glancing = False
    if walk.needle.fold:
        return -1
    for _ in range(GLANCES):
        if back:
            number = min(left, <size_t> (walk.position - walk.stop))
            start = last_of(walk.hay + walk.position - number, walk.needle.bytes[0], number)
        else:
            number = min(left, <size_t> (walk.stop - walk.position))
            start = <const uint8_t *> memchr(walk.hay + walk.position, walk.needle.bytes[0], number)
        if start == NULL:
            walk.position += -<Py_ssize_t> number if back else <Py_ssize_t> number
            return -1
        if memcmp(start, walk.needle.bytes, length) == 0:
            return start - walk.hay
        number = walk.position - (start - walk.hay) if back else start - walk.hay + 1 - walk.position
        walk.position += -<Py_ssize_t> number if back else <Py_ssize_t> number
        left -= min(left, number)
    return -1

cdef inline Py_ssize_t step_bytes(const Walk *walk) noexcept nogil:
    return STEP_BYTES if walk.chosen else WATCHED_BYTES

cdef inline bint should_choose(const Walk *walk, Py_ssize_t left) noexcept nogil:
    if walk.linear:
        return False
    return walk.wasted > walk.patience and left >= WATCHED_BYTES or not walk.chosen and left >= CHOOSE_ABOVE

cdef inline void choose_anew(Walk *walk, Py_ssize_t low, Py_ssize_t high) noexcept nogil:
    """Chooses the probes by what stands in [low, high)."""
    cdef Py_ssize_t scanned = max(walk.position - walk.chosen_at, walk.chosen_at - walk.position)
    cdef bint soon = walk.chosen and scanned // RARE < walk.wasted, many = walk.needle.looks == FM_MOST_LOOKS
    choose_probes(&walk.needle, walk.kernel, walk.hay + low, high - low)
    # Where false candidates came soon after the last choice, the next will hardly be better: in a text of four letters
    # all probes are common. It takes more of them then.
    walk.patience = 2 * walk.patience if soon else PATIENCE
    if (soon or many) and walk.needle.looks == 3 and walk.needle.probes >= FM_MOST_LOOKS:
        walk.needle.looks = FM_MOST_LOOKS
    walk.chosen, walk.chosen_at = True, walk.position
    walk.wasted = 0

cdef inline int walk_step(void *context) noexcept nogil:
    """One step forwards: DONE at the end, FULL when `capacity` matches are found, else MORE."""
    cdef Walk *walk = <Walk *> context
    cdef uint32_t[CANDIDATES] candidates
    cdef size_t listed
    cdef fm_progress progress
    cdef Py_ssize_t base, before, near, until = walk.stop
    if walk.glancing:
        near = glance(walk, False)
        if near >= 0:
            walk.out[0], walk.matches, walk.position = near + walk.added, 1, near + 1
            return FULL
    if should_choose(walk, until - walk.position):
        choose_anew(walk, walk.position, until)
    if until - walk.position > step_bytes(walk):
        until = walk.position + step_bytes(walk)
    while walk.position < until:
        if walk.matches == walk.capacity:
            return FULL
        base, before = walk.position, walk.matches
        if walk.out == NULL and certain(walk) and walk.capacity == PY_SSIZE_T_MAX:
            walk.matches += walk.kernel.count(walk.hay + base, until - base, &walk.needle, &progress)
            walk.position = base + <Py_ssize_t> progress.scanned
        else:
            listed = walk.kernel.forward(walk.hay + base, until - base, &walk.needle, candidates, walk.batch, &progress)
            walk.position = base + <Py_ssize_t> progress.scanned
            if certain(walk):
                take_all(walk, base, candidates, listed)
            else:
                earn(walk, progress.scanned)
                verify(walk, base, until, candidates, listed)
            if walk.position < walk.next_start:
                walk.position = walk.next_start
            walk.batch = FM_STEP if walk.linear else CANDIDATES
        walk.wasted += max(<Py_ssize_t> progress.closer - (walk.matches - before), 0)
    if walk.position >= walk.stop:
        return DONE
    return FULL if walk.matches == walk.capacity else MORE

cdef inline void take_all(Walk *walk, Py_ssize_t base, const uint32_t *candidates, size_t listed) noexcept nogil:
    """Takes candidates that are matches, as many as there is room for; `position` goes back to the next of them."""
    cdef size_t i
    cdef int64_t *out
    cdef int64_t added = base + walk.added
    if listed == 0:
        return
    if <Py_ssize_t> listed >= walk.capacity - walk.matches:
        listed = walk.capacity - walk.matches
        walk.position = base + <Py_ssize_t> candidates[listed - 1] + 1
    if walk.out != NULL:
        out = walk.out + walk.matches
        for i in range(listed):
            out[i] = added + candidates[i]
    walk.matches += listed
    if not walk.overlapping:
        walk.next_start = base + <Py_ssize_t> candidates[listed - 1] + <Py_ssize_t> walk.needle.length

cdef inline void verify(Walk *walk, Py_ssize_t base, Py_ssize_t until, const uint32_t *candidates,
                        size_t listed) noexcept nogil:
    """Takes the candidates that are matches. What is left of them when there is no more room, or when the walk turns
    linear, is listed again from `position`."""
    cdef size_t i = 0
    cdef Py_ssize_t start
    cdef bint direct
    while True:
        # What lies below `next_start` is passed over eight at a time: between attempts that may be all of the needle.
        while i + 8 <= listed and base + <Py_ssize_t> candidates[i + 7] < walk.next_start:
            i += 8
        while i < listed and base + <Py_ssize_t> candidates[i] < walk.next_start:
            i += 1
        if i == listed:
            return
        start = base + <Py_ssize_t> candidates[i]
        while True:
            # A match that follows upon another is followed by one more, as likely as not.
            direct = walk.linear or start == walk.next_start
            if stands_at(walk, start, False):
                if walk.out != NULL:
                    walk.out[walk.matches] = start + walk.added
                walk.matches += 1
                if walk.matches == walk.capacity:
                    walk.position = start + 1
                    return
            if walk.budget < 0 and not walk.linear:
                turn_linear(walk, False)
                walk.position = start + 1
                return
            if not direct or walk.next_start - start < LEAP or walk.next_start >= until:
                break
            start = walk.next_start

cdef inline int walk_back_step(void *context) noexcept nogil:
    """The mirror, for the last match alone: DONE when it is known or there is none, else MORE."""
    cdef Walk *walk = <Walk *> context
    cdef uint32_t[FM_STEP] candidates
    cdef size_t listed
    cdef fm_progress progress
    cdef Py_ssize_t base = walk.stop, start
    if walk.glancing:
        walk.match = glance(walk, True)
        if walk.match >= 0:
            return DONE
    if should_choose(walk, walk.position - base):
        choose_anew(walk, max(base, walk.position - SAMPLE_BYTES), walk.position)
    if walk.position - base > step_bytes(walk):
        base = walk.position - step_bytes(walk)
        if base >= READ_BEFORE:  # below `stop` too: where threads take turns, another will come there
            fm_read_ahead(walk.hay + base - READ_BEFORE, STEP_BYTES)
    while walk.position > base:
        listed = walk.kernel.backward(walk.hay + base, walk.position - base, &walk.needle, candidates, &progress)
        walk.position -= progress.scanned
        walk.wasted += progress.closer
        earn(walk, progress.scanned)
        while listed:
            listed -= 1
            start = base + <Py_ssize_t> candidates[listed]
            if start > walk.next_start:
                continue
            while True:
                if certain(walk) or stands_at(walk, start, True):
                    walk.match = start
                    return DONE
                if not walk.linear or start - walk.next_start < LEAP or walk.next_start < base:
                    break
                start = walk.next_start
            if walk.budget < 0 and not walk.linear:
                turn_linear(walk, True)
                walk.position = start
                break
        if walk.position > walk.next_start + 1:
            walk.position = walk.next_start + 1
    return MORE if walk.position > walk.stop else DONE
