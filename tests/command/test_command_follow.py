"""The command `follow`: lines as they arrive, and where it goes on after it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from support.commands import command, heed_interrupts, in_posix_words, run

pytestmark = pytest.mark.any_kernel

# What is said of one, which can't even be opened everywhere.
DIRECTORY = "Is a directory" if os.name == "nt" else "Only regular files can be followed, and this is a directory"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "app.log"
    path.write_bytes(b"one\ntwo\n")
    return path


def add(path, text):
    with open(path, "ab") as file:
        file.write(text)


def test_what_is_there(path):
    assert run("follow", path, "--start", "0", "--timeout", "0") == (0, b"one\ntwo\n", b"")
    assert run("follow", "--timeout=0", "--start=4", path) == (0, b"two\n", b"")
    assert run("follow", path, "--timeout", "0") == (1, b"", b"")
    position = f"{path.stat().st_ino}:4"
    assert run("follow", path, "--start", position, "--timeout", "0.01") == (0, b"two\n", b"")


def test_a_line_that_has_got_no_end(path):
    add(path, b"thr")
    process = subprocess.Popen(command("follow", path, "--start", "0", "--timeout", "5"), stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"one\n"
    assert process.stdout.readline() == b"two\n"
    os.rename(path, path.with_name("app.log.1"))
    path.write_bytes(b"new\n")
    assert process.stdout.readline() == b"thr\n", "it gets one, so that the next begins a line"
    assert process.stdout.readline() == b"new\n"
    process.terminate()
    process.communicate()


def test_state(path, tmp_path):
    """It goes on where it was, whatever --start says, and writes nothing twice."""
    state = tmp_path / "state"
    arguments = ("follow", path, "--state", state, "--start", "0", "--timeout", "0")
    assert run(*arguments) == (0, b"one\ntwo\n", b"")
    assert state.read_text() == f"{path.stat().st_ino}:8\n"
    add(path, b"three\n")
    os.rename(path, path.with_name("app.log.1"))
    path.write_bytes(b"four\n")
    assert run(*arguments) == (0, b"three\nfour\n", b"")
    assert run(*arguments) == (1, b"", b"")
    assert sorted(os.listdir(tmp_path)) == ["app.log", "app.log.1", "state"]


def test_a_shipper_that_is_killed(path, tmp_path):
    """Again and again: each line is written, and after a kill the last ones at most once more."""
    state, output = tmp_path / "state", tmp_path / "output"
    numbers = iter(range(10**9))
    for _ in range(5):
        with open(output, "ab") as file:
            arguments = command("follow", path, "--state", state, "--start", "8")
            process = subprocess.Popen(arguments, stdout=file)
            for _ in range(50):
                add(path, b"".join(b"%d\n" % next(numbers) for _ in range(10)))
                time.sleep(0.002)
            process.kill()
            process.wait()
    with open(output, "ab") as file:
        arguments = command("follow", path, "--state", state, "--start", "8", "--timeout", "0.1")
        subprocess.run(arguments, stdout=file, check=False)
    lines = [int(line) for line in output.read_bytes().splitlines()]
    assert sorted(set(lines)) == list(range(2500))
    assert len(lines) <= 2500 + 5 * 500


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "FILE"),
        (["app.log", "--start", "begin"], "'begin' is neither end, nor an offset, nor INODE:OFFSET"),
        (["app.log", "--start", "-1"], "'-1'"),
        (["app.log", "--start", "1:2:3"], "'1:2:3'"),
        (["app.log", "--timeout", "soon"], "'soon' is not a number of seconds"),
        (["app.log", "--timeout", "-1"], "'-1' is not a number of seconds from 0 on"),
        (["app.log", "--timeout", "nan"], "'nan'"),
        (["absent/app.log", "--timeout", "0"], "absent: No such file or directory"),
        (["."], DIRECTORY),
        (["app.log", "--state", "bad", "--timeout", "0"], "bad keeps no position: 'no position' isn't INODE:OFFSET"),
        (["app.log", "--state", ".", "--timeout", "0"], "Is a directory"),
        (["app.log", "--start", "0", "--state", "absent/state", "--timeout", "0"], "absent/state: No such file"),
    ],
)
def test_bad_arguments(path, tmp_path, arguments, words):
    (tmp_path / "bad").write_text("no position")
    status, _, errors = run("follow", *arguments, cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.getcwd()})
    assert (status, errors.count(b"\n")) == (2, 1)
    assert words in in_posix_words(errors.decode())


def test_an_interrupt(path):
    arguments = command("follow", path, "--start", "0")
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed_interrupts)
    assert [process.stdout.readline() for _ in range(2)] == [b"one\n", b"two\n"]
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 130


def test_nobody_reads_it_any_more(path):
    """It is noticed without a line to write, as by `follow FILE | head -1`."""
    process = subprocess.Popen(command("follow", path, "--start", "0"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"one\n"
    process.stdout.close()
    assert process.wait(30) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_state_that_can_not_be_kept_leaves_nothing(make, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    status, output, errors = run("follow", "--timeout", "0", "--state", folder, make(b"x\n", "log"))
    assert (status, output, errors.count(b"\n")) == (2, b"", 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "log"]
