"""The long run of lines by number: a file of hundreds of millions of lines, whose every line is known.

python tools/lines_long.py                              a sample: a million lines
python tools/lines_long.py FOLDER --lines 200000000     8 GB, some ten minutes
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
import time
from pathlib import Path

import numpy

import fastmmap

# A line has its number and so many bytes besides, in turn.
WIDTHS = 61
DIGITS = 12
BLOCK = WIDTHS * 10_000


def line(number: int) -> bytes:
    return b"%0*d" % (DIGITS, number) + b"x" * (number % WIDTHS)


def start(number: int) -> int:
    """Where a line begins."""
    rounds, rest = divmod(number, WIDTHS)
    return number * (DIGITS + 1) + rounds * (WIDTHS * (WIDTHS - 1) // 2) + rest * (rest - 1) // 2


def write(path: Path, lines: int) -> None:
    with path.open("wb") as file:
        for first in range(0, lines, BLOCK):
            file.write(b"\n".join(map(line, range(first, min(first + BLOCK, lines)))) + b"\n")


def check(path: Path, lines: int, seed: int) -> None:
    rng = random.Random(seed)
    index = path.with_suffix(".index")
    with fastmmap.open(path) as m:
        began = time.perf_counter()
        m.lines.prepare()
        print(f"{len(m.lines):,} lines, {len(m) / 1e6:,.0f} MB: indexed in {time.perf_counter() - began:.2f} s")
        assert (len(m), len(m.lines)) == (start(lines), lines)
        m.lines.save(index)
        print(f"the index has {index.stat().st_size / 1e6:.1f} MB")
        numbers = [rng.randrange(lines) for _ in range(100_000)]
        began = time.perf_counter()
        assert m.lines[numbers] == list(map(line, numbers))
        print(f"100,000 at random: {time.perf_counter() - began:.2f} s")
        assert all(m.lines[number] == line(number) for number in [0, lines - 1, *numbers[:20_000]])
        assert m.lines[-5:] == list(map(line, range(lines - 5, lines)))
        offsets = m.lines.offset(numbers)
        assert offsets.tolist() == list(map(start, numbers))
        assert m.lines.number(offsets + DIGITS).tolist() == numbers
        data, starts = m.lines.gather(numbers[:1000])
        assert [data[a:b].tobytes() for a, b in itertools.pairwise(starts)] == list(map(line, numbers[:1000]))
        for number in numbers[:200]:
            assert m.lines.bisect(lambda text: text[:DIGITS], b"%0*d" % (DIGITS, number)) == start(number)
    with fastmmap.open(path, index=index) as m:
        began = time.perf_counter()
        assert m.lines[lines // 2] == line(lines // 2)
        print(f"the first line by the saved index: {time.perf_counter() - began:.4f} s")
        at = 0
        for number, text in enumerate(m.lines):
            if number % 1_000_003 == 0:
                assert text == line(number)
            at += len(text) + 1
        assert (at, number + 1) == (start(lines), lines)
    with path.open("ab") as file:
        file.write(line(lines))
    with fastmmap.open(path, index=index) as m:
        assert (m.lines[-1], len(m.lines)) == (line(lines), lines + 1)
        assert numpy.array_equal(m.lines.offset([0, lines]), [0, start(lines)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="one that is made for it, if none is given")
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "lines"
        write(path, options.lines)
        check(path, options.lines, options.seed)
    print(f"{options.lines:,} lines as they should be")


if __name__ == "__main__":
    main()
