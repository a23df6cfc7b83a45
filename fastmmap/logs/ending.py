"""The end of a process, and forks: how open appenders are ended or reset."""

from __future__ import annotations

import atexit
import os
import sys
import time
import weakref
from _thread import get_ident

from ..descriptors import let_go_in_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .appender import Appender

# Those of this process that are open, or were, by their ids. (A WeakSet can't be listed while other threads add to it.)
_appenders: weakref.WeakValueDictionary[int, Appender] = weakref.WeakValueDictionary()

# The logs and stages of open appenders, by the ids of those. They are kept here, because a collector finalizes what a
# cycle leads to in any order: it would close the log of an appender in one before that has written its last records.
kept: dict[int, Any] = {}

# How many seconds until blocked appenders are tried again.
_PAUSE = 0.005

_sleep = time.sleep


class _End:
    """The end of this process: which appenders have yet to be ended, and by whom."""

    def __init__(self) -> None:
        self.has_begun = False  # records go to the log itself then
        self.thread = 0  # that ends the stages, while it does
        self.left: list[Appender] = []
        self.is_expected = False  # by multiprocessing, if this process is one of its own


_end = _End()


def remember(appender: Appender) -> None:
    """Has an appender be one of this process, as long as there is it."""
    _appenders[id(appender)] = appender
    keep(appender)


def keep(appender: Any) -> None:
    """Has `kept` what an appender has now, if it is remembered."""
    if id(appender) in _appenders:
        kept[id(appender)] = appender._log, appender._stage


def appenders() -> list[Appender]:
    """Those of this process that are open, or were: in one step, whatever other threads open meanwhile."""
    return [appender for known in _appenders.valuerefs() if (appender := known()) is not None]


def has_ended() -> bool:
    """Whether no stage is to be made any more, because nobody would drain it."""
    return _end.has_begun


@atexit.register
def _end_all() -> None:
    """Drains and removes all stages of this process, when it ends.

    Those first that can be drained at once. One that can't, as its lock is held or its pipe is full, is waited for, but
    nobody's records wait for another's.
    """
    _end.has_begun, _end.thread = True, get_ident()
    failure, left = None, _end.left
    left[:] = appenders()
    try:
        while left:
            for appender in left[:]:
                try:
                    ended = appender._end_if_free()
                except BaseException as error:
                    ended, failure = True, error
                if ended:
                    left.remove(appender)
            if left:
                _sleep(_PAUSE)
    finally:
        left.clear()
    if failure is not None:
        raise failure


def give_way(appender: Any) -> None:
    """Waits, as the process ends, until an appender's stage was ended, in a thread that goes on with it nevertheless.

    One that takes its lock over and over would keep the process from its end. Whoever has the lock doesn't wait.
    """
    while appender in _end.left and get_ident() != _end.thread:
        _sleep(_PAUSE)


def end_with_child() -> None:
    """Has stages drained at the end of a process that multiprocessing has forked, which runs no exit handlers."""
    util: Any = sys.modules.get("multiprocessing.util")
    if util is None or _end.is_expected or sys.modules["multiprocessing.process"].parent_process() is None:
        return
    _end.is_expected = True
    util.Finalize(None, _end_all, exitpriority=0)


def start_anew_in_child() -> None:
    """After a fork the parent writes what is staged; the child's stage is its own, made with its first record."""
    beside: Any = sys.modules.get("fastmmap.beside")  # without which there is no lock
    if let_go_in_child() and beside is not None:
        beside.close_locks()
    ticker: Any = sys.modules.get("fastmmap.logs.ticker")
    if ticker is not None:
        ticker.forget()
    _end.is_expected = False
    _end.left.clear()
    for appender in appenders():
        appender._start_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=start_anew_in_child)
