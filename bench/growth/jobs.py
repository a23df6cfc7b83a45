"""The jobs, and the text that they are done on: one MiB of a log, repeated, so that each answer is known beforehand."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import fastmmap

from .. import corpora

UNIT = 1 << 20
PIECE = 8 << 20
TEXT = "syslog"

# The last line of a file, and of each unit of it: as long as each other.
LAST, MARKER = b"the last line of all\n", b"the end of this unit\n"

FREQUENT, RARE, LINES = b"from ", b"Failed password", re.compile(rb"Failed password for \w+ from 10\.\d+\.\d+\.7 ")
CHANGED = b"fmor "  # as long as FREQUENT, and not in the text

RECORD = b"2026-01-01 00:00:00,000 INFO a log record of a hundred bytes, which says what happened to whom.".ljust(99)
RECORDS = [RECORD + b"\n"] * 10_000


@functools.cache
def unit() -> bytes:
    """One MiB of whole lines, of which the last is MARKER."""
    text = corpora.unit(TEXT)[: UNIT - len(MARKER)]
    whole = text[: text.rindex(b"\n")]
    return whole + b"." * (len(text) - len(whole) - 1) + b"\n" + MARKER


def write_text(path: Path, size: int) -> None:
    """Writes a text of `size` bytes, a multiple of a MiB, in large pieces, and to the disk."""
    with open(path, "wb", buffering=0) as file:
        piece = unit() * (min(PIECE, size) // UNIT)
        for start in range(0, size, PIECE):
            file.write(piece[: size - start])
        file.seek(-len(LAST), os.SEEK_END)
        file.write(LAST)
        os.fsync(file.fileno())


def read_through(path: Path) -> None:
    """Has a file be in the page cache, as far as it fits, so that the first job on it finds what the others find."""
    with open(path, "rb", buffering=0) as file:
        while file.read(PIECE):
            pass


# --- the jobs: each is done on the file at a path, which has `size` bytes, and answers what `expected` says ---


def find(path: Path, size: int) -> int:
    with fastmmap.open(path) as m:
        return m.find(LAST)


def count(path: Path, size: int) -> int:
    with fastmmap.open(path) as m:
        return m.count(FREQUENT)


def count_dropping(path: Path, size: int) -> int:
    with fastmmap.open(path, drop_behind=True) as m:
        return m.count(FREQUENT)


def find_all(path: Path, size: int) -> int:
    with fastmmap.open(path) as m:
        return len(m.find_all(RARE))


def lines(path: Path, size: int) -> int:
    with fastmmap.open(path) as m:
        return len(m.lines)


def grep(path: Path, size: int) -> int:
    return sum(1 for _ in fastmmap.grep(path, LINES))


def replace(path: Path, size: int) -> int:
    return swap(path, in_place=False)


def in_place(path: Path, size: int) -> int:
    return swap(path, in_place=True)


def swap(path: Path, in_place: bool) -> int:
    """Replaces a word by another of its length, or back: whichever the file has."""
    with open(path, "rb") as file:
        changed = CHANGED in file.read(UNIT)
    words = (CHANGED, FREQUENT) if changed else (FREQUENT, CHANGED)
    return fastmmap.replace_file(path, *words, in_place=in_place).count


def append(path: Path, size: int) -> int:
    """Writes a log beside the text."""
    log = path.with_name("appended")
    try:
        with fastmmap.Appender(log) as appender:
            for _ in range(size // (len(RECORDS) * len(RECORDS[0]))):
                appender.append_many(RECORDS)
        return log.stat().st_size
    finally:
        log.unlink()


class Job(NamedTuple):
    """What is done, and what must come of it on a file of a size."""

    do: Callable[[Path, int], int]
    expected: Callable[[int], int]
    changes: bool = False  # the file, which is as before after each second time


def of_each_unit(count: Callable[[bytes], int]) -> Callable[[int], int]:
    """The answer that is a sum over the units."""
    return lambda size: count(unit()) * (size // UNIT)


def lines_found(text: bytes) -> int:
    return sum(LINES.search(line) is not None for line in text.splitlines())


JOBS = {
    "find": Job(find, lambda size: size - len(LAST)),
    "count": Job(count, of_each_unit(lambda text: text.count(FREQUENT))),
    "find_all": Job(find_all, of_each_unit(lambda text: text.count(RARE))),
    "lines": Job(lines, of_each_unit(lambda text: text.count(b"\n"))),
    "grep": Job(grep, of_each_unit(lines_found)),
    "replace": Job(replace, of_each_unit(lambda text: text.count(FREQUENT)), changes=True),
    "in-place": Job(in_place, of_each_unit(lambda text: text.count(FREQUENT)), changes=True),
    "append": Job(append, lambda size: size // 1_000_000 * 1_000_000),
    "count, drop_behind": Job(count_dropping, of_each_unit(lambda text: text.count(FREQUENT))),
}


def names_beyond_memory() -> Iterator[str]:
    """The jobs that are done on a file which the page cache can't hold, too."""
    yield from ("count", "count, drop_behind")
