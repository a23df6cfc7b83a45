"""The progress bar: on a terminal where work is long, wherever somebody insists, and nowhere else."""

from __future__ import annotations

import pytest
from support.commands import run, run_in_terminal

from fastmmap.cli import progress

pytestmark = pytest.mark.any_kernel


class Given:
    progress = False


def test_insisted(make):
    pytest.importorskip("rich")
    path = make(b"line\n" * 100_000)
    for arguments in (["count", "line"], ["grep", "-c", "line"], ["grep", "--bytes", "line"],
                      ["replace", "line", "word"], ["replace", "-n", "word", "line"]):  # fmt: skip
        _, output, errors = run(arguments[0], "--progress", *arguments[1:], path)
        assert path.name.encode() in errors, arguments
        assert b"\x1b" not in output
        shown = run_in_terminal(arguments[0], "--progress", *arguments[1:], path)[1]
        assert path.name.encode() in shown, arguments


def test_without_rich(make, monkeypatch, capfdbinary):
    """Who insists is told; for others there is no bar."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    given = Given()
    assert not progress._has_rich(insisted=False)
    with pytest.raises(ValueError, match="needs rich: pip install 'fastmmap\\[progress\\]'"):
        progress._has_rich(insisted=True)
    with progress.progress_of(given, "name", 1 << 40) as told:
        assert told is None


@pytest.mark.parametrize(
    ("size", "prints", "terminals", "shown"),
    [(1 << 40, False, {2}, True), (None, False, {2}, True), (1000, False, {2}, False), (1 << 40, False, {1}, False),
     (1 << 40, True, {1, 2}, False), (1 << 40, True, {2}, True)],
)  # fmt: skip
def test_when_there_is_one(monkeypatch, size, prints, terminals, shown):
    pytest.importorskip("rich")
    monkeypatch.setattr("os.isatty", lambda fd: fd in terminals)
    with progress.progress_of(Given(), "name", size, prints=prints) as told:
        assert (told is not None) == shown


def test_a_bar_appears_when_the_work_turns_out_to_be_long(monkeypatch, capfd):
    pytest.importorskip("rich")
    now = iter([0.0, 0.5, 0.9, 1.5, 2.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now, 3.0))
    monkeypatch.setattr(progress, "AFTER", 1.0)
    bar = progress.Bar("folder/name", False)
    bar(1, 10)
    bar(2, 10)
    assert bar._bar is None
    bar(5, 10)
    assert bar._bar is not None
    bar(10, 10)
    bar.__exit__()
