"""Every option of every command, by the command itself: in a pipe, and in a terminal of its own."""

from __future__ import annotations

import os
import re

import pytest
from support.commands import run, run_in_terminal

from fastmmap.cli.commands import commands

pytestmark = pytest.mark.any_kernel

LOG = b"one\ntwo ONE\nthree one one\nfour\none\n"
NUMBER, COLON, MATCH, NAME = b"\x1b[32m%d\x1b[0m", b"\x1b[36m:\x1b[0m", b"\x1b[1;31m%b\x1b[0m", b"\x1b[35m%b\x1b[0m"


def coloured(number, text):
    """A line with its number, in which "one" is marked."""
    return NUMBER % number + COLON + text.replace(b"one", MATCH % b"one") + b"\n"


INNER = os.fsencode(os.path.join("FOLDER", "log"))
LINES = coloured(1, b"one") + coloured(3, b"three one one") + coloured(5, b"one")

# Of each command: what is given, what a pipe gets, and what a terminal shows where that is something else. LOG is a
# file with the text above, and stands for itself; OTHER is a copy of it.
GREP = {
    "-e": (["-e", "four", "-e", "two", "LOG"], b"two ONE\nfour\n",
           coloured(2, MATCH % b"two" + b" ONE") + coloured(4, MATCH % b"four")),
    "-f": (["-f", "NEEDLES", "-N", "LOG"], b"two ONE\nfour\n",
           MATCH % b"two" + b" ONE\n" + MATCH % b"four" + b"\n"),
    "-E": (["-cE", "o.e$", "LOG"], b"3\n"),
    "-F": (["-cF", "o.e", "LOG"], b"0\n"),
    "--escapes": (["-c", "--escapes", r"\x6fne", "LOG"], b"3\n"),
    "-i": (["-ci", "one", "LOG"], b"4\n"),
    "-v": (["-v", "one", "LOG"], b"two ONE\nfour\n", coloured(2, b"two ONE") + coloured(4, b"four")),
    "-m": (["-m1", "one", "LOG"], b"one\n", coloured(1, b"one")),
    "-r": (["-rc", "one", "FOLDER"], INNER + b":3\n", (NAME % INNER) + COLON + b"3\n"),
    "-g": (["-rl", "-g", "!log", "one", "FOLDER"], b""),
    "-n": (["-n", "one", "LOG"], b"1:one\n3:three one one\n5:one\n", LINES),
    "-N": (["-N", "four", "LOG"], b"four\n", MATCH % b"four" + b"\n"),
    "-b": (["-b", "-N", "four", "LOG"], b"26:four\n", NUMBER % 26 + COLON + MATCH % b"four" + b"\n"),
    "-o": (["-o", "-N", "one", "LOG"], b"one\n" * 4, (MATCH % b"one" + b"\n") * 4),
    "-A": (["-A1", "two", "LOG", "--color", "never"], b"two ONE\nthree one one\n", b"2:two ONE\n3-three one one\n"),
    "-B": (["-B1", "two", "LOG", "--color", "never"], b"one\ntwo ONE\n", b"1-one\n2:two ONE\n"),
    "-C": (["-C1", "four", "LOG", "--color", "never"], b"three one one\nfour\none\n",
           b"3-three one one\n4:four\n5-one\n"),
    "-c": (["-c", "one", "LOG"], b"3\n"),
    "-l": (["-l", "one", "LOG"], b"LOG\n", NAME % b"LOG" + b"\n"),
    "-L": (["-L", "none", "LOG"], b"LOG\n", NAME % b"LOG" + b"\n"),
    "-q": (["-q", "one", "LOG"], b""),
    "--bytes": (["--bytes", "one", "LOG"], b"0\n18\n22\n31\n"),
    "--overlapping": (["--bytes", "--overlapping", "e o", "LOG"], b"16\n20\n"),
    "-H": (["-cH", "one", "LOG"], b"LOG:3\n", NAME % b"LOG" + COLON + b"3\n"),
    "-h": (["-ch", "one", "LOG", "OTHER"], b"3\n3\n"),
    "-0": (["-l0", "one", "LOG"], b"LOG\0", NAME % b"LOG" + b"\0"),
    "--json": (["--json", "four", "LOG"], re.compile(rb'(\{"type":"(begin|match|end|summary)",.*\n){4}')),
    "--stats": (["-c", "--stats", "one", "LOG"],
                re.compile(rb"3\n\n4 matches\n3 matched lines\n1 files contained .*", re.S)),
    "--color": (["--color", "always", "four", "LOG", "-N"], MATCH % b"four" + b"\n"),
    "-j": (["-c", "-j", "2", "one", "LOG"], b"3\n"),
    "--progress": (["-c", "--progress", "one", "LOG"], b"3\n", re.compile(rb".*3\n.*", re.S)),
}  # fmt: skip
COUNT = {
    "-e": (["-e", "one", "-e", "four", "LOG"], b"4\tone\n1\tfour\n"),
    "-f": (["-f", "NEEDLES", "LOG"], b"1\tfour\n1\ttwo\n"),
    "-E": (["-E", "o.e", "LOG"], b"4\n"),
    "-F": (["-F", "o.e", "LOG"], b"0\n"),
    "--escapes": (["--escapes", r"\n", "LOG"], b"5\n"),
    "-i": (["-i", "one", "LOG"], b"5\n"),
    "--overlapping": (["--overlapping", "e", "LOG"], b"6\n"),
    "-r": (["-r", "one", "FOLDER"], INNER + b":4\n"),
    "-g": (["-r", "-g", "*.txt", "one", "FOLDER"], b""),
    "-H": (["-H", "one", "LOG"], b"LOG:4\n"),
    "-h": (["-h", "one", "LOG", "OTHER"], b"4\n4\n"),
    "-0": (["-0", "one", "LOG", "OTHER"], b"LOG\x004\nOTHER\x004\n"),
    "-j": (["-j1", "one", "LOG"], b"4\n"),
    "--progress": (["--progress", "one", "LOG"], b"4\n", re.compile(rb".*4\n.*", re.S)),
}
REPLACED = b"4 replaced, 35 bytes before, 31 after\n"
OLD, NEW = b"\x1b[1;31m%b\x1b[0m", b"\x1b[1;32m%b\x1b[0m"
REPLACE = {
    "-n": (["-n", "one", "1 ", "LOG"],
           re.compile(rb"1:-one\n1:\+1 \n3:-three one one\n3:\+three 1  1 \n5:-one\n5:\+1 \n4 w.*\n"),
           re.compile(re.escape(NUMBER % 1 + b":" + OLD % b"-" + OLD % b"one" + b"\n" + NUMBER % 1 + b":" + NEW % b"+"
                                + NEW % b"1 ") + rb"\n.*4 would be replaced, .*", re.S)),
    "--pairs": (["--pairs", "PAIRS", "LOG"], b"5 replaced, 35 bytes before, 30 after\n"),
    "--escapes": (["--escapes", r"\x6fne", "1e", "LOG"], REPLACED),
    "-i": (["-i", "ONE", "1e", "LOG"], b"5 replaced, 35 bytes before, 30 after\n"),
    "-m": (["-m", "1", "one", "1e", "LOG"], b"1 replaced, 35 bytes before, 34 after\n"),
    "--expect": (["--expect", "4", "one", "1e", "LOG"], REPLACED),
    "-r": (["-r", "one", "1e", "FOLDER"], INNER + b":" + REPLACED),
    "-g": (["-r", "-g", "*.txt", "one", "1e", "FOLDER"], b""),
    "--backup": (["--backup", ".orig", "one", "1e", "LOG"], REPLACED),
    "--in-place": (["--in-place", "one", "1e", "LOG"], REPLACED),
    "--journal": (["--in-place", "--journal", "JOURNAL", "one", "1e", "LOG"], REPLACED),
    "--output": (["--output", "NEW", "one", "1e", "LOG"], REPLACED),
    "--sync": (["--sync", "--in-place", "one", "1e", "LOG"], REPLACED),
    "--no-sync": (["--no-sync", "one", "1e", "LOG"], REPLACED),
    "--force": (["--force", "one", "1e", "LOG"], REPLACED),
    "-q": (["-q", "one", "1e", "LOG"], b""),
    "--color": (["-n", "--color", "always", "four", "4", "LOG"], re.compile(re.escape(NUMBER % 4) + rb".*", re.S)),
    "--progress": (["--progress", "one", "1e", "LOG"], REPLACED, re.compile(rb".*4 replaced.*", re.S)),
}  # fmt: skip
CASES = {
    "grep": GREP,
    "count": COUNT,
    "replace": REPLACE,
    "lines": {"-n": (["-n", "2", "-1", "LOG"], b"2:two ONE\n5:one\n")},
    "append": {
        "--escapes": (["--escapes", "LOG", r"\n"], b""),
        "--newline": (["--newline", "LOG", "text"], b""),
    },
    "follow": {
        "--start": (["--start", "26", "--timeout", "0", "LOG"], b"four\none\n"),
        "--state": (["--state", "STATE", "--timeout", "0", "LOG"], b""),
        "--timeout": (["--timeout", "0", "--start", "0", "LOG"], LOG),
    },
    "recover": {},
    "info": {},
    "demo": {
        "--size": (["--size", "200K"], re.compile(rb".*All answers are equal\..*", re.S)),
        "--plot": (["--plot", "no.gif"], b""),
    },
    "completion": {},
}
HELP = re.compile(rb"usage: fastmmap .*examples:\n.*options:\n.*--help +show this help\n", re.S)


@pytest.fixture
def there(make, tmp_path, monkeypatch):
    """The files that the arguments name, in the folder in which the command runs."""
    make(LOG, "LOG")
    make(LOG, "OTHER")
    make(b"four\ntwo\n", "NEEDLES")
    make(b"one\t1e\nfour\t4ur\n", "PAIRS")
    (tmp_path / "FOLDER").mkdir()
    make(LOG, "FOLDER/log")
    monkeypatch.chdir(tmp_path)


def test_every_option_is_tried():
    assert [command.name for command in commands()] == list(CASES)
    for command in commands():
        tried = set(CASES[command.name])
        assert {option.names[0] for option in command.options} - {"--help"} == tried, command.name


def fits(shown, expected):
    return bool(expected.fullmatch(shown)) if isinstance(expected, re.Pattern) else shown == expected


@pytest.mark.parametrize(("name", "option"), [(name, option) for name, cases in CASES.items() for option in cases])
def test_an_option(there, name, option):
    arguments, expected, *shown = CASES[name][option]
    if option == "--progress":
        pytest.importorskip("rich")
    if option == "--plot":
        status, output, errors = run(name, *arguments)
        assert (status, output, errors.count(b"\n")) == (2, b"", 1)
        return
    _, output, errors = run(name, *arguments)
    assert fits(output, expected), output
    if option == "--journal" and not hasattr(os, "setxattr"):  # by which files lead to their journals
        assert errors.startswith(b"fastmmap: the file can't be given an attribute that names its journal")
        assert errors.count(b"\n") == 1
    else:
        assert option == "--progress" or errors == b""
    if name in ("replace", "append"):  # which have changed the files
        for each in ("LOG", "FOLDER/log"):
            with open(each, "wb") as file:
                file.write(LOG)
        arguments = ["--force", *arguments] if name == "replace" else arguments
    _, output = run_in_terminal(name, *arguments)
    assert fits(output, shown[0] if shown else expected), output


@pytest.mark.parametrize("name", CASES)
def test_help(name):
    for status, output in (run(name, "--help")[:2], run_in_terminal(name, "--help")):
        assert status == 0
        assert HELP.fullmatch(output), output
        assert max(map(len, output.split(b"\n"))) <= 100


def test_no_colours_where_they_are_not_wanted(there):
    plain = b"1:one\n3:three one one\n5:one\n"
    assert run_in_terminal("grep", "one", "LOG") == (0, LINES)
    assert run_in_terminal("grep", "one", "LOG", NO_COLOR="1") == (0, plain)
    assert run_in_terminal("grep", "one", "LOG", TERM="dumb") == (0, plain)
    assert run_in_terminal("grep", "--color", "never", "one", "LOG") == (0, plain)
    assert run_in_terminal("grep", "--color", "always", "one", "LOG", NO_COLOR="1") == (0, LINES)
    status, output, errors = run("grep", "--color", "blue", "one", "LOG")
    assert (status, output, errors.count(b"\n")) == (2, b"", 1)


def test_a_terminal_is_not_taken_for_a_file(there):
    for arguments in (["grep", "x"], ["count", "x"], ["lines", "1"], ["replace", "a", "b"]):
        status, shown = run_in_terminal(*arguments)
        assert (status, shown.count(b"\n")) == (2, 1)
        assert b"FILE is missing; - stands for standard input" in shown
    assert run_in_terminal("count", "x", "-", stdin=b"xx\n") == (0, b"2\n")
    assert run_in_terminal("replace", "x", "y", "-", stdin=b"axb\n") == (0, b"ayb\n")
