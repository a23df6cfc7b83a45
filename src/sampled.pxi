# Included by _lines.pyx: lines by number, by a sampled index. Its `before` has how many newlines stand before each 32
# KiB of a text, and at the end, how many in all; its `inside` for each KiB, how many stand before it in its 32 KiB. So
# a line is found by two bisections and a look at a KiB, and the index has a 450th of the text's size, however short
# lines are. The text may have changed since: then what is found are other places in it, never places outside.

cdef enum:
    SAMPLED = 1 << 10
    TOTALLED = 1 << 15
    IN_TOTAL = 32  # SAMPLED bytes in TOTALLED

# Lines that are copied together, before a list is made of them; and numbers that are looked up between two looks at how
# much was done.
cdef enum:
    TOGETHER = 256
    LOOKED_UP = 256

# What is looked up: where lines start; that and where they end; the numbers of lines.
cdef enum Wanted:
    STARTS
    SPANS
    NUMBERS

# A line of up to so many bytes is copied where it is found.
cdef enum:
    SHORT = 512

cdef struct CountNewlines:
    const fm_kernel *kernel
    fm_needle newline
    const uint8_t *hay
    Py_ssize_t at, end
    uint16_t *inside
    int64_t *totals

cdef void set_newline(fm_needle *needle) noexcept:
    needle.bytes, needle.length, needle.probes, needle.looks = <const uint8_t *> b"\n", 1, 1, 1
    needle.probe[0] = needle.fold = needle.apart = 0

cdef int count_newlines_step(void *context) noexcept nogil:
    cdef CountNewlines *job = <CountNewlines *> context
    cdef fm_progress progress
    cdef Py_ssize_t until = min(job.end, job.at + STEP_BYTES), end
    cdef int64_t total
    while job.at < until:
        total, end = 0, min(job.end, job.at + TOTALLED)
        while job.at < end:
            job.inside[0] = <uint16_t> total
            job.inside += 1
            total += job.kernel.count(
                job.hay + job.at, min(end - job.at, <Py_ssize_t> SAMPLED), &job.newline, &progress,
            )
            job.at += SAMPLED
        job.totals[0] = total
        job.totals += 1
    return MORE if job.at < job.end else DONE

cdef struct Index:
    const int64_t *before
    const uint16_t *inside
    Py_ssize_t totals, entries
    const uint8_t *hay
    Py_ssize_t size


@cython.cdivision(True)
cdef inline Py_ssize_t entry_of(const Index *index, int64_t number, int64_t *left) noexcept nogil:
    """The KiB in which the newline stands that ends so many lines: the last before which are fewer; how many are left.
    """
    cdef Py_ssize_t low = 0, high = index.totals - 1, middle, first, reach = 1
    cdef uint16_t rest
    # It is near where it would be if all lines were of one length. Each look there is may be a cache's miss.
    middle = <Py_ssize_t> (<double> number / (<double> max(index.before[high], number)) * high)
    while high - low > 1:
        middle = min(max(middle, low + 1), high - 1)
        if index.before[middle] < number:
            low = middle
            middle += reach
        else:
            high = middle
            middle -= reach
        if reach > (high - low) // 2:
            middle = low + (high - low) // 2
        else:
            reach *= 2
    rest = <uint16_t> min(number - index.before[low], <int64_t> 0xffff)
    first = low = low * IN_TOTAL
    high = min(first + IN_TOTAL, index.entries)
    while high - low > 1:
        middle = low + (high - low) // 2
        if index.inside[middle] < rest:
            low = middle
        else:
            high = middle
    left[0] = rest - index.inside[low]
    return low

cdef inline Py_ssize_t start_in(const Index *index, Py_ssize_t entry, int64_t left) noexcept nogil:
    """Where a line begins: behind the newline number `left` from a KiB's start on."""
    cdef Py_ssize_t at = entry * SAMPLED, end = min((entry + 1) * SAMPLED, index.size)
    cdef const void *newline
    while left > 0 and at < end:
        newline = memchr(index.hay + at, 10, end - at)
        if newline == NULL:
            break
        at = <const uint8_t *> newline - index.hay + 1
        left -= 1
    return min(at, index.size)

# A line's text is asked for so many lines before it is looked at: so much of its KiB, in which newlines are counted.
cdef enum:
    ASKED_AHEAD = 16
    ASKED_LINES = 10

cdef struct Place:
    Py_ssize_t entry
    int64_t left

cdef struct Locate:
    Index index
    const int64_t *numbers
    int64_t *starts
    int64_t *ends           # NULL where they aren't wanted
    Py_ssize_t number, at, asked    # how many lines there are, are found, and are asked for
    Place[ASKED_AHEAD] places       # of those that are asked for
    Py_ssize_t looking      # from where on the end of the line at hand is looked for, -1 if none is

cdef inline void begin_locating(Locate *job, const Index *index, const int64_t *numbers, Py_ssize_t number,
                                int64_t *starts, int64_t *ends) noexcept nogil:
    job.index, job.numbers, job.number, job.at, job.asked = index[0], numbers, number, 0, 0
    job.starts, job.ends, job.looking = starts, ends, -1

cdef inline bint follows(const Locate *job, Py_ssize_t at) noexcept nogil:
    """Whether a line begins where the one before it in the list has ended."""
    return job.ends != NULL and at > 0 and job.numbers[at] == job.numbers[at - 1] + 1

cdef inline void ask_ahead(Locate *job) noexcept nogil:
    """Lines that are far apart are each waited for otherwise."""
    cdef Place *place
    cdef const uint8_t *text
    cdef Py_ssize_t until = min(job.at + ASKED_AHEAD, job.number), i
    while job.asked < until:
        if not follows(job, job.asked):
            place = &job.places[job.asked % ASKED_AHEAD]
            if job.numbers[job.asked] == 0 or job.index.entries == 0:
                place.entry = place.left = 0
            else:
                place.entry = entry_of(&job.index, job.numbers[job.asked], &place.left)
            if job.number > 1:
                text = job.index.hay + place.entry * SAMPLED
                for i in range(ASKED_LINES):
                    fm_ask_for(<const char *> text + i * LINE_BYTES)
        job.asked += 1

cdef int locate_step(void *context) noexcept nogil:
    """Finds some of the lines, or looks at some of a long one. One that follows upon the one before begins where that
    ended.
    """
    cdef Locate *job = <Locate *> context
    cdef Place *place
    cdef Py_ssize_t looked_up = 0, start, until
    cdef const void *newline
    while job.at < job.number and looked_up < LOOKED_UP:
        if job.looking < 0:
            ask_ahead(job)
            if follows(job, job.at):
                start = min(<Py_ssize_t> job.ends[job.at - 1] + 1, job.index.size)
            else:
                place = &job.places[job.at % ASKED_AHEAD]
                start = start_in(&job.index, place.entry, place.left)
            job.starts[job.at] = job.looking = start
        if job.ends != NULL:
            until = min(job.looking + STEP_BYTES, job.index.size)
            newline = memchr(job.index.hay + job.looking, 10, until - job.looking)
            if newline == NULL and until < job.index.size:
                job.looking = until
                return MORE
            job.ends[job.at] = <const uint8_t *> newline - job.index.hay if newline != NULL else until
        job.looking = -1
        job.at += 1
        looked_up += 1
    return MORE if job.at < job.number else DONE

cdef Py_ssize_t work_of(const Index *index, Py_ssize_t number) noexcept:
    """About how many bytes are looked at for so many lines."""
    cdef Py_ssize_t lines = max(<Py_ssize_t> index.before[index.totals - 1], <Py_ssize_t> 1)
    return min(number, <Py_ssize_t> TOGETHER) * max(index.size // lines, <Py_ssize_t> SAMPLED)

cdef struct NumberLines:
    Index index
    const fm_kernel *kernel
    fm_needle newline
    const int64_t *offsets
    int64_t *numbers
    Py_ssize_t left
    bint is_outside         # one of the offsets is: what was checked before may have changed its size since

cdef int number_step(void *context) noexcept nogil:
    """Finds the numbers of some of the lines that hold the bytes at offsets."""
    cdef NumberLines *job = <NumberLines *> context
    cdef fm_progress progress
    cdef Py_ssize_t looked_up = 0, entry, inside
    while job.left and looked_up < LOOKED_UP:
        if not 0 <= job.offsets[0] < job.index.size:
            job.is_outside = True
            return DONE
        entry, inside = job.offsets[0] // SAMPLED, job.offsets[0] % SAMPLED
        job.numbers[0] = job.index.before[entry // IN_TOTAL] + job.index.inside[entry]
        if inside:
            job.numbers[0] += job.kernel.count(job.index.hay + entry * SAMPLED, inside, &job.newline, &progress)
        job.offsets += 1
        job.numbers += 1
        job.left -= 1
        looked_up += 1
    return MORE if job.left else DONE

cdef struct Opened:
    Py_buffer before, inside, view
    Index index

cdef int open_index(Opened *opened, tuple arrays, object buffer) except -1:
    """Takes a buffer and the two arrays of its index, which must be of its size. They are given back by close_index."""
    cdef Index *index = &opened.index
    before, inside = arrays
    take_readable(buffer, &opened.view)
    try:
        PyObject_GetBuffer(before, &opened.before, PyBUF_SIMPLE)
        try:
            PyObject_GetBuffer(inside, &opened.inside, PyBUF_SIMPLE)
        except BaseException:
            PyBuffer_Release(&opened.before)
            raise
    except BaseException:
        PyBuffer_Release(&opened.view)
        raise
    index.before, index.totals = <const int64_t *> opened.before.buf, opened.before.len // 8
    index.inside, index.entries = <const uint16_t *> opened.inside.buf, opened.inside.len // 2
    index.hay, index.size = <const uint8_t *> opened.view.buf, opened.view.len
    if (index.entries != (index.size + SAMPLED - 1) // SAMPLED
            or index.totals != (index.size + TOTALLED - 1) // TOTALLED + 1):
        close_index(opened)
        raise ValueError(f"an index of {index.entries} entries isn't one of {index.size} bytes")
    return 0

cdef void close_index(Opened *opened) noexcept:
    PyBuffer_Release(&opened.inside)
    PyBuffer_Release(&opened.before)
    PyBuffer_Release(&opened.view)

cdef int locate(
    const Opened *opened, const int64_t *numbers, Py_ssize_t number, int64_t *starts, int64_t *ends,
) except -1:
    """Finds lines by their numbers, all of them in range."""
    cdef Locate job
    cdef Watch watching
    begin_locating(&job, &opened.index, numbers, number, starts, ends)
    watch_view(&watching, &opened.view)
    return drive(guarded, locate_step, &job, work_of(&opened.index, number), &watching) if number else 0

cdef struct Single:
    Locate locate
    int64_t number, start, end
    char[SHORT] copy
    bint copied

cdef int single_step(void *context) noexcept nogil:
    """Finds one line, and copies a short one at once."""
    cdef Single *job = <Single *> context
    if locate_step(&job.locate) != DONE:
        return MORE
    job.copied = job.end - job.start <= SHORT
    if job.copied:
        memcpy(job.copy, job.locate.index.hay + job.start, job.end - job.start)
    return DONE

cdef bytes copy_line(const Opened *opened, int64_t number):
    cdef Single job
    cdef Watch watching
    job.number = number
    begin_locating(&job.locate, &opened.index, &job.number, 1, &job.start, &job.end)
    watch_view(&watching, &opened.view)
    drive(guarded, single_step, &job, work_of(&opened.index, 1), &watching)
    if job.copied:
        return PyBytes_FromStringAndSize(job.copy, job.end - job.start)
    return copy_lines(&opened.view, &job.start, &job.end, 1)[0]

cdef list copy_lines(const Py_buffer *view, int64_t *starts, int64_t *ends, Py_ssize_t number):
    """Some lines as bytes. They are copied together under one guard; then each gets an object."""
    cdef Gather gather
    cdef Watch watching
    cdef Py_ssize_t i, total = 0, at = 0
    cdef char *data
    for i in range(number):
        ends[i] -= starts[i]
        total += ends[i]
    data = <char *> malloc(max(total, <Py_ssize_t> 1))
    if data == NULL:
        raise MemoryError
    try:
        gather.source, gather.target = <const char *> view.buf, data
        gather.offsets, gather.lengths, gather.length_step, gather.left = starts, ends, 1, number
        watch_view(&watching, view)
        if number:
            drive(guarded, gather_step, &gather, total, &watching)
        lines = []
        for i in range(number):
            lines.append(PyBytes_FromStringAndSize(data + at, ends[i]))
            at += ends[i]
        return lines
    finally:
        free(data)


@cython.no_gc_clear  # its walk needs the view
cdef class LineViews:
    """What iter_lines returns: memoryviews of the lines, whose ends are found some at a time."""
    cdef object whole           # a memoryview of all,
    cdef object base            # and what those of lines are made of
    cdef Py_buffer *view
    cdef Walk walk
    cdef int64_t[FIRST_ROOM] ends
    cdef Py_ssize_t given, room, start
    cdef bint running

    def __iter__(self):
        return self

    def __next__(self):
        cdef Py_ssize_t start, end
        with cython.critical_section(self):
            if self.running:
                raise ValueError("iterator already executing")
            if self.given == self.walk.matches and self.walk.position < self.walk.stop:
                self.refill()
            start = self.start
            if self.given < self.walk.matches:
                end = self.ends[self.given]
                self.given += 1
            elif start < self.view.len:
                end = self.view.len
            else:
                raise StopIteration
            self.start = end + 1
        return part_of(self.base, start, end)

    cdef int refill(self) except -1:
        cdef Watch watching
        self.running = True  # another thread may come while the walk has released the GIL
        try:
            self.given = 0
            self.room = min(self.room * 8, <Py_ssize_t> FIRST_ROOM) if self.room else 1
            self.walk.out, self.walk.capacity, self.walk.matches = self.ends, self.room, 0
            watch_walk(&watching, &self.walk, self.view)
            drive(guarded, walk_step, &self.walk, self.walk.stop - self.walk.position, &watching)
        finally:
            self.running = False
        return 0

cdef object part_of(object base, Py_ssize_t start, Py_ssize_t end):
    """base[start:end] of a memoryview of bytes, by a third of the time that a slice takes."""
    part = PyMemoryView_FromObject(base)
    cdef Py_buffer *view = PyMemoryView_GET_BUFFER(part)
    view.buf = <char *> view.buf + start
    view.len = view.shape[0] = end - start
    return part
