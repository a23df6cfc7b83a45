"""Threads that share an appender, and children that get one by a fork."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from support.lacks import processes_by, without
from support.marks import each_stage, staged

import fastmmap
from fastmmap import _backend

pytestmark = each_stage


def test_threads_that_append_lists_large_records_and_flush(tmp_path):
    path = tmp_path / "log"
    errors = []
    with fastmmap.Appender(path, stage_size=3000, interval=0.001) as log:

        def work(name):
            try:
                for i in range(300):
                    log.append_many([b"%d:%d:a\n" % (name, i), b"%d:%d:b\n" % (name, i)])
                    if i % 50 == 0:
                        log.append(b"%d:%d:%s\n" % (name, i, b"L" * 70_000))
                    if i % 20 == 0:
                        log.flush()
                        assert log.size <= log.position
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        assert log.size == log.position
    lines = path.read_bytes().splitlines()
    for name in range(4):
        mine = [line.split(b":")[1:] for line in lines if line.startswith(b"%d:" % name)]
        expected = [[b"%d" % i, kind] for i in range(300) for kind in (b"a", b"b", b"L" * 70_000)
                    if kind[:1] != b"L" or i % 50 == 0]  # fmt: skip
        assert mine == expected


def test_a_forked_child_has_its_own_stage(tmp_path, stage):
    path = tmp_path / "log"
    with fastmmap.Appender(path, interval=None) as log:
        log.append(b"parent's\n")
        child = os.fork()
        if child == 0:
            ok = log._tail == 0 and log.survives_kill == (stage == "file")
            log.append(b"child's\n")
            ok = (
                ok
                and log.size == 8
                and len([n for n in os.listdir(tmp_path) if n.endswith(".stage")]) == 2 * (stage == "file")
            )
            log.flush()
            os._exit(0 if ok else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert path.read_bytes() == b"child's\n"
        assert log.size == 17
    assert path.read_bytes() == b"child's\nparent's\n"


@staged
def test_a_forked_child_that_is_killed_loses_nothing(tmp_path, in_file):
    path = tmp_path / "log"
    with fastmmap.Appender(path, interval=None) as log:
        log.append(b"parent's\n")
        child = os.fork()
        if child == 0:
            log.append(b"child's\n")
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        assert fastmmap.recover(path)
        assert path.read_bytes() == b"child's\n"
    assert path.read_bytes() == b"child's\nparent's\n"
    assert os.listdir(tmp_path) == ["log"]


@staged
def test_a_parent_that_dies_before_its_child(tmp_path, in_file):
    """The child holds no lock of the parent's stage."""
    path = tmp_path / "log"
    read, write = os.pipe()
    forked, tell = os.pipe()
    parent = os.fork()
    if parent == 0:
        os.close(write)
        log = fastmmap.Appender(path, interval=None)
        log.append(b"parent's\n")
        kept = log._stage._mapping.view()  # as a thread may have had one that is no more in the child
        if os.fork() == 0:
            os.write(tell, b"!")
            os.read(read, 1)  # lives until the test ends
            os._exit(len(kept) == 0)
        os.read(forked, 1)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(parent, 0)
    assert fastmmap.recover(path)
    assert path.read_bytes() == b"parent's\n"
    for fd in (read, write, forked, tell):
        os.close(fd)


@without("os.fork")
def test_forks_while_threads_append(tmp_path):
    path = tmp_path / "log"
    stop = threading.Event()
    counts = [0, 0]
    with fastmmap.Appender(path, stage_size=2000, interval=0.001) as log:

        def work(name):
            while not stop.is_set():
                log.append(b"%d:%d\n" % (name, counts[name]))
                counts[name] += 1

        threads = [threading.Thread(target=work, args=(name,)) for name in range(2)]
        for thread in threads:
            thread.start()
        children = []
        for i in range(20):
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                log.append(b"child %d\n" % i)
                log.close()
                os._exit(0)
            children.append(child)
            time.sleep(0.005)
        statuses = [os.waitpid(child, 0)[1] for child in children]
        stop.set()
        for thread in threads:
            thread.join()
    assert statuses == [0] * 20
    lines = path.read_bytes().splitlines()
    assert sorted(line for line in lines if line.startswith(b"child")) == sorted(b"child %d" % i for i in range(20))
    for name in range(2):
        mine = [int(line.split(b":")[1]) for line in lines if line.startswith(b"%d:" % name)]
        assert mine == list(range(counts[name]))
    assert os.listdir(tmp_path) == ["log"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing(tmp_path, method):
    """They end without running exit handlers, and drain all the same."""
    processes_by(method)
    (tmp_path / "worker.py").write_text(
        "import fastmmap\n"
        "log = None\n"
        "def start(path):\n"
        "    global log\n"
        "    log = fastmmap.Appender(path, interval=None)\n"
        "def work(i):\n"
        "    log.append(b'%d\\n' % i)\n"
    )
    code = (
        "import multiprocessing, sys\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "import worker\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context(sys.argv[3])\n"
        "    pool = context.Pool(2, worker.start, (sys.argv[1],))\n"
        "    pool.map(worker.work, range(1000))\n"
        "    pool.close()\n"
        "    pool.join()\n"
    )
    folder = tmp_path / "logs"
    folder.mkdir()
    main = tmp_path / "main.py"
    main.write_text(code)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", main, folder / "log", tmp_path, method], capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(map(int, (folder / "log").read_bytes().split())) == list(range(1000))
    assert os.listdir(folder) == ["log"]


@without("os.fork")
@staged
def test_forks_while_appenders_are_made(tmp_path, in_file):
    if not _backend.NATIVE:
        pytest.skip("the standard library's mmap keeps a descriptor of its own, which carries no lock")
    stop = threading.Event()

    def make():
        while not stop.is_set():
            fastmmap.Appender(tmp_path / "log", interval=None).close()

    maker = threading.Thread(target=make)
    maker.start()
    kept = 0
    for _ in range(100):
        child = os.fork()
        if child == 0:
            names = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if int(fd) > 2
                     and os.path.lexists(f"/proc/self/fd/{fd}")]  # fmt: skip
            os._exit(any(name.startswith(str(tmp_path)) and ".lock" in name for name in names))
        kept += os.waitpid(child, 0)[1] != 0
    stop.set()
    maker.join()
    assert kept == 0
