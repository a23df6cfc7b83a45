"""Edits a file in place: the same inode, any lengths, without a second copy, finished after a kill.

The matches are counted first, so it is known by how much the file grows at most on the way: the rest is moved up by
that, then edited from its start on and moved down, so that what is written never overtakes what is read. A journal
beside the file says how far that is; whoever holds the file's lock (flock) works on it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from .. import system
from ..blame import is_ours, ours
from ..descriptors import Held, Open
from ..errors import add_note, warn
from ..growing import check_room, lengthen, take_back
from ..logs.recovering import refuse_open_log
from ..mapped import MappedFile
from ..paths import leads_to
from ..unfinished import MARK, Plan, free_journal, journal_of, refuse_unfinished_edit
from .journal import LARGEST_ROOM, Journal, Phase, check_pairs, make_folder_durable
from .model import Edit, Options, Original, Part
from .moving import Steps, mismatch
from .new_file import NewFile, explained
from .refusing import refuse_in_place
from .rewrite import check_same
from .survey import survey

# Matches are counted in parts of this many bytes, or of more in a large file: there are a few thousand parts at most.
# Distances in a part take four bytes in the journal.
PART, MOST_PARTS, LARGEST_PART = 1 << 21, 1 << 12, 1 << 30

# Why a file can't be opened to be written to, and what can be done then.
_WAYS_OUT = {
    errno.ETXTBSY: "a rewrite replaces it",
    errno.EACCES: "chmod u+w allows changes",
    errno.EPERM: "chmod u+w allows changes",
}

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def edit_in_place(original: Original, edit: Edit, first: int, options: Options) -> tuple[int, int]:
    """Edits a file whose first match is known. Returns how many were replaced, and its size."""
    target = original.path
    check_pairs(edit.matching.all_pairs)
    refuse_in_place(target, original.status, options.force)
    original.close()  # Windows cuts no file that is mapped
    file = locked(target)
    if file is None:
        raise Busy(target)
    try:
        if not options.force and not system.is_local(file.fd):
            text = "The file's filesystem (network, FUSE, 9p or unknown) may lose an edit in place when it is killed"
            raise OSError(errno.EOPNOTSUPP, f"{text}: force=True (--force) edits it anyway", target)
        before = os.fstat(file.fd)  # on overlayfs to open it for writing has made it another file
        changed = "The file changed before it was edited: edit it again"
        if (before.st_size, before.st_mtime_ns) != (original.status.st_size, original.status.st_mtime_ns):
            raise OSError(errno.EBUSY, changed)
        refuse_unfinished_edit(target, before)
        with _mapped(file, target) as source:
            parts = survey(source, edit, first, options.threads, block=part_of(before.st_size), peaks=True)
        check_same(os.fstat(file.fd), before, changed)
        plan = Plan(
            before.st_dev, before.st_ino, system.birth(file.fd), before.st_size, peak_of(parts), first, edit.most,
            options.durable, system.has_holes(before), 0, target, tuple(edit.matching.all_pairs),
            edit.matching.ignorecase,
        )  # fmt: skip
        return _begin(file, plan, edit, parts, options)
    finally:
        file.close()


def _begin(file: Held, plan: Plan, edit: Edit, parts: list[Part], options: Options) -> tuple[int, int]:
    """Makes the journal, then edits. On an error before the first byte changes nothing is left."""
    target = plan.path
    path = options.journal or free_journal(target, os.fstat(file.fd))
    folder = os.path.dirname(path)
    where = f"the journal must be made in {folder!r}. journal=PATH (--journal) puts it elsewhere"
    with explained(where):
        new = NewFile(folder)
    with new, _Allocation(file, plan) as allocation:
        with explained(where):
            new.create()
            journal = Journal.create(path, new, plan, min(plan.old_size, LARGEST_ROOM))
        with explained(_no_room(plan), *_NO_SPACE):
            allocation.make()
        with journal:
            steps = Steps(file, journal, edit, options.threads, options.progress)
            steps.begin()
            journal.adapt(os.fstat(file.fd))
            with explained(where):
                journal.name()
            _mark(file, path)
            if plan.durable:
                system.make_attributes_durable(file.fd)  # the mark, and what others have written
                journal.make_durable()
            # An Appender that opens the file from now on sees the journal.
            refuse_open_log(target)
            if os.fstat(file.fd).st_size != plan.old_size:
                raise OSError(errno.EBUSY, "The file changed before it was edited: edit it again")
            _check_path(file, target, "The file was removed, renamed or replaced by another before it was edited")
            with resumable(journal):
                journal.keep = allocation.is_used = True
                return go_on(file, steps, parts)


class _Allocation:
    """Blocks behind a file's end for what it grows by, and a mark: both are taken away where no edit begins."""

    def __init__(self, file: Held, plan: Plan) -> None:
        self._file, self._plan = file, plan
        self._is_made = self.is_used = False

    def make(self) -> None:
        plan = self._plan
        check_room(self._file.fd, plan.old_size, plan.full_size)
        if plan.growth:
            self._is_made = True
            system.allocate(self._file.fd, plan.old_size, plan.full_size)

    def __enter__(self) -> _Allocation:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if self.is_used:
            return
        if isinstance(error, KeyboardInterrupt):
            add_note(error, f"{self._plan.path} is unchanged")
        if self._is_made:
            take_back(self._file.fd, self._plan.old_size, self._plan.old_size)
        system.remove_mark(self._file.fd, MARK)


def _no_room(plan: Plan) -> str:
    return f"on its way the file has {plan.full_size} bytes, {plan.growth} more than now"


@contextmanager
def _mapped(file: Held, path: str, size: int | None = None) -> Iterator[MappedFile]:
    """The file, mapped. By a description of its own: in a forked child one of ours would keep the lock."""
    with Open() as own:
        try:
            system.open_again_into(own, file.fd, os.O_RDONLY)
            source = MappedFile(own.fd, size=size)
        except ours(FileNotFoundError):
            source = MappedFile(file.fd, size=size)
    with source:
        source.name = path
        yield source


def _check_path(file: Held, path: str, text: str) -> None:
    """OSError where a path isn't that of the file any more."""
    if not leads_to(path, file.fd):
        raise OSError(errno.EBUSY, text)


def _mark(file: Held, path: str) -> None:
    """Has the file tell where its journal is, whatever name it is found by. Warns where that would be missed."""
    status = os.fstat(file.fd)
    is_beside = os.path.basename(path) == os.path.basename(journal_of(path, status))
    if not system.mark(file.fd, MARK, os.fsencode(path)) and (not is_beside or status.st_nlink > 1):
        warn(
            f"the file can't be given an attribute that names its journal: if the edit is killed, recover needs "
            f"the journal's path, {path!r}"
        )


def go_on(file: Held, steps: Steps, parts: list[Part] | None = None) -> tuple[int, int]:
    """Brings an edit to its end from where it is. `parts` are those of the source before it was moved."""
    plan = steps.journal.plan
    if steps.state.phase is Phase.SHIFT:
        if parts is None and steps.state.position == plan.old_size:
            with _mapped(file, steps.path, plan.old_size) as source:
                _check_growth(steps, _rest(source, steps, plan.start), plan.growth)
        if os.fstat(file.fd).st_size < plan.full_size:
            with explained(_no_room(plan), *_NO_SPACE):
                lengthen(file.fd, plan.full_size)
            steps.sync()
        steps.shift()
        state = steps.state
        steps.commit(state._replace(phase=Phase.EDIT, position=plan.start + plan.growth, place=plan.start))
    if steps.state.phase is not Phase.CUT:
        with _mapped(file, steps.path) as source:
            if parts is None:
                parts = _rest(source, steps, steps.state.position)
                if steps.state.phase is Phase.EDIT:
                    _check_growth(steps, parts, steps.state.position - steps.state.place)
            elif plan.growth:
                parts = [replace(part, start=part.start + plan.growth, end=part.end + plan.growth) for part in parts]
            parts = [part for part in parts if part.start < part.end]
            if steps.state.phase is Phase.PATCH:
                steps.patch(source, parts)
            else:
                steps.edit_forwards(source, parts)
        steps.commit(
            steps.state._replace(phase=Phase.CUT, place=plan.full_size if steps.patches else steps.state.place)
        )
    return _end(file, steps)


def _rest(source: MappedFile, steps: Steps, start: int) -> list[Part]:
    """What is yet to be edited, from a place on."""
    rest = Edit(steps.edit.matching, steps.state.left)
    return survey(source, rest, start, steps.threads, block=part_of(len(source)), peaks=True)


def _check_growth(steps: Steps, parts: list[Part], room: int) -> None:
    """OSError where another process has written more matches than there were."""
    if peak_of(parts) > room:
        raise mismatch(steps.journal.path, "it has more matches than before, and there is no room for them")


def _end(file: Held, steps: Steps) -> tuple[int, int]:
    """Cuts the file where it is edited to, and removes the journal."""
    journal, (_, _, size, _, replaced) = steps.journal, steps.state
    if not steps.is_cut and os.fstat(file.fd).st_size != size:
        system.truncate(file.fd, size)
    steps.keep_mode()
    steps.sync()
    journal.remove()
    system.remove_mark(file.fd, MARK)
    if journal.durable:
        make_folder_durable(os.path.dirname(journal.path))
    steps.end()
    _check_path(file, steps.path, "It is edited, but was removed, renamed or replaced by another file meanwhile")
    return replaced, size


class resumable:
    """Says of what is raised while a file is half edited that it is, and how the edit is brought to its end."""

    __slots__ = ("_journal", "_path")

    def __init__(self, journal: Journal, path: str | None = None) -> None:
        self._journal, self._path = journal, path or journal.plan.path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if error is None:
            return
        if not self._journal.keep:
            add_note(error, f"{self._path} is edited")
            return
        text = f"{self._path} is half edited: fastmmap.recover, or the same edit again, goes on"
        text += f" (journal {self._journal.path!r})"
        if isinstance(error, OSError) and is_ours(error) and error.strerror is not None:
            error.strerror = f"{error.strerror}. {text}"
        else:
            add_note(error, text)


# --- the file ---


class Busy(OSError):
    """Somebody else edits the file."""

    def __init__(self, path: str) -> None:
        text = "Another process, or thread, edits the file in place, or holds its lock (flock)"
        super().__init__(errno.EBUSY, text, path)


def locked(path: str) -> Held | None:
    """A file, open to be written to, with its lock; None where somebody else has that."""
    try:
        file = Held.of(system.calls.open, path, os.O_RDWR | system.CAREFULLY)
    except ours(OSError) as error:
        if error.errno in _WAYS_OUT:
            text = f"The file can't be written to ({error.strerror}): {_WAYS_OUT[error.errno]}"
            raise OSError(error.errno, text, path) from None
        raise
    try:
        if system.lock(file.fd, wait=False):
            return file
    except BaseException:
        file.close()
        raise
    file.close()
    return None


def part_of(size: int) -> int:
    """How large a part of a file is in which matches are counted."""
    return min(max(PART, -(-size // MOST_PARTS)), LARGEST_PART)


def peak_of(parts: list[Part]) -> int:
    """By how many bytes at most the replacements make a file longer, from its start to any of them."""
    grown = peak = 0
    for part in parts:
        peak = max(peak, grown + part.peak)
        grown += part.grown
    return peak
