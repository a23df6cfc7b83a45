"""The default edit of a file: a new one is written beside it, and takes its place in one step.

Whatever happens, the name stands for the old file or for the new one. The order is what makes it so: the new file is
complete and on the disk before it has a name, and the old one is compared with what was read just before it goes.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import beside, parallel, system
from .._backend import check_wanted, run
from ..blame import ignoring, is_ours, ours
from ..descriptors import Open
from ..logs.recovering import refuse_open_log
from ..paths import is_taken
from ..progress import Reporter
from .matching import Matching
from .refusing import IN_PLACE, refuse, refuse_backup, refuse_name
from .sparse import has_holes, write_data

if TYPE_CHECKING:
    from ..mapped import MappedFile
    from ..progress import Progress

# What is assembled before it is written: large enough for one system call to cost nothing, small enough for the cache.
BLOCK = 1 << 20

# What is said where other matches are replaced than were counted.
CHANGED = "The file changed while it was being edited: edit it again (matches)"


@dataclass(frozen=True)
class Edit:
    """What is to be replaced by what, and how often: `most` is -1 for all."""

    matching: Matching
    most: int


@dataclass(frozen=True)
class Part:
    """A stretch of the source on whose bounds no match lies, and how many matches are replaced in it."""

    start: int
    end: int
    number: int
    grown: int  # by how many bytes they make it longer


@dataclass(frozen=True)
class Original:
    """The file to be edited, open."""

    path: str
    fd: int
    status: os.stat_result
    data: MappedFile


@dataclass(frozen=True)
class Options:
    """How a file is to be edited: see replace_file. backup is a whole path here."""

    durable: bool
    backup: str | None
    threads: int
    progress: Progress | None
    force: bool


def first_match(source: MappedFile, edit: Edit, threads: int) -> int:
    """Where the first match is that is to be replaced, -1 without any."""
    return edit.matching.find(source, threads) if edit.most else -1


def survey(source: MappedFile, edit: Edit, first: int, threads: int) -> list[Part]:
    """Where the matches are, roughly, given the first. No part at all where there is none."""
    size, matching = len(source), edit.matching

    def part(start: int, end: int, counts: list[int]) -> Part:
        return Part(start, end, sum(counts), matching.grown(counts))

    if first < 0:
        return []
    if edit.most > 0:
        return [part(0, size, matching.count(source, first, edit.most, threads))]

    seams = matching.seams(source, first)

    def count(view: Any, block: int) -> Part:
        start, end = seams.within(view, block)
        return part(start, end, matching.count_block(view, start, end))

    counting = threads if size - first >= parallel.WORTHWHILE else 1
    before = [Part(start, end, 0, 0) for start, end in parallel.blocks(0, first)]
    return [*before, *run(count, seams.numbers(), counting, buffer=source)]


def rewrite(original: Original, edit: Edit, first: int, options: Options) -> tuple[int, int]:
    """Puts the edited file in the place of the original. Returns how many were replaced, and its size.

    What can be refused is before the matches are counted, all but the space.
    """
    target, before = original.path, original.status
    folder = os.path.dirname(target)
    # A killed edit may have left the backup as a second name, and nothing but that.
    links = before.st_nlink - (options.backup is not None and is_same(options.backup, target))
    refuse(target, before, links, options.force)
    if options.backup is not None:
        refuse_backup(options.backup)
    # Opened first: a directory that can't be, and so can't be flushed, is an error before the file is replaced.
    with Open() as directory, _Beside(folder) as new:
        if options.durable:
            system.open_directory_into(directory, folder)
        new.create()
        with _explained(f"the new file can't belong to user {before.st_uid}, group {before.st_gid}. {IN_PLACE}"):
            system.keep_owner(new.fd, before)
        parts = survey(original.data, edit, first, options.threads)
        count = sum(part.number for part in parts)
        size = len(original.data) + sum(part.grown for part in parts)
        with _explained(
            f"the new file needs {size} bytes beside the old one. {IN_PLACE}", errno.ENOSPC, errno.EDQUOT, errno.EFBIG
        ):
            _write(new.fd, original, parts, edit, options)
        system.keep_attributes(new.fd, original.fd, before)
        if options.durable:
            system.make_durable(new.fd)
        _check_unchanged(target, before)
        if options.backup is None:
            new.replace(target)
        else:
            with _explained(f"the backup {options.backup!r} can't be made"):
                new.exchange(target, options.backup)
        if options.durable:
            system.make_names_durable(directory.fd)
    return count, size


class _Beside:
    """A new file in a folder, gone on any error. Where the system can do so, it has no name before it is complete."""

    _named = False

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = os.path.join(folder, f"{beside.PREFIX}{os.urandom(8).hex()}")
        refuse_name(self._path, "The new file")
        self._file = Open()

    @property
    def fd(self) -> int:
        return self._file.fd

    def create(self) -> None:
        """Makes it, which is the first that is done within the with statement: so it is gone whatever happens."""
        with _explained(f"the new file must be made in {self._folder!r}. {IN_PLACE}"):
            self._named = beside.create_into(self._file, self._folder, self._path)

    def replace(self, target: str) -> None:
        """Gives the file its place."""
        self._name()
        system.rename(self._path, target)
        self._named = False

    def exchange(self, target: str, backup: str) -> None:
        """Gives the file its place, and the old one the name `backup`. On any error the old one has its place again."""
        if is_same(backup, target):
            system.remove(backup)  # what an edit left that was killed; renaming would do nothing
        self._name()
        try:
            if system.exchange(self._path, target):
                system.rename(self._path, backup)
            else:  # where names can't be exchanged, the old file has two for a moment
                system.remove(backup)
                system.link(target, backup)
                system.rename(self._path, target)
        except BaseException:
            if self._is_ours():
                if is_same(backup, target):
                    system.remove(backup)
            elif is_taken(self._path):
                system.exchange(self._path, target)
            raise

    def _name(self) -> None:
        if not self._named:
            self._named = True  # before it is so: an interrupt may come between
            system.name_file(self.fd, self._path)

    def _is_ours(self) -> bool:
        """Whether the name is that of the new file. After an exchange it is the old one's."""
        with ignoring(FileNotFoundError):
            return os.path.samestat(os.lstat(self._path), os.fstat(self.fd))
        return False

    def __enter__(self) -> _Beside:
        return self

    def __exit__(self, *exception: Any) -> None:
        try:
            if self._named and self._is_ours():
                system.remove(self._path)
            self._named = False
        finally:
            self._file.close()

    def __del__(self) -> None:
        """A signal handler may have raised in __exit__, or before its first step."""
        if self._named:
            self.__exit__()


class _explained:
    """Says in an OSError of ours what it means for the edit; given numbers, in those alone."""

    __slots__ = ("_numbers", "_text")

    def __init__(self, text: str, *numbers: int) -> None:
        self._text, self._numbers = text, numbers

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, OSError) and is_ours(error) and (not self._numbers or error.errno in self._numbers):
            raise OSError(error.errno, f"{error.strerror}: {self._text}") from None


def is_same(path: str, other: str) -> bool:
    """Whether two paths are names of one file."""
    try:
        return os.path.samestat(os.lstat(path), os.lstat(other))
    except ours(OSError):
        return False


def _write(new: int, original: Original, parts: list[Part], edit: Edit, options: Options) -> None:
    """Writes each part to its place in the new file; several at once, because their places are known.

    `progress` is told the bytes that are written, and those that will be.
    """
    source, threads = original.data, options.threads
    places, total = [], 0
    for part in parts:
        places.append((part, total))
        total += part.end - part.start + part.grown
    hole = _reserve(new, original, total)
    reporter = None if options.progress is None else Reporter(options.progress, total)

    def fill(view: Any, part: Part, place: int) -> None:
        at, end = place, place + part.end - part.start + part.grown
        block = memoryview(bytearray(max(min(BLOCK, end - at), edit.matching.longest_new, 1)))
        with edit.matching.substitution(view, part.start, part.end, part.number) as pieces:
            while filled := pieces.readinto(block):
                check_wanted()
                if at + filled > end:
                    raise OSError(errno.EBUSY, CHANGED)  # there are fewer matches than were counted, or shorter ones
                if hole:
                    write_data(new, block[:filled], at, hole)
                else:
                    system.write_at(new, block[:filled], at)
                at += filled
                if reporter is not None:
                    reporter.add(filled)
            if at != end or pieces.replaced != part.number:
                raise OSError(errno.EBUSY, CHANGED)

    run(fill, places, threads if total >= parallel.WORTHWHILE else 1, buffer=source)
    if reporter is not None:
        reporter.end()


def _reserve(new: int, original: Original, size: int) -> int:
    """Finds the space for the new file's bytes. Returns the length of a block of zeros that needn't be written.

    It is 0 where the old file has no holes, for all blocks are allocated then.
    """
    folder, before = os.path.dirname(original.path), original.status
    if not has_holes(before):
        system.reserve(new, folder, size)
        return 0
    # Which blocks there will be isn't known yet: about those of the old file, and what the file grows by.
    system.reserve(new, folder, size, min(before.st_blocks * 512 + max(size - before.st_size, 0), size))
    return before.st_blksize


def _check_unchanged(target: str, before: os.stat_result) -> None:
    """Raises OSError if another process changed the file meanwhile: its changes would be lost with the rename."""
    refuse_open_log(target)
    check_same(os.stat(target), before, "The file changed while it was being edited: edit it again")


def check_same(now: os.stat_result, before: os.stat_result, text: str) -> None:
    """Raises OSError if a file has changed."""
    for field in ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"):
        if getattr(now, field) != getattr(before, field):
            raise OSError(errno.EBUSY, f"{text} ({field})")
