"""Timing: engines in turn, medians with their spread, the machine's own limit in the same run.

An engine's first run is its check: its answer is compared, and its peak of anonymous memory taken, by a process of its
own that watches. Runs that follow are timed alone.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from fastmmap import system

from .corpora import ABSENT_BYTE

# Prints the most anonymous memory that a process, or a child of it, had while standard input was open.
WATCHER = """
import os, select, sys
pid, most = int(sys.argv[1]), 0
def anonymous(pid):
    try:
        with open(f"/proc/{pid}/status") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("RssAnon")), 0)
    except OSError:
        return 0
def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split() if int(child) != os.getpid()]
    except OSError:
        return []
first = anonymous(pid)
print(flush=True)
while not select.select([0], [], [], 0.001)[0]:
    most = max(most, anonymous(pid) - first, *map(anonymous, children(pid)))
print(most, flush=True)
"""

MOST_RUNS = 5

# Beyond so many budgets a run is too slow to be repeated.
SLOW = 1.6


@dataclass
class Timing:
    """One engine on one row."""

    engine: str
    seconds: float  # median
    low: float
    high: float
    runs: int
    anonymous: int  # bytes, at the peak
    faults: int  # page faults of a run
    written: int  # bytes of the pages that a run made dirty in files on a disk

    def as_row(self) -> dict[str, Any]:
        return asdict(self)


class WrongAnswer(Exception):
    """An engine's answer isn't the expected one."""


def watched(run: Callable[[], Any]) -> tuple[Any, int]:
    """A run's result, and the peak of anonymous memory in bytes."""
    command = [sys.executable, "-S", "-c", WATCHER, str(os.getpid())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as watcher:
        assert watcher.stdin is not None
        assert watcher.stdout is not None
        watcher.stdout.readline()
        result = run()
        watcher.stdin.close()
        return result, int(watcher.stdout.readline()) << 10


def usage() -> tuple[int, int]:
    """Page faults, and bytes of pages made dirty, of this process and of those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_minflt for each in used), sum(each.ru_oublock for each in used) * 512


def timed(run: Callable[[], Any]) -> tuple[Any, float, tuple[int, int]]:
    faults, written = usage()
    began = time.perf_counter()
    answer = run()
    seconds = time.perf_counter() - began
    faults_after, written_after = usage()
    return answer, seconds, (faults_after - faults, written_after - written)


@dataclass
class Runner:
    """An engine with its job: `prepare` before each run, untimed; `check` on its answer."""

    engine: str
    run: Callable[[], Any]
    prepare: Callable[[], None]
    check: Callable[[Any], None]


def row(title: str, verb: str, text: mmap.mmap, runners: list[Runner], budget: float) -> dict[str, Any]:
    """A row of a race over a text that is in memory: its timings, and the machine's own limits."""
    return {
        "title": title,
        "verb": verb,
        "state": "warm",
        "pieces": "8M",
        "bytes": len(text),
        "limit": read_speed(text, 1),
        "limit_all": read_speed(text, system.cpus()),
        "timings": [timing.as_row() for timing in race(runners, budget)],
    }


def race(runners: list[Runner], budget: float) -> list[Timing]:
    """Checks and watches each runner once, and times them in turns."""
    samples: dict[str, list[float]] = {}
    peaks, used = {}, {}
    for runner in runners:
        runner.prepare()
        (answer, seconds, used[runner.engine]), peaks[runner.engine] = watched(lambda run=runner.run: timed(run))
        runner.check(answer)
        # What takes long is measured once, by its check.
        samples[runner.engine] = [seconds] if seconds > SLOW * budget else []
    used |= take_turns(runners, budget, samples)
    return [
        Timing(name, statistics.median(done), min(done), max(done), len(done), peaks[name], *used[name])
        for name, done in samples.items()
    ]


def take_turns(runners: list[Runner], budget: float, samples: dict[str, list[float]]) -> dict[str, tuple[int, int]]:
    """Adds to each runner's seconds: twice, then until `budget` is used, and MOST_RUNS times at most. Returns what the
    last runs used."""
    used = {}
    for _ in range(MOST_RUNS):
        for runner in runners:
            done = samples[runner.engine]
            if sum(done) > SLOW * budget or (len(done) > 1 and sum(done) > budget):
                continue
            runner.prepare()
            answer, seconds, used[runner.engine] = timed(runner.run)
            runner.check(answer)
            done.append(seconds)
    return used


# --- the machine's own limits ---


def read_speed(buffer: mmap.mmap, threads: int) -> float:
    """Bytes a second of a plain vector read: libc's memchr for a byte that isn't there, the best of three."""
    memchr = ctypes.CDLL(None).memchr
    memchr.restype, memchr.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    address, keep = address_of(buffer)
    return len(buffer) / on_threads(len(buffer), threads, lambda at, n: memchr(address + at, ABSENT_BYTE, n), keep)


def copy_speed(size: int) -> float:
    """Bytes a second of memcpy, by one thread, into memory that is there already."""
    size = min(size, 1 << 28)
    source, target = (ctypes.create_string_buffer(b"x" * 4096 * (size // 4096), size) for _ in range(2))
    return size / on_threads(size, 1, lambda at, n: ctypes.memmove(target, source, n), None)


def on_threads(size: int, threads: int, work: Callable[[int, int], Any], keep: Any) -> float:
    """The seconds that `work` takes on a range split among threads, the best of three. ctypes releases the GIL."""
    best = float("inf")
    for _ in range(3):
        share = -(-size // threads)
        others = [threading.Thread(target=work, args=(at, min(share, size - at))) for at in range(share, size, share)]
        began = time.perf_counter()
        for other in others:
            other.start()
        work(0, min(share, size))
        for other in others:
            other.join()
        best = min(best, time.perf_counter() - began)
    del keep
    return best


def address_of(buffer: mmap.mmap) -> tuple[int, Any]:
    """Where a read-only mapping is in memory, and what keeps it there."""
    import numpy

    array = numpy.frombuffer(buffer, dtype=numpy.uint8)
    return int(array.ctypes.data), array
