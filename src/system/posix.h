/* The system's calls on POSIX systems. What they promise is said in system.h. */
#ifndef FASTMMAP_SYSTEM_POSIX_H
#define FASTMMAP_SYSTEM_POSIX_H

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/utsname.h>
#endif

#define FM_MAPS_BEYOND_END 1

/* Whether fm_pread leaves the position of a descriptor where it is. */
#define FM_KEEPS_POSITION 1

static inline int fm_look(int fd, fm_file *file)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -1;
    file->device = (uint64_t)status.st_dev;
    file->inode = (uint64_t)status.st_ino;
    file->size = (uint64_t)status.st_size;
    file->blocks = (int64_t)status.st_blocks;
    file->names = (unsigned long)status.st_nlink;
    file->regular = S_ISREG(status.st_mode);
    return 0;
}

/* How much is read or written by one call. Linux does no more, macOS refuses more. */
#define FM_MOST_BYTES ((size_t)0x7ffff000)

static inline size_t fm_at_most(size_t size, size_t most)
{
    return size < most ? size : most;
}

static inline ptrdiff_t fm_pread(int fd, void *data, size_t size, uint64_t offset)
{
    return pread(fd, data, fm_at_most(size, FM_MOST_BYTES), (off_t)offset);
}

static inline ptrdiff_t fm_pwrite(int fd, const void *data, size_t size, uint64_t offset)
{
    return pwrite(fd, data, fm_at_most(size, FM_MOST_BYTES), (off_t)offset);
}

static inline ptrdiff_t fm_write_pieces(int fd, const fm_piece *pieces)
{
    const size_t first = fm_at_most(pieces[0].size, FM_MOST_BYTES);
    const struct iovec both[2] = {
        {(void *)pieces[0].data, first},
        {(void *)pieces[1].data, fm_at_most(pieces[1].size, FM_MOST_BYTES - first)},
    };
    return writev(fd, both, 2);
}

static inline int fm_set_end(int fd, uint64_t size)
{
    return ftruncate(fd, (off_t)size);
}

static inline int fm_lock(int fd)
{
    return flock(fd, LOCK_EX);
}

static inline int fm_unlock(int fd)
{
    return flock(fd, LOCK_UN);
}

static inline void fm_close_descriptor(int fd)
{
    close(fd);
}

static inline size_t fm_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static inline size_t fm_map_unit(void)
{
    return fm_page_size();
}

static inline void *fm_map(size_t length, fm_access access, int fd, int64_t offset)
{
    const int protection = access == FM_MAP_READ ? PROT_READ : PROT_READ | PROT_WRITE;
    const int flags = (access == FM_MAP_COPY ? MAP_PRIVATE : MAP_SHARED) | (fd < 0 ? MAP_ANON : 0);
    void *address = mmap(NULL, length, protection, flags, fd, (off_t)offset);
    /* Some network and FUSE filesystems share no pages, but let them be read. */
    if (address == MAP_FAILED && errno == ENODEV && access == FM_MAP_READ)
        address = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, (off_t)offset);
    return address == MAP_FAILED ? NULL : address;
}

static inline void fm_unmap(void *address, size_t length)
{
    munmap(address, length);
}

static inline int fm_write_back(void *address, size_t length, int fd)
{
    (void)fd;
    return msync(address, length, MS_SYNC);
}

static inline int fm_advise(void *address, size_t length, int advice)
{
    return madvise(address, length, advice);
}

static inline int fm_which_resident(void *address, size_t length, unsigned char *resident)
{
    return mincore(address, length, (void *)resident);
}

static inline void fm_begin_reading(void *address, size_t length)
{
    madvise(address, length, MADV_WILLNEED);
}

/* They leave this mapping, and the page cache too unless others use them. */
static inline void fm_let_go(void *address, size_t length, int fd, int64_t offset)
{
    madvise(address, length, MADV_DONTNEED);
#ifdef POSIX_FADV_DONTNEED
    posix_fadvise(fd, (off_t)offset, (off_t)length, POSIX_FADV_DONTNEED);
#else
    (void)fd;
    (void)offset;
#endif
}

/* Linux before 6.9 may never return from it when the disk fails. */
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

static inline void fm_make_pages_writable(void *address, size_t length)
{
#if defined(__linux__) && defined(MADV_POPULATE_WRITE)
    (void)madvise(address, length, MADV_POPULATE_WRITE);
#else
    (void)address;
    (void)length;
#endif
}

static inline int64_t fm_now(void)
{
    struct timespec clock;
    clock_gettime(CLOCK_MONOTONIC, &clock);
    return (int64_t)clock.tv_sec * 1000000000 + clock.tv_nsec;
}

static inline void fm_pause(unsigned microseconds)
{
    const struct timespec time = {microseconds / 1000000, (long)(microseconds % 1000000) * 1000};
    nanosleep(&time, NULL);
}

static inline long fm_process(void)
{
    return (long)getpid();
}

#ifdef __linux__

static inline int fm_open_watch(void)
{
    return inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
}

static inline int fm_add_watch(int fd, const char *path, uint32_t events)
{
    return inotify_add_watch(fd, path, events);
}

static inline int fm_remove_watch(int fd, int number)
{
    return inotify_rm_watch(fd, number);
}

#endif

#endif
