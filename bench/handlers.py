"""Handlers of logging: what a record costs with each, what a kill loses, and four processes that log to one file.

A record of 100 bytes goes through a logger to a handler, which is made before and closed after the records, in the same
time. A handler's own cost is what it takes longer than one, of the same logger's, that only formats. Peers that aren't
installed are left out. picologging isn't in the extra `peers`, since it has no wheel for CPython 3.13, and can't be
built there. logxide isn't measured: 0.1.2, the newest for CPython 3.10 and 3.11, writes each record to stderr as well,
and the file only some time after its flush; 0.3.0, for later ones, puts its own logger into the others' `logging`.
"""

from __future__ import annotations

import functools
import importlib
import logging
import multiprocessing
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

import fastmmap

from . import appends, behaviour, corpora, report
from .measure import Runner, WrongAnswer, copy_speed, race

NUMBER, RECORD = 100_000, 100
MAX_BYTES, BACKUPS = 10_000_000, 100
WRITERS, SHARED_MAX_BYTES, SHARED_BACKUPS = 4, 1_000_000, 10_000

# A handler has so many times the seconds of another engine, so that it takes part in all rounds.
PATIENCE = 20

# Seconds in which a process is killed, after its first record; and the size of its files, so small that one kill or
# another comes into a rotation.
KILLED_WITHIN, KILLED_MAX_BYTES = 0.1, 100_000

# Where each is, by what it is called here; and whether it is to rotate.
HANDLERS = {
    "FileHandler": ("logging", "FileHandler", False),
    "WatchedFileHandler": ("logging.handlers", "WatchedFileHandler", False),
    "RotatingFileHandler": ("logging.handlers", "RotatingFileHandler", True),
    "fastmmap.LogHandler": ("fastmmap", "LogHandler", False),
    "fastmmap.LogHandler, rotating": ("fastmmap", "LogHandler", True),
    "ConcurrentRotatingFileHandler": ("concurrent_log_handler", "ConcurrentRotatingFileHandler", True),
    "picologging FileHandler": ("picologging", "FileHandler", False),
    "picologging RotatingFileHandler": ("picologging.handlers", "RotatingFileHandler", True),
}

# Those that several processes can use for one file that is rotated: ours, and what it is compared with.
OURS = "fastmmap.LogHandler, rotating"
SHARED = (OURS, "ConcurrentRotatingFileHandler")


@dataclass
class Peer:
    """How a handler is made for a path, and the module whose loggers use it."""

    make: Callable[..., Any]
    library: Any
    formats: str  # which peer only formats for such loggers

    def log(self, path: Path, messages: Iterable[str]) -> None:
        """Opens the handler, logs the messages, and closes it."""
        log = self.library.Logger("bench", logging.INFO)
        log.propagate = False
        handler = self.make(str(path))
        handler.setFormatter(self.library.Formatter("%(message)s"))
        log.addHandler(handler)
        for message in messages:
            log.info(message)
        handler.close()


def peers(max_bytes: int, backups: int) -> dict[str, Peer]:
    """All that can be had. Before the first of each library comes what only formats."""
    found: dict[str, Peer] = {}
    for engine, (place, name, rotates) in HANDLERS.items():
        try:
            make = getattr(importlib.import_module(place), name)
        except ImportError:
            continue
        library = importlib.import_module("picologging") if place.startswith("picologging") else logging
        formats = f"only formats, {library.__name__}"
        found.setdefault(formats, Peer(formatting(library), library, formats))
        if rotates:
            make = functools.partial(make, maxBytes=max_bytes, backupCount=backups)
        found[engine] = Peer(make, library, formats)
    return found


def formatting(library: Any) -> Callable[[str], Any]:
    """A handler that only formats."""

    class Formatting(library.Handler):  # type: ignore[misc]
        def emit(self, record: Any) -> None:
            self.format(record)

    return lambda path: Formatting()


# --- what is logged, and found ---


REST = appends.record_of(RECORD - 10)[:-1].decode()


def message(writer: int, number: int) -> str:
    """A record, without its newline."""
    return f"{writer} {number:07} {REST}"


def messages(writer: int, number: int) -> list[str]:
    return [message(writer, each) for each in range(number)]


def lines_of(texts: Iterable[str]) -> list[bytes]:
    """Messages as they are in a file."""
    return [f"{text}\n".encode() for text in texts]


def files(path: Path) -> list[Path]:
    """A log's files, the oldest first."""
    older = [each for each in path.parent.iterdir() if each.suffix[1:].isdigit()]
    older.sort(key=lambda each: -int(each.suffix[1:]))
    return [*older, path] if path.exists() else older


def found_lines(path: Path) -> list[bytes]:
    return b"".join(each.read_bytes() for each in files(path)).splitlines(keepends=True)


def check(answer: Any, engine: str, path: Path, expected: list[bytes]) -> None:
    """Each record is there once and whole, after those that its writer has logged before. Ours leaves nothing else."""
    found = found_lines(path)
    if sorted(found, key=lambda line: line[:1]) != expected:
        missing, more = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
        raise WrongAnswer(
            f"{engine}: of {len(expected)} records {missing.total()} are missing, and {more.total()} lines are there "
            f"that weren't logged: {[*missing][:2]}, {[*more][:2]}"
        )
    left = {*path.parent.iterdir()} - {*files(path)}
    if engine.startswith("fastmmap") and left:
        raise WrongAnswer(f"{engine} has left {sorted(each.name for each in left)}")


def empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


# --- one process ---


def run_alone(folder: Path, number: int, budget: float, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """What a record costs with each handler in turn, and how many a kill loses."""
    path, texts = folder / "alone" / "app.log", messages(0, number)
    expected = lines_of(texts)
    known = peers(max_bytes, BACKUPS)
    runners = [
        Runner(
            name,
            functools.partial(peer.log, path, texts),
            functools.partial(empty, path.parent),
            functools.partial(check, engine=name, path=path, expected=[] if name == peer.formats else expected),
        )
        for name, peer in known.items()
    ]
    row = measured(f"handlers: {number} records of {RECORD} bytes", runners, number, budget)
    killed = peers(KILLED_MAX_BYTES, BACKUPS)
    for timing in row["timings"]:
        name = timing["engine"]
        formats = known[name].formats
        timing |= {"formats": formats, "kill": None if name == formats else lost(name, killed[name], path)}
    return row


def lost(name: str, peer: Peer, path: Path) -> int:
    """Of some kills the worst: how many records are in no file whose calls had returned."""

    def log(path: Path, records: Iterable[bytes], size: int) -> None:
        peer.log(path, (message(0, number) for number, _ in enumerate(records)))

    worst = 0
    for _ in range(behaviour.KILLS):
        empty(path.parent)
        child, shared = behaviour.started(log, path, b"", 0, 0)
        while shared[:8] == bytes(8):
            time.sleep(0.001)
        time.sleep(random.random() * KILLED_WITHIN)
        behaviour.killed(child)
        fastmmap.recover(path.parent)
        logged = lines_of(messages(0, int.from_bytes(shared[:8], "little")))
        found = found_lines(path)
        if len(found) > len(logged) + 1 or len(found) != len({*found}):
            raise WrongAnswer(f"{name}: after a kill there are {len(found)} lines of {len(logged)} records")
        worst = max(worst, len({*logged} - {*found}))
    return worst


# --- several processes ---


class Writers:
    """Forked processes that log to one file, each its own messages, from the same moment on."""

    WAIT = 60  # seconds until they are ready

    def __init__(self, peer: Peer, path: Path, number: int) -> None:
        self.peer, self.path, self.number = peer, path, number

    def prepare(self) -> None:
        """Starts them, and waits until they are ready."""
        empty(self.path.parent)
        fork = multiprocessing.get_context("fork")
        self.barrier = fork.Barrier(WRITERS + 1)
        self.processes = [fork.Process(target=self.log, args=(writer,)) for writer in range(WRITERS)]
        for process in self.processes:
            process.start()
        self.barrier.wait(self.WAIT)

    def log(self, writer: int) -> None:
        texts = messages(writer, self.number)
        for _ in ("ready", "all of them are"):
            self.barrier.wait(self.WAIT)
        self.peer.log(self.path, texts)

    def run(self) -> None:
        """Lets them begin, and waits for the last."""
        self.barrier.wait(self.WAIT)
        for process in self.processes:
            process.join()


def run_together(folder: Path, number: int, budget: float, max_bytes: int = SHARED_MAX_BYTES) -> dict[str, Any]:
    """How long several processes take for one file that is rotated, with the handlers that can."""
    path, known = folder / "together" / "app.log", peers(max_bytes, SHARED_BACKUPS)
    expected = lines_of(text for writer in range(WRITERS) for text in messages(writer, number // WRITERS))
    runners = []
    for name in SHARED:
        if name not in known:
            continue
        writers = Writers(known[name], path, number // WRITERS)
        checked = functools.partial(check, engine=name, path=path, expected=expected)
        runners.append(Runner(name, writers.run, writers.prepare, checked))
    title = f"handlers: {len(expected)} records of {WRITERS} processes in a file that is rotated; the others can't"
    return measured(title, runners, len(expected), budget)


# --- rows and tables ---


def measured(title: str, runners: list[Runner], number: int, budget: float) -> dict[str, Any]:
    """A row of so many records."""
    size = number * RECORD
    speed = copy_speed(size)
    return {
        "title": title,
        "verb": "handlers",
        "state": "warm",
        "pieces": "8M",
        "bytes": size,
        "limit": speed,
        "limit_all": speed,
        "timings": [timing.as_row() for timing in race(runners, PATIENCE * budget)],
    }


def run_all(folder: Path, largest: str, budget: float) -> Iterator[dict[str, Any]]:
    number = min(NUMBER, corpora.SIZES[largest] // RECORD)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for run in (run_alone, run_together):
            yield run(Path(place), number, budget)


def table(row: dict[str, Any]) -> Table:
    return alone_table(row) if "kill" in row["timings"][0] else together_table(row)


def alone_table(row: dict[str, Any]) -> Table:
    """What a record costs with each handler, the cheapest first."""
    numbers = (
        "µs a record",
        "spread",
        "own cost",
        "of FileHandler",
        "own, of\nFileHandler's",
        "of Rotating-\nFileHandler",
    )
    result = report.titled(row, numbers, words=("a kill loses",))
    seconds = {timing["engine"]: timing["seconds"] for timing in row["timings"]}
    own = {timing["engine"]: timing["seconds"] - seconds[timing["formats"]] for timing in row["timings"]}
    for timing in sorted(row["timings"], key=lambda timing: timing["seconds"]):
        name, writes = timing["engine"], timing["engine"] != timing["formats"]
        result.add_row(
            name,
            microseconds(row, seconds[name]),
            report.spread(timing),
            microseconds(row, own[name]) if writes else "",
            f"{seconds[name] / seconds['FileHandler']:.2f}",
            f"{own[name] / own['FileHandler']:.2f}" if writes else "",
            f"{seconds[name] / seconds['RotatingFileHandler']:.2f}",
            (f"{timing['kill']} records" if timing["kill"] else "nothing") if writes else "",
        )
    return result


def together_table(row: dict[str, Any]) -> Table:
    """How long the processes took, and how many times as long as with ours."""
    result = report.titled(row, ("seconds", "spread", "µs a record", "times LogHandler's"))
    seconds = {timing["engine"]: timing["seconds"] for timing in row["timings"]}
    for timing in sorted(row["timings"], key=lambda timing: timing["seconds"]):
        taken = timing["seconds"]
        ratio = f"{taken / seconds[OURS]:.1f}"
        result.add_row(timing["engine"], f"{taken:.3f}", report.spread(timing), microseconds(row, taken), ratio)
    return result


def microseconds(row: dict[str, Any], seconds: float) -> str:
    """What a record costs."""
    return f"{seconds * RECORD / row['bytes'] * 1e6:.2f}"
