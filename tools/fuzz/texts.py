"""What the targets make cases of: texts that are made of needles and of what nearly is one, and bounds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from support.fence import Fence

from fastmmap import _backend, parallel

LETTERS = (b"ab", b"aab", b"abA", b"aAbB\n", b"a\x00\xff\n", b"the cat\n", bytes(range(256)))
LENGTHS = (1, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 18, 31, 33, 64, 100, 300)

# Steps, blocks and samples of kernels have these sizes: texts come to be a little longer, or shorter.
LARGE = (1 << 14, 1 << 16, 1 << 18, 1 << 20)

_fence = Fence(pages=64)

_KERNELS = [_backend.load(name) for name in _backend.kernels()]


def kernels(rng: random.Random, size: int = 0) -> list[SimpleNamespace]:
    """Those that a case of so many bytes is tried on: two of the quick ones; or the reference, if they are few."""
    quick = [kernel for kernel in _KERNELS if kernel.name != "python"]
    return (
        _KERNELS[-1:]
        if not quick or (size < LARGE[0] and rng.random() < 0.1)
        else rng.sample(quick, min(2, len(quick)))
    )


def some(rng: random.Random, letters: Sequence[int], most: int) -> bytes:
    return bytes(rng.choices(letters, k=rng.randrange(most + 1)))


def a_needle(rng: random.Random, letters: Sequence[int]) -> bytes:
    """Of letters, or of a few of them again and again."""
    length = rng.choice(LENGTHS)
    if rng.random() < 0.5:
        return bytes(rng.choices(letters, k=length))
    unit = bytes(rng.choices(letters, k=rng.choice((1, 2, 3, 5))))
    return (unit * length)[:length]


def mutated(rng: random.Random, needle: bytes) -> bytes:
    """One byte is another."""
    at = rng.randrange(len(needle)) if needle else 0
    return needle[:at] + rng.randbytes(1) + needle[at + 1 :]


def a_text(rng: random.Random, letters: Sequence[int], needles: Sequence[bytes]) -> bytes:
    """Of needles, what nearly is one, what begins as one, one in the other case, and neither."""
    pieces = []
    for _ in range(rng.choice((0, 1, 3, 10, 40))):
        needle = rng.choice(needles) if needles else b""
        kind = rng.randrange(6)
        if kind == 0:
            pieces.append(needle * rng.choice((1, 1, 2, 9)))
        elif kind == 1:
            pieces.append(mutated(rng, needle))
        elif kind == 2:
            pieces.append(needle[: rng.randrange(len(needle) + 1)])
        elif kind == 3:
            pieces.append(needle.swapcase())
        else:
            pieces.append(some(rng, letters, 80))
    return b"".join(pieces)


def enlarged(rng: random.Random, text: bytes) -> bytes:
    """The text again and again, up to one of the sizes that matter to a kernel, or nearly."""
    if not text:
        return text
    size = rng.choice(LARGE) + rng.randint(-40, 40)
    return (text * (size // len(text) + 1))[:size] + text[: rng.randrange(len(text))]


def check_error(error: Exception, *words: str) -> None:
    """An error says what is wrong, and one of the system's with which file."""
    if isinstance(error, OSError):
        assert error.errno, error
        assert error.strerror, error
        assert error.filename is not None or "journal" in str(error), error
    else:
        assert str(error), error
    assert all(word in str(error) for word in words), error


def a_bound(rng: random.Random, size: int) -> int | None:
    return rng.choice((0, None, None, size, rng.randint(-size - 3, size + 3), rng.randrange(size + 1), 2**63, -(2**70)))


def a_span(rng: random.Random, size: int) -> tuple[int, int | None]:
    """Bounds as slices take them; all of a text as often as not."""
    return (0, None) if rng.random() < 0.5 else (a_bound(rng, size) or 0, a_bound(rng, size))


def placed(rng: random.Random, text: bytes) -> bytes | memoryview:
    """The text as bytes, or at a page that nobody may touch."""
    kind = rng.randrange(3)
    if kind == 0 or len(text) > _fence.size:
        return text
    return _fence.at_end(text) if kind == 1 else _fence.at_start(text)


def small_blocks(patch: pytest.MonkeyPatch, rng: random.Random) -> None:
    """Threads get blocks of a few bytes, whose seams are everywhere."""
    patch.setattr(parallel, "BLOCK", rng.choice((3, 17, 100)))
    patch.setattr(parallel, "ROOM", rng.choice((1, 2, 100)))
    patch.setattr(parallel, "WORTHWHILE", 0)
