/* Copies of a few bytes, which are most of what a replacement does: a call of memcpy takes longer than they do. */
#ifndef FASTMMAP_COPY_H
#define FASTMMAP_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __linux__
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#endif

/* How many bytes behind those that are wanted fm_copy_loosely reads and writes. */
#define FM_SLACK 32

/* Copies `length` bytes, and up to FM_SLACK behind them. Precondition: source and target have as many. */
static inline void fm_copy_loosely(uint8_t *target, const uint8_t *source, size_t length)
{
    memcpy(target, source, FM_SLACK);
    if (length > FM_SLACK)
        memcpy(target + FM_SLACK, source + FM_SLACK, length - FM_SLACK);
}

/* Stores `length` bytes and touches no other: what stands beside a match may be somebody else's to write. A size of
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

/* Stores a word in one go, after all that was stored before it: who reads the memory later, this process being dead
 * perhaps, finds the old word or the new one, and with the new one what it stands for. */
static inline void fm_publish(uint64_t *word, uint64_t value)
{
#if defined(__GNUC__) || defined(__clang__)
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
#else
    *(volatile uint64_t *)word = value; /* MSVC: volatile stores are aligned, whole and in order */
#endif
}

/* Reads a word once: what somebody else may change is checked and used as one value. */
static inline uint64_t fm_read_once(const uint64_t *word)
{
#if defined(__GNUC__) || defined(__clang__)
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
#else
    return *(const volatile uint64_t *)word;
#endif
}

/* Touches a byte, as a store does where `stores` is set; it stays what it is, whoever else stores to it. */
static inline void fm_touch(uint8_t *byte, int stores)
{
    uint8_t value = *(volatile const uint8_t *)byte;
#if defined(__GNUC__) || defined(__clang__)
    while (stores && !__atomic_compare_exchange_n(byte, &value, value, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        continue;
#else
    (void)value; /* MSVC: no file there runs out of space under its mapping */
    (void)stores;
#endif
}

/* Whether pages can be made writable ahead of the stores to them. Kernels before 6.9 may never return from it when the
 * disk fails. */
static inline int fm_can_make_writable(void)
{
#if defined(__linux__) && defined(MADV_POPULATE_WRITE)
    struct utsname name;
    char *minor;
    if (uname(&name) != 0)
        return 0;
    const long major = strtol(name.release, &minor, 10);
    return major > 6 || (major == 6 && *minor == '.' && atoi(minor + 1) >= 9);
#else
    return 0;
#endif
}

/* Makes the pages of [first, last] writable in one system call, where each would be a fault. Where it can't, the store
 * will find out why. Precondition: all of them are going to be written to. */
static inline void fm_make_writable(uintptr_t first, uintptr_t last, uintptr_t page)
{
#if defined(__linux__) && defined(MADV_POPULATE_WRITE)
    first &= ~(page - 1);
    (void)madvise((void *)first, (last | (page - 1)) + 1 - first, MADV_POPULATE_WRITE);
#else
    (void)first;
    (void)last;
    (void)page;
#endif
}

#endif
