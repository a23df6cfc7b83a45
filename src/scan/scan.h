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
 *   LOWEST(mask)      size_t: the number of the lowest set bit, anything if there is none
 *   NARROWER          the kernel for blocks shorter than a vector
 *   MANY_SCAN         the function for many needles, which many.h makes, or NULL
 *
 * and gets fm_NAME. How it goes: for WIDTH starts at a time the haystack is loaded at the offsets of the first probes,
 * two to five, and compared with them. Four vectors are tested with one branch, because with rare probes nearly all of
 * them are empty. Where one isn't, the other probes are compared as well, and the lanes where all hold are candidates.
 *
 * Memory: a vector that covers starts [i, i + WIDTH) reads hay[i + p] to hay[i + WIDTH - 1 + p] for each probe p, so
 * i + WIDTH <= starts keeps every load inside what kernel.h promises. The last starts are covered by a vector that
 * overlaps its neighbour, with the lanes already seen shifted out.
 *
 * Speed: beyond the caches a vector that lies across two cache lines costs twice, and the processor's own reading ahead
 * stops at every page. So where there is much to scan the first probe's loads are aligned, and memory is asked for
 * AHEAD bytes before it is needed. On a Zen 5, with a needle's pair in every eighth group of four vectors: 27 GB/s
 * without both, 30 aligned, 28 to 31 ahead, 37 with both, as fast as libc's memchr; 2 or 4 KiB ahead gain half of that.
 */
#define AHEAD 8192
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define QUOTE_(a) #a
#define QUOTE(a) QUOTE_(a)
#define FN(verb) JOIN(JOIN(verb, _), NAME)
#define INLINE static FM_INLINE TARGET

/* The lanes from `lane` up, and those below it. */
#define LANES_FROM(lane) ((uint64_t)-1 << ((lane) << LANE_SHIFT))
#define LANES_BELOW(lane) (~LANES_FROM(lane))

#define EVERY_LANE (LANE_SHIFT == 0 ? (uint64_t)-1 : 0x1111111111111111u)

/* From how many starts on a further vector, to get to an aligned one, is worth its while. */
#define WORTH_ALIGNING (64 * WIDTH)

/* How many vectors' masks fit into a word. */
#define WORD_VECTORS (64 / (WIDTH << LANE_SHIFT))

/* See has_many_others. A needle of 13 bytes every 60 was counted at 5.5 GB/s by its probes, at 3.5 as a whole; one of 16
 * bytes at 5 and 5. */
#define MANY_OTHERS 8

/* Room for what emit writes where there are few: two, and four are written from the end of the list on. */
#define FEW (2 + 4)

typedef struct {
    VECTOR byte, case_bit;
    size_t offset;
} FN(probe);

INLINE FN(probe) FN(splat)(const fm_needle *needle, size_t which)
{
    const size_t offset = needle->probe[which];
    FN(probe) probe = {SPLAT(needle->bytes[offset]), SPLAT(fm_case_bit(needle, offset)), offset};
    return probe;
}

/* Asks for what the next groups of four vectors will load. No fault comes of it, and no byte is looked at. */
INLINE void FN(prefetch)(uintptr_t address)
{
    for (int line = 0; line < 4 * WIDTH; line += 64)
        FM_PREFETCH(address + line);
}

/* At which of the WIDTH starts at `hay` the probe holds. `fold`, as `looks` below, is a constant after inlining. */
INLINE HIT FN(holds)(const uint8_t *hay, const FN(probe) *probe, const int fold)
{
    VECTOR bytes = LOAD(hay + probe->offset);
    return EQUAL(fold ? WITH(bytes, probe->case_bit) : bytes, probe->byte);
}

/* Where the first `looks` probes hold. */
INLINE HIT FN(first_look)(const uint8_t *hay, const FN(probe) *probes, const int looks, const int fold)
{
    HIT hit = FN(holds)(hay, &probes[0], fold);
    for (int k = 1; k < looks; k++)
        hit = BOTH(hit, FN(holds)(hay, &probes[k], fold));
    return hit;
}

/* Clears the lanes of some vectors where a further probe doesn't hold. */
INLINE void FN(others)(const uint8_t *hay, const fm_needle *needle, HIT *hits, const int vectors, const int looks,
                       const int fold)
{
    for (size_t k = looks; k < needle->probes; k++) {
        const FN(probe) probe = FN(splat)(needle, k);
        for (int v = 0; v < vectors; v++)
            hits[v] = BOTH(hits[v], FN(holds)(hay + v * WIDTH, &probe, fold));
    }
}

/* The candidates among the WIDTH starts at `hay`. */
INLINE uint64_t FN(one)(const uint8_t *hay, const fm_needle *needle, const FN(probe) *probes, const int looks,
                        const int fold)
{
    HIT hit = FN(first_look)(hay, probes, looks, fold);
    if (NONE(hit))
        return 0;
    if (looks > 1)
        FN(others)(hay, needle, &hit, 1, looks, fold);
    return MASK(hit);
}

/* The first look at 4 * WIDTH starts; false where it finds none. With `all` they are worth no branch. */
INLINE int FN(look)(const uint8_t *hay, const FN(probe) *probes, HIT *hits, const int looks, const int fold,
                    const int all)
{
    for (int v = 0; v < 4; v++)
        hits[v] = FN(first_look)(hay + v * WIDTH, probes, looks, fold);
    return all || !NONE(EITHER(EITHER(hits[0], hits[1]), EITHER(hits[2], hits[3])));
}

INLINE uint64_t FN(word)(const HIT *hits)
{
    uint64_t word = 0;
    for (int v = 0; v < WORD_VECTORS; v++)
        word |= MASK(hits[v]) << (v * (WIDTH << LANE_SHIFT));
    return word;
}

#include "apart.h"

/* Appends the starts of the set lanes, ascending, and returns the new end of the list. Four are written at a time, and
 * four at least, whether there are so many or not: how many there are in a word can't be predicted, but that they are
 * few can. */
INLINE uint32_t *FN(emit)(uint32_t *out, uint64_t mask, size_t base)
{
    uint32_t *end = out + FM_ONES(mask);
    do {
        for (int k = 0; k < 4; k++) {
            *out++ = (uint32_t)(base + (LOWEST(mask) >> LANE_SHIFT));
            mask &= mask - 1;
        }
    } while (out < end);
    return end;
}

/* Whether in four vectors at most two lanes are set: all that are may be looked at one by one. */
INLINE int FN(are_few)(const HIT *hits)
{
    int lanes = 0;
    for (int v = 0; v < 4; v += WORD_VECTORS)
        lanes += FM_ONES(FN(word)(hits + v));
    return lanes <= 2;
}

/* Whether it is faster to compare the whole needle with few candidates than the other probes with all starts. That of a
 * longer needle is compared anyway. */
INLINE int FN(has_many_others)(const fm_needle *needle, const int looks)
{
    return needle->probes < needle->length ? (size_t)looks < needle->probes
                                           : (size_t)looks + MANY_OTHERS < needle->probes;
}

/* Lists the set lanes of four vectors, and keeps those where a needle that is all probes stands, apart where it is to be.
 * Few are compared faster so than all lanes with all probes. */
INLINE uint32_t *FN(emit_few)(uint32_t *out, const HIT *hits, const uint8_t *hay, size_t base, const fm_needle *needle,
                              size_t *next_start, const int fold)
{
    uint32_t *end = out;
    for (int v = 0; v < 4; v += WORD_VECTORS)
        end = FN(emit)(end, FN(word)(hits + v), base + v * WIDTH);
    if (needle->probes < needle->length)
        return end;
    uint32_t *kept = out;
    for (const uint32_t *each = out; each < end; each++) {
        const uint32_t start = *each;
        const int stands = (!next_start || start >= *next_start)
                           && fm_agree(hay + start, needle->bytes, needle->length, fold) == needle->length;
        *kept = start;
        kept += stands;
        if (next_start && stands)
            *next_start = start + needle->length;
    }
    return kept;
}

/* What a scan has got so far: a list, or only a number. */
typedef struct {
    uint32_t *end;
    size_t number;
    size_t closer;     /* groups that needed a closer look */
    size_t next_start; /* with needle->apart: the first start that overlaps no candidate taken before */
} FN(taken);

INLINE void FN(take)(FN(taken) *taken, uint64_t mask, size_t base, const fm_needle *needle, const int list,
                     const int looks)
{
    if (looks > 1 && needle->apart)
        mask = FN(apart)(mask, base, needle, &taken->next_start);
    if (list)
        taken->end = FN(emit)(taken->end, mask, base);
    else
        taken->number += (size_t)FM_ONES(mask);
}

/* The same where there is none as likely as not: in small haystacks, and at the ends of large ones. */
INLINE void FN(take_any)(FN(taken) *taken, uint64_t mask, size_t base, const fm_needle *needle, const int list,
                         const int looks)
{
    if (mask)
        FN(take)(taken, mask, base, needle, list, looks);
}

/* Lists or counts the candidates. A list that is nearly full ends the scan early. */
INLINE size_t FN(scan)(const uint8_t *hay, size_t starts, const fm_needle *needle, uint32_t *out, size_t capacity,
                       fm_progress *progress, const int list, const int looks, const int fold)
{
    FN(probe) probes[FM_MOST_LOOKS];
    for (int k = 0; k < looks; k++)
        probes[k] = FN(splat)(needle, k);
    const uint32_t *full = list ? out + (capacity - FM_STEP) : NULL;
    FN(taken) taken = {out, 0, 0, 0};
    HIT hits[4];
    size_t i = 0;
    if (starts >= WORTH_ALIGNING) {
        i = -(uintptr_t)(hay + probes[0].offset) % WIDTH;
        const uint64_t mask = FN(one)(hay, needle, probes, looks, fold) & LANES_BELOW(i);
        FN(take_any)(&taken, mask, 0, needle, list, looks);
    }
    for (; i + 4 * WIDTH <= starts && !(list && taken.end > full); i += 4 * WIDTH) {
        FN(prefetch)((uintptr_t)(hay + i) + AHEAD);
        if (!FN(look)(hay + i, probes, hits, looks, fold, looks == 1 && !list))
            continue;
        taken.closer++;
        if (looks > 1 && FN(has_many_others)(needle, looks) && FN(are_few)(hits)) {
            size_t *next_start = needle->apart ? &taken.next_start : NULL;
            uint32_t few[FEW], *first = list ? taken.end : few;
            uint32_t *end = FN(emit_few)(first, hits, hay, i, needle, next_start, fold);
            if (list)
                taken.end = end;
            else
                taken.number += (size_t)(end - few);
            continue;
        }
        if (looks > 1)
            FN(others)(hay + i, needle, hits, 4, looks, fold);
        for (int v = 0; v < 4; v += WORD_VECTORS)
            FN(take)(&taken, FN(word)(hits + v), i + v * WIDTH, needle, list, looks);
    }
    for (; i + WIDTH <= starts && !(list && taken.end > full); i += WIDTH)
        FN(take_any)(&taken, FN(one)(hay + i, needle, probes, looks, fold), i, needle, list, looks);
    if (i < starts && !(list && taken.end > full)) {
        const size_t base = starts - WIDTH;
        const uint64_t mask = FN(one)(hay + base, needle, probes, looks, fold) >> ((i - base) << LANE_SHIFT);
        FN(take_any)(&taken, mask, i, needle, list, looks);
        i = starts;
    }
    progress->scanned = i > taken.next_start ? i : taken.next_start;
    progress->closer = taken.closer;
    return list ? (size_t)(taken.end - out) : taken.number;
}

/* Lists the candidates of the last vectors that have any. */
INLINE size_t FN(scan_back)(const uint8_t *hay, size_t starts, const fm_needle *needle, uint32_t *out,
                            fm_progress *progress, const int looks, const int fold)
{
    FN(probe) probes[FM_MOST_LOOKS];
    for (int k = 0; k < looks; k++)
        probes[k] = FN(splat)(needle, k);
    uint32_t *end = out;
    size_t closer = 0;
    HIT hits[4];
    size_t top = starts; /* the starts in [top, starts) are done */
    if (starts >= WORTH_ALIGNING) {
        top -= (uintptr_t)(hay + starts + probes[0].offset) % WIDTH;
        if (top < starts) {
            const size_t base = starts - WIDTH;
            const uint64_t mask = FN(one)(hay + base, needle, probes, looks, fold) & LANES_FROM(top - base);
            end = FN(emit)(end, mask, base);
        }
    }
    while (top >= 4 * WIDTH && end == out) {
        top -= 4 * WIDTH;
        FN(prefetch)((uintptr_t)(hay + top) - AHEAD);
        if (!FN(look)(hay + top, probes, hits, looks, fold, 0))
            continue;
        closer++;
        if (looks > 1 && FN(has_many_others)(needle, looks) && FN(are_few)(hits)) {
            end = FN(emit_few)(out, hits, hay, top, needle, NULL, fold);
            continue;
        }
        if (looks > 1)
            FN(others)(hay + top, needle, hits, 4, looks, fold);
        for (int v = 0; v < 4; v += WORD_VECTORS)
            end = FN(emit)(end, FN(word)(hits + v), top + v * WIDTH);
    }
    while (top >= WIDTH && end == out) {
        top -= WIDTH;
        end = FN(emit)(end, FN(one)(hay + top, needle, probes, looks, fold), top);
    }
    if (top > 0 && end == out) {
        end = FN(emit)(end, FN(one)(hay, needle, probes, looks, fold) & LANES_BELOW(top), 0);
        top = 0;
    }
    progress->scanned = starts - top;
    progress->closer = closer;
    return (size_t)(end - out);
}

/* Calls `scan` with the two constants that a needle decides, after what stands before them. */
#define BY_NEEDLE(scan, ...) \
    (needle->looks == 1   ? needle->fold ? scan(__VA_ARGS__, 1, 1) : scan(__VA_ARGS__, 1, 0) \
     : needle->looks == 2 ? needle->fold ? scan(__VA_ARGS__, 2, 1) : scan(__VA_ARGS__, 2, 0) \
     : needle->looks == 3 ? needle->fold ? scan(__VA_ARGS__, 3, 1) : scan(__VA_ARGS__, 3, 0) \
     : needle->fold       ? scan(__VA_ARGS__, FM_MOST_LOOKS, 1) \
                          : scan(__VA_ARGS__, FM_MOST_LOOKS, 0))

TARGET static size_t FN(forward)(const uint8_t *hay, size_t starts, const fm_needle *needle, uint32_t *out,
                                 size_t capacity, fm_progress *progress)
{
    if (starts < WIDTH)
        return NARROWER.forward(hay, starts, needle, out, capacity, progress);
    return BY_NEEDLE(FN(scan), hay, starts, needle, out, capacity, progress, 1);
}

TARGET static size_t FN(backward)(const uint8_t *hay, size_t starts, const fm_needle *needle, uint32_t *out,
                                  fm_progress *progress)
{
    if (starts < WIDTH)
        return NARROWER.backward(hay, starts, needle, out, progress);
    return BY_NEEDLE(FN(scan_back), hay, starts, needle, out, progress);
}

TARGET static size_t FN(count)(const uint8_t *hay, size_t starts, const fm_needle *needle, fm_progress *progress)
{
    if (starts < WIDTH)
        return NARROWER.count(hay, starts, needle, progress);
    return BY_NEEDLE(FN(scan), hay, starts, needle, NULL, 0, progress, 0);
}

const fm_kernel JOIN(fm_, NAME) = {QUOTE(NAME), FN(forward), FN(backward), FN(count), MANY_SCAN};

#undef AHEAD
#undef JOIN_
#undef JOIN
#undef QUOTE_
#undef QUOTE
#undef FN
#undef INLINE
#undef LANES_FROM
#undef LANES_BELOW
#undef EVERY_LANE
#undef WORTH_ALIGNING
#undef WORD_VECTORS
#undef MANY_OTHERS
#undef FEW
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
#undef LOWEST
#undef NARROWER
#undef MANY_SCAN
