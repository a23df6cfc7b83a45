"""What dead writers leave beside one that lives is taken over by it, in time and once."""

from __future__ import annotations

import os

import pytest
from support.lacks import without
from support.marks import staged
from support.programs import run, wait_until
from support.writers import killed

import fastmmap


def leaves(path, record):
    """A child that ends without a word to anybody."""
    child = os.fork()
    if child == 0:
        log = fastmmap.Appender(path, interval=None)
        log.append(record)
        os._exit(0)
    os.waitpid(child, 0)


@staged
def test_a_living_writer_takes_over_in_time(tmp_path):
    path = tmp_path / "log"
    with fastmmap.Appender(path, interval=0.01) as log:
        for i in range(5):
            leaves(path, b"child's\n")
            log.append(b"mine\n")
            wait_until(lambda i=i: path.read_bytes().count(b"child's\n") == i + 1)
        wait_until(lambda: not log._is_armed)
    assert path.read_bytes().count(b"mine\n") == 5
    assert os.listdir(tmp_path) == ["log"]


@without("os.fork")
@staged
@pytest.mark.parametrize("how", ["close", "the end"])
def test_a_living_writer_takes_over_when_it_ends(tmp_path, how):
    code = (
        "import os, sys, fastmmap\n"
        "log = fastmmap.Appender(sys.argv[1], interval=None)\n"
        "if os.fork() == 0:\n"
        "    log.append(b'child\\n')\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "if sys.argv[2] == 'close': log.close()\n"
    )
    assert run(code, tmp_path / "log", how) == (0, "", "")
    assert (tmp_path / "log").read_bytes() == b"child\n"
    assert os.listdir(tmp_path) == ["log"]


@staged
def test_a_stage_is_looked_for_when_the_folder_has_changed(tmp_path, monkeypatch):
    """Or while others' are known to be there: else it costs one look at the folder's time."""
    path = tmp_path / "log"
    listed = []
    with fastmmap.Appender(path, interval=None) as log:
        os.utime(tmp_path, (1, 1))
        real = os.listdir
        monkeypatch.setattr(os, "listdir", lambda folder: listed.append(folder) or real(folder))
        for _ in range(3):
            log.append(b"x")
            log._tick()
        assert len(listed) == 1
        killed(path, b"dead\n")
        log.append(b"x")
        log._tick()
        assert len(listed) > 1
        assert b"dead\n" in path.read_bytes()


@staged
def test_two_that_live_take_over_once(tmp_path):
    path = tmp_path / "log"
    logs = [fastmmap.Appender(path, interval=0.002) for _ in range(3)]
    for i in range(20):
        killed(path, b"dead %d\n" % i)
        for log in logs:
            log.append(b"x\n")
    for log in logs:
        log.close()

    def dead():
        return sorted(line for line in path.read_bytes().splitlines() if line != b"x")

    wait_until(lambda: len(dead()) >= 20)  # a stage that the ticker's thread is at is left to it by close
    assert dead() == sorted(b"dead %d" % i for i in range(20))
