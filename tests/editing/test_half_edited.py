"""Files that were left half edited: brought to their end, or left alone where they or their journals have changed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading

import pytest
from support.in_place import TEXT, Stop, edit, is_done, journals
from support.marks import staged

import fastmmap
from fastmmap import progress, system, unfinished
from fastmmap.editing.new_file import NewFile

pytestmark = pytest.mark.any_kernel


@pytest.mark.parametrize("way", ["recover", "the same edit", "as a rewrite", "recover of the folder", "the command"])
def test_what_was_left_is_brought_to_its_end(left, way):
    if way == "recover":
        assert fastmmap.recover(left) is True
    elif way == "the same edit":
        done = edit(left, "cat", "leopard")
        assert (done.count, done.strategy, done.old_size) == (2000, "in_place", len(TEXT))
        assert done.new_size == len(TEXT) + 8000
    elif way == "as a rewrite":
        assert fastmmap.replace_file(left, "cat", "leopard").count == 2000
    elif way == "recover of the folder":
        assert fastmmap.recover(left.parent) is True
    else:
        command = [sys.executable, "-m", "fastmmap", "recover", left]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (0, "recovered\n"), done
    assert is_done(left)
    assert fastmmap.recover(left) is False


def test_another_edit_comes_behind_it(left):
    assert fastmmap.replace_file(left, "leopard", "ox").count == 2000
    assert is_done(left, b"ox")


def test_a_renamed_file_is_found(left):
    left = left.rename(left.parent / "renamed")
    assert fastmmap.recover(left.parent) is True
    assert is_done(left)


def test_a_half_edited_file_is_refused_elsewhere(left):
    """A plan would count a mix, and an appender's records would be moved about."""
    for call in (lambda: fastmmap.plan_replace(left, "cat", "x"), lambda: fastmmap.Appender(left)):
        with pytest.raises(OSError, match="isn't finished.*recover") as caught:
            call()
        assert (caught.value.errno, caught.value.filename) == (errno.EBUSY, str(left))
    assert fastmmap.recover(left) is True
    assert is_done(left)


@pytest.mark.parametrize("attribute", [True, False])
def test_a_journal_elsewhere(make, small, tmp_path, monkeypatch, request, attribute):
    path = make(TEXT)
    (tmp_path / "disk").mkdir()
    journal = tmp_path / "disk" / "journal"
    if attribute:
        request.getfixturevalue("marks")
    else:
        monkeypatch.setattr(system, "mark", lambda fd, name, value: False)

    def stop(done, total):
        raise Stop

    options = {"journal": journal, "progress": stop}
    with monkeypatch.context() as patch:
        patch.setattr(progress, "PAUSE", 0)
        if attribute:
            with pytest.raises(Stop):
                edit(path, "cat", "leopard", **options)
        else:
            with pytest.warns(RuntimeWarning, match="recover needs the journal's path"), pytest.raises(Stop):
                edit(path, "cat", "leopard", **options)
    assert os.listdir(tmp_path / "disk") == ["journal"]
    if attribute:
        with pytest.raises(OSError, match="isn't finished"):
            fastmmap.plan_replace(path, "a", "b")
        assert fastmmap.recover(path) is True
    else:
        assert fastmmap.recover(journal) is True
    assert path.read_bytes() == TEXT.replace(b"cat", b"leopard")
    assert os.listdir(tmp_path / "disk") == []
    with pytest.raises(FileExistsError, match="journal's path .*taken' is that of another file"):
        edit(path, "leopard", "ox", journal=make(b"", "taken"))
    if attribute:
        assert edit(path, "leopard", "ox", journal=str(journal).encode()).count == 2000
    assert not hasattr(os, "listxattr") or os.listxattr(path) == []


def test_bad_options(make, tmp_path):
    path = make(TEXT)
    with pytest.raises(ValueError, match="no backup"):
        edit(path, "cat", "ox", backup=".orig")
    with pytest.raises(ValueError, match="journal is for in_place=True"):
        fastmmap.replace_file(path, "cat", "ox", journal=tmp_path / "journal")
    with pytest.raises(ValueError, match="can't be the file itself"):
        edit(path, "cat", "ox", journal=path)
    with pytest.raises(TypeError, match="progress must be callable"):
        edit(path, "cat", "ox", progress=1)
    with pytest.raises(ValueError, match="4194304 bytes"):
        edit(path, "cat", b"x" * (5 << 20))
    with pytest.raises(FileNotFoundError, match="journal must be made in"):
        edit(path, "cat", "ox", journal=tmp_path / "nowhere" / "journal")
    with pytest.raises(FileNotFoundError):
        fastmmap.recover(tmp_path / "absent")
    assert path.read_bytes() == TEXT
    assert os.listdir(tmp_path) == ["file"]


def test_a_long_replacement(make):
    path = make(TEXT[:2300])
    new = bytes(range(256)) * (3 << 12)  # 3 MiB
    assert edit(path, "sat", new, count=3).count == 3
    assert path.read_bytes() == TEXT[:2300].replace(b"sat", new, 3)


# --- others ---


def test_somebody_is_at_it(make, small, monkeypatch):
    """An edit that goes on is left alone by recover, and refused by others."""
    path, seen = make(TEXT), []
    monkeypatch.setattr(progress, "PAUSE", 0)

    def look(done, total):
        if seen:
            return
        seen.append(fastmmap.recover(path))
        for options in ({}, {"in_place": True}):
            with pytest.raises(OSError, match="edits the file in place") as caught:
                fastmmap.replace_file(path, "cat", "x", **options)
            assert (caught.value.errno, caught.value.filename) == (errno.EBUSY, str(path))

    thread = threading.Thread(target=lambda: edit(path, "cat", "leopard", progress=look))
    thread.start()
    thread.join()
    assert seen == [False]
    assert is_done(path)


def test_a_lock_of_somebody_s(make):
    fcntl = pytest.importorskip("fcntl")
    path = make(TEXT)
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="lock") as caught:
            edit(path, "cat", "ox")
    assert caught.value.errno == errno.EBUSY
    assert edit(path, "cat", "ox").count == 2000


@staged
def test_a_log_that_is_open(make, stage):
    path = make(TEXT)
    with fastmmap.Appender(path), pytest.raises(OSError, match="Appender has the file open"):
        edit(path, "cat", "ox", force=stage == "memory")
    assert edit(path, "cat", "ox", force=stage == "memory").count == 2000


@staged
def test_an_appender_that_comes_meanwhile(make, monkeypatch):
    """Between the first look for stages and the journal: it is refused; or the edit is, before a byte has changed."""
    path, real = make(TEXT), NewFile.call
    opened = []

    def call(file, place):
        if place.endswith(".journal"):
            opened.append(fastmmap.Appender(path))
        real(file, place)

    monkeypatch.setattr(NewFile, "call", call)
    monkeypatch.setattr(system, "is_local", system.is_local)
    with pytest.raises(OSError, match="Appender has the file open"):
        edit(path, "cat", "ox")
    monkeypatch.setattr(NewFile, "call", real)
    opened[0].close()
    assert path.read_bytes() == TEXT
    assert journals(path.parent) == []
    assert edit(path, "cat", "ox").count == 2000


@pytest.mark.parametrize("what", ["append", "truncate", "write", "swap"])
def test_another_process_changes_the_file(make, small, monkeypatch, what):
    """An error, and what recover says then. What was appended can be put aside."""
    path, done = make(TEXT), []
    monkeypatch.setattr(progress, "PAUSE", 0)

    def change(so_far, total):
        if so_far < total // 2 or done:
            return
        done.append(so_far)
        if what == "append":
            with path.open("ab") as file:
                file.write(b"the cat\n")
        elif what == "truncate":
            os.truncate(path, 1000)
        elif what == "swap":
            os.rename(path, f"{path}.old")
            path.write_bytes(TEXT)
        else:
            with path.open("r+b") as file:
                file.write(b"x" * len(TEXT))
            raise Stop

    with pytest.raises((OSError, Stop)) as caught:
        edit(path, "cat", "leopard", progress=change, threads=1)
    if what == "swap":
        assert "It is edited, but was removed, renamed or replaced" in str(caught.value)
        assert (path.parent / "file.old").read_bytes() == TEXT.replace(b"cat", b"leopard")
        assert path.read_bytes() == TEXT
        return
    assert "half edited" in str(getattr(caught.value, "__notes__", caught.value))
    before = path.read_bytes()
    with pytest.raises(OSError, match="The file isn't what the journal.*remove the journal") as refused:
        fastmmap.recover(path)
    assert refused.value.filename == str(path)
    with pytest.raises(OSError, match="isn't what the journal"):
        edit(path, "cat", "leopard")
    assert path.read_bytes() == before
    if what == "append":
        assert "Keep what was added, from byte" in str(refused.value)
        os.truncate(path, len(before) - 8)
        assert fastmmap.recover(path) is True
        assert is_done(path)
    else:
        os.unlink(path.parent / journals(path.parent)[0])
        assert fastmmap.recover(path) is False


def test_a_file_that_was_brought_back(left):
    """A copy of the old bytes in the same inode, as cp makes it: to go on would spoil it."""
    data = TEXT + bytes(8000)
    left.write_bytes(data)
    with pytest.raises(OSError, match="isn't what the journal"):
        fastmmap.recover(left)
    assert left.read_bytes() == data


def test_a_file_that_is_gone(left):
    os.unlink(left)
    with pytest.raises(FileNotFoundError, match="remove the journal"):
        fastmmap.recover(left.parent)


def test_a_journal_of_a_file_that_had_the_inode_before(left, monkeypatch):
    """It is told by its birth, and is in nobody's way."""
    if system.birth(str(left)) == 0:
        pytest.skip("when files were made isn't told here")
    monkeypatch.setattr(system, "birth", lambda file: 1)
    half = left.read_bytes()
    assert fastmmap.recover(left) is False
    assert journals(left.parent) == []
    assert left.read_bytes() == half


def test_a_forked_child_does_not_go_on(make, small, monkeypatch):
    path, children = make(TEXT), []
    monkeypatch.setattr(progress, "PAUSE", 0)

    def fork(done, total):
        if done > total // 2 and not children:
            children.append(os.fork())

    try:
        edit(path, "cat", "leopard", progress=fork, threads=1)
    except BaseException:
        if children == [0]:
            os._exit(7)
        raise
    if children == [0]:
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 7
    assert is_done(path)


def test_an_interrupt_says_how_to_go_on(make, tmp_path):
    path = make(TEXT * 100)
    code = (
        "import signal, sys, fastmmap\n"
        "from fastmmap import progress\n"
        "progress.PAUSE = 0\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def stop(done, total): signal.raise_signal(signal.SIGINT)\n"
        "try: fastmmap.replace_file(sys.argv[1], 'cat', 'leopard', in_place=True, progress=stop)\n"
        "except KeyboardInterrupt as error: print(*error.__notes__)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60)
    assert f"{path} is half edited: fastmmap.recover, or the same edit again, goes on (journal" in done.stdout, done
    assert done.stdout.count(" is ") == 1
    assert fastmmap.recover(path) is True
    assert path.read_bytes() == TEXT.replace(b"cat", b"leopard") * 100


# --- journals that aren't whole ---


def outcome(path):
    """What recover returns, or the number of its error."""
    try:
        return fastmmap.recover(path)
    except OSError as error:
        return error.errno


@pytest.mark.parametrize("spoil", ["a torn slot", "a zeroed slot"])
def test_a_slot_that_is_not_whole(left, spoil):
    """The other one counts, if it is the newer; else the file has gone on since, and is left alone."""
    name = left.parent / journals(left.parent)[0]
    whole, half = name.read_bytes(), left.read_bytes()
    slots = [at for at in range(4096, len(whole), 4096) if whole[at : at + 8] == whole[:8]]
    assert len(slots) == 2
    newest = max(slots, key=lambda at: int.from_bytes(whole[at + 16 : at + 24], "little"))
    for at in slots:
        bad = bytearray(whole)
        bad[at : at + (20 if spoil == "a torn slot" else 4096)] = bytes(20 if spoil == "a torn slot" else 4096)
        name.write_bytes(bad)
        left.write_bytes(half)
        said = outcome(left)
        assert said in ((True, errno.ESTALE) if at == newest else (True,))
        assert is_done(left) if said is True else left.read_bytes() == half


@pytest.mark.parametrize("spoil", ["head", "slots", "all", "short", "version"])
def test_a_damaged_journal(left, spoil):
    name = left.parent / journals(left.parent)[0]
    data, half = bytearray(name.read_bytes()), left.read_bytes()
    if spoil == "head":
        data[20] ^= 1
    elif spoil == "slots":
        data[4096:] = bytes(len(data) - 4096)
    elif spoil == "all":
        data = bytearray(len(data))
    elif spoil == "version":
        data[8:12] = bytes(4)
    else:
        del data[5000:]
    name.write_bytes(data)
    for call in (lambda: fastmmap.recover(left), lambda: edit(left, "cat", "leopard")):
        with pytest.raises(OSError, match="is damaged") as caught:
            call()
        assert caught.value.errno == unfinished.DAMAGED
    assert left.read_bytes() == half
