"""What an edit is, before it begins, and what became of its file."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, SupportsIndex

from .. import system
from ..blame import ours
from ..descriptors import Open
from ..errors import add_note, naming
from ..mapped import MappedFile
from ..pairs import Pairs
from ..parallel import workers
from ..paths import resolved
from ..progress import check_progress
from ..reference.arguments import END, are_pairs, data_bytes, index_or
from ..unfinished import unfinished_edit
from .matching import matching_of
from .model import Edit, Options, Original
from .new_file import is_same
from .refusing import refuse_backup

if TYPE_CHECKING:
    from ..paths import Path
    from ..progress import Progress

    # The file as it was before an edit, once that is known: for what is said of it after an interrupt.
    Seen = list[tuple[str, os.stat_result]]


def edit_of(old: Any, new: Any, count: SupportsIndex, ignorecase: bool = False) -> Edit:
    """An edit by what its caller was given: one old and new, or {old: new, ...} and None, or Pairs made ready."""
    if not isinstance(old, Pairs):
        pairs = old if are_pairs(old, new) else {data_bytes(old, "old"): data_bytes(new, "new")}
        old = Pairs(pairs, bool(ignorecase))
    return Edit(matching_of(old), min(max(index_or(count, -1), -1), END))


def target_of(path: Path) -> str:
    """The file itself, where the path is a symbolic link."""
    name = os.fsdecode(path)
    if not name:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    return resolved(name)


@contextmanager
def opened(target: str) -> Iterator[Original]:
    """A regular file, open; OSErrors name it."""
    with naming(target, always=True), Open() as file:
        system.open_into(file, target, os.O_RDONLY | system.calls.O_NONBLOCK)  # a pipe is refused, not waited for
        status = os.fstat(file.fd)
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):  # MappedFile refuses a directory
            raise OSError(errno.ENODEV, "Not a regular file")
        with MappedFile(file.fd) as source:
            source.name = target
            yield Original(target, file, status, source)


def note(interrupt: KeyboardInterrupt, path: Path, seen: Seen) -> None:
    """Says what became of a file, unless that was said already."""
    name = os.fsdecode(path) if isinstance(path, bytes) else path
    if any(f"{target} is " in said for said in getattr(interrupt, "__notes__", ()) for target, _ in seen):
        return
    became = "unchanged"
    for path, before in seen:
        became = _became(path, before)
        name = path
    add_note(interrupt, f"{name} is {became}")


def _became(path: str, before: os.stat_result) -> str:
    """What became of a file. It is asked, because an interrupt may come right behind the call that replaced it."""
    try:
        now = os.stat(path)
        journal = unfinished_edit(path, now, say=lambda text: None)
    except ours(OSError) as error:
        return f"not accessible: {error.strerror}"
    if journal is not None:
        journal.close()
        return "half edited: fastmmap.recover, or the same edit again, goes on"
    if not os.path.samestat(now, before):
        return "replaced"
    if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        return "not edited, but it changed: a dead writer's records were added, or another process wrote to it"
    return "unchanged"


@dataclass(frozen=True)
class Asked:
    """The options of replace_file, as its caller has given them."""

    in_place: bool
    durable: bool | None
    backup: str | None
    journal: Path | None
    force: bool
    threads: int | None
    progress: Progress | None


def options_of(target: str, asked: Asked) -> Options:
    """What they mean for a file."""
    check_progress(asked.progress)
    if asked.in_place and asked.backup is not None:
        raise ValueError("an edit in place keeps no backup, because there is one file alone: copy it before")
    if not asked.in_place and asked.journal is not None:
        raise ValueError("journal is for in_place=True: a rewrite has none")
    journal = None
    if asked.journal is not None:
        journal = resolved(os.fsdecode(asked.journal)) if os.fspath(asked.journal) else ""
        if not journal:
            raise ValueError("the journal's path is empty")
        if journal == target:
            raise ValueError("the journal can't be the file itself")
    durable = not asked.in_place if asked.durable is None else bool(asked.durable)
    backup, force = _backup_path(target, asked.backup, bool(asked.force)), bool(asked.force)
    return Options(bool(asked.in_place), durable, backup, journal, force, workers(asked.threads), asked.progress)


def _backup_path(target: str, backup: str | None, force: bool) -> str | None:
    if backup is None:
        return None
    if not isinstance(backup, str):
        raise TypeError(f"backup must be a str that is added to the file's name, not {type(backup).__name__!r}")
    if not backup or "/" in backup or "\0" in backup:
        raise ValueError(f"backup is added to the file's name, as in '.orig', so it can't be {backup!r}")
    path = target + backup
    refuse_backup(path, force or is_same(path, target))
    return path
