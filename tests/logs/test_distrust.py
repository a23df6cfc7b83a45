"""Stages and locks that are damaged, planted or somebody else's are refused or ignored."""

from __future__ import annotations

import os
import stat
import struct

import pytest
from support.marks import modes, staged
from support.users import as_somebody
from support.writers import ours, stage_file

import fastmmap
from fastmmap import system
from fastmmap.logs import layout

pytestmark = staged


def refuses(path, stage, words):
    """recover and an appender leave a stage alone that can't be used, and say why."""
    before = stage.read_bytes()
    with pytest.raises(OSError, match=words) as caught:
        fastmmap.recover(path)
    assert caught.value.filename == str(stage)
    with pytest.warns(RuntimeWarning, match=f"left alone.*{words}"), fastmmap.Appender(path) as log:
        log.append(b"new\n")
    assert path.read_bytes() == b"new\n"
    assert stage.read_bytes() == before


def ignored(path, words):
    """Both ways warn of a stage that can't be trusted, and leave it where it is."""
    with pytest.warns(RuntimeWarning, match=f"is ignored: .*{words}"):
        assert fastmmap.recover(path.parent) is False
    with pytest.warns(RuntimeWarning, match=f"is ignored: .*{words}"), fastmmap.Appender(path) as log:
        log.append(b"new\n")
    assert path.read_bytes() == b"new\n"


@as_somebody
def test_a_planted_stage_of_somebody_else_s_version(tmp_path):
    path = tmp_path / "log"
    stage_file(path)
    planted = tmp_path / ".fastmmap-1-x.stage"
    planted.write_bytes(b"fmstage\0" + struct.pack("<I", 99) + bytes(10_000))
    os.chown(planted, 4321, 4321)
    with pytest.warns(RuntimeWarning, match="belongs to user 4321"):
        assert fastmmap.recover(tmp_path) is True
    assert path.read_bytes() == b"staged\n"


@as_somebody
@pytest.mark.parametrize("says", ["a path with NUL", "a relative path", "our log, with another inode"])
def test_a_planted_header(tmp_path, says):
    """What is in a stage is believed when it is known whose it is."""
    path = tmp_path / "log"
    path.touch()
    planted = tmp_path / f".fastmmap-{path.stat().st_ino:x}-{'0' * 32}.stage"
    name = {"a path with NUL": b"/a\0b", "a relative path": b"log"}.get(says, os.fsencode(path))
    header = layout.HEADER.pack(layout.MAGIC, layout.VERSION, 1, bytes(16), bytes(16), 0, 77, 0, 1, len(name))
    planted.write_bytes(header.ljust(4096, b"\0") + name.ljust(4096, b"\0") + bytes(2))
    os.chown(planted, 4321, 4321)
    ignored(path, "belongs to user 4321")
    if "path" in says:
        os.chown(planted, 0, 0)
        path.write_bytes(b"")
        refuses(path, planted, "damaged")


def test_a_renamed_stage(tmp_path):
    path = tmp_path / "log"
    stage_file(path).rename(tmp_path / f".fastmmap-{path.stat().st_ino:x}-{'0' * 32}.stage")
    ignored(path, "its name isn't the one in its header")


@as_somebody
def test_a_stage_of_another_group(tmp_path):
    """Which may write to it, but not to the log."""
    path = tmp_path / "log"
    path.touch()
    os.chmod(path, 0o664)
    stage = stage_file(path)
    assert stat.S_IMODE(stage.stat().st_mode) == 0o660
    os.chown(stage, 0, 4321)
    ignored(path, "users who may not write to the file may write to it")


def test_a_stage_of_another_version(tmp_path):
    path = tmp_path / "log"
    stage = stage_file(path)
    with open(stage, "r+b") as file:
        file.seek(8)
        file.write(struct.pack("<I", 99))
    refuses(path, stage, "Version 99 of the stage isn't supported")


@pytest.mark.parametrize("size", [8192, 10_000, 1 << 22])
def test_a_stage_of_a_wrong_size(tmp_path, size):
    path = tmp_path / "log"
    stage = stage_file(path)
    os.truncate(stage, size)
    refuses(path, stage, "damaged")


def test_a_stage_whose_word_is_damaged(tmp_path):
    path = tmp_path / "log"
    stage = stage_file(path)
    with open(stage, "r+b") as file:
        file.seek(layout.WORD_AT[0])
        file.write(struct.pack("=Q", 1 << 30))
    refuses(path, stage, "damaged")


def test_a_lock_of_another_version(tmp_path):
    path = tmp_path / "log"
    stage_file(path)
    with open(tmp_path / ours(tmp_path, ".lock")[0], "r+b") as file:
        file.seek(8)
        file.write(struct.pack("<Q", 7))
    with pytest.raises(OSError, match="Version 7 of the lock isn't"), pytest.warns(RuntimeWarning, match="alone"):
        fastmmap.Appender(path)
    with pytest.raises(OSError, match="Version 7 of the lock isn't supported"):
        fastmmap.recover(path)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("planted", ["a link", "a directory", "a pipe", "text", "a second name"])
def test_a_planted_stage(tmp_path, planted):
    path = tmp_path / "log"
    path.touch()
    victim = tmp_path / "victim"
    victim.write_bytes(b"not ours\n")
    stage = tmp_path / f".fastmmap-{path.stat().st_ino:x}-{'0' * 32}.stage"
    words = "not a regular file"
    if planted == "a link":
        stage.symlink_to(victim)
        words = "not a regular file"
    elif planted == "a directory":
        stage.mkdir()
        words = "not a regular file"
    elif planted == "a pipe":
        os.mkfifo(stage)
    elif planted == "text":
        stage.write_bytes(b"nothing of the kind\n")
        words = "not a stage"
    else:
        stage_file(path).rename(stage)
        os.link(stage, tmp_path / "second name")
        words = "several hard links"
    ignored(path, words)
    assert os.path.lexists(stage)
    assert victim.read_bytes() == b"not ours\n"


@as_somebody
def test_a_stage_of_somebody_else(tmp_path):
    path = tmp_path / "log"
    stage = stage_file(path)
    os.chown(stage, 4321, 4321)
    ignored(path, "belongs to user 4321")
    os.chown(path, 4321, 4321)
    assert fastmmap.recover(path) is True, "the log's owner may"
    assert path.read_bytes() == b"new\nstaged\n"


@modes
def test_a_stage_that_others_may_write_to(tmp_path):
    path = tmp_path / "log"
    stage = stage_file(path)
    os.chmod(stage, 0o666)
    ignored(path, "may write to it")


@pytest.mark.parametrize("planted", ["a link", "a directory", "text"])
def test_a_planted_lock(tmp_path, planted):
    """There is no writing under a lock that isn't ours: the stage is memory then, and says so."""
    path = tmp_path / "log"
    path.touch()
    lock = tmp_path / f".fastmmap-{path.stat().st_ino:x}.lock"
    if planted == "a link":
        lock.symlink_to(tmp_path / "victim")
    elif planted == "a directory":
        lock.mkdir()
    else:
        lock.write_bytes(b"nothing of the kind at all, but longer\n")
    with pytest.warns(RuntimeWarning, match="staged in memory.*is ignored"):
        log = fastmmap.Appender(path)
    assert not log.survives_kill
    log.append(b"x")
    log.close()
    assert path.read_bytes() == b"x"
    assert not (tmp_path / "victim").exists()


def test_a_path_that_leads_to_another_file(tmp_path, monkeypatch):
    """Where an open file can be opened once more by its path alone, as on macOS, and another has got that path."""
    path, other = tmp_path / "log", tmp_path / "other"
    other.write_bytes(bytes(1 << 20))
    with monkeypatch.context() as patch:
        patch.setattr(system, "path_of", lambda fd: str(other))
        with pytest.raises(FileNotFoundError, match="lock"):
            fastmmap.Appender(path)
    assert not any(other.read_bytes())


@pytest.mark.parametrize("is_made_again", [False, True])
def test_a_lock_that_is_removed_before_it_is_opened_once_more(tmp_path, monkeypatch, is_made_again):
    """By another process that closes its appender, where the path is all that there is to open it by."""
    path = tmp_path / "log"
    real, removed = system.path_of, []

    def path_of(fd):
        at = os.path.realpath(real(fd))
        if removed or not at.endswith(".lock"):
            return real(fd)
        removed.append(at)
        os.unlink(at)
        if is_made_again:
            os.close(os.open(at, os.O_CREAT | os.O_RDWR, 0o600))
        return at

    monkeypatch.setattr(system, "path_of", path_of)
    with fastmmap.Appender(path) as log:
        assert log.survives_kill
        log.append(b"one\n")
    assert path.read_bytes() == b"one\n"
    assert removed
    assert os.listdir(tmp_path) == ["log"]
