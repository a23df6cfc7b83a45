"""Records become visible after an interval, whatever else goes wrong meanwhile."""

from __future__ import annotations

import errno
import threading

import pytest
from support.marks import each_stage
from support.programs import run, wait_until
from support.standing_in import as_system

import fastmmap
from fastmmap import system
from fastmmap.logs import ticker

pytestmark = each_stage


def test_records_are_visible_after_an_interval(tmp_path):
    path = tmp_path / "log"
    with fastmmap.Appender(path, interval=0.05) as log:
        for number in range(1, 4):
            log.append(b"record\n")
            wait_until(lambda number=number: path.stat().st_size == 7 * number)
        wait_until(lambda: not log._is_armed)  # nothing to do, and so nothing is done
        log.append(b"record\n")
        assert log._is_armed
        wait_until(lambda: path.stat().st_size == 28)


def test_no_interval_starts_no_thread(tmp_path):
    code = (
        "import _thread, sys, fastmmap\n"
        "from fastmmap.logs import ticker\n"
        "with fastmmap.Appender(sys.argv[1], interval=None) as log:\n"
        "    log.append_many([b'x'] * 100)\n"
        "    print(_thread._count(), end=' ')\n"
        "with fastmmap.Appender(sys.argv[1], interval=100) as log:\n"
        "    print(_thread._count(), end=' ')\n"
        "    log.append(b'x')\n"
        "    while not ticker._desk.leading.locked(): pass\n"
        "    print(_thread._count())\n"
        "    [fastmmap.Appender(sys.argv[1] + str(i), interval=100).append(b'x') for i in range(20)]\n"
        "    print(_thread._count())\n"
    )
    assert run(code, tmp_path / "log") == (0, "0 0 1\n1\n", "")


def test_a_busy_appender_is_drained_each_interval(tmp_path):
    path = tmp_path / "log"
    with fastmmap.Appender(path, interval=0.02) as log:

        def drained():
            log.append(b"x" * 10)
            return path.stat().st_size >= 50

        wait_until(drained)


def test_what_an_interval_can_not_write_waits(tmp_path, monkeypatch, steps):
    path = tmp_path / "log"
    failed = threading.Event()

    @as_system
    def full(fd, pieces):
        failed.set()
        raise OSError(errno.ENOSPC, "No space left on device")

    with fastmmap.Appender(path, interval=0.01) as log:
        with monkeypatch.context() as patched:
            patched.setattr(system, "write_pieces", full)
            log.append(b"one\n")
            assert failed.wait(10)
            log.append(b"two\n")
            with pytest.raises(OSError, match="No space"):
                log.flush()
        wait_until(lambda: path.read_bytes() == b"one\ntwo\n")


def test_what_goes_wrong_in_time_keeps_no_other_from_being_drained(tmp_path, monkeypatch):
    """A warning that is an error, for instance: the thread reports it, and goes on."""
    reported = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda arguments: reported.set())
    tick = fastmmap.Appender._tick

    def fails(self):
        if self is first and not reported.is_set():
            raise RuntimeWarning("no OSError")
        return tick(self)

    monkeypatch.setattr(fastmmap.Appender, "_tick", fails)
    with (
        fastmmap.Appender(tmp_path / "first", interval=0.02) as first,
        fastmmap.Appender(tmp_path / "second", interval=0.04) as second,
    ):
        first.append(b"x")
        second.append(b"x")
        assert reported.wait(10)
        wait_until(lambda: (tmp_path / "second").read_bytes() == b"x")
        wait_until(lambda: (tmp_path / "first").read_bytes() == b"x")


def test_a_thread_that_can_not_be_started(tmp_path, monkeypatch):
    """The next append that finds an empty stage tries again."""
    path = tmp_path / "log"
    monkeypatch.setattr(ticker, "_desk", ticker._Desk())
    with fastmmap.Appender(path, interval=0.02) as log:

        def refuse(function, arguments):
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patched:
            patched.setattr(ticker, "start_new_thread", refuse)
            log.append(b"one\n")
        assert not log._is_armed
        log.flush()
        log.append(b"two\n")
        wait_until(lambda: path.read_bytes() == b"one\ntwo\n")
