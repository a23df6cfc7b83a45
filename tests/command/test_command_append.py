"""The command `append`: whole texts, or standard input, and no more."""

from __future__ import annotations

import os
import subprocess

from support.commands import command, run, shell


def test_append(tmp_path):
    path = tmp_path / "log"
    assert run("append", path, "one", "zwö") == (0, b"", b"")
    assert run("append", "--newline", path, "three") == (0, b"", b"")
    assert run("append", path, stdin=b"four\n\0") == (0, b"", b"")
    assert path.read_bytes() == "onezwöthree\nfour\n\0".encode()


def test_append_its_own_file(make, tmp_path):
    path = make(b"abc\n", "log")
    (tmp_path / "link").hardlink_to(path)
    (tmp_path / "symlink").symlink_to(path)
    for name in ("log", "link", "symlink"):
        with path.open("rb") as file:
            status, _, errors = run("append", tmp_path / name, file=file)
        assert (status, errors) == (2, f"fastmmap: {tmp_path / name}: input file is output file\n".encode())
    assert path.read_bytes() == b"abc\n"
    with path.open("rb") as file:
        assert run("append", path, "text", file=file)[0] == 0


def test_append_takes_no_more_than_the_text(small_disk):
    log = small_disk / "log"
    for _ in range(2):
        assert run("append", "--newline", log, "one", "two") == (0, b"", b"")
    assert os.listdir(small_disk) == ["log"]
    text = "x" * 100_000
    (small_disk / "fill").write_bytes(bytes((1 << 20) - (1 << 16)))
    status, _, errors = run("append", log, "a", text)
    assert (status, errors) == (2, f"fastmmap: {log}: No space left on device\n".encode())
    assert log.read_bytes() == b"one\ntwo\n" * 2
    status, _, errors = run("append", log, stdin=bytes(3 << 20))
    assert (status, errors.count(b"\n")) == (2, 1)
    assert b"bytes of standard input were appended" in errors or log.read_bytes() == b"one\ntwo\n" * 2


def test_appends_of_many_are_whole(tmp_path):
    log = tmp_path / "log"
    text = "x" * (50_000 if os.name == "posix" else 30_000)  # Windows has all arguments in 32,767 characters
    processes = [subprocess.Popen(command("append", "--newline", log, text + str(i), f"end {i}")) for i in range(6)]
    assert [process.wait() for process in processes] == [0] * 6
    lines = log.read_text().splitlines()
    pairs = sorted(zip(lines[::2], lines[1::2]))
    assert pairs == [(text + str(i), f"end {i}") for i in range(6)]


def test_append_needs_no_standard_output(tmp_path):
    """It writes nothing there. --help does."""
    log = tmp_path / "log"
    assert shell(f"fastmmap append {log} text >&-") == (0, b"", b"")
    assert shell(f"echo more | fastmmap append {log} >&-") == (0, b"", b"")
    assert log.read_bytes() == b"textmore\n"
    for others in ("append --help", f"replace e a {log}"):
        status, _, errors = shell(f"fastmmap {others} >&-")
        assert (status, errors.count(b"\n")) == (2, 1)
        assert errors.startswith(b"fastmmap: standard output")
    assert log.read_bytes() == b"textmore\n"


def test_append_to_what_is_no_file(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(command("append", fifo, "x" * 100_000)) as process:
        assert fifo.read_bytes() == b"x" * 100_000
        assert process.wait() == 0
    assert run("append", os.devnull, "text") == (0, b"", b"")
