"""From cases to rows: each case at each size, state and way of writing, by every engine that knows its verb."""

from __future__ import annotations

import datetime
import functools
import json
import mmap
import os
import platform
import random
import shutil
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy

import fastmmap
from fastmmap import system

from . import appends, behaviour, corpora
from .engines import READ, UNCOUNTED, Engine, Job, applies, summary
from .measure import Runner, WrongAnswer, copy_speed, race, read_speed

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
EXPECTED = HERE / "answers.json"
PLACES = 100_000  # random reads
# Bytes of records that an append row writes at most: so many that opening and closing the file hardly counts.
RECORDS, LARGER_RECORDS = 64 << 20, 256 << 20
CHANGES = ("replace", "replace_file")


def shortened(needle: str) -> str:
    """A needle as a title shows it."""
    return needle if len(needle) <= 30 else f"{needle[:10]}...{needle[-10:]} ({len(needle)} bytes)"


@dataclass
class Case:
    """A row's data, before it is measured."""

    verb: str
    corpus: str = "english"
    selectivity: str = ""
    needle: bytes = b""
    new: bytes = b""
    record: int = 0
    size: str = "1G"
    state: str = "warm"
    pieces: str = "8M"

    @property
    def key(self) -> str:
        """What the expected answer depends on."""
        needle = self.needle.decode()
        return json.dumps([self.verb, self.corpus, needle, self.new.decode(), self.record, self.size])

    @property
    def title(self) -> str:
        what = f"{self.record} B records" if self.verb == "append" else f"{self.corpus} {self.size}"
        needle = f" {shortened(self.needle.decode())!r}" if self.needle else ""
        new = f" by {self.new.decode()!r}" if self.new else ""
        kind = f", {self.selectivity}" if self.selectivity else ""
        written = ", written in 4 KiB pieces" if self.pieces == "4K" else ""
        return f"{self.verb}{needle}{new}{kind}: {what}, {self.state}{written}"


@dataclass
class Row:
    """A measured case."""

    case: Case
    bytes: int
    limit: float  # bytes a second of a plain read of the buffer by one thread, or of memcpy
    limit_all: float  # the same by all threads
    timings: list[Any] = field(default_factory=list)
    behaviours: dict[str, dict[str, str]] = field(default_factory=dict)  # of engines that append: lost, reader

    def record(self) -> dict[str, Any]:
        case = {**self.case.__dict__, "needle": self.case.needle.decode(), "new": self.case.new.decode()}
        limits = {"bytes": self.bytes, "limit": self.limit, "limit_all": self.limit_all}
        timings = [{**timing.as_row(), **self.behaviours.get(timing.engine, {})} for timing in self.timings]
        return {"title": self.case.title, **case, **limits, "timings": timings}


def verbs() -> list[str]:
    """What there are cases of."""
    return list(dict.fromkeys(entry["verb"] for entry in tomllib.loads((HERE / "cases.toml").read_text())["case"]))


def cases(largest: str, only: str | None) -> Iterator[Case]:
    """The cases up to a size. One that is for 1 GiB alone is run at the largest size there is."""
    sizes = list(corpora.SIZES)
    allowed = sizes[: sizes.index(largest) + 1]
    for entry in tomllib.loads((HERE / "cases.toml").read_text())["case"]:
        if only is not None and only not in entry["verb"]:
            continue
        wanted = [size for size in entry.pop("sizes", ["1G"]) if size in allowed] or [largest]
        states = entry.pop("states", ["warm"])
        for name in ("needle", "new"):
            entry[name] = entry.get(name, "").encode()
        for size in wanted:
            for state in states:
                # Below the largest size a fresh or cold row says nothing that the largest doesn't.
                if state == states[0] or size == wanted[-1]:
                    yield Case(**entry, size=size, state=state)


def expected_answer(case: Case, data: bytes) -> Any:
    """The answer by `bytes` alone."""
    needle = case.needle
    if case.verb in ("find", "rfind", "count"):
        return getattr(data, case.verb)(needle)
    if case.verb == "read":
        return len(data)
    if case.verb == "random":
        return zlib.crc32(b"".join([data[place : place + READ] for place in places(len(data))]))
    if case.verb == "append":
        record = appends.record_of(case.record)
        number = number_of_records(case)
        return [number, zlib.crc32(record * number)]
    if case.verb in CHANGES:
        return [data.count(needle), zlib.crc32(data.replace(needle, case.new))]
    found, offset = [], data.find(needle or b"\n")
    while offset >= 0:
        found.append(offset if needle else offset + 1)
        offset = data.find(needle or b"\n", offset + len(needle or b"\n"))
    if case.verb == "line_starts":
        found = [0, *(start for start in found if start < len(data))]
    return summary(found)


def number_of_records(case: Case) -> int:
    """How many records an append row writes."""
    return (RECORDS if case.record < 1000 else LARGER_RECORDS) // case.record


def write_answers() -> None:
    """Computes all expected answers anew."""
    answers: dict[str, Any] = {}
    for case in (case for largest in corpora.SIZES for case in cases(largest, None)):
        if case.key not in answers:
            data = corpora.unit(case.corpus)
            size = corpora.SIZES[case.size]
            answers[case.key] = expected_answer(case, (data * -(-size // len(data)))[:size])
            print(case.key, answers[case.key], flush=True)
    EXPECTED.write_text(json.dumps(answers, indent=0) + "\n")


@functools.cache
def answers() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(EXPECTED.read_text())
    return loaded


def places(size: int) -> list[int]:
    """Where the random reads are."""
    rng = random.Random(2)
    return [rng.randrange(size - READ + 1) for _ in range(PLACES)]


def compare(case: Case, engine: str, answer: Any, expected: Any) -> None:
    if answer != expected:
        raise WrongAnswer(f"{engine}: {case.title}: {answer!r} where {expected!r} is right")


def run_case(case: Case, folder: Path, known: list[Engine], budget: float) -> Row:
    """Measures a case; an engine with a wrong answer raises WrongAnswer."""
    if case.key not in answers():
        raise SystemExit(f"no expected answer for {case.title}: python -m bench --answers")
    if case.verb == "append":
        return run_append(case, folder, budget)
    text = corpora.corpus_file(folder, case.corpus, case.size, case.pieces)
    expected = answers()[case.key]
    if case.verb in CHANGES:
        return run_change(case, folder, text, known, expected, budget)
    job = Job(case.verb, text, case.needle, case.new, places(text.stat().st_size) if case.verb == "random" else [])
    with open(text, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as kept:
        limit, limit_all = read_speed(kept, 1), read_speed(kept, system.cpus())
        if case.state == "warm":
            job.kept = kept
            return Row(case, len(kept), limit, limit_all, race(read_runners(case, job, known, expected), budget))
    timings = race(read_runners(case, job, known, expected), budget)
    size = PLACES * READ if case.verb == "random" else text.stat().st_size
    return Row(case, size, limit, limit_all, timings)


def read_runners(case: Case, job: Job, known: list[Engine], expected: Any) -> list[Runner]:
    def prepare() -> None:
        if case.state == "cold":
            corpora.evict(job.path)

    return [
        Runner(
            engine.name,
            functools.partial(engine.verbs[case.verb], job),
            prepare,
            lambda answer, name=engine.name: compare(case, name, answer, expected),
        )
        for engine in known
        if applies(engine, job) and (engine.maps or case.state != "warm")
    ]


def run_change(case: Case, folder: Path, text: Path, known: list[Engine], expected: Any, budget: float) -> Row:
    """Every run changes a new copy, whose bytes are compared after each run."""
    copy = folder / "changed"
    job = Job(case.verb, copy, case.needle, case.new)

    def prepare() -> None:
        shutil.copyfile(text, copy)

    def check(answer: Any, name: str) -> None:
        with fastmmap.open(copy) as mapped, mapped.view() as view:
            checksum = zlib.crc32(view)
        compare(case, name, [expected[0] if answer == UNCOUNTED else answer, checksum], expected)

    runners = [
        Runner(
            engine.name,
            functools.partial(engine.verbs[case.verb], job),
            prepare,
            functools.partial(check, name=engine.name),
        )
        for engine in known
        if applies(engine, job)
    ]
    speed = copy_speed(text.stat().st_size)
    try:
        return Row(case, text.stat().st_size, speed, speed, race(runners, budget))
    finally:
        copy.unlink(missing_ok=True)


def run_append(case: Case, folder: Path, budget: float) -> Row:
    record, path = appends.record_of(case.record), folder / "appended"
    number = number_of_records(case)
    records, total = [record] * number, number * len(record)

    def prepare() -> None:
        path.unlink(missing_ok=True)

    def check(answer: Any, name: str) -> None:
        data = path.read_bytes()
        compare(case, name, [len(data) // len(record), zlib.crc32(data)], answers()[case.key])

    runners = [
        Runner(name, functools.partial(run, path, records, total), prepare, functools.partial(check, name=name))
        for name, run in appends.ENGINES.items()
    ]
    speed = copy_speed(total)
    try:
        return Row(case, total, speed, speed, race(runners, budget), behaviour.behaviours(folder, record))
    finally:
        prepare()


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), model)
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": model,
        "cpus": system.cpus(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "numpy": numpy.__version__,
        "fastmmap": fastmmap.__version__,
        "kernel": fastmmap.kernel,
        "kernels": fastmmap.kernels(),
    }


def run_all(
    folder: Path, largest: str, only: str | None, known: list[Engine], budget: float
) -> Iterator[dict[str, Any]]:
    """The row of every case as it is measured."""
    for case in cases(largest, only):
        yield run_case(case, folder, known, budget).record()
