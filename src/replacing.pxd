"""What replacing does with the matches of a search, of one needle or of many: stores over them, or copies around them.

The search comes as a step that fills a Batch. What it answers beyond FULL is its own, and is passed on.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uintptr_t
from libc.string cimport memcmp, memcpy
from guard cimport *
from memory cimport *
from system cimport fm_can_make_writable, fm_page_size

# Matches that are found before they are stored: 4 KiB of offsets for new bytes, up to 32 KiB in place, where what is
# found at once is what can be made writable at once. Those are allocated: a thread's whole stack may be as small.
cdef enum:
    BATCH = 512
    STORED = 4096

# Runs of so many pages, all with a match, are made writable by a system call of their own: it costs 2 microseconds, as
# much as four faults. A GiB with a match every 25 bytes took 0.57 s by faults of two threads, 0.27 s so.
cdef enum:
    WRITABLE_PAGES = 8

cdef struct Pair:
    const uint8_t *new
    Py_ssize_t new_length, old_length
    bint same               # whether nothing changes
    uint8_t[32] padded      # the replacement, if it is no longer than this, which is FM_SLACK

cdef struct Batch:
    fm_step find            # is given the batch, and finds up to `capacity` matches for it
    void *walk              # by going on with this
    const Pair *pairs
    int64_t *offsets
    int32_t *which          # which pair each belongs to; NULL where there is one
    Py_ssize_t room, capacity
    Py_ssize_t matches
    Py_ssize_t reached      # matches that aren't in the batch start from here on
    Py_ssize_t left         # how many more may be replaced

cdef inline void set_pair(Pair *pair, const uint8_t *old, Py_ssize_t old_length, const uint8_t *new,
                          Py_ssize_t new_length) noexcept:
    """Both must stay alive as long as the pair."""
    pair.old_length, pair.new, pair.new_length = old_length, new, new_length
    pair.same = old_length == new_length and memcmp(old, new, old_length) == 0
    if new_length <= FM_SLACK:
        memcpy(pair.padded, new, new_length)

cdef inline const Pair *pair_of(const Batch *batch, Py_ssize_t match) noexcept nogil:
    return &batch.pairs[batch.which[match] if batch.which != NULL else 0]

cdef inline int find_batch(Batch *batch) noexcept nogil:
    cdef int answer
    batch.capacity = min(batch.left, batch.room)
    answer = batch.find(batch)
    batch.left -= batch.matches
    return answer

# --- in place ---

cdef struct Replace:
    Batch batch
    uint8_t *hay
    Py_ssize_t replaced
    uintptr_t page          # how large a page is, where the first store to one is a fault; else 0

cdef inline uintptr_t page_to_fault(bint mapped) noexcept:
    return fm_page_size() if mapped and fm_can_make_writable() else 0

cdef inline void make_writable(const Replace *job) noexcept nogil:
    """Makes writable the pages that all have one of the matches that will be stored over, and no other."""
    cdef const Batch *batch = &job.batch
    cdef const Pair *pair
    cdef uintptr_t hay = <uintptr_t> job.hay, page = job.page, address, first = 0, last = 0
    cdef Py_ssize_t i
    for i in range(batch.matches):
        pair = pair_of(batch, i)
        if pair.same:
            continue
        address = hay + <uintptr_t> batch.offsets[i]
        # Where fewer bytes lie between this one's page and the last one's than a page has, it's the same or the next.
        if first == 0 or (address & ~(page - 1)) > last + page:
            make_run_writable(first, last, page)
            first = address
        last = address + pair.old_length - 1
    make_run_writable(first, last, page)

cdef inline void make_run_writable(uintptr_t first, uintptr_t last, uintptr_t page) noexcept nogil:
    if last - first >= WRITABLE_PAGES * page:
        fm_make_writable(first, last, page)

cdef inline void store(const Replace *job) noexcept nogil:
    cdef const Batch *batch = &job.batch
    cdef const Pair *pair = batch.pairs
    cdef const int64_t *offsets = batch.offsets
    cdef const int32_t *which = batch.which
    cdef uint8_t *hay = job.hay
    cdef Py_ssize_t i, length = pair.new_length, matches = batch.matches
    if which == NULL:
        for i in range(matches):
            fm_store(hay + offsets[i], pair.new, length)
        return
    for i in range(matches):
        pair = &batch.pairs[which[i]]
        if not pair.same:
            fm_store(hay + offsets[i], pair.new, pair.new_length)

cdef inline int replace_step(void *context) noexcept nogil:
    """Finds as many matches as there is room for, then stores.

    A store changes nothing that the search will look at: it ends where the next start that counts begins.
    """
    cdef Replace *job = <Replace *> context
    cdef Batch *batch = &job.batch
    cdef int answer = find_batch(batch)
    # In a sparse batch no run of pages is worth a look.
    if job.page and batch.matches >= WRITABLE_PAGES:
        if batch.offsets[batch.matches - 1] - batch.offsets[0] < batch.matches * <Py_ssize_t> job.page:
            make_writable(job)
    store(job)
    job.replaced += batch.matches
    if batch.left == 0:
        return DONE
    return MORE if answer == FULL else answer

# --- into new memory ---

cdef struct Fill:
    Batch batch
    const uint8_t *hay
    Py_ssize_t replaced
    Py_ssize_t copied       # source bytes before this one are in the output
    Py_ssize_t end          # of the source
    Py_ssize_t given        # offsets of the batch that are in the output
    bint searched           # no match lies behind the batch
    uint8_t *out
    Py_ssize_t room
    int64_t[BATCH] offsets
    int32_t[BATCH] which

cdef inline void give_matches(Fill *job) noexcept nogil:
    """Copies up to the end of one match after the other, as long as there is slack behind it on both sides."""
    cdef const Batch *batch = &job.batch
    cdef const int64_t *offsets = batch.offsets
    cdef const int32_t *which = batch.which
    cdef const Pair *pair = batch.pairs
    cdef const uint8_t *hay = job.hay
    cdef Py_ssize_t until, length, last = job.end - FM_SLACK, matches = batch.matches
    cdef uint8_t *out = job.out
    cdef Py_ssize_t room = job.room, copied = job.copied, given = job.given
    cdef Py_ssize_t new_length = pair.new_length, old_length = pair.old_length
    while given < matches:
        if which != NULL:
            pair = &batch.pairs[which[given]]
            new_length, old_length = pair.new_length, pair.old_length
        until = offsets[given]
        length = until - copied
        if room < length + new_length + 2 * FM_SLACK or until > last:
            break
        fm_copy_loosely(out, hay + copied, length)
        out += length
        if new_length <= FM_SLACK:
            memcpy(out, pair.padded, FM_SLACK)
        else:
            memcpy(out, pair.new, new_length)
        out += new_length
        room -= length + new_length
        copied = until + old_length
        given += 1
    job.replaced += given - job.given
    job.out, job.room, job.copied, job.given = out, room, copied, given

cdef inline int fill_step(void *context) noexcept nogil:
    """Fills the room: unmatched bytes, replacement, unmatched bytes ... FULL where the next piece doesn't fit."""
    cdef Fill *job = <Fill *> context
    cdef Batch *batch = &job.batch
    cdef const Pair *pair
    cdef Py_ssize_t until, length
    cdef int answer
    while True:
        if job.given == batch.matches and not job.searched:
            job.given = batch.matches = 0
            answer = find_batch(batch) if batch.left else DONE
            if answer > FULL and batch.matches == 0:
                return answer
            job.searched = answer == DONE
        give_matches(job)
        # Bytes below the next match are certain not to be replaced; without one, those the search has left behind.
        if job.given < batch.matches:
            until = batch.offsets[job.given]
        elif job.searched:
            until = job.end
        else:
            until = batch.reached
        length = until - job.copied
        if length > job.room:
            length = job.room
        memcpy(job.out, job.hay + job.copied, length)
        job.out += length
        job.room -= length
        job.copied += length
        if job.copied < until:
            return FULL
        if job.given < batch.matches:
            pair = pair_of(batch, job.given)
            if job.room < pair.new_length:
                return FULL
            memcpy(job.out, pair.new, pair.new_length)
            job.out += pair.new_length
            job.room -= pair.new_length
            job.copied += pair.old_length
            job.given += 1
            job.replaced += 1
        elif job.searched:
            return DONE
        else:
            return MORE
