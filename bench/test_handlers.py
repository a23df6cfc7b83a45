"""The rows of handlers of logging."""

from __future__ import annotations

import pytest

from . import handlers
from .measure import WrongAnswer

NUMBER, MAX_BYTES = 300, 10_000


@pytest.mark.parametrize("name", handlers.HANDLERS)
def test_what_each_writes(name, tmp_path):
    peer = handlers.peers(MAX_BYTES, handlers.BACKUPS).get(name)
    if peer is None:
        pytest.skip("it isn't installed")
    peer.log(tmp_path / "app.log", handlers.messages(0, NUMBER))
    lines = handlers.found_lines(tmp_path / "app.log")
    assert {len(line) for line in lines} == {handlers.RECORD}
    assert [line.decode()[:-1] for line in lines] == handlers.messages(0, NUMBER)
    assert (len(handlers.files(tmp_path / "app.log")) > 1) == handlers.HANDLERS[name][2]


def test_rows_and_a_wrong_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(handlers.behaviour, "KILLS", 1)
    alone = handlers.run_alone(tmp_path, NUMBER, 0, MAX_BYTES)
    lost = {timing["engine"]: timing["kill"] for timing in alone["timings"]}
    assert len(lost) >= 6
    assert lost["fastmmap.LogHandler"] == lost[handlers.OURS] == 0
    together = handlers.run_together(tmp_path, NUMBER, 0, MAX_BYTES)
    for row in (alone, together):
        assert handlers.table(row).row_count == len(row["timings"])
    monkeypatch.setattr(handlers.Peer, "log", lambda peer, path, messages: path.write_text(messages[0] + "\n"))
    for run in (handlers.run_alone, handlers.run_together):
        with pytest.raises(WrongAnswer, match="are missing"):
            run(tmp_path, NUMBER, 0, MAX_BYTES)


def test_what_is_wrong(tmp_path):
    path = tmp_path / "app.log"
    expected = handlers.lines_of(handlers.messages(0, 3))
    for lines in (expected[:2], [*expected, expected[0]], expected[::-1], [*expected[:2], expected[2][:50]]):
        path.write_bytes(b"".join(lines))
        with pytest.raises(WrongAnswer):
            handlers.check(None, "any", path, expected)
    path.write_bytes(b"".join(expected[1:]))
    path.with_suffix(".log.1").write_bytes(expected[0])
    handlers.check(None, handlers.OURS, path, expected)
    (tmp_path / "left").touch()
    with pytest.raises(WrongAnswer, match="left"):
        handlers.check(None, handlers.OURS, path, expected)
