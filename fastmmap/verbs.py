"""The kernels as methods of a mapping: m.find(needle) is fastmmap.find(m, needle)."""

from __future__ import annotations

from ._backend import chosen, set_kernel_methods

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, SupportsIndex

    from .indexes import LineIndex
    from .reference.arguments import Data, Index, Integers, Needle, Offsets, Pairs, Several


class Verbs:
    """Mixed into a mapping."""

    __slots__ = ()

    if TYPE_CHECKING:
        mode: str
        name: Any
        _index: LineIndex

    def find(
        self,
        needle: Needle | Several,
        start: Index = 0,
        end: Index = None,
        *,
        ignorecase: bool = False,
        threads: int | None = None,
    ) -> int:
        """The offset of the first match, or -1: as bytes.find in every case.

        Parameters
        ----------
        needle : bytes-like, str or int; or Needles, or list or tuple of those
            What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
        start, end : int or None, default 0 and None
            Only matches in m[start:end]. Offsets count from the mapping's start, in bytes.
        ignorecase : bool, default False
            Whether ASCII letters match in both cases. Other letters don't.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.

        Returns
        -------
        int
            The offset in bytes, or -1 where nothing matches.

        Raises
        ------
        TypeError
            An argument has the wrong type.
        ValueError
            The mapping is closed, or an int isn't a byte, or `threads` is below 1.
        MappedFileError
            The file was truncated meanwhile.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"Hello, hello")
        >>> with fastmmap.open("file") as m:
        ...     m.find("hello")
        7
        """
        return chosen.find(self, needle, start, end, ignorecase=ignorecase, threads=threads)  # type: ignore[no-any-return]

    def rfind(
        self,
        needle: Needle | Several,
        start: Index = 0,
        end: Index = None,
        *,
        ignorecase: bool = False,
        threads: int | None = None,
    ) -> int:
        """The offset of the last match, or -1: as bytes.rfind in every case.

        Parameters
        ----------
        needle : bytes-like, str or int; or Needles, or list or tuple of those
            What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
        start, end : int or None, default 0 and None
            Only matches in m[start:end]. Offsets count from the mapping's start, in bytes.
        ignorecase : bool, default False
            Whether ASCII letters match in both cases. Other letters don't.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.

        Returns
        -------
        int
            The offset in bytes, or -1 where nothing matches.

        Raises
        ------
        TypeError, ValueError, MappedFileError
            As find does.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"hello, Hello")
        >>> with fastmmap.open("file") as m:
        ...     m.rfind("hello")
        0
        """
        offset: int = chosen.rfind(self, needle, start, end, ignorecase=ignorecase, threads=threads)
        return offset

    def count(
        self,
        needle: Needle | Several,
        start: Index = 0,
        end: Index = None,
        *,
        overlapping: bool = False,
        ignorecase: bool = False,
        threads: int | None = None,
    ) -> int:
        """How many matches there are: as bytes.count in every case.

        Parameters
        ----------
        needle : bytes-like, str or int; or Needles, or list or tuple of those
            What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
        start, end : int or None, default 0 and None
            Only matches in m[start:end]. Offsets count from the mapping's start, in bytes.
        overlapping, ignorecase : bool, default False
            Whether matches that overlap the one before count, too; whether ASCII letters match in both cases.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.

        Returns
        -------
        int
            The number of matches. An empty needle is everywhere: there is one more than bytes.

        Raises
        ------
        TypeError, ValueError, MappedFileError
            As find does.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"banana")
        >>> with fastmmap.open("file") as m:
        ...     m.count("ana"), m.count("ana", overlapping=True)
        (1, 2)
        """
        number: int = chosen.count(
            self, needle, start, end, overlapping=overlapping, ignorecase=ignorecase, threads=threads
        )
        return number

    def find_all(
        self,
        needle: Needle | Several,
        start: Index = 0,
        end: Index = None,
        *,
        overlapping: bool = False,
        ignorecase: bool = False,
        limit: int | None = None,
        threads: int | None = None,
    ) -> Offsets:
        """The offsets of all matches that `count` counts, ascending, in an array.

        Parameters
        ----------
        needle : bytes-like, str or int; or Needles, or list or tuple of those
            What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
        start, end : int or None, default 0 and None
            Only matches in m[start:end]. Offsets count from the mapping's start, in bytes.
        overlapping, ignorecase : bool, default False
            Whether matches that overlap the one before count, too; whether ASCII letters match in both cases.
        limit : int or None, default None
            How many offsets at most, the first ones. None: all.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.

        Returns
        -------
        ndarray of int64, shape (n,)
            Offsets in bytes. Those of an empty needle are all from start to end, the end included.

        Raises
        ------
        TypeError
            An argument has the wrong type.
        ValueError
            The mapping is closed, or an int isn't a byte, `limit` is negative, or `threads` is below 1.
        MappedFileError
            The file was truncated meanwhile.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"banana")
        >>> with fastmmap.open("file") as m:
        ...     m.find_all("an").tolist()
        [1, 3]
        """
        offsets: Offsets = chosen.find_all(
            self, needle, start, end, overlapping=overlapping, ignorecase=ignorecase, limit=limit, threads=threads
        )
        return offsets

    def iter_find(
        self,
        needle: Needle | Several,
        start: Index = 0,
        end: Index = None,
        *,
        overlapping: bool = False,
        ignorecase: bool = False,
    ) -> Iterator[int]:
        """An iterator over the offsets that find_all returns, in constant memory.

        Parameters
        ----------
        needle : bytes-like, str or int; or Needles, or list or tuple of those
            What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
        start, end : int or None, default 0 and None
            Only matches in m[start:end]. Offsets count from the mapping's start, in bytes.
        overlapping, ignorecase : bool, default False
            Whether matches that overlap the one before count, too; whether ASCII letters match in both cases.

        Returns
        -------
        iterator of int
            Offsets in bytes, ascending. The mapping can't be resized until it is exhausted or gone.

        Raises
        ------
        TypeError, ValueError, MappedFileError
            As find does.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"banana")
        >>> with fastmmap.open("file") as m:
        ...     list(m.iter_find("an"))
        [1, 3]
        """
        offsets: Iterator[int] = chosen.iter_find(
            self, needle, start, end, overlapping=overlapping, ignorecase=ignorecase
        )
        return offsets

    def line_starts(self, start: Index = 0, end: Index = None, *, threads: int | None = None) -> Offsets:
        r"""The offsets at which lines start, ascending, in an array.

        The first is start itself, then comes the offset after each newline that has a byte after it: a final newline
        opens no line. An empty range has none.

        Parameters
        ----------
        start, end : int or None, default 0 and None
            Only the lines of m[start:end]. Offsets count from the mapping's start, in bytes.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.

        Returns
        -------
        ndarray of int64, shape (n,)
            Offsets in bytes, one for each line.

        Raises
        ------
        TypeError
            An argument has the wrong type.
        ValueError
            The mapping is closed, or `threads` is below 1.
        MappedFileError
            The file was truncated meanwhile.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
        >>> with fastmmap.open("file") as m:
        ...     m.line_starts().tolist()
        [0, 4, 8]
        """
        return chosen.line_starts(self, start, end, threads=threads)  # type: ignore[no-any-return]

    def gather(self, offsets: Integers, length: Any, *, threads: int | None = None) -> Any:
        """Copies the records at many offsets together, into one array.

        Parameters
        ----------
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
            A record isn't wholly in the mapping. The error names the first such; nothing was read.
        TypeError
            An argument has the wrong type.
        ValueError
            The mapping is closed, or a length is negative, there are not as many lengths as offsets, or `threads` is
            below 1.
        MappedFileError
            The file was truncated meanwhile.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one two three")
        >>> with fastmmap.open("file") as m:
        ...     m.gather([4, 0], 3).tobytes()
        b'twoone'
        """
        return chosen.gather(self, offsets, length, threads=threads)

    def replace(
        self,
        old: Data | Pairs,
        new: Data | None = None,
        count: SupportsIndex = -1,
        *,
        start: Index = 0,
        end: Index = None,
        threads: int | None = None,
    ) -> int:
        """Replaces `old` by `new`, which is as long, in place. Nothing but the matches is written.

        Matches are taken from left to right and don't overlap, as in bytes.replace; those of several pairs are what
        find_each finds. What has been replaced isn't searched again. For other lengths there is replace_file.

        Parameters
        ----------
        old : bytes-like or str; or mapping {old: new, ...}
            What to replace, not empty. A str is encoded as UTF-8. A mapping names several, and what by.
        new : bytes-like, str or None
            What to replace it by, of the same length in bytes. It is left out beside a mapping.
        count : int, default -1
            How many matches are replaced at most. A negative number: all.
        start, end : int or None, default 0 and None
            Only matches in m[start:end].
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.

        Returns
        -------
        int
            How many matches were replaced.

        Raises
        ------
        BufferError
            The mode is "r".
        TypeError, ValueError
            An argument has the wrong type, `old` is empty, `new` has another length, `threads` is below 1, or the
            mapping is closed.
        MappedFileError
            The file was truncated meanwhile, or has a hole and the disk is full. Some matches may be replaced.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one two one")
        >>> with fastmmap.open("file", "r+") as m:
        ...     m.replace("one", "ONE")
        2
        >>> pathlib.Path("file").read_bytes()
        b'ONE two ONE'
        """
        if self.mode == "r":
            raise BufferError(f"{self.name!r} is mapped read-only: open it with mode 'r+' or 'c' to replace in it")
        self._index.forget()
        try:
            replaced: int = chosen.replace(self, old, new, count, start=start, end=end, threads=threads)
        finally:
            self._index.forget()
        return replaced


set_kernel_methods(Verbs, "find", "rfind", "count", "find_all", "iter_find", "line_starts", "gather")
