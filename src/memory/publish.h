/* Words that several processes share: in which order their stores are seen, and that each is seen whole. */
#ifndef FASTMMAP_PUBLISH_H
#define FASTMMAP_PUBLISH_H

#include <stdint.h>

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

#endif
