"""The rows of lines, records and patterns."""

from __future__ import annotations

import mmap
import re

import pytest

from . import corpora, lines, texts
from .measure import WrongAnswer


def test_the_patterns_are_of_every_kind():
    for kind, patterns in lines.PATTERNS.items():
        text = corpora.unit(kind)[: texts.SIZE].splitlines()
        shares = [sum(map(bool, map(re.compile(pattern).search, text))) / len(text) for pattern in patterns]
        assert max(shares) > 0.2, kind
        assert min(shares) < 0.001, kind


def test_rows_and_a_wrong_answer(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(corpora.unit(lines.TEXT)[:200_000])
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        for name, works in lines.lines_of(path, text):
            row = lines.run_row(name, works, text, 0)
            assert len(row["timings"]) == len(works) > 1
        works = lines.greps_of(path, lines.PATTERNS[lines.TEXT][0])
        assert lines.run_row("grep", works, text, 0)["timings"]
        with pytest.raises(WrongAnswer, match="5 where"):
            lines.run_row("grep", {"fastmmap": lambda: 5, **dict(list(works.items())[1:])}, text, 0)
