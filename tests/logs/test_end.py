"""The end of a process while threads append, pipes are full, and signals come."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys

import pytest
from support.lacks import without
from support.marks import staged
from support.programs import run, wait_until
from support.standing_in import as_system
from support.writers import killed

import fastmmap
from fastmmap import system

# What a thread of a daemon's does until it is ended.
LOOPS = {
    "in sync": ('sync="always"', "log.append(b'record\\n')"),
    "in sync, and flushed": ('sync="always"', "log.append(b'record\\n'); log.flush()"),
    "flushed": ("interval=None", "log.append(b'record\\n'); log.flush()"),
    "large": ("interval=None", "log.append(b'r' * 70_000 + b'\\n')"),
    "small": ("interval=0.01, stage_size=100", "log.append(b'record\\n')"),
}


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("loop", LOOPS)
def test_threads_that_go_on_do_not_keep_the_process(tmp_path, loop, threads):
    """They take the appender's lock over and over; the end of the interpreter comes nevertheless."""
    options, work = LOOPS[loop]
    code = (
        "import sys, threading, fastmmap\n"
        f"log = fastmmap.Appender(sys.argv[1], {options})\n"
        "def work():\n"
        "    while True:\n"
        f"        {work}\n"
        "        done.set()\n"
        "done = threading.Event()\n"
        f"for _ in range({threads}): threading.Thread(target=work, daemon=True).start()\n"
        "done.wait()\n"
    )
    status, _, errors = run(code, tmp_path / "log")
    assert (status, errors) == (0, "")
    lines = (tmp_path / "log").read_bytes().splitlines(True)
    assert lines
    assert set(lines) == {b"r" * 70_000 + b"\n" if loop == "large" else b"record\n"}
    assert os.listdir(tmp_path) == ["log"]


@staged
@without("os.mkfifo")
def test_a_pipe_with_some_room_keeps_no_log_waiting(tmp_path):
    """It takes a part of what is staged, and then nothing: the other logs are written whatever their order."""
    code = (
        "import os, sys, fastmmap\n"
        "folder = sys.argv[1]\n"
        "os.mkfifo(folder + '/fifo')\n"
        "reader = os.open(folder + '/fifo', os.O_RDONLY | os.O_NONBLOCK)\n"
        "logs = [fastmmap.Appender(f'{folder}/log{i}', interval=None) for i in range(20)]\n"
        "fifo = fastmmap.Appender(folder + '/fifo', interval=None)\n"
        "fifo.append(b'Z' * 200_000)\n"
        "for log in logs: log.append(b'one\\n')\n"
        "print(flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        paths = [tmp_path / f"log{i}" for i in range(20)]
        wait_until(lambda: all(path.read_bytes() == b"one\n" for path in paths))
        assert process.poll() is None
        with open(tmp_path / "fifo", "rb") as reader:
            assert reader.read() == b"Z" * 200_000
        assert process.wait(60) == 0


@without("os.fork")
@staged
def test_a_child_that_ends_leaves_its_parents_pipe_as_it_is(tmp_path):
    """What says whether a pipe is waited for is shared: the next write of the parent would be an error."""
    code = (
        "import os, sys, fastmmap\n"
        "from fastmmap.logs import ending\n"
        "os.mkfifo(sys.argv[1])\n"
        "reader = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)\n"
        "log = fastmmap.Appender(sys.argv[1], interval=None)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    log.append(b'child\\n')\n"
        "    ending._end_all()\n"
        "    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "print(os.read(reader, 100), os.get_blocking(log._log.file.fd))\n"
    )
    assert run(code, tmp_path / "fifo") == (0, "b'child\\n' True\n", "")


@staged
@pytest.mark.parametrize("how", ["flush", "the end"])
def test_an_interrupt_gets_into_a_write_to_a_pipe(tmp_path, how):
    """Also when the pipe has taken a part: that is all that tells of the signal."""
    code = (
        "import os, sys, fastmmap\n"
        "os.mkfifo(sys.argv[1])\n"
        "reader = os.open(sys.argv[1], os.O_RDWR)\n"
        "fifo = fastmmap.Appender(sys.argv[1], interval=None)\n"
        "fifo.append(b'Z' * 200_000)\n"
        "print(flush=True)\n" + ("fifo.flush()\n" if how == "flush" else "")
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "fifo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        process.stdout.readline()
        # The first ends the flush, the second the waiting at the end; one that comes in between is seen later.
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
        assert b"KeyboardInterrupt" in process.stderr.read()


def test_a_folder_that_can_not_be_opened_is_no_failed_sync(tmp_path, monkeypatch, stage):
    """What was synced is safe; the name is made so by a later sync. With "always" nothing is written before."""
    path = tmp_path / "log"

    @as_system
    def refuse(fds, folder):
        raise OSError(24, "Too many open files")

    with fastmmap.Appender(path, interval=None) as log, fastmmap.Appender(path, sync="always") as other:
        log.append(b"one\n")
        with monkeypatch.context() as patched:
            patched.setattr(system, "open_directory_into", refuse)
            for _ in range(2):
                with pytest.raises(OSError, match="Too many.*log"):
                    log.sync()
            with pytest.raises(OSError, match="Too many.*log"):
                other.append(b"not taken\n")
        log.append(b"two\n")
        log.sync()
        other.append(b"three\n")
    assert path.read_bytes() == b"one\ntwo\nthree\n"


@staged
def test_a_folder_that_was_renamed_is_no_failed_sync(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with fastmmap.Appender(folder / "log", interval=None, stage_dir=tmp_path) as log:
        log.append(b"one\n")
        log.flush()
        folder.rename(tmp_path / "other")
        log.sync()
        log.append(b"two\n")
        log.sync()
    assert (tmp_path / "other" / "log").read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("how", ["lambdas", "eventlet"])
def test_functions_in_the_place_of_system_calls(tmp_path, how):
    """As eventlet puts them there: what the system says by them is understood."""
    if how == "eventlet" and importlib.util.find_spec("eventlet") is None:
        pytest.skip("there is no eventlet")  # nor is it imported here: it warns of forks from then on
    code = {
        "eventlet": "import eventlet; eventlet.monkey_patch()\n",
        "lambdas": (
            "import os, time, select, types\n"
            "try: import fcntl\n"
            "except ImportError: fcntl = os\n"  # on Windows
            "for module in (os, fcntl, time, select):\n"
            "    for name, value in list(vars(module).items()):\n"
            "        if isinstance(value, types.BuiltinFunctionType) and name not in ('fspath', 'register_at_fork'):\n"
            "            setattr(module, name, lambda *a, _f=value, **k: _f(*a, **k))\n"
        ),
    }[how] + (
        "import os, sys, fastmmap\n"
        "path = sys.argv[1]\n"
        "with fastmmap.Appender(path, sync='always') as log, fastmmap.Appender(path, interval=None) as other:\n"
        "    log.append(b'one\\n')\n"
        "    other.append(b'two\\n')\n"
        "    other.flush()\n"
        "    os.rename(path, path + '.1')\n"
        "    log.reopen()\n"
        "    log.append(b'cat\\n')\n"
        "print(fastmmap.recover(path), fastmmap.replace_file(path, b'cat', b'tiger').count)\n"
        "with fastmmap.open(path, 'r+') as m: m.resize(5000); m.append(b'end')\n"
        "try: fastmmap.open(path + '.none')\n"
        "except FileNotFoundError as error: print(error.filename == path + '.none')\n"
    )
    if how == "eventlet":
        command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "log")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        status, output, errors = done.returncode, done.stdout, done.stderr
    else:
        status, output, errors = run(code, tmp_path / "log")
    assert (status, output, errors) == (0, "False 1\nTrue\n", "")
    assert (tmp_path / "log.1").read_bytes() == b"one\ntwo\n"
    assert (tmp_path / "log").read_bytes() == b"tiger\n" + bytes(4994) + b"end"


@staged
def test_a_lock_that_is_held_keeps_no_other_log_from_recovery(tmp_path):
    """recover of a folder: the held one's records are taken when it is given back."""
    held, free = tmp_path / "a", tmp_path / "z"
    for path in (held, free):
        killed(path, b"one\n")
    lock = os.open(tmp_path / f".fastmmap-{held.stat().st_ino:x}.lock", os.O_RDWR)
    system.lock(lock)
    code = "import sys, fastmmap; print(fastmmap.recover(sys.argv[1]))"
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as process:
        wait_until(lambda: free.read_bytes() == b"one\n")
        assert (process.poll(), held.read_bytes()) == (None, b"")
        os.close(lock)
        assert process.communicate()[0].split() == [b"True"]
    assert held.read_bytes() == b"one\n"
    assert sorted(os.listdir(tmp_path)) == ["a", "z"]


@staged
def test_a_living_appender_is_seen_after_the_mode_was_changed(tmp_path):
    path = tmp_path / "log"
    path.touch()
    path.chmod(0o666)
    code = "import sys, fastmmap\nlog = fastmmap.Appender(sys.argv[1])\nprint(flush=True)\nsys.stdin.read()"
    command = [sys.executable, "-c", code, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        path.chmod(0o644)
        path.write_bytes(b"the cat\n")
        with pytest.raises(OSError, match="An Appender has"):
            fastmmap.replace_file(path, b"cat", b"tiger")
    assert path.read_bytes() == b"the cat\n"
