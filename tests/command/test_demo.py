"""The demo: the race and its table, the chart, and the two facts. No test is about how fast anything is."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.commands import command, heed_interrupts, run, with_folder
from support.lacks import pty

from fastmmap import _backend, demo, system
from fastmmap.demo import children, facts, table
from fastmmap.demo.interrupts import held_interrupts

any_kernel = pytest.mark.any_kernel
shown = pytest.mark.skipif(sys.platform != "linux", reason="the two facts are shown on Linux alone")
JOBS = ("read it all", "find what", "count ' the '", "replace by", "append", "100,000 random")
MANY, SIZE = 1000, 3 << 20


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files, of this process and of its children."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def quick(monkeypatch, temporary):
    """The demo in this process, with few records and small files. Nothing may be left of it."""
    monkeypatch.setattr(facts, "kill", partial(facts.kill, number=MANY))
    monkeypatch.setattr(facts, "truncation", partial(facts.truncation, size=SIZE))
    yield partial(demo.run, None, 1 << 20)
    assert os.listdir(temporary) == []


# --- the race ---


@pytest.mark.parametrize("given", [True, False])
def test_the_command(make, given, temporary):
    """Every answer equal, nothing left behind, the text as it was, and no word of a fault handler."""
    text = make(b"some words the cat and the dog\n" * 10_000)
    before, content = text.stat(), text.read_bytes()
    arguments = [text] if given else ["--size", "1M"]
    status, output, errors = run("demo", *arguments, env={**os.environ, "PYTHONFAULTHANDLER": "1"})
    assert (status, errors) == (0, b"")
    lines = output.decode().splitlines()
    assert all(line.startswith(job) for line, job in zip(lines[3:9], JOBS)), lines
    assert [len(line) for line in lines[2:9]] == [sum(table.WIDTHS)] * 7
    assert max(map(len, lines)) <= 100
    assert lines[10:12] == [table.LEGEND, "All answers are equal."]
    assert lines[-2].startswith("file truncated during a search ")
    assert lines[-1].startswith("kill -9 after 1,000,000 appends ")
    assert os.listdir(temporary) == []
    assert text.read_bytes() == content
    assert (text.stat().st_mtime_ns, text.stat().st_mode) == (before.st_mtime_ns, before.st_mode)


def test_answers_that_differ(quick, capsys, monkeypatch):
    wrong = SimpleNamespace(**{name: getattr(_backend.load("python"), name) for name in _backend.FUNCTIONS["search"]})
    for name in ("replace", "append", "gather"):
        setattr(wrong, name, getattr(_backend.load("python"), name))
    wrong.count = lambda *_: 7
    monkeypatch.setattr(_backend, "load", lambda name: wrong)
    assert quick() is False
    output = capsys.readouterr().out
    assert "count ' the ': the answers differ: (" in output
    assert "All answers" not in output


def on_a_terminal(run, monkeypatch, encoding="utf-8"):
    """What is written to a pseudo-terminal, and whether it is all as it should be."""
    ours, theirs = pty.openpty()
    code = "import os, sys\nwhile block := os.read(0, 65536): sys.stdout.buffer.write(block); sys.stdout.flush()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=ours, stdout=subprocess.PIPE, stderr=-3) as reader:
        os.close(ours)
        with open(theirs, "w", encoding=encoding) as terminal, monkeypatch.context() as context:
            context.setattr(sys, "stdout", terminal)
            context.setenv("TERM", "xterm")
            context.setenv("COLUMNS", "100")
            result = run()
        return reader.stdout.read().decode(encoding), result


@any_kernel
@pytest.mark.parametrize("how", ["rich", "no rich", "latin-1"])
def test_a_terminal(quick, how, monkeypatch):
    encoding = "latin-1" if how == "latin-1" else "utf-8"
    if how == "rich":
        pytest.importorskip("rich")
    elif how == "no rich":
        monkeypatch.setitem(sys.modules, "rich.live", None)
    output, result = on_a_terminal(quick, monkeypatch, encoding)
    assert result is True
    assert ("\N{BOX DRAWINGS LIGHT VERTICAL}" in output) == (how == "rich")
    for word in (*table.COLUMNS, *JOBS, table.LEGEND, "All answers are equal."):
        assert word in output


# --- the chart ---


@any_kernel
@pytest.mark.filterwarnings("ignore")  # matplotlib's own
@pytest.mark.parametrize(("name", "beginning"), [("chart.png", b"\x89PNG"), ("chart.SVG", b"<?xml")])
def test_a_chart(quick, tmp_path, capsys, name, beginning):
    pytest.importorskip("matplotlib")
    chart = tmp_path / name
    for _ in range(2):  # the second takes the first one's place
        assert quick(str(chart)) is True
        assert f"The chart is in {chart}.\n" in capsys.readouterr().out
        assert chart.read_bytes().startswith(beginning)
        chart.write_bytes(b"")


def refuses(*arguments, words, **options):
    """Status 2, before the work: nothing on standard output, and one line on the other."""
    status, output, errors = run("demo", "--size", "1M", *arguments, **options)
    assert (status, output, errors.count(b"\n")) == (2, b"", 1)
    assert words in errors.decode()


@any_kernel
def test_charts_that_cannot_be(make, tmp_path):
    refuses("--plot", tmp_path / "chart.gif", words="chart.gif: the name of a chart ends with .png or .svg")
    refuses("--plot", tmp_path / "png", words="ends with .png or .svg")
    refuses("--plot", "", words="ends with .png or .svg")
    pytest.importorskip("matplotlib")
    refuses("--plot", tmp_path / "missing" / "chart.png", words="chart.png: No such file or directory")
    (tmp_path / "folder.png").mkdir()
    refuses("--plot", tmp_path / "folder.png", words="folder.png: Is a directory")
    text = make(b"words " * 1000, "text.svg")
    refuses(text, "--plot", text, words="the chart would take the place of the text")
    refuses(tmp_path / "missing", "--plot", tmp_path / "chart.png", words="missing: No such file or directory")
    assert text.read_bytes() == b"words " * 1000
    assert sorted(os.listdir(tmp_path)) == ["folder.png", "text.svg"]


@any_kernel
def test_a_chart_without_matplotlib(tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ImportError('there is none')")
    refuses("--plot", tmp_path / "a.png", words="pip install 'fastmmap[bench]'", env=with_folder(tmp_path))
    assert set(os.listdir(tmp_path)) <= {"matplotlib.py", "__pycache__"}


# --- the facts ---


@shown
@pytest.mark.skipif(not _backend.NATIVE, reason="without extensions a truncated file ends the process")
def test_a_file_that_is_truncated(tmp_path):
    fact = facts.truncation(tmp_path, SIZE)
    assert (fact.theirs, fact.ours) == ("mmap module: killed (SIGBUS)", "fastmmap: MappedFileError at 1,048,576")
    assert fact.holds
    assert os.listdir(tmp_path) == []


@shown
@any_kernel
@pytest.mark.parametrize("number", [1, MANY])
def test_appends_that_are_killed(tmp_path, number):
    fact = facts.kill(tmp_path, number)
    assert fact.title == f"kill -9 after {number:,} appends"
    assert re.fullmatch(r"buffered file: lost [\d,]+", fact.theirs)
    assert re.fullmatch(r"Appender: lost 0, [\d,]+ recovered", fact.ours)
    assert fact.holds
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".stage")]


@any_kernel
def test_records_are_counted(make):
    record = children.RECORD
    assert len(record % 0) == len(record % (facts.APPENDS - 1)) == facts.RECORD_SIZE == 100
    some = [record % place for place in range(facts.BLOCK + 50)]
    for content, number in (
        (some, facts.BLOCK + 50),
        ([], 0),
        ([*some[:30], some[30][:99]], 30),  # a part of one
        ([*some[:30], *some[31:]], 30),  # one is lost
        ([*some[:30], *some[29:]], 30),  # one is there twice
        ([*some[: facts.BLOCK + 7], *some[:9]], facts.BLOCK + 7),
        ([b"x", *some], 0),
    ):
        assert facts.count_records(make(b"".join(content))) == number


@shown
@any_kernel
def test_a_fact_that_does_not_hold(quick, capsys, monkeypatch, make):
    """A process that does something else: it is said, and the status isn't 0."""
    monkeypatch.setattr(facts, "PROGRAM", str(make(b"raise ValueError('broken')", "broken.py")))
    assert quick() is False
    assert "buffered file: ValueError: broken  (not as it should be)\n" in capsys.readouterr().out
    silent = make(b"", "silent.py")
    monkeypatch.setattr(facts, "PROGRAM", str(silent))
    assert quick() is False
    assert "buffered file: it ended  (not as it should be)\n" in capsys.readouterr().out


@shown
@any_kernel
def test_a_search_that_nobody_disturbs(tmp_path, monkeypatch):
    """Both find all there is, then, and it is seen that neither was disturbed."""
    monkeypatch.setattr(facts.os, "truncate", lambda file, size: None)
    monkeypatch.setattr(_backend, "NATIVE", True)
    fact = facts.truncation(tmp_path, SIZE)
    assert (fact.theirs, fact.ours, fact.holds) == ("mmap module: no error", "fastmmap: no error", False)


@any_kernel
def test_where_a_fact_cannot_be_shown(tmp_path, monkeypatch):
    for there in ({"platform": "darwin"}, {"executable": ""}):
        values = {"platform": sys.platform, "executable": sys.executable, **there}
        monkeypatch.setattr(facts, "sys", SimpleNamespace(**values))
        for fact in (facts.truncation(tmp_path), facts.kill(tmp_path)):
            assert fact.holds
            assert fact.theirs.startswith("not shown here: ")
            assert not fact.ours
    assert os.listdir(tmp_path) == []


@shown
@any_kernel
def test_a_folder_where_stages_are_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(system, "is_local", lambda fd: False)
    fact = facts.kill(tmp_path)
    assert fact.holds
    assert "not shown here: " in str(fact)
    assert "staged in memory" in str(fact)


@shown
@any_kernel
def test_an_isolated_python(tmp_path):
    """The children find what this Python has found, whatever it was told."""
    code = (
        "import sys; sys.path[:] = sys.argv[2:]; from pathlib import Path; from fastmmap.demo import facts\n"
        "print(facts.kill(Path(sys.argv[1]), 10).holds)"
    )
    folders = [str(Path(demo.__file__).parents[2]), *sys.path]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", code, tmp_path, *folders], capture_output=True, cwd="/"
    )
    assert (done.stdout, done.stderr) == (b"True\n", b"")


# --- interrupts ---


@any_kernel
def test_interrupts_that_are_held():
    """Until the end of the block, however many there are; where they are ignored, they still are."""
    before, done = signal.signal(signal.SIGINT, signal.default_int_handler), []

    def work():
        with held_interrupts():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            done.append("all of it")

    try:
        with pytest.raises(KeyboardInterrupt):
            work()
        assert done == ["all of it"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with held_interrupts():
            signal.raise_signal(signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@shown
@any_kernel
@pytest.mark.parametrize("line", [b"read it all", b"Done just now", b"file truncated"])
def test_an_interrupt_leaves_nothing(temporary, line):
    """No file and no process; Ctrl-C reaches all of them."""
    with subprocess.Popen(
        command("demo", "--size", "4M"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heed_interrupts,
        start_new_session=True,
    ) as process:
        while not process.stdout.readline().startswith(line):
            pass
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=120)
        assert process.returncode in (130, 0)  # 0 where it was done by then, or in a __del__, which Python lets go on
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert os.listdir(temporary) == []
