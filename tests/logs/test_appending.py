"""Appender: exact bytes in order, whatever fails."""

from __future__ import annotations

import errno
import os
import threading

import pytest
from support.marks import each_stage
from support.standing_in import as_system

import fastmmap
from fastmmap import system

# What is promised of records doesn't depend on where the stages are, as long as nobody is killed.
pytestmark = each_stage


def test_records_in_order(tmp_path):
    path = tmp_path / "log"
    with fastmmap.Appender(path, stage_size=64) as log:
        log.append(b"one ")
        log.append("zwö ")
        assert log.write(bytearray(b"three ")) == 6
        assert log.write("é") == 2
        assert log.append_many([b"4", memoryview(b"5"), "6"]) == 3
        assert log.position == log.size == 20
        assert path.read_bytes() == b""
        log.flush()
        assert path.read_bytes() == "one zwö three é456".encode()
        log.append(b"x" * 1000)
        log.append(b"y" * 60)
        log.append(b"z" * 60)
        assert log.position == log.size == 1140
        log.sync()
        assert path.stat().st_size == 1140
        log.append(b"!")
    assert path.read_bytes() == "one zwö three é456".encode() + b"x" * 1000 + b"y" * 60 + b"z" * 60 + b"!"


def test_it_appends_to_what_is_there(make):
    path = make(b"before ")
    with fastmmap.Appender(path) as log:
        log.append(b"after\0\0")
        assert (log.position, log.size) == (7, 14)
    assert path.read_bytes() == b"before after\0\0"


@pytest.mark.parametrize("size", [1, 2, 7, 100, 1 << 16])
def test_every_stage_size(tmp_path, size):
    records = [bytes([i % 256]) * (i % 40) for i in range(2000)]
    path = tmp_path / "log"
    with fastmmap.Appender(path, stage_size=size) as log:
        assert log.append_many(iter(records)) == 2000
        assert log.position == sum(map(len, records))
    assert path.read_bytes() == b"".join(records)


def test_large_records_keep_their_place(tmp_path):
    path = tmp_path / "log"
    records = [b"small", b"L" * 70_000, b"s", b"M" * 3_000_000, b"", b"end"]
    with fastmmap.Appender(path) as log:
        for record in records:
            log.append(record)
    assert path.read_bytes() == b"".join(records)


def test_closed(tmp_path):
    log = fastmmap.Appender(tmp_path / "log")
    log.append(b"x")
    log.close()
    log.close()
    assert log.closed
    for use in (lambda: log.append(b"x"), lambda: log.append(b"x" * 100_000), log.flush, log.sync, lambda: log.size):
        with pytest.raises(ValueError, match="closed"):
            use()
    assert (tmp_path / "log").read_bytes() == b"x"


def test_a_lost_appender_flushes(tmp_path):
    log = fastmmap.Appender(tmp_path / "log")
    log.append(b"x")
    del log
    assert (tmp_path / "log").read_bytes() == b"x"


def test_refusals(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        fastmmap.Appender(tmp_path / "missing" / "log")
    with pytest.raises(IsADirectoryError):
        fastmmap.Appender(tmp_path)
    for options, error, words in [
        ({"stage_size": 0}, ValueError, "stage_size must be from 1 to 2147483648, not 0"),
        ({"stage_size": 1 << 60}, ValueError, "stage_size"),
        ({"stage_size": 1.5}, TypeError, None),
        ({"sync": "sometimes"}, ValueError, "sync must be one of None, 'interval', 'always', not 'sometimes'"),
        ({"sync": True}, ValueError, "sync"),
        ({"interval": 0}, ValueError, "interval"),
        ({"interval": -1.0}, ValueError, "interval"),
        ({"interval": float("inf")}, ValueError, "interval"),
        ({"interval": 1e10}, ValueError, "interval must be None or seconds above 0 and at most"),
        ({"interval": float("nan")}, ValueError, "interval"),
        ({"sync": "interval", "interval": None}, ValueError, "sync='interval' needs an interval"),
    ]:
        with pytest.raises(error, match=words):
            fastmmap.Appender(tmp_path / "log", **options)
    assert os.listdir(tmp_path) == []
    with fastmmap.Appender(tmp_path / "log") as log:
        for bad in (5, None, 1.5):
            with pytest.raises(TypeError, match="data"):
                log.append(bad)
        with pytest.raises(TypeError, match="data"):
            log.append_many([b"kept", 5])
    assert (tmp_path / "log").read_bytes() == b"kept"


@pytest.mark.parametrize("nth", range(1, 8))
@pytest.mark.parametrize("sticky", [False, True])
def test_the_nth_write_fails(tmp_path, monkeypatch, steps, nth, sticky):
    """Short writes and a full disk: nothing is lost, doubled or out of order once there is room again."""
    calls = 0

    @as_system
    def write(fd, pieces):
        nonlocal calls
        calls += 1
        if calls == nth or (sticky and calls > nth):
            raise OSError(errno.ENOSPC, "No space left on device")
        data = b"".join(pieces)
        return os.write(fd, data[: max(1, len(data) * 2 // 3)])

    path = tmp_path / "log"
    records = [b"%06d " % i for i in range(200)] + [b"L" * 500] + [b"%06d " % i for i in range(50)]
    monkeypatch.setattr(system, "write_pieces", write)
    log = fastmmap.Appender(path, stage_size=256)
    failures = []
    taken = []
    for record in records:
        before = log.position
        try:
            log.append(record)
        except OSError as error:
            failures.append(error.filename)
        if log.position > before:
            taken.append(record)
    assert set(failures) == {str(path)}
    monkeypatch.undo()
    log.close()
    assert path.read_bytes() == b"".join(taken)
    if not sticky:
        assert len(taken) >= len(records) - 1


def test_threads_do_not_split_records(tmp_path):
    path = tmp_path / "log"
    with fastmmap.Appender(path, stage_size=1000) as log:

        def write(name):
            for i in range(2000):
                log.append(b"%d:%d\n" % (name, i))
                if i % 500 == 0:
                    log.flush()

        threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = path.read_bytes().splitlines()
    assert len(lines) == 8000
    for name in range(4):
        assert [int(line.split(b":")[1]) for line in lines if line.startswith(b"%d:" % name)] == list(range(2000))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_writes_only_its_own(tmp_path):
    path = tmp_path / "log"
    log = fastmmap.Appender(path)
    log.append(b"parent ")
    child = os.fork()
    if child == 0:
        log.append(b"child ")
        log.close()
        os._exit(0)
    os.waitpid(child, 0)
    log.append(b"parent")
    log.close()
    assert path.read_bytes() == b"child parent parent"


def test_a_failed_flush_keeps_what_was_accepted_in_order(tmp_path, monkeypatch, steps):
    """After a failed flush both halves are in use: neither may be taken again until one is written."""
    path = tmp_path / "log"
    log = fastmmap.Appender(path, stage_size=8)

    @as_system
    def full(fd, pieces):
        raise OSError(errno.ENOSPC, "No space left on device")

    log.append(b"AAAAAAA\n")
    monkeypatch.setattr(system, "write_pieces", full)
    with pytest.raises(OSError, match="No space"):
        log.flush()
    log.append(b"BBBB\n")
    for record in (b"LARGE-RECORD\n", b"CCCCCC\n"):
        with pytest.raises(OSError, match="No space"):
            log.append(record)
    with pytest.raises(OSError, match="No space"):
        log.close()
    assert not log.closed
    log.append(b"D\n")
    monkeypatch.undo()
    log.append(b"LARGE-RECORD\n")
    log.close()
    assert path.read_bytes() == b"AAAAAAA\nBBBB\nD\nLARGE-RECORD\n"


def test_a_large_record_that_is_half_written_is_taken_back(tmp_path, monkeypatch, steps):
    """With what was staged before it, which waits."""
    path, calls = tmp_path / "log", []

    @as_system
    def half(fd, pieces):
        calls.append(len(pieces))
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(fd, b"".join(pieces)[:50_000])

    log = fastmmap.Appender(path)
    log.append(b"before ")
    monkeypatch.setattr(system, "write_pieces", half)
    with pytest.raises(OSError, match="No space.*log"):
        log.append(b"x" * 100_000)
    assert (log.position, log.size, path.read_bytes()) == (7, 7, b"")
    monkeypatch.undo()
    log.append(b"y" * 70_000)
    log.close()
    assert path.read_bytes() == b"before " + b"y" * 70_000


def test_no_record_is_accepted_while_it_closes(tmp_path):
    for _ in range(20):
        path = tmp_path / "log"
        path.unlink(missing_ok=True)
        log = fastmmap.Appender(path, stage_size=1 << 22)
        accepted = 0

        def write(log=log):
            nonlocal accepted
            try:
                while True:
                    log.append(b"a record\n")
                    accepted += 1
            except ValueError:
                pass

        writer = threading.Thread(target=write)
        writer.start()
        while not accepted:
            pass
        log.close()
        writer.join()
        assert path.stat().st_size == 9 * accepted


def test_every_error_names_the_file(tmp_path):
    with fastmmap.Appender(os.devnull) as log, pytest.raises(OSError, match="nul"):
        log.sync()


def test_a_closed_appender_refuses_even_nothing(tmp_path):
    log = fastmmap.Appender(tmp_path / "log")
    log.close()
    with pytest.raises(ValueError, match="closed"):
        log.append(b"")
