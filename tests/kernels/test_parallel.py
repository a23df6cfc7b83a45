"""Several threads give what one gives, at every seam."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy
import pytest

import fastmmap
from fastmmap import _backend, parallel, system
from fastmmap.parts import Sum


@pytest.mark.parametrize("size", [0, 1, 2, 7, 100, 2**40])
@pytest.mark.parametrize("parts", [1, 2, 3, 8, 200])
def test_ranges_cover_everything_once(size, parts):
    ranges = parallel.ranges(5, 5 + size, parts)
    assert len(ranges) == min(size, parts)
    assert [low for low, _ in ranges] == ([5] + [high for _, high in ranges])[: len(ranges)]
    if ranges:
        assert ranges[-1][1] == 5 + size
        lengths = [high - low for low, high in ranges]
        assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("parts", [10**9, 2**40, 2**70, numpy.int64(2**62)])
def test_no_more_ranges_than_bytes(parts):
    assert parallel.ranges(5, 8, parts) == [(5, 6), (6, 7), (7, 8)]
    assert parallel.ranges(5, 5, parts) == parallel.ranges(5, 3, parts) == []


def test_no_part_is_no_range():
    for bad, error in ((0, ValueError), (-1, ValueError), (0.5, ValueError), (2.5, TypeError), ("2", TypeError)):
        for size in (0, 2, 10):
            with pytest.raises(error):
                parallel.ranges(0, size, bad)


@pytest.fixture(params=[1, 2, 100])
def small_blocks(request, monkeypatch):
    """Blocks of three bytes, whose matches fill some rooms or less than one."""
    monkeypatch.setattr(parallel, "BLOCK", 3)
    monkeypatch.setattr(parallel, "ROOM", request.param)


def same_as_serial(kernel, text, needle, place, ignorecase=False, threads=2):
    """Every parallel function against the serial one, on a range. The seams are the same for all threads."""
    start, end = place
    case = {"ignorecase": ignorecase}
    own = needle.lower() if ignorecase else needle
    arguments = (kernel, parallel.Haystack(text, start, end), own)
    assert parallel.find(*arguments, ignorecase, threads) == kernel.find(text, needle, start, end, **case)
    assert parallel.rfind(*arguments, ignorecase, threads) == kernel.rfind(text, needle, start, end, **case)
    for overlapping in (False, True):
        expected = kernel.find_all(text, needle, start, end, overlapping=overlapping, **case).tolist()
        assert parallel.count(*arguments, overlapping, ignorecase, threads) == len(expected)
        assert parallel.find_all(*arguments, overlapping, ignorecase, threads).tolist() == expected


@pytest.mark.usefixtures("small_blocks")
def test_needles_that_overlap_themselves_across_seams(kernel):
    longest = 7 if kernel.name == "python" else 8
    for length in range(longest):
        for letters in itertools.product(b"ab", repeat=length):
            text = bytes(letters)
            for needle in (b"a", b"aa", b"aba", b"abab", b"aab"):
                same_as_serial(kernel, text, needle, (0, length), threads=1)
                new = b"xyzw"[: len(needle)]
                buffer = bytearray(text)
                hay = parallel.Haystack(buffer, 0, length)
                replaced = parallel.replace(kernel, hay, kernel.rfind, needle, new, 1)
                assert (replaced, buffer) == (text.count(needle), text.replace(needle, new))


@pytest.mark.usefixtures("small_blocks")
def test_random_text_across_seams(kernel):
    rng = random.Random(5)
    for _ in range(30):
        text = bytes(rng.choices(b"aAb\n", k=rng.randint(0, 120)))
        start, end = sorted(rng.choices(range(len(text) + 1), k=2))
        for needle in (b"a", b"ab", b"aab", b"abaaba", b"aaaaaaaaaa"):
            same_as_serial(kernel, text, needle, (start, end))
            same_as_serial(kernel, text, needle, (start, end), ignorecase=True)
        if start < end:
            expected = kernel.line_starts(text, start, end).tolist()
            assert parallel.line_starts(kernel, parallel.Haystack(text, start, end), 2).tolist() == expected


@pytest.mark.usefixtures("small_blocks")
def test_a_seam_that_finds_no_gap_is_dropped(kernel):
    text = b"a" * 500 + b"b" + b"aa" * 30
    found = list(parallel.Seams(kernel.rfind, text, b"aa", 0, len(text)))
    kept = [(low, high) for low, high in found if low < high]
    assert [low for low, _ in kept] == [0] + [high for _, high in kept[:-1]]
    assert kept[-1][1] == len(text)
    assert len(kept) < len(found)
    same_as_serial(kernel, text, b"aa", (0, len(text)))


LINE = b"the cat and the other cat, the dog \n"


@pytest.fixture(scope="module")
def large():
    return LINE * ((5_000_000 if fastmmap.kernel == "python" else 50_000_000) // len(LINE))


@pytest.mark.parametrize("threads", [None, 1, 2, 3, 100])
def test_large_calls(large, threads):
    with fastmmap.open(None, size=len(large)) as m:
        m[:] = large
        lines = len(large) // len(LINE)
        assert m.find(b"absent", threads=threads) == m.rfind(b"absent", threads=threads) == -1
        assert m.find(b"dog", threads=threads) == large.find(b"dog")
        assert m.rfind(b"the c", threads=threads) == large.rfind(b"the c")
        assert m.find(b"the", 40_000_000, threads=threads) == large.find(b"the", 40_000_000)
        for needle in (b"the", b" ", b" the ", b"\nthe cat"):
            assert m.count(needle, threads=threads) == large.count(needle)
        assert m.count(b"THE", ignorecase=True, threads=threads) == 4 * lines
        starts = m.line_starts(threads=threads)
        assert (starts == numpy.arange(0, len(large), len(LINE))).all()
        offsets = m.find_all(b"dog", threads=threads)
        assert (offsets == starts + LINE.index(b"dog")).all()
        assert m.find_all(b"dog", limit=3, threads=threads).tolist() == offsets[:3].tolist()
        assert m.replace(b"the", b"THE", 10, threads=threads) == 10
        assert m.replace(b"the", b"THE", threads=threads) == 4 * lines - 10
        assert m.find(b"the") == -1
        assert m.count(b"THE") == 4 * lines


def test_the_environment_sets_the_default(monkeypatch):
    monkeypatch.setenv("FASTMMAP_THREADS", "3")
    assert parallel.workers(None) == 3
    assert parallel.workers(1) == 1
    for bad in ("0", "many", "-1"):
        monkeypatch.setenv("FASTMMAP_THREADS", bad)
        with pytest.raises(ValueError, match="FASTMMAP_THREADS"):
            parallel.workers(None)
    monkeypatch.delenv("FASTMMAP_THREADS")
    monkeypatch.setattr(system, "cpus", lambda: 64)
    assert parallel.workers(1000) == parallel.MOST_THREADS
    monkeypatch.setattr(_backend.chosen, "name", "scalar")
    assert parallel.workers(None) == parallel.MOST_THREADS


def test_python_is_not_worth_threads(monkeypatch):
    monkeypatch.delenv("FASTMMAP_THREADS", raising=False)
    monkeypatch.setattr(system, "cpus", lambda: 64)
    monkeypatch.setattr(_backend.chosen, "name", "python")
    assert parallel.workers(None) == 1
    assert parallel.workers(3) == 3
    monkeypatch.setenv("FASTMMAP_THREADS", "2")
    assert parallel.workers(None) == 2


def test_no_threads_inside_another_executors_worker(monkeypatch):
    monkeypatch.delenv("FASTMMAP_THREADS", raising=False)
    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(parallel.workers, None).result() == 1
        assert executor.submit(parallel.workers, 2).result() == 2


def test_an_error_in_one_part_stops_all():
    begun = []

    def work(low, high):
        begun.append(low)
        if low == 3:
            raise OSError("part 3")
        time.sleep(0.001)

    with pytest.raises(OSError, match="part 3"):
        _backend.run(work, [(i, i + 1) for i in range(1000)], 3)
    assert len(begun) < 1000


def test_enough_is_the_first_in_order():
    for _ in range(20):
        results = _backend.run(lambda low, high: low, [(i, i + 1) for i in range(50)], 4, lambda result: result >= 7)
        assert results == list(range(8))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own(large):
    assert fastmmap.count(large, b"dog", threads=2) == len(large) // len(LINE)
    child = os.fork()
    if child == 0:
        os._exit(0 if fastmmap.count(large, b"dog", threads=2) == len(large) // len(LINE) else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(not _backend.NATIVE, reason="the reference has one thread")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_in_a_replacement_replaces_nothing_twice(monkeypatch):
    """Another thread has begun a block at that moment. How far it came isn't known, and `new` could hold `old`."""
    monkeypatch.setattr(parallel, "BLOCK", 10)
    kernel, caller = _backend.load("scalar"), threading.get_ident()
    begun, forked, children = threading.Event(), threading.Event(), []

    def replace(*arguments, **options):
        if threading.get_ident() != caller:
            begun.set()
            assert forked.wait(60)
        elif not children and begun.wait(60):
            children.append(os.fork())
            if children[0]:
                forked.set()
        return kernel.replace(*arguments, **options)

    slow = SimpleNamespace(replace=replace)
    buffer = bytearray(b"aab" * 20)
    try:
        hay = parallel.Haystack(buffer, 0, len(buffer))
        replaced = parallel.replace(slow, hay, kernel.rfind, b"ab", b"ba", 2)
    except RuntimeError as error:
        os._exit(0 if "forked" in str(error) and children == [0] else 1)
    if children == [0]:
        os._exit(2)
    assert (replaced, buffer) == (20, b"aba" * 20)
    assert os.waitpid(children[0], 0)[1] == 0


def test_threads_side_by_side(large):
    results = []
    threads = [threading.Thread(target=lambda: results.append(fastmmap.count(large, b"cat"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [2 * (len(large) // len(LINE))] * 4


@pytest.mark.skipif(fastmmap.kernel == "python", reason="re looks for signals only between matches")
@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_ends_a_search_that_would_take_seconds(threads):
    """A sparse file of 64 GiB: the zeros would all be read."""
    code = f"""
import fastmmap, os, signal, tempfile
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored, as it is in the background of a shell
with tempfile.TemporaryFile() as file:
    os.ftruncate(file.fileno(), 1 << 36)
    m = fastmmap.open(file.fileno())
    try:
        print("ready", flush=True)
        print(m.find(b"needle", threads={threads}), flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    m.close()
    print(fastmmap.find(bytes(1 << 25) + b"x", b"x", threads=2))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)  # so that it is in the search by now; it passes as well if it isn't
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert process.stdout.readline() == f"{1 << 25}\n"


def test_a_large_call_while_the_interpreter_shuts_down():
    code = """
import atexit, fastmmap
atexit.register(lambda: print(fastmmap.count(bytes(1 << 25), b"\\0", threads=2)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == (f"{1 << 25}\n", "")


LATE = """
import itertools, sys, time
from _thread import get_ident
import fastmmap
from fastmmap import many, parallel, parts

class Late:
    '''A kernel whose other threads begin their parts before the calling one ends one of its own, and end them later.'''
    kernel = many.verbs_of(fastmmap.kernel).kernel
    caller, begun = get_ident(), False
    def __getattr__(self, name):
        return getattr(self.kernel, name)
    def workers(self, *arguments):
        return 3
    def count_all(self, *arguments):
        if get_ident() != self.caller:
            self.begun = True
            time.sleep(0.01)
        elif fastmmap.kernel != 'python':  # which has one thread
            while not self.begun:
                time.sleep(0.0001)
        return self.kernel.count_all(*arguments)

class Raised(Exception):
    pass

def trace(frame, event, argument):
    global left
    if frame.f_code.co_filename not in (many.__file__, parts.__file__):
        return None
    left -= event == 'line'
    if left == 0 and event == 'line':
        raise Raised
    return trace

parallel.BLOCK, parallel.WORTHWHILE = 1000, 0
text = b'a cat ' * 500
for number in itertools.count(1):
    left = number
    try:
        sys.settrace(trace)
        counts = many.ManyVerbs(Late()).count_each(text, ['cat', 'a'], threads=3)
    except Raised:
        continue
    finally:
        sys.settrace(None)
    break
print(number > 20, *counts.tolist())
"""


def test_what_is_raised_at_any_line_leaves_no_thread_waiting():
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("True 500 500\n", "")


def test_a_part_that_is_counted_twice_counts_once():
    """As a forked child does again what another thread had done, and not yet handed over."""
    total = Sum(numpy.zeros(2, numpy.int64))
    thread = threading.Thread(target=total.add, args=((10, 20, 20), numpy.array([5, 6])))
    thread.start()
    thread.join()
    total.add((0, 10, 10), numpy.array([1, 2]))
    total.add((10, 10, 10), numpy.array([0, 0]))
    total.add((10, 20, 20), numpy.array([5, 6]))
    assert total.now().tolist() == [6, 8]
