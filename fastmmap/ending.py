"""The end of a process, and forks: what becomes of the appenders that are open then."""

from __future__ import annotations

import atexit
import os
import sys
import time
import weakref
from _thread import get_ident
from typing import TYPE_CHECKING, Any

from . import ticking
from .draining import let_go_in_child

if TYPE_CHECKING:
    from .appending import Appender

# Those of this process that are open, or were.
appenders: weakref.WeakSet[Appender] = weakref.WeakSet()

# Whether the interpreter ends: records go to the log itself then.
_ended = False

# The thread that ends the stages, while it does, and the appenders whose stages it has yet to end.
_ender = 0
_left: list[Appender] = []

# Whether the end of this process, if it is multiprocessing's, is known to us.
_known = False

# How long it takes until those that stand still are looked at again.
_PAUSE = 0.005

_sleep = time.sleep


def has_ended() -> bool:
    """Whether no stage is to be made any more, because nobody would drain it."""
    return _ended


@atexit.register
def _end_all() -> None:
    """Drains and removes all stages of this process, when it ends.

    Those first that can be drained at once. One that can't, as its lock is held or its pipe is full, is waited for, but
    nobody's records wait for another's.
    """
    global _ended, _ender
    _ended, _ender = True, get_ident()
    failure = None
    _left[:] = appenders
    try:
        while _left:
            for appender in _left[:]:
                try:
                    ended = appender.end_if_free()
                except BaseException as error:
                    ended, failure = True, error
                if ended:
                    _left.remove(appender)
            if _left:
                _sleep(_PAUSE)
    finally:
        _left.clear()
    if failure is not None:
        raise failure


def give_way(appender: Appender) -> None:
    """Waits, as the process ends, until an appender's stage was ended, in a thread that goes on with it nevertheless.

    One that takes its lock over and over would keep the process from its end. Whoever has the lock doesn't wait.
    """
    while appender in _left and get_ident() != _ender:
        _sleep(_PAUSE)


def end_with_child() -> None:
    """Has stages drained at the end of a process that multiprocessing has forked, which runs no exit handlers."""
    global _known
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None and not _known and sys.modules["multiprocessing.process"].parent_process() is not None:
        _known = True
        util.Finalize(None, _end_all, exitpriority=0)


def start_anew_in_child() -> None:
    """After a fork the parent writes what is staged; the child's stage is its own, made with its first record."""
    global _known
    let_go_in_child()
    ticking.forget()
    _known = False
    _left.clear()
    for appender in list(appenders):
        appender.start_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=start_anew_in_child)
