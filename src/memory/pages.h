/* The pages of mapped memory: whether they are in memory, can be touched and stored to, and how to let go of them. */
#ifndef FASTMMAP_PAGES_H
#define FASTMMAP_PAGES_H

#include "../system/system.h"

/* Whether much of [start, start + length) has to come from a disk: a few of its pages tell, where the system does. */
static inline int fm_is_cold(const uint8_t *start, size_t length)
{
    enum { PAGES = 16, MOST_ABSENT = 4 };
    const uintptr_t page = (uintptr_t)fm_page_size();
    int absent = 0;
    for (size_t i = 0; i < PAGES; i++) {
        const uintptr_t address = ((uintptr_t)start + length / PAGES * i) & ~(page - 1);
        unsigned char resident;
        absent += fm_which_resident((void *)address, 1, &resident) == 0 && !(resident & 1);
    }
    return absent > MOST_ABSENT;
}

/* From where on all pages of [start, end) are in memory: `end` where the last one isn't. The range has 64 KiB at most. */
static inline const uint8_t *fm_resident(const uint8_t *start, const uint8_t *end)
{
    const uintptr_t page = (uintptr_t)fm_page_size();
    const uintptr_t first = (uintptr_t)start & ~(page - 1);
    unsigned char resident[18];
    const size_t pages = ((uintptr_t)end - first + page - 1) / page;
    size_t i = pages;
    if (start >= end || pages > sizeof resident || fm_which_resident((void *)first, pages * page, resident) != 0)
        return end;
    while (i > 0 && resident[i - 1] & 1)
        i--;
    if (i == pages)
        return end;
    return i == 0 ? start : (const uint8_t *)first + i * page;
}

/* Starts to read [start, start + length) from its file, if its first page isn't in memory. */
static inline void fm_read_ahead(const uint8_t *start, size_t length)
{
    const size_t into_page = (uintptr_t)start % fm_page_size();
    void *page = (void *)(start - into_page);
    unsigned char resident;
    if (fm_which_resident(page, 1, &resident) == 0 && !(resident & 1))
        fm_begin_reading(page, length + into_page);
}

/* Lets go of the pages that lie wholly in [start, end), which is at `offset` of the file. Precondition: the mapping is a
 * file's and shared, so no store is lost. */
static inline void fm_drop(const uint8_t *start, const uint8_t *end, int fd, int64_t offset)
{
    const uintptr_t page = (uintptr_t)fm_page_size();
    const uintptr_t low = ((uintptr_t)start + page - 1) & ~(page - 1), high = (uintptr_t)end & ~(page - 1);
    if (low < high)
        fm_let_go((void *)low, high - low, fd, offset + (int64_t)(low - (uintptr_t)start));
}

/* Asks for a few bytes that will be read soon. No fault comes of it. */
static inline void fm_ask_for(const char *address)
{
    FM_PREFETCH(address);
}

/* Touches a byte, as a store does where `stores` is set; its value stays, also if others store to it meanwhile. */
static inline void fm_touch(uint8_t *byte, int stores)
{
    uint8_t value = *(volatile const uint8_t *)byte;
    while (stores && !fm_exchange_byte(byte, &value, value))
        continue;
}

/* Makes the pages that hold the bytes first to last writable in one system call, where each would be a fault. Where it
 * can't, the store will find out why. Precondition: all of these pages are going to be stored to. */
static inline void fm_make_writable(uintptr_t first, uintptr_t last, uintptr_t page)
{
    first &= ~(page - 1);
    fm_make_pages_writable((void *)first, (last | (page - 1)) + 1 - first);
}

#endif
