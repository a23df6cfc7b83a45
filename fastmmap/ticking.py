"""The one thread of a process that drains stages in time: it sleeps while all of them are empty."""

from __future__ import annotations

import heapq
import itertools
import sys
import threading
import time
import weakref
from typing import Protocol


class Ticking(Protocol):
    """What has to be done again and again, as long as there is something to do."""

    interval: float | None

    def tick(self) -> bool:
        """Does it, and returns whether it is to be done again."""


_due: list[tuple[float, int, weakref.ref[Ticking]]] = []
_order = itertools.count()  # of what is due at the same time
_changed = threading.Condition()
_thread: threading.Thread | None = None


def arm(what: Ticking) -> bool:
    """Has `what` tick in an interval's time, and go on until a tick says that it was the last.

    False where the system gives no thread for that.
    """
    global _thread
    assert what.interval is not None
    with _changed:
        if _thread is None or not _thread.is_alive():
            thread = threading.Thread(target=_run, name="fastmmap appenders", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # as while Python ends: stages are drained then all the same
                return False
            _thread = thread
        heapq.heappush(_due, (time.monotonic() + what.interval, next(_order), weakref.ref(what)))
        _changed.notify()
    return True


def _run() -> None:
    while True:
        what = _next()
        again = False
        try:
            again = what is not None and what.tick()
        except Exception:
            # A warning that is an error, for instance. Others have to be drained all the same, and this one as well.
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))
            again = True
        if what is not None and again:
            arm(what)
        del what  # a forgotten appender goes now, not after the next one's interval


def _next() -> Ticking | None:
    """Waits until something is due; None where it is gone."""
    with _changed:
        while not _due or _due[0][0] > time.monotonic():
            _changed.wait(_due[0][0] - time.monotonic() if _due else None)
        return heapq.heappop(_due)[2]()


def forget() -> None:
    """In a forked child: the thread is the parent's, and so is what it was to do."""
    global _thread, _changed
    _thread, _changed = None, threading.Condition()
    _due.clear()
