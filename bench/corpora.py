"""The corpora: made from a seed, never downloaded, and checked against a checksum before anything is measured on them.

Each is 8 MiB made once and repeated; those of `texts.py` are half a MiB, repeated within it. How a file was written
decides what touching its pages costs (large pieces get large folios), so files come in two kinds: written in pieces of
8 MiB, and of 4 KiB.
"""

from __future__ import annotations

import functools
import json
import os
import random
import zlib
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

from . import texts

UNIT = 8 << 20
PIECES = {"8M": 8 << 20, "4K": 4 << 10}
SIZES = {"1M": 1 << 20, "64M": 64 << 20, "1G": 1 << 30}

# No corpus has this byte: searching for it is a plain read of all the rest.
ABSENT_BYTE = 0xFF

# The most frequent words of English, by how often they come in ten thousand; the rest of a text are rarer ones.
FREQUENT = {
    "the": 610,
    "of": 290,
    "and": 270,
    "to": 260,
    "a": 210,
    "in": 180,
    "is": 100,
    "that": 100,
    "it": 90,
    "he": 90,
    "was": 90,
    "for": 90,
    "on": 70,
    "are": 60,
    "with": 70,
    "as": 70,
    "his": 60,
    "they": 50,
    "at": 50,
    "be": 60,
    "this": 50,
    "from": 50,
    "have": 50,
    "or": 40,
    "by": 50,
    "one": 40,
    "had": 50,
    "not": 50,
    "but": 40,
    "what": 30,
}
RARER = 4000


def english(rng: random.Random, the: int = FREQUENT["the"]) -> bytes:
    """Sentences with natural word frequencies; `the` is how often that word comes in ten thousand."""
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    weights = [26 - i for i in range(26)]
    rarer = ["".join(rng.choices(letters, weights, k=rng.randint(3, 10))) for _ in range(RARER)]
    counts = {**FREQUENT, "the": the}
    left = 10_000 - sum(counts.values())
    harmonic = sum(1 / (rank + 10) for rank in range(RARER))
    words = list(counts) + rarer
    chances = list(accumulate([*counts.values(), *(left / harmonic / (rank + 10) for rank in range(RARER))]))
    text, size = [], 0
    while size < UNIT:
        sentence = " ".join(rng.choices(words, cum_weights=chances, k=rng.randint(6, 20))).capitalize() + ".\n"
        text.append(sentence)
        size += len(sentence)
    return "".join(text).encode()


def logs(rng: random.Random) -> bytes:
    """JSON lines as a web service logs them; one in ten thousand is an error."""
    lines, size, number = [], 0, 0
    while size < UNIT:
        number += 1
        line = json.dumps(
            {
                "time": f"2026-01-{number % 28 + 1:02}T{number % 24:02}:{number % 60:02}:{number % 59:02}Z",
                "level": "ERROR"
                if number % 10_000 == 9_999
                else rng.choice(("INFO", "INFO", "INFO", "DEBUG", "WARNING")),
                "path": f"/api/{rng.choice(('users', 'orders', 'items'))}/{rng.randrange(100_000)}",
                "status": rng.choice((200, 200, 200, 201, 304, 404)),
                "ms": rng.randrange(2000),
            }
        )
        lines.append(line + "\n")
        size += len(line) + 1
    return "".join(lines).encode()


def binary(rng: random.Random) -> bytes:
    """Random bytes of all values but one."""
    return rng.randbytes(UNIT).replace(bytes((ABSENT_BYTE,)), b"\0")


def dna(rng: random.Random) -> bytes:
    """The four letters of a genome, in lines of sixty."""
    bases = rng.randbytes(UNIT).translate(b"ACGT" * 64)
    return b"\n".join(bases[i : i + 60] for i in range(0, UNIT, 60))


def structured(kind: texts.Kind, rng: random.Random) -> bytes:
    """A kind of structured text. The unit ends where a text does, so every seam is that of two texts."""
    return texts.text(kind, rng) * (UNIT // texts.SIZE)


CORPORA: dict[str, Callable[[random.Random], bytes]] = {
    "english": english,
    "the": lambda rng: english(rng, the=3300),
    "logs": logs,
    "dna": dna,
    "binary": binary,
    "repeated": lambda rng: b"a" * UNIT,
    "runs": lambda rng: (b"a" * 127 + b"b") * (UNIT // 128),
    "giant-line": lambda rng: english(rng).replace(b"\n", b" "),
    **{name: functools.partial(structured, kind) for name, kind in texts.KINDS.items()},
}

# zlib.crc32 of each unit: the expected answers hold for these bytes and no others.
CHECKSUMS = {
    "english": 2493247993,
    "the": 3873504218,
    "logs": 1377961499,
    "dna": 1400030180,
    "binary": 1213738594,
    "repeated": 3458071902,
    "runs": 562503644,
    "giant-line": 932095688,
    "json-lines": 632650955,
    "key-value": 3978280526,
    "syslog": 4279059806,
    "access-log": 4195340185,
    "csv": 1770040584,
    "sql": 1062051001,
    "fastq": 2701296561,
    "source": 2426261660,
    "cyrillic": 2637233338,
    "chinese": 4098401867,
    "hexdump": 323698175,
    "utf-16": 1772626551,
}


def unit(name: str) -> bytes:
    """The 8 MiB that a corpus is made of."""
    return CORPORA[name](random.Random(f"fastmmap {name}"))[:UNIT]


def corpus_file(folder: Path, name: str, size: str, pieces: str = "8M") -> Path:
    """The path of a corpus, which is written if it isn't there."""
    path = folder / f"{name}-{size}-{pieces}"
    if not path.exists() or path.stat().st_size != SIZES[size]:
        folder.mkdir(parents=True, exist_ok=True)
        data = unit(name)
        if zlib.crc32(data) != CHECKSUMS[name]:
            raise SystemExit(
                f"corpus {name} is not the one that the expected answers are for: crc32 {zlib.crc32(data)}"
            )
        partial = path.with_suffix(".partial")
        step = PIECES[pieces]
        with open(partial, "wb", buffering=0) as out:
            for start in range(0, SIZES[size], UNIT):
                block = data[: SIZES[size] - start]
                for piece in range(0, len(block), step):
                    out.write(block[piece : piece + step])
            os.fsync(out.fileno())
        partial.rename(path)
    return path


def evict(path: Path) -> None:
    """Drops a file's clean pages from the page cache, as far as the system follows the advice."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)
