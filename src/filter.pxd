"""The filter for many needles: a window of a few bytes of each is looked for, at the needle's place where it is rarest.

Either by the kernel's buckets (scan/many.h), which are for some dozens of needles at most, or in tables of flags
(scan/windows.h): by pairs of bytes, or for thousands of needles by hashes of four. Where all are long enough only every
second place is looked at, or third and so on, for each needle has a window at each remainder.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset
from memory cimport *
from scan cimport *

# Windows lie in the first bytes of a needle, so that a block needs to be read but little further.
cdef enum:
    FURTHEST_WINDOW = 200

cdef enum:
    CANDIDATES_AT_ONCE = 512

# A sample is so much of the next SAMPLE_BYTES of a text, in pieces; its windows are counted by so many bits.
cdef enum:
    SAMPLE_BYTES = 1 << 22
    SHARE = 64
    PIECES = 64
    COUNT_BITS = 16

cdef extern from "scan/windows.h" nogil:
    ctypedef struct fm_flags:
        uint8_t *flags
        bint hashed
        uint32_t fold
        int shift
        Py_ssize_t stride

    uint32_t fm_pair(const uint8_t *)
    uint32_t fm_hash(const uint8_t *, uint32_t, int)
    uint32_t fm_place(const fm_flags *, const uint8_t *)
    size_t fm_list_flags(const fm_flags *, const uint8_t *, Py_ssize_t, uint32_t *, size_t, Py_ssize_t *)

cdef struct Needle:
    const uint8_t *bytes    # in lower case where letters match in either case
    Py_ssize_t length
    int32_t index           # the caller's number of it

cdef struct Window:
    int32_t needle
    int32_t offset          # where in the needle it is
    int32_t next            # of the same bucket or hash, -1 for none
    int32_t telling         # how far from it the needle's rarest bytes are, up to four, which are compared first:
    uint32_t word, mask     # what they are in a text under a mask

cdef struct Group:          # needles whose windows are of one length
    fm_flags table          # by pairs, or by hashes of four: whether there is a window
    int bytes               # how many are read at a place
    int32_t *heads          # by pair or hash: the first
    Py_ssize_t reach        # the furthest window

cdef struct Filter:
    bint by_buckets
    fm_buckets tables
    int32_t[32] bucket      # the first window of each
    int32_t short           # the first window of those that may stand where there is no whole window, -1 for none:
    int behind              # so many last bytes
    Py_ssize_t reach
    Group[2] group
    int groups
    Window *windows

cdef struct Sample:
    const uint8_t *hay              # of which it is taken
    Py_ssize_t size
    uint8_t[1 << 16] bytes          # the pieces,
    Py_ssize_t piece                # how long each is, 0 without a sample
    uint16_t[1 << 16] pairs         # how often each pair of bytes stands there,
    uint16_t[1 << 16] threes        # and by hash, roughly, how often three
    uint16_t[1 << 16] fours         # and four

cdef inline int copy_sample(void *context) noexcept nogil:
    """Copies pieces of a text that lie evenly: a step."""
    cdef Sample *sample = <Sample *> context
    cdef Py_ssize_t i
    sample.piece = sample.size // (PIECES * SHARE)
    for i in range(PIECES):
        memcpy(sample.bytes + i * sample.piece, sample.hay + i * (sample.size // PIECES), sample.piece)
    return 0

cdef inline uint16_t *count_of(Sample *sample, const uint8_t *window, int bytes) noexcept nogil:
    """Where a window of two to four bytes is counted, in lower case where letters match in either."""
    cdef uint8_t[4] three
    if bytes == 2:
        return &sample.pairs[fm_pair(window)]
    if bytes == 4:
        return &sample.fours[fm_hash(window, 0, 32 - COUNT_BITS)]
    three[0], three[1], three[2], three[3] = window[0], window[1], window[2], 0
    return &sample.threes[fm_hash(three, 0, 32 - COUNT_BITS)]

cdef inline void count_windows(Sample *sample, bint fold) noexcept nogil:
    cdef Py_ssize_t i, size = PIECES * sample.piece
    cdef int bytes
    if fold:
        for i in range(size):
            sample.bytes[i] = fm_fold(sample.bytes[i])
    for bytes in range(2, 5):
        for i in range(size - bytes):
            count_of(sample, sample.bytes + i, bytes)[0] += 1

cdef inline int commonness(uint8_t byte) noexcept nogil:
    """How common a byte is in most texts, roughly: what windows are chosen by without a sample, and where that ties."""
    if byte == c' ' or byte == c'e' or byte == c'0':
        return 12
    if byte >= c'a' and byte <= c'z':
        return 3 if byte in (c'j', c'k', c'q', c'v', c'w', c'x', c'z') else 8
    if byte >= c'0' and byte <= c'9':
        return 8
    if byte == 0 or byte == c'\n' or byte >= 0x80:
        return 6
    return 4

cdef inline Py_ssize_t rarest_window(const Needle *needle, int number, Py_ssize_t first, Py_ssize_t stride,
                                     Sample *sample, Py_ssize_t *standing) noexcept nogil:
    """The offset of the window of so many bytes that is rarest, of those at `first` and each `stride` on.

    Adds to `standing` how often it is in the sample, roughly.
    """
    cdef Py_ssize_t offset = first, best = first
    cdef int64_t score, least = -1
    cdef int k
    while offset + number <= needle.length and offset <= FURTHEST_WINDOW:
        score = 0
        if sample.piece and number > 1:
            score = <int64_t> count_of(sample, needle.bytes + offset, number)[0] << 32
            if number > 2:
                score += <int64_t> sample.pairs[fm_pair(needle.bytes + offset)] << 8
        for k in range(number):
            score += commonness(needle.bytes[offset + k])
        if least < 0 or score < least:
            best, least = offset, score
        offset += stride
    standing[0] += least >> 32
    return best

cdef inline void set_window(Window *window, const Needle *needle, Py_ssize_t rarest, bint fold) noexcept nogil:
    """Has a window told by the bytes at an offset of its needle."""
    cdef uint8_t[4] word, mask
    cdef int k
    window.telling = <int32_t> rarest - window.offset
    for k in range(4):
        word[k] = mask[k] = 0
        if rarest + k < needle.length:
            word[k], mask[k] = needle.bytes[rarest + k], 0xff
            if fold and c'a' <= word[k] <= c'z':
                mask[k] = 0xdf
            word[k] &= mask[k]
    memcpy(&window.word, word, 4)
    memcpy(&window.mask, mask, 4)

cdef inline bint may_stand(const Window *window, const uint8_t *hay, Py_ssize_t at, Py_ssize_t start,
                           Py_ssize_t stop) noexcept nogil:
    """Whether a window's needle may stand where the window is, as far as the bytes in [start, stop) tell."""
    cdef uint32_t word
    at += window.telling
    if at < start or at + 4 > stop:
        return True
    memcpy(&word, hay + at, 4)
    return word & window.mask == window.word
