# cython: binding=False, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""line_starts and gather: random access to lines and records. Their definition is fastmmap/reference/lines.py."""
cimport cython
from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromObject, PyMemoryView_GET_BUFFER
from libc.stdint cimport int64_t, uint8_t, uint16_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcpy
from arguments cimport *
from capi cimport *
from guard cimport *
from offsets cimport *
from package cimport *
from scan cimport *
from steps cimport *
from walk cimport *

cdef fm_guard guarded = import_guard()
cdef fm_question contested = import_contested()

include "steady.pxi"
include "gathering.pxi"
include "sampled.pxi"
include "found.pxi"


cdef class Kernel:
    """The functions for lines and records of one kernel, as methods."""
    cdef const fm_kernel *kernel
    cdef str name

    def __cinit__(self, str name):
        self.kernel = choose(name)
        self.name = name

    def __reduce__(self):
        return reduce_kernel(self, "lines", self.name)

    def line_starts(self, buffer, start=0, end=None, *, threads=None, progress=None):
        r"""The offsets at which lines start, ascending, in an array.

        The first is start itself, then comes the offset after each newline that has a byte after it: a final newline
        opens no line. An empty range has none.

        Parameters
        ----------
        buffer : bytes-like or os.PathLike
            Any C-contiguous buffer, taken as bytes, or the path of a file. For a path in a str use pathlib.Path.
        start, end : int or None, default 0 and None
            Only the lines of buffer[start:end]. Offsets count from the buffer's start, in bytes.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

        Returns
        -------
        ndarray of int64, shape (n,)
            Offsets in bytes, one for each line.

        Raises
        ------
        TypeError, ValueError
            `buffer` is neither a buffer nor a path, or `threads` is below 1.
        BufferError, OSError
            The buffer isn't C-contiguous; the file can't be read (MappedFileError: it was truncated meanwhile).

        Examples
        --------
        >>> fastmmap.line_starts(b"one\ntwo\nthree\n").tolist()
        [0, 4, 8]
        """
        numpy = load_numpy()
        cdef Py_buffer view
        cdef Walk walk
        cdef Py_ssize_t first = index_or(start, 0), last = index_or(end, PY_SSIZE_T_MAX), number
        buffer = take_within(buffer, &view, first, last)
        try:
            clamp(&first, &last, view.len)
            number = workers(threads, &view, first, last)
            if first >= last:
                return numpy.empty(0, dtype=numpy.int64)
            if number > 1 or in_danger(contested, &view) or progress is not None:
                kernel = sheltered(contested, search_kernel(self.name), &view)
                return in_threads("line_starts")(kernel, haystack(buffer, first, last, progress), number)
            begin(&walk, self.kernel, b"\n", False, False)
            walk.added = 1
            # The newline of the last byte opens no line, so the walk ends before it.
            over(&walk, &view, first, last - 1)
            offsets = numpy.empty(FIRST_ROOM, dtype=numpy.int64)
            offsets[0] = first
            return grow(guarded, &walk, &view, offsets, 1, PY_SSIZE_T_MAX)
        finally:
            PyBuffer_Release(&view)

    def gather(self, buffer, offsets, length, *, threads=None):
        """Copies the records at many offsets together, into one array.

        Parameters
        ----------
        buffer : bytes-like or os.PathLike
            Any C-contiguous buffer, taken as bytes, or the path of a file. For a path in a str use pathlib.Path.
        offsets : sequence or ndarray of int, shape (n,)
            Where the records begin, in bytes, in any order. Negative offsets are out of range.
        length : int, or sequence or ndarray of int, shape (n,)
            How many bytes each record has: one number for all of them, or a number for each.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.

        Returns
        -------
        ndarray of uint8, shape (n, length)
            One record a row, where `length` is one number. Else the next two, as a tuple:
        data : ndarray of uint8, shape (total,)
            The records, one behind the other.
        starts : ndarray of int64, shape (n + 1,)
            Record i is data[starts[i]:starts[i + 1]].

        Raises
        ------
        IndexError
            A record isn't wholly in the buffer. The error names the first such; nothing was read.
        TypeError, ValueError
            `buffer` is neither a buffer nor a path, an offset or length is no integer, a length is negative, there are
            not as many lengths as offsets, or `threads` is below 1.
        BufferError, OSError
            The buffer isn't C-contiguous; the file can't be read (MappedFileError: it was truncated meanwhile).

        Examples
        --------
        >>> fastmmap.gather(b"one two three", [4, 0], 3).tobytes()
        b'twoone'
        >>> data, starts = fastmmap.gather(b"one two three", [8, 0], [5, 3])
        >>> data.tobytes(), starts.tolist()
        (b'threeone', [0, 5, 8])
        """
        numpy = load_numpy()
        cdef Py_buffer view
        cdef Py_ssize_t number = 1
        check_threads(threads)
        offsets, lengths = as_records(offsets, length)
        if not are_within(offsets, lengths, PY_SSIZE_T_MAX, lengths_alone=True):
            check_lengths(lengths)
        uniform = lengths.ndim == 0
        buffer = take_readable(buffer, &view)
        try:
            if not are_within(offsets, lengths, view.len):
                check_within(offsets, lengths, view.len)
            starts = None
            if uniform:
                data = numpy.empty((offsets.size, int(lengths)), dtype=numpy.uint8)
            else:
                starts = numpy.zeros(offsets.size + 1, dtype=numpy.int64)
                numpy.cumsum(lengths, out=starts[1:])
                data = numpy.empty(int(starts[-1]), dtype=numpy.uint8)
            if data.size + RECORD_COST * offsets.size >= PARALLEL_BYTES:
                number = most_workers(threads)
            if data.size and in_danger(contested, &view):
                gather_sheltered(data, buffer, offsets, lengths)
            elif number > 1:
                in_threads("gather")(self, buffer, (data, starts), (offsets, lengths), number)
            elif data.size:
                fill(data, &view, offsets, lengths)
            return data if uniform else (data, starts)
        finally:
            PyBuffer_Release(&view)

    # --- lines by number, which fastmmap/lines.py asks for: its `index` is two arrays, see sampled.pxi ---

    def count_newlines(self, index, buffer, Py_ssize_t start, Py_ssize_t end):
        """Writes into two arrays how many newlines stand in each 32 KiB of buffer[start:end], as int64; and as uint16
        for each KiB, how many stand before it in its 32 KiB.
        """
        cdef Py_buffer view, totals, inside
        cdef CountNewlines job
        cdef Watch watching
        take_readable(buffer, &view)
        try:
            if in_danger(contested, &view):
                return in_reference("count_newlines")(index, buffer, start, end)
            PyObject_GetBuffer(index[0], &totals, PyBUF_WRITABLE)
            try:
                PyObject_GetBuffer(index[1], &inside, PyBUF_WRITABLE)
                try:
                    if (not 0 <= start <= end <= view.len or totals.len // 8 != (end - start + TOTALLED - 1) // TOTALLED
                            or inside.len // 2 != (end - start + SAMPLED - 1) // SAMPLED):
                        raise ValueError(f"the arrays aren't those of [{start}, {end})")
                    job.kernel, job.hay = self.kernel, <const uint8_t *> view.buf
                    job.totals, job.inside = <int64_t *> totals.buf, <uint16_t *> inside.buf
                    job.at, job.end = start, end
                    set_newline(&job.newline)
                    watch(&watching, <void *> view.obj, view.buf, job.hay + start, end - start)
                    if start < end:
                        drive(guarded, count_newlines_step, &job, end - start, &watching)
                finally:
                    PyBuffer_Release(&inside)
            finally:
                PyBuffer_Release(&totals)
        finally:
            PyBuffer_Release(&view)

    def line(self, index, buffer, number):
        """The line of a number that is in range, as bytes."""
        cdef Opened opened
        open_index(&opened, index, buffer)
        try:
            if in_danger(contested, &opened.view):
                return in_reference("line")(index, buffer, number)
            return copy_line(&opened, number)
        finally:
            close_index(&opened)

    def lines_at(self, index, buffer, numbers):
        """The lines of some numbers, all of them in range, as a list of bytes."""
        cdef Opened opened
        cdef Py_buffer wanted
        cdef int64_t[2 * TOGETHER] places
        cdef Py_ssize_t done = 0, number
        open_index(&opened, index, buffer)
        try:
            if in_danger(contested, &opened.view):
                return in_reference("lines_at")(index, buffer, numbers)
            PyObject_GetBuffer(numbers, &wanted, PyBUF_SIMPLE)
            try:
                lines = []
                while done < wanted.len // 8:
                    number = min(wanted.len // 8 - done, <Py_ssize_t> TOGETHER)
                    locate(&opened, <const int64_t *> wanted.buf + done, number, places, places + TOGETHER)
                    lines += copy_lines(&opened.view, places, places + TOGETHER, number)
                    done += number
                return lines
            finally:
                PyBuffer_Release(&wanted)
        finally:
            close_index(&opened)

    def line_offsets(self, index, buffer, numbers):
        """The offsets at which the lines of some numbers start, all of them in range, as an array of int64."""
        return self.look_up(index, buffer, numbers, STARTS)

    def line_spans(self, index, buffer, numbers):
        """Where the lines of some numbers start, all of them in range, and where they end: int64, in two rows."""
        return self.look_up(index, buffer, numbers, SPANS).reshape(2, -1)

    def line_numbers(self, index, buffer, offsets):
        """The numbers of the lines that hold the bytes at some offsets, all of them in range, as an array of int64."""
        return self.look_up(index, buffer, offsets, NUMBERS)

    cdef object look_up(self, tuple index, object buffer, object wanted, Wanted what):
        cdef Opened opened
        cdef Py_buffer given, room
        cdef Watch watching
        cdef NumberLines job
        cdef int64_t *ends
        open_index(&opened, index, buffer)
        try:
            if in_danger(contested, &opened.view):
                name = ("line_offsets", "line_spans", "line_numbers")[<int> what]
                return in_reference(name)(index, buffer, wanted)
            found = load_numpy().empty(wanted.size * (2 if what == SPANS else 1), dtype="int64")
            PyObject_GetBuffer(wanted, &given, PyBUF_SIMPLE)
            PyObject_GetBuffer(found, &room, PyBUF_WRITABLE)
            try:
                job.offsets, job.numbers, job.left = <const int64_t *> given.buf, <int64_t *> room.buf, given.len // 8
                if what != NUMBERS:
                    ends = job.numbers + job.left if what == SPANS else NULL
                    locate(&opened, job.offsets, job.left, job.numbers, ends)
                elif job.left:
                    job.index, job.kernel, job.is_outside = opened.index, self.kernel, False
                    set_newline(&job.newline)
                    watch_view(&watching, &opened.view)
                    drive(guarded, number_step, &job, SAMPLED * min(job.left, <Py_ssize_t> TOGETHER), &watching)
                    if job.is_outside:
                        raise IndexError(f"offset {job.offsets[0]} is outside of {opened.index.size} bytes")
            finally:
                PyBuffer_Release(&room)
                PyBuffer_Release(&given)
            return found
        finally:
            close_index(&opened)

    def lines_around(self, buffer, offsets, Py_ssize_t start, Py_ssize_t end, tuple place):
        """The lines of buffer[start:end] that hold the bytes at some offsets, ascending: a list of Match, one a line.

        `start` is where a line begins, `end` where one has ended. `place` is where the buffer begins in its text, and
        what counts the text's lines.
        """
        cdef Py_buffer view, given
        take_readable(buffer, &view)
        try:
            if not 0 <= start <= end <= view.len:
                raise ValueError(f"[{start}, {end}) isn't within {view.len} bytes")
            if in_danger(contested, &view):
                found = in_reference("found_lines")(buffer, offsets, start, end)
                return [
                    make_match(offset + place[0], first + place[0], line, place[1]) for offset, first, line in found
                ]
            PyObject_GetBuffer(offsets, &given, PyBUF_SIMPLE)
            try:
                return found_lines(&view, &given, start, end, place)
            finally:
                PyBuffer_Release(&given)
        finally:
            PyBuffer_Release(&view)

    def lines_confirmed(self, list matches, search, bint from_offset):
        """Those of some Match in which search(line) finds something, with where it does. `from_offset`: it finds
        nothing before their offsets.
        """
        return confirmed_lines(matches, search, from_offset)

    def lines_hit(self, list lines, list hits, tuple place):
        """A Match for each of some lines that follow each other in which something was found: where `hits` has a
        re.Match.

        `place` is where the first line begins in its text, and what counts the text's lines.
        """
        return hit_lines(lines, hits, place[0], place[1])

    def steady(self, view):
        """A memoryview that is kept, as what any number of threads may take views of."""
        return steady_of(view)

    def iter_lines(self, view):
        """An iterator over the lines of a memoryview of bytes, as memoryviews."""
        cdef LineViews lines = LineViews.__new__(LineViews)
        if not isinstance(view, memoryview):
            raise TypeError(f"a memoryview is needed, not {type(view).__name__!r}")
        lines.whole, lines.base, lines.view = view, steady_of(view), PyMemoryView_GET_BUFFER(view)
        if in_danger(contested, lines.view):
            return in_reference("iter_lines")(view)
        begin(&lines.walk, self.kernel, b"\n", False, False)
        over(&lines.walk, lines.view, 0, lines.view.len)
        return lines

    def gather_into(self, data, buffer, offsets, lengths):
        """Copies records that lie in the buffer into an array of exactly their size. All arrays are gather's own."""
        cdef Py_buffer view
        take_readable(buffer, &view)
        try:
            if not are_within(offsets, lengths, view.len):
                check_within(offsets, lengths, view.len)
            if data.size:
                fill(data, &view, offsets, lengths)
        finally:
            PyBuffer_Release(&view)
