"""What is raced: each job done with a plain file, the mmap module, the reference and the kernel."""

from __future__ import annotations

import mmap
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from .. import _backend, system
from ..logs.appender import Appender
from ..mapped import MappedFile
from ..mapped import open as map_file

WAYS = ("plain file", "mmap module", "reference", f"kernel {_backend.chosen.name}")  # the last one is ours
OLD, NEW, ABSENT = b" the ", b" eht ", b"a needle that isn't there"
RECORD = b"2026-01-01 00:00:00,000 INFO the demo writes a log record of one hundred bytes, newline included ..\n"
READS, READ = 100_000, 100  # how many random reads, of how many bytes

# What a job works on: the text, a copy of it, or a file that it makes.
TEXT, COPY, NEW_FILE = range(3)


class Job(NamedTuple):
    """A job, and what runs it in each of the WAYS."""

    name: str
    works_on: int
    bytes: int  # of how many it is, which its speed is told by
    runs: tuple[Callable[[Path], Any], ...]


def jobs(size: int) -> list[Job]:
    """The jobs for a text of `size` bytes."""
    reference, kernel = _backend.load("python"), _backend.chosen
    records = max(size // 8 // len(RECORD), 1)
    rng = random.Random(2)
    places = [rng.randrange(size - READ + 1) for _ in range(READS)]
    reading = (
        lambda path: path.read_bytes(),
        lambda path: with_mmap(path, lambda m: m[:]),
        lambda path: with_map(path, lambda m: bytes(m.view())),
        lambda path: with_map(path, lambda m: m.read()),
    )
    finding = (
        lambda path: path.read_bytes().find(ABSENT),
        lambda path: with_mmap(path, lambda m: m.find(ABSENT)),
        lambda path: with_map(path, lambda m: reference.find(m, ABSENT)),
        lambda path: with_map(path, lambda m: kernel.find(m, ABSENT)),
    )
    counting = (
        lambda path: path.read_bytes().count(OLD),
        lambda path: with_mmap(path, count_by_find),
        lambda path: with_map(path, lambda m: reference.count(m, OLD)),
        lambda path: with_map(path, lambda m: kernel.count(m, OLD)),
    )
    replacing = (
        replace_plainly,
        lambda path: with_mmap(path, replace_in_mmap, mmap.ACCESS_WRITE),
        lambda path: with_map(path, lambda m: reference.replace(m, OLD, NEW), "r+"),
        lambda path: with_map(path, lambda m: kernel.replace(m, OLD, NEW), "r+"),
    )
    appending = (
        lambda path: append_plainly(path, records),
        lambda path: append_in_mmap(path, records),
        lambda path: append_by_reference(path, records),
        lambda path: append_by_appender(path, records),
    )
    gathering = (
        lambda path: read_plainly(path, places),
        lambda path: with_mmap(path, lambda m: b"".join([m[place : place + READ] for place in places])),
        lambda path: with_map(path, lambda m: reference.gather(m, places, READ).data.cast("B")),
        lambda path: with_map(path, lambda m: kernel.gather(m, places, READ).data.cast("B")),
    )
    return [
        Job("read it all", TEXT, size, reading),
        Job("find what isn't there", TEXT, size, finding),
        Job(f"count {OLD.decode()!r}", TEXT, size, counting),
        Job(f"replace by {NEW.decode()!r}", COPY, size, replacing),
        Job(f"append {records:,} records", NEW_FILE, records * len(RECORD), appending),
        Job(f"{READS:,} random reads", TEXT, READS * READ, gathering),
    ]


def with_mmap(path: Path, run: Callable[[mmap.mmap], Any], access: int = mmap.ACCESS_READ) -> Any:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0, access=access) as mapped:
        return run(mapped)


def with_map(path: Path, run: Callable[[MappedFile], Any], mode: str = "r") -> Any:
    with map_file(path, mode) as mapped:
        return run(mapped)


def count_by_find(mapped: mmap.mmap) -> int:
    """The mmap module has no count."""
    number, offset = 0, mapped.find(OLD, 0)
    while offset >= 0:
        number, offset = number + 1, mapped.find(OLD, offset + len(OLD))
    return number


def replace_plainly(path: Path) -> int:
    data = path.read_bytes()
    path.write_bytes(data.replace(OLD, NEW))
    return data.count(OLD)


def replace_in_mmap(mapped: mmap.mmap) -> int:
    data = mapped[:]
    mapped[:] = data.replace(OLD, NEW)
    return data.count(OLD)


def append_plainly(path: Path, records: int) -> int:
    with path.open("ab") as file:
        write = file.write
        for _ in range(records):
            write(RECORD)
    return records


def append_in_mmap(path: Path, records: int) -> int:
    with path.open("w+b") as file:
        file.truncate(records * len(RECORD))
        with mmap.mmap(file.fileno(), 0) as mapped:
            position = 0
            for _ in range(records):
                mapped[position : position + len(RECORD)] = RECORD
                position += len(RECORD)
    return records


def append_by_reference(path: Path, records: int) -> int:
    """The stage of Appender with the reference's append."""
    append = _backend.load("python").append
    stage, position = bytearray(1 << 20), 0
    fd = system.calls.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for _ in range(records):
            if position + len(RECORD) > len(stage):
                os.write(fd, memoryview(stage)[:position])
                position = 0
            position = append(stage, position, RECORD)
        os.write(fd, memoryview(stage)[:position])
    finally:
        os.close(fd)
    return records


def append_by_appender(path: Path, records: int) -> int:
    with Appender(path) as log:
        append = log.append
        for _ in range(records):
            append(RECORD)
    return records


def read_plainly(path: Path, places: list[int]) -> bytes:
    with path.open("rb") as file:
        blocks = []
        for place in places:
            file.seek(place)
            blocks.append(file.read(READ))
    return b"".join(blocks)
