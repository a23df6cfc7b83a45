"""One object and several threads: what each does is whole. Without the GIL most of these have failed."""

from __future__ import annotations

import os
import queue
import re
import threading
import time

import pytest
from support.marks import resized_while_mapped
from support.programs import run

import fastmmap
from fastmmap import _backend, _imports
from fastmmap.descriptors import Descriptor
from fastmmap.indexes import LineIndex

native_only = pytest.mark.skipif(not _backend.NATIVE, reason="the reference has one thread")

THREADS = 4


def together(*works):
    """Runs each in a thread of its own, all at once; raises what one raises."""
    barrier, errors = threading.Barrier(len(works)), []

    def start(work):
        barrier.wait(60)
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=start, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_a_descriptor_is_closed_once(monkeypatch):
    """Closed twice, its number could be another file's the second time."""
    closed = []
    monkeypatch.setattr(os, "close", closed.append)
    for number in range(1000):
        one = Descriptor(number + 1000)
        together(*[one.close] * 2)
        assert one.fd == -1
    assert sorted(closed) == list(range(1000, 2000))


def test_lines_that_change_when_their_index_is_kept():
    """Another thread comes between the look whether the buffer has changed and the store of what was counted."""

    class Interrupted(LineIndex):
        @property
        def made(self):
            return self.kept

        @made.setter
        def made(self, made):
            if made is not None:
                buffer[:] = b"one line "
                self.forget()
            self.kept = made

    buffer = bytearray(b"two\nlines")
    index = Interrupted()
    index.of(buffer)
    assert index.kept is None
    assert LineIndex().of(buffer)[1] == 1


def test_changes_of_two_threads_at_once():
    """Counted in a number, one of both could be lost, and what was counted before be kept for good."""
    index = LineIndex()
    seen = {id(index._change): index._change}

    def change():
        for _ in range(1000):
            index.forget()
            seen[id(index._change)] = index._change

    together(*[change] * THREADS)
    assert len(seen) > 1000


@native_only
def test_lines_that_other_threads_let_go(make):
    """Views that are parts of one share a counter, which isn't atomic: the memory must stay, and must go in the end."""
    path = make(b"a line of some text\n" * 3000)
    with fastmmap.open(path, "r+") as m:
        for _ in range(5):
            handed, wrong = queue.SimpleQueue(), []

            def let_go(handed=handed, wrong=wrong):
                while (line := handed.get()) is not None:
                    wrong += [] if bytes(line) == b"a line of some text" else [bytes(line)]

            def hand_on(handed=handed):
                for line in m.lines:
                    handed.put(line)
                for _ in range(THREADS):
                    handed.put(None)

            together(hand_on, *[let_go] * THREADS)
            assert wrong == []
            m.resize(len(m) + 20)  # a BufferError while there are views
            m.resize(len(m) - 20)


@resized_while_mapped
@native_only
def test_views_that_are_taken_while_the_size_changes(make):
    """A view is of what the mapping has before, or has then: never of memory that is gone."""
    path = make(b"x" * (1 << 16))
    over = threading.Event()

    def resize():
        try:
            for turn in range(2000):
                try:
                    m.resize((1 << 16) + (turn % 2 << 16))
                except BufferError:
                    continue
        finally:
            over.set()

    def read():
        while not over.is_set():
            with memoryview(m) as view:
                assert view[0] == view[(1 << 16) - 1] == ord("x")
            assert m[:3] == b"xxx"

    with fastmmap.open(path, "r+") as m:
        together(resize, read, read)
        assert len(m) == path.stat().st_size


@native_only
@pytest.mark.parametrize("verb", ["scan", "substitution"])
def test_what_is_read_on_by_one_and_closed_by_another(verb):
    """It is busy, or it is closed; what one of them is at isn't taken away from it."""
    text = b"the cat and the other dog " * 2000
    many = _backend._imports.load("fastmmap.many").verbs_of("scalar").kernel
    needles = many.Prepared((b"cat", b"dog"), False)
    for _ in range(50):
        if verb == "scan":
            one = many.scan(text, needles, (0, len(text), len(text)), False)
            ask, close = one.find_into, one.release
        else:
            one = _backend.load("scalar").substitution(text, b"cat", b"horse")
            ask, close = one.readinto, one.close

        refused, closed = [], threading.Event()

        def read(ask=ask, refused=refused):
            block = bytearray(800)
            for _ in range(10):
                try:
                    ask(block)
                except ValueError as error:
                    refused.append(str(error))

        def end(close=close, refused=refused, closed=closed):
            while not closed.is_set():
                try:
                    close()
                    closed.set()
                except ValueError as error:
                    refused.append(str(error))

        together(read, read, end)
        assert all(re.search("executing|released|closed|another thread", text) for text in refused)


def test_appenders_that_are_opened_while_all_are_listed(tmp_path):
    """An edit asks which appenders there are, and so does the end of the process."""
    edited = tmp_path / "edited"
    edited.write_bytes(b"one two")
    over = threading.Event()

    def open_some():
        try:
            for number in range(150):
                fastmmap.Appender(tmp_path / f"{threading.get_ident()} {number}", interval=None, stage_size=100).close()
        finally:
            over.set()

    def edit():
        while not over.is_set():
            fastmmap.plan_replace(edited, b"one", b"1").apply(durable=False)
            edited.write_bytes(b"one two")

    together(open_some, open_some, edit)


def test_a_line_that_another_thread_begins_meanwhile(tmp_path):
    """A line that finds no room, because that one waits for its end, isn't stored behind the half of it."""

    class Begun(dict):
        asked = False

        def __bool__(self):
            if self.asked:
                return len(self) > 0
            self.asked = True
            together(lambda: log.write("half"))
            return False  # as it was before

    with fastmmap.Appender(tmp_path / "log", interval=None) as log:
        log._unended = Begun()
        log.write("a line\n")
        log.flush()
        assert (tmp_path / "log").read_bytes() == b"a line\n"


def test_what_is_open_at_the_end_is_no_noise(tmp_path):
    """An interpreter that ends with open objects, and threads that use them, has nothing to say of them."""
    code = """
import sys, threading, time, fastmmap
log = fastmmap.Appender(sys.argv[1])
m = fastmmap.open(None, size=1 << 20)
views = list(m.lines), m.iter_find(b"x"), fastmmap.follow(sys.argv[1], start=0, timeout=0)
cycle = [log, m]
cycle.append(cycle)
def work():
    while True:
        log.append("a line\\n")
        m.count(b"x")
        time.sleep(0.0001)
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.05)
"""
    for _ in range(3):
        done = run(code, tmp_path / "log")
        assert done == (0, "", "")


@resized_while_mapped
def test_many_threads_on_all_objects(tool):
    """Every kind of call once by each thread, and some more."""
    said = tool("thread_stress.py", "--seconds", "1", "--threads", "4").splitlines()
    assert ", 0 faults:" in said[-1]
    assert all(int(line.split()[-2]) > 0 for line in said[:-1])


def test_imports_of_two_threads_have_large_stacks(monkeypatch):
    """The size is all threads': one that sets it back must not do so before the other has started its thread."""
    real, start, sizes, made = _imports.stack_size, _imports.start_new_thread, [], []

    def change(size):
        sizes.append(size)
        return real(size)

    def start_late(work, arguments):
        end = time.monotonic() + 0.3
        while not (made and len(sizes) > 2) and time.monotonic() < end:
            time.sleep(0.001)
        made.append(real())
        return start(work, arguments)

    monkeypatch.setattr(_imports, "stack_size", change)
    monkeypatch.setattr(_imports, "start_new_thread", start_late)
    before = real()
    together(*[lambda name=name: _imports._import_elsewhere(name) for name in ("colorsys", "quopri")])
    assert made == [_imports.STACK] * 2
    assert real() == before
