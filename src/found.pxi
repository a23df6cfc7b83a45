# Included by _lines.pyx: the lines in which something was found. Match's definition is fastmmap/reference/found.py.

@cython.freelist(256)
cdef class Match:
    r"""A line in which grep has found what it looks for.

    Attributes
    ----------
    offset : int
        Where the first match begins, in bytes from the start of the source; with `invert`, where the line does.
    start, end : int
        Where the line begins and ends in the source, in bytes, without its newline.
    line : bytes
        The line without its newline. A carriage return stays.
    before, after : list of bytes
        Lines around it, as many as were asked for. A line that stands between two matches is with one of them
        alone: none comes twice.
    number : int
        The number of the line, from 0. It is counted when it is asked for, in the source.

    Examples
    --------
    >>> import fastmmap
    >>> [(match.number, match.line) for match in fastmmap.grep(b"one\ntwo\nthree\n", b"t")]
    [(1, b'two'), (2, b'three')]
    """
    cdef readonly Py_ssize_t offset, start, end
    cdef readonly bytes line
    cdef object around          # the lines before and behind it; None as long as nobody has asked
    cdef object counter         # what counts lines; or the number

    def __init__(self, Py_ssize_t offset, Py_ssize_t start, bytes line, counter):
        self.offset, self.start, self.end = offset, start, start + len(line)
        self.line, self.counter = line, counter

    @property
    def before(self):
        """Lines before it, as a list of bytes."""
        return self.lines_around()[0]

    @property
    def after(self):
        """Lines behind it, as a list of bytes."""
        return self.lines_around()[1]

    @property
    def number(self):
        """The number of the line, an int from 0."""
        with cython.critical_section(self):
            counter = self.counter
        if isinstance(counter, int):
            return counter
        number = counter.of(self.start)
        with cython.critical_section(self):
            self.counter = number
        return number

    cdef tuple lines_around(self):
        with cython.critical_section(self):
            if self.around is None:
                self.around = [], []
            return self.around

    def __eq__(self, other):
        if not isinstance(other, Match):
            return NotImplemented
        cdef Match another = other
        return ((self.offset, self.start, self.line) == (another.offset, another.start, another.line)
                and self.lines_around() == another.lines_around())

    def __hash__(self):
        return hash((self.offset, self.start, self.line))

    def __reduce__(self):
        return reduce_match(self.offset, self.start, self.line, self.number, self.lines_around())

    def __repr__(self):
        return f"<fastmmap.Match at {self.offset}: {self.line!r}>"

cdef inline Match make_match(Py_ssize_t offset, Py_ssize_t start, bytes line, object counter):
    cdef Match match = Match.__new__(Match)
    match.offset, match.start, match.end, match.line, match.counter = offset, start, start + len(line), line, counter
    return match


cdef struct Around:
    const uint8_t *hay
    const int64_t *offsets
    Py_ssize_t left, low, end   # of the offsets; where the next line may begin; where the last one ends at most
    int64_t *found              # an offset and where its line begins and ends, for one offset a line
    Py_ssize_t lines, room

cdef int around_step(void *context) noexcept nogil:
    """Finds the lines of some offsets, until there is no room for more. An offset in the line before has none of its
    own.
    """
    cdef Around *job = <Around *> context
    cdef Py_ssize_t offset, start, end
    cdef const uint8_t *newline
    while job.left and job.lines < job.room:
        offset = job.offsets[0]
        job.offsets += 1
        job.left -= 1
        if not job.low <= offset < job.end:
            continue
        newline = last_of(job.hay + job.low, 10, offset - job.low)
        start = newline - job.hay + 1 if newline != NULL else job.low
        newline = <const uint8_t *> memchr(job.hay + offset, 10, job.end - offset)
        end = newline - job.hay if newline != NULL else job.end
        job.found[0], job.found[1], job.found[2] = offset, start, end
        job.found += 3
        job.lines += 1
        job.low = end + 1
    return DONE

cdef list found_lines(const Py_buffer *view, const Py_buffer *offsets, Py_ssize_t low, Py_ssize_t end, tuple place):
    """A Match for each line of [low, end) that has some of the offsets. `place`: see lines_around."""
    cdef Around job
    cdef Watch watching
    cdef int64_t[3 * TOGETHER] found
    cdef int64_t[2 * TOGETHER] places
    cdef Py_ssize_t i, base = place[0]
    cdef object counter = place[1]
    job.hay, job.low, job.end = <const uint8_t *> view.buf, low, end
    job.offsets, job.left = <const int64_t *> offsets.buf, offsets.len // 8
    watch_view(&watching, view)
    matches = []
    while job.left:
        job.found, job.lines, job.room = found, 0, TOGETHER
        drive(guarded, around_step, &job, end - low, &watching)
        for i in range(job.lines):
            places[i], places[TOGETHER + i] = found[3 * i + 1], found[3 * i + 2]
        i = 0
        for line in copy_lines(view, places, places + TOGETHER, job.lines):
            matches.append(make_match(base + found[3 * i], base + found[3 * i + 1], line, counter))
            i += 1
    return matches

cdef list hit_lines(list lines, list hits, Py_ssize_t start, object counter):
    matches = []
    for line, hit in zip(lines, hits):
        if hit is not None:
            matches.append(make_match(start + <Py_ssize_t> hit.start(), start, line, counter))
        start += len(<bytes> line) + 1
    return matches

cdef list confirmed_lines(list matches, object search, bint from_offset):
    cdef Match match
    cdef Py_ssize_t place
    found = []
    for each in matches:
        match = each
        hit = search(match.line, match.offset - match.start) if from_offset else search(match.line)
        if hit is not None:
            place = hit.start()
            if match.offset != match.start + place:
                match = make_match(match.start + place, match.start, match.line, match.counter)
            found.append(match)
    return found
