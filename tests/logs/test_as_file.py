"""An Appender where a file is expected: lines that come in pieces are stored as a whole."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading

import pytest
from support.marks import each_stage

import fastmmap
from fastmmap.logs.staging import LARGE

pytestmark = each_stage


@pytest.fixture
def log(path):
    with fastmmap.Appender(path, interval=None) as log:
        yield log


def test_a_line_waits_for_its_end(path, log):
    log.write("one ")
    log._tick()
    assert path.read_bytes() == b""
    assert (log.position, log.size) == (4, 4)
    log.write("two\nthree")
    log._tick()
    assert path.read_bytes() == b"one two\n"
    assert (log.position, log.size) == (13, 13)
    log.write("\n")
    log._tick()
    assert path.read_bytes() == b"one two\nthree\n"


@pytest.mark.parametrize("how", ["flush", "sync", "reopen", "close"])
def test_a_line_that_gets_no_end(path, log, how):
    log.write("one\ntw")
    getattr(log, how)()
    assert path.read_bytes() == b"one\ntw"
    if how != "close":
        log.write("o\n")
        log.flush()
        assert path.read_bytes() == b"one\ntwo\n"


def test_what_is_appended_goes_behind(path, log):
    for number in range(100):
        log.write(f"{number}:")
        log.append(f"{number}\n")
        if number % 10 == 0:
            log._tick()
    log.flush()
    assert path.read_text() == "".join(f"{i}:{i}\n" for i in range(100))


def test_no_line_is_too_long(path, log):
    log.write("x" * (LARGE - 1))
    log._tick()
    assert path.read_bytes() == b""
    log.write("x")
    log._tick()
    log.flush()
    assert path.read_bytes() == b"x" * LARGE


def test_what_it_has_of_a_file(log, path):
    assert (log.encoding, log.errors, log.isatty(), log.closed) == ("utf-8", "strict", False, False)
    assert os.path.samestat(os.fstat(log.fileno()), os.stat(path))
    log.close()
    for call in (log.fileno, log.isatty, lambda: log.write("x"), lambda: log.write("x\n"), lambda: print(file=log)):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_who_takes_a_file(path, log):
    print("one", 2, file=log)
    csv.writer(log).writerows([["three", "four"], [5, 6]])
    with contextlib.redirect_stdout(log):
        print("seven")
    shutil.copyfileobj(io.BytesIO(b"eight\n" * 100_000), log)
    log.writelines(["nine\n", b"ten\n", bytearray(b"eleven")])
    log.flush()
    subprocess.run([sys.executable, "-c", "import os; os.write(1, b'twelve\\n')"], stdout=log, check=True)
    expected = b"one 2\nthree,four\r\n5,6\r\nseven\n" + b"eight\n" * 100_000 + b"nine\nten\neleventwelve\n"
    assert path.read_bytes() == expected


def test_a_pickle(path, log):
    data = {"a": list(range(1000)), "b": os.urandom(100_000)}
    pickle.dump(data, log)
    log.close()
    assert pickle.loads(path.read_bytes()) == data


def test_threads_that_print(path, log):
    def work(thread):
        for number in range(1000):
            print(thread, number, "x" * 20, file=log)

    threads = [threading.Thread(target=work, args=(each,)) for each in range(4)]
    for each in threads:
        each.start()
    for _ in range(20):
        log._tick()
    for each in threads:
        each.join()
    log.flush()
    lines = path.read_text().splitlines()
    expected = [f"{thread} {number} {'x' * 20}" for thread in range(4) for number in range(1000)]
    assert sorted(lines) == sorted(expected)


def test_processes_that_print(path):
    children = []
    for writer in range(4):
        child = os.fork()
        if child == 0:
            log = fastmmap.Appender(path, interval=0.001, stage_size=300)
            for number in range(2000):
                print(writer, number, "x" * (number % 50), file=log)
            log.close()
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    expected = [f"{writer} {number} {'x' * (number % 50)}" for writer in range(4) for number in range(2000)]
    assert sorted(path.read_text().splitlines()) == sorted(expected)


def test_a_child_has_not_begun_the_line(path, log):
    log.write("parent's ")
    child = os.fork()
    if child == 0:
        log.write("child's\n")
        log.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    log.write("line\n")
    log.flush()
    assert path.read_bytes() == b"child's\nparent's line\n"


def test_a_killed_process_leaves_no_half_of_a_line(path):
    child = os.fork()
    if child == 0:
        log = fastmmap.Appender(path, interval=None)
        log.write("one\nhal")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    fastmmap.recover(path)
    assert path.read_bytes() in (b"one\n", b"")  # the latter where the stage is memory
    with fastmmap.Appender(path) as log:
        log.write("two\n")
    assert path.read_bytes().endswith(b"two\n")


def test_the_end_of_a_program(path):
    code = (
        "import fastmmap, sys; log = fastmmap.Appender(sys.argv[1]); print('one\\ntw', 'o', sep='', end='', file=log)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, path], check=True)
    assert path.read_bytes() == b"one\ntwo"
    assert os.listdir(path.parent) == ["app.log"]


@pytest.mark.parametrize("sync", ["always", "interval"])
def test_syncs(path, sync):
    with fastmmap.Appender(path, sync=sync) as log:
        print("one", 2, file=log)
        log.writelines(["three\n", "four\n"])
        log.write("fiv")
        assert path.read_bytes() == (b"one 2\nthree\nfour\n" if sync == "always" else b"")
    assert path.read_bytes() == b"one 2\nthree\nfour\nfiv"


def test_a_handler_that_prints_in_the_midst_of_a_line(path, log):
    """As in every file, its line stands in the other's; nothing is lost."""
    log.write("one ")
    signal.signal(signal.SIGUSR1, lambda *_: print("handler's", file=log))
    try:
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    log.write("two\n")
    log.flush()
    assert path.read_bytes() == b"one handler's\ntwo\n"


def test_a_full_disk(path):
    """Where the line that has its end now can't be stored, nothing of the piece is taken, and its beginning stays."""
    resource = pytest.importorskip("resource")
    code = f"""if True:
        import fastmmap, resource, signal, sys
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        log = fastmmap.Appender(sys.argv[1], interval=None, stage_size=100)
        resource.setrlimit(resource.RLIMIT_FSIZE, (250, {resource.RLIM_INFINITY}))
        told = taken = 0
        log.write("begun ")
        for number in range(30):
            try:
                log.write(f"{{number:020}}\\n" if number else "and ended\\n")
                taken += 1
            except OSError:
                told += 1
                log.write("")
        resource.setrlimit(resource.RLIMIT_FSIZE, ({resource.RLIM_INFINITY}, {resource.RLIM_INFINITY}))
        log.close()
        print(taken, told)
    """
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    taken, told = map(int, done.stdout.split())
    assert told
    lines = path.read_text().splitlines()
    assert len(lines) == taken
    assert lines[0] == "begun and ended"
