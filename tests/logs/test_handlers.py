"""Appenders and signals: handlers that append, flush and close, and interrupts, at every point of every call."""

from __future__ import annotations

import collections
import itertools
import os
import random
import signal
import threading
from contextlib import contextmanager, nullcontext, suppress
from functools import partial

import pytest
from support.marks import each_stage
from support.standing_in import as_system
from support.stepping import Steps, untried

import fastmmap
from fastmmap import descriptors, system
from fastmmap.logs import ending, ticker

pytestmark = [
    each_stage,
    # Whose stages are stored into line by line.
    pytest.mark.skipif(fastmmap.kernel == "python", reason="the reference doesn't promise that"),
    pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that send signals"),
]

LARGE = b"L" * 70_000 + b"\n"

# Where an interrupt may be lost: Python ignores what comes out of a __del__.
CLOSING = {each.__code__ for each in (descriptors.Descriptor.close, descriptors.Descriptor.__del__,
                                      descriptors.Open.close, descriptors.Open.__del__,
                                      fastmmap.Appender.__del__)}  # fmt: skip

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
        self.appender.append(record)
        self.accepted.append(record)

    def read(self):
        """What is in the log, and in those it was rotated to."""
        folder = self.path.parent
        return b"".join((folder / name).read_bytes() for name in os.listdir(folder) if name.startswith("log"))

    def check(self):
        """Each record once, whole, and nothing beside the log, after more drains than the stage has halves."""
        for i in range(4 if not self.appender.closed else 0):
            self.append(b"afterwards %d\n" % i)
            self.appender.flush()
        self.appender.close()
        assert sorted(self.read().splitlines(True)) == sorted(self.accepted)
        assert not [name for name in os.listdir(self.path.parent) if not name.startswith("log")]


STEPS = Steps(lambda code: code.co_filename.startswith(OURS) and code not in CLOSING, ("line", "return"))


@pytest.fixture
def at_each_point(request):
    """Calls `event` at one point after the other of a job: where Python runs signal handlers.

    A place that the test has been at, in another of its cases, isn't tried again, but in a long run.
    """
    tried = collections.Counter()

    def interrupted(job, event, make):
        subject = make()
        places = STEPS.places(partial(job, subject))
        yield subject
        long = request.config.getoption("long")
        for number in range(1, len(places) + 1) if long else list(untried(places, tried)):
            subject = make()
            with suppress(KeyboardInterrupt):  # it came before or after what the job does
                STEPS.run(partial(job, subject), number, partial(event, subject))
            yield subject

    return interrupted


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
    "in time": lambda log: log.appender._tick(),
    "reopen": lambda log: log.appender.reopen(),
    "reopen a rotated log": lambda log: log.appender.reopen(),
    "flush to a removed log": lambda log: log.appender.flush(),
}

OPTIONS = {"plain": {}, "always in sync": {"sync": "always"}, "in time": {"interval": 1000.0}}


def options_of(job):
    """Rotations don't depend on the options."""
    return ["plain"] if "reopen" in job or "removed" in job else OPTIONS


@pytest.fixture
def made(memory_path, monkeypatch):
    numbers = itertools.count()
    monkeypatch.setattr(ticker, "forget", lambda: None)  # the thread is there yet, for this is no child

    def make(job, options):
        path = memory_path / str(next(numbers)) / "log"
        path.parent.mkdir()
        log = Log(path, **OPTIONS[options])
        log.append(b"x" * 500 + b"\n")
        if job == "first in a child":  # as it is there: without a stage
            log.appender.flush()
            ending.start_anew_in_child()
            fastmmap.recover(path.parent)  # what is the parent's
        elif job == "reopen a rotated log":
            path.rename(path.with_name("log.1"))
        elif job == "flush to a removed log":
            path.unlink()
            log.accepted = log.accepted[
                : log.appender.size - log.appender._log.size()
            ]  # without what was written to it
        return log

    return make


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("reopens", [False, True])
def test_a_handler_that_appends_at_any_point(made, at_each_point, job, reopens):
    """A small record or a large one, and flushes or doesn't."""

    def handle(log):
        with closed_is_fine(log) if job == "close" else nullcontext():
            log.append(random.choice((b"handler's\n", LARGE)))
            if reopens:
                log.path.rename(log.path.with_name("log.2")) if log.path.exists() else None
                log.appender.reopen()
                log.append(b"handler's, after that\n")
            elif random.random() < 0.5:
                log.appender.flush()

    for options in ["plain"] if reopens else options_of(job):
        for log in at_each_point(JOBS[job], handle, lambda options=options: made(job, options)):
            log.check()


@pytest.mark.parametrize("job", [job for job in JOBS if job != "in time"])
def test_a_handler_that_closes_at_any_point(made, at_each_point, job):
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

    for options in options_of(job):
        for log in at_each_point(work, handle, lambda options=options: made(job, options)):
            log.check()


@pytest.mark.parametrize("job", JOBS)
def test_an_interrupt_at_any_point(made, at_each_point, job):
    def interrupt(log):
        raise KeyboardInterrupt

    def work(log):
        before = log.appender.position
        with suppress(KeyboardInterrupt):
            JOBS[job](log)
            return
        if taken := log.appender.position - before:
            assert taken == len(RECORDS[job])
            log.accepted.append(RECORDS[job])

    for options in options_of(job):
        for log in at_each_point(work, interrupt, lambda options=options: made(job, options)):
            log.append(b"afterwards\n") if not log.appender.closed else None
            log.appender.close()
            data = log.read()
            assert sorted(data.splitlines(True)) == sorted(log.accepted)
            fastmmap.recover(log.path.parent)
            names = os.listdir(log.path.parent)
            assert not [name for name in names if not name.startswith("log") and ".lock" not in name]
            assert log.read() == data


@pytest.mark.parametrize("what", ["append", "large", "flush", "close"])
def test_handlers_at_any_time(memory_path, handler, what, request):
    """By a timer, in the midst of everything that an appender does from its opening to its end."""
    rng, numbers, accepted = random.Random(), itertools.count(), []
    log, depth, handled = None, 0, 0

    def handle(*_):
        nonlocal depth, handled
        if log is not None and depth < 3:  # it is slower than the timer
            depth += 1
            handled += 1
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
    path = memory_path / "log"
    while handled < (10_000 if request.config.getoption("long") else 1000):
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
    assert os.listdir(memory_path) == ["log"]


def test_a_close_that_came_into_a_close(memory_path, stage):
    """An append that both came into makes no stage any more: nobody would drain it."""
    log = fastmmap.Appender(memory_path / "log", interval=None)
    log.append(b"one\n")
    write = log._write

    @as_system
    def nested(record):
        del log._write
        log.close()
        write(record)

    log._write = nested
    log.close()
    assert log.closed
    log._open_stage()
    assert log._stage is None
    with pytest.raises(ValueError, match="closed"):
        log.append(b"two\n")
    assert (memory_path / "log").read_bytes() == b"one\n"
    assert os.listdir(memory_path) == ["log"]


def test_interrupts_at_any_time(memory_path, handler):
    """Real ones, in the midst of drains: each record is there once."""
    path, rng = memory_path / "log", random.Random()
    log = fastmmap.Appender(path, interval=None)
    hits, accepted, inside = 0, 0, False

    def interrupt(*_):
        if inside:  # one that comes late is nobody's
            raise KeyboardInterrupt

    handler(interrupt, signal.SIGALRM)
    while hits < 500:
        log.append(b"%d\n" % accepted)
        accepted += 1
        try:
            inside = True
            signal.setitimer(signal.ITIMER_REAL, rng.random() * 40e-6 + 1e-6)
            log.flush()
            inside = False
        except KeyboardInterrupt:
            inside = False
            hits += 1
    log.close()
    assert path.read_bytes() == b"".join(b"%d\n" % i for i in range(accepted))
    assert os.listdir(memory_path) == ["log"]


@pytest.mark.parametrize("size", [8, 30_000, 200_000])
def test_an_interrupt_while_a_pipe_is_full(memory_path, handler, size):
    """What the pipe has taken isn't written once more; a record is there as a whole, or not at all."""
    path, parts, go = memory_path / "fifo", [], threading.Event()
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


def test_a_handler_in_the_midst_of_a_drain_of_the_reference_s(memory_path, monkeypatch, steps, handler, stage):
    """Where it would have to drain as well, it is told so; nobody waits for itself, and nothing is lost."""
    path = memory_path / "log"
    log, other = (fastmmap.Appender(path, interval=None, stage_size=1000) for _ in range(2))
    write, said = system.write_pieces, []

    def handle(*_):
        other.append(b"handler's\n")
        with pytest.raises(RuntimeError, match="this thread"):
            other.flush()
        said.append(True)

    def interrupted(fd, pieces):
        monkeypatch.setattr(system, "write_pieces", write)
        signal.raise_signal(signal.SIGUSR1)
        return write(fd, pieces)

    handler(handle)
    monkeypatch.setattr(system, "write_pieces", interrupted)
    log.append(b"first\n")
    log.flush()
    log.close()
    other.close()
    assert said == [True]
    assert path.read_bytes() == b"first\nhandler's\n"
