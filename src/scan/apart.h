/* Part of scan.h, and included by it: which of the candidates in a word overlap none that was taken before. */

/* The lanes that a match at one of the set lanes overlaps. */
INLINE uint64_t FN(overlapped)(uint64_t mask, const fm_needle *needle)
{
    uint64_t lanes = mask << (needle->period[0] << LANE_SHIFT);
    for (size_t k = 1; k < needle->periods; k++)
        lanes |= mask << (needle->period[k] << LANE_SHIFT);
    return lanes;
}

/* The highest set lane, or 0. */
INLINE size_t FN(highest)(uint64_t mask)
{
    return (63 - (size_t)FM_ZEROS_ABOVE(mask | 1)) >> LANE_SHIFT;
}

/* Every `length`-th lane. */
INLINE uint64_t FN(comb)(size_t length)
{
    uint64_t comb = 1;
    for (size_t bit = length << LANE_SHIFT; bit < 64; bit += length << LANE_SHIFT)
        comb |= (uint64_t)1 << bit;
    return comb;
}

/* Clears the lanes of candidates that overlap a chosen one, left to right. Needles are short here: length <= FM_PROBES
 * lanes, so a start below *next_start is fewer than that from base. A round chooses all lanes that none of the rest
 * overlaps. Two rounds are enough for nearly all text; doing the second always is cheaper than guessing about it.
 * One byte repeated would take many rounds, and is common: zeros, spaces. A word full of it gets a comb instead. */
INLINE uint64_t FN(apart)(uint64_t mask, size_t base, const fm_needle *needle, size_t *next_start)
{
    const size_t below = *next_start > base ? *next_start - base : 0;
    if (mask == EVERY_LANE && needle->period[0] == 1) {
        const uint64_t chosen = FN(comb)(needle->length) << (below << LANE_SHIFT);
        *next_start = base + FN(highest)(chosen) + needle->length;
        return chosen;
    }
    const uint64_t excluded = mask & LANES_BELOW(below);
    uint64_t rest = mask;
    if (excluded) {
        rest ^= excluded;
        FM_FORGET(rest); /* keeps this a branch: most words needn't wait for the one before */
    }
    uint64_t chosen = 0;
    for (int round = 0; round < 2 || rest; round++) {
        const uint64_t later = rest & FN(overlapped)(rest, needle);
        const uint64_t first = rest ^ later;
        chosen |= first;
        rest = later & ~FN(overlapped)(first, needle);
    }
    *next_start = chosen ? base + FN(highest)(chosen) + needle->length : *next_start;
    return chosen;
}
