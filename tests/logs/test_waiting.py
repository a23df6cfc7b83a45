"""Nobody waits for a stranger: not for who makes the records, nor for a lock or a pipe of another log."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from support.marks import staged
from support.programs import wait_until
from support.writers import ours

import fastmmap
from fastmmap import system


class Slow:
    """Records whose maker waits in the midst until another thread has used the appender."""

    def __init__(self, log, use):
        self.log, self.use, self.failed = log, use, []

    def elsewhere(self):
        def work():
            try:
                self.use(self.log)
            except BaseException as error:
                self.failed.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(20)
        assert not thread.is_alive(), "another thread waits for the records of this one"

    def __iter__(self):
        yield b"one\n"
        self.elsewhere()
        yield b"two\n"


class Text(str):
    """Encoded by anybody's code."""

    def encode(self, *arguments):
        self.maker.elsewhere()
        return super().encode(*arguments)


USES = {
    "append": lambda log: log.append(b"other's\n"),
    "flush": lambda log: log.flush(),
    "tick": lambda log: log._tick(),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("sync", [None, "always"])
def test_whoever_makes_the_records_holds_no_lock(tmp_path, use, sync):
    path = tmp_path / "log"
    with fastmmap.Appender(path, sync=sync, interval=None) as log:
        slow = Slow(log, USES[use])
        assert log.append_many(slow) == 2
        log.writelines(iter([b"three\n"]))
        text = Text("four\n")
        text.maker = slow
        log.append(text)
        log.write(text)
        log.append_many([text])
        large = Text("L" * 70_000 + "\n")
        large.maker = slow
        log.append(large)
    assert not slow.failed
    lines = [line for line in path.read_bytes().splitlines() if line != b"other's"]
    assert lines == [b"one", b"two", b"three", b"four", b"four", b"four", b"L" * 70_000]


def test_a_close_in_the_midst_of_many(tmp_path, monkeypatch):
    """What was appended before is safe; the next is refused."""
    path, synced = tmp_path / "log", []
    monkeypatch.setattr(system, "make_durable", lambda fd: synced.append(os.fstat(fd).st_size))
    log = fastmmap.Appender(path, sync="always")

    def records():
        yield b"one\n"
        log.close()
        yield b"two\n"

    with pytest.raises(ValueError, match="closed"):
        log.append_many(records())
    assert (synced, path.read_bytes()) == ([4], b"one\n")


def test_a_warning_that_uses_the_appender(tmp_path, monkeypatch):
    """As logging.captureWarnings may: it is said when no lock is held."""
    path = tmp_path / "log"
    log = fastmmap.Appender(path, interval=None)
    log._log.unsaid.append("something")
    said = []

    def show(message, *_):
        thread = threading.Thread(target=lambda: said.append(log.append(b"said\n")))
        thread.start()
        thread.join(20)
        assert said == [None]

    monkeypatch.setattr("warnings.showwarning", show)
    monkeypatch.setattr("warnings.filters", [])
    log.append(b"one\n")
    log.flush()
    log.close()
    assert path.read_bytes() == b"one\nsaid\n"


@staged
def test_a_fifo_whose_reader_has_stopped(tmp_path):
    """Other logs are drained in time, and at the end of the interpreter."""
    code = (
        "import os, sys, time, fastmmap\n"
        "fifo, path = sys.argv[1:3]\n"
        "reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)\n"
        "stalled = fastmmap.Appender(fifo, interval=0.01)\n"
        "stalled.append(bytes(500_000))\n"
        "log = fastmmap.Appender(path, interval=0.01)\n"
        "for i in range(20):\n"
        "    log.append(b'%d\\n' % i)\n"
        "    while os.path.getsize(path) == log.position - len(b'%d\\n' % i): time.sleep(0.001)\n"
        "log.append(b'end\\n')\n"
        "print(flush=True)\n"
    )
    fifo, path = tmp_path / "fifo", tmp_path / "log"
    os.mkfifo(fifo)
    with subprocess.Popen([sys.executable, "-c", code, fifo, path], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"\n"
        wait_until(lambda: path.read_bytes() == b"".join(b"%d\n" % i for i in range(20)) + b"end\n")
        wait_until(lambda: ours(tmp_path) == [])
        assert process.poll() is None
        process.kill()


@staged
def test_a_lock_that_is_held_keeps_no_other_log_waiting(tmp_path):
    """At the end of the interpreter: the held one's records are written when it is given back."""
    code = (
        "import sys, fastmmap\n"
        "logs = [fastmmap.Appender(path, interval=None) for path in sys.argv[1:]]\n"
        "for log in logs: log.append(b'one\\n')\n"
        "print(flush=True)\n"
        "sys.stdin.read()\n"
    )
    held, paths = tmp_path / "held", [tmp_path / "a", tmp_path / "z"]
    held.touch()
    lock = tmp_path / f".fastmmap-{held.stat().st_ino:x}.lock"
    command = [sys.executable, "-c", code, paths[0], held, paths[1]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        fd = os.open(lock, os.O_RDWR)
        system.lock(fd)
        process.stdin.close()
        wait_until(lambda: all(path.read_bytes() == b"one\n" for path in paths))
        assert held.read_bytes() == b""
        assert process.poll() is None
        os.close(fd)
        assert process.wait(20) == 0
    assert held.read_bytes() == b"one\n"
    assert sorted(os.listdir(tmp_path)) == ["a", "held", "z"]
