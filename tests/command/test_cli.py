"""The command: what it prints, and its status."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time

from support.commands import HEEDING, SCRIPT, command, heed_interrupts, in_posix_words, run, shell
from support.marks import staged

import fastmmap


def fails(*arguments, words):
    """Status 2 and one line on stderr."""
    status, output, errors = run(*arguments)
    assert (status, output) == (2, b"")
    assert errors.count(b"\n") == 1
    assert errors.startswith(b"fastmmap")
    assert words in in_posix_words(errors.decode())


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
    assert run("find", "--bytes", "ab", one) == (0, b"0\n3\n6\n", b"")
    assert run("find", "--bytes", "-m", "2", "ab", one, two) == (0, f"{one}:0\n{one}:3\n{two}:2\n".encode(), b"")
    assert run("find", "--bytes", "-m", "0", "ab", one) == (1, b"", b"")
    assert run("find", "--bytes", "zz", one) == (1, b"", b"")
    assert run("find", "--bytes", "ab", "-", stdin=b"..ab") == (0, b"2\n", b"")
    if os.name == "posix":  # elsewhere arguments are text
        assert run("find", "--bytes", b"\xff".decode(errors="surrogateescape"), make(b"a\xff")) == (0, b"1\n", b"")


def test_find_many(make):
    status, output, _ = run("find", "--bytes", "a", make(b"a" * 200_000))
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


def test_errors_are_one_line(make, tmp_path):
    path = make(b"abc")
    fails("count", "a", tmp_path / "missing", words="missing: No such file or directory")
    fails("find", "a", tmp_path, words="Is a directory")
    fails("replace", "", "x", path, words="OLD is empty")
    fails("count", "", path, words="--escapes")
    fails("find", "", path, words="NEEDLE is empty")
    fails("replace", "a", "x", tmp_path / "missing", words="missing: No such file or directory")
    fails("append", tmp_path, "x", words="Is a directory")
    fails("demo", tmp_path / "missing", words="missing: No such file or directory")
    fails("demo", make(b"short", "short"), words="fewer than 100 bytes")
    fails("demo", "--size", "much", words="not a size")
    fails("find", "-m", "-1", "a", path, words="negative")
    fails("find", "-m", "x", "a", path, words="invalid")
    fails("count", words="NEEDLE is missing")
    fails("frobnicate", words="frobnicate")
    assert path.read_bytes() == b"abc"


def test_errors_of_reading_name_the_file(make):
    path = make(b"xax")
    for verb, offsets in (("count", ()), ("find", ["--bytes"])):
        if sys.platform == "linux" and os.path.exists("/proc/self/mem"):  # can be opened, and has nothing at its start
            status, output, errors = run(verb, *offsets, "xa", "/proc/self/mem", path)
            assert (status, output) == (2, f"{path}:{1 if verb == 'count' else 0}\n".encode())
            assert errors == f"fastmmap: /proc/self/mem: {os.strerror(errno.EIO)}\n".encode()
        for stdin in ("<&-", f"0>{path}.new", f"0>>{path}"):
            said = b"fastmmap: standard input: Bad file descriptor\n"
            assert shell(f"fastmmap {verb} {' '.join(offsets)} xa {stdin}") == (2, b"", said)


def test_an_error_does_not_keep_the_other_files_from_their_turn(make, tmp_path):
    path = make(b"aaa")
    status, output, errors = run("count", "a", tmp_path / "missing", path)
    assert (status, output) == (2, f"{path}:3\n".encode())
    assert b"missing" in errors


def test_a_reader_that_has_enough(make):
    path = make(b"a" * 500_000)
    with subprocess.Popen(
        command("find", "--bytes", "a", path), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_an_interrupt(tmp_path):
    with subprocess.Popen(
        command("append", tmp_path / "log"),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heed_interrupts,
    ) as process:
        while not (tmp_path / "log").exists():
            time.sleep(0.01)
        # A signal that comes just before read(2) is seen after it, in any Python program: so it is sent until it is.
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        assert process.stderr.read() == b""
        assert process.returncode == 130


def test_interrupts_that_are_ignored(tmp_path):
    """nohup, and the background of a shell without job control."""
    with subprocess.Popen(
        command("append", tmp_path / "log"),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    ) as process:
        while not (tmp_path / "log").exists():
            time.sleep(0.01)
        for _ in range(5):
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(b"text")
        assert (process.returncode, errors) == (0, b"")
    assert (tmp_path / "log").read_bytes() == b"text"


def test_an_interrupt_after_the_work(make):
    script = "import atexit, signal; atexit.register(signal.raise_signal, signal.SIGINT); " + SCRIPT
    again = script.replace("sys.exit(main())", "s = main(); atexit.register(signal.raise_signal, 2); sys.exit(s)")
    for code, status in ((script, 0), (again, 130)):
        done = subprocess.run([sys.executable, "-c", code, "count", "x", make(b"x")], capture_output=True, **HEEDING)
        assert (done.returncode, done.stdout, done.stderr) == (status, b"1\n", b"")


def test_version_and_help():
    status, output, _ = run("--version")
    assert (status, output.decode()) == (0, f"fastmmap {fastmmap.__version__}, kernel {fastmmap.kernel}\n")
    for verb in ((), ("find",), ("count",), ("replace",), ("append",), ("demo",)):
        status, output, errors = run(*verb, "--help")
        assert (status, errors) == (0, b"")
        assert output.startswith(b"usage: fastmmap")


@staged
def test_warnings_that_are_errors(make, tmp_path):
    log = make(b"text", "log")
    (tmp_path / f".fastmmap-{log.stat().st_ino:x}-{'0' * 32}.stage").symlink_to(log)
    for warnings, expected in (("default", (0, 1)), ("error", (2, 1))):
        status, _, errors = run("recover", log, env={**os.environ, "PYTHONWARNINGS": warnings})
        assert (status, errors.count(b"\n")) == expected
        assert errors.endswith(b".stage' is ignored: it is not a regular file\n")


def ends(script):
    """The status of a line of bash, how many lines of errors, and whether there is a traceback among them."""
    status, _, errors = shell(script)
    return status, errors.count(b"\n"), b"Traceback" in errors


def test_closed_streams(make, tmp_path):
    path = make(b"abc")
    assert ends(f"fastmmap count abc {path} >&-") == (2, 1, False)
    assert ends("fastmmap find a - <&-") == (2, 1, False)
    assert ends(f"fastmmap append {tmp_path}/new <&-") == (2, 1, False)
    assert not (tmp_path / "new").exists()
    assert ends(f"fastmmap replace a b {tmp_path}") == (2, 1, False)
    assert ends("fastmmap --help >/dev/full") == (2, 1, False)
    assert ends(f"fastmmap count b {path} >/dev/full") == (2, 1, False)


def test_errors_go_to_standard_error_alone(make, tmp_path):
    """Closed, its number could become that of a file."""
    path, log = make(b"abc"), tmp_path / "log"
    assert shell(f"fastmmap count a {tmp_path}/missing {path} 2>&-") == (2, f"{path}:1\n".encode(), b"")
    assert shell("fastmmap frobnicate 2>&-") == (2, b"", b"")
    assert shell(f"fastmmap append {log} text 2>&- <&- >&-; cat {log}")[1] == b"text"
    assert shell(f"fastmmap append {log} 2>&- <&- >&-; cat {log}")[1] == b"text"
    assert path.read_bytes() == b"abc"


def test_names_that_are_not_utf8(make):
    path = make(b"abc", os.fsdecode(b"name-\xff"))
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    status, output, _ = run("replace", "b", "x", path, make(b"b", "two"), env=environment)
    assert (status, output.startswith(os.fsencode(path))) == (0, True)


# --- output ---


def unbuffered():
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def test_all_output_or_an_error_on_a_full_disk(make, small_disk):
    path = make(b"a" * 60_000)
    expected = b"".join(b"%d\n" % i for i in range(60_000))
    for room in (1 << 16, 1 << 20):
        (small_disk / "fill").write_bytes(bytes((1 << 20) - room))
        with (small_disk / "out").open("wb") as out:
            done = subprocess.run(
                command("find", "--bytes", "a", path), stdout=out, stderr=subprocess.PIPE, env=unbuffered(), timeout=120
            )
        if done.returncode == 0:
            assert (small_disk / "out").read_bytes() == expected
        else:
            assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
            assert b"standard output: No space left" in done.stderr
        (small_disk / "out").unlink()
        (small_disk / "fill").unlink()
    assert done.returncode == 0


def test_all_output_on_a_pipe_that_does_not_block(make):
    path = make(b"a" * 60_000)
    read, write = os.pipe()
    os.set_blocking(write, False)
    with subprocess.Popen(command("find", "--bytes", "a", path), stdout=write, env=unbuffered()) as process:
        os.close(write)
        with os.fdopen(read, "rb") as file:
            assert file.read() == b"".join(b"%d\n" % i for i in range(60_000))
        assert process.wait() == 0


def test_needles_and_names_of_any_bytes_are_printed_as_they_are(make):
    path = make(b"a\xffb\n", os.fsdecode(b"n\xff\xc3\n"))
    for environment in ({}, {"LC_ALL": "C"}, {"PYTHONIOENCODING": "utf-16"}):
        status, output, _ = run(
            "replace", "-n", "--escapes", r"\xff", r"\xfe", path, path, env={**os.environ, **environment}
        )
        name = os.fsencode(path) + b":"
        shown = name + b"1:-a\xffb\n" + name + b"1:+a\xfeb\n" + name + b"1 would be replaced, 4 bytes before, 4 after\n"
        assert (status, output) == (0, shown * 2)
