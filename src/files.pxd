"""Files by their descriptors, without the interpreter: the native half of the seam to the system.

Every system call of native code that is about a file is declared here, and used through the functions below where one
call may do less than was asked. Such a function goes on until all is done, whatever signals come, and answers 0, or -1
and errno says why. (Memory that a file is mapped to is src/memory/pages.h's and _mapping's.)
"""
from libc.errno cimport EINTR, EIO, ESTALE, errno
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp

cdef extern from *:
    """
    #include <sys/file.h>
    #include <sys/stat.h>
    #include <sys/types.h>
    #include <sys/uio.h>
    #include <unistd.h>

    /* What struct stat says, in types that are the same on all systems. */
    typedef struct {
        unsigned long long device;
        unsigned long long inode;
        unsigned long long size;
        long long blocks;    /* of 512 bytes */
        unsigned long names; /* the link count */
        int regular;
    } fm_file;

    static int fm_look(int fd, fm_file *file)
    {
        struct stat status;
        if (fstat(fd, &status) != 0)
            return -1;
        file->device = (unsigned long long)status.st_dev;
        file->inode = (unsigned long long)status.st_ino;
        file->size = (unsigned long long)status.st_size;
        file->blocks = (long long)status.st_blocks;
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
        uint64_t device
        uint64_t inode
        uint64_t size
        int64_t blocks
        unsigned long names
        bint regular
    enum: LOCK_EX
    enum: LOCK_UN
    int fm_look(int, fm_file *) nogil
    int close(int) nogil
    int flock(int, int) nogil
    int ftruncate(int, off_t) nogil
    Py_ssize_t pread(int, void *, size_t, off_t) nogil
    Py_ssize_t pwrite(int, const void *, size_t, off_t) nogil
    Py_ssize_t writev(int, const iovec *, int) nogil

cdef inline int give_up(int number) noexcept nogil:
    """Answers as a call that fails with this errno."""
    global errno
    errno = number
    return -1

cdef inline Py_ssize_t read_some(int fd, void *data, size_t size, uint64_t offset) noexcept nogil:
    """Reads at most `size` bytes, and answers how many there are."""
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
    """Reads all `size` bytes; ESTALE where the file has less."""
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

cdef inline int truncate(int fd, uint64_t size) noexcept nogil:
    while ftruncate(fd, size) != 0:
        if errno != EINTR:
            return -1
    return 0

# How much of a file is compared at a time, on the stack, which may be one of 32 KiB.
cdef enum:
    BLOCK = 1 << 12

cdef inline int compare(int fd, uint64_t offset, const char *memory, uint64_t length) noexcept nogil:
    """Answers 1 or 0: whether the file has the same as the memory."""
    cdef char block[BLOCK]
    cdef size_t part
    while length:
        part = min(length, <uint64_t> BLOCK)
        if read_at(fd, block, part, offset) != 0:
            return -1
        if memcmp(block, memory, part) != 0:
            return 0
        offset += part
        memory += part
        length -= part
    return 1

cdef inline void set_piece(iovec *piece, const void *data, uint64_t length) noexcept nogil:
    piece.iov_base, piece.iov_len = <void *> data, length

cdef inline int append(int fd, iovec *pieces, bint patient, uint64_t *written, uint64_t *progress) noexcept nogil:
    """Appends two pieces, and adds to `written` how much of them there is, also after an error.

    `progress`, where there is one, is told of a part before there is more. A signal ends what isn't `patient` with
    EINTR, unless the second piece has been begun. Nothing may tell of that signal but a write that ends half-way.
    """
    cdef uint64_t first = written[0] + pieces[0].iov_len
    cdef Py_ssize_t number
    cdef size_t part
    cdef int i
    while pieces[0].iov_len or pieces[1].iov_len:
        number = writev(fd, pieces, 2)
        if number < 0:
            if errno == EINTR and (patient or written[0] > first):
                continue
            return -1
        if number == 0:
            return give_up(EIO)
        written[0] += number
        for i in range(2):
            part = min(<size_t> number, pieces[i].iov_len)
            set_piece(&pieces[i], <char *> pieces[i].iov_base + part, pieces[i].iov_len - part)
            number -= part
        if pieces[0].iov_len + pieces[1].iov_len:
            if progress != NULL:
                progress[0] = written[0]
            if not patient and written[0] <= first:
                return give_up(EINTR)
    return 0

cdef inline bint take_back(int fd, uint64_t offset, uint64_t written) noexcept nogil:
    """Truncates what was appended from `offset` on, if nothing stands behind it. True where nothing of it is left."""
    cdef fm_file file
    if written == 0:
        return True
    return fm_look(fd, &file) == 0 and file.regular and file.size == offset + written and truncate(fd, offset) == 0
