"""Files by their descriptors, without the interpreter: each call goes on until all is done, whatever signals come.

They answer 0, or -1 and errno says why.
"""
from libc.errno cimport EINTR, EIO, ESTALE, errno
from libc.stdint cimport uint64_t

cdef extern from *:
    """
    #include <sys/file.h>
    #include <sys/stat.h>
    #include <sys/types.h>
    #include <sys/uio.h>
    #include <unistd.h>

    /* What struct stat says, in types that are the same on all systems. */
    typedef struct {
        unsigned long long size;
        unsigned long names;
        int regular;
    } fm_file;

    static int fm_look(int fd, fm_file *file)
    {
        struct stat status;
        if (fstat(fd, &status) != 0)
            return -1;
        file->size = (unsigned long long)status.st_size;
        file->names = (unsigned long)status.st_nlink;
        file->regular = S_ISREG(status.st_mode);
        return 0;
    }
    """
    ctypedef long long off_t
    cdef struct iovec:
        void *iov_base
        size_t iov_len
    ctypedef struct fm_file:
        uint64_t size
        unsigned long names
        bint regular
    enum: LOCK_EX
    enum: LOCK_UN
    int fm_look(int, fm_file *) nogil
    int flock(int, int) nogil
    int ftruncate(int, off_t) nogil
    int unlink(const char *) nogil
    Py_ssize_t pread(int, void *, size_t, off_t) nogil
    Py_ssize_t pwrite(int, const void *, size_t, off_t) nogil
    Py_ssize_t writev(int, const iovec *, int) nogil

cdef inline int give_up(int number) noexcept nogil:
    """An error of our own."""
    global errno
    errno = number
    return -1

cdef inline Py_ssize_t read_some(int fd, void *data, size_t size, uint64_t offset) noexcept nogil:
    """How many bytes there are, at most `size`."""
    cdef size_t done = 0
    cdef Py_ssize_t number
    while done < size:
        number = pread(fd, <char *> data + done, size - done, offset + done)
        if number == 0:
            break
        if number > 0:
            done += number
        elif errno != EINTR:
            return -1
    return done

cdef inline int read_at(int fd, void *data, size_t size, uint64_t offset) noexcept nogil:
    """ESTALE where the file has less."""
    cdef Py_ssize_t number = read_some(fd, data, size, offset)
    if number < 0:
        return -1
    return 0 if <size_t> number == size else give_up(ESTALE)

cdef inline int write_at(int fd, const void *data, size_t size, uint64_t offset) noexcept nogil:
    cdef size_t done = 0
    cdef Py_ssize_t number
    while done < size:
        number = pwrite(fd, <const char *> data + done, size - done, offset + done)
        if number > 0:
            done += number
        elif number == 0:
            return give_up(EIO)  # no file does so
        elif errno != EINTR:
            return -1
    return 0

cdef inline int cut(int fd, uint64_t size) noexcept nogil:
    while ftruncate(fd, size) != 0:
        if errno != EINTR:
            return -1
    return 0
