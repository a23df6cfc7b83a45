"""The command's arguments: in any order, any bytes, and none means anything else than it says."""

from __future__ import annotations

import pytest

from fastmmap.cli import main, values


@pytest.fixture
def run(capfdbinary):
    """The command in this process: status, output and errors."""

    def command(*arguments):
        status = main([str(argument) for argument in arguments])
        return status, *capfdbinary.readouterr()

    return command


@pytest.fixture
def fails(run):
    """Status 2 and one line of errors."""

    def command(*arguments, words):
        status, output, errors = run(*arguments)
        assert (status, output, errors.count(b"\n")) == (2, b"", 1)
        assert errors.startswith(b"fastmmap: ")
        assert words in errors.decode()

    return command


def test_options_stand_anywhere(make, run, fails):
    path, other = make(b"Aa a\n-i\n--\n-e", "one"), make(b"A", "two")
    both = f"{path}:3\n{other}:1\n".encode()
    for arguments in (["-i", "a", path, other], ["a", path, "-i", other], ["a", path, other, "-i"],
                      ["-e", "a", path, "-i", other], [path, "-ie", "a", other], [path, "-iea", "--", other],
                      ["--needle=a", path, other, "--ignore-case"], [path, other, "-i", "--needle", "a"]):  # fmt: skip
        assert run("count", *arguments) == (0, both, b"")
    for needle, at in (("-i", 5), ("--", 8), ("-e", 11)):
        for arguments in (["--", needle, path], ["-e", needle, path], [path, f"-e{needle}"], [path, "-e", needle]):
            assert run("find", "--bytes", *arguments) == (0, b"%d\n" % at, b"")
    assert run("find", "--bytes", "a", "-m1", path, other)[1] == f"{path}:1\n".encode()
    assert run("find", "--bytes", path, "-im", "1", "-e", "a") == (0, b"0\n", b"")


def test_options_before_the_command(make, run, fails):
    path = make(b"Aa a\n-i\n", "o")
    for arguments in (["-i", "count", "a", path], ["-ie", "a", "count", path], ["-e", "a", "count", "-i", path],
                      ["--needle=a", "-i", "count", path], ["-i", "--", "count", "a", path]):  # fmt: skip
        assert run(*arguments) == (0, b"3\n", b"")
    assert run("--", "find", "-i", path) == (0, b"-i\n", b"")
    assert run("-m", "1", "find", "--bytes", "a", path) == run("-m1", "find", "a", path, "--bytes") == (0, b"1\n", b"")
    assert run("--escapes", "count", r"\n", path) == (0, b"2\n", b"")
    assert run("-n", "replace", "a", "b", path)[0] == 0
    fails("--count", "1", "replace", "a", "b", path, words="option --count is another one for another command")
    assert path.read_bytes() == b"Aa a\n-i\n"
    for arguments in (["--version"], ["-i", "--version"], ["--version", "find"]):
        assert run(*arguments)[1].startswith(b"fastmmap ")
    for arguments in (["--help"], ["-h"], ["-i", "--help"]):
        assert b"COMMAND" in run(*arguments)[1]
    for arguments, words in ((["--bogus", "find"], "no option --bogus"), (["-mfind"], "COMMAND is missing"),
                             (["-m", "1", "count", "a", path], "count: there is no option -m"),
                             (["-i"], "COMMAND is missing"), (["--"], "COMMAND is missing"), (["-m"], "needs a value"),
                             (["--version=1"], "--version takes no value"),
                             (["-i", "seek", "a"], "no command 'seek'"), (["--", "-i"], "no command '-i'"),
                             ):  # fmt: skip
        fails(*arguments, words=words)


def test_arguments_that_begin_with_a_dash(make, run, tmp_path, monkeypatch):
    path = make(b"a -x --")
    assert run("replace", path, "--", "-x", "--")[0] == 2
    assert run("replace", "--no-sync", "--", "-x", "-y", path)[0] == 0
    assert run("replace", "--backup", "-old", "--", "--", "-", path)[0] == 0
    assert path.read_bytes() == b"a -y -"
    assert (tmp_path / "file-old").exists()
    assert run("append", path, "--", "-n", "--", "-") == (0, b"", b"")
    assert path.read_bytes() == b"a -y --n---"
    monkeypatch.chdir(tmp_path)
    assert run("append", "--newline", "--", "-n", "-n")[0] == 0
    assert (tmp_path / "-n").read_bytes() == b"-n\n"


def test_a_value_of_two_dashes(make, run, fails, tmp_path):
    path = make(b"aaa", "o")
    for given in (["-m", "--"], ["-m--"], ["--max-count", "--"], ["--max-count=--"]):
        fails("find", "--bytes", "a", path, *given, words="invalid number: '--'")
        fails("replace", "a", "b", path, *given, words="invalid number: '--'")
    for given in (["--size", "--"], ["--size=--"]):
        fails("demo", *given, words="'--' is not a size")
    for given in (["--backup", "--"], ["--backup=--"]):
        assert run("replace", "a", "b", path, *given)[0] == 0
        assert (tmp_path / "o--").read_bytes() == b"aaa"
        (tmp_path / "o--").replace(path)


def test_bytes_by_escapes(make, run, fails):
    path = make(b"a\0b\n\\n\xff")
    for needle, at in ((r"\0", 1), (r"b\n", 2), (r"\\n", 4), (r"\xff", 6), (r"\xFF", 6), (r"\n\x5C", 3)):
        assert run("find", "--bytes", "--escapes", needle, path) == (0, b"%d\n" % at, b"")
        assert run("find", "--bytes", path, "--escapes", "-e", needle) == (0, b"%d\n" % at, b"")
    assert run("find", "--bytes", r"\n", path) == (0, b"4\n", b"")
    assert run("replace", "--escapes", r"\0", r"\t", path)[0] == 0
    assert run("append", "--escapes", path, r"\n\\x41") == (0, b"", b"")
    assert path.read_bytes() == b"a\tb\n\\n\xff\n\\x41"
    for bad in ("\\", r"\q", r"\x4", r"\xzz", r"\1", "a" + "\\" * 3, "\\\n"):
        fails("count", "--escapes", bad, path, words="is not an escape")
    fails("replace", "a", r"\e", path, "--escapes", words=r"NEW: \e is not an escape")
    fails("append", path, "fine", r"\e", "--escapes", words="TEXT")


def test_options_for_texts_are_for_no_standard_input(make, run, fails):
    path = make(b"abc")
    for option in ("--escapes", "--newline"):
        fails("append", path, option, words=f"append: option {option} needs a TEXT")
    assert run("append", path, "--newline", "")[0] == 0
    assert path.read_bytes() == b"abc\n"


def test_no_argument_means_something_else(make, run, fails):
    path = make(b"aaa")
    for bad in ("1_0", "+1", " 1", "\u0661", "1.0", "0x1", "", "--1"):
        fails("find", "--bytes", "-m", bad, "a", path, words="invalid number")
    for bad in ("1_0", "\u0661M", "-1", "0", "1MM", "K"):
        fails("demo", "--size", bad, words="not a size")
    for bad in ("--ignore", "--over", "--max", "-x", "-5", "--needl=a"):
        fails("find", "--bytes", bad, "a", path, words="no option")
    fails("find", "--bytes", "--overlapping=no", "a", path, words="overlapping")
    fails("find", "-E", "--bytes", "a", path, words="--bytes and -E don't go together")
    fails("find", "--bytes", "a", path, "-m", words="needs a value")
    fails("replace", "a", "b", path, "--backup", "", words="backup")
    fails("demo", path, path, words="too many")
    fails("recover", words="PATH is missing")
    for command in ("append", "follow", "recover", "demo"):
        fails(command, "-", words="can't be -, standard input; ./- is a file of that name")
    assert run("find", "--bytes", "-m", "9" * 30, "a", path) == (0, b"0\n1\n2\n", b"")
    assert run("replace", "-m", "9" * 30, "a", "b", path)[0] == 0


def test_sizes():
    for text, number in (("1", 1), ("1000", 1000), ("64K", 1 << 16), ("64M", 1 << 26), ("64MiB", 1 << 26),
                         ("64MB", 64_000_000), ("64mb", 64_000_000), ("1G", 1 << 30), ("7B", 7)):  # fmt: skip
        assert values.size(text) == number
    for bad in ("", "M", "0", "1.5G", "-1", "1MBM", "1BM", "1 M", "1P", "1iB"):
        with pytest.raises(ValueError, match="is not a size such as 256M, 64MiB or 64MB"):
            values.size(bad)
