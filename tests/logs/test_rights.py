"""Stages and locks belong to those who may write to the log, and to nobody else."""

from __future__ import annotations

import os
import stat

import pytest
from support.marks import modes, staged
from support.users import as_somebody, as_user
from support.writers import killed, ours

import fastmmap

pytestmark = [staged, modes]


def test_globs_of_the_log_miss_what_is_beside_it(tmp_path):
    with fastmmap.Appender(tmp_path / "app.log") as log:
        log.append(b"x")
        assert [path.name for path in tmp_path.glob("app.log*")] == ["app.log"]
        assert len(ours(tmp_path)) == 2
        modes = {stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in os.listdir(tmp_path)}
        assert modes == {0o644, 0o600}, "who may only read the log could lock them"


@pytest.mark.parametrize(
    ("mode", "beside"), [(0o600, 0o600), (0o644, 0o600), (0o664, 0o660), (0o666, 0o666), (0o622, 0o600)]
)
def test_a_stage_is_for_those_who_may_write_to_the_log(tmp_path, mode, beside):
    path = tmp_path / "log"
    path.touch()
    os.chmod(path, mode)
    with fastmmap.Appender(path):
        assert {stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ours(tmp_path)} == {beside}


@as_somebody
def test_a_log_of_a_group(reachable):
    """What is beside it is the group's, or nobody else's; the lock of its owner is left to them."""
    path = reachable / "log"
    path.touch()
    os.chown(path, 0, 0)
    os.chmod(path, 0o666)
    os.chmod(reachable, 0o777)
    with fastmmap.Appender(path, interval=None) as log:

        def append(path):
            with fastmmap.Appender(path) as other:
                modes = {stat.S_IMODE(os.stat(path.parent / name).st_mode) for name in ours(path.parent, ".stage")}
                assert modes == {0o666, 0o606}, modes
                other.append(b"other's\n")

        assert as_user(path, append) == "done"
        log.append(b"owner's\n")
    assert path.read_bytes() == b"other's\nowner's\n"
    assert os.listdir(reachable) == ["log"]


@as_somebody
def test_root_s_stage_belongs_to_the_log_s_owner(tmp_path):
    path = tmp_path / "log"
    path.touch()
    os.chown(path, 4321, 4321)
    with fastmmap.Appender(path):
        assert {os.stat(tmp_path / name).st_uid for name in os.listdir(tmp_path)} == {4321}


@as_somebody
def test_a_rotated_log_that_nobody_may_write_to(reachable):
    """Its records wait; the new log's appender has a stage of its own all the same."""
    os.chmod(reachable, 0o777)

    def work(path):
        killed(path, b"old\n")
        path.rename(path.with_name("log.1"))
        os.chmod(path.with_name("log.1"), 0o440)
        with pytest.warns(RuntimeWarning, match="left alone: Permission denied"):
            log = fastmmap.Appender(path)
        assert log.survives_kill
        log.append(b"new\n")
        log.close()

    assert as_user(reachable / "log", work) == "done"
    assert (reachable / "log").read_bytes() == b"new\n"
    os.chmod(reachable / "log.1", 0o640)
    os.chown(reachable / "log.1", 4321, 4321)
    assert fastmmap.recover(reachable) is True
    assert (reachable / "log.1").read_bytes() == b"old\n"
