"""Many needles, one by one and ready made, and pairs in memory, by each kernel and in parts."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

import pytest
from support.oracle import matches, occurrences, replaced

import fastmmap
from tools.fuzz import texts


def case(rng: random.Random, folder: Path) -> None:
    letters = rng.choice(texts.LETTERS)
    needles = [texts.a_needle(rng, letters) for _ in range(rng.choice((0, 1, 2, 3, 5, 9, 20, 70, 300)))]
    text = texts.a_text(rng, letters, needles)
    if rng.random() < 0.5 and text:  # and some that surely are there
        needles = [*needles, *(text[at : at + rng.choice(texts.LENGTHS)] for at in rng.sample(range(len(text)), 1))]
        rng.shuffle(needles)
    if rng.random() < 0.01:
        text = texts.enlarged(rng, text)[: 1 << 17]
    ignorecase, span = rng.random() < 0.3, texts.a_span(rng, len(text))
    every = occurrences(text, needles, *span, ignorecase=ignorecase)
    apart = matches(text, needles, *span, ignorecase=ignorecase)
    ready = fastmmap.Needles(needles, ignorecase=ignorecase)
    if rng.random() < 0.1:
        ready = pickle.loads(pickle.dumps(ready))
    place = texts.placed(rng, text)
    for kernel in texts.kernels(rng, len(text)):
        options = {} if (is_ready := rng.random() < 0.5) else {"ignorecase": ignorecase}
        check(kernel, (place, ready if is_ready else needles, *span), options, apart, every)
    if rng.random() < 0.1 and len(text) < 2000:
        with pytest.MonkeyPatch.context() as patch:
            texts.small_blocks(patch, rng)
            check(rng.choice(texts.kernels(rng)), (text, ready), {"threads": 2}, *_whole(text, needles, ignorecase))
    if len(needles) <= 20 or rng.random() < 0.05:  # many alternatives take `re` milliseconds to compile
        pairs(rng, text, needles)


def _whole(text, needles, ignorecase):
    how = {"ignorecase": ignorecase}
    return matches(text, needles, **how), occurrences(text, needles, **how)


def check(kernel, arguments, options, apart, every) -> None:
    """Every verb, against what `bytes` has found."""
    number = len(arguments[1])
    for overlapping, found in ((False, apart), (True, every)):
        how = {"overlapping": overlapping, **options}
        offsets, which = kernel.find_each(*arguments, **how)
        assert list(zip(offsets.tolist(), which.tolist(), strict=True)) == found
        assert kernel.count(*arguments, **how) == len(found)
        counts = [0] * number
        for _, each in found:
            counts[each] += 1
        assert kernel.count_each(*arguments, **how).tolist() == counts
        offsets = [at for at, _ in found]
        assert kernel.find_all(*arguments, **how).tolist() == offsets
        assert kernel.find_all(*arguments, limit=2, **how).tolist() == offsets[:2]
        how.pop("threads", None)
        assert list(kernel.iter_find(*arguments, **how)) == offsets
    ends = (every[0][0], every[-1][0]) if every else (-1, -1)
    assert kernel.find(*arguments, **options) == ends[0]
    assert kernel.rfind(*arguments, **options) == ends[1]


def pairs(rng: random.Random, text: bytes, needles: list[bytes]) -> None:
    """Replaced in memory by what is as long."""
    olds = {old: bytes(rng.choices(b"xyab", k=len(old))) for old in needles}
    count = rng.choice((-1, -1, 0, 1, 5))
    new, counts = replaced(text, olds, count)
    for kernel in texts.kernels(rng):
        buffer = bytearray(text)
        assert kernel.replace(buffer, olds, count=count) == sum(counts)
        assert buffer == new
