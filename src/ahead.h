/* A file's pages: whether they are in memory, and letting go of them behind a scan. */
#ifndef FASTMMAP_AHEAD_H
#define FASTMMAP_AHEAD_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Whether much of [start, start + length) has to come from a disk, by a few of its pages. */
static inline int fm_is_cold(const uint8_t *start, size_t length)
{
    enum { PAGES = 16, MOST_ABSENT = 4 };
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    int absent = 0;
    for (size_t i = 0; i < PAGES; i++) {
        const uintptr_t address = ((uintptr_t)start + length / PAGES * i) & ~(page - 1);
        unsigned char resident;
        absent += mincore((void *)address, 1, (void *)&resident) == 0 && !(resident & 1);
    }
    return absent > MOST_ABSENT;
}

/* From where on all pages of [start, end) are in memory, which has at most 64 KiB: `end` where the last one isn't. */
static inline const uint8_t *fm_resident(const uint8_t *start, const uint8_t *end)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t first = (uintptr_t)start & ~(page - 1);
    unsigned char resident[18];
    const size_t pages = ((uintptr_t)end - first + page - 1) / page;
    size_t i = pages;
    if (start >= end || pages > sizeof resident || mincore((void *)first, pages * page, (void *)resident) != 0)
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
    const size_t into_page = (uintptr_t)start % (size_t)sysconf(_SC_PAGESIZE);
    void *page = (void *)(start - into_page);
    unsigned char resident;
    if (mincore(page, 1, (void *)&resident) == 0 && !(resident & 1))
        madvise(page, length + into_page, MADV_WILLNEED);
}

/* Lets go of the pages that lie wholly in [start, end), which is at `offset` of the file: of this mapping, and of the
 * page cache unless others use them. Precondition: the mapping is a file's and shared, so nothing that was stored is
 * lost. */
static inline void fm_drop(const uint8_t *start, const uint8_t *end, int fd, int64_t offset)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t low = ((uintptr_t)start + page - 1) & ~(page - 1), high = (uintptr_t)end & ~(page - 1);
    if (low >= high)
        return;
    madvise((void *)low, high - low, MADV_DONTNEED);
#ifdef POSIX_FADV_DONTNEED
    posix_fadvise(fd, (off_t)(offset + (int64_t)(low - (uintptr_t)start)), (off_t)(high - low), POSIX_FADV_DONTNEED);
#else
    (void)fd;
    (void)offset;
#endif
}

#endif
