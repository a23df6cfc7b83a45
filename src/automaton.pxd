"""The automaton of Aho and Corasick (1975), which reads each byte once, whatever the needles are.

It reads from right to left, needles reversed: so after a byte it knows all needles that start there, the longest of
which is the one that is wanted. Each state has a row: its next states by classes of bytes, and behind them what starts
there. States are numbers of rows times their width, so that a step is an addition and two loads.
"""
from libc.stdint cimport int32_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset
from filter cimport *
from memory cimport *

# How many starts are read at a time: many times as many as the longest needle has bytes, which are read besides.
cdef enum:
    AUTOMATON_BLOCK = 1 << 12
    MOST_BLOCK = 1 << 22

# More next states than this are not made: 1 GiB of them.
cdef enum:
    MOST_NEXT = 1 << 28

cdef struct Automaton:
    int32_t *next           # by state and class of the next byte
    uint8_t[256] byte_class
    int32_t classes, width  # a row has one place more than there are classes: what is in `first`
    int32_t *needle         # by row: the needle that starts there, -1 if it is but the end of one
    int32_t *first          # by row: the row of the longest needle that starts there, -1 for none
    int32_t *link           # by row: the row of the next shorter one
    Py_ssize_t longest_needle
    Py_ssize_t most_together  # how many needles start together at most
    Py_ssize_t block
    Py_ssize_t room         # how much room to list what is found it needs

cdef inline void free_automaton(Automaton *automaton) noexcept nogil:
    free(automaton.next)
    free(automaton.needle)
    free(automaton.first)
    free(automaton.link)

cdef inline void set_classes(Automaton *automaton, const Needle *needles, Py_ssize_t number, bint fold) noexcept nogil:
    """Bytes that are in no needle are of one class."""
    cdef Py_ssize_t i, j
    cdef int32_t byte
    memset(automaton.byte_class, 0, sizeof(automaton.byte_class))
    for i in range(number):
        for j in range(needles[i].length):
            automaton.byte_class[needles[i].bytes[j]] = 1
    automaton.classes = 1
    for byte in range(256):
        if automaton.byte_class[byte]:
            if automaton.classes == 256:  # all bytes are in needles: the first of them is of class 0
                automaton.byte_class[byte] = 0
                continue
            automaton.byte_class[byte] = <uint8_t> automaton.classes
            automaton.classes += 1
    if fold:
        for byte in range(26):
            automaton.byte_class[byte + c'A'] = automaton.byte_class[byte + c'a']

cdef inline bint build_automaton(Automaton *automaton, const Needle *needles, Py_ssize_t number, bint fold,
                                 Py_ssize_t least_room) noexcept nogil:
    """False where there is no memory for it. What there is has to be freed then, too."""
    cdef Py_ssize_t total = 1, i, j, rows = 1, reading = 0, queued = 1
    cdef int32_t classes, width, row, child, letter, behind
    cdef int32_t *next
    cdef int32_t *fail
    cdef int32_t *queue
    memset(automaton, 0, sizeof(Automaton))
    set_classes(automaton, needles, number, fold)
    classes = automaton.classes
    automaton.width = width = classes + 1
    for i in range(number):
        total += needles[i].length
        automaton.longest_needle = max(automaton.longest_needle, needles[i].length)
    if total > MOST_NEXT // width:
        return False
    automaton.next = next = <int32_t *> malloc(total * width * sizeof(int32_t))
    automaton.needle = <int32_t *> malloc(total * sizeof(int32_t))
    automaton.first = <int32_t *> malloc(total * sizeof(int32_t))
    automaton.link = <int32_t *> malloc(total * sizeof(int32_t))
    fail = <int32_t *> malloc(total * sizeof(int32_t))
    queue = <int32_t *> malloc(total * sizeof(int32_t))
    if not (next and automaton.needle and automaton.first and automaton.link and fail and queue):
        free(fail)
        free(queue)
        return False
    memset(next, 0, total * width * sizeof(int32_t))  # row 0 is where none begins: no edge leads there yet
    memset(automaton.needle, 0xff, total * sizeof(int32_t))
    for i in range(number):
        row = 0
        for j in range(needles[i].length - 1, -1, -1):
            letter = automaton.byte_class[needles[i].bytes[j]]
            child = next[row * width + letter]
            if child == 0:
                child = <int32_t> rows
                rows += 1
                next[row * width + letter] = child
            row = child
        automaton.needle[row] = <int32_t> i
    # Breadth first: where a row has no edge, it goes on as the row of the longest end of what it has read.
    fail[0], queue[0] = 0, 0
    automaton.first[0] = automaton.link[0] = -1
    while reading < queued:
        row = queue[reading]
        reading += 1
        for letter in range(classes):
            child = next[row * width + letter]
            behind = next[fail[row] * width + letter] // width if row else 0
            if child:
                fail[child] = behind
                automaton.link[child] = automaton.first[behind]
                automaton.first[child] = child if automaton.needle[child] >= 0 else automaton.first[behind]
                queue[queued] = child
                queued += 1
                next[row * width + letter] = child * width
            else:
                next[row * width + letter] = behind * width
    # How many start together: one more than at the next shorter one, whose row was queued before.
    memset(fail, 0, rows * sizeof(int32_t))
    for i in range(queued):
        row = queue[i]
        next[row * width + classes] = automaton.first[row]
        if automaton.first[row] == row:
            fail[row] = 1 + (fail[automaton.link[row]] if automaton.link[row] >= 0 else 0)
            automaton.most_together = max(automaton.most_together, <Py_ssize_t> fail[row])
    free(fail)
    free(queue)
    automaton.block = min(max(16 * automaton.longest_needle, <Py_ssize_t> AUTOMATON_BLOCK),
                          max(automaton.longest_needle, <Py_ssize_t> MOST_BLOCK))
    automaton.room = max(automaton.most_together, least_room)
    return True
