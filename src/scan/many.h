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
 * How it goes: needles are in eight buckets, a bit each, or in two or four sets of eight. For each of the window's bytes
 * two tables tell by its halves which buckets it may belong to; the bits that are left after all of the window's bytes are
 * candidates.
 */
#define MANY_JOIN_(a, b) a##b
#define MANY_JOIN(a, b) MANY_JOIN_(a, b)
#define MANY(verb) MANY_JOIN(verb, MANY_JOIN(_, NAME))
#define MANY_INLINE static FM_INLINE TARGET

typedef struct {
    VECTOR low[FM_WINDOW], high[FM_WINDOW];
} MANY(tables);

/* The buckets, in each set, of the WIDTH windows at `hay`. `sets` and `window` are constants after inlining. */
MANY_INLINE void MANY(buckets_at)(VECTOR *bits, const uint8_t *hay, const MANY(tables) *tables, const int sets,
                                  const int window)
{
    for (int k = 0; k < window; k++) {
        const VECTOR bytes = LOAD(hay + k), lower = LOW(bytes), upper = HIGH(bytes);
        for (int set = 0; set < sets; set++) {
            const VECTOR both = WHERE(LOOK_UP(tables[set].low[k], lower), LOOK_UP(tables[set].high[k], upper));
            bits[set] = k ? WHERE(bits[set], both) : both;
        }
    }
}

/* Lists the windows of a vector that have any, and their buckets. */
MANY_INLINE size_t MANY(list_buckets)(const VECTOR *bits, uint64_t mask, size_t base, fm_candidate *out, size_t listed,
                                      const int sets)
{
    uint8_t buckets[FM_SETS][WIDTH];
    for (int set = 0; set < sets; set++)
        STORE(buckets[set], bits[set]);
    while (mask) {
        const size_t lane = LOWEST(mask) >> LANE_SHIFT;
        uint32_t all = buckets[0][lane];
        for (int set = 1; set < sets; set++)
            all |= (uint32_t)buckets[set][lane] << 8 * set;
        out[listed++] = (fm_candidate){(uint32_t)(base + lane), all};
        mask &= mask - 1;
    }
    return listed;
}

MANY_INLINE VECTOR MANY(any_bucket)(const VECTOR *bits, const int sets)
{
    VECTOR any = bits[0];
    for (int set = 1; set < sets; set++)
        any = WITH(any, bits[set]);
    return any;
}

MANY_INLINE size_t MANY(scan_many)(const uint8_t *hay, size_t windows, const fm_buckets *tables, fm_candidate *out,
                                   size_t capacity, size_t *scanned, const int sets, const int window)
{
    size_t i = 0, listed = 0;
    MANY(tables) vectors[FM_SETS];
    for (int set = 0; set < sets; set++) {
        for (int k = 0; k < window; k++) {
            vectors[set].low[k] = TABLE(tables->low[set][k]);
            vectors[set].high[k] = TABLE(tables->high[set][k]);
        }
    }
    for (; i + 2 * WIDTH <= windows && listed + 2 * WIDTH <= capacity; i += 2 * WIDTH) {
        FM_PREFETCH((uintptr_t)(hay + i) + 4096);
        VECTOR one[FM_SETS], two[FM_SETS];
        MANY(buckets_at)(one, hay + i, vectors, sets, window);
        MANY(buckets_at)(two, hay + i + WIDTH, vectors, sets, window);
        const HIT here = OCCUPIED(MANY(any_bucket)(one, sets)), there = OCCUPIED(MANY(any_bucket)(two, sets));
        if (NONE(EITHER(here, there)))
            continue;
        listed = MANY(list_buckets)(one, MASK(here), i, out, listed, sets);
        listed = MANY(list_buckets)(two, MASK(there), i + WIDTH, out, listed, sets);
    }
    for (; i < windows && listed + WIDTH <= capacity; i += WIDTH) {
        /* The last vector overlaps its neighbour, whose lanes are shifted out. */
        const size_t base = i + WIDTH <= windows ? i : windows - WIDTH, seen = i - base;
        VECTOR bits[FM_SETS];
        MANY(buckets_at)(bits, hay + base, vectors, sets, window);
        const uint64_t mask = MASK(OCCUPIED(MANY(any_bucket)(bits, sets))) & ((uint64_t)-1 << (seen << LANE_SHIFT));
        listed = MANY(list_buckets)(bits, mask, base, out, listed, sets);
    }
    *scanned = i < windows ? i : windows;
    return listed;
}

TARGET static size_t MANY(many)(const uint8_t *hay, size_t windows, const fm_buckets *tables, fm_candidate *out,
                                size_t capacity, size_t *scanned)
{
    if (windows < WIDTH)
        return fm_many_bytewise(hay, windows, tables, out, capacity, scanned);
    if (tables->sets == 1)
        return MANY(scan_many)(hay, windows, tables, out, capacity, scanned, 1, FM_WINDOW - 1);
    if (tables->sets == 2)
        return MANY(scan_many)(hay, windows, tables, out, capacity, scanned, 2, FM_WINDOW);
    return MANY(scan_many)(hay, windows, tables, out, capacity, scanned, FM_SETS, FM_WINDOW);
}

#undef MANY_JOIN_
#undef MANY_JOIN
#undef MANY
#undef MANY_INLINE
#undef TABLE
#undef LOOK_UP
#undef LOW
#undef HIGH
#undef WHERE
#undef OCCUPIED
#undef STORE
