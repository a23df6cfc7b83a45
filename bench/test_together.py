"""The rows of many needles at once."""

from __future__ import annotations

import mmap

import pytest

from . import corpora, texts, together
from .measure import WrongAnswer


def test_the_sets_are_what_they_are_called():
    unit = corpora.unit(together.TEXT)[: texts.SIZE]
    sets = together.sets(unit)
    assert sets == together.sets(unit)
    for name, needles in sets.items():
        assert len(needles) == len(set(needles)) > 4
        assert all((needle in unit) == ("are there" in name) for needle in needles), name


def test_a_row_and_a_wrong_answer():
    with mmap.mmap(-1, 1 << 16) as data:
        data[:9] = b"a cat,dog"
        row = together.run_row("two", [b"cat", b"dog"], data, 2, 0)
        assert {"fastmmap", "fastmmap, 1 thread", "re"} <= {timing["engine"] for timing in row["timings"]}
        with pytest.raises(WrongAnswer, match="2 where 3 is right"):
            together.run_row("two", [b"cat", b"dog"], data, 3, 0)
