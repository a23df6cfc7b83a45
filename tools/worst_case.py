"""How fast search is on needles made to cost much, and whether twice the haystack costs twice the time.

python tools/worst_case.py            lengths 2 to 4096, in 4 and 8 MiB, one thread: some seconds
python tools/worst_case.py --kernel avx2
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import fastmmap
from fastmmap import _backend

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.hard import hard

SIZE = 1 << 22
ROUNDS = 5
MOST = 3  # times the time for twice the haystack: 2 is linear, 4 quadratic
CACHED = 15  # GB/s from which on it matters to the time which cache holds the haystack


def seconds(call: Callable[[], int]) -> float:
    """The best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return best


def again(calls: list[Callable[[], int]]) -> float:
    """How many times the time twice the haystack takes: the least of three rounds, because others use the CPU, too."""
    return min(seconds(calls[1]) / seconds(calls[0]) for _ in range(3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", choices=fastmmap.kernels(), default=fastmmap.kernel)
    kernel = _backend.load(parser.parse_args().kernel)
    rows = []
    for length in (2, 3, 4, 8, 16, 17, 32, 33, 64, 100, 256, 1000, 4096):
        for (needle, name, text), (_, _, twice) in zip(hard(length, SIZE), hard(length, 2 * SIZE)):
            for verb in ("find", "rfind", "count"):
                search = getattr(kernel, verb)
                # From the second byte on, or up to the last but one, where the first match is the end of the search.
                span = {"find": (1, None), "rfind": (0, -1), "count": (0, None)}[verb]
                calls = [partial(search, each, needle, *span, threads=1) for each in (text, twice)]
                one, two = map(seconds, calls)
                found = calls[0]()
                if verb != "count" and found >= 0:
                    continue  # a match nearby is no work
                label = f"{verb} {needle[:12]!r}{'...' if length > 12 else ''} ({length}) in {name}"
                growth = two / one if two / one < MOST else again(calls)
                rows.append((len(text) / one / 1e9, growth, label))
    print(f"kernel {kernel.name}")
    for rate, growth, label in sorted(rows)[:8]:
        print(f"{rate:6.2f} GB/s, twice the haystack {growth:.2f} times the time: {label}")
    print(f"largest growth, of what is slower than {CACHED} GB/s:")
    grown = sorted((row for row in rows if row[0] < CACHED), key=lambda row: -row[1])
    for rate, growth, label in grown[:5]:
        print(f"{rate:6.2f} GB/s, twice the haystack {growth:.2f} times the time: {label}")
    if not grown or grown[0][1] >= MOST:
        sys.exit(f"{len(grown)} cases, one of which takes {grown[0][1]:.2f} times the time" if grown else "no cases")
    print(f"{len(rows)} cases, none of which takes {MOST} times the time for twice the haystack")


if __name__ == "__main__":
    main()
