"""The threads of a process that drain stages in time: one sleeps while all of them are empty.

A tick may stand still, as one to a pipe does whose reader has stopped. So whoever takes what is due next first sees to
it that another thread waits for what comes after it; and whoever comes back from a tick and finds one waiting ends.
The primitives are those that the interpreter had when the package was imported, whatever gevent and its like put in
their place later.
"""

from __future__ import annotations

import heapq
import itertools
import sys
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from typing import Protocol

from .._imports import allocate_lock, start_new_thread

monotonic = time.monotonic


class Ticking(Protocol):
    """What has to be done again and again, as long as there is something to do."""

    _interval: float | None

    def _tick(self) -> bool:
        """Does it, and returns whether it is to be done again."""


class _Desk:
    """What is armed, and who waits for it. Each step on it is one call of C: signal handlers may arm as well."""

    def __init__(self) -> None:
        self.armed: deque[tuple[float, int, weakref.ref[Ticking]]] = deque()  # what the leader hasn't seen yet
        self.due: list[tuple[float, int, weakref.ref[Ticking]]] = []  # a heap, the leader's
        self.order = itertools.count()  # of what is due at the same time
        self.leading = allocate_lock()  # held by the thread that waits for what is due next
        self.coming: object = None  # stands for a thread that was started and doesn't lead yet
        self.called = allocate_lock()  # held until there is something new for the leader
        self.called.acquire()

    def put(self, what: Ticking) -> None:
        """Has it tick in an interval's time."""
        assert what._interval is not None
        self.armed.append((monotonic() + what._interval, next(self.order), weakref.ref(what)))
        with suppress(RuntimeError):  # the leader is called already
            self.called.release()

    def see_to_leader(self) -> bool:
        """Starts a thread that waits if there is none. False where the system gives none."""
        if self.coming is not None or self.leading.locked():
            return True
        coming = object()
        try:
            self.coming = coming
            start_new_thread(_run, (self, coming))
        except RuntimeError:  # while Python ends, for instance: stages are drained then by ending.py
            self.coming = None
            return False
        except BaseException:
            self.coming = None  # if it was started nevertheless, another will end at once
            raise
        return True

    def next(self) -> Ticking | None:
        """Waits until something is due, and returns it, unless it is gone."""
        while True:
            while self.armed:
                heapq.heappush(self.due, self.armed.popleft())
            wait = -1 if not self.due else max(self.due[0][0] - monotonic(), 0)
            if wait == 0:
                return heapq.heappop(self.due)[2]()
            self.called.acquire(True, min(wait, threading.TIMEOUT_MAX))


_desk = _Desk()


def arm(what: Ticking) -> bool:
    """Has `what` tick in an interval's time, and go on until a tick says that it was the last.

    False where the system gives no thread for that.
    """
    desk = _desk
    if not desk.see_to_leader():
        return False
    desk.put(what)
    # What has led may have looked for the last time before that, and be in a tick.
    return desk.see_to_leader()


def _run(desk: _Desk, coming: object) -> None:
    while desk.leading.acquire(False):
        if desk.coming is coming:
            desk.coming = None
        try:
            what = desk.next()
        finally:
            desk.leading.release()
        if desk.due or desk.armed:
            desk.see_to_leader()  # where there is none to be had, they wait for this tick
        if what is not None and _tick(what):
            desk.put(what)
        del what  # nobody keeps it until it is due
    if desk.coming is coming:
        desk.coming = None


def _tick(what: Ticking) -> bool:
    try:
        return what._tick()
    except Exception:
        # A warning that is an error, for instance. The others must be drained, and this one as well.
        threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), None)))
        return True


def forget() -> None:
    """In a forked child: the threads are the parent's, and so is what they were to do."""
    global _desk
    _desk = _Desk()
