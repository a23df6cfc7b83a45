"""Turns at a path: one process at a time looks which file is there, writes to it, or puts another in its place.

The lock of a log (lock.py) belongs to a file, whatever it is called. A turn belongs to a path, whatever file is there:
it is what keeps a rotation from coming between a writer's look at the path and its write.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import weakref
from typing import Any

from .. import beside, system
from .._imports import RLock
from ..beside import Untrusted, adapt, check_trust, permissions
from ..blame import ignoring, ours
from ..descriptors import Held
from ..paths import leads_to, resolved

# Why a process has no part in the turn: it may not make or use its file. And why nobody has: there are no such locks.
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ENOLCK)
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS)


class Turn:
    """The turn at one path, of which a process has one object. A thread that has it may take it again."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.refusal = ""  # why other processes take no notice of it
        self.is_refused = False  # whether they have one that this process has no part in: it mustn't rotate
        name = hashlib.sha256(os.fsencode(os.path.basename(path))).hexdigest()[:16]
        self._lock_path = os.path.join(os.path.dirname(path), f"{beside.PREFIX}{name}.turn")
        self._given_back = 0  # how often
        self._start_anew()

    def _start_anew(self) -> None:
        self._file = Held(-1)
        self._mutex = RLock()
        self._depth = 0
        self._may_have_it = False  # whether the thread that has the mutex may have the turn, without a depth yet

    def __enter__(self) -> None:
        self._mutex.acquire()
        before_us = self._may_have_it  # a signal handler has come in there: this is its call
        try:
            self._may_have_it, again = True, before_us
            while self._depth == 0:
                if again:  # on Windows a descriptor would wait for itself
                    self._give_back()
                before = self._given_back
                self._take(waits=True)
                if self._given_back == before:  # no signal handler has come in that took it and gave it back
                    break
                again = True
            self._depth += 1
            self._may_have_it = before_us
        except BaseException:
            self._may_have_it = before_us
            if self._depth == 0:
                self._file.close()  # which gives it back, whatever there was
            self._mutex.release()
            raise

    def __exit__(self, *exception: Any) -> None:
        if self._depth == 0:
            return  # this is a forked child, which has begun anew
        before_us, self._may_have_it = self._may_have_it, True
        self._depth -= 1
        try:
            if self._depth == 0:
                self._give_back()
        finally:
            self._may_have_it = before_us
            self._mutex.release()

    def _give_back(self) -> None:
        self._given_back += 1
        if self._file.fd >= 0:
            try:
                system.unlock(self._file.fd)
            except BaseException:
                self._file.close()
                raise

    def is_free(self) -> bool:
        """Whether nobody has it at this moment, but for this thread."""
        if not self._mutex.acquire(False):
            return False
        before_us, self._may_have_it = self._may_have_it, True
        try:
            if self._depth:
                return True
            if not self._take(waits=False):
                return False
            self._give_back()
            return True
        finally:
            self._may_have_it = before_us
            self._mutex.release()

    def _take(self, waits: bool) -> bool:
        """Locks the file, which is made if it isn't there; False if another process has it.

        Where this process may not do so, it goes on without: `is_refused`.
        """
        while True:
            try:
                if self._file.fd < 0:
                    self._file = self._opened()
                if not system.lock(self._file.fd, waits):
                    return False
            except ours(OSError) as error:
                if not isinstance(error, Untrusted) and error.errno not in (*_REFUSED, *_UNSUPPORTED):
                    raise
                self._file.close()
                self.refusal, self.is_refused = str(error.strerror), error.errno not in _UNSUPPORTED
                return True
            if leads_to(self._lock_path, self._file.fd, follow=False):
                self.refusal, self.is_refused = "", False
                return True
            self._file.close()  # somebody has removed it

    def _opened(self) -> Held:
        """The file. Who may rename in the folder may use it, as far as that is told by its owner, group and mode."""
        status = os.stat(os.path.dirname(self.path))
        if status.st_mode & stat.S_ISVTX:  # where others may rename only what is theirs
            status = os.stat_result((status.st_mode & ~0o022, *status[1:10]))
        file = beside.adopt(self._lock_path, permissions(status))
        if os.fstat(file.fd).st_uid == system.user():
            adapt(file.fd, status)
            if status.st_mode & 0o002:  # where everybody may rename, whatever group the file is of
                system.set_mode(file.fd, 0o666)
        check_trust(file.fd, self._lock_path, status, shared=True)
        return file

    def remove(self) -> None:
        """Removes the file, if nobody has the turn. The next writer makes it again."""
        with ignoring(OSError), self._mutex:
            if self._depth == 0 and not self._may_have_it and self._file.fd >= 0:
                self._may_have_it, before = True, self._given_back
                try:
                    if self._take(waits=False) and self._file.fd >= 0 and self._given_back == before:
                        system.remove(self._lock_path)
                    self._file.close()
                finally:
                    self._may_have_it = False


def is_turn(name: str) -> bool:
    """Whether a file is named as those of turns are."""
    return name.startswith(beside.PREFIX) and name.endswith(".turn")


def remove_unused(path: str) -> None:
    """Removes the file of a turn that nobody has, if it is ours."""
    with ignoring(OSError):
        file = beside.adopt(path)
        is_free = os.fstat(file.fd).st_uid == system.user() and system.lock(file.fd, wait=False)
        if is_free and leads_to(path, file.fd, follow=False):
            system.remove(path)


_turns: weakref.WeakValueDictionary[str, Turn] = weakref.WeakValueDictionary()
_finding = RLock()


def turn_at(path: str) -> Turn:
    """The turn at a path. Links to its folder are followed, but not the path itself: a rotation renames a link."""
    folder, name = os.path.split(os.path.abspath(path))
    path = os.path.join(resolved(folder), name)
    with _finding:
        turn = _turns.get(path)
        if turn is None:
            turn = _turns[path] = Turn(path)
        return turn


def _start_anew_in_child() -> None:
    global _finding
    _finding = RLock()
    for turn in list(_turns.values()):
        turn._start_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew_in_child)
