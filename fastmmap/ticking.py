"""The one thread of a process that drains stages in time: it sleeps while all of them are empty."""

from __future__ import annotations

import heapq
import itertools
import queue
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


# What is armed, for the thread. Not a Condition: an interrupt in the midst of one would leave it locked.
_armed: queue.SimpleQueue[tuple[float, int, weakref.ref[Ticking]]] = queue.SimpleQueue()
_order = itertools.count()  # of what is due at the same time
_thread: threading.Thread | None = None
_starting = threading.RLock()


def arm(what: Ticking) -> bool:
    """Has `what` tick in an interval's time, and go on until a tick says that it was the last.

    False where the system gives no thread for that.
    """
    if not _is_there():
        return False
    assert what.interval is not None
    _armed.put((time.monotonic() + what.interval, next(_order), weakref.ref(what)))
    return True


def _is_there() -> bool:
    """Whether the thread is, or somebody is just starting it."""
    global _thread
    if (_thread is not None and _thread.is_alive()) or not _starting.acquire(blocking=False):
        return True
    try:
        thread = threading.Thread(target=_run, args=(_armed,), name="fastmmap appenders", daemon=True)
        thread.start()
        _thread = thread
    except RuntimeError:  # as while Python ends: stages are drained then all the same
        return False
    finally:
        _starting.release()
    return True


def _run(armed: queue.SimpleQueue[tuple[float, int, weakref.ref[Ticking]]]) -> None:
    due: list[tuple[float, int, weakref.ref[Ticking]]] = []
    while True:
        try:
            wait = None if not due else max(due[0][0] - time.monotonic(), 0)
            heapq.heappush(due, armed.get(timeout=wait))
        except queue.Empty:
            _tick(heapq.heappop(due)[2]())


def _tick(what: Ticking | None) -> None:
    """Lets tick what is due, unless it is gone. Nobody keeps it then until the next one is due."""
    again = False
    try:
        again = what is not None and what.tick()
    except Exception:
        # A warning that is an error, for instance. Others have to be drained all the same, and this one as well.
        threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))
        again = True
    if what is not None and again:
        arm(what)


def forget() -> None:
    """In a forked child: the thread is the parent's, and so is what it was to do."""
    global _thread, _armed, _starting
    _thread, _armed, _starting = None, queue.SimpleQueue(), threading.RLock()
