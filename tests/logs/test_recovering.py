"""What dead writers leave is found, and taken to its log once."""

from __future__ import annotations

import os
import struct
import subprocess
import sys

import pytest
from support.marks import staged
from support.writers import killed, ours, stage_file

import fastmmap
from fastmmap import system

pytestmark = staged


def test_the_next_appender_recovers(tmp_path):
    path = tmp_path / "app.log"
    killed(path, b"one\n", "zwö\0\0")
    assert path.read_bytes() == b""
    assert len(ours(tmp_path, ".stage")) == 1
    with fastmmap.Appender(path) as log:
        assert path.read_bytes() == "one\nzwö\0\0".encode(), "trailing zeros are data"
        log.append(b"three\n")
        assert (log.position, log.size) == (6, 16)
    assert path.read_bytes() == "one\nzwö\0\0three\n".encode()
    assert os.listdir(tmp_path) == ["app.log"]


@pytest.mark.parametrize("of", ["the log", "the directory", "a link", "bytes", "a relative path"])
def test_recover(tmp_path, monkeypatch, of):
    path = tmp_path / "app.log"
    killed(path, b"one\n")
    killed(tmp_path / "other.log", b"other\n")
    (tmp_path / "link").symlink_to("app.log")
    monkeypatch.chdir(tmp_path)
    where = {"the log": path, "the directory": tmp_path, "a link": tmp_path / "link", "bytes": os.fsencode(path),
             "a relative path": "app.log"}[of]  # fmt: skip
    assert fastmmap.recover(where) is True
    assert path.read_bytes() == b"one\n"
    assert (tmp_path / "other.log").read_bytes() == (b"other\n" if of == "the directory" else b"")
    assert fastmmap.recover(where) is False
    assert fastmmap.recover(tmp_path) is (of != "the directory")
    assert sorted(os.listdir(tmp_path)) == ["app.log", "link", "other.log"]


def test_nothing_to_recover(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        fastmmap.recover(tmp_path / "missing")
    (tmp_path / "plain").write_bytes(b"text")
    assert fastmmap.recover(tmp_path / "plain") is False
    assert fastmmap.recover(tmp_path) is False


def test_writers_that_live_are_left_alone(tmp_path):
    path = tmp_path / "log"
    with fastmmap.Appender(path, interval=None) as log, fastmmap.Appender(path, interval=None) as other:
        log.append(b"mine\n")
        other.append(b"other's\n")
        killed(path, b"dead\n")
        assert fastmmap.recover(path) is True
        assert fastmmap.recover(path) is False
        assert path.read_bytes() == b"dead\n"
        assert (log.size, log.position) == (10, 5)
    assert path.read_bytes() == b"dead\nother's\nmine\n"
    assert os.listdir(tmp_path) == ["log"]


def test_a_stage_from_before_the_machine_started_anew(tmp_path, monkeypatch):
    path = tmp_path / "log"
    killed(path, b"staged\n")
    monkeypatch.setattr(system, "boot", lambda: b"another boot ago")
    with pytest.warns(RuntimeWarning, match="from before the machine was restarted"):
        fastmmap.recover(path)
    assert path.read_bytes() == b""
    (aside,) = ours(tmp_path, ".aside")
    assert b"staged\n" in (tmp_path / aside).read_bytes()
    assert fastmmap.recover(path) is False
    with fastmmap.Appender(path) as log:
        log.append(b"x")
    assert path.read_bytes() == b"x"
    assert ours(tmp_path, ".aside") == [aside]


def test_an_unfinished_stage_is_removed(tmp_path):
    path = tmp_path / "log"
    path.touch()
    stage = tmp_path / f".fastmmap-{path.stat().st_ino:x}-{'0' * 32}.stage"
    for content in (b"", bytes(100_000)):
        stage.write_bytes(content)
        assert fastmmap.recover(path) is True
        assert os.listdir(tmp_path) == ["log"]


def test_two_names_of_a_log_in_one_directory(tmp_path):
    """They are one log: they share its lock, and whoever opens the one recovers what was left by the other."""
    path, link = tmp_path / "log", tmp_path / "second"
    path.touch()
    os.link(path, link)
    killed(path, b"one\n")
    killed(link, b"two\n")
    assert fastmmap.recover(link) is True
    assert path.read_bytes() in (b"one\ntwo\n", b"two\none\n")
    assert sorted(os.listdir(tmp_path)) == ["log", "second"]


def test_identical_records_are_each_one(tmp_path):
    """Nothing is taken for drained because the same bytes stand where it would have gone."""
    path = tmp_path / "log"
    for _ in range(3):
        killed(path, b"tick\n" * 3)
    with fastmmap.Appender(path) as log:
        log.append(b"tick\n")
    assert path.read_bytes() == b"tick\n" * 10


def test_the_command(tmp_path):
    path = tmp_path / "app.log"
    killed(path, b"one\n")

    def command(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "fastmmap", "recover", *arguments], capture_output=True, text=True, timeout=60
        )
        return done.returncode, done.stdout, done.stderr

    assert command(path) == (0, "recovered\n", "")
    assert command(tmp_path) == (0, "nothing to recover\n", "")
    assert path.read_bytes() == b"one\n"
    stage = stage_file(path)
    with open(stage, "r+b") as file:
        file.seek(8)
        file.write(struct.pack("<I", 99))
    status, out, err = command(tmp_path / "nowhere", path)
    assert (status, out) == (2, "")
    assert err.splitlines()[0].endswith("nowhere: No such file or directory")
    assert "Version 99 of the stage isn't supported" in err
    assert "Traceback" not in err


HOLDER = """
import pathlib, sys, time
from fastmmap import system
file = open(sys.argv[1], "r+b")
system.lock(file.fileno())
print(flush=True)
time.sleep(0.3)
pathlib.Path(sys.argv[2]).touch()
"""


def test_a_stopped_writer_holds_the_others_up_no_longer_than_it_stands_still(tmp_path):
    """Documented: a drain waits for the lock, appends into a stage with room don't."""
    path = tmp_path / "log"
    path.touch()
    lock = tmp_path / f".fastmmap-{path.stat().st_ino:x}.lock"
    with fastmmap.Appender(path, interval=None) as log:
        holder = subprocess.Popen([sys.executable, "-c", HOLDER, lock, tmp_path / "released"], stdout=subprocess.PIPE)
        holder.stdout.readline()
        log.append(b"staged\n")
        log.flush()
        assert (tmp_path / "released").exists()
        holder.communicate()
    assert path.read_bytes() == b"staged\n"
