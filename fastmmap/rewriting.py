"""The default edit of a file: a new one is written beside it, and takes its place in one step.

Whatever happens, the name stands for the old file or for the new one. The order is what makes it so: the new file is
complete and on the disk before it has a name, and the old one is compared with what was read just before it goes.
"""

from __future__ import annotations

import errno
import os
from _thread import get_ident
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _system, parallel
from ._backend import check_wanted, chosen, run

if TYPE_CHECKING:
    from .mapped import MappedFile

    Progress = Callable[[int, int], object]

# What is assembled before it is written: large enough for one system call to cost nothing, small enough for the cache.
BLOCK = 1 << 20

# The way out where a rewrite is refused.
IN_PLACE = "fastmmap.open(path, 'r+').replace edits in place where old and new are equally long"


@dataclass(frozen=True)
class Edit:
    """What is to be replaced by what, and how often: `most` is -1 for all."""

    old: bytes
    new: bytes
    most: int

    def grown(self, number: int) -> int:
        """By how many bytes `number` replacements make a file longer."""
        return number * (len(self.new) - len(self.old))


@dataclass(frozen=True)
class Part:
    """A stretch of the source on whose bounds no match lies, and how many matches are replaced in it."""

    start: int
    end: int
    number: int


def survey(source: MappedFile, edit: Edit, threads: int) -> list[Part]:
    """Where the matches are, roughly. No part at all where there is none."""
    size = len(source)
    first = source.find(edit.old, threads=threads) if edit.most else -1
    if first < 0:
        return []
    if edit.most > 0:
        return [Part(0, size, min(edit.most, source.count(edit.old, first, threads=threads)))]

    seams = parallel.Seams(chosen.rfind, source, edit.old, first, size)

    def count(view: Any, block: int) -> Part:
        start, end = seams.within(view, block)
        return Part(start, end, chosen.count(view, edit.old, start, end, threads=1))

    counting = threads if size - first >= parallel.WORTHWHILE else 1
    before = [Part(start, end, 0) for start, end in parallel.blocks(0, first)]
    return [*before, *run(count, seams.numbers(), counting, buffer=source)]


def rewrite(
    target: str,
    fd: int,
    before: os.stat_result,
    source: MappedFile,
    parts: list[Part],
    edit: Edit,
    *,
    threads: int,
    durable: bool,
    backup: str | None,
    progress: Progress | None,
) -> int:
    """Puts the edited file in the place of `target`, which `fd` and `source` show. Returns its size."""
    size = len(source) + edit.grown(sum(part.number for part in parts))
    folder = os.path.dirname(target)
    # Opened first: a directory that can't be, and so can't be flushed, is an error before the file is replaced.
    directory = _system.open_directory(folder) if durable else -1
    try:
        with _Beside(folder) as new:
            _prepare(new.fd, folder, before, size)
            _write(new.fd, source, parts, edit, threads, progress)
            _system.keep_attributes(new.fd, fd, before)
            if durable:
                _system.make_durable(new.fd)
            _check_unchanged(target, before)
            if backup is None:
                new.replace(target)
            else:
                with _explained(f"no backup {backup!r} could be made"):
                    new.exchange(target, backup)
        if durable:
            _system.make_names_durable(directory)
    finally:
        if durable:
            os.close(directory)
    return size


class _Beside:
    """A new file in a folder, gone on any error. Where the system can do so, it has no name before it is complete."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, f"{_system.OURS}{os.urandom(8).hex()}")
        with _explained(f"the new file is to be made in {folder!r}. {IN_PLACE}"):
            self.fd, self._named = _system.create_beside(folder, self._path)

    def replace(self, target: str) -> None:
        """Gives the file its place."""
        self._name()
        _system.rename(self._path, target)
        self._named = False

    def exchange(self, target: str, backup: str) -> None:
        """Gives the file its place, and the old one the name `backup`. On any error the old one has its place again."""
        if is_same(backup, target):
            _system.remove(backup)  # what an edit left that was killed; renaming would do nothing
        self._name()
        try:
            if _system.exchange(self._path, target):
                _system.rename(self._path, backup)
            else:  # where names can't be exchanged, the old file has two for a moment
                _system.remove(backup)
                _system.link(target, backup)
                _system.rename(self._path, target)
        except BaseException:
            if self._is_ours():
                if is_same(backup, target):
                    _system.remove(backup)
            elif os.path.lexists(self._path):
                _system.exchange(self._path, target)
            raise

    def _name(self) -> None:
        if not self._named:
            self._named = True  # before it is so: an interrupt may come between
            _system.name_file(self.fd, self._path)

    def _is_ours(self) -> bool:
        """Whether the name is that of the new file. After an exchange it is the old one's."""
        with suppress(FileNotFoundError):
            return os.path.samestat(os.lstat(self._path), os.fstat(self.fd))
        return False

    def __enter__(self) -> _Beside:
        return self

    def __exit__(self, *exception: Any) -> None:
        try:
            if self._named and self._is_ours():
                _system.remove(self._path)
        finally:
            os.close(self.fd)


@contextmanager
def _explained(text: str) -> Iterator[None]:
    """Says in an OSError what it means for the edit."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}: {text}") from None


def is_same(path: str, other: str) -> bool:
    """Whether two paths are names of one file."""
    try:
        return os.path.samestat(os.lstat(path), os.lstat(other))
    except OSError:
        return False


def _prepare(new: int, folder: str, before: os.stat_result, size: int) -> None:
    """What can be refused is refused before the work: the owner, and the space."""
    with _explained(f"the new file can't be given to user {before.st_uid}, group {before.st_gid}. {IN_PLACE}"):
        _system.keep_owner(new, before)
    with _explained(f"the new file takes {size} bytes beside the old one. {IN_PLACE}"):
        _system.reserve(new, folder, size)


def _write(
    new: int, source: MappedFile, parts: list[Part], edit: Edit, threads: int, progress: Progress | None
) -> None:
    """Writes each part to its place in the new file; several at once, because their places are known.

    `progress` is called in the calling thread alone: with the bytes that are written, and those that will be. Other
    threads leave word of what they have written in a queue that needs no lock: `progress` may fork.
    """
    caller = get_ident()
    news: deque[int] = deque()
    places, total, written = [], 0, 0
    for part in parts:
        places.append((part, total))
        total += part.end - part.start + edit.grown(part.number)

    def report(number: int) -> None:
        nonlocal written
        if progress is None:
            return
        news.append(number)
        if get_ident() == caller:
            while news:
                written += news.popleft()
            progress(min(written, total), total)  # in a forked child a part may be written twice

    def fill(view: Any, part: Part, place: int) -> None:
        at, end = place, place + part.end - part.start + edit.grown(part.number)
        block = memoryview(bytearray(max(min(BLOCK, end - at), len(edit.new), 1)))
        with chosen.substitution(view, edit.old, edit.new, part.number, part.start, part.end) as pieces:
            while filled := pieces.readinto(block):
                check_wanted()
                if at + filled > end:
                    break  # there are fewer matches than were counted
                _system.write_at(new, block[:filled], at)
                at += filled
                report(filled)
            if at != end or pieces.replaced != part.number:
                raise OSError(errno.EBUSY, "The file changed while it was being edited (its matches)")

    run(fill, places, threads if total >= parallel.WORTHWHILE else 1, buffer=source)
    if progress is not None:
        progress(total, total)


def _check_unchanged(target: str, before: os.stat_result) -> None:
    """What somebody wrote to the file since we began would be lost with the rename."""
    check_same(os.stat(target), before, "The file changed while it was being edited")


def check_same(now: os.stat_result, before: os.stat_result, text: str) -> None:
    """Raises OSError where a file isn't what it was."""
    for field in ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"):
        if getattr(now, field) != getattr(before, field):
            raise OSError(errno.EBUSY, f"{text} ({field})")
