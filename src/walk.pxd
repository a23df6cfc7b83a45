"""The walk: from a kernel's candidates to the matches that were asked for. Every verb that searches is a walk.

A walk is resumable: each step looks at up to STEP_BYTES starts, and what it needs to go on stands in the struct.

A needle of up to FM_PROBES bytes is all probes, so its candidates are its matches. A longer one's are verified, and
what failed attempts cost is paid from a budget which grows with the bytes that are scanned. Once it is spent the walk
turns to Two-Way, so it takes linear time for every needle.
"""
from kernel cimport *
from twoway cimport *

# Probes of a needle that is too long for all of its bytes to be one. Each more makes a false candidate rarer, and one
# that comes to it dearer.
cdef enum:
    SPREAD = 8

# Room for candidates on the stack: 4 KiB. A thread may have a stack of 32 KiB, of which a signal's frame takes up to 12.
cdef enum:
    CANDIDATES = 1024

# From this many starts on, 4 KiB of the haystack decide which two bytes of the needle are rare in it. It costs 2
# microseconds, as much as scanning 32 KiB at memory speed.
cdef enum:
    SAMPLE_ABOVE = 1 << 18
    SAMPLE_PIECES = 16
    SAMPLE_PIECE = 256

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

# How far below a backward scan its file is read, where it isn't in the page cache. The system reads ahead of forward
# scans alone: a cold GiB took rfind 0.71 s without this.
cdef enum:
    READ_BEFORE = 1 << 23

cdef struct Walk:
    const fm_kernel *kernel
    fm_needle needle
    const uint8_t *hay      # offsets are relative to it
    Py_ssize_t size         # of the buffer at hay
    Py_ssize_t position     # forward: the first start not looked at; backward: one above the last
    Py_ssize_t stop         # forward: one above the last start that can hold the needle; backward: the first start
    Py_ssize_t allowed      # forward: no match that counts starts below; backward: above. Never beyond what is known
    bint overlapping
    int64_t *out            # NULL where only the number is wanted
    int64_t added           # to each start that is written to out
    Py_ssize_t found
    Py_ssize_t capacity     # found never exceeds it
    size_t batch            # candidates to ask for at once: few at first, so that an early match is found early
    bint sampled            # whether the probes were chosen on the haystack
    Py_ssize_t budget       # what failed attempts may still cost
    bint linear             # whether it was spent: `way` is set then
    TwoWay way

cdef inline bint certain(const Walk *walk) noexcept nogil:
    """Whether a candidate is a match."""
    return walk.needle.probes == walk.needle.length

cdef inline void begin(Walk *walk, const fm_kernel *kernel, bytes needle, bint fold, bint overlapping) noexcept:
    """`needle` must stay alive as long as the walk, and be in lower case when fold is set. It has a byte or more."""
    cdef size_t length = PyBytes_GET_SIZE(needle), k
    walk.kernel = kernel
    walk.needle.bytes = <const uint8_t *> PyBytes_AS_STRING(needle)
    walk.needle.length = length
    walk.needle.fold = fold
    # The two ends, then what lies evenly between: all bytes of a short needle.
    walk.needle.probes = length if length <= FM_PROBES else SPREAD
    walk.needle.probe[0], walk.needle.probe[1] = 0, length - 1
    for k in range(2, walk.needle.probes):
        walk.needle.probe[k] = k - 1 if length <= FM_PROBES else (k - 1) * (length - 1) // (SPREAD - 1)
    walk.overlapping = overlapping
    walk.needle.apart = False
    if not overlapping and length <= FM_PROBES:
        find_periods(&walk.needle)
    walk.out = NULL
    walk.added = 0
    walk.found = 0
    walk.capacity = PY_SSIZE_T_MAX
    walk.batch = FM_STEP
    walk.sampled = length <= 2
    walk.budget = FIRST_BUDGET
    walk.linear = False

cdef inline void find_periods(fm_needle *needle) noexcept nogil:
    cdef size_t period
    needle.periods = 0
    for period in range(1, needle.length):
        if memcmp(needle.bytes, needle.bytes + period, needle.length - period) == 0:
            needle.period[needle.periods] = period
            needle.periods += 1
    needle.apart = needle.periods > 0

cdef inline bint over(Walk *walk, const Py_buffer *view, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Sets a walk upon view[start:end], forwards. False when the needle can't stand in there."""
    clamp(&start, &end, view.len)
    walk.hay, walk.size = <const uint8_t *> view.buf, view.len
    walk.position = walk.allowed = start
    walk.stop = end - <Py_ssize_t> walk.needle.length + 1
    return walk.position < walk.stop

cdef inline bint over_backward(Walk *walk, const Py_buffer *view, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """The same from the end."""
    cdef bint possible = over(walk, view, start, end)
    walk.position, walk.stop = walk.stop, walk.position
    walk.allowed = walk.position - 1
    return possible

cdef inline void watch_walk(Watch *watching, const Walk *walk, const Py_buffer *view) noexcept:
    """What a walk over the view will read, in either direction."""
    cdef Py_ssize_t low = min(walk.position, walk.stop), high = max(walk.position, walk.stop)
    watch(watching, <void *> view.obj, view.buf, walk.hay + low, high - low + <Py_ssize_t> walk.needle.length - 1)
    watching.position, watching.back = &walk.position, walk.position > walk.stop
    watching.reach = walk.needle.length - 1

cdef inline void choose_probes(Walk *walk, const uint8_t *sample) noexcept nogil:
    """Probes first with the two bytes of the needle that are rarest in pieces of sample[0, SAMPLE_ABOVE)."""
    cdef uint32_t[256] seen
    cdef fm_needle *needle = &walk.needle
    cdef size_t i, j, best = 0, other
    cdef const uint8_t *piece
    walk.sampled = True
    for i in range(256):
        seen[i] = 0
    for i in range(SAMPLE_PIECES):
        piece = sample + i * (SAMPLE_ABOVE // SAMPLE_PIECES)
        for j in range(SAMPLE_PIECE):
            seen[fm_fold(piece[j]) if needle.fold else piece[j]] += 1
    for i in range(1, needle.length):
        if seen[needle.bytes[i]] < seen[needle.bytes[best]]:
            best = i
    other = needle.length - 1 if best == 0 else 0
    for i in range(needle.length):
        # Two equal bytes say little more than one, so another byte is preferred even if it is more frequent.
        if i != best and rarer(seen, needle.bytes, i, other, needle.bytes[best]):
            other = i
    probe_first(needle, 0, best)
    probe_first(needle, 1, other)

cdef inline bint rarer(uint32_t *seen, const uint8_t *bytes, size_t i, size_t other, uint8_t best) noexcept nogil:
    if (bytes[i] == best) != (bytes[other] == best):
        return bytes[other] == best
    return seen[bytes[i]] < seen[bytes[other]]

cdef inline void probe_first(fm_needle *needle, size_t k, size_t offset) noexcept nogil:
    """Makes `offset` the k-th probe. One that is a probe already changes places: no byte of a short needle is lost."""
    cdef size_t i
    for i in range(needle.probes):
        if needle.probe[i] == offset:
            needle.probe[i] = needle.probe[k]
    needle.probe[k] = offset

cdef inline void turn_linear(Walk *walk, bint back) noexcept nogil:
    """Goes on with Two-Way. The probes become the bytes that it compares first: so what fails there fails in vectors,
    and each attempt that is left moves the window by more than SPREAD bytes, or has found the right part."""
    cdef size_t k
    cdef fm_needle *needle = &walk.needle
    cut_needle(&walk.way, needle, back)
    walk.linear = True
    needle.probes = min(<size_t> SPREAD, needle.length - walk.way.cut)
    for k in range(needle.probes):
        needle.probe[k] = needle.length - 1 - walk.way.cut - k if back else walk.way.cut + k

cdef inline bint stands_at(Walk *walk, Py_ssize_t start, bint back) noexcept nogil:
    """Whether a candidate is a match. Keeps the books: `allowed` moves by what was learnt, or the budget shrinks."""
    cdef size_t agreed, shift = 1, length = walk.needle.length
    cdef bint matches
    if walk.linear:
        if start != walk.allowed:
            walk.way.memory = 0
        matches = window_matches(&walk.way, walk.hay + start, &walk.needle, back, &shift)
    else:
        agreed = fm_agree(walk.hay + start, walk.needle.bytes, length, walk.needle.fold)
        matches = agreed == length
        # Overlapping matches compare bytes again that another one has compared.
        if not matches or walk.overlapping:
            walk.budget -= ATTEMPT_COST + <Py_ssize_t> agreed
    if matches and not walk.overlapping:
        shift = length
        walk.way.memory = 0
    walk.allowed = start - <Py_ssize_t> shift if back else start + <Py_ssize_t> shift
    return matches

cdef inline void earn(Walk *walk, size_t scanned) noexcept nogil:
    walk.budget = min(walk.budget + <Py_ssize_t> scanned, <Py_ssize_t> MOST_BUDGET)

cdef inline int walk_step(void *context) noexcept nogil:
    """One step forwards: DONE at the end, FULL when `capacity` matches are found, else MORE."""
    cdef Walk *walk = <Walk *> context
    cdef uint32_t[CANDIDATES] candidates
    cdef size_t listed, scanned
    cdef Py_ssize_t base, until = walk.stop
    if not walk.sampled and until - walk.position >= SAMPLE_ABOVE:
        choose_probes(walk, walk.hay + walk.position)
    if until - walk.position > STEP_BYTES:
        until = walk.position + STEP_BYTES
    while walk.position < until:
        if walk.found == walk.capacity:
            return FULL
        base = walk.position
        if walk.out == NULL and certain(walk) and walk.capacity == PY_SSIZE_T_MAX:
            walk.found += walk.kernel.count(walk.hay + base, until - base, &walk.needle, &scanned)
            walk.position = base + <Py_ssize_t> scanned
            continue
        listed = walk.kernel.forward(walk.hay + base, until - base, &walk.needle, candidates, walk.batch, &scanned)
        walk.position = base + <Py_ssize_t> scanned
        if certain(walk):
            take_all(walk, base, candidates, listed)
        else:
            earn(walk, scanned)
            verify(walk, base, until, candidates, listed)
        if walk.position < walk.allowed:
            walk.position = walk.allowed
        walk.batch = FM_STEP if walk.linear else CANDIDATES
    if walk.position >= walk.stop:
        return DONE
    return FULL if walk.found == walk.capacity else MORE

cdef inline void take_all(Walk *walk, Py_ssize_t base, const uint32_t *candidates, size_t listed) noexcept nogil:
    """Takes candidates that are matches, as many as there is room for; `position` goes back to the next of them."""
    cdef size_t i
    cdef int64_t *out
    cdef int64_t added = base + walk.added
    if listed == 0:
        return
    if <Py_ssize_t> listed >= walk.capacity - walk.found:
        listed = walk.capacity - walk.found
        walk.position = base + <Py_ssize_t> candidates[listed - 1] + 1
    if walk.out != NULL:
        out = walk.out + walk.found
        for i in range(listed):
            out[i] = added + candidates[i]
    walk.found += listed
    if not walk.overlapping:
        walk.allowed = base + <Py_ssize_t> candidates[listed - 1] + <Py_ssize_t> walk.needle.length

cdef inline void verify(Walk *walk, Py_ssize_t base, Py_ssize_t until, const uint32_t *candidates,
                        size_t listed) noexcept nogil:
    """Takes the candidates that are matches. What is left of them when there is no more room, or when the walk turns
    linear, is listed anew from `position`."""
    cdef size_t i = 0
    cdef Py_ssize_t start
    cdef bint direct
    while True:
        # What lies below `allowed` is passed over eight at a time: between attempts that may be all of the needle.
        while i + 8 <= listed and base + <Py_ssize_t> candidates[i + 7] < walk.allowed:
            i += 8
        while i < listed and base + <Py_ssize_t> candidates[i] < walk.allowed:
            i += 1
        if i == listed:
            return
        start = base + <Py_ssize_t> candidates[i]
        while True:
            # A match that follows upon another is followed by one more, as likely as not.
            direct = walk.linear or start == walk.allowed
            if stands_at(walk, start, False):
                if walk.out != NULL:
                    walk.out[walk.found] = start + walk.added
                walk.found += 1
                if walk.found == walk.capacity:
                    walk.position = start + 1
                    return
            if walk.budget < 0 and not walk.linear:
                turn_linear(walk, False)
                walk.position = start + 1
                return
            if not direct or walk.allowed - start < LEAP or walk.allowed >= until:
                break
            start = walk.allowed

cdef inline int walk_back_step(void *context) noexcept nogil:
    """The mirror, for the last match alone: its start is left in `found`, which is -1 until then."""
    cdef Walk *walk = <Walk *> context
    cdef uint32_t[FM_STEP] candidates
    cdef size_t listed, scanned
    cdef Py_ssize_t base = walk.stop, start
    if not walk.sampled and walk.position - base >= SAMPLE_ABOVE:
        choose_probes(walk, walk.hay + walk.position - SAMPLE_ABOVE)
    if walk.position - base > STEP_BYTES:
        base = walk.position - STEP_BYTES
        if base >= READ_BEFORE:  # below `stop` too: where threads take turns, another will come there
            fm_read_ahead(walk.hay + base - READ_BEFORE, STEP_BYTES)
    while walk.position > base:
        listed = walk.kernel.backward(walk.hay + base, walk.position - base, &walk.needle, candidates, &scanned)
        walk.position -= scanned
        earn(walk, scanned)
        while listed:
            listed -= 1
            start = base + <Py_ssize_t> candidates[listed]
            if start > walk.allowed:
                continue
            while True:
                if certain(walk) or stands_at(walk, start, True):
                    walk.found = start
                    return DONE
                if not walk.linear or start - walk.allowed < LEAP or walk.allowed < base:
                    break
                start = walk.allowed
            if walk.budget < 0 and not walk.linear:
                turn_linear(walk, True)
                walk.position = start
                break
        if walk.position > walk.allowed + 1:
            walk.position = walk.allowed + 1
    return MORE if walk.position > walk.stop else DONE
