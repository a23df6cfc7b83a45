"""Edits a file in place: the same inode, any lengths, without a second copy, finished after a kill.

The matches are counted first, so it is known by how much the file grows at most on the way: the rest is moved up by
that, then edited from its start on and moved down, so that what is written never overtakes what is read. A journal
beside the file says how far that is; whoever holds the file's lock (flock) works on it.
"""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import Any

from .. import beside, system
from ..blame import ignoring, is_ours
from ..descriptors import Held, Open
from ..errors import add_note, warn
from ..growing import check_room, lengthen, take_back
from ..logs.recovering import refuse_open_log
from ..mapped import MappedFile
from ..paths import leads_to
from .journal import LARGEST_ROOM, Journal, Phase, Plan, check_pairs
from .model import Edit, Options, Original, Part
from .moving import Steps, mismatch
from .new_file import NewFile, explained
from .refusing import refuse_in_place
from .rewrite import check_same
from .sparse import has_holes
from .survey import survey

# Matches are counted in parts of this many bytes, or of more in a large file: there are a few thousand parts at most.
# Distances in a part take four bytes in the journal.
PART, MOST_PARTS, LARGEST_PART = 1 << 20, 1 << 12, 1 << 30

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def edit_in_place(original: Original, edit: Edit, first: int, options: Options) -> tuple[int, int]:
    """Edits a file whose first match is known. Returns how many were replaced, and its size."""
    target, before = original.path, original.status
    check_pairs(edit.matching.all_pairs)
    refuse_in_place(target, before, options.force)
    file = locked(target)
    if file is None:
        raise Busy(target)
    try:
        if not options.force and not system.is_local(file.fd):
            text = "The file's filesystem (network, FUSE, 9p or unknown) may lose an edit in place when it is killed"
            raise OSError(errno.EOPNOTSUPP, f"{text}: force=True (--force) edits it anyway", target)
        check_same(os.fstat(file.fd), before, "The file changed before it was edited: edit it again")
        parts = survey(original.data, edit, first, options.threads, block=part_of(before.st_size), peaks=True)
        plan = Plan(
            before.st_dev, before.st_ino, system.birth(file.fd), before.st_mode, before.st_size, peak_of(parts), first,
            edit.most, options.durable, has_holes(before), target, tuple(edit.matching.all_pairs),
        )  # fmt: skip
        return _begin(file, plan, edit, parts, options)
    finally:
        file.close()


def _begin(file: Held, plan: Plan, edit: Edit, parts: list[Part], options: Options) -> tuple[int, int]:
    """Makes the journal, then edits. On an error before the first byte changes nothing is left."""
    target, full = plan.path, plan.old_size + plan.growth
    path = options.journal or beside.journal_of(target, os.fstat(file.fd))
    folder = os.path.dirname(path)
    where = f"the journal must be made in {folder!r}. journal=PATH (--journal) puts it elsewhere"
    with explained(where):
        new = NewFile(folder)
    with new, Open() as directory:
        with explained(where):
            new.create()
            if plan.durable:
                system.open_directory_into(directory, folder)
            journal = Journal.create(path, new, plan, min(plan.old_size, LARGEST_ROOM))
        try:
            with explained(f"on its way the file has {full} bytes, {plan.growth} more than now", *_NO_SPACE):
                check_room(file.fd, plan.old_size, full)
                if plan.growth:
                    system.allocate(file.fd, plan.old_size, full)
            with journal:
                steps = Steps(file, journal, edit, options.threads, options.progress)
                steps.begin()
                journal.adapt(os.fstat(file.fd))
                if plan.durable:
                    system.make_durable(new.fd)
                with explained(where):
                    journal.name()
                if options.journal is not None:
                    _mark(file, plan, path)
                if plan.durable:
                    system.make_names_durable(directory.fd)
                # An Appender that opens the file from now on sees the journal.
                refuse_open_log(target)
                if os.fstat(file.fd).st_size != plan.old_size:
                    raise OSError(errno.EBUSY, "The file changed before it was edited: edit it again")
                _check_path(file, target, "The file was removed, renamed or replaced by another before it was edited")
                with resumable(journal):
                    journal.keep = True
                    return go_on(file, steps, parts)
        except BaseException:
            if not journal.keep:
                take_back(file.fd, plan.old_size, plan.old_size)  # the blocks behind the end
                system.remove_mark(file.fd, beside.MARK)
            raise


def _check_path(file: Held, path: str, text: str) -> None:
    """OSError where a path isn't that of the file any more."""
    if not leads_to(path, file.fd):
        raise OSError(errno.EBUSY, text)


def _mark(file: Held, plan: Plan, path: str) -> None:
    """Has the file tell where its journal is."""
    if not system.mark(file.fd, beside.MARK, os.fsencode(path)):
        warn(
            f"{plan.path!r} can't be given an attribute that names its journal: if the edit is killed, recover needs "
            f"the journal's path, {path!r}"
        )


def go_on(file: Held, steps: Steps, parts: list[Part] | None = None) -> tuple[int, int]:
    """Brings an edit to its end from where it is. `parts` are those of the source before it was moved."""
    journal, edit = steps.journal, steps.edit
    plan = journal.plan
    full = plan.old_size + plan.growth
    if steps.state.phase is Phase.SHIFT:
        if os.fstat(file.fd).st_size < full:
            with explained(f"on its way the file has {full} bytes, {plan.growth} more than now", *_NO_SPACE):
                lengthen(file.fd, full)
            steps.sync()
        steps.shift()
        state = steps.state
        steps.commit(state._replace(phase=Phase.EDIT, position=plan.start + plan.growth, place=plan.start))
    if steps.state.phase is not Phase.CUT:
        with MappedFile(file.fd) as source:
            source.name = steps.path
            if parts is None:
                rest = Edit(edit.matching, steps.state.left)
                block = part_of(plan.old_size)
                parts = survey(source, rest, steps.state.position, steps.threads, block=block, peaks=True)
                if steps.state.phase is Phase.EDIT and peak_of(parts) > steps.state.position - steps.state.place:
                    raise mismatch(journal.path, "it has more matches than before, and there is no room for them")
            elif plan.growth:
                parts = [replace(part, start=part.start + plan.growth, end=part.end + plan.growth) for part in parts]
            parts = [part for part in parts if part.start < part.end]
            if steps.state.phase is Phase.PATCH:
                steps.patch(source, parts)
            else:
                steps.edit_forwards(source, parts)
        steps.commit(steps.state._replace(phase=Phase.CUT, place=full if steps.patches else steps.state.place))
    return _end(file, steps)


def _end(file: Held, steps: Steps) -> tuple[int, int]:
    """Cuts the file where it is edited to, and removes the journal."""
    journal, (_, _, size, _, replaced) = steps.journal, steps.state
    plan = journal.plan
    if os.fstat(file.fd).st_size != size:
        system.truncate(file.fd, size)
    if os.fstat(file.fd).st_mode != plan.mode:  # writing takes away what sets the user
        with ignoring(OSError):
            system.set_mode(file.fd, plan.mode & 0o7777)
    steps.sync()
    journal.remove()
    system.remove_mark(file.fd, beside.MARK)
    if plan.durable:
        with Open() as directory:
            system.open_directory_into(directory, os.path.dirname(journal.path))
            system.make_names_durable(directory.fd)
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
        if error is None or not self._journal.keep:
            return
        with ignoring(OSError):  # what can't be told is taken to be there
            if not self._journal.is_there():
                return
        text = (
            f"{self._path!r} is half edited: recover, or the same edit again, goes on (journal {self._journal.path!r})"
        )
        if isinstance(error, OSError) and is_ours(error) and error.strerror is not None:
            error.strerror = f"{error.strerror}. {text}"
        elif not isinstance(error, KeyboardInterrupt):
            add_note(error, text)


# --- the file ---


class Busy(OSError):
    """Somebody else edits the file."""

    def __init__(self, path: str) -> None:
        text = "Another process, or thread, edits the file in place, or holds its lock (flock)"
        super().__init__(errno.EBUSY, text, path)


def locked(path: str) -> Held | None:
    """A file, open to be written to, with its lock; None where somebody else has that."""
    file = Held(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY))
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
