"""replace_file on a file that is an Appender's log."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from support.commands import DIE

import fastmmap

OLD = b"the cat sat\n"

WRITER = f"""
import os, signal, sys, fastmmap
log = fastmmap.Appender(sys.argv[1], interval=None)
log.append(b"a cat of another process\\n")
os.write(1, b"ready\\n")
sys.stdin.readline()
{DIE}
"""


@pytest.fixture
def writer(make):
    """A log, and the process that writes to it."""
    path = make(OLD)
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        yield path, process
        process.kill()


def test_a_living_writer_s_is_left_alone_and_a_dead_one_s_recovered_first(writer):
    path, process = writer
    names = sorted(os.listdir(path.parent))
    if len(names) == 1:
        pytest.skip("its stage is in memory here")
    plan = fastmmap.plan_replace(path, "cat", "dog")
    assert plan.count == 1, "what is in the file"
    for edit in (plan.apply, lambda: fastmmap.replace_file(path, "cat", "dog")):
        with pytest.raises(OSError, match=r"Appender has the file open \(stage \.fastmmap-.*close it first") as caught:
            edit()
        assert (caught.value.errno, caught.value.filename) == (errno.EBUSY, str(path))
    assert sorted(os.listdir(path.parent)) == names
    assert path.read_bytes() == OLD
    process.communicate(b"\n")
    assert fastmmap.replace_file(path, "cat", "dog").count == 2
    assert path.read_bytes() == b"the dog sat\na dog of another process\n"
    assert os.listdir(path.parent) == ["file"]


def test_an_interrupt_after_a_dead_writer_s_records_were_taken_to_the_file(writer):
    path, process = writer
    process.communicate(b"\n")
    with pytest.raises(KeyboardInterrupt) as caught:
        fastmmap.replace_file(path, "cat", "dog", progress=interrupt)
    assert path.read_bytes() == OLD + b"a cat of another process\n"
    if caught.value.__notes__ == [f"{path} is unchanged"]:
        pytest.skip("its stage is in memory here")
    (note,) = caught.value.__notes__
    assert note.startswith(f"{path} is not edited, but it changed: a dead writer's records were added")
    with pytest.raises(KeyboardInterrupt) as caught:
        fastmmap.replace_file(path, "cat", "dog", progress=interrupt)
    assert caught.value.__notes__ == [f"{path} is unchanged"]


def interrupt(done, total):
    raise KeyboardInterrupt


def test_a_log_that_is_opened_meanwhile(make, tmp_path):
    path, logs = make(OLD), []

    def progress(done, total):
        if not logs:
            logs.append(fastmmap.Appender(path, interval=None))

    with pytest.raises(OSError, match="Appender.*close it first"):
        fastmmap.replace_file(path, "cat", "dog", progress=progress)
    logs[0].append(b"more\n")
    logs[0].close()
    assert path.read_bytes() == OLD + b"more\n"
    assert os.listdir(tmp_path) == ["file"]
