"""What an edit is, before it begins, and what became of its file."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, SupportsIndex

from .. import system
from ..blame import ours
from ..descriptors import Open
from ..errors import naming
from ..mapped import MappedFile
from ..pairs import Pairs
from ..parallel import workers
from ..paths import resolved
from ..reference.arguments import END, are_pairs, check_old, data_bytes, index_or
from .matching import Matching, OnePair, matching_of
from .refusing import refuse_backup
from .rewrite import Edit, Options, Original

if TYPE_CHECKING:
    from ..paths import Path
    from ..progress import Progress

    # The file as it was before an edit, once that is known: for what is said of it after an interrupt.
    Seen = list[tuple[str, os.stat_result]]


def edit_of(old: Any, new: Any, count: SupportsIndex) -> Edit:
    """An edit by what its caller was given: one old and new, or {old: new, ...} and None."""
    matching: Matching
    if are_pairs(old, new):
        matching = matching_of(Pairs(old))
    else:
        matching = OnePair(data_bytes(old, "old"), data_bytes(new, "new"))
        check_old(matching.old)
    return Edit(matching, min(max(index_or(count, -1), -1), END))


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
        system.open_into(file, target, os.O_RDONLY | os.O_NONBLOCK)  # a pipe is refused, not waited for
        status = os.fstat(file.fd)
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):  # MappedFile refuses a directory
            raise OSError(errno.ENODEV, "Not a regular file")
        with MappedFile(file.fd) as source:
            source.name = target
            yield Original(target, file.fd, status, source)


def note(interrupt: KeyboardInterrupt, path: Path, seen: Seen) -> None:
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


def options_of(
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
