"""replace_file: old or new, never a mix, and nothing left beside the file."""

from __future__ import annotations

import errno
import gc
import os
import stat
import struct
import sys

import pytest
from support.oracle import SEEDS
from support.standing_in import as_system

import fastmmap
from fastmmap import beside, system
from fastmmap.editing.new_file import NewFile


@pytest.mark.parametrize(("old", "text"), SEEDS)
def test_as_bytes_replace(make, old, text):
    for new in (b"", b"N", old + b"+", old[::-1]):
        for count in (-1, 0, 1, 2):
            data = text * 3 + b"tail"
            path = make(data)
            done = fastmmap.replace_file(path, old, new, count, durable=False)
            assert path.read_bytes() == data.replace(old, new, count)
            number = data.count(old)
            assert int(done) == done.count == (number if count < 0 else min(count, number))
            assert (done.path, done.old_size, done.new_size) == (str(path), len(data), path.stat().st_size)
            assert done.strategy == ("rewrite" if done.count and old != new else "none")
            assert done.seconds > 0


def test_a_file_of_many_blocks(make):
    data = b"some words, and a few more words\n" * 100_000
    path = make(data)
    assert int(fastmmap.replace_file(path, "words", "w" * 2_000_000, 3)) == 3
    assert path.read_bytes() == data.replace(b"words", b"w" * 2_000_000, 3)


def test_no_match_touches_nothing(make):
    path = make(b"some text")

    def status():
        """All but when it was last read: whether that is recorded is the mount's affair."""
        of = path.stat()
        return of.st_ino, of.st_size, of.st_mode, of.st_mtime_ns, of.st_ctime_ns

    before = status()
    done = fastmmap.replace_file(path, b"absent", b"x")
    assert (done.count, done.strategy, done.new_size) == (0, "none", 9)
    assert status() == before
    assert fastmmap.replace_file(path, b"t", b"t").count == 2
    assert fastmmap.replace_file(path, b"t", b"t", 1).count == 1
    assert status() == before
    assert fastmmap.replace_file(make(b"", "empty"), b"a", b"b").count == 0


def test_mode_owner_and_attributes_are_kept(make):
    path = make(b"abc")
    os.chmod(path, 0o4751)
    try:
        os.setxattr(path, "user.note", b"kept")
        attributes = True
    except OSError:
        attributes = False
    if os.geteuid() == 0:
        os.chown(path, 1234, 2345)
        os.chmod(path, 0o4751)
    before = path.stat()
    fastmmap.replace_file(path, b"b", b"BB")
    after = path.stat()
    assert path.read_bytes() == b"aBBc"
    assert stat.S_IMODE(after.st_mode) == 0o4751
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    if attributes:
        assert os.getxattr(path, "user.note") == b"kept"


def test_what_the_folder_gives_new_files_is_not_given(make, tmp_path):
    """A default access control list would let others read what the old file kept from them."""
    path = make(b"secret cat")
    os.chmod(path, 0o640)
    entry = struct.Struct("<HHI")
    entries = [(1, 7, 2**32 - 1), (2, 7, 1000), (4, 5, 2**32 - 1), (16, 7, 2**32 - 1), (32, 0, 2**32 - 1)]
    try:
        acl = struct.pack("<I", 2) + b"".join(entry.pack(*each) for each in entries)
        os.setxattr(tmp_path, "system.posix_acl_default", acl)
    except (OSError, AttributeError):
        pytest.skip("no access control lists here")
    fastmmap.replace_file(path, "cat", "dog")
    assert path.read_bytes() == b"secret dog"
    assert os.listxattr(path) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_an_empty_path(tmp_path):
    for call in (fastmmap.replace_file, fastmmap.plan_replace):
        with pytest.raises(FileNotFoundError):
            call("", "a", "b")


def test_a_symbolic_links_target_is_edited(make, tmp_path):
    path = make(b"abc")
    link = tmp_path / "link"
    link.symlink_to("file")
    assert fastmmap.replace_file(link, b"b", b"x").path == str(path)
    assert link.is_symlink()
    assert path.read_bytes() == b"axc"


def test_where_a_sandbox_lets_nobody_ask_for_rights(make, monkeypatch):
    """To be refused the question is no answer to it."""
    path = make(b"abc")
    monkeypatch.setattr(os, "access", lambda *arguments, **keywords: False)
    monkeypatch.setattr(os, "supports_effective_ids", {os.access})
    assert fastmmap.replace_file(path, b"b", b"x").count == 1
    assert path.read_bytes() == b"axc"


def test_a_hard_link_is_refused(make, tmp_path):
    path = make(b"abc")
    os.link(path, tmp_path / "other")
    with pytest.raises(OSError, match="2 hard links.*file") as caught:
        fastmmap.replace_file(path, b"b", b"x")
    assert caught.value.errno == errno.EMLINK
    assert path.read_bytes() == b"abc"
    assert fastmmap.replace_file(path, b"absent", b"x").count == 0


@pytest.mark.parametrize(
    ("path", "old", "new", "error", "words"),
    [
        ("missing", b"a", b"b", FileNotFoundError, "missing"),
        (".", b"a", b"b", IsADirectoryError, "directory"),
        ("file", b"", b"b", ValueError, "old must not be empty"),
        ("file", None, b"b", TypeError, "old"),
        ("file", b"a", 5, TypeError, "new"),
        (os.devnull, b"a", b"b", OSError, "regular"),
    ],
)
def test_refusals(make, tmp_path, path, old, new, error, words):
    make(b"abc")
    with pytest.raises(error, match=words):
        fastmmap.replace_file(tmp_path / path, old, new)
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"abc"


STEPS = (
    "create_into",
    "keep_owner",
    "reserve",
    "write_at",
    "keep_attributes",
    "make_durable",
    "name_file",
    "rename",
)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, None])
def test_every_step_fails(make, tmp_path, monkeypatch, step, code):
    """The old file is whole, nothing is beside it, and an OSError names it. None is an interrupt."""
    if step == "name_file" and sys.platform != "linux":
        pytest.skip("on this system a new file has a name from the start")
    path = make(b"abc" * 1000)
    error = KeyboardInterrupt() if code is None else OSError(code, os.strerror(code))

    @as_system
    def fail(*arguments):
        raise error

    monkeypatch.setattr(beside if step == "create_into" else system, step, fail)
    with pytest.raises(type(error)) as caught:
        fastmmap.replace_file(path, b"b", b"long")
    if isinstance(error, OSError):
        assert caught.value.filename == str(path)
    assert path.read_bytes() == b"abc" * 1000
    assert os.listdir(tmp_path) == ["file"]


def test_the_directory_comes_last(make, monkeypatch):
    calls = []
    for name in ("make_durable", "rename", "make_names_durable"):
        real = getattr(system, name)
        monkeypatch.setattr(system, name, lambda *a, name=name, real=real: (calls.append(name), real(*a)))
    path = make(b"abc")
    fastmmap.replace_file(path, b"b", b"x")
    assert calls == ["make_durable", "rename", "make_names_durable"]
    calls.clear()
    fastmmap.replace_file(path, b"x", b"y", durable=False)
    assert calls == ["rename"]


def test_a_file_that_changes_meanwhile_is_left_alone(make, tmp_path, monkeypatch):
    path = make(b"abc")

    def write(*arguments):
        monkeypatch.setattr(system, "write_at", real)
        real(*arguments)
        with path.open("ab") as file:
            file.write(b"somebody else's")

    real = system.write_at
    monkeypatch.setattr(system, "write_at", write)
    with pytest.raises(OSError, match="changed while it was being edited.*file") as caught:
        fastmmap.replace_file(path, b"b", b"x")
    assert caught.value.errno == errno.EBUSY
    assert path.read_bytes() == b"abcsomebody else's"
    assert os.listdir(tmp_path) == ["file"]


def test_short_writes_are_finished(make, monkeypatch):
    path = make(b"abc" * 1000)
    real = os.pwrite
    monkeypatch.setattr(system.calls, "pwrite", lambda fd, data, offset: real(fd, data[:700], offset))
    fastmmap.replace_file(path, b"b", b"BB")
    assert path.read_bytes() == b"aBBc" * 1000


def test_a_replacement_is_frozen(make):
    done = fastmmap.replace_file(make(b"abc"), b"b", b"x")
    with pytest.raises(AttributeError):
        done.count = 5


def test_every_error_names_the_file(make, tmp_path, monkeypatch):
    with pytest.raises(IsADirectoryError) as caught:
        fastmmap.replace_file(tmp_path, b"a", b"b")
    assert caught.value.filename == str(tmp_path)
    # A long name: on Windows a path has 260 characters, unless somebody has asked for more.
    path = make(b"abc", "x" * (250 if os.name == "posix" else 250 - len(str(tmp_path))))
    assert fastmmap.replace_file(os.fsencode(path), b"b", b"x").path == str(path)

    @as_system
    def refused(*arguments):
        raise OSError(errno.EPERM, "Operation not permitted", 4)

    where = (system.calls, "fchmod") if os.name == "posix" else (system, "keep_attributes")  # which doesn't call that
    monkeypatch.setattr(*where, refused)
    with pytest.raises(PermissionError) as caught:
        fastmmap.replace_file(path, b"x", b"y")
    assert caught.value.filename == str(path)


def test_a_directory_that_can_not_be_flushed_is_found_out_before(make, monkeypatch):
    path = make(b"abc")

    @as_system
    def refused(fds, directory):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(system, "open_directory_into", refused)
    with pytest.raises(PermissionError, match="file"):
        fastmmap.replace_file(path, b"b", b"x")
    assert path.read_bytes() == b"abc"
    fastmmap.replace_file(path, b"b", b"x", durable=False)
    assert path.read_bytes() == b"axc"


def test_a_new_file_that_can_not_be_removed(tmp_path, monkeypatch):
    """Where it has a name from the start, that is an error once, and not again when the object is forgotten."""
    said = []

    @as_system
    def refused(*arguments):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: said.append(unraisable.exc_value))
    monkeypatch.setattr(system, "open_unnamed_into", lambda fds, folder: False)
    monkeypatch.setattr(system, "remove", refused)
    new = NewFile(str(tmp_path))
    with pytest.raises(PermissionError), new:
        new.create()
    del new
    gc.collect()
    assert said == []
