"""Many needles at once: sets of them in structured text, by fastmmap and by others that know sets of needles."""

from __future__ import annotations

import functools
import importlib
import mmap
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastmmap
from fastmmap import system

from . import corpora, texts
from .measure import Runner, WrongAnswer, race, read_speed
from .needles import near_miss

TEXT = "json-lines"

# Larger corpora say the same.
LARGEST = "64M"

# `re` takes half a second a MiB for fifty.
MOST_FOR_RE = 5

RARE = [b"zephyr", b"quixotic", b"balderdash", b"xylophone", b"kumquat"]

Count = Callable[[], int]


def sets(unit: bytes) -> dict[str, list[bytes]]:
    """The sets of needles, by name. All but the last are nowhere in the text."""
    rng = random.Random("fastmmap many needles")

    def cut() -> bytes:
        start = rng.randrange(len(unit) - 20)
        return unit[start : start + rng.randint(6, 16)]

    def missed(number: int) -> list[bytes]:
        found: set[bytes] = set()
        while len(found) < number:
            found.add(near_miss(cut(), unit + unit[:40], rng))
        return sorted(found)

    return {
        "five rare words": RARE,
        "five that begin as the text does": [unit[:12] + word for word in RARE],
        "50 near-misses": missed(50),
        "500 near-misses": missed(500),
        "50 that are there": sorted({cut() for _ in range(50)}),
    }


def counters(needles: list[bytes], data: mmap.mmap) -> dict[str, Count]:
    """How each engine that can be had counts the matches. Needles are made ready beforehand, as all of them do."""
    ready = fastmmap.Needles(needles)
    found: dict[str, Count] = {
        "fastmmap": lambda: fastmmap.count(data, ready),
        "fastmmap, 1 thread": lambda: fastmmap.count(data, ready, threads=1),
    }
    if len(needles) <= MOST_FOR_RE:
        found["re"] = lambda: by_re(needles, data)
    for name, make in (("ahocorasick_rs", with_ahocorasick), ("hyperscan", with_hyperscan)):
        try:
            module: Any = importlib.import_module(name)
        except ImportError:
            continue
        found[name] = make(module, needles, data)
    return found


def by_re(needles: list[bytes], data: mmap.mmap) -> int:
    """What the others are compared with: alternatives, the longest first."""
    pattern = re.compile(b"|".join(map(re.escape, sorted(needles, key=len, reverse=True))))
    return sum(1 for _ in pattern.finditer(data))


def with_ahocorasick(module: Any, needles: list[bytes], data: mmap.mmap) -> Count:
    kind = module.MatchKind.LeftmostLongest
    automaton = module.BytesAhoCorasick(needles, matchkind=kind)
    return lambda: len(automaton.find_matches_as_indexes(data))


def with_hyperscan(module: Any, needles: list[bytes], data: mmap.mmap) -> Count:
    """It tells the ends of all matches, so only where there are none is its answer the others'."""
    database = module.Database(mode=module.HS_MODE_BLOCK)
    expressions = [re.escape(needle) for needle in needles]
    numbers = list(range(len(needles)))
    database.compile(expressions=expressions, ids=numbers, elements=len(needles), flags=[0] * len(needles))
    view = memoryview(data)

    def count() -> int:
        ends: list[int] = []
        database.scan(view, match_event_handler=lambda number, start, end, flags, context: ends.append(end))
        return len(ends)

    return count


def run_all(folder: Path, largest: str, budget: float) -> Iterator[dict[str, Any]]:
    """A row for each set of needles."""
    size = min(largest, LARGEST, key=lambda name: corpora.SIZES[name])
    path = corpora.corpus_file(folder, TEXT, size)
    unit = corpora.unit(TEXT)[: texts.SIZE]
    around_seam = unit + unit[:40]
    for name, needles in sets(unit).items():
        absent = not any(needle in around_seam for needle in needles)
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            expected = 0 if absent else by_re(needles, data)
            yield run_row(f"{name} in {TEXT} of {size}", needles, data, expected, budget)


def run_row(name: str, needles: list[bytes], data: mmap.mmap, expected: int, budget: float) -> dict[str, Any]:
    """All engines count one set of needles, in turns."""
    counts = counters(needles, data)
    if expected:
        counts.pop("hyperscan", None)

    def check(answer: int, engine: str) -> None:
        if answer != expected:
            raise WrongAnswer(f"{engine}: {name}: {answer} where {expected} is right")

    runners = [
        Runner(engine, count, lambda: None, functools.partial(check, engine=engine)) for engine, count in counts.items()
    ]
    timings = [timing.as_row() for timing in race(runners, budget)]
    counts.clear()
    return {
        "title": f"many needles: count {name}",
        "verb": "many",
        "state": "warm",
        "pieces": "8M",
        "bytes": len(data),
        "limit": read_speed(data, 1),
        "limit_all": read_speed(data, system.cpus()),
        "timings": timings,
    }
