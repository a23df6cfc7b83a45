"""Modules that are imported when they are first needed: each would cost every start of the package milliseconds.

A fork that another thread makes meanwhile would leave its child with half of a module, and a lock on it that nobody
gives back. So a fork waits until such an import is over. A signal handler that comes into one would find half of a
module, or leave half by an error, and on a small stack an import ends the process. So the thread that needs a module
has another one import, on a stack that is large enough and where no handler runs, and waits for it.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock, allocate_lock, get_ident, stack_size, start_new_thread
from contextlib import suppress
from importlib import import_module
from time import monotonic, sleep

from .blame import ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

if TYPE_CHECKING:  # tools that collect a program's imports find them here
    import ctypes as ctypes
    import tempfile as tempfile

    import numpy as numpy

__all__ = ["RLock", "allocate_lock", "get_ident", "is_whole", "load", "start_new_thread"]

# How many seconds a fork waits, and who needs a module: what the import waits for may be a lock that they have.
PATIENCE = 10

# What threads usually have: an import runs much code, and its thread's maker may have asked for small stacks.
STACK = 8 << 20

_loaded: dict[str, Any] = {}
_lock = RLock()  # an import may fork, or come here, too
_sizing = RLock()  # of who sets the size of stacks, for microseconds
_importing: set[int] = set()  # the threads that import for others
_pending: set[str] = set()  # what they import


def load(name: str) -> Any:
    """A module, imported if it is the first time."""
    module = _loaded[name] if name in _loaded else None  # noqa: SIM401  `get` locks it: see blame.is_ours
    if module is None:
        _wait_for(name)
        # What is in sys.modules is there, or somebody is at it: perhaps this thread, which must not wait for itself.
        if name not in sys.modules:
            _import_elsewhere(name)
        module = import_module(name)
        if is_whole(module):
            _loaded[name] = module
    return module


def is_whole(module: Any) -> bool:
    """Whether the import of a module is over. Half of one, as its own import gets it here, may be given up yet."""
    return not getattr(getattr(module, "__spec__", None), "_initializing", False)


def _wait_for(name: str) -> None:
    """Returns when no thread of ours is importing a module, or that takes too long.

    A signal handler may come into the wait for one, and need it, too; and so may another that comes into this. Python's
    own lock of a module doesn't bear that: on CPython 3.11 it is a KeyError, or a wait without end.
    """
    if get_ident() not in _importing:
        end = monotonic() + PATIENCE
        while name in _pending and monotonic() < end:
            sleep(0.0005)


def _import_elsewhere(name: str) -> None:
    """Has another thread import a module. Where that takes too long, it isn't there yet."""
    if get_ident() in _importing or sys.is_finalizing():
        return
    done, errors = allocate_lock(), []

    def work() -> None:
        _importing.add(get_ident())
        _pending.add(name)
        with _lock:  # given back after `done`: who is forked from here on need not wait
            try:
                import_module(name)
            except BaseException as error:
                errors.append(error)
            _pending.discard(name)
            _importing.discard(get_ident())
            done.release()

    done.acquire()
    try:
        _start(work)
    except ours(RuntimeError, MemoryError, OSError):
        with _lock:
            import_module(name)
        return
    done.acquire(timeout=PATIENCE)
    if errors:
        raise errors[0]


def _start(work: Callable[[], None]) -> None:
    """Starts a thread with a stack of STACK: for that, the size of all that are started is another for a moment.

    By one thread at a time: another could set it back before this one has started.
    """
    with _sizing:
        before = stack_size(STACK)
        try:
            start_new_thread(work, ())
        finally:
            now = stack_size(before)
            if now != STACK:  # somebody has set it meanwhile
                stack_size(now)


def _before_fork() -> None:
    _lock.acquire(timeout=PATIENCE)


def _after_in_parent() -> None:
    with suppress(RuntimeError):  # it wasn't to be had
        _lock.release()


def _after_in_child() -> None:
    global _lock, _sizing
    _sizing = RLock()
    _importing.intersection_update({get_ident()})
    _pending.clear()  # the threads that were at it aren't in this process
    try:
        _lock.release()
    except RuntimeError:
        _lock = RLock()  # its owner thread isn't in this process


if hasattr(os, "register_at_fork"):  # once, for this process and what is forked from it
    os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
