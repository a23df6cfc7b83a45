/* The scan, written once. An instruction set includes this file after defining
 *
 *   NAME              the kernel's name, as in avx2
 *   TARGET            the function attribute that enables the instructions, or nothing
 *   VECTOR, WIDTH     the vector type and its size in bytes
 *   SPLAT(byte)       the byte in every lane
 *   LOAD(pointer)     an unaligned load
 *   WITH(a, b)        bitwise or of two vectors
 *   HIT               the type of a comparison's result
 *   EQUAL(a, b)       HIT: where the lanes are equal
 *   BOTH(a, b)        HIT: where both hold
 *   EITHER(a, b)      HIT: where one holds
 *   NONE(hit)         true when it holds nowhere
 *   MASK(hit)         uint64_t: 1 << LANE_SHIFT bits a lane, of which the lowest is set where it holds
 *   LANE_SHIFT        0, or 2 where the set has no instruction that gives one bit a lane
 *
 * and gets fm_NAME. How it goes: the two probe bytes of the needle are splatted; for WIDTH starts at a time the
 * haystack is loaded at +first and at +second, both are compared, and the lanes where both are equal are candidates.
 * Four vectors are tested with one branch, because with a rare pair nearly all of them are empty.
 *
 * Memory: a vector that covers starts [i, i + WIDTH) reads hay[i + first] to hay[i + WIDTH - 1 + second], so
 * i + WIDTH <= starts keeps every load inside what kernel.h promises. The last starts are covered by a vector that
 * overlaps its neighbour, with the lanes already seen masked off; a block shorter than a vector goes byte by byte.
 */
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define QUOTE_(a) #a
#define QUOTE(a) QUOTE_(a)
#define FN(verb) JOIN(JOIN(verb, _), NAME)
#define INLINE static inline __attribute__((always_inline)) TARGET

/* The lanes from `lane` up, and those below it. */
#define LANES_FROM(lane) ((uint64_t)-1 << ((lane) << LANE_SHIFT))
#define LANES_BELOW(lane) (~LANES_FROM(lane))

typedef struct {
    VECTOR first, second, case_first, case_second;
} FN(probes);

INLINE FN(probes) FN(splat)(const fm_needle *needle)
{
    FN(probes) probes = {SPLAT(needle->bytes[needle->first]), SPLAT(needle->bytes[needle->second]),
                         SPLAT(fm_case_bit(needle, needle->first)), SPLAT(fm_case_bit(needle, needle->second))};
    return probes;
}

/* Which of the WIDTH starts at `hay` are candidates. `single` and `fold` are constants where this is inlined. */
INLINE HIT FN(probe)(const uint8_t *hay, const fm_needle *needle, const FN(probes) *probes, int single, int fold)
{
    VECTOR first = LOAD(hay + needle->first);
    HIT hit = EQUAL(fold ? WITH(first, probes->case_first) : first, probes->first);
    if (!single) {
        VECTOR second = LOAD(hay + needle->second);
        hit = BOTH(hit, EQUAL(fold ? WITH(second, probes->case_second) : second, probes->second));
    }
    return hit;
}

static inline int FN(is_candidate)(const uint8_t *hay, const fm_needle *needle)
{
    return (hay[needle->first] | fm_case_bit(needle, needle->first)) == needle->bytes[needle->first] &&
           (hay[needle->second] | fm_case_bit(needle, needle->second)) == needle->bytes[needle->second];
}

/* Appends the starts of the set lanes, ascending, and returns the new end of the list. */
INLINE uint32_t *FN(emit)(uint32_t *out, uint64_t mask, size_t base)
{
    while (mask) {
        *out++ = (uint32_t)(base + ((size_t)__builtin_ctzll(mask) >> LANE_SHIFT));
        mask &= mask - 1;
    }
    return out;
}

INLINE uint32_t *FN(emit_descending)(uint32_t *out, uint64_t mask, size_t base)
{
    while (mask) {
        size_t bit = 63 - (size_t)__builtin_clzll(mask);
        *out++ = (uint32_t)(base + (bit >> LANE_SHIFT));
        mask ^= (uint64_t)1 << bit;
    }
    return out;
}

INLINE size_t FN(forward_as)(const uint8_t *hay, size_t starts, const fm_needle *needle, uint32_t *out,
                             size_t capacity, size_t *scanned, const int single, const int fold)
{
    const FN(probes) probes = FN(splat)(needle);
    uint32_t *end = out, *full = out + (capacity - FM_STEP);
    size_t i = 0;
    for (; i + 4 * WIDTH <= starts; i += 4 * WIDTH) {
        if (end > full) {
            *scanned = i;
            return (size_t)(end - out);
        }
        HIT a = FN(probe)(hay + i, needle, &probes, single, fold);
        HIT b = FN(probe)(hay + i + WIDTH, needle, &probes, single, fold);
        HIT c = FN(probe)(hay + i + 2 * WIDTH, needle, &probes, single, fold);
        HIT d = FN(probe)(hay + i + 3 * WIDTH, needle, &probes, single, fold);
        if (NONE(EITHER(EITHER(a, b), EITHER(c, d))))
            continue;
        end = FN(emit)(end, MASK(a), i);
        end = FN(emit)(end, MASK(b), i + WIDTH);
        end = FN(emit)(end, MASK(c), i + 2 * WIDTH);
        end = FN(emit)(end, MASK(d), i + 3 * WIDTH);
    }
    if (end > full) {
        *scanned = i;
        return (size_t)(end - out);
    }
    for (; i + WIDTH <= starts; i += WIDTH)
        end = FN(emit)(end, MASK(FN(probe)(hay + i, needle, &probes, single, fold)), i);
    if (i < starts && starts >= WIDTH) {
        size_t base = starts - WIDTH;
        HIT hit = FN(probe)(hay + base, needle, &probes, single, fold);
        end = FN(emit)(end, MASK(hit) & LANES_FROM(i - base), base);
    } else {
        for (; i < starts; i++)
            if (FN(is_candidate)(hay + i, needle))
                *end++ = (uint32_t)i;
    }
    *scanned = starts;
    return (size_t)(end - out);
}

INLINE size_t FN(backward_as)(const uint8_t *hay, size_t starts, const fm_needle *needle, uint32_t *out,
                              size_t capacity, size_t *scanned, const int single, const int fold)
{
    const FN(probes) probes = FN(splat)(needle);
    uint32_t *end = out, *full = out + (capacity - FM_STEP);
    size_t top = starts; /* the starts in [top, starts) are done */
    for (; top >= 4 * WIDTH; top -= 4 * WIDTH) {
        if (end > full) {
            *scanned = starts - top;
            return (size_t)(end - out);
        }
        const size_t i = top - 4 * WIDTH;
        HIT a = FN(probe)(hay + i, needle, &probes, single, fold);
        HIT b = FN(probe)(hay + i + WIDTH, needle, &probes, single, fold);
        HIT c = FN(probe)(hay + i + 2 * WIDTH, needle, &probes, single, fold);
        HIT d = FN(probe)(hay + i + 3 * WIDTH, needle, &probes, single, fold);
        if (NONE(EITHER(EITHER(a, b), EITHER(c, d))))
            continue;
        end = FN(emit_descending)(end, MASK(d), i + 3 * WIDTH);
        end = FN(emit_descending)(end, MASK(c), i + 2 * WIDTH);
        end = FN(emit_descending)(end, MASK(b), i + WIDTH);
        end = FN(emit_descending)(end, MASK(a), i);
    }
    if (end > full) {
        *scanned = starts - top;
        return (size_t)(end - out);
    }
    for (; top >= WIDTH; top -= WIDTH)
        end = FN(emit_descending)(end, MASK(FN(probe)(hay + top - WIDTH, needle, &probes, single, fold)), top - WIDTH);
    if (top > 0 && starts >= WIDTH) {
        HIT hit = FN(probe)(hay, needle, &probes, single, fold);
        end = FN(emit_descending)(end, MASK(hit) & LANES_BELOW(top), 0);
    } else {
        while (top-- > 0)
            if (FN(is_candidate)(hay + top, needle))
                *end++ = (uint32_t)top;
    }
    *scanned = starts;
    return (size_t)(end - out);
}

#define BY_NEEDLE(scan)                                                                                             \
    (needle->first == needle->second                                                                                \
         ? needle->fold ? scan(hay, starts, needle, out, capacity, scanned, 1, 1)                                   \
                        : scan(hay, starts, needle, out, capacity, scanned, 1, 0)                                   \
     : needle->fold ? scan(hay, starts, needle, out, capacity, scanned, 0, 1)                                       \
                    : scan(hay, starts, needle, out, capacity, scanned, 0, 0))

TARGET static size_t FN(forward)(const uint8_t *hay, size_t starts, const fm_needle *needle, uint32_t *out,
                                 size_t capacity, size_t *scanned)
{
    return BY_NEEDLE(FN(forward_as));
}

TARGET static size_t FN(backward)(const uint8_t *hay, size_t starts, const fm_needle *needle, uint32_t *out,
                                  size_t capacity, size_t *scanned)
{
    return BY_NEEDLE(FN(backward_as));
}

TARGET static size_t FN(count_byte)(const uint8_t *block, size_t length, uint8_t byte)
{
    const VECTOR wanted = SPLAT(byte);
    size_t i = 0, bits = 0, count = 0;
    for (; i + 4 * WIDTH <= length; i += 4 * WIDTH) {
        bits += (size_t)__builtin_popcountll(MASK(EQUAL(LOAD(block + i), wanted)));
        bits += (size_t)__builtin_popcountll(MASK(EQUAL(LOAD(block + i + WIDTH), wanted)));
        bits += (size_t)__builtin_popcountll(MASK(EQUAL(LOAD(block + i + 2 * WIDTH), wanted)));
        bits += (size_t)__builtin_popcountll(MASK(EQUAL(LOAD(block + i + 3 * WIDTH), wanted)));
    }
    for (; i < length; i++)
        count += block[i] == byte;
    return count + bits;
}

const fm_kernel JOIN(fm_, NAME) = {QUOTE(NAME), FN(forward), FN(backward), FN(count_byte)};

#undef JOIN_
#undef JOIN
#undef QUOTE_
#undef QUOTE
#undef FN
#undef INLINE
#undef LANES_FROM
#undef LANES_BELOW
#undef BY_NEEDLE
#undef NAME
#undef TARGET
#undef VECTOR
#undef WIDTH
#undef SPLAT
#undef LOAD
#undef WITH
#undef HIT
#undef EQUAL
#undef BOTH
#undef EITHER
#undef NONE
#undef MASK
#undef LANE_SHIFT
