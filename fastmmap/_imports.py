"""Modules that are imported when they are first needed: each would cost every start of the package milliseconds.

A fork that another thread makes meanwhile would leave its child with half of a module, and a lock on it that nobody
gives back. So a fork waits until such an import is over. A signal handler that comes into one would find half of a
module, or leave half by an error. So the main thread, where handlers run, has another one import, and waits for it.
"""

from __future__ import annotations

import os
import sys
import threading
from _thread import RLock, allocate_lock, get_ident, stack_size, start_new_thread
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .blame import ours

if TYPE_CHECKING:  # whoever gathers what a program imports finds it here
    import ctypes as ctypes
    import tempfile as tempfile

    import numpy as numpy

# How many seconds a fork, and the main thread, wait. What an import waits for may be a lock that they have themselves.
PATIENCE = 10

# An import runs much code, for which small stacks that somebody has asked for may not do.
STACK = 1 << 20

_loaded: dict[str, Any] = {}
_lock = RLock()  # an import may fork, or come here, too


def load(name: str) -> Any:
    """A module, imported if it is the first time."""
    module = _loaded.get(name)
    if module is None:
        # What is in sys.modules is there, or somebody is at it: perhaps this thread, which must not wait for itself.
        if name in sys.modules or not _elsewhere(name):
            _import(name)
        module = _loaded[name]
    return module


def _import(name: str) -> None:
    with _lock:
        _loaded[name] = import_module(name)


def _elsewhere(name: str) -> bool:
    """Has another thread import a module, if this is the main one; False where that can't be, or takes too long."""
    if get_ident() != threading.main_thread().ident or sys.is_finalizing() or 0 < stack_size() < STACK:
        return False
    done, errors = allocate_lock(), []

    def work() -> None:
        with _lock:  # given back after `done`: who is forked from here on need not wait
            try:
                _import(name)
            except BaseException as error:
                errors.append(error)
            done.release()

    done.acquire()
    try:
        start_new_thread(work, ())
    except ours(RuntimeError, MemoryError, OSError):
        return False
    if not done.acquire(timeout=PATIENCE):
        return False
    if errors:
        raise errors[0]
    return True


def _before_fork() -> None:
    _lock.acquire(timeout=PATIENCE)


def _after_in_parent() -> None:
    with suppress(RuntimeError):  # it wasn't to be had
        _lock.release()


def _after_in_child() -> None:
    global _lock
    try:
        _lock.release()
    except RuntimeError:
        _lock = RLock()  # whoever had it isn't here


if hasattr(os, "register_at_fork"):  # once, for this process and what is forked from it
    os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
