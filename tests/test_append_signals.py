"""Appenders and signals: handlers that append, flush and close, and interrupts, at every point of every call."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import threading
import time
from contextlib import contextmanager, nullcontext, suppress

import pytest

import fastmmap
from fastmmap import _system, appending, draining, ticking
from fastmmap.reference import drain

pytestmark = [
    pytest.mark.usefixtures("stage"),
    # Whose stages are stored into line by line.
    pytest.mark.skipif(fastmmap.kernel == "python", reason="the reference doesn't promise that"),
    pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that send signals"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

LARGE = b"L" * 70_000 + b"\n"

# Where an interrupt may be lost: Python ignores what comes out of a __del__.
CLOSING = {each.__code__ for each in (draining.Descriptor.close, draining.Descriptor.__del__,
                                      fastmmap.MappedFile.__del__, fastmmap.Appender.__del__)}  # fmt: skip

OURS = os.path.dirname(fastmmap.__file__)


@pytest.fixture
def handler():
    """Installs a handler for a signal, and takes it away."""
    before = {}

    def install(function, number=signal.SIGUSR1):
        before.setdefault(number, signal.signal(number, function))

    yield install
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, function in before.items():
        signal.signal(number, function)


class Log:
    """An appender, with what it has accepted: what has raised is there if `position` says so."""

    def __init__(self, path, **options):
        self.path, self.options = path, {"interval": None, "stage_size": 1000, **options}
        self.accepted = []
        self.appender = fastmmap.Appender(path, **self.options)

    def append(self, record):
        """Records of a handler come in between, so this can't count by position: see `interrupted`."""
        self.appender.append(record)
        self.accepted.append(record)

    def interrupted(self, job, *records):
        """A job that an interrupt may end, with the records that it appends."""
        before = self.appender.position
        with suppress(KeyboardInterrupt):
            job()
        taken = self.appender.position - before
        for record in records:
            if taken >= len(record):
                self.accepted.append(record)
                taken -= len(record)
        assert taken == 0

    def check(self):
        """Each record once, whole, and nothing beside the log."""
        self.appender.close()
        assert sorted(self.path.read_bytes().splitlines(True)) == sorted(self.accepted)
        assert os.listdir(self.path.parent) == [self.path.name]


def at_each_point(job, event, make):
    """Calls `event` at the n-th line of ours that a job comes to, for each n: where Python runs signal handlers."""
    subject, left = None, 0

    def trace(frame, kind, _):
        nonlocal left
        if not frame.f_code.co_filename.startswith(OURS) or frame.f_code in CLOSING:
            return None
        if kind in ("line", "return"):
            left -= 1
            if left == 0:
                sys.settrace(None)
                event(subject)
        return trace

    for number in itertools.count(1):
        left, subject = number, make()
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            job(subject)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        yield subject
        if left > 0:
            return


@contextmanager
def closed_is_fine(log):
    try:
        yield
    except ValueError as error:
        if f"the appender of {str(log.path)!r} is closed" not in str(error):
            raise


RECORDS = {
    "append": b"a record\n",
    "append that drains": b"r" * 700 + b"\n",
    "append of a large record": LARGE,
    "first in a child": b"child's\n",
}

JOBS = {
    **{name: lambda log, record=record: log.append(record) for name, record in RECORDS.items()},
    "flush": lambda log: log.appender.flush(),
    "sync": lambda log: log.appender.sync(),
    "close": lambda log: log.appender.close(),
    "in time": lambda log: log.appender.tick(),
}

OPTIONS = {"plain": {}, "always in sync": {"sync": "always"}, "in time": {"interval": 1000.0}}


@pytest.fixture
def made(tmp_path, monkeypatch):
    numbers = itertools.count()
    monkeypatch.setattr(ticking, "forget", lambda: None)  # the thread is there yet, for this is no child

    def make(job, options):
        path = tmp_path / str(next(numbers)) / "log"
        path.parent.mkdir()
        log = Log(path, **OPTIONS[options])
        log.append(b"x" * 500 + b"\n")
        if job == "first in a child":  # as it is there: without a stage
            log.appender.flush()
            appending._start_anew_in_child()
            fastmmap.recover(path.parent)  # what is the parent's
        return log

    return make


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("what", ["small", "large", "flush"])
def test_a_handler_that_appends_at_any_point(made, job, what, options):
    def handle(log):
        with closed_is_fine(log) if job == "close" else nullcontext():
            log.append(LARGE if what == "large" else b"handler's\n")
            if what == "flush":
                log.appender.flush()

    for log in at_each_point(JOBS[job], handle, lambda: made(job, options)):
        log.check()


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("job", [job for job in JOBS if job != "in time"])
def test_a_handler_that_closes_at_any_point(made, job, options):
    """As one of SIGTERM may. What the job would have appended is refused, or there."""

    def work(log):
        with closed_is_fine(log):
            JOBS[job](log)
            return
        # It may have been written before that was found.
        taken = log.appender.position - sum(map(len, log.accepted))
        log.accepted += [record for record in RECORDS.values() if len(record) == taken]

    def handle(log):
        with closed_is_fine(log):
            log.append(b"handler's\n")
        log.appender.close()

    for log in at_each_point(work, handle, lambda: made(job, options)):
        log.check()


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("job", JOBS)
def test_an_interrupt_at_any_point(made, job, options):
    def interrupt(log):
        raise KeyboardInterrupt

    def work(log):
        before = list(log.accepted)
        log.interrupted(lambda: JOBS[job](log), *([RECORDS[job]] if job in RECORDS else []))
        log.accepted[len(before) :] = log.accepted[len(before) :][:1]

    for log in at_each_point(work, interrupt, lambda: made(job, options)):
        log.append(b"afterwards\n") if not log.appender.closed else None
        log.appender.close()
        data = log.path.read_bytes()
        assert sorted(data.splitlines(True)) == sorted(log.accepted)
        fastmmap.recover(log.path.parent)
        assert [name for name in os.listdir(log.path.parent) if not name.endswith(".lock")] == ["log"]
        assert log.path.read_bytes() == data


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("step", ["write_pieces", "lock", "unlock", "_store"])
def test_a_handler_in_the_midst_of_a_drain(tmp_path, monkeypatch, steps, handler, stage, same, step):
    """Real ones, for the same appender or another of the log: what they do comes after the drain, or before it."""
    path = tmp_path / "log"
    log = fastmmap.Appender(path, interval=None, stage_size=1000)
    other = log if same else fastmmap.Appender(path, interval=None, stage_size=1000)
    home = drain if step == "_store" else _system
    real, done = getattr(home, step), []

    def handle(*_):
        other.append(b"handler's\n")
        other.flush()
        other.append(LARGE)
        done.append(True)

    def interrupted(*arguments):
        monkeypatch.setattr(home, step, real)
        for _ in range(3):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
            time.sleep(0.01)
        answer = real(*arguments)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        time.sleep(0.01)
        return answer

    handler(handle)
    monkeypatch.setattr(home, step, interrupted)
    log.append(b"first\n")
    log.flush()
    log.append(b"last\n")
    log.close()
    other.close()
    assert len(done) in (0, 3, 4)
    assert done or stage == "memory"
    lines = path.read_bytes().splitlines(True)
    assert sorted(lines) == sorted([b"first\n", b"last\n", *[b"handler's\n", LARGE] * len(done)])
    assert lines.index(b"first\n") < lines.index(b"last\n")


@pytest.mark.parametrize("what", ["append", "large", "flush", "close"])
def test_handlers_at_any_time(tmp_path, handler, what):
    """By a timer, in the midst of everything that an appender does from its opening to its end."""
    rng, numbers, accepted = random.Random(), itertools.count(), []
    log, depth = None, 0

    def handle(*_):
        nonlocal depth
        if log is not None and depth < 3:  # it is slower than the timer
            depth += 1
            work()
            depth -= 1

    def work():
        with suppress(ValueError):  # that it is closed
            record = b"%d%s\n" % (next(numbers), b"L" * 70_000 if what == "large" else b"")
            log.append(record)
            accepted.append(record)
            if what == "flush":
                log.flush()
            elif what == "close":
                log.close()

    handler(handle, signal.SIGALRM)
    end, path = time.monotonic() + 1.5, tmp_path / "log"
    while time.monotonic() < end:
        signal.setitimer(signal.ITIMER_REAL, rng.random() * 1e-3 + 1e-6, rng.random() * 1e-4 + 5e-5)
        log = fastmmap.Appender(path, interval=None, stage_size=500)
        with suppress(ValueError):
            for _ in range(40):
                record = b"%d\n" % next(numbers)
                log.append(record)
                accepted.append(record)
            log.flush()
        log.close()
        signal.setitimer(signal.ITIMER_REAL, 0)
        for _ in range(9):
            pass  # one that is on its way arrives here
        log = None
    # An append that a handler's close comes into may have stored its record, and raise for no other reason: none does.
    assert sorted(path.read_bytes().splitlines(True)) == sorted(accepted)
    assert os.listdir(tmp_path) == ["log"]


def test_interrupts_at_any_time(tmp_path, handler):
    """Real ones, in the midst of drains: each record is there once."""
    handler(signal.default_int_handler, signal.SIGALRM)
    path, rng = tmp_path / "log", random.Random()
    log = fastmmap.Appender(path, interval=None)
    hits, accepted = 0, 0
    while hits < 500:
        log.append(b"%d\n" % accepted)
        accepted += 1
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.random() * 40e-6 + 1e-6)
            log.flush()
            signal.setitimer(signal.ITIMER_REAL, 0)
            for _ in range(9):
                pass  # one that is on its way arrives here
        except KeyboardInterrupt:
            hits += 1
    log.close()
    assert path.read_bytes() == b"".join(b"%d\n" % i for i in range(accepted))
    assert os.listdir(tmp_path) == ["log"]


def test_a_handler_and_another_thread_that_waits(tmp_path, monkeypatch, steps, handler):
    """A thread just drains the handler's appender, and waits for the drain that the handler came into."""
    path = tmp_path / "log"
    first, second = (fastmmap.Appender(path, interval=None) for _ in range(2))
    first.append(b"first's\n")
    second.append(b"second's\n")
    write, inside = _system.write_pieces, threading.Event()

    def slow(fd, pieces):
        monkeypatch.setattr(_system, "write_pieces", write)
        inside.set()
        time.sleep(0.2)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        time.sleep(0.1)
        return write(fd, pieces)

    def drain():
        inside.wait(10)
        first.flush()

    handler(lambda *_: first.append(LARGE))
    monkeypatch.setattr(_system, "write_pieces", slow)
    thread = threading.Thread(target=drain)
    thread.start()
    second.flush()
    thread.join(10)
    assert not thread.is_alive()
    first.close()
    second.close()
    assert sorted(path.read_bytes().splitlines(True)) == sorted([b"first's\n", b"second's\n", LARGE])


@pytest.mark.parametrize("size", [8, 30_000, 200_000])
def test_an_interrupt_while_a_pipe_is_full(tmp_path, handler, size):
    """What the pipe has taken isn't written once more; a record is there as a whole, or not at all."""
    path, parts, go = tmp_path / "fifo", [], threading.Event()
    os.mkfifo(path)

    def read():
        with open(path, "rb", buffering=0) as file:
            go.wait(20)
            while part := file.read(1 << 16):
                parts.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    accepted, hits, inside = [], 0, False

    def interrupt(*_):
        if inside:
            raise KeyboardInterrupt

    handler(interrupt, signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    log = fastmmap.Appender(path, interval=None, stage_size=100_000)
    for i in range(3_000_000 // size):
        record = b"%06d%s\n" % (i, b"x" * (size - 7))
        before = log.position
        try:
            inside = True
            log.append(record)
            inside = False
        except KeyboardInterrupt:
            inside = False
            hits += 1
        if hits == 5:
            signal.setitimer(signal.ITIMER_REAL, 0)
            go.set()
        if log.position > before:
            accepted.append(record)
    log.close()
    reader.join(20)
    assert hits >= 5
    assert b"".join(parts) == b"".join(accepted)
