"""Brings edits in place to their end that were left half done."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass

from .. import beside, system
from ..blame import ignoring
from ..descriptors import Held
from ..errors import naming
from ..pairs import Pairs
from ..parallel import workers
from ..paths import is_taken
from .in_place import Busy, go_on, locked, resumable
from .journal import Journal, Plan, is_journal
from .matching import matching_of
from .model import Edit, Options
from .moving import Steps, mismatch


@dataclass(frozen=True)
class Resumed:
    """An edit that was brought to its end: what it was, and what it has done."""

    plan: Plan
    count: int
    new_size: int

    def is_same(self, edit: Edit) -> bool:
        """Whether it is that edit."""
        return self.plan.pairs == tuple(edit.matching.all_pairs) and self.plan.most == edit.most


def resume(path: str, options: Options) -> Resumed | None:
    """Brings an edit in place of a file to its end, if one was left. OSError (EBUSY) where somebody is at it."""
    status = os.stat(path)
    with naming(path, always=True):
        file = _journal_for(path, status, options)
    if file is None:
        return None
    try:
        target = locked(path)
        if target is None:
            raise Busy(path)
        try:
            return _resume(file, path, target, options)
        finally:
            target.close()
    finally:
        file.close()


def _journal_for(path: str, status: os.stat_result, options: Options) -> Held | None:
    """The journal of a file, open: where it is looked for, or where the caller says that one is to be."""
    file = beside.unfinished_edit(path, status)
    if file is None and options.journal is not None and is_taken(options.journal):
        if not is_journal(options.journal):
            text = "The journal's path is that of another file, which is left alone: choose a free one"
            raise FileExistsError(errno.EEXIST, text)
        file = beside.adopt(options.journal)
        file.names = options.journal
        beside.check_trust(file.fd, options.journal, status)
    return file


def _resume(file: Held, path: str, target: Held, options: Options) -> Resumed | None:
    """`resume` with the file and its journal open, and the lock held."""
    status = os.fstat(target.fd)
    journal = Journal.read(file)
    journal.keep = True
    if not journal.is_there():
        return None  # it was brought to its end just now
    plan = journal.plan
    birth = system.birth(target.fd)
    is_beside = journal.path == beside.journal_of(path, status)
    if plan.inode != status.st_ino:
        if not is_beside:
            return None  # this file is a copy, perhaps, with the attributes of the one whose journal it is
        raise mismatch(journal.path, "it has another inode")
    if plan.birth and birth:
        if plan.birth != birth:  # that file is gone, and this one has got its inode
            if is_beside:
                journal.remove()
            return None
    elif plan.device != status.st_dev:
        raise mismatch(journal.path, "it is on another device")
    edit = Edit(matching_of(Pairs(dict(plan.pairs))), plan.most)
    steps = Steps(target, journal, edit, options.threads, options.progress)
    with naming(path, always=True):
        steps.resume()
        steps.path = path
        with resumable(journal, path):
            count, size = go_on(target, steps)
    return Resumed(plan, count, size)


def recover_edit(path: str) -> bool:
    """`recover` of a file, or of a journal."""
    if is_journal(path):
        return recover_journal(path)
    return _recover(path, None)


def recover_journal(path: str) -> bool:
    """Brings the edit to its end whose journal it is. Whether anything was done."""
    file = beside.adopt(path)
    try:
        file.names = path
        target = _target_of(Journal.read(file).plan, path)
    finally:
        file.close()
    return _recover(target, path)


def journals_in(folder: str) -> Iterator[str]:
    """The paths of all that are named as journals are."""
    for name in sorted(os.listdir(folder)):
        if name.startswith(beside.PREFIX) and name.endswith(beside.JOURNAL):
            yield os.path.join(folder, name)


def _recover(path: str, journal: str | None) -> bool:
    try:
        return resume(path, Options(True, False, None, journal, False, workers(None), None)) is not None
    except Busy:
        return False


def _target_of(plan: Plan, journal: str) -> str:
    """Where the file of a journal is: where it was, or under another name beside the journal."""
    folder = os.path.dirname(journal)
    names = [plan.path, *(os.path.join(folder, name) for name in sorted(os.listdir(folder)))]
    for name in names:
        with ignoring(OSError):
            if os.lstat(name).st_ino == plan.inode:
                return name
    text = f"The file of the journal isn't at {plan.path!r} any more. If it is gone for good, remove the journal"
    raise OSError(errno.ENOENT, text, journal)
