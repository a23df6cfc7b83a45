"""plan_replace and its preview, and what replace_file takes beside the needle: a backup, progress, threads."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.standing_in import as_system

import fastmmap
from fastmmap import parallel, progress, system
from fastmmap.editing import preview

same = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture
def in_blocks(monkeypatch):
    """Makes a few bytes many blocks, and lets them be shared out."""
    monkeypatch.setattr(parallel, "WORTHWHILE", 0)
    monkeypatch.setattr(parallel, "BLOCK", 7)


@same
@given(
    st.text("ab\n", min_size=0, max_size=120),
    st.text("ab\n", min_size=1, max_size=4),
    st.text("abX\n", max_size=6),
    st.integers(-1, 5),
)
def test_a_file_of_many_seams(tmp_path, text, old, new, count):
    """The whole file as bytes.replace has it, and the plan of it, in blocks of seven bytes."""
    path, data = tmp_path / "file", text.encode()
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "WORTHWHILE", 0)
        patch.setattr(parallel, "BLOCK", 7)
        plan = fastmmap.plan_replace(path, old, new, count)
        done = fastmmap.replace_file(path, old, new, count, durable=False, threads=3)
    expected = data.replace(old.encode(), new.encode(), count)
    assert path.read_bytes() == expected
    assert (plan.count, plan.old_size, plan.new_size) == (done.count, len(data), len(expected))
    assert (plan.path, done.new_size) == (str(path), len(expected))


@same
@given(
    st.text("ab\n", max_size=60),
    st.text("ab\n", min_size=1, max_size=3),
    st.text("X\n", max_size=3),
    st.integers(-1, 4),
)
def test_a_preview_has_every_change_once(tmp_path, text, old, new, count):
    """The changes put into the old file, one after the other, make the new one; each is of whole lines."""
    path = tmp_path / "file"
    path.write_bytes(text.encode())
    changes = fastmmap.plan_replace(path, old, new, count).preview(1000)
    data, made, end = text.encode(), b"", 0
    starts = [0, *(place + 1 for place, byte in enumerate(data) if byte == 10)]
    for change in changes:
        start = starts[change.number]
        assert data[start : start + len(change.before)] == change.before
        assert data[start + len(change.before) :][:1] in (b"", b"\n")
        assert data[change.offset :].startswith(old.encode())
        made += data[end:start] + change.after
        end = start + len(change.before)
    assert made + data[end:] == data.replace(old.encode(), new.encode(), count)


def test_a_preview(make):
    path = make(b"one cat\ntwo dogs\na cat and a cat\n\nthe last cat")
    before = path.stat()
    plan = fastmmap.plan_replace(path, "cat", "leopard")
    assert (plan.count, plan.old_size, plan.new_size) == (4, before.st_size, before.st_size + 4 * 4)
    assert plan.preview(2) == [
        fastmmap.Change(4, 0, b"one cat", b"one leopard"),
        fastmmap.Change(19, 2, b"a cat and a cat", b"a leopard and a leopard"),
    ]
    assert len(plan.preview()) == 3
    assert plan.preview(0) == []
    assert path.stat().st_ctime_ns == before.st_ctime_ns
    with pytest.raises(ValueError, match="-1"):
        plan.preview(-1)
    done = plan.apply(durable=False)
    assert (done.count, done.strategy) == (4, "rewrite")
    assert path.read_bytes() == b"one leopard\ntwo dogs\na leopard and a leopard\n\nthe last leopard"


def test_a_preview_of_a_giant_line(make):
    path = make(b"x" * 100_000 + b"cat" + b"y" * 100_000 + b"cat\n")
    first, second = fastmmap.plan_replace(path, "cat", "ox").preview()
    assert (first.offset, second.offset) == (100_000, 200_003)
    assert first.after == b"x" * preview.LONGEST + b"ox" + b"y" * (preview.LONGEST - 3)
    assert second.before == b"y" * preview.LONGEST + b"cat"
    assert (first.number, second.number) == (0, 0)
    path.write_bytes(b"cat" * 100_000)
    changes = fastmmap.plan_replace(path, "cat", "ox").preview(3)
    assert b"".join(change.after for change in changes) == b"ox" * (sum(len(c.before) for c in changes) // 3)


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        (b"\r\n", b"\n", [(b"one\r", b"one"), (b"two\r", b"two"), (b"three\r", b"three")]),
        (b"\n", b"\r\n", [(b"one\r", b"one\r\r"), (b"two\r", b"two\r\r"), (b"three\r", b"three\r\r")]),
        (b"o\r\n", b"0\r\n", [(b"two\r", b"tw0\r")]),
        (b"\ntwo", b"\n2", [(b"two\r", b"2\r")]),
        (b"\ntwo", b" 2", [(b"one\r\ntwo\r", b"one\r 2\r")]),
    ],
)
def test_a_preview_of_newlines(make, old, new, lines):
    path = make(b"one\r\ntwo\r\nthree\r\n")
    changes = fastmmap.plan_replace(path, old, new).preview()
    assert [(change.before, change.after) for change in changes] == lines


def test_a_preview_is_bounded(make):
    path = make(b"a" * 5_000_000)
    for old, new in ((b"a", b"b" * 100), (b"aa", b""), (b"a" * 1000, b"b")):
        (change,) = fastmmap.plan_replace(path, old, new).preview(1)
        assert len(change.before) <= 2 * preview.LONGEST
    assert fastmmap.plan_replace(path, b"b", b"c", 10**30).preview(10**30) == []
    assert len(fastmmap.plan_replace(make(b"a\n" * 5), b"a", b"b", 10**30).preview(10**30)) == 5


def test_a_plan_is_for_the_file_as_it_was(make):
    path = make(b"the cat")
    plan = fastmmap.plan_replace(path, "cat", "dog")
    path.write_bytes(b"the cat sat")
    for call in (plan.apply, plan.preview):
        with pytest.raises(OSError, match="changed since the plan.*file") as caught:
            call()
        assert caught.value.errno == errno.EBUSY
    assert path.read_bytes() == b"the cat sat"
    path.unlink()
    with pytest.raises(FileNotFoundError):
        plan.apply()


def test_plans_of_nothing(make, tmp_path):
    path = make(b"the cat")
    for plan in (fastmmap.plan_replace(path, "dog", "ox"), fastmmap.plan_replace(path, "cat", "ox", 0)):
        assert (plan.count, plan.new_size, plan.preview()) == (0, 7, [])
        assert plan.apply().strategy == "none"
    assert fastmmap.plan_replace(make(b"", "empty"), "a", "b").count == 0
    with pytest.raises(ValueError, match="old must not be empty"):
        fastmmap.plan_replace(path, "", "ox")
    with pytest.raises(IsADirectoryError):
        fastmmap.plan_replace(tmp_path, "a", "b")


def test_a_backup_is_the_old_file(make, tmp_path):
    path = make(b"the cat")
    os.chmod(path, 0o640)
    before = path.stat()
    backup = tmp_path / "file.orig"
    backup.write_bytes(b"an older one")
    fastmmap.replace_file(path, "cat", "dog", backup=".orig", force=True)
    assert (path.read_bytes(), backup.read_bytes()) == (b"the dog", b"the cat")
    assert (backup.stat().st_ino, backup.stat().st_mode) == (before.st_ino, before.st_mode)
    fastmmap.replace_file(path, "dog", "ox", backup=".orig", force=True)
    assert (path.read_bytes(), backup.read_bytes()) == (b"the ox", b"the dog")
    fastmmap.replace_file(path, "absent", "x", backup=".other")
    assert sorted(os.listdir(tmp_path)) == ["file", "file.orig"]


@pytest.mark.parametrize(
    ("backup", "error"), [("", ValueError), ("a/b", ValueError), (b".orig", TypeError), (True, TypeError)]
)
def test_bad_backups(make, backup, error):
    path = make(b"the cat")
    with pytest.raises(error, match="backup"):
        fastmmap.replace_file(path, "cat", "dog", backup=backup)
    assert path.read_bytes() == b"the cat"


def test_a_backup_that_can_not_be_made(make, tmp_path, monkeypatch):
    path = make(b"the cat")
    (tmp_path / "file.d").mkdir()
    with pytest.raises(IsADirectoryError, match="file.d"):
        fastmmap.replace_file(path, "cat", "dog", backup=".d")

    @as_system
    def refused(*arguments):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    (tmp_path / "file.l").symlink_to("nowhere")
    with pytest.raises(FileExistsError, match="file.l"):
        fastmmap.replace_file(path, "cat", "dog", backup=".l")
    (tmp_path / "file.l").unlink()
    monkeypatch.setattr(system, "exchange", refused)
    with pytest.raises(PermissionError, match="the backup.*file"):
        fastmmap.replace_file(path, "cat", "dog", backup=".orig")
    assert path.read_bytes() == b"the cat"
    assert sorted(os.listdir(tmp_path)) == ["file", "file.d"]


def test_other_names_are_left_alone(make, tmp_path):
    path = make(b"the cat", ".fastmmap-notes")
    os.link(path, tmp_path / ".fastmmap-0123456789abcdef")
    assert fastmmap.replace_file(path, "absent", "dog").count == 0
    with pytest.raises(OSError, match="2 hard links"):
        fastmmap.replace_file(path, "cat", "dog")
    assert sorted(os.listdir(tmp_path)) == [".fastmmap-0123456789abcdef", ".fastmmap-notes"]


def test_edits_side_by_side(make, tmp_path):
    """Two processes edit one file, with backups, again and again: no name of ours is left, no backup is lost."""
    path = make(b"A B\n" * 3)
    # Windows replaces no file that another process has mapped, and a backup gets its name in two steps.
    others = "(PermissionError, FileExistsError, FileNotFoundError)" if os.name == "nt" else "()"
    code = (
        "import sys, fastmmap\n"
        "for _ in range(200):\n"
        "    for old, new in (sys.argv[2:4], sys.argv[3:1:-1]):\n"
        "        try: fastmmap.replace_file(sys.argv[1], old, new, durable=False, backup='~', force=True)\n"
        f"        except OSError as error: assert 'changed while' in str(error) or isinstance(error, {others}), error\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", code, path, *pair]) for pair in (("A", "aa"), ("B", "bb"))]
    assert [child.wait(timeout=60) for child in children] == [0, 0]
    assert sorted(os.listdir(tmp_path)) == ["file", "file~"]
    for name in os.listdir(tmp_path):
        assert (tmp_path / name).read_text() in {f"{a} {b}\n" * 3 for a in ("A", "aa") for b in ("B", "bb")}


@pytest.mark.parametrize("threads", [1, 2])
def test_progress(make, in_blocks, threads, monkeypatch):
    monkeypatch.setattr(progress, "PAUSE", 0)
    path, said = make(b"the cat\n" * 1000), []
    fastmmap.replace_file(path, "cat", "leopard", threads=threads, progress=lambda *numbers: said.append(numbers))
    assert said == sorted(said)
    assert {total for _, total in said} == {12_000}
    assert said[-1] == (12_000, 12_000)
    # The calling thread alone reports, at each of its blocks: how many of them another thread takes is not up to it.
    assert len(said) > (10 if threads == 1 else 1)


def test_progress_that_raises_ends_the_edit(make, tmp_path, in_blocks):
    path = make(b"the cat\n" * 1000)

    def raises(done, total):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        fastmmap.replace_file(path, "cat", "leopard", progress=raises, threads=2)
    assert path.read_bytes() == b"the cat\n" * 1000
    assert os.listdir(tmp_path) == ["file"]


def test_progress_of_a_plan(make):
    path = make(b"the cat\n" * 1000)
    for pairs in ({"cat": "leopard"}, {"cat": "leopard", "the": "a"}):
        said = []
        assert fastmmap.plan_replace(path, pairs, progress=lambda *numbers: said.append(numbers)).count  # noqa: B023
        assert said[-1][0] == said[-1][1] > 7900


def test_an_interrupt_says_what_became_of_the_file(make, tmp_path):
    """Ctrl-C in the middle, of the function and of the command."""
    path = make(b"the cat\n" * (1 << 20))
    code = (
        "import signal, sys, fastmmap\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def stop(done, total): signal.raise_signal(signal.SIGINT)\n"
        "try: fastmmap.replace_file(sys.argv[1], 'cat', 'dog', progress=stop)\n"
        "except KeyboardInterrupt as error: print(error.__notes__)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{[f'{path} is unchanged']}\n", done
    assert path.read_bytes() == b"the cat\n" * (1 << 20)
    assert os.listdir(tmp_path) == ["file"]


def test_the_command_says_so_too(make, tmp_path):
    """Interrupted while the new file stands beside the old one, until one comes before the renaming."""
    path = make()
    command = [sys.executable, "-m", "fastmmap", "replace", "cat", "leopard", path]
    for _ in range(20):
        path.write_bytes(b"the cat\n" * (1 << 23))
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        while not has_new_file(process.pid, tmp_path) and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        if process.returncode == 130 and "unchanged" in said:
            assert said == f"fastmmap: interrupted: {path} is unchanged\n"
            assert os.listdir(tmp_path) == ["file"]
            return
    pytest.fail("no interrupt came in time")


def has_new_file(process, folder):
    """Whether a process has made a file in a folder, which may have no name yet."""
    links = []
    with suppress(OSError):
        for fd in os.listdir(f"/proc/{process}/fd"):
            links.append(os.readlink(f"/proc/{process}/fd/{fd}"))
    return len(os.listdir(folder)) > 1 or any(link.startswith(f"{folder}/") and "(deleted)" in link for link in links)


def test_a_dry_run(make):
    path = make(b"one cat\ntwo dogs\na cat and a cat\n")
    before = path.stat().st_ctime_ns
    command = [sys.executable, "-m", "fastmmap", "replace", "--dry-run", "cat", "ox", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == (
        "1:-one cat\n1:+one ox\n3:-a cat and a cat\n3:+a ox and a ox\n3 would be replaced, 33 bytes before, 30 after\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert path.stat().st_ctime_ns == before


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_a_dry_run_shows_bytes_as_they_are(make, encoding):
    path = make("caf\u00e9 \u20ac x\n".encode() + b"\xff x\n")
    command = [sys.executable, "-m", "fastmmap", "replace", "-n", "x", "yy", path]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, capture_output=True, timeout=60, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "1:+caf\u00e9 \u20ac yy\n".encode() in done.stdout
    assert b"2:+\xff yy\n" in done.stdout


def test_the_command_keeps_a_backup(make, tmp_path):
    path = make(b"the cat")
    command = [sys.executable, "-m", "fastmmap", "replace", "--backup", ".orig", "cat", "ox", path]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert (path.read_bytes(), (tmp_path / "file.orig").read_bytes()) == (b"the ox", b"the cat")
