"""find, rfind, count, find_all and iter_find: with bounds and in any case, by each kernel, in parts, in a mapping."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.oracle import positions

import fastmmap
from fastmmap import parallel
from tools.fuzz import texts


def case(rng: random.Random, folder: Path) -> None:
    letters = rng.choice(texts.LETTERS)
    needle = texts.a_needle(rng, letters) if rng.random() < 0.97 else b""
    text = texts.a_text(rng, letters, [needle])
    if needle and rng.random() < 0.02:
        text = texts.enlarged(rng, text)
    ignorecase = rng.random() < 0.3
    span = texts.a_span(rng, len(text))
    apart = positions(text, needle, *span, ignorecase=ignorecase)
    every = positions(text, needle, *span, overlapping=True, ignorecase=ignorecase)
    place = texts.placed(rng, text)
    for kernel in texts.kernels(rng, len(text)):
        check(kernel, (place, needle, *span), ignorecase, apart, every)
        assert kernel.find_all(place, needle, *span, ignorecase=ignorecase, limit=3).tolist() == apart[:3]
    kind = rng.random()
    if kind < 0.1 and needle and len(text) < 4000:
        with pytest.MonkeyPatch.context() as patch:
            texts.small_blocks(patch, rng)
            in_parts(rng.choice(texts.kernels(rng)), (text, needle), ignorecase, rng.choice((1, 2)))
    elif kind < 0.2 and text:
        with fastmmap.open(None, size=len(text)) as m:
            m[:] = text
            check(m, (needle, *span), ignorecase, apart, every)
            assert (needle in m) == (needle in text)


def check(searches: Any, arguments: tuple[Any, ...], ignorecase: bool, apart: list[int], every: list[int]) -> None:
    """What searches, a kernel or a mapping, against what `bytes` has found."""
    folded = {"ignorecase": ignorecase}
    assert searches.find(*arguments, **folded) == (apart[0] if apart else -1)
    assert searches.rfind(*arguments, **folded) == (every[-1] if every else -1)
    for overlapping, found in ((False, apart), (True, every)):
        how = {"overlapping": overlapping, **folded}
        assert searches.count(*arguments, **how) == len(found)
        assert searches.find_all(*arguments, **how).tolist() == found
        assert list(searches.iter_find(*arguments, **how)) == found


def in_parts(kernel: SimpleNamespace, arguments: tuple[bytes, bytes], ignorecase: bool, threads: int) -> None:
    """The same by several threads, at whose seams matches lie."""
    text, needle = arguments
    own = kernel, parallel.Haystack(text, 0, len(text)), needle.lower() if ignorecase else needle
    folded = {"ignorecase": ignorecase}
    assert parallel.find(*own, ignorecase, threads) == kernel.find(text, needle, **folded)
    assert parallel.rfind(*own, ignorecase, threads) == kernel.rfind(text, needle, **folded)
    for overlapping in (False, True):
        found = kernel.find_all(text, needle, overlapping=overlapping, **folded).tolist()
        assert parallel.count(*own, overlapping, ignorecase, threads) == len(found)
        assert parallel.find_all(*own, overlapping, ignorecase, threads).tolist() == found
