"""The probes of a needle: the bytes by which a kernel tells candidates. The first two are looked at everywhere.

All bytes of a needle of up to FM_PROBES bytes are probes, so its candidates are its matches. A longer one has SPREAD.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp
from memory cimport *
from scan cimport *

# With each probe false candidates are rarer, and checking one takes longer.
cdef enum:
    SPREAD = 8

# From this many starts on, 4 KiB of the haystack decide which two bytes of the needle are rare in it. It costs 2
# microseconds, as much as scanning 32 KiB at memory speed.
cdef enum:
    SAMPLE_ABOVE = 1 << 18
    SAMPLE_PIECES = 16
    SAMPLE_PIECE = 256

cdef inline void spread_probes(fm_needle *needle) noexcept nogil:
    """Probes that need no haystack: the two ends, then what lies evenly between."""
    cdef size_t length = needle.length, k
    needle.probes = length if length <= FM_PROBES else SPREAD
    needle.probe[0], needle.probe[1] = 0, length - 1
    for k in range(2, needle.probes):
        needle.probe[k] = k - 1 if length <= FM_PROBES else (k - 1) * (length - 1) // (SPREAD - 1)

cdef inline void find_periods(fm_needle *needle) noexcept nogil:
    """At which distances a needle, all of whose bytes are probes, overlaps itself: kernels keep its candidates apart."""
    cdef size_t period
    needle.periods = 0
    for period in range(1, needle.length):
        if memcmp(needle.bytes, needle.bytes + period, needle.length - period) == 0:
            needle.period[needle.periods] = period
            needle.periods += 1
    needle.apart = needle.periods > 0

cdef inline void choose_probes(fm_needle *needle, const uint8_t *sample) noexcept nogil:
    """Makes the two bytes of the needle that are rarest in pieces of sample[0, SAMPLE_ABOVE) the first two probes."""
    cdef uint32_t[256] seen
    cdef size_t i, j, best = 0, other
    cdef const uint8_t *piece
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

cdef inline void probe_window(fm_needle *needle, size_t cut, bint back) noexcept nogil:
    """Makes the bytes that Two-Way compares first the probes: those from its cut on, in reading direction."""
    cdef size_t k
    needle.probes = min(<size_t> SPREAD, needle.length - cut)
    for k in range(needle.probes):
        needle.probe[k] = needle.length - 1 - cut - k if back else cut + k
