"""A text that is like English, the same one every time."""

from __future__ import annotations

import random
from pathlib import Path

# Frequent words of English, and how often they come in a thousand words.
WORDS = {
    "the": 61,
    "of": 29,
    "and": 27,
    "to": 26,
    "a": 21,
    "in": 18,
    "is": 10,
    "that": 10,
    "it": 9,
    "he": 9,
    "was": 9,
    "for": 9,
    "on": 7,
    "are": 6,
    "with": 7,
    "as": 7,
    "his": 6,
    "they": 5,
    "at": 5,
    "be": 6,
    "this": 5,
    "from": 5,
}
RARE = 300  # words beside them, made of letters
UNIT = 1 << 20  # so many bytes are made, and repeated


def make_text(path: Path, size: int) -> None:
    """Writes `size` bytes of words in English frequencies."""
    rng = random.Random(1)
    words = list(WORDS) + ["".join(rng.choices("etaoinshrdlu", k=rng.randint(3, 9))) for _ in range(RARE)]
    weights = list(WORDS.values()) + [(1000 - sum(WORDS.values())) / RARE] * RARE
    unit = bytearray()
    while len(unit) < min(size, UNIT):
        unit += " ".join(rng.choices(words, weights, k=12)).encode() + b".\n"
    with path.open("wb") as out:
        for done in range(0, size, len(unit)):
            out.write(unit[: size - done])
