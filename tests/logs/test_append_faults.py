"""Appenders when something goes wrong: each system call fails or is the last, writers are killed, disks are full."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from support import lacks
from support.fail import MODES
from support.faulty_appends import VARIANTS
from support.marks import staged

import fastmmap


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("mode", MODES)
def test_each_call_fails_or_is_the_last(faulty, variant, mode):
    assert faulty("faulty_appends.py", variant, mode) > 20


@lacks.proc
def test_killed_at_any_step(tool):
    assert "every record once and in order" in tool("append_steps.py", "--runs", "100")


@lacks.without("os.fork")
@staged
def test_killed_at_any_time(tool):
    assert "each once, whole, in order" in tool("append_kills.py", "--kills", "100")


@lacks.without("os.fork")
@staged
def test_a_crowd_of_writers(tool):
    assert "none lost, doubled or torn" in tool("append_crowd.py", "--records", "30000")


@staged
@pytest.mark.parametrize("options", [{}, {"sync": "always"}, {"interval": None}])
def test_a_full_disk_keeps_the_records(small_disk, stage, options):
    """What was accepted is in the log when there is room again, whatever was refused meanwhile."""
    path, filler = small_disk / "log", small_disk / "filler"
    filler.write_bytes(bytes(600_000))
    log = fastmmap.Appender(path, stage_size=50_000, **options)
    accepted, refused = [], 0
    for i in range(3000):
        record = b"%06d %s\n" % (i, b"x" * (i * 7919 % 900)) if i % 100 else b"%06d %s\n" % (i, b"L" * 80_000)
        try:
            log.append(record)
            accepted.append(record)
        except OSError as error:
            named = (error.errno, error.filename)
            refused += 1
        if refused == 50:
            filler.unlink(missing_ok=True)
    assert refused > 100
    assert named == (errno.ENOSPC, str(path))
    assert log.position == log.size == sum(map(len, accepted))
    text = path.read_bytes()
    assert b"".join(accepted).startswith(text)
    assert text == b"" or text.endswith(b"\n"), "whole records alone"
    if options.get("sync") != "always":
        with pytest.raises(OSError, match="No space.*log"):
            log.flush()
        with pytest.raises(OSError, match="No space.*log"):
            log.close()
        assert not log.closed
    os.truncate(path, len(text) // 2)  # room, as copytruncate makes it
    log.close()
    data = path.read_bytes()
    assert data.startswith(text[: len(text) // 2])
    assert b"".join(accepted).endswith(data[len(text) // 2 :])
    assert len(data) == len(text) // 2 + sum(map(len, accepted)) - len(text)


@staged
def test_no_room_for_a_stage(small_disk):
    """No signal, and nothing half done."""
    path = small_disk / "log"
    with pytest.raises(OSError, match="No space.*log"):
        fastmmap.Appender(path)
    assert os.listdir(small_disk) == ["log"]
    with fastmmap.Appender(path, stage_size=100_000) as log:
        log.append(b"a record\n")
    assert path.read_bytes() == b"a record\n"


@lacks.without("resource.setrlimit")
@staged
def test_a_log_may_not_grow_so_large(tmp_path):
    """RLIMIT_FSIZE: whole records up to there, and all of them once it is higher. One drain of 2000 bytes waits."""
    code = (
        "import resource, sys, fastmmap\n"
        "log = fastmmap.Appender(sys.argv[1], stage_size=2000, interval=None)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_500, -1))\n"
        "accepted = 0\n"
        "try:\n"
        "    while True:\n"
        "        log.append(b'%09d\\n' % accepted)\n"
        "        accepted += 1\n"
        "except OSError as error: print(error.errno, error.filename)\n"
        "print(accepted, len(open(sys.argv[1], 'rb').read()))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))\n"
        "log.close()\n"
        "print(open(sys.argv[1], 'rb').read() == b''.join(b'%09d\\n' % i for i in range(accepted)))\n"
    )
    path = tmp_path / "log"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [f"{errno.EFBIG} {path}", "2200 20000", "True"], done
