/* The native half of the seam to the system: what is asked of it by src/, once. The other half is fastmmap/system/.
 *
 * posix.h and windows.h have the same functions, and are included by this file alone. Descriptors are those of the C
 * library that Python uses. What fails answers -1, or NULL, and errno says why. None needs the interpreter, allocates, or
 * takes a lock of this process. (Signals and exceptions are src/guard's.)
 */
#ifndef FASTMMAP_SYSTEM_H
#define FASTMMAP_SYSTEM_H

#include "compiler.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

/* --- files --- */

/* What a file is, in types that are the same on all systems. */
typedef struct {
    uint64_t device;
    uint64_t inode;
    uint64_t size;
    int64_t blocks;      /* of 512 bytes */
    unsigned long names; /* the link count: 0 for a file that was removed */
    int regular;
} fm_file;

/* A stretch of memory that is written. */
typedef struct {
    const void *data;
    size_t size;
} fm_piece;

static inline int fm_look(int fd, fm_file *file);

/* Reads or writes at an offset, as pread(2) and pwrite(2): less than was asked for, perhaps. On Windows the position of
 * the descriptor is moved, so this is for descriptors that nobody reads on from. */
static inline ptrdiff_t fm_pread(int fd, void *data, size_t size, uint64_t offset);
static inline ptrdiff_t fm_pwrite(int fd, const void *data, size_t size, uint64_t offset);

/* Writes two pieces in a row to the end of the file: less of them, perhaps. In one call where the system has one. */
static inline ptrdiff_t fm_write_pieces(int fd, const fm_piece *pieces);

/* Moves the end of a file. */
static inline int fm_set_end(int fd, uint64_t size);

/* Locks a file for one process, or one descriptor of it, and waits for that. EINTR: a signal came, or may have. */
static inline int fm_lock(int fd);
static inline int fm_unlock(int fd);

static inline void fm_close_descriptor(int fd);

/* --- memory --- */

/* What may be done with a mapping: it is read, what is stored reaches the file, or stays in this process. */
typedef enum { FM_MAP_READ, FM_MAP_WRITE, FM_MAP_COPY } fm_access;

/* How large a page is, and of what an offset in a file has to be a multiple to be mapped. */
static inline size_t fm_page_size(void);
static inline size_t fm_map_unit(void);

/* Maps a range of a file, or memory where fd is -1. NULL: it can't be had. Whether it may lie beyond the end, so that
 * the file is made longer when it has its addresses, says FM_MAPS_BEYOND_END; else the file is longer then. */
static inline void *fm_map(size_t length, fm_access access, int fd, int64_t offset);
static inline void fm_unmap(void *address, size_t length);

/* From here on on whole pages. */

/* Writes what was changed back to the file, whose descriptor is fd, and waits for it. */
static inline int fm_write_back(void *address, size_t length, int fd);

/* madvise(2), with numbers that fastmmap/system/machine.py has. */
static inline int fm_advise(void *address, size_t length, int advice);

/* Which pages are in memory, by the lowest bit of a byte for each. */
static inline int fm_which_resident(void *address, size_t length, unsigned char *resident);

/* Begins to read from the file. */
static inline void fm_begin_reading(void *address, size_t length);

/* Lets go of pages, which stand at `offset` of the file; nothing that was stored is lost. */
static inline void fm_let_go(void *address, size_t length, int fd, int64_t offset);

/* Whether pages can be made writable ahead of the stores to them, and that. */
static inline int fm_can_make_writable(void);
static inline void fm_make_pages_writable(void *address, size_t length);

/* --- time, and the process --- */

/* Nanoseconds since anything: a clock that nobody sets. */
static inline int64_t fm_now(void);

/* Waits a while, for at least so many microseconds or until a signal comes. */
static inline void fm_pause(unsigned microseconds);

/* A number of this process, which a forked child hasn't. */
static inline long fm_process(void);

/* --- inotify(7), with ENOSYS where it isn't --- */

static inline int fm_open_watch(void);
static inline int fm_add_watch(int fd, const char *path, uint32_t events);
static inline int fm_remove_watch(int fd, int number);

#ifdef _WIN32
#include "windows.h"
#else
#include "posix.h"
#endif

#ifndef __linux__
static inline int fm_open_watch(void)
{
    errno = ENOSYS;
    return -1;
}

static inline int fm_add_watch(int fd, const char *path, uint32_t events)
{
    (void)fd, (void)path, (void)events;
    errno = ENOSYS;
    return -1;
}

static inline int fm_remove_watch(int fd, int number)
{
    (void)fd, (void)number;
    errno = ENOSYS;
    return -1;
}
#endif

#endif
