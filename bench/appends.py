"""The engines of the verb append: a file is written record by record, each in its own way.

An engine is given a path, the records, and how many bytes they are at most: those that map the file need that.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import fastmmap
from fastmmap import _backend, growing, system

WINDOW = 64 << 20


def record_of(length: int) -> bytes:
    """One record of `length` bytes, with its newline."""
    return (b"2026-01-01 00:00:00,000 INFO a log record, and what it says " * (length // 60 + 1))[: length - 1] + b"\n"


def buffered(size: int) -> Callable[[Path, Iterable[bytes], int], None]:
    def run(path: Path, records: Iterable[bytes], total: int) -> None:
        with open(path, "ab", buffering=size) as file:
            write = file.write
            for record in records:
                write(record)

    return run


def unbuffered(path: Path, records: Iterable[bytes], total: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        write = os.write
        for record in records:
            write(fd, record)
    finally:
        os.close(fd)


def presized(path: Path, records: Iterable[bytes], total: int) -> None:
    """The mmap module on a file of the final size: the size must be known, and readers see zeros."""
    with open(path, "w+b") as file:
        file.truncate(total)
        with mmap.mmap(file.fileno(), 0) as mapped:
            position = 0
            for record in records:
                mapped[position : position + len(record)] = record
                position += len(record)


def windows(path: Path, records: Iterable[bytes], total: int) -> None:
    """The log itself mapped, piece by piece, its blocks allocated; cut to its length at the end."""
    append = fastmmap.append
    with open(path, "w+b") as file:
        fd, base, position = file.fileno(), 0, WINDOW
        mapped: Any = None
        for record in records:
            if position + len(record) > WINDOW:
                # The next window starts at the page that the last one was filled to.
                base += (position - position % mmap.ALLOCATIONGRANULARITY) if mapped else 0
                position = position % mmap.ALLOCATIONGRANULARITY if mapped else 0
                growing.grow(fd, base + WINDOW)
                mapped = mmap.mmap(fd, WINDOW, offset=base)
            position = append(mapped, position, record)
        del mapped
        os.ftruncate(fd, base + position)


def appender(path: Path, records: Iterable[bytes], total: int) -> None:
    with fastmmap.Appender(path) as log:
        append = log.append
        for record in records:
            append(record)


def appender_many(path: Path, records: Iterable[bytes], total: int) -> None:
    with fastmmap.Appender(path) as log:
        log.append_many(records)


def reference(path: Path, records: Iterable[bytes], total: int) -> None:
    """The reference's stage, drained as the Appender drains its own."""

    class Drained(_backend.load("python").Stage):  # type: ignore[misc]
        def _overflow(self, data: Any) -> None:
            drain()
            if not self._take(data):
                system.write_all(fd, data)

    def drain() -> None:
        system.write_all(fd, memoryview(buffer)[: stage._switch(buffer)])

    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        buffer = bytearray(1 << 20)
        stage = Drained(buffer)
        for record in records:
            stage.append(record)
        drain()
    finally:
        os.close(fd)


ENGINES: dict[str, Callable[[Path, Iterable[bytes], int], None]] = {
    "file.write, 8 KiB buffer": buffered(8 << 10),
    "file.write, 1 MiB buffer": buffered(1 << 20),
    "os.write": unbuffered,
    "mmap module, presized": presized,
    "the log itself mapped, piece by piece": windows,
    "reference": reference,
    "Appender.append": appender,
    "Appender.append_many": appender_many,
}
