"""Modules that are imported when they are first needed: each would cost every start of the package milliseconds.

A fork that another thread makes meanwhile would leave its child with half of a module, and a lock on it that nobody
gives back. So a fork waits until such an import is over. Small modules are imported where everybody expects it.
"""

from __future__ import annotations

import os
from _thread import RLock
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # whoever gathers what a program imports finds it here
    import ctypes as ctypes
    import tempfile as tempfile

    import numpy as numpy

# How long a fork waits. Somebody else's lock that is taken for forks may be what the import waits for.
PATIENCE = 10

_loaded: dict[str, Any] = {}
_lock = RLock()  # a signal handler may fork, or come here, in the middle of an import


def load(name: str) -> Any:
    """A module, imported if it is the first time."""
    module = _loaded.get(name)
    if module is None:
        with _lock:
            module = _loaded[name] = import_module(name)
    return module


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
