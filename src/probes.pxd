"""The probes of a needle: the bytes by which a kernel tells candidates. The first few are looked at everywhere.

All bytes of a needle of up to FM_PROBES bytes are probes, so its candidates are its matches. A longer one has SPREAD.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp, memmove, memset
from memory cimport *
from scan cimport *

# With each probe false candidates are rarer, and checking one takes longer.
cdef enum:
    SPREAD = 8

# What a sample takes: some starts from each of several pieces that lie evenly over a stretch. To choose by it costs
# some 6 microseconds, as much as scanning 96 KiB at memory speed.
cdef enum:
    SAMPLE_BYTES = 1 << 18
    SAMPLE_PIECES = 16
    SAMPLE_PIECE = 512

# The rarest bytes of the needle for each of which a partner is looked for, at so many of the starts where it stands.
cdef enum:
    SEEDS = 3
    WITNESSES = 128

# Of a longer needle only so many bytes are considered.
cdef enum:
    CONSIDERED = 512

cdef inline void spread_probes(fm_needle *needle) noexcept nogil:
    """Probes that need no haystack: the two ends, then what lies evenly between."""
    cdef size_t length = needle.length, k
    needle.probes = length if length <= FM_PROBES else SPREAD
    needle.looks = min(needle.probes, <size_t> 2)
    needle.probe[0], needle.probe[1] = 0, length - 1
    for k in range(2, needle.probes):
        needle.probe[k] = k - 1 if length <= FM_PROBES else (k - 1) * (length - 1) // (SPREAD - 1)

cdef inline void find_periods(fm_needle *needle) noexcept nogil:
    """At which distances a needle, all of whose bytes are probes, overlaps itself: kernels keep its candidates apart.
    """
    cdef size_t period
    needle.periods = 0
    for period in range(1, needle.length):
        if memcmp(needle.bytes, needle.bytes + period, needle.length - period) == 0:
            needle.period[needle.periods] = period
            needle.periods += 1
    needle.apart = needle.periods > 0

cdef struct Sample:
    const uint8_t *hay
    size_t starts       # at which the needle could stand
    size_t apart        # how far its pieces are from one another
    size_t piece        # how many starts each has
    uint32_t[256] seen  # how often each byte stands in half of it

cdef struct Witnesses:
    const uint8_t *at[WITNESSES]    # starts at which the probes that are chosen already hold
    size_t number
    size_t standing                 # how many there are in the sample, for which these stand

cdef inline void choose_probes(fm_needle *needle, const fm_kernel *kernel, const uint8_t *hay,
                               size_t starts) noexcept nogil:
    """Makes those bytes of the needle the first probes that stand together most rarely in a sample of hay[0, starts).

    Bytes that are rare each may stand together wherever one of them does, as those of a word. So it is counted, where
    one of the rarest stands, which other of the needle's is there least often.
    """
    cdef Sample sample
    cdef Witnesses witnesses, best_witnesses
    cdef size_t k, partner, together, fewest = <size_t> -1, first = 0, second = needle.length - 1
    cdef size_t[SEEDS] seeds
    take_sample(&sample, needle, hay, starts)
    best_witnesses.number = best_witnesses.standing = 0
    for k in range(rarest(needle, sample.seen, seeds)):
        find_witnesses(&witnesses, &sample, needle, kernel, seeds[k])
        together = rarest_beside(needle, &witnesses, sample.seen, seeds[k], seeds[k], &partner)
        if together < fewest:
            fewest, first, second, best_witnesses = together, seeds[k], partner, witnesses
        if fewest == 0:
            break
    probe_first(needle, 0, first)
    probe_first(needle, 1, second)
    needle.looks = 2
    if needle.probes > 2 and fewest > 0:
        keep_witnesses(&best_witnesses, needle, second)
        rarest_beside(needle, &best_witnesses, sample.seen, first, second, &partner)
        probe_first(needle, 2, partner)
        needle.looks = 3

cdef inline void take_sample(Sample *sample, const fm_needle *needle, const uint8_t *hay, size_t starts) noexcept nogil:
    cdef size_t i, j
    cdef const uint8_t *piece
    sample.hay, sample.starts = hay, min(starts, <size_t> SAMPLE_BYTES)
    sample.apart = sample.starts // SAMPLE_PIECES
    sample.piece = min(sample.apart, <size_t> SAMPLE_PIECE)
    memset(sample.seen, 0, sizeof(sample.seen))
    for i in range(<size_t> SAMPLE_PIECES):
        piece = hay + i * sample.apart
        for j in range(sample.piece // 2):
            sample.seen[piece[j]] += 1
    if needle.fold:
        for i in range(26):
            sample.seen[i + c'a'] += sample.seen[i + c'A']

cdef inline size_t rarest(const fm_needle *needle, const uint32_t *seen, size_t *seeds) noexcept nogil:
    """The offsets of the rarest bytes, all of them different, rarest first; how many there are."""
    cdef size_t number = 0, offset, k
    cdef uint8_t byte
    for offset in range(min(needle.length, <size_t> CONSIDERED)):
        byte = needle.bytes[offset]
        k = 0
        while k < number and needle.bytes[seeds[k]] != byte:
            k += 1
        if k < number:
            continue
        k = number
        while k > 0 and seen[byte] < seen[needle.bytes[seeds[k - 1]]]:
            k -= 1
        if k == <size_t> SEEDS:
            continue
        number = min(number + 1, <size_t> SEEDS)
        memmove(seeds + k + 1, seeds + k, (number - 1 - k) * sizeof(size_t))
        seeds[k] = offset
    return number

cdef inline void find_witnesses(Witnesses *witnesses, const Sample *sample, const fm_needle *needle,
                                const fm_kernel *kernel, size_t seed) noexcept nogil:
    """Where in the sample the needle's byte at an offset stands: some starts of each piece, if there are too many."""
    cdef uint32_t[SAMPLE_PIECE + FM_STEP] found
    cdef fm_progress progress
    cdef fm_needle byte
    cdef size_t i, j, listed, every
    cdef const uint8_t *piece
    byte.bytes, byte.length, byte.fold = needle.bytes + seed, 1, needle.fold
    byte.probes = byte.looks = 1
    byte.probe[0] = 0
    byte.apart = False
    witnesses.number = witnesses.standing = 0
    for i in range(<size_t> SAMPLE_PIECES):
        piece = sample.hay + i * sample.apart
        listed = kernel.forward(piece + seed, sample.piece, &byte, found, SAMPLE_PIECE + FM_STEP, &progress)
        witnesses.standing += listed
        every = listed // (WITNESSES // SAMPLE_PIECES) + 1
        j = 0
        while j < listed:
            witnesses.at[witnesses.number] = piece + found[j]
            witnesses.number += 1
            j += every

cdef inline void keep_witnesses(Witnesses *witnesses, const fm_needle *needle, size_t offset) noexcept nogil:
    """Keeps those at which another byte of the needle stands, too; all where there is none."""
    cdef size_t i, kept = 0
    for i in range(witnesses.number):
        if stands_beside(needle, witnesses.at[i], offset):
            witnesses.at[kept] = witnesses.at[i]
            kept += 1
    if kept:
        witnesses.standing = witnesses.standing * kept // witnesses.number
        witnesses.number = kept

cdef inline bint stands_beside(const fm_needle *needle, const uint8_t *start, size_t offset) noexcept nogil:
    cdef uint8_t byte = start[offset]
    return (fm_fold(byte) if needle.fold else byte) == needle.bytes[offset]

cdef inline size_t rarest_beside(const fm_needle *needle, const Witnesses *witnesses, const uint32_t *seen,
                                 size_t one, size_t other, size_t *partner) noexcept nogil:
    """The offset, neither of two, of the byte that stands most rarely at the witnesses; how often, in all the sample.

    Of several the one that is rarest by itself.
    """
    cdef size_t offset, i, number, fewest = <size_t> -1
    partner[0] = other
    for offset in range(min(needle.length, <size_t> CONSIDERED)):
        if offset == one or offset == other:
            continue
        number = 0
        for i in range(witnesses.number):
            number += stands_beside(needle, witnesses.at[i], offset)
        if number < fewest or number == fewest and seen[needle.bytes[offset]] < seen[needle.bytes[partner[0]]]:
            fewest, partner[0] = number, offset
    return fewest * witnesses.standing // max(witnesses.number, <size_t> 1)

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
    needle.looks = min(needle.probes, <size_t> 2)
    for k in range(needle.probes):
        needle.probe[k] = needle.length - 1 - cut - k if back else cut + k
