"""Small calls, on 100 bytes and on small files, where the work is the call itself: python -m bench.small

The rows "mapped" have the same call on a bytearray as theirs: what they take longer is what the guard costs, and more.

Times are the best of several rounds in turn, in nanoseconds for a call.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import fastmmap

ROUNDS = 15
SECONDS = 0.01  # of a round


Call = Callable[[], Any] | str | timeit.Timer


def fastest(calls: dict[str, Call]) -> dict[str, float]:
    """Nanoseconds for each call. They take turns, so that what else the machine does hits all of them."""
    timers = {
        name: call if isinstance(call, timeit.Timer) else timeit.Timer(call, globals=NAMES)
        for name, call in calls.items()
    }
    numbers = {name: max(1, int(SECONDS / (timer.timeit(100) / 100))) for name, timer in timers.items()}
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, timer in timers.items():
            best[name] = min(best[name], timer.timeit(numbers[name]) / numbers[name] * 1e9)
    return best


# As statements, so that no call but theirs is timed.
NAMES = {
    "text": b"x" * 50 + b"needle" + b"y" * 44,
    "find": fastmmap.find,
    "rfind": fastmmap.rfind,
    "count": fastmmap.count,
}
IN_MEMORY = {
    "find, a match in the middle": {"ours": "find(text, b'needle')", "theirs": "text.find(b'needle')"},
    "find, no match": {"ours": "find(text, b'absent')", "theirs": "text.find(b'absent')"},
    "find, one byte": {"ours": "find(text, b'y')", "theirs": "text.find(b'y')"},
    "find, between 3 and 90": {"ours": "find(text, b'needle', 3, 90)", "theirs": "text.find(b'needle', 3, 90)"},
    "rfind": {"ours": "rfind(text, b'needle')", "theirs": "text.rfind(b'needle')"},
    "count, one byte": {"ours": "count(text, b'y')", "theirs": "text.count(b'y')"},
}


def mapped_and_not(folder: Path) -> dict[str, dict[str, Call]]:
    """find in memory that may fault, beside find in memory that can't; and what it takes to map a file."""
    rows: dict[str, dict[str, Call]] = {}
    for size in (100, 1 << 14, 1 << 16, 1 << 20):
        path = folder / f"mapped-{size}"
        path.write_bytes(b"x" * size)
        names = NAMES | {"mapped": fastmmap.open(path), "private": bytearray(b"x" * size)}
        calls = {"ours": "find(mapped, b'absent')", "theirs": "find(private, b'absent')"}
        rows[f"find in {size} bytes, mapped"] = {
            engine: timeit.Timer(call, globals=names) for engine, call in calls.items()
        }

    def ours() -> None:
        fastmmap.open(path).close()

    def theirs() -> None:
        with open(path, "rb") as file:
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ).close()

    rows["open and close a file of 1 MiB"] = {"ours": ours, "theirs": theirs}
    return rows


def in_files(folder: Path) -> dict[str, dict[str, Call]]:
    """count in a file of each size by its path, beside open, read and count; and by a mapping, whatever the size."""

    def mapped(path: Path) -> int:
        with fastmmap.open(path) as m:
            return m.count(b"ab")

    def read(path: Path) -> int:
        with open(path, "rb") as file:
            return file.read().count(b"ab")

    rows: dict[str, dict[str, Call]] = {}
    for size in (1 << 12, 1 << 14, 1 << 15, 1 << 16, 1 << 17, 1 << 18):
        path = folder / str(size)
        path.write_bytes(os.urandom(size))
        rows[f"count in a file of {size >> 10} KiB"] = {
            "ours": lambda path=path: fastmmap.count(path, b"ab"),
            "theirs": lambda path=path: read(path),
            "mapped": lambda path=path: mapped(path),
        }
    return rows


def main() -> None:
    table = Table("call", "fastmmap", "bytes", "ratio", "on a mapping")
    with tempfile.TemporaryDirectory() as folder:
        for name, calls in {**IN_MEMORY, **mapped_and_not(Path(folder)), **in_files(Path(folder))}.items():
            best = fastest(calls)
            mapped = f"{best['mapped']:.0f} ns" if "mapped" in best else ""
            ratio = best["ours"] / best["theirs"]
            table.add_row(name, f"{best['ours']:.0f} ns", f"{best['theirs']:.0f} ns", f"{ratio:.2f}", mapped)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
