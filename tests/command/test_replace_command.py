"""fastmmap replace: pairs, expectations, previews, folders, and as a filter."""

from __future__ import annotations

import os
import random
import subprocess

import pytest
from support.commands import command, run, run_in_terminal

import fastmmap
from fastmmap.cli.preview import SHOWN

pytestmark = pytest.mark.any_kernel


def fails(*arguments, words, **options):
    status, output, errors = run("replace", *arguments, **options)
    assert (status, output, errors.count(b"\n")) == (2, b"", 1)
    assert words in errors.decode()


def test_pairs_of_a_file(make):
    path = make(b"one two three\n")
    pairs = make(b"one\ttwo\ntwo\tone\nthree\t\n", "pairs")
    assert run("replace", "--pairs", pairs, path)[1] == b"3 replaced, 14 bytes before, 9 after\n"
    assert path.read_bytes() == b"two one \n"
    assert run("replace", "--pairs", "-", path, stdin=b"two\t2")[0] == 0
    assert run("replace", "--escapes", "--pairs", "-", path, stdin=rb"\n" + b"\t" + rb"\0")[0] == 0
    assert path.read_bytes() == b"2 one \0"


@pytest.mark.parametrize(
    ("pairs", "words"),
    [(b"", "line 1 of"), (b"a\tb\n\n", "line 2 of"), (b"a b\n", "is not OLD, a tab, and NEW"), (b"\tb\n", "line 1"),
     (b"a\tb\na\tc\n", "line 2 of {} has an OLD that is in a line before: 'a'")],
)  # fmt: skip
def test_pairs_that_are_none(make, pairs, words):
    path, file = make(b"a"), make(pairs, "pairs")
    fails("--pairs", file, path, words=words.format(file))
    fails("--pairs", file, "--escapes", path, words="line")
    assert path.read_bytes() == b"a"


def test_what_is_expected(make, tmp_path):
    one, two = make(b"port=80\n", "one"), make(b"port=80 port=80\n", "two")
    fails("--expect", "2", "port", "p", one, two, words="3 would be replaced, and not 2: nothing was changed")
    fails("--expect", "1", "port", "p", one, tmp_path / "missing", words="missing")
    assert (one.read_bytes(), two.read_bytes()) == (b"port=80\n", b"port=80 port=80\n")
    assert run("replace", "--expect", "3", "port", "p", one, two)[0] == 0
    assert (one.read_bytes(), two.read_bytes()) == (b"p=80\n", b"p=80 p=80\n")
    assert run("replace", "--expect", "0", "port", "p", one)[0] == 1


def test_a_folder(tmp_path):
    for name in ("a.txt", "b.py", "sub/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"old" if name != "b.py" else b"old old")
    (tmp_path / "none").write_bytes(b"nothing")
    status, output, errors = run("replace", "-r", "-g", "*.txt", "old", "new", cwd=tmp_path)
    assert (status, errors) == (0, b"")
    names = (b"a.txt", os.fsencode(os.path.join("sub", "c.txt")))
    assert output == b"".join(b"%b:1 replaced, 3 bytes before, 3 after\n" % name for name in names)
    assert (tmp_path / "b.py").read_bytes() == b"old old"
    assert run("replace", "-r", "absent", "new", tmp_path) == (1, b"", b"")
    fails("old", "new", tmp_path, words="Is a directory: -r takes the files in it")


def test_own_files_and_backups_are_left_alone(tmp_path):
    """Of a log that is written, of an edit that isn't finished, and those that the same call has kept."""
    (tmp_path / "f").write_bytes(b"a")
    (tmp_path / ".fastmmap-12.journal").write_bytes(b"a")
    for given, rest in ((("a", "b"), b"b"), (("b", "a"), b"a")):
        assert run("replace", "-r", "--force", "--backup", ".orig", *given, tmp_path)[0] == 0
        assert (tmp_path / "f").read_bytes() == rest
    assert (tmp_path / ".fastmmap-12.journal").read_bytes() == b"a"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".fastmmap-12.journal", "f", "f.orig"]
    assert run("count", "-r", "-h", "a", tmp_path)[1] == b"1\n0\n"
    fails("a", "b", tmp_path / ".fastmmap-12.journal", words="recover takes care of it")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no stage in a file")
def test_the_stage_of_an_open_log_is_left_alone(tmp_path):
    with fastmmap.Appender(tmp_path / "log") as log:
        log.append("an old record\n")
        assert run("replace", "-r", "old", "newer", tmp_path)[0] in (1, 2)  # there is nothing, or the log is refused
    assert (tmp_path / "log").read_bytes() == b"an old record\n"


def test_a_file_that_is_named_twice_is_expected_once(make, tmp_path):
    path = make(b"aa")
    (tmp_path / "link").hardlink_to(path)
    fails("--expect", "4", "a", "b", path, path, words="2 would be replaced, and not 4")
    status, output, _ = run("replace", "--in-place", "--expect", "2", "a", "b", path, path, tmp_path / "link")
    assert (status, output.count(b"2 replaced"), path.read_bytes()) == (0, 1, b"bb")


# --- previews ---


def marks(path, *arguments):
    """What a dry run shows in a terminal, with the marked parts in brackets."""
    status, shown = run_in_terminal("replace", "-n", *arguments, path)
    for colour in (b"35", b"32"):
        shown = shown.replace(b"\x1b[%bm" % colour, b"{").replace(b"{%b}" % colour, b"")
    assert status == 0
    return shown.replace(b"\x1b[1;31m", b"[").replace(b"\x1b[1;32m", b"[").replace(b"\x1b[0m", b"]")


def test_changes_are_marked(make):
    path = make(b"nothing\na one, a ONE\n")
    assert marks(path, "one", "1").startswith(b"{2]:[-]a [one], a ONE\n{2]:[+]a [1], a ONE\n1 would")
    assert marks(path, "-i", "one", "1").startswith(b"{2]:[-]a [one], a [ONE]\n{2]:[+]a [1], a [1]\n2 would")
    assert marks(path, "-m", "1", "a", "b").startswith(b"{2]:[-][a] one, a ONE\n{2]:[+][b] one, a ONE\n1 would")
    assert marks(path, "one, ", "").startswith(b"{2]:[-]a [one, ]a ONE\n{2]:[+]a a ONE\n1 would")
    assert marks(path, "--escapes", r"g\n", "-").startswith(b"{1]:[-]nothin[g\n]a one, a ONE\n{1]:[+]nothin[-]a one")
    assert path.read_bytes() == b"nothing\na one, a ONE\n"


def test_long_lines_are_cut_to_a_window(make):
    path = make(b"x" * 5000 + b"needle" + b"y" * 5000)
    output = run("replace", "-n", "needle", "N", path)[1]
    before, after = output.splitlines()[:2]
    assert before == b"1:-..." + b"x" * 40 + b"needle" + b"y" * 154 + b"..."
    assert after == b"1:+..." + b"x" * 40 + b"N" + b"y" * 159 + b"..."


def test_a_quiet_dry_run_shows_the_changes_alone(make):
    assert run("replace", "-qn", "a", "b", make(b"a\n")) == (0, b"1:-a\n1:+b\n", b"")


def test_the_output_is_no_dash(make):
    fails("--output", "-", "a", "b", make(b"a"), words="--output can't be -")


def test_only_the_first_changes_are_shown(make):
    output = run("replace", "-n", "a", "b", make(b"a\n" * 100))[1]
    assert output.count(b"\n") == 2 * SHOWN + 1
    assert output.endswith(b"100 would be replaced, 200 bytes before, 200 after\n")


# --- a filter ---


def test_a_filter():
    assert run("replace", "a", "bb", stdin=b"banana\n") == (0, b"bbbnbbnbb\n", b"")
    assert run("replace", "a", "", "-", stdin=b"banana") == (0, b"bnn", b"")
    assert run("replace", "-i", "-m", "2", "A", "x", stdin=b"banana") == (0, b"bxnxna", b"")
    assert run("replace", "absent", "x", stdin=b"banana") == (1, b"banana", b"")
    assert run("replace", "absent", "x", stdin=b"") == (1, b"", b"")


def test_a_filter_of_much(make):
    data = bytes(random.Random(4).choices(b"abc\n", k=3_000_000))
    path = make(data)
    with path.open("rb") as file:
        assert run("replace", "abc", "<abc>", file=file) == (0, data.replace(b"abc", b"<abc>"), b"")
    assert run("replace", "ab", "", stdin=data)[1] == data.replace(b"ab", b"")


def test_a_filter_gives_what_is_decided_before_it_waits():
    with subprocess.Popen(command("replace", "ab", "x"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(b"1 ab 2 a")
        process.stdin.flush()
        assert os.read(process.stdout.fileno(), 100) == b"1 x 2 "
        process.stdin.write(b"b\n")
        process.stdin.close()
        assert process.stdout.read() == b"x\n"
        assert process.wait() == 0


@pytest.mark.parametrize("option", ["--in-place", "--backup=.x", "--output=x", "--expect=1", "-n", "--sync", "--force"])
def test_a_filter_has_no_file(option):
    fails("a", "b", "-", option, words="- is a filter: from standard input to standard output", stdin=b"a")
    fails("a", "b", "-", "-", words="give it alone", stdin=b"a")
