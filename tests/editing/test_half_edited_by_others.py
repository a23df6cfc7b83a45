"""Half edited files that have other names or copies, or that others have changed."""

from __future__ import annotations

import errno
import os
import shutil
import stat

import pytest
from support.in_place import TEXT, Stop, edit, half_edited, is_done, journals
from support.writers import killed

import fastmmap
from fastmmap import system
from fastmmap.editing import in_place
from fastmmap.unfinished import MARK

pytestmark = pytest.mark.any_kernel

NEW = TEXT.replace(b"cat", b"leopard")


def stopped(path, monkeypatch, name, *arguments, before=False):
    """Stops an edit at the first call of a function of the system's, behind it or before."""
    real = getattr(system, name)

    def stop(*given):
        if not before:
            real(*given)
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(system, name, stop)
        with pytest.raises(Stop):
            edit(path, *arguments)


# --- other names ---


@pytest.mark.parametrize("moved", ["a hard link elsewhere", "the file itself"])
def test_a_name_in_another_folder(left, tmp_path, marks, moved):
    """The journal isn't beside that name: the file says where it is."""
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "name"
    if moved == "the file itself":
        left.rename(other)
    else:
        os.link(left, other)
    for call in (lambda: fastmmap.plan_replace(other, "a", "b"), lambda: fastmmap.Appender(other)):
        with pytest.raises(OSError, match="isn't finished"):
            call()
    assert fastmmap.replace_file(other, "cat", "leopard").strategy == "in_place"
    assert other.read_bytes() == NEW
    assert journals(tmp_path) == []
    assert os.listxattr(other) == []


def test_a_copy_is_another_file(left, tmp_path, marks):
    """With its attributes: nobody's edit is finished there, and nobody is kept from it."""
    copy = tmp_path / "copy"
    shutil.copy2(left, copy)
    assert os.listxattr(copy)
    assert fastmmap.recover(copy) is False
    assert fastmmap.replace_file(copy, "sat", "lay").strategy == "rewrite"
    assert fastmmap.recover(left) is True
    assert left.read_bytes() == NEW


def test_a_stage_elsewhere_waits(make, small, tmp_path):
    """A dead writer's records aren't put behind a half edited file, whose end isn't where it will be."""
    if system.native.__name__.rpartition(".")[2] != "linux":
        pytest.skip("stages are files on Linux alone")
    stages = tmp_path / "stages"
    stages.mkdir()
    path = make(TEXT)
    killed(path, b"a record\n", stage_dir=stages)
    half_edited(path)
    with pytest.raises(OSError, match="isn't finished"):
        fastmmap.recover(stages)
    assert fastmmap.recover(path) is True
    assert path.read_bytes() == NEW
    assert fastmmap.recover(stages) is True
    assert path.read_bytes() == NEW + b"a record\n"


# --- what others did ---


@pytest.mark.parametrize("more", [b"x" * 5, b"x" * 8000, b"x" * 9000])
def test_appended_before_it_became_longer(make, small, monkeypatch, more):
    path = make(TEXT)
    stopped(path, monkeypatch, "lengthen", "cat", "leopard", before=True)
    with path.open("ab") as file:
        file.write(more)
    if len(more) == 8000:
        pytest.skip("that is how long it becomes")
    with pytest.raises(OSError, match=f"from byte {len(TEXT)} on" if len(more) < 8000 else "from byte") as caught:
        fastmmap.recover(path)
    assert caught.value.errno == errno.ESTALE
    assert path.read_bytes() == TEXT + more


@pytest.mark.parametrize("more", [1, 2000, 4000, 9000])
def test_appended_after_it_was_cut(make, small, monkeypatch, more):
    """Killed between the cut and the journal's end: what was appended since stays."""
    path, new = make(TEXT), TEXT.replace(b"cat", b"a")
    stopped(path, monkeypatch, "truncate", "cat", "a")
    assert path.read_bytes() == new
    with path.open("ab") as file:
        file.write(b"x" * more)
    assert fastmmap.recover(path) is True
    assert path.read_bytes() == new + b"x" * more
    assert journals(path.parent) == []


def test_killed_before_it_was_cut(make, small, monkeypatch):
    path = make(TEXT)
    stopped(path, monkeypatch, "truncate", "cat", "a", before=True)
    assert len(path.read_bytes()) == len(TEXT)
    assert fastmmap.recover(path) is True
    assert path.read_bytes() == TEXT.replace(b"cat", b"a")


def test_a_path_that_leads_to_another_file(make, monkeypatch):
    """Where a file that is open can be opened once more by its path alone, as on macOS, which another has got."""
    path, other = make(TEXT), make(TEXT[::-1], "other")
    monkeypatch.setattr(system, "path_of", lambda fd: str(other))
    assert edit(path, "cat", "leopard").count == 2000
    assert path.read_bytes() == TEXT.replace(b"cat", b"leopard")
    assert other.read_bytes() == TEXT[::-1]


def test_a_mode_that_is_changed_meanwhile_stays(make, small):
    path = make(TEXT)
    os.chmod(path, 0o644)
    mode = 0o600 if os.name == "posix" else 0o444  # Windows knows whether a file may be written to
    edit(path, "cat", "leopard", progress=lambda done, total: os.chmod(path, mode))
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_refused_edit_touches_nothing(make, monkeypatch):
    path = make(TEXT)
    os.utime(path, (1, 1))
    monkeypatch.setattr(system, "room", lambda file: 0)
    with pytest.raises(OSError, match="8000 more than now"):
        edit(path, "cat", "leopard")
    assert path.stat().st_mtime == 1
    assert os.listdir(path.parent) == ["file"]


def test_changes_while_matches_are_counted(make, small, monkeypatch):
    path, real = make(TEXT), in_place.survey

    def survey(*arguments, **options):
        parts = real(*arguments, **options)
        with path.open("r+b") as file:
            file.write(TEXT.replace(b"cat", b"dog"))
        return parts

    monkeypatch.setattr(in_place, "survey", survey)
    with pytest.raises(OSError, match="changed before it was edited: edit it again"):
        edit(path, "cat", "leopard")
    assert path.read_bytes() == TEXT.replace(b"cat", b"dog")
    assert os.listdir(path.parent) == ["file"]


def test_a_forked_child_does_not_keep_the_lock(make, small):
    """The parent stops; its child, forked in the midst of the edit, lives on."""
    path, children = make(TEXT), []
    (read, write), (told, ready) = os.pipe(), os.pipe()

    def fork(done, total):
        if done < total // 2:
            return
        child = os.fork()
        if child == 0:
            os.write(ready, b"x")
            os.close(write)
            os.read(read, 1)
            os._exit(0)
        os.read(told, 1)  # it has closed what it must
        children.append(child)
        raise Stop

    with pytest.raises(Stop):
        edit(path, "cat", "leopard", progress=fork, threads=1)
    try:
        assert fastmmap.recover(path) is True
        assert is_done(path)
    finally:
        for end in (write, read, told, ready):
            os.close(end)
        os.waitpid(children[0], 0)


def test_durable_when_it_is_asked_for_the_second_time(left, monkeypatch):
    synced, real = [], system.make_durable
    monkeypatch.setattr(system, "make_durable", lambda fd: (synced.append(os.fstat(fd).st_ino), real(fd)))
    inodes = {left.stat().st_ino, (left.parent / journals(left.parent)[0]).stat().st_ino}
    edit(left, "cat", "leopard", durable=True)
    assert set(synced) == inodes
    assert len(synced) > 10
    assert is_done(left)


# --- what is said of it ---


def test_a_copy_of_one_that_is_gone(left, tmp_path, marks):
    """As mv makes it from one filesystem to another: nobody is to take it for a whole file."""
    (tmp_path / "disk").mkdir()
    journal = tmp_path / "disk" / "journal"
    os.rename(left.parent / journals(left.parent)[0], journal)
    os.setxattr(left, f"user.{MARK}", os.fsencode(journal))
    copy = tmp_path / "disk" / "copy"
    shutil.copy2(left, copy)
    left.unlink()
    half = copy.read_bytes()
    for call in (fastmmap.recover, lambda path: fastmmap.replace_file(path, "a", "b"), fastmmap.Appender):
        with pytest.raises(OSError, match="a copy of one that was half edited.*remove the journal"):
            call(copy)
    assert copy.read_bytes() == half
    journal.unlink()
    assert fastmmap.replace_file(copy, "a", "b").count > 0


def test_more_matches_than_there_were(make, small, monkeypatch):
    """Written by another process before the first step: found out before a byte has moved."""
    path, more = make(TEXT), TEXT.replace(b"sat", b"cat")
    stopped(path, monkeypatch, "lengthen", "cat", "leopard", before=True)
    path.write_bytes(more[:-4096] + TEXT[-4096:])
    with pytest.raises(OSError, match="more matches than before"):
        fastmmap.recover(path)
    assert path.read_bytes() == more[:-4096] + TEXT[-4096:]


@pytest.mark.parametrize("at", ["counting", "the end"])
def test_an_interrupt_says_what_became_of_the_file(make, small, monkeypatch, at):
    path = make(TEXT)

    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    if at == "counting":
        monkeypatch.setattr(in_place, "survey", interrupt)
    else:
        monkeypatch.setattr(
            in_place, "_check_path", lambda file, path, text: interrupt() if "is edited" in text else None
        )
    with pytest.raises(KeyboardInterrupt) as caught:
        edit(path, "cat", "leopard")
    assert caught.value.__notes__ == [f"{path} is {'unchanged' if at == 'counting' else 'edited'}"]
    assert path.read_bytes() == (TEXT if at == "counting" else NEW)


@pytest.mark.parametrize("journal", ["", b""])
def test_an_empty_path(make, journal):
    path = make(TEXT)
    with pytest.raises(ValueError, match="empty"):
        edit(path, "cat", "leopard", journal=journal)
    with pytest.raises(FileNotFoundError):
        fastmmap.recover(journal)
