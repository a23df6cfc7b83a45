/* System calls that fail: preloaded, it lets the k-th call that a test counts fail, once or from then on, or kills the
 * process there: before the call, after it, or when a write has written half.
 *
 * Calls count from `arm` to `disarm`, in all threads: those that reach files by name or descriptor. What fails has done
 * nothing. `number` of FAIL_SHORT isn't an errno: the call writes half of what it is given. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <unistd.h>

enum { ONCE, STICKY, KILL_BEFORE, KILL_AFTER, KILL_INSIDE };
enum { FAIL_SHORT = -1, MOST_EINTR = 20 };

static atomic_int armed, calls, failed;
static int at, number, mode, no_nameless;

void arm(int place, int error, int how)
{
    at = place;
    number = error;
    mode = how;
    atomic_store(&calls, 0);
    atomic_store(&failed, 0);
    atomic_store(&armed, 1);
}

/* How many calls there were. */
int disarm(void)
{
    atomic_store(&armed, 0);
    return atomic_load(&calls);
}

/* From now on, as on a filesystem without O_TMPFILE. */
void refuse_nameless(int refuse)
{
    no_nameless = refuse;
}

static void stop(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* Whether this call fails; 2 where a write is to be the last, when half of it is written. Of half a write or read only calls count that write or read. An endless EINTR would be an
 * endless loop, as it should. */
static int fails(int has_size)
{
    if (!atomic_load(&armed) || (number == FAIL_SHORT && !has_size))
        return 0;
    const int call = atomic_fetch_add(&calls, 1);
    if (mode == KILL_INSIDE && call == at && has_size)
        return 2;
    if ((mode == KILL_BEFORE || mode == KILL_INSIDE) && call == at)
        stop();
    if (mode > STICKY || call < at || (mode == ONCE && call > at))
        return 0;
    if (number == EINTR && atomic_fetch_add(&failed, 1) >= MOST_EINTR)
        return 0;
    errno = number;
    return 1;
}

static void ended(void)
{
    if (atomic_load(&armed) && mode == KILL_AFTER && atomic_load(&calls) == at + 1)
        stop();
}

#define WRAP(type, name, parameters, arguments) \
    type name parameters \
    { \
        static type(*real) parameters; \
        if (real == NULL) \
            *(void **)&real = dlsym(RTLD_NEXT, #name); \
        if (fails(0)) \
            return (type) - 1; \
        type answer = real arguments; \
        const int saved = errno; \
        ended(); \
        errno = saved; \
        return answer; \
    }

#define WRAP_WRITE(name, parameters, arguments) \
    ssize_t name parameters \
    { \
        static ssize_t(*real) parameters; \
        if (real == NULL) \
            *(void **)&real = dlsym(RTLD_NEXT, #name); \
        const int failing = fails(1); \
        if (failing) { \
            if (failing == 1 && number != FAIL_SHORT) \
                return -1; \
            size = (size + 1) / 2; \
        } \
        const ssize_t answer = real arguments; \
        if (failing == 2) \
            stop(); \
        const int saved = errno; \
        ended(); \
        errno = saved; \
        return answer; \
    }

#define WRAP_OPEN(name, first, names) \
    int name(first const char *path, int flags, ...) \
    { \
        static int (*real)(first const char *, int, ...); \
        va_list rest; \
        va_start(rest, flags); \
        const mode_t access = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (real == NULL) \
            *(void **)&real = dlsym(RTLD_NEXT, #name); \
        if (fails(0)) \
            return -1; \
        const int refused = no_nameless && (flags & O_TMPFILE) == O_TMPFILE; \
        const int answer = refused ? -1 : real(names path, flags, access); \
        const int saved = refused ? EOPNOTSUPP : errno; \
        ended(); \
        errno = saved; \
        return answer; \
    }

#define NOTHING
#define COMMA ,
WRAP_OPEN(open, NOTHING, NOTHING)
WRAP_OPEN(openat, int folder COMMA, folder COMMA)

WRAP_WRITE(write, (int fd, const void *data, size_t size), (fd, data, size))
WRAP_WRITE(pwrite, (int fd, const void *data, size_t size, off_t offset), (fd, data, size, offset))

/* Half of the first piece. */
ssize_t preadv(int fd, const struct iovec *pieces, int number_of, off_t offset)
{
    static ssize_t (*real)(int, const struct iovec *, int, off_t);
    struct iovec half = *pieces;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "preadv");
    if (fails(1)) {
        if (number != FAIL_SHORT)
            return -1;
        half.iov_len = (half.iov_len + 1) / 2;
        number_of = 1;
    }
    const ssize_t answer = real(fd, number_of == 1 ? &half : pieces, number_of, offset);
    const int saved = errno;
    ended();
    errno = saved;
    return answer;
}

WRAP_WRITE(pread, (int fd, void *data, size_t size, off_t offset), (fd, data, size, offset))

/* Half of the first piece that has anything. */
ssize_t writev(int fd, const struct iovec *pieces, int number_of)
{
    static ssize_t (*real)(int, const struct iovec *, int);
    struct iovec half;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "writev");
    const int failing = fails(1);
    if (failing) {
        if (failing == 1 && number != FAIL_SHORT)
            return -1;
        while (number_of > 1 && pieces->iov_len == 0)
            pieces++, number_of--;
        half = *pieces;
        half.iov_len = (half.iov_len + 1) / 2;
        pieces = &half;
        number_of = 1;
    }
    const ssize_t answer = real(fd, pieces, number_of);
    if (failing == 2)
        stop();
    const int saved = errno;
    ended();
    errno = saved;
    return answer;
}

WRAP(int, flock, (int fd, int how), (fd, how))
WRAP(int, fstatfs, (int fd, struct statfs *status), (fd, status))
WRAP(int, fallocate, (int fd, int how, off_t offset, off_t size), (fd, how, offset, size))
WRAP(int, ftruncate, (int fd, off_t size), (fd, size))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, fdatasync, (int fd), (fd))
WRAP(int, fchown, (int fd, uid_t user, gid_t group), (fd, user, group))
WRAP(int, fchmod, (int fd, mode_t access), (fd, access))
WRAP(int, rename, (const char *old, const char *new), (old, new))
WRAP(int, renameat, (int from, const char *old, int to, const char *new), (from, old, to, new))
WRAP(int, renameat2, (int from, const char *old, int to, const char *new, unsigned flags), (from, old, to, new, flags))
WRAP(int, link, (const char *old, const char *new), (old, new))
WRAP(int, linkat, (int from, const char *old, int to, const char *new, int flags), (from, old, to, new, flags))
WRAP(int, unlink, (const char *path), (path))
WRAP(int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
WRAP(int, stat, (const char *path, struct stat *status), (path, status))
WRAP(int, fstat, (int fd, struct stat *status), (fd, status))
WRAP(int, statvfs, (const char *path, struct statvfs *status), (path, status))
WRAP(int, fstatvfs, (int fd, struct statvfs *status), (fd, status))
WRAP(ssize_t, flistxattr, (int fd, char *list, size_t size), (fd, list, size))
WRAP(ssize_t, fgetxattr, (int fd, const char *name, void *value, size_t size), (fd, name, value, size))
WRAP(int, fsetxattr, (int fd, const char *name, const void *value, size_t size, int flags),
     (fd, name, value, size, flags))

/* Of files alone: a thread of Python that gets no memory for its first frame is waited for in vain, by Python itself. */
#define WRAP_MAP(name, offset_type) \
    void *name(void *address, size_t length, int protection, int flags, int fd, offset_type offset) \
    { \
        static void *(*real)(void *, size_t, int, int, int, offset_type); \
        if (real == NULL) \
            *(void **)&real = dlsym(RTLD_NEXT, #name); \
        if (fd >= 0 && fails(0)) \
            return MAP_FAILED; \
        void *const answer = real(address, length, protection, flags, fd, offset); \
        const int saved = errno; \
        if (fd >= 0) \
            ended(); \
        errno = saved; \
        return answer; \
    }

WRAP(int, fremovexattr, (int fd, const char *name), (fd, name))
WRAP_MAP(mmap, off_t)

#ifdef __GLIBC__ /* elsewhere they are other names of those above, or aren't there */
WRAP_OPEN(open64, NOTHING, NOTHING)
WRAP_OPEN(openat64, int folder COMMA, folder COMMA)
WRAP_WRITE(pwrite64, (int fd, const void *data, size_t size, off64_t offset), (fd, data, size, offset))
WRAP_WRITE(pread64, (int fd, void *data, size_t size, off64_t offset), (fd, data, size, offset))
WRAP(int, fallocate64, (int fd, int how, off64_t offset, off64_t size), (fd, how, offset, size))
WRAP(int, ftruncate64, (int fd, off64_t size), (fd, size))
WRAP(int, stat64, (const char *path, struct stat64 *status), (path, status))
WRAP(int, fstat64, (int fd, struct stat64 *status), (fd, status))
WRAP(int, fstatvfs64, (int fd, struct statvfs64 *status), (fd, status))
WRAP(int, statvfs64, (const char *path, struct statvfs64 *status), (path, status))
WRAP_MAP(mmap64, off64_t)
#endif
