# cython: binding=False, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""Drains, by which staged records get to a log. Their definition is fastmmap/reference/drain.py, which has the reasons.

All that is done under a lock is done without the interpreter: no signal handler of Python's can come in between. It is
one step of the guard's: where a mapping was cut, that is ESTALE, and the lock is given back.
"""
from fastmmap.reference.drain import LOCK, MAGIC, NO_NAME, VERSION  # now: see src/package.pxd

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING
from libc.errno cimport EFAULT, EINTR, ENOENT, EPERM, ESTALE, errno
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy, memset
from arguments cimport *
from files cimport *
from files cimport truncate as cut
from guard cimport *
from memory cimport *
from package cimport *

cdef fm_guard guarded = import_guard()

# Where things are in a stage, in a file or in memory, and in a lock; the halves' words stand WORDS_APART.
cdef enum:
    WORD_AT = 256
    WORDS_APART = 64
    INTENT_AT = 512
    HEAD_AT = 552
    HEAD = 4096 - HEAD_AT
    HALVES_AT = 8192
    MEMORY_PROGRESS_AT = 16
    MEMORY_HALVES_AT = 64
    NAME_AT = 16
    NAME = 16

cdef extern from *:
    """
    #define FM_LOW 0xFFFFFFFFu
    """
    const uint64_t LOW "FM_LOW"         # what a word has of the number of a drain, and of its bytes

# A lock that names nobody.
cdef bytes _unnamed = LOCK.pack(MAGIC, VERSION, NO_NAME)
assert len(_unnamed) == NAME_AT + NAME
cdef const char *fm_lock = PyBytes_AS_STRING(_unnamed)

# The write of a process that is killed ends with a page.
cdef enum:
    PAGE = 4096

# What comes of a step, DONE for one; FAILED: `error` says why.
cdef enum:
    KEPT = 1
    AGAIN = 2
    GONE = 3
    OTHER = 4
    NAMELESS = 5
    FAILED = 6

cdef struct Intent:
    uint64_t offset
    uint64_t length
    uint64_t extra
    uint64_t number
    uint64_t progress

cdef struct Drain:
    int (*work)(Drain *) noexcept nogil  # what is done under the lock
    int outcome
    int lock
    char *names             # the lock's memory
    int log
    int error
    char *memory            # the stage's, NULL without one
    uint64_t size           # of the memory
    uint64_t half
    int64_t number          # of the drain, -1 for none
    const char *identity
    const char *record      # or a path
    uint64_t extra          # bytes of the record
    bint taken              # the record is in the log,
    bint ended              # and the half is empty


def drain(int lock, names, int log, memory, Py_ssize_t half, bytes identity, int64_t number, record, counter):
    """Writes what a drain has to the log, and a record behind it, under the lock: all of it, or OSError and none.

    lock, log: descriptors, of the log for appending and reading. names, memory: those of the lock and of the stage,
    `half` the bytes of each of its halves. number: of the drain, -1 to write none. A drain of this stage that was
    interrupted is finished first. `counter.count` is told of the bytes of the record, which is in no stage: when this
    process is killed, the part of it that was written is cut off.
    """
    cdef Py_buffer named, staged
    cdef Drain job
    memset(&job, 0, sizeof(job))
    job.lock, job.log, job.number, job.work = lock, log, number, drain_held
    job.identity = name_in(identity)
    take(names, &named, PyBUF_WRITABLE)
    try:
        if named.len < NAME_AT + NAME:
            raise ValueError(f"a lock has {NAME_AT + NAME} bytes, not {named.len}")
        job.names = <char *> named.buf
        take(memory, &staged, PyBUF_WRITABLE)
        try:
            take_halves(&job, &staged, half, HALVES_AT)
            return run(&job, record, counter, under_lock)
        finally:
            PyBuffer_Release(&staged)
    finally:
        PyBuffer_Release(&named)


def settle(int lock, bytes identity, path):
    """Takes a stage's name away from the lock, under it. With a path it is removed from there if it names nobody.

    A lock that is empty is begun.
    """
    cdef Drain job
    cdef int outcome
    cdef bytes place = b"" if path is None else encode_path(path)
    memset(&job, 0, sizeof(job))
    job.lock, job.work, job.identity = lock, settle_held, name_in(identity)
    job.record, job.extra = PyBytes_AS_STRING(place), len(place)
    with nogil:
        outcome = under_lock(&job)
    return answer(&job, outcome)


def send(int log, memory, Py_ssize_t half, int64_t number, record, counter):
    """Writes what a drain has to the log, and a record behind it, without a lock: the stage is in memory, or None.

    OSError where not all of it was written. What can't be taken back then, as from a pipe, is written no second time,
    but for a part of the record.
    """
    cdef Py_buffer staged
    cdef Drain job
    memset(&job, 0, sizeof(job))
    memset(&staged, 0, sizeof(staged))
    job.log, job.number = log, number
    if memory is not None:
        take(memory, &staged, PyBUF_WRITABLE)
    try:
        if memory is not None:
            take_halves(&job, &staged, half, MEMORY_HALVES_AT)
        return run(&job, record, counter, send_all)
    finally:
        PyBuffer_Release(&staged)


cdef object run(Drain *job, object record, object counter, int (*writes)(Drain *) noexcept nogil):
    """Writes, and counts the record if it is in the log, whatever has failed after that."""
    cdef Py_buffer extra
    cdef int outcome
    take(record, &extra, PyBUF_SIMPLE)
    try:
        job.record, job.extra = <const char *> extra.buf, extra.len
        with nogil:
            outcome = writes(job)
        if job.taken and extra.len:
            counter.count(extra.len)
        if outcome == FAILED and job.error == EFAULT:
            check_readable(job, record)
    finally:
        PyBuffer_Release(&extra)
    return answer(job, outcome)


cdef int check_readable(Drain *job, object record) except -1:
    """After an error for memory that can't be read: raises if it is the record's. Else it is the stage that was cut."""
    check_memory(record)
    job.error = ESTALE
    return 0


cdef const char *name_in(bytes identity) except NULL:
    if len(identity) != NAME:
        raise ValueError(f"the name of a stage has {NAME} bytes, not {len(identity)}")
    return PyBytes_AS_STRING(identity)


cdef int take_halves(Drain *job, const Py_buffer *staged, Py_ssize_t half, Py_ssize_t start) except -1:
    if half < 0 or half > (staged.len - start) // 2:
        raise ValueError(f"two halves of {half} bytes from {start} on are not in {staged.len} bytes of memory")
    job.memory, job.size, job.half = <char *> staged.buf, staged.len, half
    return 0


cdef object answer(const Drain *job, int outcome):
    if outcome == FAILED:
        raise system_error(job.error)
    return outcome


cdef int failed(Drain *job) noexcept nogil:
    """Keeps errno, before something else changes it."""
    job.error = errno
    return FAILED


# --- the lock ---

cdef int do_work(void *context) noexcept nogil:
    cdef Drain *job = <Drain *> context
    job.outcome = job.work(job)
    return DONE


cdef int under_lock(Drain *job) noexcept nogil:
    """Takes the lock, does the work, and gives it back."""
    cdef fm_file lock
    cdef fm_watch watch
    if flock(job.lock, LOCK_EX) != 0:
        return AGAIN if errno == EINTR else failed(job)
    watch.ranges = 3
    watch.range[0].address, watch.range[0].length = job.names, NAME_AT + NAME
    watch.range[1].address, watch.range[1].length = job.memory, job.size
    watch.range[2].address, watch.range[2].length = job.record, job.extra
    if fm_look(job.lock, &lock) != 0:
        job.outcome = failed(job)
    elif lock.names == 0:
        job.outcome = GONE
    elif guarded(do_work, job, &watch) == FM_FAULT:
        # When all was done but to leave it, the lock was cut; and range 2 is the record's.
        job.outcome = KEPT if job.ended else unread(job) if watch.faulted == 2 else stale(job)
    while flock(job.lock, LOCK_UN) != 0:
        if errno != EINTR:
            return KEPT if job.outcome == DONE else job.outcome
    return job.outcome


cdef bint is_lock(const char *block) noexcept nogil:
    return memcmp(block, fm_lock, NAME_AT) == 0


cdef uint64_t first_of(const char *name) noexcept nogil:
    """The first eight bytes of a name, which are nobody's if they are zeros."""
    cdef uint64_t first
    memcpy(&first, name, sizeof(first))
    return first


cdef int settle_held(Drain *job) noexcept nogil:
    cdef char block[NAME_AT + NAME]
    cdef const char *name = block + NAME_AT
    cdef Py_ssize_t number = read_some(job.lock, block, sizeof(block), 0)
    cdef bint mine
    if number < 0:
        return failed(job)
    if number == 0:
        memcpy(block, fm_lock, sizeof(block))
        if write_at(job.lock, block, sizeof(block), 0) != 0:
            return failed(job)
    elif number < <Py_ssize_t> sizeof(block) or not is_lock(block):
        return GONE
    mine = memcmp(name, job.identity, NAME) == 0
    if mine and write_at(job.lock, fm_lock + NAME_AT, NAME, NAME_AT) != 0:
        return failed(job)
    if job.extra and (mine or first_of(name) == 0) and unlink(job.record) != 0 and errno != ENOENT:
        return failed(job)
    return DONE


# --- a drain ---

cdef int drain_held(Drain *job) noexcept nogil:
    cdef const char *name = job.names + NAME_AT
    cdef int outcome = DONE
    if not is_lock(job.names):
        return GONE
    if first_of(name) != 0:
        outcome = look_at_log(job)
        if outcome == DONE:
            outcome = finish(job) if memcmp(name, job.identity, NAME) == 0 else OTHER
    return write_out(job) if outcome == DONE and job.number >= 0 else outcome


cdef int look_at_log(Drain *job) noexcept nogil:
    """NAMELESS for a log that was removed: nothing is to go there any more."""
    cdef fm_file log
    if fm_look(job.log, &log) != 0:
        return failed(job)
    return NAMELESS if log.names == 0 else DONE


cdef void enter(Drain *job) noexcept nogil:
    """Has the lock name the stage. Half a name is nobody's: the first of it is stored last, after the intent."""
    memcpy(job.names + NAME_AT + 8, job.identity + 8, 8)
    fm_publish(<uint64_t *> (job.names + NAME_AT), first_of(job.identity))


cdef void forget(Drain *job) noexcept nogil:
    """Has the lock name nobody."""
    fm_publish(<uint64_t *> (job.names + NAME_AT), 0)


cdef int write_out(Drain *job) noexcept nogil:
    """What a drain does when no other is unfinished."""
    cdef Intent *intent = intent_of(job)
    cdef fm_file log
    cdef iovec pieces[2]
    cdef uint64_t written, length = length_of(job, job.number)
    if length > job.half:
        return stale(job)
    if fm_look(job.log, &log) != 0:
        return failed(job)
    if length + job.extra == 0:
        return DONE
    if log.names == 0:
        return NAMELESS
    intent.offset, intent.length, intent.extra, intent.number = log.size, length, job.extra, job.number & LOW
    intent.progress = 0
    memcpy(job.memory + HEAD_AT, job.record, min(job.extra, <uint64_t> HEAD))
    enter(job)
    set_piece(&pieces[0], half_of(job, job.number), length)
    set_piece(&pieces[1], job.record, job.extra)
    if append(job.log, pieces, True, &written, &intent.progress) != 0:
        failed(job)
        if take_back(job.log, log.size, written):
            forget(job)
        else:
            # Of the record there is this much, and no more will come: what stands behind it is another's.
            intent.progress, intent.extra = written, written - length + 1 if written > length else 0
        return FAILED
    job.taken = True
    if length:
        empty(job, job.number)
    job.ended = True
    forget(job)
    return DONE


cdef int finish(Drain *job) noexcept nogil:
    """Ends the drain that the lock names, from wherever it was left. Its stage may be somebody else's to write to."""
    cdef Intent *stored = intent_of(job)
    cdef Intent intent
    cdef uint64_t present = 0, length
    intent.offset, intent.length = fm_read_once(&stored.offset), fm_read_once(&stored.length)
    intent.extra, intent.number = fm_read_once(&stored.extra), fm_read_once(&stored.number)
    intent.progress = fm_read_once(&stored.progress)
    length = length_of(job, intent.number)
    if length > job.half:
        return stale(job)
    # Else it was ended, all but the name.
    if intent.length <= length and (find_rest(job, &intent, &present) != 0 or write_rest(job, &intent, present) != 0):
        return failed(job)
    forget(job)
    return DONE


cdef int find_rest(Drain *job, const Intent *intent, uint64_t *present) noexcept nogil:
    """How much of a half is in the log. What there is of a record behind it is cut off, if the log can be cut."""
    cdef fm_file log
    cdef uint64_t behind
    cdef int same = 0
    if fm_look(job.log, &log) != 0:
        return -1
    if log.size >= intent.offset:
        present[0] = min(log.size - intent.offset, intent.length)
        same = compare(job.log, intent.offset, half_of(job, intent.number), present[0])
    if same == 0:
        present[0] = 0
        intent_of(job).offset, intent_of(job).extra, intent_of(job).progress = log.size, 0, 0
        return 0
    behind = log.size - intent.offset - present[0]
    if same > 0 and 0 < behind < intent.extra and (log.size % PAGE == 0 or log.size - intent.offset == intent.progress):
        same = compare(job.log, intent.offset + intent.length, job.memory + HEAD_AT, min(behind, <uint64_t> HEAD))
        if same > 0 and cut(job.log, intent.offset + intent.length) != 0 and errno != EPERM:
            return -1
    return min(same, 0)


cdef int write_rest(Drain *job, const Intent *intent, uint64_t present) noexcept nogil:
    cdef iovec pieces[2]
    cdef uint64_t written
    set_piece(&pieces[0], half_of(job, intent.number) + present, intent.length - present)
    set_piece(&pieces[1], NULL, 0)
    if append(job.log, pieces, True, &written, NULL) != 0:
        return -1
    if intent.length:
        empty(job, intent.number)
    return 0


cdef int send_all(Drain *job) noexcept nogil:
    cdef uint64_t *word = NULL
    cdef uint64_t *progress = NULL
    cdef uint64_t length = 0, before = 0, written
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
    if append(job.log, pieces, log.regular, &written, NULL) != 0:
        failed(job)
        if not take_back(job.log, log.size, written) and progress != NULL:
            progress[0] = min(before + written, length)
        return AGAIN if job.error == EINTR else FAILED
    job.taken = True
    if length:
        word[0], progress[0] = (job.number + 2 & LOW) << 32, 0
    return DONE


# --- what they are made of ---

cdef inline Intent *intent_of(Drain *job) noexcept nogil:
    return <Intent *> (job.memory + INTENT_AT)


cdef inline char *half_of(Drain *job, uint64_t number) noexcept nogil:
    return job.memory + HALVES_AT + number % 2 * job.half


cdef inline uint64_t *word_of(Drain *job, uint64_t number) noexcept nogil:
    return <uint64_t *> (job.memory + WORD_AT + number % 2 * WORDS_APART)


cdef uint64_t length_of(Drain *job, uint64_t number) noexcept nogil:
    """How many bytes a drain has: none, if its half has another; more than a half if that is damaged."""
    cdef uint64_t word = fm_read_once(word_of(job, number))
    return word & LOW if word >> 32 == number & LOW else 0


cdef int unread(Drain *job) noexcept nogil:
    """What the write of the record would have said."""
    give_up(EFAULT)
    return failed(job)


cdef int stale(Drain *job) noexcept nogil:
    give_up(ESTALE)
    return failed(job)


cdef void empty(Drain *job, uint64_t number) noexcept nogil:
    """Ends a drain, in one store: its half has another number, and no bytes."""
    fm_publish(word_of(job, number), (number + 2 & LOW) << 32)
