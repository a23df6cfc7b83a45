"""`fastmmap demo`: the same jobs done with plain files, the mmap module, the reference and the kernels.

Every way must give the same answer. Times are of one run on this machine; what counts are the ratios.
"""

from __future__ import annotations

import mmap
import os
import platform
import random
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import _backend
from ..logs.appender import Appender
from ..mapped import MappedFile
from ..mapped import open as map_file

WAYS = ("plain file", "mmap module", "reference")
OLD, NEW, ABSENT = b" the ", b" eht ", b"a needle that isn't there"
RECORD = b"2026-01-01 00:00:00,000 INFO the demo writes a log record of one hundred bytes, newline included ..\n"
READ = 100  # bytes of a random read

# Frequent words of English, and how often they come in a thousand words.
WORDS = {
    "the": 61,
    "of": 29,
    "and": 27,
    "to": 26,
    "a": 21,
    "in": 18,
    "is": 10,
    "that": 10,
    "it": 9,
    "he": 9,
    "was": 9,
    "for": 9,
    "on": 7,
    "are": 6,
    "with": 7,
    "as": 7,
    "his": 6,
    "they": 5,
    "at": 5,
    "be": 6,
    "this": 5,
    "from": 5,
}
RARE = 300  # words beside them, made of letters


def demo(file: str | None, size: int) -> bool:
    """Makes a text, or copies `file`, runs every job in every way and prints the table. True when all answers agree."""
    folder = Path(tempfile.mkdtemp(prefix="fastmmap-demo-"))
    try:
        text = folder / "text"
        if file is None:
            make_text(text, size)
        else:
            shutil.copyfile(file, text)
        if text.stat().st_size < READ:
            raise ValueError(f"{file or 'the text'} has fewer than {READ} bytes: too few for a race")
        return race(text, folder)
    finally:
        shutil.rmtree(folder)


def make_text(path: Path, size: int) -> None:
    """Writes `size` bytes of words in English frequencies, the same ones every time."""
    rng = random.Random(1)
    words = list(WORDS) + ["".join(rng.choices("etaoinshrdlu", k=rng.randint(3, 9))) for _ in range(RARE)]
    weights = list(WORDS.values()) + [(1000 - sum(WORDS.values())) / RARE] * RARE
    unit = bytearray()
    while len(unit) < min(size, 4 << 20):
        unit += " ".join(rng.choices(words, weights, k=12)).encode() + b".\n"
    with path.open("wb") as out:
        for done in range(0, size, len(unit)):
            out.write(unit[: size - done])


def race(text: Path, folder: Path) -> bool:
    """Times the jobs, prints as it goes, and compares the answers."""
    size = text.stat().st_size
    ways = (*WAYS, f"kernel {_backend.chosen.name}")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"{python}, {platform.machine()}, {size >> 20} MiB of text\n")
    print(f"{'seconds':28}" + "".join(f"{way:>15}" for way in ways) + f"{'vs file':>10}{'vs mmap':>9}")
    checksum_of(text)  # in the page cache, so that the first job doesn't pay for all
    agree = True
    for job, functions in jobs(text, folder, size).items():
        answers, seconds = [], []
        for way, run in zip(ways, functions):
            argument = prepare(job, text, folder / way.replace(" ", "-"))
            began = time.perf_counter()
            answer = run(argument)
            seconds.append(time.perf_counter() - began)
            answers.append(settle(answer, argument))
        agree &= all(answer == answers[0] for answer in answers)
        ratios = f"{seconds[0] / seconds[3]:9.1f}x{seconds[1] / seconds[3]:8.1f}x"
        print(f"{job:28}" + "".join(f"{second:15.3f}" for second in seconds) + ratios, flush=True)
        if not all(answer == answers[0] for answer in answers):
            print(f"  the answers differ: {answers}")
    verdict = "All answers are equal." if agree else "Some answers differ."
    print(f"\n{verdict} A ratio above 1 says how many times faster the kernel is.")
    return agree


def prepare(job: str, text: Path, copy: Path) -> Path:
    """The file that a job works on: the text itself, a copy where it is changed, none yet where it is written."""
    if job.startswith("replace"):
        shutil.copyfile(text, copy)
        return copy
    if job.startswith("append"):
        return copy
    return text


def settle(answer: Any, path: Path) -> Any:
    """What two answers are compared by; the time it takes isn't the job's. A changed file is removed."""
    if isinstance(answer, (bytes, memoryview)):
        answer = zlib.adler32(answer)
    if path.name == "text":
        return answer
    checksum = checksum_of(path)
    path.unlink()
    return answer, checksum


def checksum_of(path: Path) -> int:
    with map_file(path) as mapped, mapped.view() as view:
        return zlib.adler32(view)


def jobs(text: Path, folder: Path, size: int) -> dict[str, list[Callable[[Path], Any]]]:
    """Each job in four ways, in the order of the columns."""
    reference, kernel = _backend.load("python"), _backend.chosen
    records = max(size // 8 // len(RECORD), 1)
    rng = random.Random(2)
    places = [rng.randrange(size - READ + 1) for _ in range(100_000)]
    return {
        "read it all": [
            lambda path: path.read_bytes(),
            lambda path: with_mmap(path, lambda m: m[:]),
            lambda path: with_map(path, lambda m: bytes(m.view())),
            lambda path: with_map(path, lambda m: m.read()),
        ],
        "find what isn't there": [
            lambda path: path.read_bytes().find(ABSENT),
            lambda path: with_mmap(path, lambda m: m.find(ABSENT)),
            lambda path: with_map(path, lambda m: reference.find(m, ABSENT)),
            lambda path: with_map(path, lambda m: kernel.find(m, ABSENT)),
        ],
        f"count {OLD.decode()!r}": [
            lambda path: path.read_bytes().count(OLD),
            lambda path: with_mmap(path, count_by_find),
            lambda path: with_map(path, lambda m: reference.count(m, OLD)),
            lambda path: with_map(path, lambda m: kernel.count(m, OLD)),
        ],
        f"replace by {NEW.decode()!r}": [
            replace_plainly,
            lambda path: with_mmap(path, replace_in_mmap, mmap.ACCESS_WRITE),
            lambda path: with_map(path, lambda m: reference.replace(m, OLD, NEW), "r+"),
            lambda path: with_map(path, lambda m: kernel.replace(m, OLD, NEW), "r+"),
        ],
        f"append {records} records": [
            lambda path: append_plainly(path, records),
            lambda path: append_in_mmap(path, records),
            lambda path: append_by_reference(path, records),
            lambda path: append_by_appender(path, records),
        ],
        f"{len(places)} random reads": [
            lambda path: read_plainly(path, places),
            lambda path: with_mmap(path, lambda m: b"".join([m[place : place + READ] for place in places])),
            lambda path: with_map(path, lambda m: reference.gather(m, places, READ).data.cast("B")),
            lambda path: with_map(path, lambda m: kernel.gather(m, places, READ).data.cast("B")),
        ],
    }


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
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
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
