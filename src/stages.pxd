"""Stages and locks as drains see them: what is where in their memory, and what a drain is given and finds."""
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t, uint64_t
from memory cimport fm_publish, fm_read_once

cdef enum:
    NAME = 16
    LOCK_SIZE = 32
    PAGE = 4096   # with which the write of a process that is killed ends

cdef extern from *:
    """
    /* From logs/layout.py, by read_layout. A word has the number of a drain, and its bytes, in its halves. */
    static Py_ssize_t OWN_LOCK_AT, INTENT_AT, HEAD_AT, WORD_AT, WORDS_APART, HALVES_AT, NAME_AT;
    static uint64_t HEAD_SIZE, LOW;
    static const char *UNNAMED;  /* a lock that names nobody */
    """
    Py_ssize_t OWN_LOCK_AT, INTENT_AT, HEAD_AT, WORD_AT, WORDS_APART, HALVES_AT, NAME_AT
    uint64_t HEAD_SIZE, LOW
    const char *UNNAMED

cdef struct Intent:
    uint64_t offset
    uint64_t length
    uint64_t extra
    uint64_t number
    uint64_t progress

cdef inline int read_layout(object layout) except -1:
    """Takes the layout from the one place where it is written down."""
    global OWN_LOCK_AT, INTENT_AT, HEAD_AT, WORD_AT, WORDS_APART, HALVES_AT, NAME_AT, HEAD_SIZE, LOW, UNNAMED
    cdef bytes unnamed = layout.LOCK.pack(layout.LOCK_MAGIC, layout.LOCK_VERSION, layout.NO_NAME)
    assert (len(layout.NO_NAME), len(unnamed), layout.INTENT.size) == (NAME, LOCK_SIZE, sizeof(Intent))
    OWN_LOCK_AT, INTENT_AT, HEAD_AT = layout.OWN_LOCK_AT, layout.INTENT_AT, layout.HEAD_AT
    WORD_AT, WORDS_APART = layout.WORD_AT[0], layout.WORD_AT[1] - layout.WORD_AT[0]
    HALVES_AT, NAME_AT, HEAD_SIZE, LOW = layout.HALVES_AT, layout.NAME_AT, layout.HEAD_SIZE, layout.DRAINS - 1
    Py_INCREF(unnamed)  # as long as the process lives
    UNNAMED = PyBytes_AS_STRING(unnamed)
    return 0

cdef struct Drain:
    int outcome
    int lock                # its descriptor, -1 where the stage has it in itself
    char *block             # the lock's memory
    int log
    int error
    char *memory            # the stage's
    uint64_t size           # of the memory
    uint64_t half
    int64_t number          # of the drain, -1 for none
    const char *identity
    bint locked
    const char *record
    uint64_t extra          # bytes of the record
    bint settled            # by settle: nobody is named
    bint taken              # the record is in the log,
    bint ended              # and the half is empty

cdef inline Intent *intent_of(Drain *job) noexcept nogil:
    return <Intent *> (job.memory + INTENT_AT)

cdef inline char *half_of(Drain *job, uint64_t number) noexcept nogil:
    return job.memory + HALVES_AT + number % 2 * job.half

cdef inline uint64_t *word_of(Drain *job, uint64_t number) noexcept nogil:
    return <uint64_t *> (job.memory + WORD_AT + number % 2 * WORDS_APART)

cdef inline uint64_t length_of(Drain *job, uint64_t number) noexcept nogil:
    """How many bytes a drain has: none, if its half has another; more than a half if that is damaged."""
    cdef uint64_t word = fm_read_once(word_of(job, number))
    return word & LOW if word >> 32 == number & LOW else 0

cdef inline void empty(Drain *job, uint64_t number) noexcept nogil:
    """Ends a drain, in one store: its half has another number, and no bytes."""
    fm_publish(word_of(job, number), (number + 2 & LOW) << 32)
