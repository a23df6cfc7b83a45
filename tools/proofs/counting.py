"""The calls whose instructions instructions.py counts: `python counting.py LIBRARY`, under callgrind.

Each case is one call of the kernel, or many calls of a small one, on the same bytes on every machine.
"""

from __future__ import annotations

import ctypes
import gc
import mmap
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import fastmmap
from fastmmap import _backend

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from support.hard import hard

SIZE = 1 << 18
CALLS = 1000
RECORD = b"2026-01-01 00:00:00 INFO request 1234567 of user 4321 took 12 ms and was answered with 200 in all\n"
HARD = 1 << 16
NAMES = ("scalar", "sse2", "avx2", "neon")  # what valgrind knows


class Case(NamedTuple):
    """A call, and how many bytes, or calls, its instructions are divided by."""

    name: str
    call: Callable[[], object]
    units: int


def text() -> mmap.mmap:
    """Lines of a log, in pages of its own, so that where it begins is the same each time."""
    rng = random.Random(1)
    words = [bytes(rng.choices(b"etaoinshrdlucmfwyp", k=rng.randrange(2, 10))) for _ in range(300)]
    lines = (b'{"time": %d, "text": "%s"}\n' % (i, b" ".join(rng.choices(words, k=9))) for i in range(SIZE))
    found = bytearray()
    while len(found) < SIZE:
        found += next(lines)
    memory = mmap.mmap(-1, SIZE)
    memory[:] = bytes(found[:SIZE])
    return memory


def large(kernel: Any, hay: mmap.mmap) -> Iterator[Case]:
    """By byte."""
    one = {"threads": 1}
    absent = fastmmap.Needles([b"never%d" % i for i in range(20)])
    several = fastmmap.Needles([b'"time"', b'"text"', b"absent"])
    calls: dict[str, Callable[[], object]] = {
        "find, absent": lambda: kernel.find(hay, b"never there", **one),
        "find, absent, any case": lambda: kernel.find(hay, b"NEVER there", ignorecase=True, **one),
        "rfind, absent": lambda: kernel.rfind(hay, b"never there", **one),
        "count, rare": lambda: kernel.count(hay, b'"time": 77,', **one),
        "count, in every line": lambda: kernel.count(hay, b'"text"', **one),
        "count, a byte": lambda: kernel.count(hay, b"e", **one),
        "find_all, in every line": lambda: kernel.find_all(hay, b'"text"', **one),
        "line_starts": lambda: kernel.line_starts(hay, **one),
        "find, 20 absent": lambda: kernel.find(hay, absent, **one),
        "count, 3 of which 2 in every line": lambda: kernel.count(hay, several, **one),
        "replace, in every line": lambda: (
            kernel.replace(hay, b'"text"', b'"TEXT"', **one),
            kernel.replace(hay, b'"TEXT"', b'"text"', **one),
        ),
    }
    for name, call in calls.items():
        yield Case(name, call, 2 * SIZE if name.startswith("replace") else SIZE)


def often(call: Callable[[], object]) -> None:
    for _ in range(CALLS):
        call()


def small(kernel: Any, mapped: fastmmap.MappedFile, log: fastmmap.Appender) -> Iterator[Case]:
    """By call."""
    few, buffer = b"abcdefghijklmnopqrstuvwxyz", bytearray(1000)
    calls: dict[str, Callable[[], object]] = {
        "find in 26 bytes": lambda: kernel.find(few, b"xyz"),
        "find in 26 bytes, guarded": lambda: kernel.find(mapped, b"xyz"),
        "a byte, guarded": lambda: mapped[7],
        "append to memory": lambda: kernel.append(buffer, 100, RECORD),
        "append to a log": lambda: log.append(RECORD),
    }
    for name, call in calls.items():
        yield Case(name, partial(often, call), CALLS)


def growing(kernel: Any) -> Iterator[Case]:
    """Needles made to cost much, in a text and in twice that."""
    for length in (3, 17, 100, 1000):
        for (needle, name, one), (_, _, two) in zip(hard(length, HARD), hard(length, 2 * HARD)):
            for verb in ("find", "rfind", "count"):
                span = {"find": (1, None), "rfind": (0, -1), "count": (0, None)}[verb]
                for hay, size in ((one, "once"), (two, "twice")):
                    search = partial(getattr(kernel, verb), hay, needle, *span, threads=1)
                    yield Case(f"hard {verb} {size} {needle[:9].decode()}... ({length}) in {name}", search, len(hay))


def main() -> None:
    counter = ctypes.CDLL(sys.argv[1])
    if not counter.counts():
        sys.exit("this is counted under callgrind")
    gc.disable()  # what it frees would count where it comes
    names = [name for name in fastmmap.kernels() if name in NAMES]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "few"
        path.write_bytes(b"abcdefghijklmnopqrstuvwxyz")
        with fastmmap.open(path) as mapped, fastmmap.Appender(Path(folder) / "log", interval=None) as log:
            for name in names:
                kernel = _backend.load(name)
                cases = [*large(kernel, text()), *small(kernel, mapped, log)]
                if name == names[0]:
                    cases += growing(kernel)
                for case in cases:
                    if not case.name.startswith("hard"):
                        case.call()  # what is made once is made
                    counter.begin()
                    case.call()
                    counter.end(f"{name}|{case.units}|{case.name}".encode())
    print("counted", *names)


if __name__ == "__main__":
    main()
