"""follow against a model, and how it waits: for changes, in tasks, through interrupts and forks."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import shutil
import signal
import threading
import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from support.followers import add, now
from support.lacks import open_files
from support.stepping import Steps

import fastmmap
from fastmmap.logs import follow


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


def test_a_model(births, tmp_path, request):
    Model.folder = tmp_path
    examples = 3000 if request.config.getoption("long") else 60
    Model.TestCase.settings = settings(max_examples=examples, stateful_step_count=30, deadline=None)
    Model.TestCase().runTest()


def test_lines_that_come_while_it_waits(path, way):
    path.touch()
    lines = fastmmap.follow(path, timeout=30)
    writer = threading.Thread(target=lambda: [add(path, b"%d\n" % i) for i in range(100)])
    writer.start()
    assert [next(lines) for _ in range(100)] == [b"%d\n" % i for i in range(100)]
    writer.join()


def test_a_rotation_while_it_waits(births, path, way):
    path.touch()
    lines = fastmmap.follow(path, timeout=30)

    def rotate():
        for i in range(20):
            add(path, b"%d\n" % i)
            os.rename(path, path.with_name(f"app.log.{20 - i}"))  # of files of one tick, the larger number is older

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
        async for line in fastmmap.follow(path, start=0, timeout=1):
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
        return await anext(lines)

    async def both():
        tasks = [asyncio.create_task(first(fastmmap.follow(path, timeout=30))) for _ in range(2)]
        await asyncio.sleep(0.02)
        add(path, b"one\n")
        return await asyncio.gather(*tasks)

    path.touch()
    assert asyncio.run(both()) == [b"one\n", b"one\n"]


@open_files
def test_no_descriptor_is_left(path):
    path.write_bytes(b"one\n")
    now(path).close()  # whether there are watches is found out once
    gc.collect()  # what other tests have left
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        with now(path) as lines:
            assert list(lines) == [b"one\n"]
            os.replace(path, path.with_name("app.log.1"))
            path.write_bytes(b"one\n")
            assert list(lines) == [b"one\n"]
    now(path)  # and one that is forgotten
    assert len(os.listdir("/dev/fd")) == before


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
    with fastmmap.Appender(path, interval=None, stage_size=100) as log:
        lines, found = now(path), []
        for i in range(1000):
            log.append(b"%d\n" % i)
            if i % 7 == 0:
                found += lines
        log.flush()
        found += lines
    assert found == [b"%d\n" % i for i in range(1000)]


def test_closed_while_it_waits(path, way):
    path.touch()
    lines = fastmmap.follow(path)
    threading.Timer(0.05, lines.close).start()
    assert list(lines) == []


def test_closed_by_another_task(path, way):
    async def both():
        lines = fastmmap.follow(path)
        asyncio.get_running_loop().call_later(0.05, lines.close)
        return [line async for line in lines]

    path.touch()
    assert asyncio.run(both()) == []


def test_tasks_that_share_one(path):
    async def take(lines):
        return [line async for line in lines]

    async def all_of_them():
        lines = fastmmap.follow(path, start=0, timeout=1)
        tasks = [asyncio.create_task(take(lines)) for _ in range(3)]
        for number in range(50):
            add(path, b"%d\n" % number)
            await asyncio.sleep(0.001)
        return [line for task in tasks for line in await task]

    path.touch()
    assert sorted(asyncio.run(all_of_them())) == sorted(b"%d\n" % number for number in range(50))


def test_an_interrupt_at_any_line(path):
    """Whoever goes on with the same follower misses nothing, and gets nothing twice."""
    ours = os.path.dirname(follow.__file__)
    steps = Steps(lambda code: code.co_filename.startswith(ours) and code.co_name != "__next__", ("line", "return"))

    def interrupt():
        raise KeyboardInterrupt

    for job in ("lines", "rotation", "cut"):
        number, came = 1, True
        while came:
            for name in path.parent.glob("app.log*"):
                name.unlink()
            path.write_bytes(b"one\ntwo\nbegun")
            lines = now(path)
            if job != "lines":
                assert list(lines) == [b"one\n", b"two\n"]
                path.rename(f"{path}.1") if job == "rotation" else os.truncate(path, 0)
                add(path, b"new\n")
            found, came = [], False

            def take(lines=lines, found=found):
                for line in lines:
                    found.append(line)

            try:
                steps.run(take, number, interrupt)
            except KeyboardInterrupt:
                came = True
            found += lines
            lines.close()
            assert found == ([b"one\n", b"two\n"] if job == "lines" else [b"begun", b"new\n"]), (job, number)
            number += 3
        assert number > 30


def test_rotations_at_full_speed(path):
    """By renaming a chain of older files, which a list of the folder may come into."""
    path.touch()
    lines = fastmmap.follow(path, start=0, timeout=30)
    child = os.fork()
    if child == 0:
        for number in range(150):
            add(path, b"%d\n%d.5\n" % (number, number))
            for older in range(number, 0, -1):
                os.rename(f"{path}.{older}", f"{path}.{older + 1}")
            os.rename(path, f"{path}.1")
            path.touch()
            time.sleep(0.002)
        os._exit(0)
    found = list(itertools.islice(lines, 300))
    assert os.waitpid(child, 0)[1] == 0
    assert found == [line for number in range(150) for line in (b"%d\n" % number, b"%d.5\n" % number)]


def test_no_line_comes_when_it_is_closed(tmp_path):
    """Not even one that was read already: the position is where it begins."""
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\n")
    lines = fastmmap.follow(path, start=0, timeout=0)
    assert next(lines) == b"one\n"
    lines.close()
    assert list(lines) == []
    assert lines.position == (path.stat().st_ino, 4)

    async def rest():
        return [line async for line in lines]

    assert asyncio.run(rest()) == []
    assert list(fastmmap.follow(path, start=lines.position, timeout=0)) == [b"two\n"]
