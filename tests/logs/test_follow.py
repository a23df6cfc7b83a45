"""follow: the lines of a log as they arrive, through everything that becomes of its file."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import threading
import warnings

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from support.marks import forking

import fastmmap
from fastmmap import system
from fastmmap.logs import followed

pytestmark = pytest.mark.any_kernel


@pytest.fixture
def path(tmp_path):
    return tmp_path / "app.log"


@pytest.fixture(params=["watched", "looked at"])
def way(request, monkeypatch):
    if request.param == "looked at":
        monkeypatch.setattr(system, "open_watch", lambda: -1)
    return request.param


def add(path, text):
    with open(path, "ab") as file:
        file.write(text)


def now(path, start=0):
    """What is there now, by one follower."""
    return fastmmap.follow(path, start=start, timeout=0)


# --- where it begins ---


def test_from_the_end(path):
    path.write_bytes(b"old\n")
    lines = now(path, "end")
    add(path, b"new\n")
    assert list(lines) == [b"new\n"]


def test_from_the_end_of_a_line_that_has_no_end(path):
    path.write_bytes(b"old\n" + b"x" * 5000)
    lines = now(path, "end")
    add(path, b"y\n")
    assert list(lines) == [b"x" * 5000 + b"y\n"]


def test_from_an_offset(path):
    path.write_bytes(b"one\ntwo\n")
    assert list(now(path, 4)) == [b"two\n"]
    assert list(now(path, 5)) == [b"wo\n"]
    assert list(now(path, 100)) == [b"one\n", b"two\n"], "it was cut since"


def test_from_a_position(path):
    path.write_bytes(b"one\ntwo\nthree\nfo")
    lines = now(path)
    seen = [lines.position]
    for _ in range(3):
        next(lines)
        seen.append(lines.position)
    inode = path.stat().st_ino
    assert seen == [(inode, 0), (inode, 4), (inode, 8), (inode, 14)]
    add(path, b"ur\n")
    for number, position in enumerate(seen):
        assert list(now(path, position)) == [b"one\n", b"two\n", b"three\n", b"four\n"][number:]


def test_from_a_position_before_rotations(path):
    path.write_bytes(b"one\ntwo\n")
    lines = now(path)
    next(lines)
    saved = lines.position
    for number in range(3, 0, -1):  # it becomes app.log.3, and each that comes after it another
        os.rename(path, path.with_name(f"app.log.{number}"))
        path.write_bytes(b"after %d\n" % number)
    assert list(now(path, saved)) == [b"two\n", b"after 3\n", b"after 2\n", b"after 1\n"]


def test_from_a_position_whose_file_is_gone(path):
    path.write_bytes(b"one\n")
    saved = path.stat().st_ino, 4
    other = path.with_name("other")
    other.write_bytes(b"new\n")
    os.rename(other, path)
    with pytest.warns(RuntimeWarning, match=f"inode {saved[0]}, isn't beside .*app.log' any more: lines may be lost"):
        lines = now(path, saved)
    assert list(lines) == [b"new\n"]


def test_a_file_that_comes_later(path, way):
    lines = now(path, "end")
    assert list(lines) == []
    assert lines.position is None
    path.write_bytes(b"one\n")
    assert list(lines) == [b"one\n"]
    assert lines.position == (path.stat().st_ino, 4)


@pytest.mark.parametrize(
    ("start", "error", "words"),
    [
        ("start", ValueError, "'start'"),
        (-1, ValueError, "negative: -1"),
        ((1, -1), ValueError, "negative"),
        ((1, 2, 3), ValueError, r"\(1, 2, 3\)"),
        (1.5, TypeError, "float"),
        (None, TypeError, "NoneType"),
        ((None, 0), TypeError, "NoneType"),
    ],
)
def test_what_start_can_not_be(path, start, error, words):
    path.touch()
    with pytest.raises(error, match=words):
        fastmmap.follow(path, start=start)


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_what_timeout_can_not_be(path, timeout):
    with pytest.raises(ValueError, match="timeout"):
        fastmmap.follow(path, timeout=timeout)


def test_what_can_not_be_followed(path, tmp_path):
    with pytest.raises(FileNotFoundError, match="absent'"):
        fastmmap.follow(tmp_path / "absent" / "app.log")
    with pytest.raises(IsADirectoryError, match="a directory"):
        fastmmap.follow(tmp_path)
    os.mkfifo(path)
    with pytest.raises(OSError, match=r"no regular file.*app.log'"):
        fastmmap.follow(path)
    with pytest.raises(TypeError):
        fastmmap.follow(3)


# --- what becomes of the file ---


def test_a_partial_line_waits(path):
    path.write_bytes(b"one\ntw")
    lines = now(path)
    assert list(lines) == [b"one\n"]
    add(path, b"o")
    assert list(lines) == []
    add(path, b"\nthree")
    assert list(lines) == [b"two\n"]
    os.rename(path, path.with_name("app.log.1"))
    assert list(lines) == []
    path.write_bytes(b"four\n")
    assert list(lines) == [b"three", b"four\n"]


def test_what_is_written_to_a_rotated_file(path):
    path.write_bytes(b"one\n")
    lines = now(path)
    assert list(lines) == [b"one\n"]
    old = open(path, "ab", buffering=0)
    os.rename(path, path.with_name("app.log.1"))
    path.write_bytes(b"new\n")
    old.write(b"two\n")
    assert list(lines) == [b"two\n", b"new\n"]
    position = lines.position
    old.write(b"late\n")
    assert list(lines) == [b"late\n"]
    assert lines.position == position
    old.close()


@pytest.mark.parametrize("length", [1, 1000])
def test_a_file_that_is_cut(path, length):
    old = b"%d\n" * length % tuple(range(length))
    path.write_bytes(old + b"unended")
    lines = now(path)
    assert len(list(lines)) == length
    os.truncate(path, 0)
    add(path, b"new\n")
    assert list(lines) == [b"unended", b"new\n"]
    os.truncate(path, 0)
    assert list(lines) == []
    add(path, b"one\n")
    assert list(lines) == [b"one\n"]
    os.truncate(path, 0)
    add(path, b"two\n")  # as many bytes
    assert list(lines) == [b"two\n"]
    os.truncate(path, 0)
    add(path, b"longer\nthan before\n")
    assert list(lines) == [b"longer\n", b"than before\n"]


def test_an_end_that_is_taken_back(path):
    """As a writer does it whose write ended on a full disk: nothing before it comes twice."""
    path.write_bytes(b"".join(b"line %d\n" % i for i in range(100)))
    lines = now(path)
    size = path.stat().st_size
    assert len(list(lines)) == 100
    add(path, b"hal")
    assert list(lines) == []
    os.truncate(path, size)
    assert list(lines) == []
    add(path, b"whole\n")
    assert list(lines) == [b"whole\n"]


def test_copytruncate(path):
    """What was written before the copy was made and hasn't been read is in the copy."""
    path.write_bytes(b"one\ntwo\npart")
    lines = now(path)
    assert list(lines) == [b"one\n", b"two\n"]
    add(path, b"ly\nthree\n")
    shutil.copy(path, path.with_name("app.log.1"))
    os.truncate(path, 0)
    add(path, b"new\n")
    assert list(lines) == [b"partly\n", b"three\n", b"new\n"]
    assert lines.position == (path.stat().st_ino, 4)


def test_a_copy_is_no_successor(path):
    path.write_bytes(b"one\n")
    lines = now(path)
    assert list(lines) == [b"one\n"]
    shutil.copy(path, path.with_name("app.log.1"))
    os.truncate(path, 0)
    add(path, b"two\n")
    assert list(lines) == [b"two\n"]
    os.rename(path, path.with_name("app.log.2"))
    path.write_bytes(b"three\n")
    assert list(lines) == [b"three\n"]


def test_compressed_files_are_no_successors(path):
    path.write_bytes(b"one\n")
    lines = now(path)
    assert list(lines) == [b"one\n"]
    os.rename(path, path.with_name("app.log.1"))
    path.write_bytes(b"two\n")
    shutil.copy(path.with_name("app.log.1"), path.with_name("app.log.1.gz"))
    shutil.copy(path, path.with_name("app.log-error"))  # another's
    assert list(lines) == [b"two\n"]


@pytest.mark.parametrize("size", [followed.BLOCK - 1, followed.BLOCK, 3 * followed.BLOCK + 1])
def test_lines_longer_than_a_block(path, size):
    line = b"x" * size + b"\n"
    path.write_bytes(b"a\n" + line + b"b\n" + line)
    assert list(now(path)) == [b"a\n", line, b"b\n", line]


def test_bytes_of_any_kind(path):
    data = b"\0\r\n\xff\n\n\x85\x0b\x0c\xe2\x80\xa8\n"
    path.write_bytes(data)
    assert list(now(path)) == [b"\0\r\n", b"\xff\n", b"\n", b"\x85\x0b\x0c\xe2\x80\xa8\n"]


class Model(RuleBasedStateMachine):
    """A log that is appended to, renamed, cut, removed and made anew, in any order; and another follower's positions.

    What was written since the last look is there, in its order, as long as its file is.
    """

    folder = None

    @initialize()
    def begin(self):
        self.place = self.folder / os.urandom(8).hex()
        self.place.mkdir()
        self.path = self.place / "log"
        self.path.touch()
        self.lines = now(self.path)
        self.numbers = iter(range(10**9))
        self.written = b""  # since the last look, over all files
        self.rotations = 0

    def there(self):
        return self.path.exists()

    @rule(sizes=st.lists(st.integers(0, 400), max_size=3), ends=st.booleans())
    def append(self, sizes, ends):
        text = b"".join(b"%d %s\n" % (next(self.numbers), b"x" * size) for size in sizes)
        text += b"" if ends else b"%d" % next(self.numbers)
        add(self.path, text)
        self.written += text

    @precondition(there)
    @rule()
    def rename(self):
        self.rotations += 1
        self.path.rename(self.place / f"log.{self.rotations}")
        self.end_line()

    @precondition(there)
    @rule(copies=st.booleans())
    def cut(self, copies):
        """What isn't read yet is lost, unless there is a copy, which is told by what was read before."""
        self.look()
        if copies and self.path.stat().st_size:
            self.append([10, 300], True)
            self.rotations += 1
            shutil.copy(self.path, self.place / f"log.{self.rotations}")
        os.truncate(self.path, 0)
        self.end_line()

    @precondition(there)
    @rule()
    def remove(self):
        self.look()
        self.path.unlink()
        self.end_line()

    @precondition(lambda self: not self.there())
    @rule()
    def make(self):
        self.path.touch()

    def end_line(self):
        """In another file, what has no end gets none."""
        if self.written and not self.written.endswith((b"\n", b"|")):
            self.written += b"|"

    @rule()
    def look(self):
        found = list(self.lines)
        self.check(found)

    def check(self, found):
        for line in found:
            if not line.endswith(b"\n"):
                line += b"|"
            assert self.written.startswith(line), (line, self.written[:100])
            self.written = self.written[len(line) :]
        assert b"\n" not in self.written or not self.there()

    def teardown(self):
        if hasattr(self, "lines"):
            self.lines.close()
            shutil.rmtree(self.place)


def test_a_model(tmp_path, request):
    Model.folder = tmp_path
    examples = 3000 if request.config.getoption("long") else 60
    Model.TestCase.settings = settings(max_examples=examples, stateful_step_count=30, deadline=None)
    Model.TestCase().runTest()


# --- waiting ---


def test_lines_that_come_while_it_waits(path, way):
    path.touch()
    lines = fastmmap.follow(path, timeout=30)
    writer = threading.Thread(target=lambda: [add(path, b"%d\n" % i) for i in range(100)])
    writer.start()
    assert [next(lines) for _ in range(100)] == [b"%d\n" % i for i in range(100)]
    writer.join()


def test_a_rotation_while_it_waits(path, way):
    path.touch()
    lines = fastmmap.follow(path, timeout=30)

    def rotate():
        for i in range(20):
            add(path, b"%d\n" % i)
            os.rename(path, path.with_name(f"app.log.{i}"))

    writer = threading.Thread(target=rotate)
    writer.start()
    writer.join()
    add(path, b"20\n")
    assert [next(lines) for _ in range(21)] == [b"%d\n" % i for i in range(21)]


def test_it_ends_and_goes_on(path, way):
    path.write_bytes(b"one\n")
    lines = fastmmap.follow(path, start=0, timeout=0.05)
    assert list(lines) == [b"one\n"]
    add(path, b"two\n")
    assert list(lines) == [b"two\n"]
    with lines:
        add(path, b"three\n")
    assert list(lines) == []


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that send signals")
def test_an_interrupt_while_it_waits(path):
    path.touch()
    lines = fastmmap.follow(path)

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            next(lines)
    finally:
        signal.signal(signal.SIGALRM, before)
    add(path, b"one\n")
    assert next(lines) == b"one\n"


def test_asynchronously(path, way):
    path.write_bytes(b"one\n")

    async def read():
        found = []
        turns = asyncio.create_task(turn())
        async for line in fastmmap.follow(path, start=0, timeout=0.3):
            found.append(line)
            if len(found) == 1:
                asyncio.get_running_loop().call_later(0.05, add, path, b"two\n")
        assert await turns
        return found

    async def turn():
        await asyncio.sleep(0.01)
        return True

    assert asyncio.run(read()) == [b"one\n", b"two\n"]


def test_two_at_once_asynchronously(path):
    async def first(lines):
        async for line in lines:
            return line

    async def both():
        tasks = [asyncio.create_task(first(fastmmap.follow(path, timeout=30))) for _ in range(2)]
        await asyncio.sleep(0.02)
        add(path, b"one\n")
        return await asyncio.gather(*tasks)

    path.touch()
    assert asyncio.run(both()) == [b"one\n", b"one\n"]


def test_no_descriptor_is_left(path):
    path.write_bytes(b"one\n")
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        with now(path) as lines:
            assert list(lines) == [b"one\n"]
            os.rename(path, path.with_name("app.log.1"))
            path.write_bytes(b"one\n")
            assert list(lines) == [b"one\n"]
    now(path)  # and one that is forgotten
    assert len(os.listdir("/dev/fd")) == before


@forking
def test_a_fork_while_it_is_followed(path):
    """A child that does the same takes nothing from its parent."""
    path.write_bytes(b"one\n")
    lines = now(path)
    assert next(lines) == b"one\n"
    child = os.fork()
    if child == 0:
        add(path, b"two\n")
        os._exit(list(lines) != [b"two\n"])
    assert os.waitpid(child, 0)[1] == 0
    assert list(lines) == [b"two\n"]


def test_an_appender_s_log(path):
    """Its lines come when they are in the file, each once."""
    with warnings.catch_warnings(), fastmmap.Appender(path, interval=None, stage_size=100) as log:
        lines, found = now(path), []
        for i in range(1000):
            log.append(b"%d\n" % i)
            if i % 7 == 0:
                found += lines
        log.flush()
        found += lines
    assert found == [b"%d\n" % i for i in range(1000)]
