"""follow: the lines of a log as they arrive, whatever becomes of its file."""

from __future__ import annotations

import operator
import os
import stat
import time
from typing import TYPE_CHECKING, Any

from .. import system
from ..blame import ignoring, ours
from ..errors import warn
from .followed import Cut, Followed, Lines, opened, rotated
from .watching import Watch, asyncio_module

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..paths import Path

# For so many seconds after a rotation the file is read that was rotated: its writers may not know yet.
_LATE = 60.0

# By so many nanoseconds the next file may have been made before the last write to the one before it.
_OVERLAP = 5 * 10**9


def follow(path: Path, *, start: Any = "end", timeout: float | None = None) -> Follower:
    r"""Yields the complete lines of a log as they arrive, with their newlines, through rotations of all kinds.

    A file that is renamed, removed and made anew is read to its end, then the next one from its start. One that is cut
    (`copytruncate`) is read from its start again; what it had until then is looked for in the copy. A line without an
    end waits for it, and is yielded as it is when the file was rotated.

    Parameters
    ----------
    path : str, bytes or os.PathLike
        The file. It may not be there yet, but its folder must be.
    start : "end", int or (int, int), default "end"
        "end": what is written from now on, with the line that has no end yet. An offset in bytes, 0 for the file's
        start. Or a `position` of an earlier follower, (inode, offset): goes on there, also if the file was rotated
        since. An offset behind the file's end means that it was cut since: its start.
    timeout : float or None, default None
        The iteration ends when no line has come for so many seconds; it may be taken up again. None: never.

    Returns
    -------
    Follower
        An iterator of bytes, and an asynchronous one for asyncio: `async for line in fastmmap.follow(path)`. Its
        `position` is where the line begins that comes next, (inode, offset), or None before there is a file. `close()`
        and the end of a with statement close it. Threads can't share it.

    Raises
    ------
    OSError
        The file can't be read, or isn't a regular file; or its folder isn't there.
    TypeError, ValueError
        `start` is none of those above, or `timeout` negative.

    Warns
    -----
    RuntimeWarning
        The file of the position isn't in the folder any more: the lines after it are lost, and the file that is at the
        path is read from its start.

    Notes
    -----
    Changes are told by inotify on Linux; elsewhere, and without extensions, the file is looked at four times a second
    and more. Lines that are written to a file within a minute after its rotation are yielded as well; `position`
    doesn't tell of them. Files that were rotated while nobody followed are found by their inodes, if they are in the
    folder, aren't compressed, and are called like the log with something behind that has a number: app.log.1.

    Examples
    --------
    >>> import fastmmap, pathlib
    >>> pathlib.Path("app.log").write_text("one\ntwo\nthr")
    11
    >>> lines = fastmmap.follow("app.log", start=0, timeout=0)
    >>> next(lines)
    b'one\n'
    >>> saved = lines.position
    >>> list(fastmmap.follow("app.log", start=saved, timeout=0))
    [b'two\n']
    """
    return Follower(path, start, timeout)


class Follower:
    """An iterator of a log's lines: see `follow`."""

    def __init__(self, path: Path, start: Any, timeout: float | None) -> None:
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout must be None or seconds from 0 on, not {timeout!r}")
        inode, offset = _parsed(start)
        self._path = os.path.abspath(os.fsdecode(os.fspath(path)))
        self._folder, self._name = os.path.split(self._path)
        self._timeout = timeout
        self._file: Followed | None = None
        self._queue: list[Followed] = []  # what comes after that file
        self._past: list[tuple[float, Followed]] = []  # what was rotated, and until when it is read
        self._known: set[int] | None = None  # the inodes of rotated files that aren't to be read
        self._listed = -1  # the folder's time when they were listed
        os.stat(self._folder)
        self._watch = Watch()
        self._watch.add(self._folder)
        self._file = self._begin(inode, offset)
        # What is yielded now, and what was yielded last of that which tells the position.
        self._lines = self._counted = Lines(0, 0, []) if self._file is None else self._file.nothing()
        self._closed = False

    def _begin(self, inode: int | None, offset: int | None) -> Followed | None:
        """The file that is followed first, None where there is none yet."""
        file = self._open(self._path, offset)
        if inode is None or (file is not None and file.inode == inode):
            return file
        assert offset is not None
        for name in os.listdir(self._folder):
            path = os.path.join(self._folder, name)
            with ignoring(OSError):
                if os.lstat(path).st_ino == inode:
                    return self._open(path, offset)
        warn(f"the file of the position, inode {inode}, isn't beside {self._path!r} any more: lines may be lost")
        return self._open(self._path, 0)

    def _open(self, path: str, offset: int | None = 0) -> Followed | None:
        """A file, from an offset on; for None from its end, or its last line if that has no end. None for none."""
        try:
            fd = opened(path)
        except ours(FileNotFoundError, NotADirectoryError):
            return None
        file = Followed(fd, offset)
        self._watch.add(system.path_of(fd))
        return file

    # --- what users call ---

    @property
    def position(self) -> tuple[int, int] | None:
        """Where the line that comes next begins: (inode, offset in bytes). None as long as there is no file."""
        return None if self._counted.inode == 0 else self._counted.position

    def close(self) -> None:
        """Closes the files. The iteration is over then."""
        self._closed = True
        self._file, self._queue, self._past = None, [], []
        self._watch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        lines = self._lines
        if lines.next == len(lines.lines):
            lines = self._waited_for()
            if lines.next == len(lines.lines):
                raise StopIteration
        lines.next += 1
        return lines.lines[lines.next - 1]

    def _waited_for(self) -> Lines:
        """Lines of which there is one; none where the time is over, or the follower is closed."""
        lines, patience = self._lines, self._watch.patience(self._timeout)
        while lines.next == len(lines.lines):
            found = self._look()
            if found is not None:
                lines = found
                continue
            pause = patience.pause()
            if pause is None or self._closed:
                break
            if not self._watch.wait(pause):
                self._watch.add(self._folder)  # it may be another one by now
        return lines

    def _batch(self) -> list[bytes]:
        """All lines that are there, after one of them was waited for; none where the time is over."""
        lines = self._waited_for()
        start, lines.next = lines.next, len(lines.lines)
        return lines.lines[start:]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        lines, patience = self._lines, self._watch.patience(self._timeout)
        while lines.next == len(lines.lines):
            found = self._look()
            if found is not None:
                lines = found
                await asyncio_module().sleep(0)  # others have their turn, however many lines there are
                continue
            pause = patience.pause()
            if pause is None or self._closed:
                raise StopAsyncIteration
            if not await self._watch.wait_async(pause):
                self._watch.add(self._folder)
        lines.next += 1
        return lines.lines[lines.next - 1]

    # --- looking ---

    def _look(self) -> Lines | None:
        """What is yielded next. It may have no lines, where something else has changed; None where nothing has."""
        if self._closed:
            return None
        found = self._progress()
        if found is not None:
            self._lines = found
            if found.counts:
                self._counted = found
        return found

    def _progress(self) -> Lines | None:
        file = self._file
        if file is None:
            self._file = file = self._open(self._path)
            return None if file is None else file.nothing()
        status = self._status()  # first: what was written before a rotation is read after it was seen
        try:
            found = file.read()
        except Cut:
            return self._begin_anew(file)
        if found is not None:
            return found
        if self._queue or (status is not None and not file.is_at(status)):
            return self._go_on(file)
        if status is not None:
            self._list()
        return self._late()

    def _status(self) -> os.stat_result | None:
        """Of the file at the path; None where there is none that can be followed."""
        try:
            status = os.stat(self._path)
        except ours(FileNotFoundError, NotADirectoryError):
            return None
        return status if stat.S_ISREG(status.st_mode) else None

    def _begin_anew(self, file: Followed) -> Lines:
        """The file was cut: it is read from its start, after what is in a copy of it and wasn't read yet."""
        copy = file.copy_in(self._folder, self._name)
        if copy is None:
            rest = file.rest()
            file.begin_anew()
            return rest
        file.begin_anew()
        self._known = {*(self._known or ()), copy.inode}
        self._queue.insert(0, file)
        self._file = copy
        return copy.nothing()

    def _go_on(self, file: Followed) -> Lines | None:
        """Leaves a file that was read to its end for the next one. What has no end there gets none any more."""
        queue = self._queue or self._successors(file)
        if not queue:
            return None  # the path's is gone again
        late = time.monotonic() + _LATE
        rest = file.rest()
        self._past = [*self._past, (late, file)]
        self._queue = queue[1:]
        self._file = queue[0]
        return rest

    def _successors(self, file: Followed) -> list[Followed]:
        """The files that came after one, the oldest first. The last is the one at the path."""
        last = self._open(self._path)
        if last is None:
            return []
        changed = os.fstat(file.file.fd).st_mtime_ns
        between = []
        for path in rotated(self._folder, self._name):
            with ignoring(OSError):
                if os.lstat(path).st_ino in (file.inode, last.inode, *(self._known or ())):
                    continue
                other = self._open(path)
                # Without what was known before the rotation, a copy is told from a file that came after this one by
                # its birth: it was made while this one was being written.
                if other is None or not other.birth > file.birth > 0:
                    continue
                if self._known is not None or other.birth > changed - _OVERLAP:
                    between.append(other)
        known = {other.inode for other in between}
        self._known = {*(self._known or ()), *known, file.inode}
        return [*sorted(between, key=lambda other: other.birth), last]

    def _list(self) -> None:
        """Notes which rotated files there are while the file at the path is the one that is followed."""
        with ignoring(OSError):
            changed = os.stat(self._folder).st_mtime_ns
            if changed == self._listed or self._file is None:
                return
            known = {os.lstat(path).st_ino for path in rotated(self._folder, self._name)}
            status = self._status()
            if status is not None and self._file.is_at(status):
                self._known = known
                # A folder that was changed just now may change again without a change of its time.
                self._listed = changed if abs(time.time_ns() - changed) > 10**9 else -1

    def _late(self) -> Lines | None:
        """What has come to files that were rotated."""
        now = time.monotonic()
        self._past = [(until, file) for until, file in self._past if until > now]
        for _, file in self._past:
            try:
                found = file.read()
            except Cut:
                continue
            if found is not None and found.lines:
                found.counts = False
                return found
        return None


def _parsed(start: Any) -> tuple[int | None, int | None]:
    """Where to start: an inode, if one is given, and an offset, None for the end."""
    if isinstance(start, str):
        if start != "end":
            raise ValueError(f"start must be 'end', an offset or (inode, offset), not {start!r}")
        return None, None
    inode = None
    if isinstance(start, (tuple, list)):
        if len(start) != 2:
            raise ValueError(f"a position is (inode, offset), not {start!r}")
        inode, start = operator.index(start[0]), start[1]
    offset = operator.index(start)
    if offset < 0:
        raise ValueError(f"an offset can't be negative: {offset}")
    return inode, offset
