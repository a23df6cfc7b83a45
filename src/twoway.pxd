"""Two-Way string matching (Crochemore and Perrin, 1991): what a walk falls back on when candidates fail too often.

The needle is cut in two where no repetition of its own can hide from it. A window is compared right of the cut first;
where that fails, no match can start before the failing byte has left the window's right part. A repetition across the
whole needle is remembered from window to window. So no byte of the haystack is looked at more than a few times, in
constant memory. Backwards, everything is mirrored: needle and haystack are read from their ends.
"""
from libc.stdint cimport uint8_t
from memory cimport *
from scan cimport *

cdef struct TwoWay:
    size_t cut              # the left part's length, in reading direction
    size_t shift            # how far a window moves that agreed right of the cut
    bint periodic           # shift is the needle's period, so that what agreed still agrees after it
    # How many bytes, in reading direction, agree in a window that is `shift` on from one that agreed right of the cut:
    # none, unless the needle is periodic.
    size_t memory
    const uint8_t *remembered   # that window: others remember nothing

cdef inline uint8_t letter(const fm_needle *needle, size_t i, bint back) noexcept nogil:
    return needle.bytes[needle.length - 1 - i if back else i]

cdef inline size_t greatest_suffix(const fm_needle *needle, bint reverse, bint back, size_t *period) noexcept nogil:
    """Where the alphabetically greatest suffix starts, and its period. `reverse` turns the alphabet round."""
    cdef size_t best = 0, other = 1, same = 0
    cdef uint8_t one, two
    period[0] = 1
    while other + same < needle.length:
        one, two = letter(needle, other + same, back), letter(needle, best + same, back)
        if one == two:
            same += 1
            if same == period[0]:
                other += same
                same = 0
        elif (one < two) != reverse:
            other += same + 1
            same = 0
            period[0] = other - best
        else:
            best = other
            other += 1
            same = 0
            period[0] = 1
    return best

cdef inline void cut_needle(TwoWay *way, const fm_needle *needle, bint back) noexcept nogil:
    """Finds the cut: the later of the two greatest suffixes. Takes a time proportional to the needle."""
    cdef size_t period, other_period, i
    cdef size_t other = greatest_suffix(needle, True, back, &other_period)
    way.cut = greatest_suffix(needle, False, back, &period)
    if other > way.cut:
        way.cut, period = other, other_period
    way.periodic = True
    for i in range(way.cut):
        if letter(needle, i, back) != letter(needle, i + period, back):
            way.periodic = False
            break
    way.shift = period if way.periodic else max(way.cut, needle.length - way.cut) + 1
    way.memory = needle.length - period if way.periodic else 0
    way.remembered = NULL

cdef inline bint window_matches(TwoWay *way, const uint8_t *window, const fm_needle *needle, bint back,
                                size_t *shift) noexcept nogil:
    """Whether the needle stands at `window`, and by how much at least the next window has to differ."""
    cdef size_t length = needle.length, left = way.memory if window == way.remembered else 0
    cdef size_t known = max(way.cut, left), agreed
    cdef bint stands
    if back:
        agreed = fm_agree_back(window + (length - known), needle.bytes + (length - known), length - known, needle.fold)
    else:
        agreed = fm_agree(window + known, needle.bytes + known, length - known, needle.fold)
    if agreed < length - known:
        shift[0] = known + agreed - way.cut + 1
        return False
    if left >= way.cut:
        stands = True
    elif back:
        stands = fm_agree(window + (length - way.cut), needle.bytes + (length - way.cut), way.cut - left,
                          needle.fold) == way.cut - left
    else:
        stands = fm_agree(window + left, needle.bytes + left, way.cut - left, needle.fold) == way.cut - left
    shift[0] = way.shift
    way.remembered = window - way.shift if back else window + way.shift
    return stands
