"""LogHandler in one process: errors, full disks, configurations, queues, threads, and signal handlers that log."""

from __future__ import annotations

import io
import logging
import logging.config
import logging.handlers
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from functools import partial

import pytest
from support.handlers import files, record
from support.marks import each_stage
from support.stepping import Steps
from support.writers import ours

import fastmmap

pytestmark = each_stage


# --- errors ---


def test_a_record_that_can_not_be_formatted(path, handler, capsys):
    mine = handler()
    mine.handle(record("%d", args=("one",)))
    assert "--- Logging error ---" in capsys.readouterr().err
    mine.handle(record("two"))
    mine.flush()
    assert path.read_bytes() == b"two\n"


def test_handle_error_is_called(handler, path, monkeypatch):
    mine, told = handler(encoding="ascii"), []
    monkeypatch.setattr(mine, "handleError", lambda each: told.append((each.msg, sys.exc_info()[0])))
    mine.handle(record("é"))
    mine.handle(record("one"))
    assert told == [("é", UnicodeEncodeError)]


def test_raise_exceptions(handler, monkeypatch, capsys):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    handler(encoding="ascii").handle(record("é"))
    assert capsys.readouterr().err == ""


FULL = """
import logging, os, resource, signal, sys, fastmmap
handler = fastmmap.LogHandler(sys.argv[1], maxBytes=int(sys.argv[2]), backupCount=1000)
told = []
handler.handleError = lambda record: told.append(record.msg)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
accepted = []
def log(number):
    handler.handle(logging.makeLogRecord({"msg": f"{number} {'x' * 90}", "levelno": 20}))
    accepted.append(number)
for number in range(1000):
    log(number)
handler.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(sys.argv[1]) + 50, resource.RLIM_INFINITY))
for number in range(1000, 40_000):
    log(number)
assert told, "it was never full"
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for number in range(40_000, 41_000):
    log(number)
handler.close()
refused = {int(each.split()[0]) for each in told}
print(*[number for number in accepted if number not in refused])
"""


@pytest.mark.parametrize("most", [0, 200_000_000])
def test_a_full_disk_that_is_free_again(path, most):
    """What handleError wasn't told of is there, once, in order."""
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", FULL, path, str(most)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    expected = "".join(f"{number} {'x' * 90}\n" for number in map(int, done.stdout.split()))
    assert path.read_text() == expected


@pytest.mark.parametrize("breaks", ["namer", "rotator"])
def test_a_rotation_that_fails(path, handler, tmp_path, breaks):
    """Its record, and those after it, go on in the file. It is told of, and tried again."""

    def broken(*_):
        raise RuntimeError("no rotation")

    mine, told = handler(maxBytes=1000, backupCount=5), []
    mine.handleError = lambda each: told.append(str(sys.exc_info()[1]))
    setattr(mine, breaks, broken)
    for number in range(100):
        mine.handle(record(f"{number:050}"))
    assert 1 <= len(told) < 50
    assert set(told) == {"no rotation"}
    setattr(mine, breaks, None)
    for number in range(100, 200):
        mine.handle(record(f"{number:050}"))
    mine.close()
    found = b"".join(data for _, data in sorted(files(tmp_path).items(), reverse=True))
    assert len(files(tmp_path)) > 3
    assert sorted(found.splitlines())[-1] == b"%050d" % 199
    assert len(files(tmp_path)["app.log"]) < 1000


def test_what_is_no_regular_file_is_not_rotated(handler):
    mine = handler(filename=os.devnull, maxBytes=100, backupCount=3)
    for _ in range(100):
        mine.handle(record("x" * 50))
    mine.doRollover()
    assert os.name != "posix" or not os.path.exists(f"{os.devnull}.1")  # which Windows takes for the same


# --- as it is used ---


def test_dict_config(path, logger):
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"plain": {"format": "%(levelname)s %(message)s"}},
            "handlers": {
                "file": {
                    "class": "fastmmap.LogHandler", "filename": str(path), "maxBytes": 10_000, "backupCount": 3,
                    "formatter": "plain", "level": "INFO", "flush_level": "WARNING",
                }
            },
            "loggers": {logger.name: {"handlers": ["file"], "level": "DEBUG"}},
        }
    )  # fmt: skip
    logger.debug("no")
    logger.info("one")
    logger.warning("two")
    assert path.read_bytes() == b"INFO one\nWARNING two\n"
    logger.handlers[0].close()


def test_behind_a_queue(path, handler, logger):
    records = queue.SimpleQueue()
    mine = handler()
    listener = logging.handlers.QueueListener(records, mine)
    logger.addHandler(logging.handlers.QueueHandler(records))
    listener.start()
    for number in range(1000):
        logger.info("%d", number)
    listener.stop()
    mine.close()
    assert path.read_text() == "".join(f"{i}\n" for i in range(1000))


def test_behind_memory(path, handler, logger):
    mine = handler()
    memory = logging.handlers.MemoryHandler(10, target=mine)
    logger.addHandler(memory)
    for number in range(25):
        logger.info("%d", number)
    mine.flush()
    assert path.read_text() == "".join(f"{i}\n" for i in range(20))
    memory.close()
    mine.close()
    assert path.read_text() == "".join(f"{i}\n" for i in range(25))


def test_what_gunicorn_does_to_reopen(path, handler, tmp_path):
    """On SIGUSR1: it closes the handler, and gives it a stream by `_open`. What was staged belongs to the new file."""
    mine = handler()
    mine.handle(record("one"))
    path.rename(tmp_path / "app.log.1")
    mine.acquire()
    mine.close()
    mine.stream = mine._open()
    mine.release()
    mine.handle(record("two"))
    mine.close()
    assert files(tmp_path) == {"app.log": b"one\ntwo\n", "app.log.1": b""}


def test_do_rollover_by_hand(path, handler, tmp_path):
    mine = handler(maxBytes=10_000, backupCount=2)
    for number in range(4):
        mine.handle(record(f"{number}"))
        mine.doRollover()
    mine.close()
    assert files(tmp_path) == {"app.log": b"", "app.log.1": b"3\n", "app.log.2": b"2\n"}
    plain = handler(filename=tmp_path / "plain")
    plain.handle(record("one"))
    plain.doRollover()  # it rotates nothing
    assert not (tmp_path / "plain.1").exists()


def test_settings_that_are_changed(path, handler, tmp_path, monkeypatch):
    mine = handler(maxBytes=1000, backupCount=2)
    mine.maxBytes, mine.backupCount = 100, 1
    for number in range(20):
        mine.handle(record(f"{number:050}"))
    mine.flush()
    assert (mine.maxBytes, mine.backupCount) == (100, 1)
    assert sorted(files(tmp_path)) == ["app.log", "app.log.1"]
    timed = handler(filename=tmp_path / "timed.log", when="H", utc=True)
    timed.suffix = "%Y%m%d"
    timed.handle(record("one"))
    timed.rolloverAt = 86_400 + 3600
    timed.handle(record("two"))
    assert (timed.when, timed.interval, timed.utc) == ("H", 3600, True)
    assert (tmp_path / "timed.log.19700102").read_bytes() == b"one\n"
    assert not hasattr(mine, "suffix")


def test_another_stream(path, handler):
    mine, other = handler(), io.StringIO()
    before = mine.setStream(other)
    mine.handle(record("one"))
    assert other.getvalue() == "one\n"
    mine.setStream(before)
    mine.handle(record("two"))
    mine.flush()
    assert path.read_bytes() == b"two\n"


def test_subclasses(path, tmp_path):
    class Own(fastmmap.LogHandler):
        def filter(self, each):
            return "secret" not in each.msg and super().filter(each)

        def format(self, each):
            return f"own {super().format(each)}"

        def rotation_filename(self, name):
            return f"{name}.old"

    mine = Own(path, maxBytes=100, backupCount=3)
    for text in ("one", "secret", "x" * 90):
        mine.handle(record(text))
    mine.close()
    assert files(tmp_path) == {"app.log": b"own " + b"x" * 90 + b"\n", "app.log.1.old": b"own one\n"}


def test_should_rollover(handler):
    mine = handler(maxBytes=100, backupCount=2)
    assert not mine.shouldRollover(record("x" * 200)), "an empty file"
    mine.handle(record("x" * 50))
    assert not mine.shouldRollover(record("x" * 47))
    assert mine.shouldRollover(record("x" * 48))


def test_threads(path, handler, logger, tmp_path):
    mine = handler(maxBytes=50_000, backupCount=1000)
    logger.addHandler(mine)

    def log(thread):
        for number in range(2000):
            logger.info("%d:%d", thread, number)

    threads = [threading.Thread(target=log, args=(each,)) for each in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    mine.close()
    lines = [line.split(b":") for data in files(tmp_path).values() for line in data.splitlines()]
    assert sorted((int(a), int(b)) for a, b in lines) == [(a, b) for a in range(8) for b in range(2000)]
    assert ours(tmp_path) == []


# --- signal handlers that log ---

OURS = os.path.dirname(fastmmap.__file__)
STEPS = Steps(lambda code: code.co_filename.startswith(os.path.join(OURS, "logs")), ("line", "return"))


@pytest.mark.skipif(fastmmap.kernel == "python", reason="the reference doesn't promise that")
@pytest.mark.parametrize("length", [10, 2000], ids=["small", "large"])
@pytest.mark.parametrize("job", ["record", "rotation", "flush", "rotated by others"])
def test_a_handler_of_a_signal_that_logs(memory_path, stage, job, length, request):
    """At any line of a call: each record is there once."""

    def begin(number):
        folder = memory_path / str(number)
        folder.mkdir()
        mine = fastmmap.LogHandler(folder / "app.log", maxBytes=3000, backupCount=1000)
        mine.handleError = lambda each: pytest.fail(str(sys.exc_info()[1]))
        for each in range(5):
            mine.handle(record(f"before {each} {'x' * 500}"))
        if job == "rotated by others":
            os.rename(folder / "app.log", folder / "app.log.9")
        return folder, mine

    def work(mine):
        mine.flush() if job == "flush" else mine.handle(record(f"work {'x' * (50 if job == 'record' else 2000)}"))

    number, interval = 0, 1 if request.config.getoption("long") else 7
    came = True
    while came:
        folder, mine = begin(number)
        nested = partial(mine.handle, record(f"nested {'y' * length}"))
        came = STEPS.run(partial(work, mine), number + 1, nested)
        mine.close()
        lines = [line for data in files(folder).values() for line in data.splitlines()]
        expected = [b"before %d" % each for each in range(5)] + [b"nested"] * came + [b"work"] * (job != "flush")
        assert sorted(re.sub(b" [xy]+", b"", line) for line in lines) == sorted(expected), number
        number += interval
    assert number > 20


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that send signals")
@pytest.mark.skipif(fastmmap.kernel == "python", reason="the reference doesn't promise that")
def test_a_handler_of_a_timer_that_logs(path, handler, tmp_path):
    mine = handler(maxBytes=20_000, backupCount=1000)
    numbers = iter(range(10**9))
    nested = []

    depth = 0

    def handle(*_):
        nonlocal depth
        depth += 1
        if depth < 3:  # one comes into another, but not without end where they take longer than the interval
            arm()
        nested.append(f"nested {next(numbers)}")
        mine.handle(record(nested[-1]))
        depth -= 1
        arm()

    def arm():
        signal.setitimer(signal.ITIMER_REAL, 0.0005)

    before = signal.signal(signal.SIGALRM, handle)
    logged = []
    try:
        arm()
        while len(nested) < 300:
            logged.append(f"work {next(numbers)} {'x' * 100}")
            mine.handle(record(logged[-1]))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    mine.close()
    lines = [line.decode() for data in files(tmp_path).values() for line in data.splitlines()]
    assert sorted(lines) == sorted(logged + nested)


def test_an_interrupt_in_a_rotation(path, handler, tmp_path):
    """What is logged afterwards isn't kept back, and the file is rotated the next time."""

    def interrupted(source, dest):
        raise KeyboardInterrupt

    mine = handler(maxBytes=1000, backupCount=3)
    mine.handle(record("one"))
    mine.rotator = interrupted
    with pytest.raises(KeyboardInterrupt):
        mine.doRollover()
    mine.rotator = None
    mine.handle(record("two"))
    mine.flush()
    assert files(tmp_path) == {"app.log": b"one\ntwo\n"}
    mine.doRollover()
    mine.handle(record("three"))
    mine.close()
    assert files(tmp_path) == {"app.log": b"three\n", "app.log.1": b"one\ntwo\n"}
