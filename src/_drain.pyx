# cython: binding=False, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""Drains, by which staged records get to a log. Their definition is fastmmap/reference/drain.py, which has the reasons.

All work under a lock is done without the interpreter, so no signal handler of Python can interrupt it. It is one step
of the guard: if a mapping was truncated, that is ESTALE, and the lock is released.
"""
from fastmmap.logs import layout  # now: see src/package.pxd

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING
from libc.errno cimport EFAULT, EINTR, EPERM, ESTALE, errno
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy, memset
from arguments cimport *
from files cimport *
from guard cimport *
from memory cimport *
from package cimport *
from stages cimport *
from system cimport *

cdef extern from *:
    """
    static FM_IN_EACH_THREAD int fm_settling; /* whether this thread calls what settle was given, with the lock taken */
    """
    bint fm_settling

cdef fm_guard guarded = import_guard()

read_layout(layout)

cdef int KEPT = layout.Outcome.KEPT, AGAIN = layout.Outcome.AGAIN, GONE = layout.Outcome.GONE
cdef int OTHER = layout.Outcome.OTHER, NAMELESS = layout.Outcome.NAMELESS
cdef int FAILED = -1    # no outcome: `error` says why
cdef tuple OUTCOMES = tuple(layout.Outcome)
assert OUTCOMES[DONE] is layout.Outcome.DONE and OUTCOMES == tuple(range(len(OUTCOMES)))


def drain(lock, stage, int log, int64_t number, record, counter):
    """Writes what a drain has to the log, and a record behind it, under the lock: all of it, or OSError and none.

    lock: its descriptor and its memory; None for a stage in memory of this process alone, which has its lock in itself.
    stage: its memory, how many bytes each of its halves has, and its id. log: a descriptor for appending, and for
    reading where there is a lock. number: of the drain, -1 to write none. A drain of this stage that was interrupted is
    finished first. `counter._count` is told of the bytes of the record, which is in no stage: when this process is
    killed, the part of it that was written is cut off. What can't be taken back after an error, as from a pipe, is
    written no second time, but for a part of the record.
    """
    cdef Py_buffer locked, staged
    cdef Drain job
    cdef Py_ssize_t half
    cdef bytes identity
    check_free()
    memory, half, identity = stage
    memset(&job, 0, sizeof(job))
    job.lock, job.log, job.number, job.identity = -1, log, number, name_in(identity)
    take(memory, &staged, PyBUF_WRITABLE)
    try:
        if half < 0 or half > (staged.len - HALVES_AT) // 2:
            raise ValueError(f"two halves of {half} bytes from {HALVES_AT} on don't fit in {staged.len} bytes")
        job.memory, job.size, job.half = <char *> staged.buf, staged.len, half
        if lock is None:
            job.block = job.memory + OWN_LOCK_AT
            return run(&job, record, counter, do_guarded)
        job.lock, block = lock
        take(block, &locked, PyBUF_WRITABLE)
        try:
            if locked.len < LOCK_SIZE:
                raise ValueError(f"a lock has {LOCK_SIZE} bytes, not {locked.len}")
            job.block = <char *> locked.buf
            return run(&job, record, counter, under_lock)
        finally:
            PyBuffer_Release(&locked)
    finally:
        PyBuffer_Release(&staged)


def settle(int lock, bytes identity, remove=None):
    """Takes a stage's name away from the lock, under it, and calls `remove` if it names nobody then.

    lock: a descriptor. A lock that is empty is begun.
    """
    cdef Drain job
    cdef int outcome
    global fm_settling
    check_free()
    memset(&job, 0, sizeof(job))
    job.lock, job.identity = lock, name_in(identity)
    with nogil:
        outcome = take_lock(&job)
        if outcome == DONE:
            outcome = settle_held(&job)
    try:
        if job.settled and remove is not None:
            fm_settling = True
            remove()  # written in C, so that no signal handler runs in it
    finally:
        fm_settling = False
        with nogil:
            outcome = give_back(&job, outcome)
    return answer(&job, outcome)


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
            counter._count(extra.len)
        if outcome == FAILED and job.error == EFAULT:
            check_memory(record)  # raises if the memory that can't be read is the record's
            job.error = ESTALE      # else the stage was cut
    finally:
        PyBuffer_Release(&extra)
    return answer(job, outcome)


cdef const char *name_in(bytes identity) except NULL:
    if len(identity) != NAME:
        raise ValueError(f"the name of a stage has {NAME} bytes, not {len(identity)}")
    return PyBytes_AS_STRING(identity)


cdef object answer(const Drain *job, int outcome):
    if outcome == FAILED:
        raise system_error(job.error)
    return OUTCOMES[outcome]


cdef int check_free() except -1:
    """Raises if this thread is in settle's `remove`: it would wait for a lock that it holds itself."""
    if fm_settling:
        raise RuntimeError("this thread is removing the lock: a signal handler can't drain meanwhile")
    return 0


cdef int failed(Drain *job) noexcept nogil:
    """Keeps errno, before something else changes it."""
    job.error = errno
    return FAILED


# --- the lock ---

cdef int take_lock(Drain *job) noexcept nogil:
    """Takes the lock, and finds out whether others take that one, too. The caller gives it back if it is `locked`."""
    cdef fm_file lock
    if fm_lock(job.lock) != 0:
        return AGAIN if errno == EINTR else failed(job)
    job.locked = True
    if fm_look(job.lock, &lock) != 0:
        return failed(job)
    return GONE if lock.names == 0 else DONE


cdef int give_back(Drain *job, int outcome) noexcept nogil:
    while job.locked and fm_unlock(job.lock) != 0:
        if errno != EINTR:
            return KEPT if outcome == DONE else outcome
    return outcome


cdef int under_lock(Drain *job) noexcept nogil:
    """Takes the lock, does the work, and gives it back."""
    cdef int outcome = take_lock(job)
    return give_back(job, do_guarded(job) if outcome == DONE else outcome)


cdef int do_work(void *context) noexcept nogil:
    cdef Drain *job = <Drain *> context
    job.outcome = drain_held(job)
    return DONE


cdef int do_guarded(Drain *job) noexcept nogil:
    """Does the work, in which memory that is mapped may be gone."""
    cdef fm_watch watch
    watch.ranges = 3
    watch.range[0].address, watch.range[0].length = job.block, LOCK_SIZE
    watch.range[1].address, watch.range[1].length = job.memory, job.size
    watch.range[2].address, watch.range[2].length = job.record, job.extra
    if guarded(do_work, job, &watch) == FM_FAULT:
        # When all was done but to leave it, the lock was cut; and range 2 is the record's.
        return KEPT if job.ended else unread(job) if watch.faulted == 2 else stale(job)
    return job.outcome


cdef bint is_lock(const char *block) noexcept nogil:
    return memcmp(block, UNNAMED, NAME_AT) == 0


cdef uint64_t first_of(const char *name) noexcept nogil:
    """The first eight bytes of a name, which are nobody's if they are zeros."""
    cdef uint64_t first
    memcpy(&first, name, sizeof(first))
    return first


cdef int settle_held(Drain *job) noexcept nogil:
    cdef char block[LOCK_SIZE]
    cdef const char *name = block + NAME_AT
    cdef Py_ssize_t number = read_some(job.lock, block, sizeof(block), 0)
    cdef bint mine
    if number < 0:
        return failed(job)
    if number == 0:
        memcpy(block, UNNAMED, sizeof(block))
        if write_at(job.lock, block, sizeof(block), 0) != 0:
            return failed(job)
    elif number < <Py_ssize_t> sizeof(block) or not is_lock(block):
        return GONE
    mine = memcmp(name, job.identity, NAME) == 0
    if mine and write_at(job.lock, UNNAMED + NAME_AT, NAME, NAME_AT) != 0:
        return failed(job)
    job.settled = mine or first_of(name) == 0
    return DONE


# --- a drain ---

cdef int drain_held(Drain *job) noexcept nogil:
    cdef const char *name = job.block + NAME_AT
    cdef int outcome = DONE
    if not is_lock(job.block):
        return GONE
    if first_of(name) != 0:
        outcome = look_at_log(job) if is_shared(job) else DONE
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
    memcpy(job.block + NAME_AT + 8, job.identity + 8, 8)
    fm_publish(<uint64_t *> (job.block + NAME_AT), first_of(job.identity))


cdef void forget(Drain *job) noexcept nogil:
    """Has the lock name nobody."""
    fm_publish(<uint64_t *> (job.block + NAME_AT), 0)


cdef int write_out(Drain *job) noexcept nogil:
    """What a drain does when no other is unfinished."""
    cdef Intent *intent = intent_of(job)
    cdef fm_file log
    cdef fm_piece pieces[2]
    cdef uint64_t written = 0, length = length_of(job, job.number)
    if length > job.half:
        return stale(job)
    if fm_look(job.log, &log) != 0:
        return failed(job)
    if length + job.extra == 0:
        return DONE
    if log.names == 0 and is_shared(job):
        return NAMELESS
    intent.offset, intent.length, intent.extra, intent.number = log.size, length, job.extra, job.number & LOW
    intent.progress = 0
    memcpy(job.memory + HEAD_AT, job.record, min(job.extra, HEAD_SIZE))
    enter(job)
    set_piece(&pieces[0], half_of(job, job.number), length)
    set_piece(&pieces[1], job.record, job.extra)
    if append(job.log, pieces, is_shared(job) or log.regular, &written, &intent.progress) != 0:
        failed(job)
        if take_back(job.log, log.size, written):
            forget(job)
        else:
            # Of the record there is this much, and no more will come: what stands behind it is another's.
            intent.progress, intent.extra = written, written - length + 1 if written > length else 0
        return ended_early(job)
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
    if intent.length <= length:
        if not is_shared(job):
            present = min(intent.progress, intent.length)
        elif find_rest(job, &intent, &present) != 0:
            return failed(job)
        if write_rest(job, &intent, present) != 0:
            failed(job)
            return ended_early(job)
    forget(job)
    return DONE


cdef bint is_shared(const Drain *job) noexcept nogil:
    """Whether the log and the lock are other processes', too."""
    return job.lock >= 0


cdef int ended_early(const Drain *job) noexcept nogil:
    """What comes of an append that failed. What isn't to be waited for, as a pipe isn't, ends by a signal."""
    return AGAIN if job.error == EINTR else FAILED


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
        same = compare(job.log, intent.offset + intent.length, job.memory + HEAD_AT, min(behind, HEAD_SIZE))
        if same > 0 and truncate(job.log, intent.offset + intent.length) != 0 and errno != EPERM:
            return -1
    return min(same, 0)


cdef int write_rest(Drain *job, const Intent *intent, uint64_t present) noexcept nogil:
    cdef fm_piece pieces[2]
    cdef fm_file log
    cdef uint64_t written = present
    cdef uint64_t *progress = NULL if is_shared(job) else &intent_of(job).progress
    if fm_look(job.log, &log) != 0:
        return -1
    set_piece(&pieces[0], half_of(job, intent.number) + present, intent.length - present)
    set_piece(&pieces[1], NULL, 0)
    if append(job.log, pieces, is_shared(job) or log.regular, &written, progress) != 0:
        return -1
    if intent.length:
        empty(job, intent.number)
    return 0


cdef int unread(Drain *job) noexcept nogil:
    """What the write of the record would have said."""
    give_up(EFAULT)
    return failed(job)


cdef int stale(Drain *job) noexcept nogil:
    give_up(ESTALE)
    return failed(job)
