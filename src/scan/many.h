/* The scan for many needles, written once: the class of Hyperscan's Teddy. An instruction set that can look up sixteen
 * bytes at once includes this file after scan.h's macros, and before scan.h itself, with besides
 *
 *   TABLE(pointer)    sixteen bytes in a vector, repeated in each part that LOOK_UP works on
 *   LOOK_UP(t, index) the bytes of a table at indices below 16, lane by lane
 *   LOW(v), HIGH(v)   the lower and the upper four bits of each lane
 *   WHERE(a, b)       bitwise and of two vectors
 *   OCCUPIED(v)       HIT: where a lane isn't zero
 *   STORE(pointer, v) an unaligned store
 *
 * How it goes: needles are in eight buckets, a bit each. For each of the window's bytes two tables tell by its halves
 * which buckets it may belong to; the bits that are left after all of the window's bytes are candidates.
 */
#define MANY_JOIN_(a, b) a##b
#define MANY_JOIN(a, b) MANY_JOIN_(a, b)
#define MANY(verb) MANY_JOIN(verb, MANY_JOIN(_, NAME))

/* The buckets of the WIDTH windows at `hay`. */
static inline __attribute__((always_inline)) TARGET VECTOR MANY(buckets_at)(const uint8_t *hay, const VECTOR *low,
                                                                            const VECTOR *high)
{
    VECTOR left = LOAD(hay);
    VECTOR bits = WHERE(LOOK_UP(low[0], LOW(left)), LOOK_UP(high[0], HIGH(left)));
    for (int k = 1; k < FM_WINDOW; k++) {
        left = LOAD(hay + k);
        bits = WHERE(bits, WHERE(LOOK_UP(low[k], LOW(left)), LOOK_UP(high[k], HIGH(left))));
    }
    return bits;
}

/* Lists the windows of a vector that have any, and their buckets. */
static inline __attribute__((always_inline)) TARGET size_t MANY(list_buckets)(VECTOR bits, uint64_t mask, size_t base,
                                                                              fm_candidate *out, size_t listed)
{
    uint8_t buckets[WIDTH];
    STORE(buckets, bits);
    while (mask) {
        const size_t lane = LOWEST(mask) >> LANE_SHIFT;
        out[listed++] = (fm_candidate){(uint32_t)(base + lane), buckets[lane]};
        mask &= mask - 1;
    }
    return listed;
}

TARGET static size_t MANY(many)(const uint8_t *hay, size_t windows, const fm_buckets *tables, fm_candidate *out,
                                size_t capacity, size_t *scanned)
{
    size_t i = 0, listed = 0;
    if (windows < WIDTH)
        return fm_many_bytewise(hay, windows, tables, out, capacity, scanned);
    VECTOR low[FM_WINDOW], high[FM_WINDOW];
    for (int k = 0; k < FM_WINDOW; k++) {
        low[k] = TABLE(tables->low[k]);
        high[k] = TABLE(tables->high[k]);
    }
    for (; i + 2 * WIDTH <= windows && listed + 2 * WIDTH <= capacity; i += 2 * WIDTH) {
        __builtin_prefetch((const void *)((uintptr_t)(hay + i) + 4096));
        const VECTOR one = MANY(buckets_at)(hay + i, low, high), two = MANY(buckets_at)(hay + i + WIDTH, low, high);
        const HIT here = OCCUPIED(one), there = OCCUPIED(two);
        if (NONE(EITHER(here, there)))
            continue;
        listed = MANY(list_buckets)(one, MASK(here), i, out, listed);
        listed = MANY(list_buckets)(two, MASK(there), i + WIDTH, out, listed);
    }
    for (; i < windows && listed + WIDTH <= capacity; i += WIDTH) {
        /* The last vector overlaps its neighbour, whose lanes are shifted out. */
        const size_t base = i + WIDTH <= windows ? i : windows - WIDTH, seen = i - base;
        const VECTOR bits = MANY(buckets_at)(hay + base, low, high);
        const uint64_t mask = MASK(OCCUPIED(bits)) & ((uint64_t)-1 << (seen << LANE_SHIFT));
        listed = MANY(list_buckets)(bits, mask, base, out, listed);
    }
    *scanned = i < windows ? i : windows;
    return listed;
}

#undef MANY_JOIN_
#undef MANY_JOIN
#undef MANY
#undef TABLE
#undef LOOK_UP
#undef LOW
#undef HIGH
#undef WHERE
#undef OCCUPIED
#undef STORE
