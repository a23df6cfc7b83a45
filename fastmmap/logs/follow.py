"""follow: the lines of a log as they arrive, whatever becomes of its file."""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING, Any

from .. import _imports, system
from ..blame import ignoring, ours
from ..errors import warn
from ..paths import resolved
from .followed import Cut, Followed, Lines, number_of, opened, place_of, rotated, status_of
from .watching import Watch

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..paths import Path

    Key = tuple[int, int]  # an inode, and the birth of the file that has it

# For so many seconds the files are read that were rotated, the last ones at most: their writers may not know yet.
_LATE, _MOST_PAST = 60.0, 16

# So often a folder is looked at whose files are being renamed, and how many seconds longer is waited each time.
_LOOKS, _PAUSE = 20, 0.0005

# For so many seconds a file that can't be opened is tried again.
_PATIENCE = 10.0


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
    >>> pathlib.Path("app.log").write_bytes(b"one\ntwo\nthr")
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
        inode, offset = place_of(start)
        self._path = os.path.abspath(os.fsdecode(os.fspath(path)))
        self._timeout = timeout
        self._past: tuple[tuple[float, Followed], ...] = ()  # what was rotated, and until when it is read
        self._queue: tuple[Followed, ...] = ()  # copies that are to be read next, and the file that was cut
        self._known: frozenset[Key] = frozenset()  # rotated files that aren't to be read
        self._is_listed = False  # whether those are all that there were
        self._listed: list[int] = []  # the folders' times when they were listed
        self._refused = -1.0  # since when the next file can't be opened
        os.stat(os.path.dirname(self._path))
        self._watch = Watch()
        self._watch_folders()
        self._file = self._begin(inode, offset)
        # What is yielded now, and what was of that which tells the position.
        self._lines = self._counted = Lines(0, 0, []) if self._file is None else self._file.nothing()
        status = status_of(self._path)
        if self._file is not None and status is not None and self._file.is_at(status):
            self._list()
        self._closed = False

    def _begin(self, inode: int | None, offset: int | None) -> Followed | None:
        """The file that is followed first, None where there is none yet."""
        if inode is None:
            return self._open(self._path, offset)
        for path, number in ((self._path, inode), *self._rotated()):
            with ignoring(FileNotFoundError):
                if number == inode == os.stat(path).st_ino:
                    found = self._open(path, offset)
                    if found is not None and found.goes_on_at(offset or 0):
                        return found
        warn(f"the file of the position, inode {inode}, isn't beside {self._path!r} any more: lines may be lost")
        return self._open(self._path)

    def _open(self, path: str, offset: int | None = 0) -> Followed | None:
        """A file, from an offset on; for None from its end, or its last line if that has no end. None for none."""
        try:
            file = Followed(opened(path), offset)
        except ours(FileNotFoundError, NotADirectoryError):
            return None
        file.watch = self._watch.add(system.path_of(file.file.fd))
        return file

    # --- what users call ---

    @property
    def position(self) -> tuple[int, int] | None:
        """Where the line that comes next begins: (inode, offset in bytes). None as long as there is no file."""
        lines = self._lines if self._lines.counts else self._counted
        return None if lines.inode == 0 else lines.position

    def __repr__(self) -> str:
        return f"<fastmmap.follow of {self._path!r}, {'closed' if self._closed else f'at {self.position}'}>"

    def close(self) -> None:
        """Closes the files. The iteration is over then."""
        self._closed = True
        self._file, self._queue, self._past = None, (), ()
        self._lines.changes = []
        self._watch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        self._wait()
        lines = self._lines
        if self._closed or lines.next == len(lines.lines):
            raise StopIteration
        lines.next += 1
        return lines.lines[lines.next - 1]

    def _wait(self) -> None:
        """Returns when there is a line that wasn't yielded, or the time is over, or it is closed."""
        patience = None
        while self._lines.next == len(self._lines.lines) and not self._closed:
            if self._look():
                continue
            patience = patience or self._watch.patience(self._timeout)
            if (pause := patience.pause()) is None:
                break
            if not self._watch.wait(pause):
                self._watch_folders()

    def _batch(self) -> list[bytes]:
        """All lines that are there, after one of them was waited for; none where the time is over."""
        self._wait()
        lines = self._lines
        start, lines.next = lines.next, len(lines.lines)
        return lines.lines[start:]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        patience = None
        while self._lines.next == len(self._lines.lines) and not self._closed:
            if self._look():
                await _imports.load("asyncio").sleep(0)  # others have their turn, however many lines there are
                continue
            patience = patience or self._watch.patience(self._timeout)
            if (pause := patience.pause()) is None:
                break
            if not await self._watch.wait_async(pause):
                self._watch_folders()
        lines = self._lines  # which another task may have had more of
        if self._closed or lines.next == len(lines.lines):
            raise StopAsyncIteration
        lines.next += 1
        return lines.lines[lines.next - 1]

    # --- looking ---

    def _look(self) -> bool:
        """Has what is yielded next in `_lines`. It may have no lines, where something else has changed."""
        done = self._lines
        if done.counts:
            self._counted = done
        done.note()
        found = self._progress()
        if found is None or self._closed:
            return False
        self._lines = found
        return True

    def _progress(self) -> Lines | None:
        file = self._file
        if file is None:
            first = self._next(None)
            if first is None:
                return None
            lines = first.nothing()
            lines.changes = [(self, "_file", first)]
            return lines
        status = status_of(self._path)  # first: what was written before a rotation is read after it was seen
        is_left = status is None or not file.is_at(status)
        try:
            if file.is_unread and not is_left and not self._queue and self._is_listed and self._later(file):
                raise Cut  # there is no other sign of it
            found = file.read()
        except Cut:
            return self._begin_anew(file)
        if found is not None:
            return found
        if self._queue or is_left:
            return self._go_on(file) or self._late()
        self._list()
        return self._late()

    def _begin_anew(self, file: Followed) -> Lines:
        """The file was cut: it is read from its start, after what is in copies of it and wasn't read yet."""
        copies = self._copies_of(file)
        lines = file.nothing() if copies else file.rest()
        lines.changes = [*lines.changes, *file.begin_anew()]
        if copies:
            known = self._known.union([copy.key for copy in copies])
            lines.changes.append((self, "_queue", (*copies[1:], file)))
            lines.changes += [(self, "_known", known), (self, "_file", copies[0])]
        return lines

    def _copies_of(self, file: Followed) -> list[Followed]:
        """What `copytruncate` has left since, from where it was read on: the first is told by what was read of it."""
        found = [self._open(path) for path, _ in self._later(file) or ()]
        copies = [each for each in found if each is not None]
        status = status_of(self._path)
        is_left = status is None or not file.is_at(status)  # what is younger may be no copy then
        if file.is_unread:
            return copies if self._is_listed and not is_left else []
        for number, copy in enumerate(copies):
            if file.is_copy(copy):
                copy.state = file.state
                return copies[number : number + 1 if is_left else None]
        return []

    def _go_on(self, file: Followed) -> Lines | None:
        """Leaves a file that was read to its end for the next one. What has no end there gets none any more."""
        following = self._queue[0] if self._queue else self._next(file)
        if following is None:
            return None
        lines = file.rest()
        past = (*self._past, (time.monotonic() + _LATE, file))
        for _, each in past[:-_MOST_PAST]:
            self._watch.remove(each.watch)
        lines.changes += [
            (self, "_past", past[-_MOST_PAST:]), (self, "_file", following), (self, "_queue", self._queue[1:]),
            (self, "_known", self._known | {file.key}),
        ]  # fmt: skip
        return lines

    def _next(self, file: Followed | None) -> Followed | None:
        """The file that came after one, None where there is none yet: the oldest of those that are younger.

        What can't be opened is tried again for a time: who makes a file may give it its owner and mode afterwards.
        """
        try:
            path, key = self._next_place(file)
            found = self._open(path) if path is not None else None
        except ours(OSError):
            now = time.monotonic()
            self._refused = now if self._refused < 0 else self._refused
            if now - self._refused > _PATIENCE:
                raise
            return None
        self._refused = -1.0
        return found if found is not None and key in (None, found.key) else None  # it was renamed since

    def _next_place(self, file: Followed | None) -> tuple[str | None, Key | None]:
        """Where the next file is, and which it is, if that is to be asked."""
        if file is None:
            return self._path, None  # an error that says what is there, or a file
        for number in range(_LOOKS):
            status, born = status_of(self._path), system.birth(self._places()[-1])
            later = self._later(file)
            # Who was rotated in between is in the list, and the path's birth may be that of one behind it.
            if later is not None and _inode(status) == _inode(status_of(self._path)):
                break
            time.sleep(number * _PAUSE)
        else:
            return None, None
        for path, (inode, birth) in later:
            if status is None or (birth <= born and inode != status.st_ino):
                return path, (inode, birth)
        return (None, None) if status is None else (self._path, (status.st_ino, born))

    def _later(self, file: Followed) -> list[tuple[str, Key]] | None:
        """The rotated files that were made after one, or at the same tick, and aren't known: the oldest first.

        None where some of them were renamed meanwhile: what was looked at isn't what there is.
        """
        found = {}
        for path, inode in self._rotated():
            try:
                birth = system.birth(path)
                status = os.stat(path)  # behind that: what has its name yet had it then
            except ours(FileNotFoundError):
                return None
            if status.st_ino != inode:
                return None
            key = inode, birth
            is_later = birth >= file.birth > 0 and key != file.key and key not in self._known
            if is_later and stat.S_ISREG(status.st_mode):
                found[key] = birth, status.st_mtime_ns, -number_of(path), path
        return [(found[key][-1], key) for key in sorted(found, key=found.__getitem__)]

    def _rotated(self) -> list[tuple[str, int]]:
        """The paths and inodes of files that are named as rotated ones."""
        return [found for place in self._places() for found in rotated(place)]

    def _places(self) -> list[str]:
        """The path, and behind it where that leads to, if it is a link."""
        with ignoring(OSError):
            return list(dict.fromkeys((self._path, resolved(self._path))))
        return [self._path]  # links in a circle

    def _list(self) -> None:
        """Notes which rotated files there are while the file at the path is the one that is followed."""
        with ignoring(FileNotFoundError):
            changed = [os.stat(os.path.dirname(place)).st_mtime_ns for place in self._places()]
            if changed == self._listed or self._file is None:
                return
            known = frozenset([(inode, system.birth(path)) for path, inode in self._rotated()])
            status = status_of(self._path)
            if status is not None and self._file.is_at(status):
                self._known, self._is_listed = known, True
                # A folder that was changed just now may change again without a change of its time.
                is_old = abs(time.time_ns() - max(changed)) > 10**9
                self._listed = changed if is_old else []

    def _late(self) -> Lines | None:
        """What has come to files that were rotated."""
        now = time.monotonic()
        for until, file in self._past:
            if until <= now:
                self._watch.remove(file.watch)
        self._past = tuple(each for each in self._past if each[0] > now)
        for _, file in self._past:
            try:
                found = file.read()
            except Cut:
                continue
            if found is not None:
                found.counts = False
                return found
        return None

    def _watch_folders(self) -> None:
        """Has the folders watched, which may be others by now."""
        for place in self._places():
            self._watch.add(os.path.dirname(place))


def _inode(status: os.stat_result | None) -> int:
    return -1 if status is None else status.st_ino
