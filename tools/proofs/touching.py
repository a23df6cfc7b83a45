"""What memcheck.py runs under valgrind: each kernel, on blocks of malloc that end where the text ends.

python touching.py CASES SEED
python touching.py --beyond      reads a byte too many, which whoever looks at memory has to see
"""

from __future__ import annotations

import collections
import ctypes
import itertools
import random
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import fastmmap
from fastmmap import _backend

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from many_long import case as many_case
from search_long import mutated
from support.oracle import matches, positions, replaced

DONE: collections.Counter[str] = collections.Counter()


def block(text: bytes) -> Any:
    """Memory of its own, of exactly this size."""
    return (ctypes.c_char * len(text)).from_buffer_copy(text) if text else b""


def expect(name: str, found: object, expected: object) -> None:
    DONE[name] += 1
    if found != expected:
        sys.exit(f"{name}: {found!r}, not {expected!r}")


def search(kernel: Any, rng: random.Random) -> None:
    letters = rng.choice((b"ab", b"abA\n", bytes(range(256))))
    needle = bytes(rng.choices(letters, k=rng.choice((1, 2, 3, 5, 8, 16, 17, 40))))
    pieces = [
        rng.choice((needle, mutated(rng, needle), bytes(rng.choices(letters, k=rng.randrange(90))))) for _ in range(9)
    ]
    text, sought = b"".join(pieces), block(needle)
    hay, apart = block(text), positions(text, needle)
    every = positions(text, needle, overlapping=True)
    expect("find", kernel.find(hay, sought), text.find(needle))
    expect("rfind", kernel.rfind(hay, sought), text.rfind(needle))
    expect("count", kernel.count(hay, sought), len(apart))
    expect("count overlapping", kernel.count(hay, sought, overlapping=True), len(every))
    expect("find_all", kernel.find_all(hay, sought).tolist(), apart)
    expect("iter_find", list(kernel.iter_find(hay, sought)), apart)
    folded = positions(text, needle, ignorecase=True)
    expect("find_all in any case", kernel.find_all(hay, sought, ignorecase=True).tolist(), folded)
    kernel.replace(hay, sought, block(needle[::-1]))
    expect("replace", bytes(hay), text.replace(needle, needle[::-1]))


def lines(kernel: Any, rng: random.Random) -> None:
    text = bytes(rng.choices(b"ab\n", k=rng.randrange(1, 400)))
    hay, starts = block(text), [0, *(match.end() for match in re.finditer(b"\n", text))]
    starts = [start for start in starts if start < len(text)]
    expect("line_starts", kernel.line_starts(hay).tolist(), starts)
    length = min(rng.randrange(20), len(text))
    chosen = [rng.randrange(len(text) - length + 1) for _ in range(30)]
    expect("gather", kernel.gather(hay, chosen, length).tobytes(), b"".join(text[at : at + length] for at in chosen))


def many(kernel: Any, rng: random.Random) -> None:
    text, needles = many_case(rng)
    hay, sought = block(text), [block(needle) for needle in needles]
    expected = matches(text, needles, 0, None)
    offsets, which = kernel.find_each(hay, sought)
    expect("find_each", list(zip(offsets.tolist(), which.tolist(), strict=True)), expected)
    expect("count many", kernel.count(hay, sought), len(expected))
    if text:
        pairs = {old: old[::-1] for old in needles}
        kernel.replace(hay, pairs)
        expect("replace many", bytes(hay), replaced(text, pairs, -1)[0])


def files(folder: Path, rng: random.Random) -> None:
    """Appends, edits, and lines by number."""
    records = [bytes(rng.choices(b"abc ", k=rng.randrange(200))) + b"\n" for _ in range(50)]
    path = folder / "log"
    with fastmmap.Appender(path, stage_size=4096, interval=None) as log:
        for record in records:
            log.append(block(record))
        log.append_many(records)
    text = b"".join(records * 2)
    expect("append", path.read_bytes(), text)
    for in_place in (False, True):
        fastmmap.replace_file(path, b"ab", b"xyz", in_place=in_place, durable=False)
        expect("replace_file", path.read_bytes(), text.replace(b"ab", b"xyz"))
        fastmmap.replace_file(path, b"xyz", b"ab", in_place=in_place, durable=False)
    with fastmmap.open(path) as mapped:
        numbers = [rng.randrange(100) for _ in range(30)]
        expect("lines", mapped.lines[numbers], [(records * 2)[number][:-1] for number in numbers])
        expect("slice", mapped[5:50], text[5:50])
    path.unlink()


def cut(folder: Path) -> None:
    """A file that is cut while it is mapped: the guard jumps out of each kernel."""
    path = folder / "cut"
    path.write_bytes(b"the cat\n" * 4096)
    with fastmmap.open(path, "r+") as mapped:
        path.write_bytes(b"")
        for name in fastmmap.kernels():
            for call in ("find", "rfind", "count", "find_all"):
                try:
                    getattr(_backend.load(name), call)(mapped, b"dog")
                except fastmmap.MappedFileError as error:
                    expect("faults", error.offset >= 0, True)
                else:
                    sys.exit(f"{name}: {call}: a file that is gone was read")


def beyond() -> None:
    """A kernel is told that a block is longer than it is."""
    behind = block(b"x" * 100)
    fastmmap.find((ctypes.c_char * 101).from_address(ctypes.addressof(behind)), b"absent")


def main() -> None:
    if sys.argv[1:] == ["--beyond"]:
        beyond()
        return
    cases, seed = map(int, sys.argv[1:])
    kernels = [_backend.load(name) for name in fastmmap.kernels() if name != "python"]
    with tempfile.TemporaryDirectory() as folder:
        for number, kernel in itertools.product(range(cases), kernels):
            for kind in (search, lines, many):
                kind(kernel, random.Random(f"{seed} {number} {kind.__name__}"))
        for number in range(max(cases // 20, 2)):
            files(Path(folder), random.Random(f"{seed} {number}"))
        cut(Path(folder))
    print(f"kernels: {', '.join(kernel.name for kernel in kernels)}; {dict(DONE)}")
    print(f"{sum(DONE.values())} answers of {len(DONE)} kinds")


if __name__ == "__main__":
    main()
