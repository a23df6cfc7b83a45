/* A filesystem that refuses: preloaded, it fails the mmap(2) of files as FUSE and network filesystems do.
 *
 * REFUSE=shared: a shared mapping is ENODEV, a private one is made. REFUSE=all: both are. Files without a name, which
 * stand for memory, are mapped. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    static void *(*real)(void *, size_t, int, int, int, off_t);
    const char *refuse = getenv("REFUSE");
    struct stat status;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "mmap");
    if (refuse != NULL && fd >= 0 && fstat(fd, &status) == 0 && status.st_nlink > 0
        && (flags & MAP_SHARED || strcmp(refuse, "all") == 0)) {
        errno = ENODEV;
        return MAP_FAILED;
    }
    return real(address, length, protection, flags, fd, offset);
}

#ifdef __GLIBC__ /* elsewhere it is another name of that, or isn't there */
void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    return mmap(address, length, protection, flags, fd, offset);
}
#endif
