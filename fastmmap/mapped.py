"""MappedFile: a file, or memory, that is read and written as one buffer."""

from __future__ import annotations

import errno
import operator
import os
import stat
from _thread import RLock

from . import _imports, growing, system, unmapped
from ._backend import NATIVE, Mapping
from .blame import ours
from .descriptors import Open
from .errors import add_name, warn
from .indexes import LineIndex
from .lines import Lines
from .paging import ACCESS, Paging
from .ranging import Ranging
from .reading import Reading
from .resizing import Resizing

if NATIVE:
    from . import faults, sheltered  # noqa: F401  # what kernels come to when they need it, as src/package.pxd says

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from typing_extensions import Self

    from .indexes import Counted
    from .paths import Path

_FLAGS = {"r": os.O_RDONLY, "c": os.O_RDONLY, "r+": os.O_RDWR, "w+": os.O_RDWR | os.O_CREAT}


class MappedFile(Ranging, Reading, Resizing, Paging):  # type: ignore[misc]  # see reference/mapping.py
    """A file mapped into memory: a buffer, with the functions as methods, that can be read as binary files are.

    `m[i]` is a byte as an int and `m[a:b]` a slice as bytes; in modes other than "r" both can be stored to. `b"x" in
    m`, `len(m)` and `memoryview(m)` work too. A with statement closes the mapping at its end.

    Parameters
    ----------
    path : str, bytes, os.PathLike, int or None
        The file; or a descriptor, which stays the caller's, its position neither used nor moved where the file has one;
        or None for `size` bytes of anonymous memory.
    mode : {"r", "r+", "w+", "c"}, default "r"
        "r" reads; "r+" reads and writes; "w+" makes the file or empties it; "c" keeps what is written to this process.
    size : int or None, default None
        How many bytes to map, from `offset` on. None: all there are. In modes "r+" and
        "w+" it may be more than the file has: then the file grows, and gets its blocks at once.
    offset : int, default 0
        Where in the file the mapping begins, in bytes. Any number will do.
    drop_behind : bool, default False
        Whether large scans let go of the pages behind them, in the page cache too, so that a file beyond memory pushes
        nothing else out. For files, in modes "r" and "r+".
    index : str, bytes, os.PathLike or None, default None
        What `m.lines.save` has written of this file. Where the file has grown since, it is extended; where it isn't the
        same, there is a RuntimeWarning, and the lines are indexed anew. For files, in modes "r" and "r+".

    Attributes
    ----------
    name : str, bytes, int or None
        The path or descriptor, as it was given.
    mode : str
        The mode. That of anonymous memory is "w+" or "c".
    backend : str
        "mmap"; or "memory" for anonymous memory, and for what has no pages to map and was read instead.
    offset : int
        Where in the file the mapping begins, in bytes.

    Raises
    ------
    OSError
        The file, or the index, can't be opened or mapped, or there is no space to grow it. It has the file's name.
    ValueError
        The index isn't one, or isn't whole; the mode is unknown, `size` or `offset` is negative, the range is past the
        end of the file in modes "r" and "c", or an argument doesn't go with the others.

    Notes
    -----
    What has no pages to map, such as a pipe or a file in /proc, is read into memory ("r" and "c" alone), no more of it
    than `size` and `offset` ask for. Block devices are mapped. When the file is truncated meanwhile, methods raise
    MappedFileError; `memoryview(m)` and what reads by it, such as `re` and numpy, end the process. A mapping of a path
    can be pickled: it is mapped again where it is loaded.

    Examples
    --------
    >>> import fastmmap
    >>> with fastmmap.open("file", "w+", size=5) as m:
    ...     m[:] = b"hello"
    ...     m.find("l"), m[0], m[1:3], b"x" in m
    (2, 104, b'el', False)
    """

    def __init__(
        self,
        path: Path | int | None,
        mode: str = "r",
        *,
        size: int | None = None,
        offset: int = 0,
        drop_behind: bool = False,
        index: Path | None = None,
    ) -> None:
        if mode not in _FLAGS:
            raise ValueError(f"mode must be one of {', '.join(map(repr, _FLAGS))}, not {mode!r}")
        offset, size = operator.index(offset), None if size is None else operator.index(size)
        if offset < 0 or (size is not None and size < 0):
            raise ValueError(f"size and offset must not be negative: {size}, {offset}")
        if drop_behind and (path is None or mode not in ("r", "r+")):
            raise ValueError("drop_behind is for files, in modes 'r' and 'r+': elsewhere dropped pages are lost")
        if mode == "w+" and offset and size is None:
            raise ValueError("an offset in a new file needs a size")
        if index is not None and (path is None or mode not in ("r", "r+")):
            raise ValueError("an index is for files, in modes 'r' and 'r+'")
        counted = None if index is None else _imports.load("fastmmap.saved_index").load(os.fspath(index))
        self.name: Any = path if path is None or isinstance(path, int) else os.fspath(path)
        self.mode = mode
        self.backend = "mmap"
        self.offset = offset
        self._index = LineIndex()  # of the lines
        self._lock = RLock()  # of what changes the size, the descriptor or the index of the lines
        self._file = Open()
        self._closed = False  # set last of what `close` needs
        self._position = 0  # of read, readline and so on
        self._is_device = False  # which has the size it has
        self._to_end = False  # of the file, when it was mapped: others may have appended since
        if path is None:
            self._map_memory(size)
            return
        try:
            if isinstance(path, int):
                self._file.add(os.dup, path)
            else:
                self._file.add(system.calls.open, self.name, _FLAGS[mode] | system.calls.O_CLOEXEC, 0o666)
            fd = self._file.fd
            self._map_file(fd, size)
            needed = drop_behind or ACCESS[mode] == "write"
            # Of a device it would be of no use: its status doesn't tell its size.
            is_file = self.backend == "mmap" and not self._is_device
            if is_file and (needed or not system.is_scarce(fd)):
                self.drop_behind = bool(drop_behind)
                self._descriptor = fd
        except ours(OSError) as error:
            add_name(error, self.name)
            raise
        finally:
            if self._descriptor < 0:
                self._file.close()
        if counted is not None and counted.is_of(self):
            self._index.take(counted)
        elif counted is not None:
            warn(f"{index!r} isn't the index of {self.name!r} as it is: its lines are indexed anew")

    def _map_memory(self, size: int | None) -> None:
        if size is None:
            raise ValueError("open(None) maps anonymous memory and needs a size")
        if self.offset:
            raise ValueError("anonymous memory has no offset")
        if self.mode != "c":
            self.mode = "w+"
        self.backend = "memory"
        super().__init__(-1, 0, size, ACCESS[self.mode])

    def _map_file(self, fd: int, size: int | None) -> None:
        status = os.fstat(fd)
        writes = ACCESS[self.mode] == "write"
        is_device = self._is_device = stat.S_ISBLK(status.st_mode) and self.mode != "w+"
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if writes and not is_device:
            unmapped.check_is_file(fd, status)
        end = system.device_size(fd) if is_device else 0 if self.mode == "w+" else status.st_size
        if not writes and (end == 0 or not (stat.S_ISREG(status.st_mode) or is_device)):
            self._map_content(fd, size)
            return
        length = self._mapped_length(size, end, grows=writes and not is_device)

        def mapped(lengthen: Callable[[], None] | None = None) -> None:
            Mapping.__init__(self, fd, self.offset, length, ACCESS[self.mode])

        try:
            if self.mode == "w+":
                growing.empty(fd, self.offset + length, mapped)
            elif writes and size is not None:
                growing.grow(fd, self.offset + length, mapped)
            else:
                mapped()
            self._to_end = self.offset + length >= end and not is_device
        except ours(OSError) as error:
            if writes or error.errno not in (errno.ENODEV, errno.EACCES, errno.EINVAL, errno.ENOSYS):
                raise
            self._map_content(fd, size)

    def _mapped_length(self, size: int | None, end: int, grows: bool = False) -> int:
        """How many bytes to map, of a file of `end` bytes."""
        if size is None:
            if self.offset > end:
                raise ValueError(f"offset {self.offset} is past the end of {self.name!r}, which has {end} bytes")
            return end - self.offset
        if self.offset + size > end and not grows:
            raise ValueError(
                f"{size} bytes at offset {self.offset} are past the end of {self.name!r}, which has {end} bytes"
            )
        return size

    def _map_content(self, fd: int, size: int | None) -> None:
        """Maps a copy of what can be read from a descriptor, which is all there is of a pipe or a file in /proc."""
        offset = self.offset
        with Open() as copy:
            system.memory_file_into(copy)
            try:
                length = unmapped.copy(fd, copy.fd, offset, size)
            except ValueError as error:
                raise ValueError(f"{self.name!r}: {error}") from None
            self.backend = "memory" if length else "mmap"
            length = self._mapped_length(size, offset + length) if size else length
            super().__init__(copy.fd, 0, length, ACCESS[self.mode])
            self.offset = offset

    def __reduce__(self) -> Any:
        """Pickled as path, mode and range: whoever loads it maps the same bytes of the same file.

        The index of its lines goes with it, if it was made.
        """
        size = len(self)
        if self.backend != "mmap" or not isinstance(self.name, (str, bytes)):
            raise TypeError(f"cannot pickle a mapping that has no path to open it by: {self!r}")
        mode = "r+" if self.mode == "w+" else self.mode
        counted = self._index.counted()
        if counted is not None and counted.state is None:
            counted = None
        return _map_again, (os.path.abspath(self.name), mode, size, self.offset, self.drop_behind, counted)

    # --- the memory ---

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """Whether close was called, a bool."""
        return self._closed

    def close(self) -> None:
        """Closes the descriptor at once, and lets go of the memory with its last view. Closing twice does nothing.

        It never fails. Views that were taken keep what they show; other calls raise ValueError from then on.

        Examples
        --------
        >>> import fastmmap
        >>> m = fastmmap.open(None, size=10)
        >>> m.close()
        >>> m.closed
        True
        """
        with self._lock:
            self._closed = True
            self._close_file(self._file)
            self._unmap()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self)} bytes"
        what = "of anonymous memory" if self.name is None else repr(self.name)
        return f"<fastmmap.MappedFile {what}, mode {self.mode!r}, {state}>"

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("a MappedFile isn't iterable: use m.lines for its lines, or memoryview(m) for its bytes")

    def __contains__(self, needle: Any) -> bool:
        return self.find(needle) >= 0

    @property
    def lines(self) -> Lines:
        """The lines by number from 0, as `Lines`: m.lines[1_000_000], m.lines[-1], m.lines[5:9]."""
        return Lines(self, self._index)


def _map_again(
    path: str | bytes, mode: str, size: int, offset: int, drop_behind: bool, counted: Counted | None
) -> MappedFile:
    """A mapping as it was when it was pickled. A file that is too short for it by now isn't grown."""
    status = os.stat(path)
    end = status.st_size
    if end < offset + size and stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path!r} had {offset + size} bytes when its mapping was pickled, and has {end}")
    mapping = MappedFile(path, mode, size=size, offset=offset, drop_behind=drop_behind)
    if counted is not None and counted.is_of(mapping):
        mapping._index.take(counted)
    return mapping


def open(
    path: Path | int | None,
    mode: str = "r",
    *,
    size: int | None = None,
    offset: int = 0,
    drop_behind: bool = False,
    index: Path | None = None,
) -> MappedFile:
    r"""Maps a file into memory, or makes memory without one.

    Parameters
    ----------
    path : str, bytes, os.PathLike, int or None
        The file; or a descriptor, which stays the caller's, its position neither used nor moved where the file has one;
        or None for `size` bytes of anonymous memory.
    mode : {"r", "r+", "w+", "c"}, default "r"
        "r" reads; "r+" reads and writes; "w+" makes the file or empties it; "c" keeps what is written to this process.
    size : int or None, default None
        How many bytes to map, from `offset` on. None: all there are. In modes "r+" and
        "w+" it may be more than the file has: then the file grows, and gets its blocks at once.
    offset : int, default 0
        Where in the file the mapping begins, in bytes. Any number will do.
    drop_behind : bool, default False
        Whether large scans let go of the pages behind them, in the page cache too, so that a file beyond memory pushes
        nothing else out. For files, in modes "r" and "r+".
    index : str, bytes, os.PathLike or None, default None
        What `m.lines.save` has written of this file. Where the file has grown since, it is extended; where it isn't the
        same, there is a RuntimeWarning, and the lines are indexed anew. For files, in modes "r" and "r+".

    Returns
    -------
    MappedFile
        A buffer, with the functions as methods. What has no pages to map, such as a pipe or a file in /proc, is read
        into memory instead ("r" and "c" alone), no more of it than `size` and `offset` ask for.

    Raises
    ------
    OSError
        The file, or the index, can't be opened or mapped, or there is no space to grow it. It has the file's name.
    ValueError
        The index isn't one, or isn't whole; the mode is unknown, `size` or `offset` is negative, the range is past the
        end of the file in modes "r" and "c", or an argument doesn't go with the others.

    Examples
    --------
    >>> import fastmmap, pathlib
    >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
    >>> with fastmmap.open("file") as m:
    ...     m.find(b"two"), m.count("\n"), m.lines[-1]
    (4, 3, b'three')
    """
    return MappedFile(path, mode, size=size, offset=offset, drop_behind=drop_behind, index=index)
