/* Copies of a few bytes, which are most of what a replacement does: a call of memcpy takes longer than they do. */
#ifndef FASTMMAP_STORE_H
#define FASTMMAP_STORE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* How many bytes behind those that are wanted fm_copy_loosely reads and writes. */
#define FM_SLACK 32

/* Copies `length` bytes, and up to FM_SLACK behind them. Precondition: source and target have as many. */
static inline void fm_copy_loosely(uint8_t *target, const uint8_t *source, size_t length)
{
    memcpy(target, source, FM_SLACK);
    if (length > FM_SLACK)
        memcpy(target + FM_SLACK, source + FM_SLACK, length - FM_SLACK);
}

/* Stores `length` bytes and touches no other: what stands beside a match may be written by others. A size of
 * two powers is stored as two that overlap. */
static inline void fm_store(uint8_t *target, const uint8_t *source, size_t length)
{
    uint64_t eight, last_eight;
    uint32_t four, last_four;
    uint16_t two, last_two;
    if (length > 16) {
        memcpy(target, source, length);
    } else if (length >= 8) {
        memcpy(&eight, source, 8);
        memcpy(&last_eight, source + length - 8, 8);
        memcpy(target, &eight, 8);
        memcpy(target + length - 8, &last_eight, 8);
    } else if (length >= 4) {
        memcpy(&four, source, 4);
        memcpy(&last_four, source + length - 4, 4);
        memcpy(target, &four, 4);
        memcpy(target + length - 4, &last_four, 4);
    } else if (length >= 2) {
        memcpy(&two, source, 2);
        memcpy(&last_two, source + length - 2, 2);
        memcpy(target, &two, 2);
        memcpy(target + length - 2, &last_two, 2);
    } else if (length == 1) {
        *target = *source;
    }
}

#endif
