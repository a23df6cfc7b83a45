# cython: binding=False, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""find, rfind, count, find_all and iter_find on any buffer. Their definition is fastmmap/reference/search.py."""
cimport cython
from cpython.buffer cimport PyBuffer_Release
from libc.stdint cimport int64_t
from arguments cimport *
from capi cimport *
from guard cimport *
from near cimport *
from offsets cimport *
from package cimport *
from scan cimport *
from steps cimport *
from walk cimport *

cdef fm_guard guarded = import_guard()
cdef fm_question contested = import_contested()

# Offsets that iter_find looks for at a time: one at first, then GROWTH times as many as before, up to 4 KiB of them.
cdef enum:
    GROWTH = 8
    BATCH = 512

cdef bytes prepare(object needle, bint fold):
    cdef bytes own = needle_bytes(guarded, needle)
    return own.lower() if fold else own

cdef class Kernel:
    """The search functions of one kernel, as methods."""
    cdef const fm_kernel *kernel
    cdef str name

    def __cinit__(self, str name):
        self.kernel = choose(name)
        self.name = name

    def __reduce__(self):
        return reduce_kernel(self, "search", self.name)

    cdef object share(self, str verb, const Py_buffer *view, object hay, tuple arguments):
        """Does a verb in blocks: in threads, where there are several, and by `sheltered` kernels, where it must be."""
        return in_threads(verb)(sheltered(contested, self, view), hay, *arguments)

    def find(self, buffer, needle, start=0, end=None, *, ignorecase=False, threads=None, progress=None):
        """The offset of the first match, or -1: as bytes.find in every case.

        Parameters
        ----------
        buffer : bytes-like, os.PathLike or file
            Any C-contiguous buffer, taken as bytes; the path of a file; or what is read as a binary file is, such as a
            pipe or a gzip.GzipFile, from where it stands. For a path in a str use pathlib.Path.
        needle : bytes-like, str or int; or Needles, or list or tuple of those
            What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
        start, end : int or None, default 0 and None
            Only matches in buffer[start:end]. Offsets count from the buffer's start, in bytes.
        ignorecase : bool, default False
            Whether ASCII letters match in both cases. Other letters don't.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

        Returns
        -------
        int
            The offset in bytes, or -1 where nothing matches.

        Raises
        ------
        TypeError, ValueError
            `buffer` is neither a buffer nor a path, an int isn't a byte, or `threads` is below 1.
        BufferError, OSError
            The buffer isn't C-contiguous; the file can't be read (MappedFileError: it was truncated meanwhile).

        Examples
        --------
        >>> fastmmap.find(b"Hello, hello", "hello")
        7
        """
        if is_stream(buffer):
            options = {"ignorecase": ignorecase, "threads": threads, "progress": progress}
            return in_stream(self.name, "find", buffer, needle, (start, end), options)
        if are_several(needle):
            few = None
            if not ignorecase and progress is None:
                few = find_few(guarded, contested, self.kernel, buffer, needle, start, end)
            if few is not None:
                check_threads(threads)
                return few
            return in_many(self.name).find(buffer, needle, start, end, ignorecase=ignorecase, threads=threads,
                                           progress=progress)
        cdef Py_buffer view
        cdef Py_ssize_t number, looked_at
        cdef Walk walk
        cdef int64_t offset = -1
        cdef bint danger, fold = ignorecase
        cdef bytes own = prepare(needle, fold)
        cdef Py_ssize_t first = index_or(start, 0), last = index_or(end, PY_SSIZE_T_MAX)
        buffer = take_within(buffer, &view, first, last)
        try:
            clamp(&first, &last, view.len)
            check_threads(threads)
            if not own:
                return first if first <= last else -1
            begin(&walk, self.kernel, own, fold, True)  # one match overlaps none
            walk.out, walk.capacity, walk.glancing = &offset, 1, True
            if not over(&walk, &view, first, last):
                return -1
            danger = in_danger(contested, &view)
            looked_at = 0 if danger or progress is not None else search_near(guarded, &walk, &view, False)
            if danger or looked_at or progress is not None:
                number = workers(threads, &view, walk.position, last)
                if number > 1 or danger or progress is not None:
                    hay = haystack(buffer, walk.position, last, progress)
                    return self.share("find", &view, hay, (own, fold, number))
                search(guarded, &walk, &view, looked_at)
            return offset
        finally:
            PyBuffer_Release(&view)

    def rfind(self, buffer, needle, start=0, end=None, *, ignorecase=False, threads=None, progress=None):
        """The offset of the last match, or -1: as bytes.rfind in every case.

        Parameters
        ----------
        buffer : bytes-like or os.PathLike
            Any C-contiguous buffer, taken as bytes, or the path of a file. For a path in a str use pathlib.Path.
        needle : bytes-like, str or int; or Needles, or list or tuple of those
            What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
        start, end : int or None, default 0 and None
            Only matches in buffer[start:end]. Offsets count from the buffer's start, in bytes.
        ignorecase : bool, default False
            Whether ASCII letters match in both cases. Other letters don't.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

        Returns
        -------
        int
            The offset in bytes, or -1 where nothing matches.

        Raises
        ------
        TypeError, ValueError, BufferError, OSError
            As find does.

        Examples
        --------
        >>> fastmmap.rfind(b"hello, Hello", "hello")
        0
        """
        if are_several(needle):
            return in_many(self.name).rfind(buffer, needle, start, end, ignorecase=ignorecase, threads=threads,
                                            progress=progress)
        cdef Py_buffer view
        cdef Py_ssize_t number, looked_at
        cdef Walk walk
        cdef bint fold = ignorecase
        cdef bytes own = prepare(needle, fold)
        cdef Py_ssize_t first = index_or(start, 0), last = index_or(end, PY_SSIZE_T_MAX)
        cdef bint danger
        buffer = take_within(buffer, &view, first, last)
        try:
            clamp(&first, &last, view.len)
            check_threads(threads)
            if not own:
                return last if first <= last else -1
            begin(&walk, self.kernel, own, fold, True)  # one match overlaps none
            walk.glancing = True
            if not over_backward(&walk, &view, first, last):
                return -1
            danger = in_danger(contested, &view)
            looked_at = 0 if danger or progress is not None else search_near(guarded, &walk, &view, True)
            if danger or looked_at or progress is not None:
                last = min(last, walk.position + len(own) - 1)
                number = workers(threads, &view, first, last)
                if number > 1 or danger or progress is not None:
                    return self.share("rfind", &view, haystack(buffer, first, last, progress), (own, fold, number))
                search_back(guarded, &walk, &view, looked_at)
            return walk.match
        finally:
            PyBuffer_Release(&view)

    def count(self, buffer, needle, start=0, end=None, *, overlapping=False, ignorecase=False, threads=None,
              progress=None):
        """How many matches there are: as bytes.count in every case.

        Parameters
        ----------
        buffer : bytes-like, os.PathLike or file
            Any C-contiguous buffer, taken as bytes; the path of a file; or what is read as a binary file is, such as a
            pipe or a gzip.GzipFile, from where it stands. For a path in a str use pathlib.Path.
        needle : bytes-like, str or int; or Needles, or list or tuple of those
            What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
        start, end : int or None, default 0 and None
            Only matches in buffer[start:end]. Offsets count from the buffer's start, in bytes.
        overlapping, ignorecase : bool, default False
            Whether matches that overlap the one before count, too; whether ASCII letters match in both cases.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

        Returns
        -------
        int
            The number of matches. An empty needle matches before each byte and at the end.

        Raises
        ------
        TypeError, ValueError
            `buffer` is neither a buffer nor a path, an int isn't a byte, or `threads` is below 1.
        BufferError, OSError
            The buffer isn't C-contiguous; the file can't be read (MappedFileError: it was truncated meanwhile).

        Examples
        --------
        >>> fastmmap.count(b"banana", "ana"), fastmmap.count(b"banana", "ana", overlapping=True)
        (1, 2)
        """
        if is_stream(buffer):
            options = {"overlapping": overlapping, "ignorecase": ignorecase, "threads": threads, "progress": progress}
            return in_stream(self.name, "count", buffer, needle, (start, end), options)
        if are_several(needle):
            return in_many(self.name).count(buffer, needle, start, end, overlapping=overlapping, ignorecase=ignorecase,
                                            threads=threads, progress=progress)
        cdef Py_buffer view
        cdef Py_ssize_t number
        cdef Walk walk
        cdef bint fold = ignorecase, overlap = overlapping
        cdef bytes own = prepare(needle, fold)
        cdef Py_ssize_t first = index_or(start, 0), last = index_or(end, PY_SSIZE_T_MAX)
        buffer = take_within(buffer, &view, first, last)
        try:
            clamp(&first, &last, view.len)
            number = workers(threads, &view, first, last)
            if not own:
                return last - first + 1 if first <= last else 0
            if number > 1 or in_danger(contested, &view) or progress is not None:
                return self.share("count", &view, haystack(buffer, first, last, progress), (own, overlap, fold, number))
            begin(&walk, self.kernel, own, fold, overlap)
            if over(&walk, &view, first, last):
                search(guarded, &walk, &view)
            return walk.matches
        finally:
            PyBuffer_Release(&view)

    def find_all(self, buffer, needle, start=0, end=None, *, overlapping=False, ignorecase=False, limit=None,
                 threads=None, progress=None):
        """The offsets of all matches that `count` counts, ascending, in an array.

        Parameters
        ----------
        buffer : bytes-like or os.PathLike
            Any C-contiguous buffer, taken as bytes, or the path of a file. For a path in a str use pathlib.Path.
        needle : bytes-like, str or int; or Needles, or list or tuple of those
            What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
        start, end : int or None, default 0 and None
            Only matches in buffer[start:end]. Offsets count from the buffer's start, in bytes.
        overlapping, ignorecase : bool, default False
            Whether matches that overlap the one before count, too; whether ASCII letters match in both cases.
        limit : int or None, default None
            How many offsets at most, the first ones. None: all.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

        Returns
        -------
        ndarray of int64, shape (n,)
            Offsets in bytes. Those of an empty needle are all from start to end, the end included.

        Raises
        ------
        TypeError, ValueError
            `buffer` is neither a buffer nor a path, an int isn't a byte, `limit` is negative, or `threads` is below 1.
        BufferError, OSError
            The buffer isn't C-contiguous; the file can't be read (MappedFileError: it was truncated meanwhile).

        Examples
        --------
        >>> fastmmap.find_all(b"banana", "an").tolist()
        [1, 3]
        """
        if are_several(needle):
            return in_many(self.name).find_all(
                buffer, needle, start, end, overlapping=overlapping, ignorecase=ignorecase, limit=limit,
                threads=threads, progress=progress,
            )
        numpy = load_numpy()
        cdef Py_buffer view
        cdef Walk walk
        cdef bint fold = ignorecase, overlap = overlapping
        cdef bytes own = prepare(needle, fold)
        cdef Py_ssize_t first = index_or(start, 0), last = index_or(end, PY_SSIZE_T_MAX)
        cdef Py_ssize_t most = limit_or_all(limit), number
        buffer = take_within(buffer, &view, first, last)
        try:
            clamp(&first, &last, view.len)
            number = workers(threads, &view, first, last)
            if not own:
                return numpy.arange(first, last + 1 if last - first < most else first + most, dtype=numpy.int64)
            if number > 1 and limit is None or in_danger(contested, &view) or progress is not None:
                hay = haystack(buffer, first, last, progress)
                hay.most = None if limit is None else most
                return self.share("find_all", &view, hay, (own, overlap, fold, number))
            begin(&walk, self.kernel, own, fold, overlap)
            if not over(&walk, &view, first, last):
                most = 0
            return grow(guarded, &walk, &view, numpy.empty(min(most, FIRST_ROOM), dtype=numpy.int64), 0, most)
        finally:
            PyBuffer_Release(&view)

    def find_into(self, offsets, buffer, bytes needle, Py_ssize_t start, Py_ssize_t end, *, bint overlapping=False,
                  bint ignorecase=False, Py_ssize_t added=0):
        """Writes the first offsets, plus `added`, into an int64 array that may be too short; returns how many."""
        cdef Py_buffer view, room
        cdef Walk walk
        begin(&walk, self.kernel, needle, ignorecase, overlapping)
        take_writable(offsets, &room, "find_into")
        try:
            take_readable(buffer, &view)
            try:
                walk.out, walk.capacity = <int64_t *> room.buf, room.len // <Py_ssize_t> sizeof(int64_t)
                walk.added = added
                if over(&walk, &view, start, end):
                    search(guarded, &walk, &view)
                return walk.matches
            finally:
                PyBuffer_Release(&view)
        finally:
            PyBuffer_Release(&room)

    def iter_find(self, buffer, needle, start=0, end=None, *, overlapping=False, ignorecase=False):
        """An iterator over the offsets that find_all returns, in constant memory.

        Parameters
        ----------
        buffer : bytes-like, os.PathLike or file
            Any C-contiguous buffer, taken as bytes; the path of a file; or what is read as a binary file is, such as a
            pipe or a gzip.GzipFile, from where it stands. For a path in a str use pathlib.Path.
        needle : bytes-like, str or int; or Needles, or list or tuple of those
            What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
        start, end : int or None, default 0 and None
            Only matches in buffer[start:end]. Offsets count from the buffer's start, in bytes.
        overlapping, ignorecase : bool, default False
            Whether matches that overlap the one before count, too; whether ASCII letters match in both cases.

        Returns
        -------
        iterator of int
            Offsets in bytes, ascending. It keeps the buffer, which can't be resized, until it is exhausted or gone.

        Raises
        ------
        TypeError, ValueError, BufferError, OSError
            As find_all does.

        Examples
        --------
        >>> list(fastmmap.iter_find(b"banana", "an"))
        [1, 3]
        """
        if is_stream(buffer):
            options = {"overlapping": overlapping, "ignorecase": ignorecase}
            return in_stream(self.name, "iter_find", buffer, needle, (start, end), options)
        if are_several(needle):
            many = in_many(self.name)
            return many.iter_find(buffer, needle, start, end, overlapping=overlapping, ignorecase=ignorecase)
        cdef bint fold = ignorecase, overlap = overlapping
        cdef bytes own = prepare(needle, fold)
        cdef Py_ssize_t first = index_or(start, 0), last = index_or(end, PY_SSIZE_T_MAX)
        cdef Matches matches
        if not own:
            return empty_matches(buffer, first, last)
        matches = Matches.__new__(Matches)
        buffer = take_within(buffer, &matches.held.view, first, last)
        matches.exporter = exporter_of(&matches.held)
        matches.exported = True
        if in_danger(contested, &matches.held.view):
            clamp(&first, &last, matches.held.view.len)
            kernel = sheltered(contested, self, &matches.held.view)
            return kernel.iter_find(memoryview(buffer), own, first, last, overlapping=overlap, ignorecase=fold)
        matches.needle = own
        begin(&matches.walk, self.kernel, own, fold, overlap)
        if not over(&matches.walk, &matches.held.view, first, last):
            matches.release()
        return matches


include "matches.pxi"
