"""MappedFile: a file, or memory, that is read and written as one buffer."""

from __future__ import annotations

import errno
import operator
import os
import stat
import sys
from _thread import RLock
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, SupportsIndex

from . import _system
from ._backend import Mapping, chosen
from .lines import Lines
from .parallel import aligned_ranges
from .reference.arguments import export_data
from .verbs import Verbs

if TYPE_CHECKING:
    from typing_extensions import Self

    from .reference.arguments import Data, Index, Offsets

    Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]

_FLAGS = {"r": os.O_RDONLY, "c": os.O_RDONLY, "r+": os.O_RDWR, "w+": os.O_RDWR | os.O_CREAT | os.O_TRUNC}
_ACCESS = {"r": "read", "c": "copy", "r+": "write", "w+": "write"}

# How much of what can't be mapped is read at a time.
_READ_BYTES = 1 << 20


class MappedFile(Verbs, Mapping):
    """A file mapped into memory: a buffer, with the kernels as methods.

    path: str, bytes or os.PathLike; a descriptor, which stays the caller's; or None for `size` bytes of anonymous
    memory. mode: "r" reads; "r+" reads and writes; "w+" makes the file or empties it; "c" keeps what is written to
    this process. size: how many bytes from `offset` on, all there are when None; past the end of the file, "r+" and
    "w+" grow it, with blocks allocated, and the other modes raise ValueError. drop_behind: large scans let go of the
    pages behind them, in the page cache too, so that a file beyond memory pushes nothing else out ("r" and "r+").

    OSErrors name the file. What has no pages to map, such as a pipe or a file in /proc, is read into memory instead
    ("r" and "c" alone), and `backend` says "memory".
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
        self._closed = False
        if path is None:
            self._map_memory(size)
            return
        with _system.naming(self.name):
            fd = os.dup(path) if isinstance(path, int) else os.open(path, _FLAGS[mode] | os.O_CLOEXEC, 0o666)
            try:
                self._map_file(fd, size)
                needed = drop_behind or _ACCESS[mode] == "write"
                if self.backend == "mmap" and (needed or not _system.is_scarce(fd)):
                    self.descriptor, fd = fd, -1
                    self.drop_behind = bool(drop_behind)
            finally:
                if fd >= 0:
                    os.close(fd)

    def _map_memory(self, size: int | None) -> None:
        if size is None:
            raise ValueError("open(None) makes memory and needs its size")
        if self.offset:
            raise ValueError("memory has no offset")
        if self.mode != "c":
            self.mode = "w+"
        self.backend = "memory"
        super().__init__(-1, 0, size, _ACCESS[self.mode])

    def _map_file(self, fd: int, size: int | None) -> None:
        status = os.fstat(fd)
        writes = _ACCESS[self.mode] == "write"
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode) and writes:
            raise OSError(errno.ENODEV, "Not a regular file")
        if self.mode == "w+" and isinstance(self.name, int):
            _system.truncate(fd, 0)
            status = os.fstat(fd)
        end = status.st_size
        if not writes and (end == 0 or not stat.S_ISREG(status.st_mode)):
            self._map_content(fd, size)
            return
        length = self._mapped_length(size, end)
        try:
            if self.offset + length > end:
                with _system.restoring(fd, end):
                    _system.grow(fd, end, self.offset + length)
                    super().__init__(fd, self.offset, length, _ACCESS[self.mode])
            else:
                super().__init__(fd, self.offset, length, _ACCESS[self.mode])
        except OSError as error:
            if writes or error.errno not in (errno.ENODEV, errno.EACCES, errno.EINVAL, errno.ENOSYS):
                raise
            self._map_content(fd, size)

    def _mapped_length(self, size: int | None, end: int) -> int:
        """How many bytes to map, of a file of `end` bytes."""
        writes = _ACCESS[self.mode] == "write"
        if size is None:
            if self.offset > end:
                raise ValueError(f"offset {self.offset} is past the end of {self.name!r}, which has {end} bytes")
            return end - self.offset
        if self.offset + size > end and not writes:
            raise ValueError(
                f"{size} bytes at offset {self.offset} are past the end of {self.name!r}, which has {end} bytes"
            )
        return size

    def _map_content(self, fd: int, size: int | None) -> None:
        """Maps a copy of what can be read from a descriptor, which is all there is of a pipe or a file in /proc."""
        copy = _system.memory_file()
        try:
            while block := os.read(fd, _READ_BYTES):
                _system.write_all(copy, block)
            end = os.fstat(copy).st_size
            self.backend = "memory" if end else "mmap"
            super().__init__(copy, self.offset, self._mapped_length(size, end), _ACCESS[self.mode])
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
            fd, self.descriptor = self.descriptor, -1
            if fd >= 0:
                os.close(fd)
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
        raise TypeError("a MappedFile is iterated over by its lines, m.lines, or its bytes, memoryview(m)")

    def __contains__(self, needle: Any) -> bool:
        return self.find(needle) >= 0

    def read(self, start: Index = 0, end: Index = None) -> bytes:
        """A copy of the bytes from start to end."""
        data: bytes = self[start:end]
        return data

    def flush(self, start: int = 0, length: int | None = None, *, wait: bool = True) -> None:
        """Writes changed pages back to the file: `length` bytes from `start` on, to the end when None.

        wait=True returns when they are on the disk. wait=False only asks for it, and promises nothing. Without a file
        to write to (modes "r" and "c", anonymous memory) nothing happens.
        """
        length = self._check_span(start, length)
        if self.descriptor < 0 or _ACCESS[self.mode] != "write":
            return
        with _system.naming(self.name):
            if not wait:
                _system.start_writeback(self.descriptor, self.offset + start, length)
                return
            self.sync(start, length)
            if sys.platform == "darwin":
                _system.make_durable(self.descriptor)

    def advise(self, advice: str, start: int = 0, length: int | None = None) -> None:  # type: ignore[override]
        """Tells the system how the memory will be used: one of fastmmap._system.ADVICE, as in "sequential".

        It is no more than advice: where the system doesn't know it, or can't follow it without losing what only memory
        holds, nothing happens.
        """
        number = _system.advice(advice)
        length = self._check_span(start, length)
        if number is None or (
            advice == "dontneed" and (self.mode == "c" or (self.descriptor < 0 and self.mode != "r"))
        ):
            return
        with _system.naming(self.name):
            try:
                super().advise(start, length, number)
            except OSError as error:
                if error.errno != errno.EINVAL:  # a kernel built without it, as is common for huge pages
                    raise

    def _check_span(self, start: int, length: int | None) -> int:
        """The length of a span, which is to the end for None, if it is within the mapping."""
        size = len(self)
        if length is None:
            length = max(size - start, 0)
        if not 0 <= start <= size or not 0 <= length <= size - start:
            raise ValueError(f"{length} bytes at {start} are not within the mapping's {size}")
        return length

    # --- growing and shrinking ---

    def resize(self, size: int) -> None:
        """Makes the mapping, and the file with it, `size` bytes long; new bytes are zeros, with blocks allocated.

        BufferError while views live, TypeError in modes "r" and "c", ValueError where the mapping doesn't end where
        the file does. On any error nothing has changed.
        """
        size = operator.index(size)
        if size < 0:
            raise ValueError(f"size must not be negative: {size}")
        with self._lock, _system.naming(self.name):
            before = self._check_resizable()
            if self.descriptor < 0:
                self.remap(-1, 0, size)
            elif size > before:
                end = self.offset + before
                with _system.restoring(self.descriptor, end):
                    _system.grow(self.descriptor, end, self.offset + size)
                    self.remap(self.descriptor, self.offset, size)
            elif size < before:
                self.remap(self.descriptor, self.offset, size)
                try:
                    _system.truncate(self.descriptor, self.offset + size)
                except BaseException:
                    self.remap(self.descriptor, self.offset, before)
                    raise
            self._starts = None

    def append(self, data: Data) -> int:
        """Adds bytes-like data or a str at the end of the mapping and of its file; returns the new length.

        The errors are those of resize; a full disk is an OSError, with nothing appended. For many small records there
        is Appender.
        """
        with self._lock, _system.naming(self.name), export_data(data) as view:
            before = self._check_resizable()
            size = before + len(view)
            if self.descriptor < 0:
                self.remap(-1, 0, size)
                chosen.append(self, before, view)
            else:
                end = self.offset + before
                with _system.restoring(self.descriptor, end):
                    # Written, not stored: write(2) answers a full disk with an error, a store does so with a signal.
                    _system.write_at(self.descriptor, view, end)
                    self.remap(self.descriptor, self.offset, size)
            self._starts = None
            return size

    def _check_resizable(self) -> int:
        """The length, if it may be changed."""
        length = len(self)
        if _ACCESS[self.mode] != "write" or self.mode == "c":
            raise TypeError(f"a mapping with mode {self.mode!r} can't change its size")
        self.remap(self.descriptor, self.offset, length)  # BufferError while views live
        if self.descriptor >= 0:
            end = os.fstat(self.descriptor).st_size
            if end != self.offset + length:
                raise ValueError(
                    f"the mapping ends at byte {self.offset + length} of {self.name!r}, which has {end} bytes"
                )
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
        """At most n ranges that cover the mapping, each but the last ending with `align`: work for n workers."""
        return aligned_ranges(chosen.find, self, 0, len(self), n, align)

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
        replaced: int = chosen.replace(self, old, new, count, start=start, end=end, threads=threads)
        self._starts = None
        return replaced


def _map_again(path: str | bytes, mode: str, size: int, offset: int, drop_behind: bool) -> MappedFile:
    """A mapping as it was when it was pickled. A file that is too short for it by now isn't grown."""
    end = os.stat(path).st_size
    if end < offset + size:
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
