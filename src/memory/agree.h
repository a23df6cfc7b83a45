/* How far two stretches of bytes agree: what verifies a candidate. Eight bytes at a time, on any machine. */
#ifndef FASTMMAP_AGREE_H
#define FASTMMAP_AGREE_H

#include "../system/compiler.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Eight bytes, the first in the lowest bits. */
static inline uint64_t fm_eight(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, 8);
#if FM_BIG_ENDIAN
    word = FM_REVERSED(word);
#endif
    return word;
}

static inline uint8_t fm_fold(uint8_t byte)
{
    return (uint8_t)(byte + ((uint8_t)(byte - 'A') < 26 ? 0x20 : 0));
}

/* fm_fold of eight bytes: adding to the low seven bits of each carries into the eighth from 'A' on, or after 'Z'. */
static inline uint64_t fm_fold_eight(uint64_t word)
{
    const uint64_t every = 0x0101010101010101u, low = word & 0x7f * every;
    const uint64_t capital = (low + (0x80 - 'A') * every) & ~(low + (0x7f - 'Z') * every) & ~word & 0x80 * every;
    return word | capital >> 2;
}

/* Where eight bytes of the haystack differ from eight of the needle: a set bit in each byte that does. */
static inline uint64_t fm_unlike(const uint8_t *hay, const uint8_t *needle, int fold)
{
    const uint64_t word = fm_eight(hay);
    return (fold ? fm_fold_eight(word) : word) ^ fm_eight(needle);
}

/* How many of the first `length` bytes agree until the first that doesn't. The needle is in lower case where `fold` is
 * set, which folds the haystack's ASCII letters. The last eight bytes are compared together, some of them again. */
static inline size_t fm_agree(const uint8_t *hay, const uint8_t *needle, size_t length, int fold)
{
    size_t i = 0;
    for (; i + 8 < length; i += 8) {
        const uint64_t unlike = fm_unlike(hay + i, needle + i, fold);
        if (unlike)
            return i + ((size_t)FM_ZEROS_BELOW(unlike) >> 3);
    }
    if (length >= 8) {
        i = length - 8;
        const uint64_t unlike = fm_unlike(hay + i, needle + i, fold);
        return unlike ? i + ((size_t)FM_ZEROS_BELOW(unlike) >> 3) : length;
    }
    while (i < length && (fold ? fm_fold(hay[i]) : hay[i]) == needle[i])
        i++;
    return i;
}

/* The mirror: how many of the last `length` bytes before the two ends agree, from the end. */
static inline size_t fm_agree_back(const uint8_t *hay_end, const uint8_t *needle_end, size_t length, int fold)
{
    size_t i = 0;
    for (; i + 8 < length; i += 8) {
        const uint64_t unlike = fm_unlike(hay_end - i - 8, needle_end - i - 8, fold);
        if (unlike)
            return i + ((size_t)FM_ZEROS_ABOVE(unlike) >> 3);
    }
    if (length >= 8) {
        i = length - 8;
        const uint64_t unlike = fm_unlike(hay_end - length, needle_end - length, fold);
        return unlike ? i + ((size_t)FM_ZEROS_ABOVE(unlike) >> 3) : length;
    }
    for (; i < length; i++) {
        const uint8_t byte = *(hay_end - i - 1);
        if ((fold ? fm_fold(byte) : byte) != *(needle_end - i - 1))
            break;
    }
    return i;
}

#endif
