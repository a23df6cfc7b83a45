"""What ticks in time: one that stands still keeps no other waiting, and who is forgotten ticks no more."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
from support.programs import wait_until

from fastmmap.logs import ticker


class Ticks:
    """Something that ticks: it stands still while it is stalled."""

    def __init__(self, interval=0.01, again=True):
        self._interval, self.again, self.go, self.inside = interval, again, threading.Event(), threading.Event()
        self.count, self.threads = 0, set()
        self.go.set()

    def _tick(self):
        self.inside.set()
        self.go.wait(30)
        self.count += 1
        self.threads.add(threading.get_ident())
        return self.again


@pytest.fixture
def desk(monkeypatch):
    desk = ticker._Desk()
    monkeypatch.setattr(ticker, "_desk", desk)
    return desk


def test_one_that_stands_still_keeps_no_other_waiting(desk):
    stalled, others = [Ticks() for _ in range(3)], [Ticks() for _ in range(3)]
    for each in stalled:
        each.go.clear()
    for each in (*stalled, *others):
        assert ticker.arm(each)
    for each in stalled:
        assert each.inside.wait(20)
    before = [each.count for each in others]
    wait_until(lambda: all(each.count > 5 + count for each, count in zip(others, before, strict=True)))
    late = Ticks()
    ticker.arm(late)
    wait_until(lambda: late.count > 3)
    for each in stalled:
        each.go.set()
    wait_until(lambda: all(each.count > 3 for each in stalled))
    for each in (*stalled, *others, late):
        each.again = False


def test_where_no_thread_can_be_started_one_ticks_them_all(desk, monkeypatch):
    first, second = Ticks(), Ticks()
    start = ticker.start_new_thread
    started = []

    def once(function, arguments):
        if started:
            raise RuntimeError("can't start new thread")
        started.append(start(function, arguments))

    monkeypatch.setattr(ticker, "start_new_thread", once)
    assert ticker.arm(first)
    ticker.arm(second)
    wait_until(lambda: first.count > 3 and second.count > 3)
    assert len(first.threads | second.threads) == 1
    first.again = second.again = False


def test_who_is_forgotten_ticks_no_more(desk):
    short, long = Ticks(), Ticks(interval=1000.0)
    ticker.arm(long)
    ticker.arm(short)
    wait_until(lambda: short.count > 2)
    kept = weakref.ref(long)
    del long
    gc.collect()
    assert kept() is None
    short.again = False
