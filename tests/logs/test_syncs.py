"""Syncs of a log: always, after an interval, or when asked; one that fails is never forgotten."""

from __future__ import annotations

import errno
import os
import time

import pytest
from support.lacks import proc
from support.marks import each_stage
from support.programs import wait_until
from support.standing_in import as_system

import fastmmap
from fastmmap import system

pytestmark = each_stage


@pytest.fixture
def syncs(monkeypatch):
    """How often files were synced, and how: a test may have them fail."""
    calls = []

    @as_system
    def sync(fd):
        calls.append(os.fstat(fd).st_size)
        if sync.fails:
            raise OSError(errno.EIO, "Input/output error")

    sync.fails = False
    monkeypatch.setattr(system, "make_durable", sync)
    calls_of = sync
    calls_of.calls = calls
    return calls_of


def test_always_in_sync(tmp_path, syncs):
    path = tmp_path / "log"
    with fastmmap.Appender(path, sync="always") as log:
        log.append(b"one\n")
        assert syncs.calls == [4]
        assert path.read_bytes() == b"one\n"
        assert log.append_many(b"%d\n" % i for i in range(10)) == 10
        assert syncs.calls == [4, 24], "many records, one sync"
        log.append(b"L" * 100_000)
        assert syncs.calls == [4, 24, 100_024]
        with pytest.raises(TypeError):
            log.append_many([b"kept\n", 5])
        assert syncs.calls[-1] == 100_029
        assert log.position == log.size == 100_029


def test_always_in_sync_after_a_close_that_failed(tmp_path, syncs, monkeypatch):
    path = tmp_path / "log"
    log = fastmmap.Appender(path, sync="always")
    log.append(b"one\n")
    with monkeypatch.context() as patched:

        def fails(self, *arguments):
            raise OSError(errno.EIO, "Input/output error")

        patched.setattr(type(log._stage), "length", fails)
        with pytest.raises(OSError, match="Input/output error"):
            log.close()
    log.append(b"two\n")
    assert (syncs.calls, path.read_bytes()) == ([4, 8], b"one\ntwo\n")
    log.close()


def test_in_sync_after_an_interval(tmp_path, syncs):
    path = tmp_path / "log"
    with fastmmap.Appender(path, sync="interval", interval=0.03) as log:
        log.append(b"one\n")
        wait_until(lambda: syncs.calls == [4])
        log.append(b"two\n")
        log.flush()  # visible, and yet to be synced
        wait_until(lambda: syncs.calls == [4, 8])
        wait_until(lambda: not log._is_armed)
        log.append(b"end\n")
    assert syncs.calls[-1] == 12, "no timer will do so any more"


def test_no_sync_but_when_asked(tmp_path, syncs):
    with fastmmap.Appender(tmp_path / "log", interval=0.01) as log:
        log.append(b"x")
        time.sleep(0.05)
        assert syncs.calls == []
        log.sync()
        assert syncs.calls == [1]


@pytest.mark.parametrize("how", ["asked", "interval", "always"])
def test_a_failed_sync_poisons(tmp_path, syncs, how):
    """The system says so once, and may have dropped the data: no later success can be believed."""
    path = tmp_path / "log"
    log = fastmmap.Appender(path, sync=None if how == "asked" else how, interval=0.01)
    log.append(b"good\n")
    log.sync()
    syncs.fails = True
    words = "Input/output error: a sync failed, and what was written before it may be lost.*log"
    if how == "asked":
        log.append(b"doubtful\n")
        with pytest.raises(OSError, match="Input/output error.*log"):
            log.sync()
    elif how == "always":
        with pytest.raises(OSError, match="Input/output error.*log"):
            log.append(b"doubtful\n")
    else:
        log.append(b"doubtful\n")
        wait_until(lambda: log._durability.failure is not None)
    syncs.fails = False
    for use in (lambda: log.append(b"x"), lambda: log.append_many([b"x"]), log.flush, log.sync,
                lambda: log.append(b"x" * 100_000), lambda: log.write("x")):  # fmt: skip
        with pytest.raises(OSError, match=words) as caught:
            use()
        assert (caught.value.errno, caught.value.filename) == (errno.EIO, str(path))
    with pytest.raises(OSError, match=words):
        log.close()
    assert log.closed
    log.close()
    with pytest.raises(ValueError, match="closed"):
        log.append(b"x")
    assert path.read_bytes() == b"good\ndoubtful\n", "what was accepted is written, for what it's worth"
    assert os.listdir(tmp_path) == ["log"]


@proc
def test_the_name_of_a_new_log_is_synced_once(tmp_path, syncs, monkeypatch):
    names = []
    monkeypatch.setattr(system, "make_names_durable", lambda fd: names.append(os.readlink(f"/proc/self/fd/{fd}")))
    with fastmmap.Appender(tmp_path / "log") as log:
        log.sync()
        log.sync()
    assert names == [str(tmp_path)]


@proc
def test_what_can_not_be_synced_says_so_at_once(tmp_path):
    read, write = os.pipe()
    for sync in ("always", "interval"):
        with pytest.raises(OSError, match=f"sync='{sync}' needs a file that can be synced.*fd") as caught:
            fastmmap.Appender(f"/proc/self/fd/{write}", sync=sync)
        assert caught.value.errno == errno.EINVAL
    os.close(write)
    assert os.read(read, 9) == b""
    os.close(read)
