"""A log that an Appender has open is refused to those who would replace it; what dead writers left is taken to it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from support.marks import staged
from support.writers import killed, ours

import fastmmap
from fastmmap.logs.recovering import refuse_open_log

pytestmark = [
    staged,
]

# A writer that says when it is open, and lives until its input ends.
WRITER = (
    "import sys, fastmmap\n"
    "log = fastmmap.Appender(sys.argv[1], interval=None)\n"
    "log.append(b'staged\\n')\n"
    "print(flush=True)\n"
    "sys.stdin.read()\n"
)


def refused(path):
    with pytest.raises(OSError, match="An Appender has the file open .stage .*close it first") as caught:
        refuse_open_log(str(path))
    assert (caught.value.errno, caught.value.filename) == (errno.EBUSY, str(path))
    return str(caught.value)


@pytest.mark.parametrize("where", ["beside it", "in a folder of its own"])
def test_an_appender_of_this_process(tmp_path, stage, where):
    path, stages = tmp_path / "log", None
    if where == "in a folder of its own":
        if stage == "memory":
            pytest.skip("memory is in no folder")
        stages = tmp_path / "stages"
        stages.mkdir()
    (tmp_path / "link").symlink_to("log")
    with fastmmap.Appender(path, stage_dir=stages, interval=None):
        name = "in memory of this process" if stage == "memory" else ours(stages or tmp_path, ".stage")[0]
        assert name in refused(path)
        with pytest.raises(OSError, match="close it first"):
            refuse_open_log(str(tmp_path / "link"))
        (tmp_path / "other").touch()
        refuse_open_log(str(tmp_path / "other"))
    refuse_open_log(str(path))


def test_an_appender_of_another_process(tmp_path):
    path = tmp_path / "log"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        writer.stdout.readline()
        (stage,) = ours(tmp_path, ".stage")
        killed(path, b"dead\n")
        assert stage in refused(path)
        assert path.read_bytes() == b"dead\n", "what nobody holds is taken over first"
        assert ours(tmp_path, ".stage") == [stage]
        (tmp_path / "other").touch()
        refuse_open_log(str(tmp_path / "other"))
        writer.stdin.close()
        writer.wait()
    refuse_open_log(str(path))
    assert path.read_bytes() == b"dead\nstaged\n"


def test_what_a_dead_writer_has_left_is_in_the_log_first(tmp_path):
    path = tmp_path / "log"
    killed(path, b"one\n")
    killed(tmp_path / "other", b"other's\n")
    refuse_open_log(str(path))
    assert path.read_bytes() == b"one\n"
    assert (tmp_path / "other").read_bytes() == b""


def test_a_stage_that_can_not_be_recovered_is_an_error(tmp_path):
    """Its records would belong to no file, if another came into the log's place."""
    path = tmp_path / "log"
    killed(path, b"one\n")
    (stage,) = (tmp_path / name for name in ours(tmp_path, ".stage"))
    os.truncate(stage, 10_000)
    with pytest.raises(OSError, match="damaged"):
        refuse_open_log(str(path))


def test_another_log_s_stage_that_can_not_be_recovered_is_none_of_its_business(tmp_path):
    path = tmp_path / "log"
    killed(path, b"one\n")
    path.rename(tmp_path / "keeps the number from being used again")
    os.rename(tmp_path / "keeps the number from being used again", tmp_path.parent / "elsewhere")
    path.touch()
    refuse_open_log(str(path))
    (tmp_path.parent / "elsewhere").unlink()


def test_it_costs_a_look_into_the_folder(tmp_path):
    path = tmp_path / "file"
    path.touch()
    code = (
        "import sys, fastmmap\n"
        "from fastmmap.logs.recovering import refuse_open_log\n"
        "before = set(sys.modules)\n"
        "refuse_open_log(sys.argv[1])\n"
        "print(*set(sys.modules) - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
