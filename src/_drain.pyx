# cython: binding=False, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""Drains, by which staged records get to a log. Their definition is fastmmap/reference/drain.py, which has the reasons.

All that is done under a lock is done without the interpreter: no signal handler of Python's can come in between. Memory
is only written from, by the system: where a mapping was cut, that is an errno and no signal.
"""
import os

from kernel cimport *
from descriptor cimport *
from libc.errno cimport ENOENT

# Where things are in a stage, in a file or in memory, and in a lock; the halves' words stand WORDS_APART.
cdef enum:
    WORD_AT = 256
    WORDS_APART = 64
    INTENT_AT = 512
    PROGRESS_AT = 544
    HEAD_AT = 552
    HEAD = 4096 - HEAD_AT
    HALVES_AT = 8192
    MEMORY_PROGRESS_AT = 16
    MEMORY_HALVES_AT = 64
    NAME_AT = 16
    NAME = 16

cdef extern from *:
    """
    static const char fm_lock[32] = "fmlock\\0\\0\\1";
    #define FM_LOW 0xFFFFFFFFu
    """
    const char fm_lock[NAME_AT + NAME]  # of a lock that names nobody
    const uint64_t LOW "FM_LOW"         # what a word has of the number of a drain, and of its bytes

# The write of a process that is killed ends with a page.
cdef enum:
    PAGE = 4096

# How much is compared at a time.
cdef enum:
    BLOCK = 16384

# What comes of a step, DONE for one; FAILED: `error` says why.
cdef enum:
    KEPT = 1
    AGAIN = 2
    GONE = 3
    OTHER = 4
    FAILED = 5

cdef struct Intent:
    uint64_t offset
    uint64_t length
    uint64_t extra
    uint64_t number
    uint64_t progress

cdef struct Drain:
    int lock
    int log
    int stage
    int error
    const char *memory      # the stage's, NULL without one
    uint64_t half
    int64_t number          # of the drain, -1 for none
    const char *identity
    const char *record
    uint64_t extra          # bytes of the record
    uint64_t written        # by the last `append`


def drain(int lock, int log, int stage, memory, Py_ssize_t half, bytes identity, int64_t number, record, counter):
    """Writes what a drain has to the log, and a record behind it, under the lock: all of it, or OSError and none.

    lock, log, stage: descriptors, of the log for appending and reading. memory: the stage's, `half` the bytes of each
    of its halves. number: of the drain, -1 to write none. A drain of this stage that was interrupted is finished first.
    `counter.count` is told of the bytes of the record, which is in no stage: when this process is killed, the part of
    it that was written is cut off.
    """
    cdef Py_buffer staged, extra
    cdef Drain job
    cdef int outcome
    memset(&job, 0, sizeof(job))
    job.lock, job.log, job.stage, job.number = lock, log, stage, number
    job.identity = name_in(identity)
    take(memory, &staged, PyBUF_SIMPLE)
    try:
        take_halves(&job, &staged, half, HALVES_AT)
        take(record, &extra, PyBUF_SIMPLE)
        try:
            job.record, job.extra = <const char *> extra.buf, extra.len
            with nogil:
                outcome = under_lock(&job, drain_held)
            if outcome <= KEPT and extra.len and number >= 0:
                counter.count(extra.len)
        finally:
            PyBuffer_Release(&extra)
    finally:
        PyBuffer_Release(&staged)
    return answer(&job, outcome)


def settle(int lock, bytes identity, path):
    """Takes a stage's name away from the lock, under it. With a path it is removed from there if it names nobody."""
    cdef Drain job
    cdef int outcome
    cdef bytes place = b"" if path is None else os.fsencode(path)
    memset(&job, 0, sizeof(job))
    job.lock, job.identity = lock, name_in(identity)
    job.record, job.extra = PyBytes_AS_STRING(place), len(place)
    with nogil:
        outcome = under_lock(&job, settle_held)
    return answer(&job, outcome)


def send(int log, memory, Py_ssize_t half, int64_t number, record, counter):
    """Writes what a drain has to the log, and a record behind it, without a lock: the stage is in memory, or None.

    OSError where not all of it was written. What can't be taken back then, as from a pipe, is written no second time,
    but for a part of the record.
    """
    cdef Py_buffer staged, extra
    cdef Drain job
    cdef int outcome
    memset(&job, 0, sizeof(job))
    memset(&staged, 0, sizeof(staged))
    job.log, job.number = log, number
    if memory is not None:
        take(memory, &staged, PyBUF_WRITABLE)
    try:
        if memory is not None:
            take_halves(&job, &staged, half, MEMORY_HALVES_AT)
        take(record, &extra, PyBUF_SIMPLE)
        try:
            job.record, job.extra = <const char *> extra.buf, extra.len
            with nogil:
                outcome = send_all(&job)
            if outcome == DONE and extra.len:
                counter.count(extra.len)
        finally:
            PyBuffer_Release(&extra)
    finally:
        PyBuffer_Release(&staged)
    return answer(&job, outcome)


cdef const char *name_in(bytes identity) except NULL:
    if len(identity) != NAME:
        raise ValueError(f"the name of a stage has {NAME} bytes, not {len(identity)}")
    return PyBytes_AS_STRING(identity)


cdef int take_halves(Drain *job, const Py_buffer *staged, Py_ssize_t half, Py_ssize_t start) except -1:
    if half < 0 or half > (staged.len - start) // 2:
        raise ValueError(f"two halves of {half} bytes from {start} on are not in {staged.len} bytes of memory")
    job.memory, job.half = <const char *> staged.buf, half
    return 0


cdef object answer(const Drain *job, int outcome):
    if outcome == FAILED:
        raise OSError(job.error, os.strerror(job.error))
    return outcome


cdef int failed(Drain *job) noexcept nogil:
    """Keeps errno, before something else changes it."""
    job.error = errno
    return FAILED


# --- the lock ---

ctypedef int (*held)(Drain *, const char *) noexcept nogil

cdef int under_lock(Drain *job, held work) noexcept nogil:
    """Takes the lock, does the work that depends on the name in it, and gives it back."""
    cdef char block[NAME_AT + NAME]
    cdef int outcome
    if flock(job.lock, LOCK_EX) != 0:
        return AGAIN if errno == EINTR else failed(job)
    outcome = read_lock(job, block)
    if outcome == DONE:
        outcome = work(job, block + NAME_AT)
    while flock(job.lock, LOCK_UN) != 0:
        if errno != EINTR:
            return KEPT if outcome == DONE else outcome
    return outcome


cdef int read_lock(Drain *job, char *block) noexcept nogil:
    """What a lock has in it, once it is certain that it is the one that others take."""
    cdef fm_file file
    cdef Py_ssize_t number
    if fm_look(job.lock, &file) != 0:
        return failed(job)
    if file.names == 0:
        return GONE
    number = read_some(job.lock, block, sizeof(fm_lock), 0)
    if number < 0:
        return failed(job)
    if number == 0:
        memcpy(block, fm_lock, sizeof(fm_lock))
        return DONE if write_at(job.lock, block, sizeof(fm_lock), 0) == 0 else failed(job)
    return DONE if number == sizeof(fm_lock) and memcmp(block, fm_lock, NAME_AT) == 0 else GONE


cdef bint is_nobody(const char *name) noexcept nogil:
    return memcmp(name, fm_lock + NAME_AT, NAME) == 0


cdef int forget(Drain *job) noexcept nogil:
    """Has the lock name nobody."""
    return write_at(job.lock, fm_lock + NAME_AT, NAME, NAME_AT)


cdef int settle_held(Drain *job, const char *name) noexcept nogil:
    cdef bint own = memcmp(name, job.identity, NAME) == 0
    if own and forget(job) != 0:
        return failed(job)
    if job.extra and (own or is_nobody(name)) and unlink(job.record) != 0 and errno != ENOENT:
        return failed(job)
    return DONE


# --- a drain ---

cdef int drain_held(Drain *job, const char *name) noexcept nogil:
    cdef int outcome = DONE
    if not is_nobody(name):
        outcome = finish(job) if memcmp(name, job.identity, NAME) == 0 else OTHER
    return write_out(job) if outcome == DONE and job.number >= 0 else outcome


cdef int write_out(Drain *job) noexcept nogil:
    """What a drain does when no other is unfinished."""
    cdef fm_file log
    cdef Intent intent
    cdef iovec pieces[2]
    if length_of(job, job.number, &intent.length) != 0 or fm_look(job.log, &log) != 0:
        return failed(job)
    if intent.length + job.extra == 0:
        return DONE
    intent.offset, intent.extra, intent.number, intent.progress = log.size, job.extra, job.number & LOW, 0
    if (write_at(job.stage, job.record, min(job.extra, <uint64_t> HEAD), HEAD_AT) != 0
            or write_at(job.stage, &intent, sizeof(intent), INTENT_AT) != 0
            or write_at(job.lock, job.identity, NAME, NAME_AT) != 0):
        return failed(job)
    set_piece(&pieces[0], job.memory + half_at(job, job.number), intent.length)
    set_piece(&pieces[1], job.record, job.extra)
    if append(job, pieces, True, True) != 0:
        failed(job)
        if take_back(job, log.size):
            forget(job)
        return FAILED
    # The bytes are in the log. Where what follows fails, whoever takes the lock next finds that out.
    if intent.length == 0 or empty(job, job.number) == 0:
        forget(job)
    return DONE


cdef int finish(Drain *job) noexcept nogil:
    """Ends the drain that the lock names, from wherever it was left."""
    cdef Intent intent
    cdef uint64_t length
    if read_at(job.stage, &intent, sizeof(intent), INTENT_AT) != 0 or length_of(job, intent.number, &length) != 0:
        return failed(job)
    # Else it was ended, all but the name.
    if intent.length <= length and (find_rest(job, &intent, &length) != 0 or write_rest(job, &intent, length) != 0):
        return failed(job)
    return DONE if forget(job) == 0 else failed(job)


cdef int find_rest(Drain *job, Intent *intent, uint64_t *present) noexcept nogil:
    """How much of a half is in the log. What there is of a record behind it is cut off."""
    cdef fm_file log
    cdef uint64_t behind
    cdef int same = 0
    if fm_look(job.log, &log) != 0:
        return -1
    if log.size >= intent.offset:
        present[0] = min(log.size - intent.offset, intent.length)
        same = compare(job, intent.offset, half_at(job, intent.number), present[0])
    if same == 0:
        present[0] = 0
        intent.offset, intent.extra, intent.progress = log.size, 0, 0
        return write_at(job.stage, intent, sizeof(Intent), INTENT_AT)
    behind = log.size - intent.offset - present[0]
    if same > 0 and 0 < behind < intent.extra and (log.size % PAGE == 0 or log.size - intent.offset == intent.progress):
        same = compare(job, intent.offset + intent.length, HEAD_AT, min(behind, <uint64_t> HEAD))
        if same > 0:
            return cut(job.log, intent.offset + intent.length)
    return min(same, 0)


cdef int write_rest(Drain *job, const Intent *intent, uint64_t present) noexcept nogil:
    cdef iovec pieces[2]
    set_piece(&pieces[0], job.memory + half_at(job, intent.number) + present, intent.length - present)
    set_piece(&pieces[1], NULL, 0)
    if append(job, pieces, False, True) != 0:
        return -1
    return empty(job, intent.number) if intent.length else 0


cdef int send_all(Drain *job) noexcept nogil:
    cdef uint64_t *word = NULL
    cdef uint64_t *progress = NULL
    cdef uint64_t length = 0, before = 0
    cdef iovec pieces[2]
    cdef fm_file log
    if fm_look(job.log, &log) != 0:
        return failed(job)
    set_piece(&pieces[0], NULL, 0)
    if job.memory != NULL:
        word, progress = <uint64_t *> job.memory + job.number % 2, <uint64_t *> (job.memory + MEMORY_PROGRESS_AT)
        if word[0] >> 32 == job.number & LOW:
            length = min(word[0] & LOW, job.half)
        before = min(progress[0], length)
        set_piece(&pieces[0], job.memory + MEMORY_HALVES_AT + job.number % 2 * job.half + before, length - before)
    set_piece(&pieces[1], job.record, job.extra)
    if append(job, pieces, False, log.regular) != 0:
        failed(job)
        if not take_back(job, log.size) and progress != NULL:
            progress[0] = min(before + job.written, length)
        return AGAIN if job.error == EINTR else FAILED
    if length:
        word[0], progress[0] = (job.number + 2 & LOW) << 32, 0
    return DONE


# --- what they are made of ---

cdef inline void set_piece(iovec *piece, const char *data, uint64_t length) noexcept nogil:
    piece.iov_base, piece.iov_len = <void *> data, length


cdef inline uint64_t half_at(const Drain *job, uint64_t number) noexcept nogil:
    return HALVES_AT + number % 2 * job.half


cdef inline uint64_t word_at(uint64_t number) noexcept nogil:
    return WORD_AT + number % 2 * WORDS_APART


cdef int length_of(Drain *job, uint64_t number, uint64_t *length) noexcept nogil:
    """How many bytes a drain has: none, if its half has another. -1 with errno if that isn't possible."""
    cdef uint64_t word
    if read_at(job.stage, &word, sizeof(word), word_at(number)) != 0:
        return -1
    length[0] = word & LOW if word >> 32 == number & LOW else 0
    return 0 if length[0] <= job.half else give_up(ESTALE)


cdef int empty(Drain *job, uint64_t number) noexcept nogil:
    """Ends a drain, in one store: its half has another number, and no bytes."""
    cdef uint64_t word = (number + 2 & LOW) << 32
    return write_at(job.stage, &word, sizeof(word), word_at(number))


cdef int append(Drain *job, iovec *pieces, bint note, bint patient) noexcept nogil:
    """Appends two pieces to the log; 0, or -1 with errno. `job.written` says how much was written.

    With `note` the stage is told of a part, by which it is known to be ours. Where that isn't `patient`, a signal ends it
    unless the second piece has been begun.
    """
    cdef uint64_t first = pieces[0].iov_len
    cdef Py_ssize_t number
    cdef size_t part
    cdef int i
    job.written = 0
    while pieces[0].iov_len or pieces[1].iov_len:
        number = writev(job.log, pieces, 2)
        if number < 0:
            if errno == EINTR and (patient or job.written > first):
                continue
            return -1
        if number == 0:
            return give_up(EIO)
        job.written += number
        for i in range(2):
            part = min(<size_t> number, pieces[i].iov_len)
            set_piece(&pieces[i], <const char *> pieces[i].iov_base + part, pieces[i].iov_len - part)
            number -= part
        if note and pieces[0].iov_len + pieces[1].iov_len:
            if write_at(job.stage, &job.written, sizeof(job.written), PROGRESS_AT) != 0:
                return -1
    return 0


cdef bint take_back(Drain *job, uint64_t offset) noexcept nogil:
    """Cuts off what was written from `offset` on, if nothing stands behind it; whether nothing of it is left."""
    cdef fm_file log
    if job.written == 0:
        return True
    return (fm_look(job.log, &log) == 0 and log.regular and log.size == offset + job.written
            and cut(job.log, offset) == 0)


cdef int compare(Drain *job, uint64_t in_log, uint64_t in_stage, uint64_t length) noexcept nogil:
    """Whether the log has the same as the stage; -1 with errno. Both are read: a mapping may be cut."""
    cdef char one[BLOCK]
    cdef char other[BLOCK]
    cdef size_t part
    while length:
        part = min(length, <uint64_t> BLOCK)
        if read_at(job.log, one, part, in_log) != 0 or read_at(job.stage, other, part, in_stage) != 0:
            return -1
        if memcmp(one, other, part) != 0:
            return 0
        in_log += part
        in_stage += part
        length -= part
    return 1
