"""How fast search is on needles made to cost much: none takes many times as long as a plain scan, however long it is.

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
MOST = 16  # times as long by byte as the scalar kernel takes to find nothing; a simple search takes up to 4096
CACHED = 15  # GB/s from which on it matters to the time which cache holds the haystack


def seconds(call: Callable[[], int]) -> float:
    """The best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return best


def plain() -> float:
    """How long the scalar kernel takes by byte for a needle that is easy."""
    text = b"abcdefgh" * (SIZE // 8)
    return seconds(partial(_backend.load("scalar").find, text, b"xyz", threads=1)) / SIZE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", choices=fastmmap.kernels(), default=fastmmap.kernel)
    kernel = _backend.load(parser.parse_args().kernel)
    rows, plain_time = [], plain()
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
                dearest = max(one / len(text), two / len(twice))
                times = dearest / plain_time
                if times > MOST:  # others use the CPU, too
                    plain_time = min(plain_time, plain())
                    times = min(seconds(calls[1]) for _ in range(3)) / len(twice) / plain_time
                rows.append((1 / dearest / 1e9, times, two / one, label))
    print(f"kernel {kernel.name}")
    for rate, times, growth, label in sorted(rows)[:8]:
        print(f"{rate:6.2f} GB/s, {times:.1f} times plain, twice the haystack {growth:.2f} times the time: {label}")
    print(f"largest growth, of what is slower than {CACHED} GB/s: where what is sampled of the haystack is another")
    for rate, _, growth, label in sorted((row for row in rows if row[0] < CACHED), key=lambda row: -row[2])[:5]:
        print(f"{rate:6.2f} GB/s, twice the haystack {growth:.2f} times the time: {label}")
    most = max((times for _, times, _, _ in rows), default=sys.maxsize)
    if most > MOST:
        sys.exit(f"{len(rows)} cases, one of which takes {most:.1f} times as long by byte as a plain scan does")
    print(f"{len(rows)} cases, none of which takes more than {MOST} times as long by byte as a plain scan")


if __name__ == "__main__":
    main()
