"""Brings edits in place to their end that were left half done."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass

from .. import beside, system
from ..blame import ignoring, ours
from ..descriptors import Held
from ..errors import naming
from ..pairs import Pairs
from ..parallel import workers
from ..paths import is_taken
from ..unfinished import SUFFIX, Plan, is_journal, read_plan, stale_journal, unfinished_edit
from .in_place import Busy, go_on, locked, resumable
from .journal import Journal
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
        plan, matching = self.plan, edit.matching
        same = plan.pairs == tuple(matching.all_pairs) and plan.ignorecase == matching.ignorecase
        return same and plan.most == edit.most


def resume(path: str, options: Options) -> Resumed | None:
    """Brings an edit in place of a file to its end, if one was left. OSError (EBUSY) where somebody is at it."""
    status = os.stat(path)
    with naming(path, always=True):
        file = None if options.journal is None else _named_journal(options.journal)
        if file is None:
            file = unfinished_edit(path, status)
    if file is None:
        _remove_stale(path, status)
        return None
    try:
        target = locked(path)
        if target is None:
            raise Busy(path)
        try:
            with naming(path, always=True):
                return _resume(file, path, target, options)
        finally:
            target.close()
    finally:
        file.close()


def _named_journal(path: str) -> Held | None:
    """The journal that the caller names, open, if there is one."""
    if not is_taken(path):
        return None
    if not is_journal(path):
        text = f"The journal's path {path!r} is that of another file, which is left alone: choose a free one"
        raise FileExistsError(errno.EEXIST, text)
    return beside.adopt(path)


def _remove_stale(path: str, status: os.stat_result) -> None:
    """Removes the journal of a file that is gone, where it has the name that this one's would have."""
    with ignoring(OSError):
        name = stale_journal(path, status)
        if name is not None:
            system.remove(name)


def _resume(file: Held, path: str, target: Held, options: Options) -> Resumed | None:
    """`resume` with the file and its journal open, and the lock held."""
    status = os.fstat(target.fd)
    beside.check_trust(file.fd, file.path, status, shared=True)  # another file may have taken the path's place
    journal = Journal.read(file)
    if not journal.is_there():
        return None  # it was brought to its end just now
    if not journal.plan.is_of(status, system.birth(target.fd)):
        raise mismatch(journal.path, "it is another file")
    journal.durable |= options.durable
    plan = journal.plan
    edit = Edit(matching_of(Pairs.of(plan.pairs, plan.ignorecase)), plan.most)
    steps = Steps(target, journal, edit, options.threads, options.progress)
    steps.path = path
    steps.resume()
    with resumable(journal, path):
        count, size = go_on(target, steps)
    return Resumed(plan, count, size)


def recover_edit(path: str) -> bool:
    """`recover` of a file, or of a journal."""
    if is_journal(path):
        return recover_journal(path)
    return _recover(path, None)


def recover_journal(path: str) -> bool:
    """Brings the edit to its end whose journal it is. Whether anything was done.

    Untrusted for what somebody has planted.
    """
    file = beside.adopt(path)
    try:
        user, folder = os.fstat(file.fd).st_uid, os.path.dirname(path)
        try:
            plan = read_plan(file)
        except ours(OSError) as error:
            if user in (system.user(), os.stat(folder).st_uid):
                raise
            raise beside.Untrusted(path, f"it belongs to user {user}, and isn't whole: {error.strerror}") from None
        target = _target_of(plan, path)
        beside.check_trust(file.fd, path, os.stat(target), shared=True)
    finally:
        file.close()
    return _recover(target, path)


def journals_in(folder: str) -> Iterator[str]:
    """The paths of all that are named as journals are."""
    for name in sorted(os.listdir(folder)):
        if name.startswith(beside.PREFIX) and name.endswith(SUFFIX):
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
            if plan.is_of(os.lstat(name), system.birth(name)):
                return name
    text = f"The file of the journal isn't at {plan.path!r} any more. If it is gone for good, remove the journal"
    raise OSError(errno.ENOENT, text, journal)
