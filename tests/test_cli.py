"""The command: what it prints, and its status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

import fastmmap


def run(*arguments, stdin=b"", **options):
    done = subprocess.run(
        [sys.executable, "-m", "fastmmap", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        timeout=120,
        **options,
    )
    return done.returncode, done.stdout, done.stderr


def fails(*arguments, words):
    """Status 2 and one line on stderr."""
    status, output, errors = run(*arguments)
    assert (status, output) == (2, b"")
    assert errors.count(b"\n") == 1
    assert errors.startswith(b"fastmmap")
    assert words in errors.decode()


def test_count(make):
    one, two = make(b"the cat, the dog, THE end", "one"), make(b"nothing", "two")
    assert run("count", "the", one) == (0, b"2\n", b"")
    assert run("count", "-i", "the", one) == (0, b"3\n", b"")
    assert run("count", "the", two) == (1, b"0\n", b"")
    assert run("count", "the", one, two) == (0, f"{one}:2\n{two}:0\n".encode(), b"")
    assert run("count", "--overlapping", "aa", "-", stdin=b"aaaa") == (0, b"3\n", b"")
    assert run("count", "é", make("éé".encode())) == (0, b"2\n", b"")


def test_find(make):
    one, two = make(b"abcabcab", "one"), make(b"xxab", "two")
    assert run("find", "ab", one) == (0, b"0\n3\n6\n", b"")
    assert run("find", "-m", "2", "ab", one, two) == (0, f"{one}:0\n{one}:3\n{two}:2\n".encode(), b"")
    assert run("find", "-m", "0", "ab", one) == (1, b"", b"")
    assert run("find", "zz", one) == (1, b"", b"")
    assert run("find", "ab", "-", stdin=b"..ab") == (0, b"2\n", b"")
    assert run("find", b"\xff".decode(errors="surrogateescape"), make(b"a\xff")) == (0, b"1\n", b"")


def test_find_many(make):
    status, output, _ = run("find", "a", make(b"a" * 200_000))
    assert (status, output) == (0, b"".join(b"%d\n" % i for i in range(200_000)))


def test_replace(make):
    path = make(b"the cat, the dog")
    assert run("replace", "the", "a", path) == (0, b"2 replaced, 16 bytes before, 12 after\n", b"")
    assert path.read_bytes() == b"a cat, a dog"
    assert run("replace", "-m", "1", "a", "the", path)[0] == 0
    assert path.read_bytes() == b"the cat, a dog"
    assert run("replace", "--no-sync", " ", "", path)[0] == 0
    assert run("replace", "absent", "x", path)[0] == 1
    assert path.read_bytes() == b"thecat,adog"


def test_append(tmp_path):
    path = tmp_path / "log"
    assert run("append", path, "one", "zwö") == (0, b"", b"")
    assert run("append", "-n", path, "three") == (0, b"", b"")
    assert run("append", path, stdin=b"four\n\0") == (0, b"", b"")
    assert path.read_bytes() == "onezwöthree\nfour\n\0".encode()


def test_errors_are_one_line(make, tmp_path):
    path = make(b"abc")
    fails("count", "a", tmp_path / "missing", words="missing: No such file or directory")
    fails("find", "a", tmp_path, words="Is a directory")
    fails("replace", "", "x", path, words="old must not be empty")
    fails("replace", "a", "x", tmp_path / "missing", words="missing: No such file or directory")
    fails("append", tmp_path, "x", words="Is a directory")
    fails("demo", tmp_path / "missing", words="missing: No such file or directory")
    fails("demo", make(b"short", "short"), words="less than 100 bytes")
    fails("demo", "--size", "much", words="not a size")
    fails("find", "-m", "-1", "a", path, words="negative")
    fails("find", "-m", "x", "a", path, words="invalid")
    fails("count", words="required")
    fails("frobnicate", words="frobnicate")
    assert path.read_bytes() == b"abc"


def test_an_error_does_not_keep_the_other_files_from_their_turn(make, tmp_path):
    path = make(b"aaa")
    status, output, errors = run("count", "a", tmp_path / "missing", path)
    assert (status, output) == (2, f"{path}:3\n".encode())
    assert b"missing" in errors


def test_a_reader_that_has_enough(make):
    path = make(b"a" * 500_000)
    with subprocess.Popen(
        [sys.executable, "-m", "fastmmap", "find", "a", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_an_interrupt(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-m", "fastmmap", "append", str(tmp_path / "log")],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        while not (tmp_path / "log").exists():
            time.sleep(0.01)
        # A signal that comes just before read(2) is seen after it, in any Python program: so it is sent until it is.
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        assert process.stderr.read() == b""
        assert process.returncode == 130


def test_version_and_help():
    status, output, _ = run("--version")
    assert (status, output.decode()) == (0, f"fastmmap {fastmmap.__version__}, kernel {fastmmap.kernel}\n")
    for command in ((), ("find",), ("count",), ("replace",), ("append",), ("demo",)):
        status, output, errors = run(*command, "--help")
        assert (status, errors) == (0, b"")
        assert output.startswith(b"usage: fastmmap")


@pytest.mark.parametrize("given", [True, False])
def test_demo(make, given, tmp_path):
    """The race of a small text: every answer equal, and nothing left behind."""
    text = make(b"some words the cat and the dog\n" * 10_000)
    before = text.stat()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    arguments = [text] if given else ["--size", "1M"]
    status, output, errors = run("demo", *arguments, env={**os.environ, "TMPDIR": str(temporary)})
    assert (status, errors) == (0, b"")
    assert b"All answers are equal." in output
    assert [line.split()[0] for line in output.decode().splitlines()[3:9]] == [
        "read",
        "find",
        "count",
        "replace",
        "append",
        "100000",
    ]
    assert os.listdir(temporary) == []
    assert (text.stat().st_mtime_ns, text.stat().st_size) == (before.st_mtime_ns, before.st_size)


def test_closed_streams(make, tmp_path):
    path = make(b"abc")

    def shell(command):
        command = command.replace("fastmmap", f"{sys.executable} -m fastmmap")
        done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=120)
        return done.returncode, done.stderr.count(b"\n"), b"Traceback" in done.stderr

    assert shell(f"fastmmap count abc {path} >&-") == (2, 1, False)
    assert shell("fastmmap find a - <&-") == (2, 1, False)
    assert shell(f"fastmmap append {tmp_path}/new <&-") == (2, 1, False)
    assert shell(f"fastmmap replace a b {tmp_path}") == (2, 1, False)


def test_names_that_are_not_utf8(make):
    path = make(b"abc", os.fsdecode(b"name-\xff"))
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    status, output, _ = run("replace", "b", "x", path, make(b"b", "two"), env=environment)
    assert (status, output.startswith(os.fsencode(path))) == (0, True)
