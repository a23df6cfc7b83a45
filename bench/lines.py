"""Lines, records and patterns: m.lines, gather and grep against Python's own ways and ripgrep."""

from __future__ import annotations

import functools
import linecache
import mmap
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy

import fastmmap

from . import corpora
from .measure import Runner, WrongAnswer, row

TEXT = "syslog"

# Of a larger text, `re` takes minutes, and linecache its memory several times.
LARGEST = "64M"

PICKED = 50_000
RECORD = 100

# Of each text: what matches often, what rarely, what has no literal.
PATTERNS = {
    "syslog": [
        rb"sshd\[\d+\]",
        rb"Failed password for \w+ from [\d.]+",
        rb"Failed password for (alice|bob)\b.*port 80\d\d ",
        rb"(?i)DROPPED packet, len=1\d99",
        rb"session (opened|closed) for nobody",
        rb"\d\d:59:59",
    ],
    "access-log": [
        rb'"(GET|POST) /api/v\d/\w+',
        rb'" 500 \d+',
        rb'DELETE /api/v2/archives/\d+ HTTP/1\.1" 404',
        rb"Chrome/1\d\d\.0\.0\.0 Safari/537\.36",
        rb"curl/7\.[3-9]",
        rb"\d+ \d{5,}",
    ],
    "json-lines": [
        rb'"level": "(warn|error)"',
        rb'"user": \{"id": 1\d{3}, "name": "alice"',
        rb'"duration_ms": 9\d\d\.\d, "message": ".*timed out"',
        rb'"status": 5\d\d',
        rb'"level": "fatal"',
    ],
}  # fmt: skip

Work = Callable[[], Any]


def lines_of(path: Path, text: mmap.mmap) -> Iterator[tuple[str, dict[str, Work]]]:
    """The rows of lines: what is done, and by whom. All of one row answer the same."""
    starts = fastmmap.line_starts(text)
    ends = numpy.append(starts[1:] - 1, len(text) - (text[-1:] == b"\n"))
    rng = random.Random(4)
    numbers = numpy.array([rng.randrange(len(starts)) for _ in range(PICKED)])
    offsets = numpy.array([rng.randrange(len(text) - RECORD) for _ in range(PICKED)])
    spans = list(zip(starts[numbers].tolist(), ends[numbers].tolist()))
    m = fastmmap.open(path)
    m.lines.prepare()

    yield (
        "lines: iterate",
        {
            "fastmmap": lambda: sum(1 for _ in m.lines),
            "the open file": lambda: by_file(path, lambda file: sum(1 for _ in file)),
        },
    )
    yield (
        "lines: make the index",
        {
            "fastmmap": lambda: index_of(path),
            "fastmmap, 1 thread": lambda: index_of(path, 1),
            "a loop over the open file": lambda: by_file(path, by_loop),
        },
    )
    yield (
        f"lines: {PICKED} by an array of numbers",
        {
            "fastmmap": lambda: sum(map(len, m.lines[numbers])),
            "slicing by hand, starts known": lambda: sum(len(text[start:end]) for start, end in spans),
        },
    )
    listed = numbers.tolist()
    yield (
        f"lines: {PICKED} one by one",
        {
            "fastmmap": lambda: sum(len(m.lines[number]) for number in listed),
            "slicing by hand, starts known": lambda: sum(len(text[start:end]) for start, end in spans),
        },
    )
    if len(text) <= corpora.SIZES[LARGEST]:
        middle = len(starts) // 2
        yield (
            "lines: the first one that is asked for",
            {"fastmmap": lambda: first_line(path, middle), "linecache": lambda: by_linecache(path, middle)},
        )
    places = offsets.tolist()
    yield (
        f"gather: {PICKED} records of {RECORD} bytes",
        {
            "fastmmap": lambda: m.gather(offsets, RECORD).size,
            "a loop over slices": lambda: sum(len(text[place : place + RECORD]) for place in places),
            "seek and read": lambda: by_file(path, lambda file: seek_and_read(file, places)),
        },
    )


def exhaust(lines: Any) -> int:
    number = 0
    for _ in lines:
        number += 1
    return number


def by_file(path: Path, work: Callable[[Any], int]) -> int:
    with open(path, "rb") as file:
        return work(file)


def by_loop(file: Any) -> int:
    """How many lines there are; where each begins is kept."""
    starts, at = [], 0
    for line in file:
        starts.append(at)
        at += len(line)
    return len(starts)


def index_of(path: Path, threads: int | None = None) -> int:
    with fastmmap.open(path) as m:
        m.lines.prepare(threads=threads)
        return len(m.lines)


def first_line(path: Path, number: int) -> bytes:
    with fastmmap.open(path) as m:
        line: bytes = m.lines[number]
        return line


def by_linecache(path: Path, number: int) -> bytes:
    linecache.clearcache()
    return linecache.getline(str(path), number + 1).removesuffix("\n").encode()


def seek_and_read(file: Any, places: list[int]) -> int:
    total = 0
    for place in places:
        file.seek(place)
        total += len(file.read(RECORD))
    return total


def greps_of(path: Path, pattern: bytes) -> dict[str, Work]:
    """How each counts the lines in which a pattern is found."""
    compiled = re.compile(pattern)
    found: dict[str, Work] = {
        "fastmmap": lambda: sum(1 for _ in fastmmap.grep(path, compiled)),
        "re, line by line": lambda: by_file(path, lambda file: sum(1 for line in file if compiled.search(line))),
    }
    if shutil.which("rg"):
        command = ["rg", "-j1", "-c", "--no-config", os.fsdecode(pattern), str(path)]
        found["ripgrep -j1 (process)"] = lambda: int(subprocess.run(command, capture_output=True).stdout or 0)
    return found


def run_all(folder: Path, largest: str, budget: float) -> Iterator[dict[str, Any]]:
    """The rows of lines, in the largest text that is asked for; then those of grep."""
    path = corpora.corpus_file(folder, TEXT, largest)
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        for name, works in lines_of(path, text):
            yield run_row(f"{name}, in {TEXT} of {largest}", works, text, budget)
    size = min(largest, LARGEST, key=lambda name: corpora.SIZES[name])
    for kind, patterns in PATTERNS.items():
        path = corpora.corpus_file(folder, kind, size)
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            for pattern in patterns:
                yield run_row(
                    f"grep: {os.fsdecode(pattern)} in {kind} of {size}", greps_of(path, pattern), text, budget
                )


def run_row(name: str, works: dict[str, Work], text: mmap.mmap, budget: float) -> dict[str, Any]:
    """All do the same, in turns. What Python's own way answers is right: it comes last, or before a process."""
    own = [each for each in works if "fastmmap" not in each and "process" not in each]
    expected = works[own[-1]]()

    def check(answer: Any, engine: str) -> None:
        if answer != expected:
            raise WrongAnswer(f"{engine}: {name}: {answer} where {expected} is right")

    runners = [
        Runner(engine, work, lambda: None, functools.partial(check, engine=engine)) for engine, work in works.items()
    ]
    return row(name, "lines", text, runners, budget)
