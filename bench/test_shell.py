"""The rows of the command from a shell."""

from __future__ import annotations

import mmap

import pytest

from . import shell
from .measure import WrongAnswer


def test_rows_and_a_wrong_answer(tmp_path):
    rows = list(shell.run_all(tmp_path, "1M", 0))
    assert len(rows) == 12
    assert all(row["timings"][0]["engine"] == shell.OURS for row in rows)
    path = tmp_path / "text"
    path.write_bytes(b"one one\n")
    question = shell.Question("one", shell.programs(["count", "one", path], ["--count-matches", "one", path], None), 3)
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text,
        pytest.raises(WrongAnswer),
    ):
        shell.run_row(question, text, 0)
