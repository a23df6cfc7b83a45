/* Reading ahead of a scan: asking the system for file pages before they are needed. */
#ifndef FASTMMAP_AHEAD_H
#define FASTMMAP_AHEAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Starts to read [start, start + length) from its file, if its first page isn't in memory. The system reads little ahead
 * of page faults, and only one of two threads' faults look sequential to it: a cold file is read at half speed without
 * this. Where the page is there already, or isn't a file's, this costs one system call. */
static inline void fm_read_ahead(const uint8_t *start, size_t length)
{
    const size_t into_page = (uintptr_t)start % (size_t)sysconf(_SC_PAGESIZE);
    void *page = (void *)(start - into_page);
    unsigned char resident;
    if (mincore(page, 1, (void *)&resident) == 0 && !(resident & 1))
        madvise(page, length + into_page, MADV_WILLNEED);
}

#endif
