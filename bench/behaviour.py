"""What the times of append don't tell: what a killed writer loses, and what a reader of the log sees, and when.

Both are tried out: writers are killed while they append as fast as they can, and others, that append at leisure, are
read from meanwhile.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fastmmap

from . import appends

KILLS = 5
READING = 1.6  # seconds: longer than the interval of an Appender
PACE = 20e6  # bytes a second that a writer at leisure writes at most, in at most 500 records


def acknowledging(record: bytes, shared: mmap.mmap, pause: float) -> Iterator[bytes]:
    """Records without end. Who asks for the next has written those before: how many, is told to the parent."""
    number = 0
    while True:
        yield record
        number += 1
        shared[:8] = number.to_bytes(8, "little")
        if pause:
            time.sleep(pause)


def started(engine: Callable, path: Path, record: bytes, size: int, pause: float) -> tuple[int, mmap.mmap]:
    """A process that writes until it is killed, and how many records it has written."""
    path.unlink(missing_ok=True)
    shared = mmap.mmap(-1, 8)
    child = os.fork()
    if child == 0:
        try:
            engine(path, acknowledging(record, shared, pause), size)
        finally:
            os._exit(1)
    return child, shared


def killed(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def number_of(data: bytes, record: bytes) -> int:
    """How many whole records there are from the start on."""
    number = 0
    while data.startswith(record, number * len(record)):
        number += 1
    return number


def lost(engine: Callable, path: Path, record: bytes) -> tuple[int, int]:
    """Of some kills the worst: how many written records the recovered log lacks, and how many zeros it ends with."""
    worst, zeros = 0, 0
    for _ in range(KILLS):
        child, shared = started(engine, path, record, 256 << 20, 0)
        while shared[:8] == bytes(8):
            time.sleep(0.001)
        time.sleep(random.random() * 0.02)
        killed(child)
        fastmmap.recover(path)
        size = int.from_bytes(shared[:8], "little") * len(record)
        with path.open("rb") as file:
            present = number_of(file.read(size), record)
        worst = max(worst, size // len(record) - present)
        zeros = max(zeros, path.stat().st_size - (present + 2) * len(record))
    path.unlink()
    return worst, max(zeros, 0)


def seen(engines: dict[str, Callable], folder: Path, record: bytes) -> dict[str, tuple[float, bool]]:
    """What a reader sees of writers at leisure: how many seconds late the latest record is, and whether zeros."""
    pause = max(0.002, len(record) / PACE)
    size = len(record) * int(READING / pause * 2)
    paths = {name: folder / f"read {number}" for number, name in enumerate(engines)}
    children = {name: started(engine, paths[name], record, size, pause) for name, engine in engines.items()}
    written: dict[str, list[float]] = {name: [] for name in engines}  # when each record was
    visible, late, zeros = (dict.fromkeys(engines, value) for value in (0, 0.0, False))
    end = time.monotonic() + READING
    while time.monotonic() < end:
        for name, (_, shared) in children.items():
            now = time.monotonic()
            number = int.from_bytes(shared[:8], "little")
            written[name] += [now] * (number - len(written[name]))
            if paths[name].exists():
                with paths[name].open("rb") as file:
                    file.seek(visible[name] * len(record))
                    data = file.read(1 << 22)
                visible[name] += number_of(data, record)
                zeros[name] |= b"\0" in data[-1:]
            waiting = written[name][visible[name] :]
            late[name] = max(late[name], now - waiting[0] if waiting else 0.0)
        time.sleep(0.001)
    for name, (child, _) in children.items():
        killed(child)
        fastmmap.recover(paths[name])
        paths[name].unlink()
    return {name: (late[name], zeros[name]) for name in engines}


def behaviours(folder: Path, record: bytes) -> dict[str, dict[str, str]]:
    """Both, in words, for all engines."""
    reading = seen(appends.ENGINES, folder, record)
    return {
        name: {"lost": losses(*lost(engine, folder / "killed", record), record), "reader": view(*reading[name])}
        for name, engine in appends.ENGINES.items()
    }


def losses(records: int, zeros: int, record: bytes) -> str:
    text = f"{records} records, {records * len(record) / 1000:.0f} kB" if records else "nothing"
    return f"{text}; {zeros >> 20} MiB of zeros stay" if zeros > 1 << 20 else text


def view(late: float, zeros: bool) -> str:
    when = "at once" if late < 0.1 else f"{late:.1f} s late" if late < READING - 0.1 else f"none in {READING} s"
    return f"{when}, zeros behind" if zeros else when
