"""Files by their descriptors, without the interpreter: what src/system has, until all is done.

One call of the system may do less than was asked. A function here goes on whatever signals come, and answers 0, or -1
and errno says why.
"""
from libc.errno cimport EINTR, EIO, ESTALE, errno
from libc.stdint cimport uint64_t
from libc.string cimport memcmp
from system cimport *

cdef inline int give_up(int number) noexcept nogil:
    """Answers as a call that fails with this errno."""
    global errno
    errno = number  # no-cython-lint
    return -1

cdef inline Py_ssize_t read_some(int fd, void *data, size_t size, uint64_t offset) noexcept nogil:
    """Reads at most `size` bytes, and answers how many there are."""
    cdef size_t done = 0
    cdef Py_ssize_t number
    while done < size:
        number = fm_pread(fd, <char *> data + done, size - done, offset + done)
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
        number = fm_pwrite(fd, <const char *> data + done, size - done, offset + done)
        if number > 0:
            done += number
        elif number == 0:
            return give_up(EIO)  # no file does so
        elif errno != EINTR:
            return -1
    return 0

cdef inline int truncate(int fd, uint64_t size) noexcept nogil:
    while fm_set_end(fd, size) != 0:
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

cdef inline void set_piece(fm_piece *piece, const void *data, uint64_t length) noexcept nogil:
    piece.data, piece.size = data, length

cdef inline int append(int fd, fm_piece *pieces, bint patient, uint64_t *written, uint64_t *progress) noexcept nogil:
    """Appends two pieces, and adds to `written` how much of them there is, also after an error.

    `progress`, where there is one, is told of a part before there is more. A signal ends what isn't `patient` with
    EINTR, unless the second piece has been begun. Nothing may tell of that signal but a write that ends half-way.
    """
    cdef uint64_t first = written[0] + pieces[0].size
    cdef Py_ssize_t number
    cdef size_t part
    cdef int i
    while pieces[0].size or pieces[1].size:
        number = fm_write_pieces(fd, pieces)
        if number < 0:
            if errno == EINTR and (patient or written[0] > first):
                continue
            return -1
        if number == 0:
            return give_up(EIO)
        written[0] += number
        for i in range(2):
            part = min(<size_t> number, pieces[i].size)
            set_piece(&pieces[i], <const char *> pieces[i].data + part, pieces[i].size - part)
            number -= part
        if pieces[0].size + pieces[1].size:
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
