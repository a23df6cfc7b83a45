"""Stages lie beside the log, in a folder of their own, or in memory where no file can be."""

from __future__ import annotations

import os

import pytest
from support.marks import staged
from support.users import as_somebody, as_user
from support.writers import killed

import fastmmap
from fastmmap import system
from fastmmap.logs.log import Log

pytestmark = staged


@as_somebody
def test_a_directory_that_can_not_be_written_to(reachable):
    path = reachable / "log"
    path.touch()
    os.chmod(path, 0o666)
    os.chmod(reachable, 0o755)
    stages = reachable / "stages"
    stages.mkdir()
    os.chmod(stages, 0o777)

    def append(path):
        with pytest.warns(RuntimeWarning, match="staged in memory.*can be created beside it .Permission denied"):
            log = fastmmap.Appender(path)
        with log:
            assert not log.survives_kill
            log.append(b"in memory\n")
        with fastmmap.Appender(path, stage_dir=stages) as log:
            assert log.survives_kill
            log.append(b"in a file\n")
        with pytest.raises(PermissionError, match=str(reachable)):
            fastmmap.Appender(path, stage_dir=reachable)

    assert as_user(path, append) == "done"
    assert path.read_bytes() == b"in memory\nin a file\n"
    assert sorted(os.listdir(reachable)) == ["log", "stages"]


def test_a_stage_dir(tmp_path):
    path, stages = tmp_path / "log", tmp_path / "stages"
    with pytest.raises(FileNotFoundError, match="stages"):
        fastmmap.Appender(path, stage_dir=stages)
    stages.mkdir()
    killed(path, b"one\n", stage_dir=stages)
    assert os.listdir(tmp_path) == ["stages", "log"] or sorted(os.listdir(tmp_path)) == ["log", "stages"]
    assert fastmmap.recover(path) is False
    assert fastmmap.recover(stages) is True
    killed(path, b"two\n", stage_dir=stages)
    killed(path, b"beside it\n")
    with fastmmap.Appender(path, stage_dir=os.fsencode(stages)) as log:
        log.append(b"three\n")
    assert sorted(path.read_bytes().splitlines()) == [b"beside it", b"one", b"three", b"two"]
    assert sorted(os.listdir(tmp_path)) == ["log", "stages"]
    assert os.listdir(stages) == []
    with pytest.raises(NotADirectoryError, match="log"):
        fastmmap.Appender(path, stage_dir=path)


def test_a_stage_on_another_filesystem(tmp_path, small_disk):
    path = tmp_path / "log"
    killed(path, b"one\n", stage_dir=small_disk, stage_size=10_000)
    killed(small_disk / "other", b"other\n", stage_size=10_000)
    assert fastmmap.recover(small_disk) is True
    assert path.read_bytes() == b"one\n"
    assert os.listdir(small_disk) == ["other"]


def test_no_filesystem_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(system, "is_local", lambda fd: False)
    path = tmp_path / "log"
    with pytest.warns(RuntimeWarning, match="staged in memory.*isn't on a known local filesystem") as said:
        log = fastmmap.Appender(path)
    assert said[0].filename == __file__
    with log:
        assert not log.survives_kill
        assert os.listdir(tmp_path) == ["log"]
    with pytest.raises(OSError, match="A stage needs a local filesystem"):
        fastmmap.Appender(path, stage_dir=tmp_path)


def test_a_log_by_a_path_that_is_no_name_of_it(tmp_path):
    """A deleted file that is reached by its descriptor has no directory to put a stage in."""
    fd = os.memfd_create("log") if hasattr(os, "memfd_create") else pytest.skip("no memory files")
    with pytest.warns(RuntimeWarning, match="staged in memory.*can't be found by its path"):
        log = fastmmap.Appender(f"/proc/self/fd/{fd}")
    with log:
        assert not log.survives_kill
        log.append(b"x")
    assert os.pread(fd, 10, 0) == b"x"
    os.close(fd)


def test_a_log_that_can_not_be_read_is_staged_in_memory(tmp_path, monkeypatch):
    path = tmp_path / "log"
    monkeypatch.setattr(Log, "_reopen", lambda self, flags: "there is no permission to read it")
    with pytest.warns(RuntimeWarning, match="staged in memory.*there is no permission to read it"):
        log = fastmmap.Appender(path)
    with log:
        assert not log.survives_kill
        log.append(b"x")
    assert path.read_bytes() == b"x"


def test_a_relative_stage_dir(tmp_path, monkeypatch, in_file):
    monkeypatch.chdir(tmp_path)
    os.mkdir("stages")
    log = fastmmap.Appender("log", stage_dir="stages", interval=None)
    child = os.fork()
    if child == 0:
        os.chdir("/")
        log.append(b"child's\n")
        log.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    log.close()
    assert (tmp_path / "log").read_bytes() == b"child's\n"
