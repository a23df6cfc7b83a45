"""fastmmap lines: what sed -n prints, counted from either end, of files and of pipes."""

from __future__ import annotations

import random
import shlex
import subprocess

import pytest
from support.commands import YES, command, run
from support.marks import posix_shell

from fastmmap.cli import lines, main

pytestmark = pytest.mark.any_kernel


def expected(text, ranges):
    """The lines of a text, of each range in turn."""
    found = text.split(b"\n")
    if found[-1] == b"":
        found.pop()
    printed = []
    for first, last in ranges:
        low = 1 if first is None else first if first > 0 else len(found) + 1 + first
        high = len(found) if last is None else last if last > 0 else len(found) + 1 + last
        printed += found[max(low, 1) - 1 : max(high, 0)]
    return b"".join(line + b"\n" for line in printed)


def said(bound):
    return "" if bound is None else str(bound)


def test_ranges_of_random_texts(make, capfdbinary, monkeypatch):
    """Blocks are so small that lines lie across their bounds."""
    rng = random.Random(3)
    for turn in range(400):
        monkeypatch.setattr(lines, "_BLOCK", rng.choice([1, 3, 16, 1 << 24]))
        monkeypatch.setattr(lines, "_NEAR", rng.choice([1, 2, 1 << 16]))
        text = b"\n".join(rng.choices([b"", b"a", b"bcd"], k=rng.randint(0, 9))) + rng.choice([b"", b"\n"])
        bounds = [None, *range(-12, 0), *range(1, 13)]
        ranges = [(rng.choice(bounds), rng.choice(bounds)) for _ in range(rng.randint(1, 3))]
        path = make(text, f"text{turn % 2}")
        status = main(["lines", *(f"{said(first)}:{said(last)}" for first, last in ranges), str(path)])
        assert (status, capfdbinary.readouterr()) == (0, (expected(text, ranges), b"")), (text, ranges)


@pytest.mark.parametrize("way", ["file", "pipe", "redirected"])
def test_files_and_streams(make, way):
    path = make(b"".join(b"line %d\n" % number for number in range(1, 50_001)))

    def printed(*ranges):
        if way == "file":
            return run("lines", *ranges, path)
        if way == "pipe":
            return run("lines", *ranges, stdin=path.read_bytes())
        with path.open("rb") as file:
            return run("lines", *ranges, "-", file=file)

    assert printed("3", "7:8", "50000") == (0, b"line 3\nline 7\nline 8\nline 50000\n", b"")
    assert printed("8", "7") == (0, b"line 8\nline 7\n", b"")
    assert printed("-1", ":1") == (0, b"line 50000\nline 1\n", b"")
    assert printed("-n", "49999:") == (0, b"49999:line 49999\n50000:line 50000\n", b"")
    assert printed("60000:") == (0, b"", b"")
    status, output, errors = printed("2", "50001")
    assert (status, output) == (2, b"line 2\n")
    assert errors == b"fastmmap: there is no line 50001: there are 50000\n"
    assert printed("-50001")[0] == 2


def test_an_endless_pipe():
    with subprocess.Popen(YES, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as endless:
        done = subprocess.run(
            command("lines", "2:3"), stdin=endless.stdout, capture_output=True, timeout=60, check=False
        )
        endless.stdout.close()
        endless.terminate()
    assert (done.returncode, done.stdout, done.stderr) == (0, b"y\ny\n", b"")


@pytest.mark.parametrize("ranges", [["-99999999999999999999:"], ["-1"], ["-3:"], ["-3:-2", "-1"], ["-9:"], ["-2:-3"]])
@pytest.mark.parametrize("text", [b"", b"1\n2\n3\n4\n", b"1\n2\n3\n4", b"x" * 200_000 + b"\ny"])
def test_the_end_of_a_stream_is_that_of_a_file(make, text, ranges):
    of_a_file, of_a_stream = run("lines", "-n", *ranges, make(text)), run("lines", "-n", *ranges, stdin=text)
    assert of_a_stream == of_a_file


@posix_shell
def test_the_end_of_a_long_stream_in_little_memory():
    done = subprocess.run(
        ["bash", "-c", f"ulimit -v 400000; yes | head -c 600000000 | {shlex.join(command('lines', '-1'))}"],
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"y\n", b"")


def test_several_files(make, tmp_path):
    one, two = make(b"a\nb\n", "one"), make(b"c", "two")
    assert run("lines", "1", one, two) == (0, f"{one}:a\n{two}:c\n".encode(), b"")
    assert run("lines", "-n", "-1", one, two)[1] == f"{one}:2:b\n{two}:1:c\n".encode()
    status, output, errors = run("lines", "1", one, tmp_path / "missing", two)
    assert (status, output, errors.count(b"\n")) == (2, f"{one}:a\n{two}:c\n".encode(), 1)


@pytest.mark.parametrize(
    ("given", "words"),
    [(["0"], "counted from 1"), (["1:0"], "counted from 1"), (["one"], "RANGE is missing"), ([], "RANGE is missing"),
     (["--", "x"], "RANGE is missing"), (["1", "-x"], "no option -x")],
)  # fmt: skip
def test_what_is_no_range(make, given, words):
    status, output, errors = run("lines", *given, make(b"a\n"))
    assert (status, output, errors.count(b"\n")) == (2, b"", 1)
    assert words in errors.decode()


def test_a_file_whose_name_is_a_number(make, tmp_path, monkeypatch):
    make(b"text\n", "7")
    monkeypatch.chdir(tmp_path)
    assert run("lines", "1", "./7") == (0, b"text\n", b"")
