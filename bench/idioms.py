"""open() against mmap, in the shapes that one finds everywhere, each with a fair twin beside it.

    python -m bench --only idioms            the times
    python -m bench.idioms                   the system calls and copies of each way (needs strace)
    python -m bench.idioms WAY FILE          one way, once: what strace is run on

Such races find mapping twenty times faster at reading and searching, and slower at find-and-replace. "usual" marks
their own shape; `copies` counts how often the file's bytes (or the record's) are moved from one place in memory to
another on the way, the kernel's copy out of or into the page cache included.
"""

from __future__ import annotations

import functools
import mmap
import os
import random
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastmmap

from . import appends, corpora
from .measure import Runner, WrongAnswer, copy_speed, race, read_speed

THE, EHT, ABSENT = b" the ", b" eht ", b"no such words"
MIDDLE = b"python"
READ = 100
READS = 100_000
RECORD = appends.record_of(100)
RECORDS = 335_544  # 32 MiB


@dataclass
class Way:
    """One way to do a job: `run` takes the file's path and returns the answer."""

    name: str
    copies: int
    run: Callable[[Path], Any]


@dataclass
class Comparison:
    """One comparison. `changes`: each run gets a copy of its own; `writes`: it begins with no file."""

    key: str
    title: str
    ways: list[Way]
    changes: bool = False
    writes: bool = False


def text(path: Path) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def binary(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def with_mmap(function: Callable[[mmap.mmap], Any], access: int = mmap.ACCESS_READ) -> Callable[[Path], Any]:
    def run(path: Path) -> Any:
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0, access=access) as mapped:
            return function(mapped)

    return run


def look_at_all(path: Path) -> int:
    """Reads without copying: a byte is counted that isn't there."""
    return path.stat().st_size + fastmmap.count(path, corpora.ABSENT_BYTE)


def find_in_blocks(path: Path) -> int:
    """What a careful reader of plain files does: it stops at the first match, and carries over what may begin one."""
    with open(path, "rb") as file:
        base, block = 0, b""
        while more := file.read(1 << 16):
            block += more
            if (found := block.find(THE)) >= 0:
                return base + found
            base += len(block) - len(THE) + 1
            block = block[1 - len(THE) :]
    return -1


def write_middle(path: Path, durable: bool) -> int:
    with open(path, "r+b") as file:
        file.seek(os.fstat(file.fileno()).st_size // 2)
        file.write(MIDDLE)
        file.flush()
        if durable:
            os.fdatasync(file.fileno())
    return 1


def store_middle(mapped: mmap.mmap) -> int:
    middle = len(mapped) // 2
    mapped[middle : middle + len(MIDDLE)] = MIDDLE
    mapped.flush()
    return 1


def fastmmap_middle(path: Path) -> int:
    with fastmmap.open(path, "r+") as mapped:
        middle = len(mapped) // 2
        mapped[middle : middle + len(MIDDLE)] = MIDDLE
        mapped.flush(middle, len(MIDDLE))
    return 1


def replace_text(path: Path) -> int:
    data = text(path)
    with open(path, "w", encoding="utf-8") as file:
        file.write(data.replace(THE.decode(), EHT.decode()))
    return data.count(THE.decode())


def replace_binary(path: Path) -> int:
    data = binary(path)
    with open(path, "wb") as file:
        file.write(data.replace(THE, EHT))
    return data.count(THE)


def replace_mapped(mapped: mmap.mmap) -> int:
    data = mapped[:]
    mapped[:] = data.replace(THE, EHT)
    return data.count(THE)


def replace_by_finds(mapped: mmap.mmap) -> int:
    number, offset = 0, mapped.find(THE, 0)
    while offset >= 0:
        mapped[offset : offset + len(THE)] = EHT
        number, offset = number + 1, mapped.find(THE, offset + len(THE))
    return number


def replace_fastmmap(path: Path) -> int:
    with fastmmap.open(path, "r+") as mapped:
        return mapped.replace(THE, EHT)


def places(size: int) -> list[int]:
    rng = random.Random(2)
    return [rng.randrange(size - READ) for _ in range(READS)]


def seek_and_read(path: Path) -> int:
    with open(path, "rb") as file:
        blocks = []
        for place in places(path.stat().st_size):
            file.seek(place)
            blocks.append(file.read(READ))
    return zlib.crc32(b"".join(blocks))


def pread(path: Path) -> int:
    fd = os.open(path, os.O_RDONLY)
    try:
        return zlib.crc32(b"".join([os.pread(fd, READ, place) for place in places(os.fstat(fd).st_size)]))
    finally:
        os.close(fd)


def slices(mapped: mmap.mmap) -> int:
    return zlib.crc32(b"".join([mapped[place : place + READ] for place in places(len(mapped))]))


def gather(path: Path) -> int:
    with fastmmap.open(path) as mapped:
        return zlib.crc32(mapped.gather(places(len(mapped)), READ))


def append(name: str) -> Callable[[Path], int]:
    def run(path: Path) -> int:
        appends.ENGINES[name](path, [RECORD] * RECORDS, RECORDS * len(RECORD))
        return RECORDS

    return run


COMPARISONS = [
    Comparison("read", "read a whole file", [
        Way("usual: open() as text, read()", 3, lambda path: len(text(path).encode("utf-8", "surrogateescape"))),
        Way("open() as bytes, read()", 1, lambda path: len(binary(path))),
        Way("usual: mmap, read()", 1, with_mmap(lambda m: len(m.read()))),
        Way("fastmmap, read()", 1, lambda path: len(fastmmap.open(path).read())),
        Way("fastmmap, every byte looked at", 0, look_at_all),
    ]),
    Comparison("find-first", "find ' the ', which is near the start", [
        Way("usual: open() as text, read().find", 3, lambda path: text(path).find(THE.decode())),
        Way("open() as bytes, in blocks", 1, find_in_blocks),
        Way("usual: mmap.find", 0, with_mmap(lambda m: m.find(THE))),
        Way("fastmmap.find", 0, lambda path: fastmmap.find(path, THE)),
    ]),
    Comparison("find-absent", "find what isn't there", [
        Way("usual: open() as text, read().find", 3, lambda path: text(path).find(ABSENT.decode())),
        Way("open() as bytes, read().find", 1, lambda path: binary(path).find(ABSENT)),
        Way("usual: mmap.find", 0, with_mmap(lambda m: m.find(ABSENT))),
        Way("fastmmap.find", 0, lambda path: fastmmap.find(path, ABSENT)),
    ]),
    Comparison("write-middle", "write 6 bytes in the middle and flush", [
        Way("usual: seek, write, flush()", 2, lambda path: write_middle(path, durable=False)),
        Way("seek, write, flush, fdatasync", 2, lambda path: write_middle(path, durable=True)),
        Way("usual: mmap, store, flush()", 1, with_mmap(store_middle, mmap.ACCESS_WRITE)),
        Way("fastmmap, store, flush the range", 1, fastmmap_middle),
    ], changes=True),
    Comparison("replace", "replace ' the ' by ' eht '", [
        Way("usual: open() as text, replace, write", 7, replace_text),
        Way("open() as bytes, replace, write", 3, replace_binary),
        Way("usual: mmap[:] = mmap[:].replace()", 3, with_mmap(replace_mapped, mmap.ACCESS_WRITE)),
        Way("mmap.find and a store for each match", 0, with_mmap(replace_by_finds, mmap.ACCESS_WRITE)),
        Way("fastmmap.replace", 0, replace_fastmmap),
    ], changes=True),
    Comparison("random", f"{READS} random reads of {READ} bytes", [
        Way("usual: seek and read", 2, seek_and_read),
        Way("os.pread", 1, pread),
        Way("usual: mmap slices", 1, with_mmap(slices)),
        Way("fastmmap.gather", 1, gather),
    ]),
    Comparison("append", f"write {RECORDS} records of 100 bytes, one after the other", [
        Way("file.write, 8 KiB buffer", 2, append("file.write, 8 KiB buffer")),
        Way("os.write", 1, append("os.write")),
        Way("mmap module, presized", 1, append("mmap module, presized")),
        Way("the log itself mapped, piece by piece", 1, append("the log itself mapped, piece by piece")),
        Way("fastmmap.Appender", 2, append("Appender.append")),
        Way("fastmmap.Appender, append_many", 2, append("Appender.append_many")),
    ], writes=True),
]  # fmt: skip


def run_all(folder: Path, size: str, budget: float) -> Iterator[dict[str, Any]]:
    """The comparisons as rows, every answer compared with the first way's."""
    source = corpora.corpus_file(folder, "english", size)
    for comparison in COMPARISONS:
        yield run_comparison(comparison, folder, source, budget)


def run_comparison(comparison: Comparison, folder: Path, source: Path, budget: float) -> dict[str, Any]:
    path = folder / "noted" if comparison.changes or comparison.writes else source
    answers: list[Any] = []

    def prepare() -> None:
        if comparison.changes:
            shutil.copyfile(source, path)
        elif comparison.writes:
            path.unlink(missing_ok=True)

    def check(answer: Any, name: str) -> None:
        if path != source:
            with fastmmap.open(path) as mapped, mapped.view() as view:
                answer = answer, zlib.crc32(view)
        answers.append(answer)
        if answer != answers[0]:
            raise WrongAnswer(f"{name}: {comparison.title}: {answer} where others gave {answers[0]}")

    runners = [
        Runner(way.name, functools.partial(way.run, path), prepare, functools.partial(check, name=way.name))
        for way in comparison.ways
    ]
    with open(source, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        limit = copy_speed(len(mapped)) if path != source else read_speed(mapped, 1)
        limit_all = limit if path != source else read_speed(mapped, os.cpu_count() or 1)
    timings = [timing.as_row() for timing in race(runners, budget)]
    moved = {"random": READS * READ, "append": RECORDS * len(RECORD)}.get(comparison.key, source.stat().st_size)
    if path != source:
        path.unlink(missing_ok=True)
    row = {"title": f"usual: {comparison.title}", "verb": f"idioms-{comparison.key}", "state": "fresh", "pieces": "8M"}
    return {**row, "bytes": moved, "limit": limit, "limit_all": limit_all, "timings": timings}


# --- system calls ---


def count_calls(way: str, path: Path) -> dict[str, int]:
    """How often each system call is made by one way, by strace."""
    with tempfile.NamedTemporaryFile("r", suffix=".strace") as counts:
        command = [sys.executable, "-m", "bench.idioms", way, str(path)]
        strace = ["strace", "-f", "-c", "-U", "calls,name", "-o", counts.name]
        subprocess.run([*strace, *command], check=True, stdout=subprocess.DEVNULL)
        calls = {}
        for line in counts.read().splitlines():
            number, _, name = line.strip().partition(" ")
            if number.isdigit() and name.strip() != "total":
                calls[name.strip()] = int(number)
        return calls


def print_calls() -> None:
    """For each way: its copies, and the system calls that a run makes beyond an idle interpreter's."""
    if shutil.which("strace") is None:
        raise SystemExit("strace is not installed")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = corpora.corpus_file(folder, "english", "64M")
        idle = count_calls("idle", source)
        for comparison in COMPARISONS:
            print(f"\n{comparison.title}, 64 MiB")
            for way in comparison.ways:
                path = folder / "noted"
                path.unlink(missing_ok=True)
                if not comparison.writes:
                    shutil.copyfile(source, path)
                calls = count_calls(f"{comparison.key}/{way.name}", path)
                extra = {name: calls[name] - idle.get(name, 0) for name in calls if calls[name] > idle.get(name, 0)}
                most = ", ".join(f"{name} {n}" for name, n in sorted(extra.items(), key=lambda item: -item[1])[:4])
                print(f"  {way.name:40} copies {way.copies}   calls {sum(extra.values()):7}   ({most})")


def main(arguments: list[str]) -> None:
    if not arguments:
        print_calls()
        return
    way, path = arguments
    for comparison in COMPARISONS:
        for candidate in comparison.ways:
            if way == f"{comparison.key}/{candidate.name}":
                candidate.run(Path(path))


if __name__ == "__main__":
    main(sys.argv[1:])
