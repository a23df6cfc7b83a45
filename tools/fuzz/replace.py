"""replace in memory, replace_file, plan_replace with its preview, and edits in place of a file, against `re`."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from support.killed_edits import small_steps
from support.oracle import positions, replaced

import fastmmap
from tools.fuzz import texts

COUNTS = (-1, -1, -1, 0, 1, 5, 40)


def case(rng: random.Random, folder: Path) -> None:
    letters = rng.choice(texts.LETTERS[:-1])
    if rng.random() < 0.5:
        in_memory(rng, letters)
        return
    pairs = some_pairs(rng, letters)
    text = texts.a_text(rng, letters, list(pairs))[: rng.choice((200, 5000))]
    count, ignorecase = rng.choice(COUNTS), rng.random() < 0.3
    expected = replaced(text, pairs, count, ignorecase)
    path = folder / "file"
    path.write_bytes(text)
    with pytest.MonkeyPatch.context() as patch:
        small_steps(patch, rng)
        texts.small_blocks(patch, rng)
        planned(rng, path, (pairs, count, ignorecase), expected)
    assert path.read_bytes() == expected[0]
    assert [each.name for each in folder.iterdir()] == ["file"]


def in_memory(rng: random.Random, letters: bytes) -> None:
    """One needle by what is as long, within bounds."""
    old = texts.a_needle(rng, letters)
    new, text = bytes(rng.choices(letters, k=len(old))), texts.a_text(rng, letters, [old])
    count, span = rng.choice(COUNTS), texts.a_span(rng, len(text))
    found = positions(text, old, *span)
    found = found if count < 0 else found[:count]
    expected = bytearray(text)
    for at in found:
        expected[at : at + len(old)] = new
    for kernel in texts.kernels(rng):
        place = texts.placed(rng, text)
        buffer = bytearray(place) if isinstance(place, bytes) else place
        buffer[:] = text  # the fence is one for all
        assert kernel.replace(buffer, old, new, count, start=span[0], end=span[1]) == len(found)
        assert buffer == expected
    with fastmmap.open(None, size=len(text)) as m:
        m[:] = text
        with pytest.MonkeyPatch.context() as patch:
            texts.small_blocks(patch, rng)
            assert m.replace(old, new, count, start=span[0], end=span[1], threads=2) == len(found)
        assert m[:] == expected


def some_pairs(rng: random.Random, letters: bytes) -> dict[bytes, bytes]:
    """What is replaced by what is shorter, longer or as long, by itself, and by what holds it."""
    pairs = {}
    keeps_lengths = rng.random() < 0.3
    for _ in range(rng.choice((1, 1, 2, 10, 40))):
        old = texts.a_needle(rng, letters)[:20]
        new = rng.choice((b"", old, old + old, texts.some(rng, letters, 30), b"X" * len(old)))
        pairs[old] = (new * 20 + old)[: len(old)] if keeps_lengths else new
    return pairs


def planned(rng: random.Random, path: Path, asked: tuple[dict[bytes, bytes], int, bool], expected) -> None:
    """A plan, what it shows, and what it or replace_file does."""
    pairs, count, ignorecase = asked
    text, (new, counts) = path.read_bytes(), expected
    plan = fastmmap.plan_replace(path, pairs, count=count, ignorecase=ignorecase)
    assert (plan.count, plan.counts, plan.old_size, plan.new_size) == (sum(counts), counts, len(text), len(new))
    if max(map(len, text.split(b"\n"))) < 1000:
        assert shown(text, plan.preview(10**6)) == new
    options = {"durable": rng.choice((None, False, True)), "threads": rng.choice((1, 2))}
    if rng.random() < 0.5:
        options["in_place"] = True
    before = path.stat()
    if rng.random() < 0.5:
        done = plan.apply(**options)
    else:
        done = fastmmap.replace_file(path, pairs, count=count, ignorecase=ignorecase, **options)
    assert (done.count, done.old_size, done.new_size) == (sum(counts), len(text), len(new))
    if done.strategy == "none":
        assert path.stat() == before
        assert new == text
    else:
        assert done.strategy == ("in_place" if "in_place" in options else "rewrite")
        assert (path.stat().st_ino == before.st_ino) == ("in_place" in options)


def shown(text: bytes, changes: list[fastmmap.Change]) -> bytes:
    """What a preview makes of a text: each change is of whole lines."""
    starts = [0, *itertools.accumulate(len(line) + 1 for line in text.split(b"\n"))]
    pieces, at = [], 0
    for change in changes:
        start = starts[change.number]
        # A match may begin with the newline before, which stays what it is.
        assert at <= start <= change.offset + 1 <= start + len(change.before) + 1
        assert text[start : start + len(change.before)] == change.before
        pieces += [text[at:start], change.after]
        at = start + len(change.before)
    return b"".join([*pieces, text[at:]])
