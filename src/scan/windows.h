/* Looks windows up in tables of flags, many places at a time: what src/filter.pxd describes. Written in C, for the loops
 * are compiled for each stride: with a stride that isn't known they take twice as long. */
#ifndef FASTMMAP_WINDOWS_H
#define FASTMMAP_WINDOWS_H

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

static inline uint32_t fm_hash(const uint8_t *bytes, uint32_t fold, int shift)
{
    uint32_t word;
    memcpy(&word, bytes, 4);
    return (word | fold) * 0x9E3779B1u >> shift;
}

static inline __attribute__((always_inline)) uint32_t fm_place(const uint8_t *bytes, const int hashed, uint32_t fold,
                                                               int shift)
{
    uint32_t place = hashed ? fm_hash(bytes, fold, shift) : fm_pair(bytes);
    __asm__("" : "+r"(place)); /* else the compiler makes vectors of these, and takes them apart again */
    return place;
}

static inline __attribute__((always_inline)) ptrdiff_t fm_pass(const uint8_t *hay, ptrdiff_t at, ptrdiff_t end,
                                                               const ptrdiff_t stride, const uint8_t *flags,
                                                               const int hashed, uint32_t fold, int shift)
{
    for (; at + (FM_TOGETHER - 1) * stride < end; at += FM_TOGETHER * stride) {
        unsigned any = 0;
        for (int k = 0; k < FM_TOGETHER; k++)
            any |= flags[fm_place(hay + at + k * stride, hashed, fold, shift)];
        if (any)
            break;
    }
    while (at < end && !flags[fm_place(hay + at, hashed, fold, shift)])
        at += stride;
    return at;
}

/* The first of the places at, at + stride, ... before `end` that has a flag; `end` or beyond it where none has. By pairs
 * of bytes, or by hashes of four, which are read at each place. */
static inline ptrdiff_t fm_next_flag(const uint8_t *hay, ptrdiff_t at, ptrdiff_t end, ptrdiff_t stride,
                                     const uint8_t *flags, int hashed, uint32_t fold, int shift)
{
#define FM_PASS(stride) \
    (hashed ? fold ? fm_pass(hay, at, end, stride, flags, 1, 0x20202020u, shift) \
                   : fm_pass(hay, at, end, stride, flags, 1, 0, shift)           \
            : fm_pass(hay, at, end, stride, flags, 0, 0, 0))
    switch (stride) {
    case 1: return FM_PASS(1);
    case 2: return FM_PASS(2);
    case 3: return FM_PASS(3);
    case 4: return FM_PASS(4);
    default: return FM_PASS(stride);
    }
#undef FM_PASS
}

#endif
