"""Parts of records that can't be cut off a log stay, and what follows stands behind them."""

from __future__ import annotations

import pytest
from support.lacks import resource
from support.marks import staged
from support.standing_in import as_system
from support.writers import interrupted

import fastmmap
from fastmmap import system


@staged
def test_a_part_that_can_not_be_cut_off_stays(tmp_path, kernel, change):
    """In a log that may only be appended to: what follows goes behind it."""
    path = tmp_path / "log"
    interrupted(path, 4096, size=200_000)
    change("a", path)
    with pytest.MonkeyPatch.context() as patched:
        for name in ("drain", "settle"):
            patched.setattr(fastmmap._backend.chosen, name, getattr(kernel, name))
        with fastmmap.Appender(path, interval=None) as log:
            log.append(b"behind\n")
            log.flush()
            assert path.read_bytes() == b"s" * 99 + b"\n" + b"L" * 3996 + b"behind\n"


@staged
def test_what_others_wrote_behind_a_part_stays(tmp_path, kernel, change):
    """The write failed and its part couldn't be taken back: later that part alone may be cut, wherever a page ends."""
    path, soft = tmp_path / "log", resource.getrlimit(resource.RLIMIT_FSIZE)
    path.write_bytes(b"one\n")
    undo = change("a", path)
    with pytest.MonkeyPatch.context() as patched, fastmmap.Appender(path, interval=None) as log:
        for name in ("drain", "settle"):
            patched.setattr(fastmmap._backend.chosen, name, getattr(kernel, name))
        log.append(b"two\n")
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, soft[1]))
        try:
            with pytest.raises(OSError, match="too large"):
                log.append(b"L" * 100_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, soft)
            undo()
        part = path.read_bytes()
        assert part == (b"one\ntwo\n" + b"L" * 50_000)[:50_000]
        with path.open("ab") as other:
            other.write(b"o" * (-len(part) % 4096))
        log.append(b"three\n")
        log.flush()
        assert path.read_bytes() == part + b"o" * (-len(part) % 4096) + b"three\n"


def test_a_part_that_can_not_be_taken_back(tmp_path, steps, monkeypatch, stage):
    """A write that failed half-way in a log that can't be cut: the next goes on, with whole records."""
    path, write = tmp_path / "log", system.write_pieces
    calls = []

    @as_system
    def half(fd, pieces):
        calls.append(1)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return write(fd, [memoryview(b"".join(pieces)[:50_000])])

    @as_system
    def refuse(fd, size):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(system, "truncate", refuse)
    with fastmmap.Appender(path, interval=None) as log:
        log.append(b"one\n")
        with monkeypatch.context() as patched:
            patched.setattr(system, "write_pieces", half)
            with pytest.raises(OSError, match="No space"):
                log.append(b"L" * 100_000)
        log.append(b"two\n")
        log.flush()
        assert path.read_bytes() == b"one\n" + b"L" * 49_996 + b"two\n"
        assert log.position == 8
