"""Rows of many needles: cut from structured text at random places, and their near-misses, which are nowhere in it.

    python -m bench --only needles

One needle says little: a search is fast or slow by what of its needle is frequent in the text. So each row is the
distribution over all needles of how long a peer takes, as a multiple of what fastmmap takes in the same run: its
geometric mean, its tenth percentile, and the worst with its needle.
"""

from __future__ import annotations

import functools
import math
import mmap
import random
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastmmap import _backend, system

from . import corpora, texts
from .engines import Engine, Job, kernel_engine, output
from .measure import Runner, Timing, WrongAnswer, read_speed, take_turns

EACH = 9  # needles of a text
SHORTEST, LONGEST = 5, 40  # bytes of a needle

# Larger texts say nothing new, and a hundred needles take long in them.
LARGEST = "64M"

# Of the seconds that an engine has for a row, what it has for a needle. A slow one has two runs in a text of 64 MiB.
SHARE = 0.2

ASKED = {"find": "near-misses", "rfind": "near-misses", "count": "what is there"}


@dataclass
class Needle:
    """What is looked for in a text: a piece of it, and the same with one byte changed, which is nowhere in it."""

    text: str
    cut: bytes
    near_miss: bytes

    def sought(self, verb: str) -> bytes:
        return self.cut if verb == "count" else self.near_miss

    @property
    def is_typed(self) -> bool:
        """Whether the cut can be an argument of a program as it stands."""
        try:
            return self.cut.decode().isprintable() and not self.cut.startswith(b"-")
        except UnicodeDecodeError:
            return False


def sample(name: str) -> list[Needle]:
    """The needles of a text, the same in every run."""
    text, encoding = corpora.unit(name)[: texts.SIZE], texts.KINDS[name].encoding
    rng = random.Random(f"fastmmap needles {name}")
    characters, around_seam = text.decode(encoding), text + text[:LONGEST]
    cuts = [cut(characters, encoding, rng) for _ in range(EACH)]
    return [Needle(name, needle, near_miss(needle, around_seam, rng)) for needle in cuts]


def cut(characters: str, encoding: str, rng: random.Random) -> bytes:
    """Whole characters, because nobody looks for half a one."""
    while True:
        start, length = rng.randrange(len(characters)), rng.randint(SHORTEST, LONGEST)
        needle = characters[start : start + length].encode(encoding)[:length]
        needle = needle.decode(encoding, "ignore").encode(encoding)
        if len(needle) >= SHORTEST:
            return needle


def near_miss(needle: bytes, text: bytes, rng: random.Random) -> bytes:
    """The byte that is put in is a frequent one, because it is taken from a random place."""
    while True:
        place, byte = rng.randrange(len(needle)), text[rng.randrange(len(text))]
        changed = needle[:place] + bytes((byte,)) + needle[place + 1 :]
        if changed not in text:
            return changed


# --- the distribution ---


@dataclass
class Measured:
    """A needle in a text, and the median seconds of each engine."""

    text: str
    needle: bytes
    seconds: dict[str, float]


def distribution(measured: list[Measured], peer: str, ours: str) -> dict[str, Any]:
    """How many times a peer takes as long: over all needles, for the tenth that it is best at, and at its best."""
    ratios = sorted((each.seconds[peer] / each.seconds[ours], each.text, each.needle) for each in measured)
    worst, text, needle = ratios[0]
    return {
        "mean": statistics.geometric_mean(ratio for ratio, *_ in ratios),
        "tenth": ratios[math.ceil(len(ratios) / 10) - 1][0],
        "worst": worst,
        "needle": shown(needle),
        "text": text,
    }


def shown(needle: bytes) -> str:
    """A needle as a literal of Python, by its characters where it has any."""
    try:
        return repr(needle.decode())
    except UnicodeDecodeError:
        return repr(needle)


def timings(measured: list[Measured], names: list[str]) -> list[dict[str, Any]]:
    """A line for each engine. The first is ours, which the others are compared with. The seconds are those of a needle:
    their geometric mean, the fewest and the most; the runs are the needles."""
    lines = []
    for name in names:
        seconds = [each.seconds[name] for each in measured]
        timing = Timing(name, statistics.geometric_mean(seconds), min(seconds), max(seconds), len(seconds), 0, 0, 0)
        ratios = distribution(measured, name, names[0]) if name != names[0] else {}
        lines.append({**timing.as_row(), "ratios": ratios})
    return lines


# --- the engines ---

OURS = kernel_engine("fastmmap, 1 thread", _backend.chosen, 1)

# Its memory is its own: what it searches isn't mapped.
BYTES = Engine("bytes", dict.fromkeys(ASKED, lambda job: getattr(job.kept, job.verb)(job.needle)), maps=False)

OUR_COMMAND = Engine(
    "fastmmap count",
    {"count": lambda job: int(output(sys.executable, "-m", "fastmmap", "count", job.needle, job.path))},
    maps=False,
    process=True,
)


def chosen_engines(known: list[Engine], process: bool) -> list[Engine]:
    """Ours, and those of its peers that can be had here."""
    names = ("ripgrep", "grep") if process else ("stringzilla",)
    peers = [engine for engine in known if engine.name in names]
    return [OUR_COMMAND, *peers] if process else [OURS, *peers, BYTES]


# --- the rows ---


def run_all(folder: Path, largest: str, known: list[Engine], budget: float) -> Iterator[dict[str, Any]]:
    """A row for each question, asked in this process; and one for programs, with one needle of a text."""
    size = min(largest, LARGEST, key=lambda name: corpora.SIZES[name])
    needles = [sample(name) for name in texts.KINDS]
    race = functools.partial(run_row, folder=folder, size=size, budget=budget)
    for verb in ASKED:
        yield race(verb, needles, chosen_engines(known, process=False))
    programs = chosen_engines(known, process=True)
    if len(programs) > 1:
        typed = [[needle for needle in of_a_text if needle.is_typed][:1] for of_a_text in needles]
        yield race("count", [of_a_text for of_a_text in typed if of_a_text], programs)


def run_row(
    verb: str, needles: list[list[Needle]], engines: list[Engine], folder: Path, size: str, budget: float
) -> dict[str, Any]:
    """One question about the needles of each text, asked of all engines in turns."""
    measured, limits = [], []
    for of_a_text in needles:
        path = corpora.corpus_file(folder, of_a_text[0].text, size)
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            limits.append((read_speed(mapped, 1), read_speed(mapped, system.cpus())))
            data = mapped[:]
            for needle in (needle.sought(verb) for needle in of_a_text):
                jobs = [(engine, Job(verb, path, needle, kept=mapped if engine.maps else data)) for engine in engines]
                expected = data.count(needle) if verb == "count" else -1
                measured.append(Measured(of_a_text[0].text, needle, medians(jobs, expected, budget * SHARE)))
    asked = f"{verb} {ASKED[verb]}, {len(measured)} needles in {len(needles)} texts of {size}"
    process = engines[0].process
    limit, limit_all = (statistics.median(speeds) for speeds in zip(*limits))
    return {
        "title": f"needles: {asked}, {'by a program' if process else 'one thread'}",
        "verb": f"needles-{verb}",
        "state": "fresh" if process else "warm",
        "pieces": "8M",
        "bytes": corpora.SIZES[size],
        "limit": limit,
        "limit_all": limit_all,
        "timings": timings(measured, [engine.name for engine in engines]),
    }


def medians(jobs: list[tuple[Engine, Job]], expected: int, budget: float) -> dict[str, float]:
    """The seconds of each engine for a needle; one with a wrong answer raises WrongAnswer."""

    def check(answer: Any, name: str, job: Job) -> None:
        if answer != expected:
            where = f"{name}: {job.verb} {shown(job.needle)} in {job.path.name}"
            raise WrongAnswer(f"{where}: {answer!r} where {expected!r} is right")

    runners = [
        Runner(
            engine.name,
            functools.partial(engine.verbs[job.verb], job),
            lambda: None,
            functools.partial(check, name=engine.name, job=job),
        )
        for engine, job in jobs
    ]
    samples: dict[str, list[float]] = {engine.name: [] for engine, _ in jobs}
    take_turns(runners, budget, samples)
    return {name: statistics.median(seconds) for name, seconds in samples.items()}
