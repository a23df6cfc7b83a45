/* Looks windows up in tables of flags, many places at a time: what src/filter.pxd describes. Written in C, for the loops
 * are compiled for each stride: with a stride that isn't known they take twice as long. */
#ifndef FASTMMAP_WINDOWS_H
#define FASTMMAP_WINDOWS_H

#include "../system/compiler.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* How many places are looked up together. */
#define FM_TOGETHER 8

static inline uint32_t fm_pair(const uint8_t *bytes)
{
    uint16_t pair;
    memcpy(&pair, bytes, 2);
    return pair;
}

/* A table of flags, one for each pair of bytes, or for each place that hashes of four may have. */
typedef struct {
    uint8_t *flags;
    int hashed;
    uint32_t fold;    /* which bits are set before bytes are hashed */
    int shift;        /* which bits of a hash are its place */
    ptrdiff_t stride; /* each so many places are looked at */
} fm_flags;

static inline uint32_t fm_hash(const uint8_t *bytes, uint32_t fold, int shift)
{
    uint32_t word;
    memcpy(&word, bytes, 4);
    return (word | fold) * 0x9E3779B1u >> shift;
}

/* Where a window is in the table. */
static inline uint32_t fm_place(const fm_flags *table, const uint8_t *bytes)
{
    return table->hashed ? fm_hash(bytes, table->fold, table->shift) : fm_pair(bytes);
}

/* The last two are constants after inlining. */
static FM_INLINE unsigned fm_flag(const fm_flags *table, const uint8_t *bytes, const int hashed, const uint32_t fold)
{
    uint32_t place = hashed ? fm_hash(bytes, fold, table->shift) : fm_pair(bytes);
    FM_FORGET(place); /* else the compiler makes vectors of these, and takes them apart again */
    return table->flags[place];
}

static FM_INLINE size_t fm_pass(const fm_flags *table, const uint8_t *hay, ptrdiff_t size, uint32_t *out,
                                size_t capacity, ptrdiff_t *scanned, const ptrdiff_t stride, const int hashed,
                                const uint32_t fold)
{
    const fm_flags own = *table;
    ptrdiff_t at = 0;
    size_t listed = 0;
    for (; at + (FM_TOGETHER - 1) * stride < size && listed + FM_TOGETHER <= capacity; at += FM_TOGETHER * stride) {
        unsigned any = 0;
        for (int k = 0; k < FM_TOGETHER; k++)
            any |= fm_flag(&own, hay + at + k * stride, hashed, fold);
        if (!any)
            continue;
        for (int k = 0; k < FM_TOGETHER; k++) { /* which of them can't be predicted */
            out[listed] = (uint32_t)(at + k * stride);
            listed += fm_flag(&own, hay + at + k * stride, hashed, fold);
        }
    }
    for (; at < size && listed < capacity; at += stride) {
        out[listed] = (uint32_t)at;
        listed += fm_flag(&own, hay + at, hashed, fold);
    }
    *scanned = at;
    return listed;
}

/* Lists those of the places 0, stride, ... before `size` that have a flag, ascending, as many as there is room for, and
 * returns how many. The next one to look at is *scanned. By pairs of bytes, or by hashes of four, which are read at each
 * place. Precondition: there is room for FM_TOGETHER; size < 2^32. */
static inline size_t fm_list_flags(const fm_flags *table, const uint8_t *hay, ptrdiff_t size, uint32_t *out,
                                   size_t capacity, ptrdiff_t *scanned)
{
#define FM_PASS(stride) \
    (table->hashed ? table->fold ? fm_pass(table, hay, size, out, capacity, scanned, stride, 1, 0x20202020u) \
                                 : fm_pass(table, hay, size, out, capacity, scanned, stride, 1, 0) \
                   : fm_pass(table, hay, size, out, capacity, scanned, stride, 0, 0))
    switch (table->stride) {
    case 1: return FM_PASS(1);
    case 2: return FM_PASS(2);
    case 3: return FM_PASS(3);
    case 4: return FM_PASS(4);
    default: return FM_PASS(table->stride);
    }
#undef FM_PASS
}

#endif
