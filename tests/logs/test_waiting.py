"""Nobody waits for a stranger: locks, ticks, the end of the interpreter, and what patches threads."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import resource
import subprocess
import sys
import threading
import weakref

import pytest
from support.marks import forking, linux
from support.programs import run, wait_until
from support.standing_in import as_system
from support.writers import interrupted, killed, ours

import fastmmap
from fastmmap import _system, ticking

pytestmark = forking


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
    "tick": lambda log: log.tick(),
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
    monkeypatch.setattr(_system, "make_durable", lambda fd: synced.append(os.fstat(fd).st_size))
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


# --- ticks ---


class Ticks:
    """Something that ticks: it stands still while it is stalled."""

    def __init__(self, interval=0.01, again=True):
        self.interval, self.again, self.go, self.inside = interval, again, threading.Event(), threading.Event()
        self.count, self.threads = 0, set()
        self.go.set()

    def tick(self):
        self.inside.set()
        self.go.wait(30)
        self.count += 1
        self.threads.add(threading.get_ident())
        return self.again


@pytest.fixture
def desk(monkeypatch):
    desk = ticking._Desk()
    monkeypatch.setattr(ticking, "_desk", desk)
    return desk


def test_one_that_stands_still_keeps_no_other_waiting(desk):
    stalled, others = [Ticks() for _ in range(3)], [Ticks() for _ in range(3)]
    for each in stalled:
        each.go.clear()
    for each in (*stalled, *others):
        assert ticking.arm(each)
    for each in stalled:
        assert each.inside.wait(20)
    before = [each.count for each in others]
    wait_until(lambda: all(each.count > 5 + count for each, count in zip(others, before, strict=True)))
    late = Ticks()
    ticking.arm(late)
    wait_until(lambda: late.count > 3)
    for each in stalled:
        each.go.set()
    wait_until(lambda: all(each.count > 3 for each in stalled))
    for each in (*stalled, *others, late):
        each.again = False


def test_where_no_thread_can_be_started_one_ticks_them_all(desk, monkeypatch):
    first, second = Ticks(), Ticks()
    start = ticking.start_new_thread
    started = []

    def once(function, arguments):
        if started:
            raise RuntimeError("can't start new thread")
        started.append(start(function, arguments))

    monkeypatch.setattr(ticking, "start_new_thread", once)
    assert ticking.arm(first)
    ticking.arm(second)
    wait_until(lambda: first.count > 3 and second.count > 3)
    assert len(first.threads | second.threads) == 1
    first.again = second.again = False


def test_who_is_forgotten_ticks_no_more(desk):
    short, long = Ticks(), Ticks(interval=1000.0)
    ticking.arm(long)
    ticking.arm(short)
    wait_until(lambda: short.count > 2)
    kept = weakref.ref(long)
    del long
    gc.collect()
    assert kept() is None
    short.again = False


@linux
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


@linux
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
        _system.lock(fd)
        process.stdin.close()
        wait_until(lambda: all(path.read_bytes() == b"one\n" for path in paths))
        assert held.read_bytes() == b""
        assert process.poll() is None
        os.close(fd)
        assert process.wait(20) == 0
    assert held.read_bytes() == b"one\n"
    assert sorted(os.listdir(tmp_path)) == ["a", "held", "z"]


# --- what patches threads ---

# As gevent does it: threads become something that runs when somebody waits, and the modules' primitives with them.
PATCH = (
    "import sys, time, threading, _thread, queue\n"
    "class Patched:\n"
    "    def __init__(self, *a, **k): pass\n"
    "    def __getattr__(self, name): raise SystemExit(f'{name} of what was patched is used')\n"
    "    __enter__ = __exit__ = lambda self, *a: sys.exit('what was patched is used')\n"
    "def patch():\n"
    "    for module, names in ((threading, 'Thread Lock RLock Condition Event Semaphore _start_new_thread'),\n"
    "                          (_thread, 'start_new_thread'), (queue, 'Queue SimpleQueue')):\n"
    "        for name in names.split():\n"
    "            if hasattr(module, name): setattr(module, name, Patched)\n"
    "    def sleep(seconds): sys.exit('what was patched is used')\n"
    "    real, time.sleep = time.sleep, sleep\n"
    "    return real\n"
)


@linux
def test_threads_that_are_patched_after_the_import(tmp_path):
    code = PATCH + (
        "import os, fastmmap\n"
        "sleep = patch()\n"
        "log = fastmmap.Appender(sys.argv[1], interval=0.01)\n"
        "for i in range(3):\n"
        "    log.append(b'one\\n')\n"
        "    while os.path.getsize(sys.argv[1]) < 4 * (i + 1): sleep(0.001)\n"
        "log.append(b'end\\n')\n"
    )
    assert run(code, tmp_path / "log") == (0, "", "")
    assert (tmp_path / "log").read_bytes() == b"one\n" * 3 + b"end\n"


@linux
@pytest.mark.parametrize("when", ["before", "after"])
def test_gevent(tmp_path, when):
    pytest.importorskip("gevent")
    patch = "import gevent.monkey; gevent.monkey.patch_all()\n"
    code = (
        (patch if when == "before" else "")
        + "import os, sys, threading, time, fastmmap\n"
        + (patch if when == "after" else "")
        + "log = fastmmap.Appender(sys.argv[1], interval=0.02)\n"
        "def work():\n"
        "    for i in range(100):\n"
        "        log.append(b'x\\n')\n"
        "        time.sleep(0.001)\n"
        "threads = [threading.Thread(target=work) for _ in range(3)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "while os.path.getsize(sys.argv[1]) < 600: time.sleep(0.01)\n"
        "log.append(b'end\\n')\n"
    )
    assert run(code, tmp_path / "log") == (0, "", "")
    assert (tmp_path / "log").read_bytes() == b"x\n" * 300 + b"end\n"


# --- what dead writers leave beside one that lives ---


def leaves(path, record):
    """A child that ends without a word to anybody."""
    child = os.fork()
    if child == 0:
        log = fastmmap.Appender(path, interval=None)
        log.append(record)
        os._exit(0)
    os.waitpid(child, 0)


@linux
def test_a_living_writer_takes_over_in_time(tmp_path):
    path = tmp_path / "log"
    with fastmmap.Appender(path, interval=0.01) as log:
        for i in range(5):
            leaves(path, b"child's\n")
            log.append(b"mine\n")
            wait_until(lambda i=i: path.read_bytes().count(b"child's\n") == i + 1)
        wait_until(lambda: not log._armed)
    assert path.read_bytes().count(b"mine\n") == 5
    assert os.listdir(tmp_path) == ["log"]


@linux
@pytest.mark.parametrize("how", ["close", "the end"])
def test_a_living_writer_takes_over_when_it_ends(tmp_path, how):
    code = (
        "import os, sys, fastmmap\n"
        "log = fastmmap.Appender(sys.argv[1], interval=None)\n"
        "if os.fork() == 0:\n"
        "    log.append(b'child\\n')\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "if sys.argv[2] == 'close': log.close()\n"
    )
    assert run(code, tmp_path / "log", how) == (0, "", "")
    assert (tmp_path / "log").read_bytes() == b"child\n"
    assert os.listdir(tmp_path) == ["log"]


@linux
def test_a_stage_is_looked_for_when_the_folder_has_changed(tmp_path, monkeypatch):
    """Or while others' are known to be there: else it costs one look at the folder's time."""
    path = tmp_path / "log"
    listed = []
    with fastmmap.Appender(path, interval=None) as log:
        os.utime(tmp_path, (1, 1))
        real = os.listdir
        monkeypatch.setattr(os, "listdir", lambda folder: listed.append(folder) or real(folder))
        for _ in range(3):
            log.append(b"x")
            log.tick()
        assert len(listed) == 1
        killed(path, b"dead\n")
        log.append(b"x")
        log.tick()
        assert len(listed) > 1
        assert b"dead\n" in path.read_bytes()


@linux
def test_two_that_live_take_over_once(tmp_path):
    path = tmp_path / "log"
    logs = [fastmmap.Appender(path, interval=0.002) for _ in range(3)]
    for i in range(20):
        killed(path, b"dead %d\n" % i)
        for log in logs:
            log.append(b"x\n")
    for log in logs:
        log.close()
    lines = [line for line in path.read_bytes().splitlines() if line != b"x"]
    assert sorted(lines) == sorted(b"dead %d" % i for i in range(20))


# --- copies, and logs that can't be cut ---


def test_an_appender_is_neither_copied_nor_pickled(tmp_path):
    with fastmmap.Appender(tmp_path / "log") as log:
        for use in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match=r"can't be copied or pickled.*open another by the path .*log"):
                use(log)


@linux
def test_a_part_that_can_not_be_cut_off_stays(tmp_path, kernel):
    """In a log that may only be appended to: what follows goes behind it."""
    path = tmp_path / "log"
    interrupted(path, 4096, size=200_000)
    if subprocess.run(["chattr", "+a", path], capture_output=True).returncode != 0:
        pytest.skip("nothing can be made append-only here")
    try:
        with pytest.MonkeyPatch.context() as patched:
            for name in ("drain", "settle", "send"):
                patched.setattr(fastmmap._backend.chosen, name, getattr(kernel, name))
            with fastmmap.Appender(path, interval=None) as log:
                log.append(b"behind\n")
                log.flush()
                assert path.read_bytes() == b"s" * 99 + b"\n" + b"L" * 3996 + b"behind\n"
    finally:
        subprocess.run(["chattr", "-a", path], check=True)


@linux
def test_what_others_wrote_behind_a_part_stays(tmp_path, kernel):
    """The write failed and its part couldn't be taken back: later that part alone may be cut, wherever a page ends."""
    path, soft = tmp_path / "log", resource.getrlimit(resource.RLIMIT_FSIZE)
    path.write_bytes(b"one\n")
    if subprocess.run(["chattr", "+a", path], capture_output=True).returncode != 0:
        pytest.skip("nothing can be made append-only here")
    with pytest.MonkeyPatch.context() as patched, fastmmap.Appender(path, interval=None) as log:
        for name in ("drain", "settle", "send"):
            patched.setattr(fastmmap._backend.chosen, name, getattr(kernel, name))
        log.append(b"two\n")
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, soft[1]))
        try:
            with pytest.raises(OSError, match="too large"):
                log.append(b"L" * 100_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, soft)
            subprocess.run(["chattr", "-a", path], check=True)
        part = path.read_bytes()
        assert part == (b"one\ntwo\n" + b"L" * 50_000)[:50_000]
        with path.open("ab") as other:
            other.write(b"o" * (-len(part) % 4096))
        log.append(b"three\n")
        log.flush()
        assert path.read_bytes() == part + b"o" * (-len(part) % 4096) + b"three\n"


def test_a_part_that_can_not_be_taken_back(tmp_path, steps, monkeypatch, stage):
    """A write that failed half-way in a log that can't be cut: the next goes on, with whole records."""
    path, write = tmp_path / "log", _system.write_pieces
    calls = []

    @as_system
    def half(fd, pieces):
        calls.append(1)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return write(fd, [memoryview(b"".join(pieces)[:50_000])])

    @as_system
    def refuse(fd, size):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(_system, "truncate", refuse)
    with fastmmap.Appender(path, interval=None) as log:
        log.append(b"one\n")
        with monkeypatch.context() as patched:
            patched.setattr(_system, "write_pieces", half)
            with pytest.raises(OSError, match="No space"):
                log.append(b"L" * 100_000)
        log.append(b"two\n")
        log.flush()
        assert path.read_bytes() == b"one\n" + b"L" * 49_996 + b"two\n"
        assert log.position == 8


@linux
def test_errors_name_the_stage_not_the_descriptor(tmp_path):
    if fastmmap.kernel == "python":
        pytest.skip("the reference stores without the guard")
    log = fastmmap.Appender(tmp_path / "log", interval=None)
    (name,) = ours(tmp_path, ".stage")
    os.truncate(tmp_path / name, 4096)
    with pytest.raises(fastmmap.MappedFileError) as caught:
        log.append(b"x")
    assert caught.value.filename == str(tmp_path / name)
    log._let_go()
    log.close()


def test_nothing_is_said_at_the_end_of_an_open_appender(tmp_path):
    """Also of one in a cycle, which is collected when modules are gone already."""
    code = (
        "import sys, fastmmap\n"
        "log = fastmmap.Appender(sys.argv[1])\n"
        "log.itself = log\n"
        "log.append(b'one\\n')\n"
        "sys.modules['kept'] = [log]\n"
    )
    assert run(code, tmp_path / "log") == (0, "", "")
    assert (tmp_path / "log").read_bytes() == b"one\n"
