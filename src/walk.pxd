"""The walk: from a kernel's candidates to the matches that were asked for. Every verb that searches is a walk.

A walk is resumable: each step looks at up to STEP_BYTES starts, and what it needs to go on stands in the struct.
"""
from kernel cimport *

# Room for candidates on the stack: 8 KiB, which stays in the first-level cache beside the haystack.
cdef enum:
    CANDIDATES = 2048

# From this many starts on, 4 KiB of the haystack decide which two bytes of the needle are rare in it. It costs 2
# microseconds, as much as scanning 32 KiB at memory speed.
cdef enum:
    SAMPLE_ABOVE = 1 << 18
    SAMPLE_PIECES = 16
    SAMPLE_PIECE = 256

cdef struct Walk:
    const fm_kernel *kernel
    fm_needle needle
    const uint8_t *hay      # offsets are relative to it
    Py_ssize_t position     # forward: the first start not looked at; backward: one above the last
    Py_ssize_t stop         # forward: one above the last start that can hold the needle; backward: the first start
    Py_ssize_t allowed      # a match below this start overlaps the match before it
    bint overlapping
    int64_t *out            # NULL where only the number is wanted
    Py_ssize_t found
    Py_ssize_t capacity     # found never exceeds it
    size_t batch            # candidates to ask for at once: few at first, so that an early match is found early
    bint sampled            # whether the probes were chosen on the haystack

cdef inline void begin(Walk *walk, const fm_kernel *kernel, bytes needle, bint fold, bint overlapping) noexcept:
    """`needle` must stay alive as long as the walk, and be in lower case when fold is set. It has a byte or more."""
    walk.kernel = kernel
    walk.needle.bytes = <const uint8_t *> PyBytes_AS_STRING(needle)
    walk.needle.length = PyBytes_GET_SIZE(needle)
    walk.needle.first = 0
    walk.needle.second = walk.needle.length - 1
    walk.needle.fold = fold
    walk.overlapping = overlapping
    walk.out = NULL
    walk.found = 0
    walk.capacity = PY_SSIZE_T_MAX
    walk.batch = FM_STEP
    walk.sampled = False

cdef inline bint over(Walk *walk, const Py_buffer *view, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Sets a walk upon view[start:end], forwards. False when the needle can't stand in there."""
    clamp(&start, &end, view.len)
    walk.hay = <const uint8_t *> view.buf
    walk.position = walk.allowed = start
    walk.stop = end - <Py_ssize_t> walk.needle.length + 1
    return walk.position < walk.stop

cdef inline bint over_backward(Walk *walk, const Py_buffer *view, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """The same from the end."""
    cdef bint possible = over(walk, view, start, end)
    walk.position, walk.stop = walk.stop, walk.position
    return possible

cdef inline void choose_probes(Walk *walk, const uint8_t *sample) noexcept nogil:
    """Probes with the two bytes of the needle that are rarest in pieces of sample[0, SAMPLE_ABOVE)."""
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
            seen[fold_byte(piece[j]) if needle.fold else piece[j]] += 1
    for i in range(1, needle.length):
        if seen[needle.bytes[i]] < seen[needle.bytes[best]]:
            best = i
    other = needle.length - 1 if best == 0 else 0
    for i in range(needle.length):
        # Two equal bytes say little more than one, so another byte is preferred even if it is more frequent.
        if i != best and rarer(seen, needle.bytes, i, other, needle.bytes[best]):
            other = i
    needle.first, needle.second = (best, other) if best < other else (other, best)

cdef inline bint rarer(uint32_t *seen, const uint8_t *bytes, size_t i, size_t other, uint8_t best) noexcept nogil:
    if (bytes[i] == best) != (bytes[other] == best):
        return bytes[other] == best
    return seen[bytes[i]] < seen[bytes[other]]

cdef inline uint8_t fold_byte(uint8_t byte) noexcept nogil:
    return byte + 32 if 65 <= byte <= 90 else byte

cdef inline bint stands_at(const uint8_t *hay, const fm_needle *needle) noexcept nogil:
    """Whether a candidate is a match. Every byte is read once, so that a writer elsewhere can't confuse it."""
    cdef size_t i
    if not needle.fold:
        return memcmp(hay, needle.bytes, needle.length) == 0
    for i in range(needle.length):
        if fold_byte(hay[i]) != needle.bytes[i]:
            return False
    return True

cdef inline int walk_step(void *context) noexcept nogil:
    """One step forwards: DONE at the end, FULL when `capacity` matches are found, else MORE."""
    cdef Walk *walk = <Walk *> context
    cdef uint32_t[CANDIDATES] candidates
    cdef size_t listed, scanned, i, length = walk.needle.length
    cdef bint certain = length <= 2  # the probes are the whole needle
    cdef Py_ssize_t start, base, until = walk.stop
    if length > 2 and not walk.sampled and until - walk.position >= SAMPLE_ABOVE:
        choose_probes(walk, walk.hay + walk.position)
    if until - walk.position > STEP_BYTES:
        until = walk.position + STEP_BYTES
    while walk.position < until:
        if walk.found == walk.capacity:
            return FULL
        base = walk.position
        listed = walk.kernel.forward(walk.hay + base, until - base, &walk.needle, candidates, walk.batch, &scanned)
        for i in range(listed):
            start = base + candidates[i]
            if start < walk.allowed or not (certain or stands_at(walk.hay + start, &walk.needle)):
                continue
            if not walk.overlapping:
                walk.allowed = start + <Py_ssize_t> length
            if walk.out != NULL:
                walk.out[walk.found] = start
            walk.found += 1
            if walk.found == walk.capacity:
                walk.position = start + 1
                return FULL if walk.position < walk.stop else DONE
        walk.position = base + <Py_ssize_t> scanned
        walk.batch = CANDIDATES
    return MORE if walk.position < walk.stop else DONE

cdef inline int walk_back_step(void *context) noexcept nogil:
    """The mirror, for the last match alone: its start is left in `found`, which is -1 until then."""
    cdef Walk *walk = <Walk *> context
    cdef uint32_t[FM_STEP] candidates
    cdef size_t listed, scanned, i
    cdef Py_ssize_t base = walk.stop
    if walk.needle.length > 2 and not walk.sampled and walk.position - base >= SAMPLE_ABOVE:
        choose_probes(walk, walk.hay + walk.position - SAMPLE_ABOVE)
    if walk.position - base > STEP_BYTES:
        base = walk.position - STEP_BYTES
    while walk.position > base:
        listed = walk.kernel.backward(walk.hay + base, walk.position - base, &walk.needle, candidates, FM_STEP,
                                      &scanned)
        for i in range(listed):
            if stands_at(walk.hay + base + candidates[i], &walk.needle):
                walk.found = base + candidates[i]
                return DONE
        walk.position -= scanned
    return MORE if walk.position > walk.stop else DONE
