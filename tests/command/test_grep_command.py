"""fastmmap grep prints what GNU grep and ripgrep print."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys

import pytest
from support.commands import SCRIPT, command, in_posix_words, run, shell
from support.lacks import lack

from fastmmap.cli import main

pytestmark = pytest.mark.any_kernel

GREP = shutil.which("grep")
RG = shutil.which("rg")
WORDS = ["a", "b", "ab", "ba", "A", "aB", "b a", "", "xx", "xyx", "é"]


def is_gnu():
    if GREP is None:
        return False
    said = subprocess.run([GREP, "--version"], capture_output=True, text=True, check=False).stdout
    return said.startswith("grep (GNU grep) 3") and int(said.split()[3].split(".")[1]) >= 5


def text(rng):
    lines = [" ".join(rng.choices(WORDS, k=rng.randint(0, 4))) for _ in range(rng.randint(0, 12))]
    return "\n".join(lines) + rng.choice(["", "\n"])


# Each with whether GNU grep has it by the same name.
FLAGS = [[], ["-n"], ["-b"], ["-o"], ["-c"], ["-l"], ["-L"], ["-v"], ["-i"], ["-H"], ["-h"], ["-q"], ["-m", "1"],
         ["-m", "2"], ["-A", "1"], ["-B1"], ["-C", "1"], ["-C2"], ["-A9"]]  # fmt: skip
NEEDLES = [["a"], ["-e", "a", "-e", "ab"], ["-e", "xx"], ["b a"], ["é"], ["-E", "[ab]+"], ["-E", "^a"], ["-E", "x.x"],
           ["-E", "^$"], ["-E", "-e", "x+", "-e", "a$"], ["-F", "x.x"]]  # fmt: skip


@pytest.mark.skipif(not is_gnu(), reason="there is no GNU grep of 3.5 or later")
def test_as_gnu_grep(make, capfdbinary, monkeypatch):
    """Random texts and options: output and status."""
    rng = random.Random(22)
    for _ in range(400):
        files = [str(make(text(rng).encode(), name)) for name in ("one", "two", "three")[: rng.choice([1, 1, 2, 3])]]
        chosen = {"".join(each)[:2]: each for each in rng.sample(FLAGS, rng.randint(0, 4))}
        if len({"-c", "-l", "-L", "-q"} & set(chosen)) > 1 or ({"-A", "-B", "-C"} & set(chosen) and "-o" in chosen):
            continue  # of the first GNU grep takes one; of the others it prints separators alone
        flags = [each for flag in chosen.values() for each in flag]
        needle = rng.choice(NEEDLES)
        fixed = [] if "-E" in needle or "-F" in needle else ["-F"]
        asked = [GREP, "-a", *fixed, *flags, *needle, *files]
        theirs = subprocess.run(asked, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"})
        status = main(["grep", "--color=never", *flags, *needle, *files])
        ours = capfdbinary.readouterr()
        expected = theirs.returncode
        if "-L" in chosen:  # as ripgrep has it: whether a file was named
            expected = 0 if theirs.stdout else 1
        assert (ours.out, ours.err, status) == (theirs.stdout, theirs.stderr, expected), asked


@pytest.mark.skipif(RG is None, reason="there is no rg")
@pytest.mark.parametrize("options", [[], ["-C1"], ["-v"], ["-i"], ["-m", "2"], ["-A2"]])
def test_json_as_ripgrep(make, options):
    path = make("one ERROR\ntwo\nERROR ERROR é\nthree\nfour\nerror".encode() + b" \xff\nlast error", "log")
    asked = ["--json", *options, "ERROR", path]
    theirs = subprocess.run([RG, "--no-config", *map(str, asked)], capture_output=True, check=False)
    status, output, _ = run("grep", *asked)

    def messages(said):
        found = [json.loads(line) for line in said.splitlines()]
        for message in found:
            for numbers in (message["data"], message["data"].get("stats", {})):
                for name in ("elapsed", "elapsed_total", "bytes_printed", *["bytes_searched"] * ("-m" in options)):
                    numbers.pop(name, None)
        return found

    assert (messages(output), status) == (messages(theirs.stdout), theirs.returncode)


def test_json_of_bytes_and_names_that_are_no_text(make):
    path = make(b"x \xff\nno newline x", os.fsdecode(b"n\xff"))
    status, output, _ = run("grep", "--json", "x", path)
    begin, first, last, end, summary = map(json.loads, output.splitlines())
    assert (status, begin["data"]["path"].keys(), end["type"]) == (0, {"bytes"}, "end")
    assert first["data"]["lines"] == {"bytes": "eCD/Cg=="}
    assert last["data"]["lines"] == {"text": "no newline x"}
    assert summary["data"]["stats"]["matches"] == 2
    status, output, _ = run("grep", "--json", "y", "-", stdin=b"xx")
    assert (status, [json.loads(line)["type"] for line in output.splitlines()]) == (1, ["summary"])
    status, output, _ = run("grep", "--json", "x", "-", stdin=b"a\nxx")
    assert json.loads(output.splitlines()[0])["data"]["path"] == {"text": "<stdin>"}
    assert json.loads(output.splitlines()[1])["data"]["lines"] == {"text": "xx"}


@pytest.fixture
def tree(tmp_path):
    """A folder of files, with a link out of it where links can be made."""
    names = ("b.txt", "a.txt", "sub/c.txt", "sub/deep/d.py", "sub/deep/e.txt", ".hidden/f.txt", "skip/g.txt")
    for name in names:
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"needle in " + name.encode() + b"\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "h.txt").write_bytes(b"needle\n")
    try:
        (tmp_path / "tree" / "link").symlink_to(tmp_path / "outside")
        (tmp_path / "tree" / "link.txt").symlink_to(tmp_path / "outside" / "h.txt")
    except OSError as error:
        if lack(error) is None:
            raise
    return tmp_path / "tree"


ALL = [".hidden/f.txt", "a.txt", "b.txt", "skip/g.txt", "sub/c.txt", "sub/deep/d.py", "sub/deep/e.txt"]
TEXTS = [name for name in ALL if name.endswith(".txt")]


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        ([], ALL),
        (["*.txt"], TEXTS),
        (["*.txt", "!skip"], [name for name in TEXTS if "skip" not in name]),
        (["!sub"], [name for name in ALL if "sub" not in name]),
        (["!sub/deep"], [name for name in ALL if "deep" not in name]),
        (["sub/*.txt"], ["sub/c.txt"]),
        (["sub/**/*.txt"], ["sub/c.txt", "sub/deep/e.txt"]),
        (["sub/**"], ["sub/c.txt", "sub/deep/d.py", "sub/deep/e.txt"]),
        (["[ab].txt"], ["a.txt", "b.txt"]),
        (["[!a].txt", "!.hidden"], [name for name in TEXTS if name[-5] != "a" and "hidden" not in name]),
        (["?.py"], ["sub/deep/d.py"]),
        (["!*.txt", "a.txt"], ["a.txt", "sub/deep/d.py"][:1]),
        (["nothing"], []),
        (["*.{py,md}"], ["sub/deep/d.py"]),
        (["!*.{t?t,md}"], ["sub/deep/d.py"]),
        (["{a,sub/{c,deep/e}}.txt"], ["a.txt", "sub/c.txt", "sub/deep/e.txt"]),
        ([r"\a.txt"], ["a.txt"]),
        ([r"a\?txt"], []),
        (["[]a].txt"], ["a.txt"]),
        (["[a&&b~~|[].txt"], ["a.txt", "b.txt"]),
        (["sub[!x]c.txt"], []),
        (["!sub/"], [name for name in ALL if "sub" not in name]),
        (["!a.txt/"], ALL),
        (["[+--].txt"], []),
    ],
)
def test_folders_and_globs(tree, globs, expected):
    given = [each for glob in globs for each in ("-g", glob)]
    status, output, errors = run("grep", "-rl", *given, "needle", ".", cwd=tree)
    expected = [name.replace("/", os.sep) for name in expected]
    names = [f".{os.sep}{name}" for name in expected]
    assert (status, output.decode().split(), errors) == (0 if expected else 1, names, b"")
    if not globs:
        assert run("grep", "-rl", "needle", cwd=tree)[1].decode().split() == expected
        counted = run("count", "-r", "needle", tree)[1].decode().splitlines()
        assert counted == [f"{tree / name}:1" for name in expected]


@pytest.mark.parametrize("glob", ["[", "a[", "[]", "[z-a]", "{a,b", "a\\", "", "!", "/"])
def test_globs_that_are_none(tree, glob):
    status, output, errors = run("grep", "-r", "-g", glob, "needle", tree)
    assert (status, output, errors.count(b"\n")) == (2, b"", 1)
    assert b"--glob: " in errors


def test_a_folder_without_r_is_an_error_and_the_rest_goes_on(tree):
    status, output, errors = run("grep", "needle", tree, tree / "a.txt")
    assert (status, output) == (2, f"{tree / 'a.txt'}:needle in a.txt\n".encode())
    assert errors == f"fastmmap: {tree}: Is a directory: -r takes the files in it\n".encode()
    status, output, errors = run("grep", "-g", "*.txt", "needle", tree)
    assert (status, output, errors.count(b"\n")) == (2, b"", 1)


def test_an_error_among_many_files_stands_where_the_file_does(make, tmp_path):
    paths = [make(b"x\n", f"f{number:03}") for number in range(150)]
    paths.insert(75, tmp_path / "missing")
    status, output, errors = run("grep", "-c", "x", *paths)
    assert status == 2
    assert output.decode().splitlines() == [f"{path}:1" for path in paths if path.name != "missing"]
    said = f"fastmmap: {tmp_path / 'missing'}: No such file or directory\n"
    assert in_posix_words(errors.decode()) == said
    assert run("grep", "-q", "x", *paths)[0] == 0  # as ripgrep has it: what was found wins where nothing is printed


def test_needles_of_files(make):
    log = make(b"one\ntwo\nthree\nt\\x00\n", "log")
    needles = make(b"two\nthree\n", "needles")
    assert run("grep", "-f", needles, log) == (0, b"two\nthree\n", b"")
    assert run("grep", "-f", needles, "-e", "one", log)[1] == b"one\ntwo\nthree\n"
    assert run("grep", "-f", "-", log, stdin=b"t\\x77o") == (1, b"", b"")
    assert run("grep", "--escapes", "-f", "-", log, stdin=b"t\\x77o") == (0, b"two\n", b"")
    assert run("grep", "-f", make(b"", "none"), log) == (1, b"", b"")
    assert run("count", "-f", make(b"", "none"), log) == (1, b"0\n", b"")
    assert run("grep", "--bytes", "-f", make(b"", "none"), log) == (1, b"", b"")
    status, output, errors = run("grep", "-f", make(b"two\n\nthree", "gap"), log)
    assert (status, output, errors.count(b"\n")) == (2, b"", 1)
    assert b"line 2" in errors


def test_a_pattern_that_is_none(make):
    status, output, errors = run("grep", "-E", "a(", make(b"a("))
    assert (status, output, errors.count(b"\n")) == (2, b"", 1)
    assert b"'a(' is not a regular expression: missing )" in errors
    assert run("grep", "a(", make(b"a(")) == (0, b"a(\n", b"")


@pytest.mark.parametrize("patterns", [["(a)", r"(b)\1"], ["(?i)a", "b"], ["(?P<x>a)", "(?P<x>b)"], ["a", "("]])
def test_patterns_that_mean_something_else_together(make, patterns):
    given = [part for pattern in patterns for part in ("-e", pattern)]
    status, output, errors = run("grep", "-E", *given, make(b"bb\nA\n"))
    assert (status, output, errors.count(b"\n")) == (2, b"", 1)
    assert run("grep", "-E", "-e", "(a)", "-e", "(b)b", make(b"bb\nA\n")) == (0, b"bb\n", b"")
    assert run("grep", "-E", r"(?i)(a)|(b)\2", make(b"bb\nA\n")) == (0, b"bb\nA\n", b"")


@pytest.mark.parametrize("option", ["-q", "-l", "-L"])
def test_standard_input_is_left_at_its_end(make, option):
    with make(b"1 x\n2\n").open("rb", buffering=0) as file:
        subprocess.run(command("grep", option, "x"), stdin=file, capture_output=True, check=False)
        assert file.read() == b""


def test_files_without_bytes_among_many(tmp_path):
    """They are read as streams: by threads, too, of which none prints anything itself."""
    for number in range(300):
        (tmp_path / f"f{number:03}").write_bytes(b"hello\n" * (number % 2))
    code = "import sys; from fastmmap.cli import files; files.ALONE = -1; sys.setswitchinterval(1e-6); " + SCRIPT
    for _ in range(5):
        arguments = [sys.executable, "-c", code, "grep", "-rh", "-j8", "hello", tmp_path]
        done = subprocess.run(arguments, capture_output=True, check=False)
        assert done.stdout == b"hello\n" * 150


def test_lines_of_a_pipe_are_printed_as_they_come():
    with subprocess.Popen(command("grep", "x", "-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for line in (b"x 1\n", b"x 2\n"):
            process.stdin.write(b"nothing\n" + line)
            process.stdin.flush()
            assert process.stdout.readline() == line
        process.stdin.close()
        assert process.wait() == 0


@pytest.mark.parametrize(
    ("text", "most", "printed", "rest"),
    [
        (b"1 x\n2\n3 x\n4\n", 1, b"1 x\n", b"2\n3 x\n4\nmore"),
        (b"1 x\n2\n3 x\n4\n", 2, b"1 x\n3 x\n", b"4\nmore"),
        (b"1 x\n2\n3 x\n4\n", 3, b"1 x\n3 x\n", b"more"),  # fewer than were asked for: all was read
        (b"1\n2 x", 1, b"2 x\n", b"more"),  # no newline is passed that isn't there
    ],
)
def test_standard_input_is_left_behind_the_last_line(make, text, most, printed, rest):
    path = make(text)
    with path.open("rb", buffering=0) as file:
        done = subprocess.run(command("grep", "-m", most, "x"), stdin=file, capture_output=True, check=False)
        with path.open("ab") as other:
            other.write(b"more")
        assert (done.stdout, file.read()) == (printed, rest)


def test_lines_behind_a_match_come_when_they_come():
    with subprocess.Popen(command("grep", "-nA2", "x"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for line, shown in ((b"x 1\n", b"1:x 1\n"), (b"2\n", b"2-2\n"), (b"x 3\n", b"3:x 3\n"), (b"4\n", b"4-4\n")):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == shown
        process.stdin.close()
        assert process.wait() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the writer is a process")
@pytest.mark.parametrize("arguments", [["grep", "-c", "line"], ["count", "-E", "l.ne"], ["grep", "-c", "absent"],
                                       ["replace", "-n", "absent", "x"]])  # fmt: skip
def test_a_file_that_somebody_appends_to(make, arguments):
    """Each call answers for what there was; whatever else it may say, it is about the file."""
    path = make(b"a line\n" * 300_000)
    with subprocess.Popen(["sh", "-c", f"while echo a line; do :; done >> '{path}'"]) as writer:
        try:
            for _ in range(3):
                status, _, errors = run(*arguments, path)
                assert status in (0, 1) or (status == 2 and os.fsencode(path) in errors), errors
                assert b"imported" not in errors
        finally:
            writer.kill()


def test_quiet_needs_no_output(make):
    assert shell(f"fastmmap grep -q x {make(b'x')} >&-") == (0, b"", b"")


def test_counts_of_several_needles(make):
    one, two = make(b"ab ab b", "one"), make(b"", "two")
    assert run("count", "-e", "a", "-e", "ab", "-e", "b", one) == (0, b"0\ta\n2\tab\n1\tb\n", b"")
    assert run("count", "-e", "a", "-e", "ab", "-e", "b", "--overlapping", one)[1] == b"2\ta\n2\tab\n3\tb\n"
    assert (
        run("count", "-e", "a", "-e", "b", one, two)[1] == f"{one}:2\ta\n{one}:3\tb\n{two}:0\ta\n{two}:0\tb\n".encode()
    )
    assert run("count", "-e", "a", "-e", "B", "-i", stdin=b"Aab" * 400_000) == (0, b"800000\ta\n400000\tB\n", b"")
    assert run("count", "-E", "a.?b", one) == (0, b"2\n", b"")
    large = make(b"x a b ab\n" * 300_000, "large")  # mapped, and beyond what one thread is given
    assert run("count", "-e", "a ", "-e", "ab", large)[1] == b"300000\ta \n300000\tab\n"
