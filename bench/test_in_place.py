"""The rows of edits in place."""

from __future__ import annotations

import pytest

from . import corpora, in_place, texts
from .measure import WrongAnswer


@pytest.mark.parametrize("text", in_place.JOBS)
def test_rows_and_a_wrong_answer(tmp_path, text, monkeypatch):
    source = tmp_path / text
    source.write_bytes(corpora.unit(text)[: texts.SIZE])
    old, news = in_place.JOBS[text]
    assert corpora.unit(text)[: texts.SIZE].count(old) > texts.SIZE // 1000
    for kind, new in zip(in_place.KINDS, news, strict=True):
        assert (len(new) > len(old)) - (len(new) < len(old)) == in_place.KINDS.index(kind) - 1
        assert len(in_place.run_row(source, kind, old, new, 0)["timings"]) >= 4
    monkeypatch.setattr(in_place, "edit", lambda path, *arguments, **options: path.stat().st_size)
    with pytest.raises(WrongAnswer):
        in_place.run_row(source, "as long", old, news[1], 0)
