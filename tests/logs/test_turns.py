"""The turn at a path: whoever has it, nobody else does; who can't have it doesn't rotate."""

from __future__ import annotations

import os

import pytest
from support.handlers import files, record
from support.marks import staged
from support.standing_in import as_system
from support.stepping import Steps

import fastmmap
from fastmmap import system
from fastmmap.logs import turn


@staged
@pytest.mark.parametrize("mode", [0o700, 0o755, 0o775, 0o777, 0o1777], ids=oct)
def test_a_turn_that_is_taken_while_the_log_is_away(tmp_path, mode):
    """Whatever the folder's mode is, the next process may have it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(mode)
    umask = os.umask(0)
    try:
        with turn.turn_at(str(folder / "app.log")):
            pass
        (folder / "app.log").touch(0o644)
        again = turn.Turn(str(folder / "app.log"))
        with again:
            assert not again.refusal
    finally:
        os.umask(umask)


def test_a_turn_that_can_not_be_had(tmp_path, monkeypatch):
    """Who has no part in it doesn't rotate, and says so."""
    path = tmp_path / "app.log"
    handler = fastmmap.LogHandler(path, maxBytes=1000, backupCount=3)

    @as_system
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(turn.Turn, "_opened", refused)
    handler.stream._turn._file.close()
    with pytest.warns(RuntimeWarning, match="isn't rotated by this process, which can't take turns"):
        handler.flush()
    for each in range(50):
        handler.handle(record(f"{each:050}"))
    handler.close()
    assert list(files(tmp_path)) == ["app.log"]
    assert path.read_text() == "".join(f"{each:050}\n" for each in range(50))


def test_a_handler_of_a_signal_that_takes_the_turn_and_gives_it_back(tmp_path, monkeypatch):
    """Whatever it comes into, the turn is this process's afterwards."""
    one, other = (turn.Turn(str(tmp_path / "app.log")) for _ in range(2))
    real, nested = turn.leads_to, [True]

    def interrupted(*arguments, **options):
        if nested.pop() if nested else False:
            with one:
                pass
        return real(*arguments, **options)

    monkeypatch.setattr(turn, "leads_to", interrupted)
    with one:
        assert not other.is_free()
    assert other.is_free()


def test_a_log_that_another_process_renames_while_a_handler_is_made(tmp_path, monkeypatch):
    path = tmp_path / "app.log"
    path.touch()
    exists = os.path.exists

    def renamed(name):
        there = exists(name)
        if str(name) == str(path) and there:
            os.rename(path, tmp_path / "app.log.1")
        return there

    monkeypatch.setattr(os.path, "exists", renamed)
    fastmmap.LogHandler(path, when="S").close()


def test_a_signal_handler_that_takes_the_turn_while_it_is_taken(tmp_path, monkeypatch):
    """Before and behind any call. No descriptor is locked twice: on Windows it would wait for itself."""
    mine, locked = turn.turn_at(str(tmp_path / "log")), []
    lock, unlock = system.lock, system.unlock

    def lock_once(fd, wait=True):
        assert not locked
        locked.append(fd)
        return lock(fd, wait)

    def unlock_once(fd):
        locked.clear()
        unlock(fd)

    def take():
        with mine:
            (name,) = os.listdir(tmp_path)
            fd = system.calls.open(str(tmp_path / name), os.O_RDWR)
            assert not lock(fd, wait=False)
            os.close(fd)

    take()
    monkeypatch.setattr(system, "lock", lock_once)
    monkeypatch.setattr(system, "unlock", unlock_once)
    steps = Steps(lambda code: code.co_filename == turn.__file__, ("call", "return", "c_return"))
    number = 1
    while steps.run(take, number, take):
        assert not locked
        number += 1
    assert number > 5
