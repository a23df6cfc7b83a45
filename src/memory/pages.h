/* The pages of mapped memory: whether they are in memory, can be touched and stored to, and how to let go of them. */
#ifndef FASTMMAP_PAGES_H
#define FASTMMAP_PAGES_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __linux__
#include <stdlib.h>
#include <sys/utsname.h>
#endif

/* Whether much of [start, start + length) has to come from a disk: a few of its pages tell. */
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

/* From where on all pages of [start, end) are in memory: `end` where the last one isn't. The range has 64 KiB at most. */
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

/* Lets go of the pages that lie wholly in [start, end), which is at `offset` of the file: they leave this mapping, and
 * the page cache too unless others use them. Precondition: the mapping is a file's and shared, so no store is lost. */
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

/* Asks for a few bytes that will be read soon. No fault comes of it. */
static inline void fm_ask_for(const char *address)
{
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(address);
#else
    (void)address;
#endif
}

/* Touches a byte, as a store does where `stores` is set; its value stays, also if others store to it meanwhile. */
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

/* Whether pages can be made writable ahead of the stores to them. Linux before 6.9 may never return from it when the
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

/* Makes the pages that hold the bytes first to last writable in one system call, where each would be a fault. Where it
 * can't, the store will find out why. Precondition: all of these pages are going to be stored to. */
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
