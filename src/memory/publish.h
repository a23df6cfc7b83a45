/* Words that several processes share: in which order their stores are seen, and that each is seen whole. */
#ifndef FASTMMAP_PUBLISH_H
#define FASTMMAP_PUBLISH_H

#include "../system/compiler.h"

/* Stores a word in one go, after all that was stored before it: who reads the memory later, this process being dead
 * perhaps, finds the old word or the new one, and with the new one what it stands for. */
static inline void fm_publish(uint64_t *word, uint64_t value)
{
    fm_store_word(word, value);
}

/* Reads a word once: what somebody else may change is checked and used as one value. */
static inline uint64_t fm_read_once(const uint64_t *word)
{
    return fm_read_word(word);
}

#endif
