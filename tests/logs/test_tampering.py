"""Stages and locks that somebody cuts, removes or replaces while an appender uses them."""

from __future__ import annotations

import os
import time

import pytest
from support.marks import cut_while_mapped, each_stage, staged
from support.programs import wait_until
from support.writers import ours

import fastmmap


@cut_while_mapped
@staged
def test_a_stage_that_somebody_cuts(tmp_path, in_file):
    """No signal ends the process: the append says what happened."""
    if fastmmap.kernel == "python":
        pytest.skip("the reference stores without the guard")
    path = tmp_path / "log"
    log = fastmmap.Appender(path, interval=None)
    log.append(b"x")
    (name,) = (name for name in os.listdir(tmp_path) if name.endswith(".stage"))
    os.truncate(tmp_path / name, 4096)
    with pytest.raises(fastmmap.MappedFileError, match="truncated"):
        log.append(b"y")
    with pytest.raises(fastmmap.MappedFileError, match="truncated"):
        log.append_many([b"y"] * 10)
    with pytest.raises(OSError, match="log"):
        log.close()
    log._let_go()


@each_stage
@staged
def test_a_lock_that_somebody_removes(tmp_path):
    path = tmp_path / "log"
    with fastmmap.Appender(path, interval=None) as log, fastmmap.Appender(path, interval=None) as other:
        log.append(b"one\n")
        for name in os.listdir(tmp_path):
            if name.endswith(".lock"):
                os.unlink(tmp_path / name)
        log.flush()
        other.append(b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"
    assert os.listdir(tmp_path) == ["log"]


@staged
def test_a_lock_that_somebody_has_put_there(names_go, tmp_path, in_file):
    """It is an OSError, in time as well, and no longer than it is there."""
    path = tmp_path / "log"
    with fastmmap.Appender(path, interval=0.02) as log:
        (lock,) = (tmp_path / name for name in os.listdir(tmp_path) if name.endswith(".lock"))
        lock.unlink()
        lock.symlink_to("/etc/passwd")
        log.append(b"one\n")
        with pytest.raises(OSError, match="is ignored: it is not a regular file.*log"):
            log.flush()
        time.sleep(0.1)
        assert path.read_bytes() == b""
        lock.unlink()
        wait_until(lambda: path.read_bytes() == b"one\n")


@cut_while_mapped
@staged
def test_errors_name_the_stage_not_the_descriptor(tmp_path):
    if fastmmap.kernel == "python":
        pytest.skip("the reference stores without the guard")
    log = fastmmap.Appender(tmp_path / "log", interval=None)
    (name,) = ours(tmp_path, ".stage")
    os.truncate(tmp_path / name, 4096)
    with pytest.raises(fastmmap.MappedFileError) as caught:
        log.append(b"x")
    assert caught.value.filename == str(tmp_path / name)
    log._let_go()
    log.close()
