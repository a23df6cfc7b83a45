"""The long run of the tests of many needles and pairs. Without --long, a sample in a few seconds.

python tools/many_long.py --long      a million random cases, on every kernel: some hours
python tools/many_long.py --long 2    with another seed
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from fastmmap import _backend

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.oracle import matches, occurrences, replaced

LETTERS = (b"ab", b"abc", b"aAbB", b"a\n\0\xff", bytes(range(256)))
LENGTHS = (1, 1, 2, 2, 3, 4, 5, 7, 9, 20, 60)


def case(rng: random.Random) -> tuple[bytes, list[bytes]]:
    """A text of few letters, and needles, half of them cut from it."""
    letters = rng.choice(LETTERS)
    text = bytes(rng.choices(letters, k=rng.choice((0, 1, 5, 30, 100, 100, 700))))
    needles = []
    for _ in range(rng.choice((0, 1, 2, 3, 5, 9, 20, 70))):
        length, at = rng.choice(LENGTHS), rng.randrange(len(text) + 1)
        needles.append(text[at : at + length] if rng.random() < 0.5 and at < len(text) else None)
        needles[-1] = needles[-1] or bytes(rng.choices(letters, k=length))
    return text, needles


def check(kernel: SimpleNamespace, rng: random.Random) -> int:
    """All functions on one text; answers how many matches there are."""
    text, needles = case(rng)
    ignorecase, overlapping = rng.random() < 0.3, rng.random() < 0.5
    span = rng.choice(((0, None), (0, None), (1, -3), (-5, None), (len(text) // 3, len(text) // 2 + 1)))
    options = {"ignorecase": ignorecase, "overlapping": overlapping}
    every = occurrences(text, needles, *span, ignorecase=ignorecase)
    expected = every if overlapping else matches(text, needles, *span, ignorecase=ignorecase)
    offsets, which = kernel.find_each(text, needles, *span, **options)
    assert list(zip(offsets.tolist(), which.tolist(), strict=True)) == expected, (text, needles, span, options)
    assert kernel.count(text, needles, *span, **options) == len(expected), (text, needles, span, options)
    assert list(kernel.iter_find(text, needles, *span, **options)) == [at for at, _ in expected]
    ends = (every[0][0], every[-1][0]) if every else (-1, -1)
    assert kernel.find(text, needles, *span, ignorecase=ignorecase) == ends[0], (text, needles, span)
    assert kernel.rfind(text, needles, *span, ignorecase=ignorecase) == ends[1], (text, needles, span)
    pairs, count = {old: old[::-1].swapcase() for old in needles}, rng.choice((-1, -1, 0, 1, 5))
    buffer = bytearray(text)
    new, counts = replaced(text, pairs, count)
    assert kernel.replace(buffer, pairs, count=count) == sum(counts), (text, pairs, count)
    assert buffer == new, (text, pairs, count)
    return len(expected)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--long", action="store_true")
    options.add_argument("seed", nargs="?", type=int, default=1)
    arguments = options.parse_args()
    cases, found, started = 1_000_000 if arguments.long else 1000, 0, time.monotonic()
    for number in range(cases):
        for name in _backend.kernels():
            if name != "python" or number % 10 == 0:
                found += check(_backend.load(name), random.Random(f"{arguments.seed} {number}"))
    print(
        f"{cases} cases with {found} matches in {time.monotonic() - started:.0f} s, on {', '.join(_backend.kernels())}"
    )


if __name__ == "__main__":
    main()
