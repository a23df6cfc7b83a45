"""An appender's life: intervals, syncs, threads, forks, signals and the end of the interpreter."""

from __future__ import annotations

import errno
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import pytest
from support.marks import each_stage, forking, linux
from support.programs import run, wait_until
from support.standing_in import as_system

import fastmmap
from fastmmap import _backend, _system, ticking

pytestmark = each_stage


# --- intervals ---


def test_records_are_visible_after_an_interval(tmp_path):
    path = tmp_path / "log"
    with fastmmap.Appender(path, interval=0.05) as log:
        for number in range(1, 4):
            log.append(b"record\n")
            wait_until(lambda number=number: path.stat().st_size == 7 * number)
        wait_until(lambda: not log._armed)  # nothing to do, and so nothing is done
        log.append(b"record\n")
        assert log._armed
        wait_until(lambda: path.stat().st_size == 28)


def test_no_interval_starts_no_thread(tmp_path):
    code = (
        "import _thread, sys, fastmmap\n"
        "from fastmmap import ticking\n"
        "with fastmmap.Appender(sys.argv[1], interval=None) as log:\n"
        "    log.append_many([b'x'] * 100)\n"
        "    print(_thread._count(), end=' ')\n"
        "with fastmmap.Appender(sys.argv[1], interval=100) as log:\n"
        "    print(_thread._count(), end=' ')\n"
        "    log.append(b'x')\n"
        "    while not ticking._desk.leading.locked(): pass\n"
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
            patched.setattr(_system, "write_pieces", full)
            log.append(b"one\n")
            assert failed.wait(10)
            log.append(b"two\n")
            with pytest.raises(OSError, match="No space"):
                log.flush()
        wait_until(lambda: path.read_bytes() == b"one\ntwo\n")


def test_a_forgotten_appender_is_no_longer_waited_for(tmp_path):
    path = tmp_path / "log"
    log = fastmmap.Appender(path, interval=0.03)
    log.append(b"x")
    kept = weakref.ref(log)
    del log
    gc.collect()
    assert kept() is None
    assert path.read_bytes() == b"x"
    assert os.listdir(tmp_path) == ["log"]


def test_what_goes_wrong_in_time_keeps_no_other_from_being_drained(tmp_path, monkeypatch):
    """A warning that is an error, for instance: the thread reports it, and goes on."""
    reported = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda arguments: reported.set())
    tick = fastmmap.Appender.tick

    def fails(self):
        if self is first and not reported.is_set():
            raise RuntimeWarning("no OSError")
        return tick(self)

    monkeypatch.setattr(fastmmap.Appender, "tick", fails)
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
    monkeypatch.setattr(ticking, "_desk", ticking._Desk())
    with fastmmap.Appender(path, interval=0.02) as log:

        def refuse(function, arguments):
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patched:
            patched.setattr(ticking, "start_new_thread", refuse)
            log.append(b"one\n")
        assert not log._armed
        log.flush()
        log.append(b"two\n")
        wait_until(lambda: path.read_bytes() == b"one\ntwo\n")


# --- syncs ---


@pytest.fixture
def syncs(monkeypatch):
    """How often files were synced, and how: a test may have them fail."""
    calls = []

    @as_system
    def sync(fd):
        calls.append(os.fstat(fd).st_size)
        if sync.fails:
            raise OSError(errno.EIO, "Input/output error")

    sync.fails = False
    monkeypatch.setattr(_system, "make_durable", sync)
    calls_of = sync
    calls_of.calls = calls
    return calls_of


def test_always_in_sync(tmp_path, syncs):
    path = tmp_path / "log"
    with fastmmap.Appender(path, sync="always") as log:
        log.append(b"one\n")
        assert syncs.calls == [4]
        assert path.read_bytes() == b"one\n"
        assert log.append_many(b"%d\n" % i for i in range(10)) == 10
        assert syncs.calls == [4, 24], "many records, one sync"
        log.append(b"L" * 100_000)
        assert syncs.calls == [4, 24, 100_024]
        with pytest.raises(TypeError):
            log.append_many([b"kept\n", 5])
        assert syncs.calls[-1] == 100_029
        assert log.position == log.size == 100_029


def test_always_in_sync_after_a_close_that_failed(tmp_path, syncs, monkeypatch):
    path = tmp_path / "log"
    log = fastmmap.Appender(path, sync="always")
    log.append(b"one\n")
    with monkeypatch.context() as patched:

        def fails(self, *arguments):
            raise OSError(errno.EIO, "Input/output error")

        patched.setattr(type(log._stage), "length", fails)
        with pytest.raises(OSError, match="Input/output error"):
            log.close()
    log.append(b"two\n")
    assert (syncs.calls, path.read_bytes()) == ([4, 8], b"one\ntwo\n")
    log.close()


def test_in_sync_after_an_interval(tmp_path, syncs):
    path = tmp_path / "log"
    with fastmmap.Appender(path, sync="interval", interval=0.03) as log:
        log.append(b"one\n")
        wait_until(lambda: syncs.calls == [4])
        log.append(b"two\n")
        log.flush()  # visible, and yet to be synced
        wait_until(lambda: syncs.calls == [4, 8])
        wait_until(lambda: not log._armed)
        log.append(b"end\n")
    assert syncs.calls[-1] == 12, "no timer will do so any more"


def test_no_sync_but_when_asked(tmp_path, syncs):
    with fastmmap.Appender(tmp_path / "log", interval=0.01) as log:
        log.append(b"x")
        time.sleep(0.05)
        assert syncs.calls == []
        log.sync()
        assert syncs.calls == [1]


@pytest.mark.parametrize("how", ["asked", "interval", "always"])
def test_a_failed_sync_poisons(tmp_path, syncs, how):
    """The system says so once, and may have dropped the data: no later success can be believed."""
    path = tmp_path / "log"
    log = fastmmap.Appender(path, sync=None if how == "asked" else how, interval=0.01)
    log.append(b"good\n")
    log.sync()
    syncs.fails = True
    words = "Input/output error: a sync has failed, and what was written before it may be lost.*log"
    if how == "asked":
        log.append(b"doubtful\n")
        with pytest.raises(OSError, match="Input/output error.*log"):
            log.sync()
    elif how == "always":
        with pytest.raises(OSError, match="Input/output error.*log"):
            log.append(b"doubtful\n")
    else:
        log.append(b"doubtful\n")
        wait_until(lambda: log._failure is not None)
    syncs.fails = False
    for use in (lambda: log.append(b"x"), lambda: log.append_many([b"x"]), log.flush, log.sync,
                lambda: log.append(b"x" * 100_000), lambda: log.write("x")):  # fmt: skip
        with pytest.raises(OSError, match=words) as caught:
            use()
        assert (caught.value.errno, caught.value.filename) == (errno.EIO, str(path))
    with pytest.raises(OSError, match=words):
        log.close()
    assert log.closed
    log.close()
    with pytest.raises(ValueError, match="closed"):
        log.append(b"x")
    assert path.read_bytes() == b"good\ndoubtful\n", "what was accepted is written, for what it's worth"
    assert os.listdir(tmp_path) == ["log"]


def test_the_name_of_a_new_log_is_synced_once(tmp_path, syncs, monkeypatch):
    names = []
    monkeypatch.setattr(_system, "make_names_durable", lambda fd: names.append(os.readlink(f"/proc/self/fd/{fd}")))
    with fastmmap.Appender(tmp_path / "log") as log:
        log.sync()
        log.sync()
    assert names == [str(tmp_path)]


# --- threads and forks ---


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


@forking
def test_a_forked_child_has_its_own_stage(tmp_path, stage):
    path = tmp_path / "log"
    with fastmmap.Appender(path, interval=None) as log:
        log.append(b"parent's\n")
        child = os.fork()
        if child == 0:
            ok = log.tail == 0 and log.survives_kill == (stage == "file")
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


@forking
@linux
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


@forking
@linux
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


@forking
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


# --- signals, and the end ---


def test_drained_at_the_end_of_the_interpreter(tmp_path):
    """Also what other handlers of the end append, those that run after ours too."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: log.append(b'registered first, runs last\\n'))\n"
        "import fastmmap\n"
        "log = fastmmap.Appender(sys.argv[1])\n"
        "atexit.register(lambda: log.append(b'registered last, runs first\\n'))\n"
        "log.append(b'at work\\n')\n"
    )
    assert run(code, tmp_path / "log") == (0, "", "")
    assert (tmp_path / "log").read_bytes() == b"at work\nregistered last, runs first\nregistered first, runs last\n"
    assert os.listdir(tmp_path) == ["log"]


@pytest.mark.parametrize("options", [{}, {"interval": None}, {"sync": "always"}])
def test_an_appender_that_is_opened_at_the_end_of_the_interpreter(tmp_path, options):
    """In an exit handler that runs after ours: what it appends goes to the file itself."""
    code = (
        "import atexit, sys\n"
        "def last():\n"
        "    import fastmmap\n"
        "    sys.log = fastmmap.Appender(sys.argv[1], **eval(sys.argv[2]))\n"
        "    sys.log.append_many([b'one\\n', 'two\\n'])\n"
        "atexit.register(last)\n"
        "import fastmmap\n"
    )
    assert run(code, tmp_path / "log", options) == (0, "", "")
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    assert os.listdir(tmp_path) == ["log"]


@linux
def test_a_forgotten_appender_that_can_not_drain(tmp_path, in_file, steps, monkeypatch):
    """It keeps no descriptor, and its records are in its stage yet."""
    path = tmp_path / "log"
    before = len(os.listdir("/proc/self/fd"))
    said = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: said.append(unraisable.exc_value.errno))
    log = fastmmap.Appender(path, interval=None)
    log.append(b"record\n")

    @as_system
    def full(fd, pieces):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(_system, "write_pieces", full)
        del log
        gc.collect()
    assert said == [errno.ENOSPC]
    assert len(os.listdir("/proc/self/fd")) == before
    assert fastmmap.recover(path)
    assert path.read_bytes() == b"record\n"


def test_a_cycle_that_holds_an_appender(tmp_path):
    log = fastmmap.Appender(tmp_path / "log", interval=None)
    log.append(b"x")
    log.itself = log
    del log
    gc.collect()
    assert (tmp_path / "log").read_bytes() == b"x"
    assert os.listdir(tmp_path) == ["log"]


@linux
def test_a_stage_that_somebody_cuts(tmp_path, in_file):
    """No signal ends the process: the append says what happened."""
    if fastmmap.kernel == "python":
        pytest.skip("the reference stores without the guard")
    path = tmp_path / "log"
    log = fastmmap.Appender(path, interval=None)
    log.append(b"x")
    (name,) = (name for name in os.listdir(tmp_path) if name.endswith(".stage"))
    os.truncate(tmp_path / name, 4096)
    with pytest.raises(fastmmap.MappedFileError, match="truncated"):
        log.append(b"y")
    with pytest.raises(fastmmap.MappedFileError, match="truncated"):
        log.append_many([b"y"] * 10)
    with pytest.raises(OSError, match="log"):
        log.close()
    log._let_go()


@linux
def test_a_lock_that_somebody_removes(tmp_path):
    path = tmp_path / "log"
    with fastmmap.Appender(path, interval=None) as log, fastmmap.Appender(path, interval=None) as other:
        log.append(b"one\n")
        for name in os.listdir(tmp_path):
            if name.endswith(".lock"):
                os.unlink(tmp_path / name)
        log.flush()
        other.append(b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"
    assert os.listdir(tmp_path) == ["log"]


@linux
def test_a_lock_that_somebody_has_put_there(tmp_path, in_file):
    """It is an OSError, in time as well, and no longer than it is there."""
    path = tmp_path / "log"
    with fastmmap.Appender(path, interval=0.02) as log:
        (lock,) = (tmp_path / name for name in os.listdir(tmp_path) if name.endswith(".lock"))
        lock.unlink()
        lock.symlink_to("/etc/passwd")
        log.append(b"one\n")
        with pytest.raises(OSError, match="is ignored: it is not a regular file.*log"):
            log.flush()
        time.sleep(0.1)
        assert path.read_bytes() == b""
        lock.unlink()
        wait_until(lambda: path.read_bytes() == b"one\n")


@forking
@linux
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
    assert kept <= 20, "but for the moment between opening and noting it"


@forking
@linux
def test_a_relative_stage_dir(tmp_path, monkeypatch, in_file):
    monkeypatch.chdir(tmp_path)
    os.mkdir("stages")
    log = fastmmap.Appender("log", stage_dir="stages", interval=None)
    child = os.fork()
    if child == 0:
        os.chdir("/")
        log.append(b"child's\n")
        log.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    log.close()
    assert (tmp_path / "log").read_bytes() == b"child's\n"


def test_pipes_and_devices(tmp_path):
    read, write = os.pipe()
    with fastmmap.Appender(f"/proc/self/fd/{write}") as log:
        assert not log.survives_kill
        log.append(b"through a pipe\n")
        log.append(b"L" * 30_000)
        log.flush()
        with pytest.raises(OSError, match="fd"):
            log.sync()
        log.append(b"!")
    os.close(write)
    with open(read, "rb") as file:
        assert file.read() == b"through a pipe\n" + b"L" * 30_000 + b"!"
    with fastmmap.Appender(os.devnull) as log:
        log.append_many([b"x" * 1000] * 5000)
        assert log.position == 5_000_000


def test_what_can_not_be_synced_says_so_at_once(tmp_path):
    read, write = os.pipe()
    for sync in ("always", "interval"):
        with pytest.raises(OSError, match=f"sync='{sync}' is for files, and this isn't one.*fd") as caught:
            fastmmap.Appender(f"/proc/self/fd/{write}", sync=sync)
        assert caught.value.errno == errno.EINVAL
    os.close(write)
    assert os.read(read, 9) == b""
    os.close(read)


def test_a_pipe_that_blocks_nobody(tmp_path):
    """What it has no room for waits, large records as well; none comes twice, or in part."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    log = fastmmap.Appender(f"/proc/self/fd/{write}", interval=None, stage_size=50_000)
    os.set_blocking(write, True)  # the appender has opened it anew
    os.set_blocking(log._log.file.fd, False)
    os.close(write)
    accepted, got, refused = [], [], 0
    for i in range(60):
        record = b"%03d" % i + b"x" * (10_000 if i % 7 else 300_000) + b"\n"
        try:
            log.append(record)
            accepted.append(record)
        except BlockingIOError:
            refused += 1
            got.append(os.read(read, 40_000))
    assert refused > 5
    assert log.position == sum(map(len, accepted))
    os.set_blocking(log._log.file.fd, True)
    closer = threading.Thread(target=log.close)
    closer.start()
    while part := os.read(read, 1 << 16):
        got.append(part)
    closer.join()
    os.close(read)
    assert b"".join(got) == b"".join(accepted)


def test_a_fifo_waits_for_its_reader(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    got = []

    def read():
        with open(path, "rb") as file:
            got.append(file.read())

    reader = threading.Thread(target=read)
    reader.start()
    with fastmmap.Appender(path) as log:
        log.append(b"x" * 100_000)
    reader.join(10)
    assert got == [b"x" * 100_000]


def test_descriptors_do_not_leak(tmp_path):
    def count():
        return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0

    before = count()
    for i in range(30):
        with fastmmap.Appender(tmp_path / "log", interval=None) as log:
            log.append(b"x" * i)
            log.sync()
        with pytest.raises(IsADirectoryError):
            fastmmap.Appender(tmp_path)
        fastmmap.recover(tmp_path)
    assert count() == before
