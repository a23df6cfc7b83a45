"""The long runs of the search tests. Without --long, a sample of each in a few seconds.

python tools/search_long.py --long      every text of {a, b} up to 14 letters with every needle up to 6, on every
                                        kernel, then a million random cases: half an hour and more
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from fastmmap import _backend

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.oracle import positions


def check(kernel: SimpleNamespace, text: bytes, needle: bytes, ignorecase: bool = False) -> None:
    """All search functions on one pair."""
    case = {"ignorecase": ignorecase}
    apart = positions(text, needle, ignorecase=ignorecase)
    every = positions(text, needle, overlapping=True, ignorecase=ignorecase)
    found = (
        kernel.find(text, needle, **case),
        kernel.rfind(text, needle, **case),
        kernel.count(text, needle, **case),
        kernel.count(text, needle, overlapping=True, **case),
        kernel.find_all(text, needle, **case).tolist(),
        kernel.find_all(text, needle, overlapping=True, **case).tolist(),
        list(kernel.iter_find(text, needle, **case)),
    )
    expected = (apart[0] if apart else -1, every[-1] if every else -1, len(apart), len(every), apart, every, apart)
    if found != expected:
        sys.exit(f"{kernel.name}: {needle!r} in {text!r} ({ignorecase=}): {found}, not {expected}")


def exhaustive(kernels: list[SimpleNamespace], longest: int, longest_needle: int) -> int:
    """All texts and needles of two letters."""
    words = [[bytes(w) for w in itertools.product(b"ab", repeat=length)] for length in range(longest + 1)]
    needles = list(itertools.chain.from_iterable(words[1 : longest_needle + 1]))
    number = 0
    for text in itertools.chain.from_iterable(words):
        for needle in needles:
            for kernel in kernels:
                check(kernel, text, needle)
                number += 1
    return number


def mutated(rng: random.Random, needle: bytes) -> bytes:
    at = rng.randrange(len(needle))
    return needle[:at] + bytes([rng.choice(b"abA\x00\xff")]) + needle[at + 1 :]


def differential(kernels: list[SimpleNamespace], cases: int, seed: int) -> int:
    """Random texts of few letters, made of the needle, of what nearly is the needle, and of neither."""
    rng = random.Random(seed)
    for number in range(cases):
        letters = rng.choice((b"ab", b"aab", b"abA", b"a\x00\xff\n", bytes(range(256))))
        unit = bytes(rng.choices(letters, k=rng.choice((1, 2, 3, 5, 9))))
        length = rng.choice((1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 18, 31, 33, 64, 100))
        needle = rng.choice((bytes(rng.choices(letters, k=length)), (unit * length)[:length]))
        pieces = []
        for _ in range(rng.choice((1, 3, 10, 200 if number % 20 == 0 else 5))):
            kind = rng.random()
            if kind < 0.3:
                pieces.append(needle)
            elif kind < 0.6:
                pieces.append(mutated(rng, needle))
            elif kind < 0.8:
                pieces.append(bytes(rng.choices(letters, k=rng.randrange(80))))
            else:
                pieces.append(needle[: rng.randrange(length + 1)])
        check(rng.choice(kernels), b"".join(pieces), needle, rng.random() < 0.3)
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    kernels = [_backend.load(name) for name in _backend.kernels() if name != "python"]
    print(f"kernels: {', '.join(kernel.name for kernel in kernels)}; seed {options.seed}", flush=True)
    print(differential(kernels, 1_000_000 if options.long else 10_000, options.seed), "random cases", flush=True)
    print(exhaustive(kernels, 14 if options.long else 9, 6 if options.long else 4), "exhaustive cases", flush=True)


if __name__ == "__main__":
    main()
