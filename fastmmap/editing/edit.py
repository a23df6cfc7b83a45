"""Edits of files: old or new, never a mix."""

from __future__ import annotations

import errno
import operator
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsIndex

from .. import system
from ..blame import ours
from ..descriptors import Open
from ..errors import naming
from ..logs.recovering import refuse_open_log
from ..mapped import MappedFile
from ..parallel import workers
from ..paths import resolved
from ..reference.arguments import END, check_old, data_bytes, index_or
from .preview import Change, changes
from .refusing import refuse_backup
from .rewrite import Edit, Options, Original, check_same, first_match, rewrite, survey

if TYPE_CHECKING:
    from ..reference.arguments import Data
    from .rewrite import Progress

    Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]

    # The file as it was before an edit, once that is known: for what is said of it after an interrupt.
    Seen = list[tuple[str, os.stat_result]]


@dataclass(frozen=True)
class Replacement:
    """What replace_file did. strategy is "none" (no match, file untouched) or "rewrite"; int() is the count."""

    path: str
    count: int
    old_size: int
    new_size: int
    strategy: str
    seconds: float

    def __int__(self) -> int:
        return self.count


def replace_file(
    path: Path,
    old: Data,
    new: Data,
    count: SupportsIndex = -1,
    *,
    durable: bool | None = None,
    backup: str | None = None,
    force: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Replacement:
    """Replaces `old` by `new`, of any length, in a file; at most `count` times where it isn't negative.

    The new file is written beside the old one and takes its place in one step, so that a reader, a crash or a full disk
    finds the old or the new, never a mix. durable=False doesn't wait for the disk: a power loss may then leave an empty
    file. Mode, owner and extended attributes are kept; a symbolic link's target is edited. Without a match the file
    isn't touched.

    backup: what is added to the file's name for the old file to be kept under, as in ".orig"; an older backup goes.
    progress(done, total) is called in the calling thread, with the bytes of the new file that are written and will be;
    what it raises ends the edit. force: a file that is read-only is edited, too.

    OSError, with the file unchanged and nothing left beside it. Before the work: the log of an Appender that is open; a
    mount point; an immutable or append-only file or folder; a read-only file; several hard links, which would come
    apart; an owner that can't be kept; a directory that can't be written to; a backup's name that is too long; too
    little space. Later: an attribute that can't be kept; a file that changed meanwhile; and whatever else the system
    reports. So does Ctrl-C, with a note that says what became of the file. The one error after the file is replaced is
    that of flushing the directory: the new file is there, but a power loss may bring back the old.
    """
    seen: Seen = []  # no call, which an interrupt could come into
    try:
        edit, target = _edit(old, new, count), _target(path)
        return _replace(target, edit, None, _options(target, durable, backup, threads, progress, force), seen)
    except KeyboardInterrupt as interrupt:
        _note(interrupt, path, seen)
        raise


@dataclass(frozen=True)
class Plan:
    """What replace_file would do, by plan_replace. Nothing is touched before `apply`.

    path: the file that would be edited. count: how many would be replaced. old_size, new_size: its bytes, before and
    after.
    """

    path: str
    count: int
    old_size: int
    new_size: int
    _edit: Edit
    _status: os.stat_result

    def preview(self, n: int = 10) -> list[Change]:
        """The first n changes, with their lines. OSError where the file isn't what it was when the plan was made."""
        n = operator.index(n)
        if n < 0:
            raise ValueError(f"the number of changes must not be negative: {n}")
        with _opened(self.path) as original:
            check_same(original.status, self._status, "The file changed since the plan was made: make a new plan")
            return changes(original.data, self._edit, n)

    def apply(
        self,
        *,
        durable: bool | None = None,
        backup: str | None = None,
        force: bool = False,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> Replacement:
        """replace_file as planned. OSError where the file isn't what it was when the plan was made."""
        seen: Seen = []
        try:
            options = _options(self.path, durable, backup, threads, progress, force)
            return _replace(self.path, self._edit, self._status, options, seen)
        except KeyboardInterrupt as interrupt:
            _note(interrupt, self.path, seen)
            raise


def plan_replace(path: Path, old: Data, new: Data, count: SupportsIndex = -1) -> Plan:
    """What replace_file(path, old, new, count) would do: how many, which sizes, which lines. Nothing is touched."""
    edit, target = _edit(old, new, count), _target(path)
    with _opened(target) as original:
        threads, size = workers(None), len(original.data)
        first = first_match(original.data, edit, threads)
        number = sum(part.number for part in survey(original.data, edit, first, threads))
        return Plan(target, number, size, size + edit.grown(number), edit, original.status)


def _edit(old: Data, new: Data, count: SupportsIndex) -> Edit:
    edit = Edit(data_bytes(old, "old"), data_bytes(new, "new"), min(max(index_or(count, -1), -1), END))
    check_old(edit.old)
    return edit


def _target(path: Path) -> str:
    """The file itself, where the path is a symbolic link."""
    name = os.fsdecode(path)
    if not name:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    return resolved(name)


@contextmanager
def _opened(target: str) -> Iterator[Original]:
    """A regular file, open; OSErrors name it."""
    with naming(target, always=True), Open() as file:
        system.open_into(file, target, os.O_RDONLY | os.O_NONBLOCK)  # a pipe is refused, not waited for
        status = os.fstat(file.fd)
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):  # MappedFile refuses a directory
            raise OSError(errno.ENODEV, "Not a regular file")
        with MappedFile(file.fd) as source:
            source.name = target
            yield Original(target, file.fd, status, source)


def _note(interrupt: KeyboardInterrupt, path: Path, seen: Seen) -> None:
    """Says what became of a file, as BaseException.add_note does, which there is from Python 3.11 on."""
    became = "unchanged"
    for path, before in seen:
        became = _became(path, before)
    text = f"{os.fsdecode(path) if isinstance(path, bytes) else path} is {became}"
    vars(interrupt)["__notes__"] = [*getattr(interrupt, "__notes__", []), text]


def _became(path: str, before: os.stat_result) -> str:
    """What became of a file. It is asked, because an interrupt may come right behind the call that replaced it."""
    try:
        now = os.stat(path)
    except ours(OSError) as error:
        return f"not accessible: {error.strerror}"
    if not os.path.samestat(now, before):
        return "replaced"
    if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        return "not edited, but it changed: a dead writer's records were added, or another process wrote to it"
    return "unchanged"


def _replace(target: str, edit: Edit, expected: os.stat_result | None, options: Options, seen: Seen) -> Replacement:
    began = time.perf_counter()
    with naming(target, always=True):
        seen.append((target, os.stat(target)))
        refuse_open_log(target)  # and what its dead writers have left is there to be edited
    with _opened(target) as original:
        if expected is not None:
            check_same(original.status, expected, "The file changed since the plan was made: make a new plan")
        size = new_size = len(original.data)
        first = first_match(original.data, edit, options.threads)
        if first >= 0 and edit.old != edit.new:
            strategy = "rewrite"
            count, new_size = rewrite(original, edit, first, options)
        else:
            strategy = "none"
            count = sum(part.number for part in survey(original.data, edit, first, options.threads))
    return Replacement(target, count, size, new_size, strategy, time.perf_counter() - began)


def _options(
    target: str, durable: bool | None, backup: str | None, threads: int | None, progress: Progress | None, force: bool
) -> Options:
    return Options(durable is not False, _backup_path(target, backup), workers(threads), progress, bool(force))


def _backup_path(target: str, backup: str | None) -> str | None:
    if backup is None:
        return None
    if not isinstance(backup, str):
        raise TypeError(f"backup must be a str that is added to the file's name, not {type(backup).__name__!r}")
    if not backup or "/" in backup or "\0" in backup:
        raise ValueError(f"backup is added to the file's name, as in '.orig', so it can't be {backup!r}")
    path = target + backup
    refuse_backup(path)
    return path
