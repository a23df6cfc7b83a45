"""MappedFile: a file, or memory, that is read and written as one buffer."""

from __future__ import annotations

import errno
import operator
import os
import stat
import sys
from _thread import RLock
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, SupportsIndex

from . import growing, system, unmapped
from ._backend import Mapping, chosen
from .aligning import aligned_ranges
from .blame import ours
from .descriptors import Open
from .errors import add_name, naming
from .lines import Lines
from .reading import Reading
from .resizing import Resizing
from .verbs import Verbs

if TYPE_CHECKING:
    from typing_extensions import Self

    from .reference.arguments import Data, Index, Offsets

    Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]

_FLAGS = {"r": os.O_RDONLY, "c": os.O_RDONLY, "r+": os.O_RDWR, "w+": os.O_RDWR | os.O_CREAT}
_ACCESS = {"r": "read", "c": "copy", "r+": "write", "w+": "write"}


class MappedFile(Verbs, Reading, Resizing, Mapping):
    """A file mapped into memory: a buffer, with the kernels as methods, that can be read as binary files are.

    path: str, bytes or os.PathLike; a descriptor, which stays the caller's, its position neither used nor moved where
    the file has one; or None for `size` bytes of anonymous memory. mode: "r" reads; "r+" reads and writes; "w+" makes
    the file or empties it; "c" keeps what is written to this process. size: how many bytes from `offset` on, all there
    are when None; past the end of the file, "r+" and "w+" grow it, with blocks allocated, and the other modes raise
    ValueError. drop_behind: large scans let go of the pages behind them, in the page cache too, so that a file beyond
    memory pushes nothing else out ("r" and "r+").

    OSErrors name the file. What has no pages to map, such as a pipe or a file in /proc, is read into memory instead
    ("r" and "c" alone), no more of it than `size` and `offset` ask for, and `backend` says "memory". Block devices are
    mapped.
    """

    def __init__(
        self,
        path: Path | int | None,
        mode: str = "r",
        *,
        size: int | None = None,
        offset: int = 0,
        drop_behind: bool = False,
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
        self.name: Any = path if path is None or isinstance(path, int) else os.fspath(path)
        self.mode = mode
        self.backend = "mmap"
        self.offset = offset
        self._starts: Offsets | None = None
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
                self._file.add(os.open, self.name, _FLAGS[mode] | os.O_CLOEXEC, 0o666)
            fd = self._file.fd
            self._map_file(fd, size)
            needed = drop_behind or _ACCESS[mode] == "write"
            # Of a device it would be of no use: its status doesn't tell its size.
            is_file = self.backend == "mmap" and not self._is_device
            if is_file and (needed or not system.is_scarce(fd)):
                self.drop_behind = bool(drop_behind)
                self.descriptor = fd
        except ours(OSError) as error:
            add_name(error, self.name)
            raise
        finally:
            if self.descriptor < 0:
                self._file.close()

    def _map_memory(self, size: int | None) -> None:
        if size is None:
            raise ValueError("open(None) maps anonymous memory and needs a size")
        if self.offset:
            raise ValueError("anonymous memory has no offset")
        if self.mode != "c":
            self.mode = "w+"
        self.backend = "memory"
        super().__init__(-1, 0, size, _ACCESS[self.mode])

    def _map_file(self, fd: int, size: int | None) -> None:
        status = os.fstat(fd)
        writes = _ACCESS[self.mode] == "write"
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
            Mapping.__init__(self, fd, self.offset, length, _ACCESS[self.mode])

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
        offset, copy = self.offset, system.memory_file()
        try:
            try:
                length = unmapped.copy(fd, copy, offset, size)
            except ValueError as error:
                raise ValueError(f"{self.name!r}: {error}") from None
            self.backend = "memory" if length else "mmap"
            length = self._mapped_length(size, offset + length) if size else length
            super().__init__(copy, 0, length, _ACCESS[self.mode])
            self.offset = offset
        finally:
            os.close(copy)

    def __reduce__(self) -> Any:
        """Pickled as path, mode and range: whoever loads it maps the same bytes of the same file."""
        size = len(self)
        if self.backend != "mmap" or not isinstance(self.name, (str, bytes)):
            raise TypeError(f"cannot pickle a mapping that has no path to open it by: {self!r}")
        mode = "r+" if self.mode == "w+" else self.mode
        return _map_again, (os.path.abspath(self.name), mode, size, self.offset, self.drop_behind)

    # --- the memory ---

    @property
    def closed(self) -> bool:
        """Whether close was called."""
        return self._closed

    def close(self) -> None:
        """Closes the descriptor at once, and lets go of the memory with its last view. Closing twice does nothing."""
        with self._lock:
            self._closed = True
            self.descriptor = -1  # nobody asks by a number that is about to be another file's
            self._file.close()
            self.unmap()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self)} bytes"
        return f"<fastmmap.MappedFile {self.name!r}, mode {self.mode!r}, {state}>"

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("a MappedFile isn't iterable: use m.lines for its lines, or memoryview(m) for its bytes")

    def __contains__(self, needle: Any) -> bool:
        return self.find(needle) >= 0

    def flush(self, start: int = 0, length: int | None = None, *, wait: bool = True) -> None:
        """Writes changed pages back to the file: `length` bytes from `start` on, to the end when None.

        wait=True returns when they are on the disk. wait=False only asks for it, and promises nothing. Without a file
        to write to (modes "r" and "c", anonymous memory) nothing happens.
        """
        length = self._check_span(start, length)
        if self.backend != "mmap" or _ACCESS[self.mode] != "write":
            return
        with naming(self.name):
            if not wait:
                if self.descriptor >= 0:
                    system.start_writeback(self.descriptor, self.offset + start, length)
                return
            self.sync(start, length)
            if sys.platform == "darwin" and self.descriptor >= 0:
                system.make_durable(self.descriptor)

    def advise(self, advice: str, start: int = 0, length: int | None = None) -> None:  # type: ignore[override]
        """Tells the system how the memory will be used: one of fastmmap._system.ADVICE, as in "sequential".

        It is no more than advice: where the system doesn't know it, or can't follow it without losing what only memory
        holds, nothing happens.
        """
        number = system.advice(advice)
        length = self._check_span(start, length)
        if number is None or (
            advice == "dontneed" and (self.mode == "c" or (self.descriptor < 0 and self.mode != "r"))
        ):
            return
        with naming(self.name):
            try:
                super().advise(start, length, number)
            except ours(OSError) as error:
                if error.errno != errno.EINVAL:  # a kernel built without it, as is common for huge pages
                    raise

    def _check_span(self, start: int, length: int | None) -> int:
        """The length of a span, which is to the end for None, if it is within the mapping."""
        size = len(self)
        if length is None:
            length = max(size - start, 0)
        if not 0 <= start <= size or not 0 <= length <= size - start:
            raise ValueError(f"{length} bytes at {start} are not within the mapping of {size} bytes")
        return length

    # --- lines and ranges ---

    @property
    def lines(self) -> Lines:
        """The lines, by number: m.lines[1_000_000]."""
        return Lines(self)

    def line_index(self) -> Offsets:
        """The offsets at which the lines start, found once and again after `append`, `resize` and `replace`."""
        with self._lock:
            if self._starts is None:
                self._starts = self.line_starts()
            return self._starts

    def line_at(self, offset: SupportsIndex) -> tuple[int, int]:
        """Start and end of the line that holds the byte at `offset`, its newline not included."""
        position = range(len(self))[offset]
        end = self.find(b"\n", position)
        return self.rfind(b"\n", 0, position) + 1, end if end >= 0 else len(self)

    def ranges(self, n: int, align: Data | None = b"\n") -> list[tuple[int, int]]:
        """At most n ranges that cover the mapping, each but the last ending with `align`: work for n workers.

        What ends with `align` isn't split. Where that overlaps itself, as b"\\n\\n" does in a run of newlines, its
        occurrences count from left to right, as bytes.split finds them.
        """
        return aligned_ranges(chosen, self, 0, len(self), n, align)

    def replace(
        self,
        old: Data,
        new: Data,
        count: SupportsIndex = -1,
        *,
        start: Index = 0,
        end: Index = None,
        threads: int | None = None,
    ) -> int:
        """fastmmap.replace in this mapping."""
        if self.mode == "r":
            raise BufferError(f"{self.name!r} is mapped read-only: open it with mode 'r+' or 'c' to replace in it")
        self._starts = None
        try:
            replaced: int = chosen.replace(self, old, new, count, start=start, end=end, threads=threads)
        finally:
            self._starts = None
        return replaced


def _map_again(path: str | bytes, mode: str, size: int, offset: int, drop_behind: bool) -> MappedFile:
    """A mapping as it was when it was pickled. A file that is too short for it by now isn't grown."""
    status = os.stat(path)
    end = status.st_size
    if end < offset + size and stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path!r} had {offset + size} bytes when its mapping was pickled, and has {end}")
    return MappedFile(path, mode, size=size, offset=offset, drop_behind=drop_behind)


def open(
    path: Path | int | None,
    mode: str = "r",
    *,
    size: int | None = None,
    offset: int = 0,
    drop_behind: bool = False,
) -> MappedFile:
    """Maps a file, as MappedFile says."""
    return MappedFile(path, mode, size=size, offset=offset, drop_behind=drop_behind)
