"""follow: where it begins, and everything that becomes of a file."""

from __future__ import annotations

import os
import shutil

import pytest
from support.followers import add, now, rotate
from support.lacks import proc
from support.standing_in import as_system

import fastmmap
from fastmmap import system
from fastmmap.logs import follow, followed

# --- where it begins ---


def test_from_the_end(path):
    path.write_bytes(b"old\n")
    lines = now(path, "end")
    add(path, b"new\n")
    assert list(lines) == [b"new\n"]


def test_from_the_end_of_a_line_that_has_no_end(path):
    path.write_bytes(b"old\n" + b"x" * 5000)
    lines = now(path, "end")
    add(path, b"y\n")
    assert list(lines) == [b"x" * 5000 + b"y\n"]


def test_from_an_offset(path):
    path.write_bytes(b"one\ntwo\n")
    assert list(now(path, 4)) == [b"two\n"]
    assert list(now(path, 5)) == [b"wo\n"]
    assert list(now(path, 100)) == [b"one\n", b"two\n"], "it was cut since"


def test_from_a_position(path):
    path.write_bytes(b"one\ntwo\nthree\nfo")
    lines = now(path)
    seen = [lines.position]
    for _ in range(3):
        next(lines)
        seen.append(lines.position)
    inode = path.stat().st_ino
    assert seen == [(inode, 0), (inode, 4), (inode, 8), (inode, 14)]
    add(path, b"ur\n")
    for number, position in enumerate(seen):
        assert list(now(path, position)) == [b"one\n", b"two\n", b"three\n", b"four\n"][number:]


def test_from_a_position_before_rotations(births, path):
    path.write_bytes(b"one\ntwo\n")
    lines = now(path)
    next(lines)
    saved = lines.position
    for number in range(3, 0, -1):  # it becomes app.log.3, and each that comes after it another
        os.rename(path, path.with_name(f"app.log.{number}"))
        path.write_bytes(b"after %d\n" % number)
    assert list(now(path, saved)) == [b"two\n", b"after 3\n", b"after 2\n", b"after 1\n"]


def test_from_a_position_whose_file_is_gone(path):
    path.write_bytes(b"one\n")
    saved = path.stat().st_ino, 4
    other = path.with_name("other")
    other.write_bytes(b"new\n")
    os.replace(other, path)
    with pytest.warns(RuntimeWarning, match=f"inode {saved[0]}, isn't beside .*app.log' any more: lines may be lost"):
        lines = now(path, saved)
    assert list(lines) == [b"new\n"]


def test_a_file_that_comes_later(path, way):
    lines = now(path, "end")
    assert list(lines) == []
    assert lines.position is None
    path.write_bytes(b"one\n")
    assert list(lines) == [b"one\n"]
    assert lines.position == (path.stat().st_ino, 4)


@pytest.mark.parametrize(
    ("start", "error", "words"),
    [
        ("start", ValueError, "'start'"),
        (-1, ValueError, "negative: -1"),
        ((1, -1), ValueError, "negative"),
        ((1, 2, 3), ValueError, r"\(1, 2, 3\)"),
        (1.5, TypeError, "float"),
        (None, TypeError, "NoneType"),
        ((None, 0), TypeError, "NoneType"),
    ],
)
def test_what_start_can_not_be(path, start, error, words):
    path.touch()
    with pytest.raises(error, match=words):
        fastmmap.follow(path, start=start)


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_what_timeout_can_not_be(path, timeout):
    with pytest.raises(ValueError, match="timeout"):
        fastmmap.follow(path, timeout=timeout)


def test_what_can_not_be_followed(path, tmp_path):
    with pytest.raises(FileNotFoundError, match="absent'"):
        fastmmap.follow(tmp_path / "absent" / "app.log")
    with pytest.raises(IsADirectoryError, match="a directory"):
        fastmmap.follow(tmp_path)
    os.mkfifo(path)
    with pytest.raises(OSError, match=r"no regular file.*app.log'"):
        fastmmap.follow(path)
    with pytest.raises(TypeError):
        fastmmap.follow(3)


# --- what becomes of the file ---


def test_a_partial_line_waits(path):
    path.write_bytes(b"one\ntw")
    lines = now(path)
    assert list(lines) == [b"one\n"]
    add(path, b"o")
    assert list(lines) == []
    add(path, b"\nthree")
    assert list(lines) == [b"two\n"]
    os.rename(path, path.with_name("app.log.1"))
    assert list(lines) == []
    path.write_bytes(b"four\n")
    assert list(lines) == [b"three", b"four\n"]


def test_what_is_written_to_a_rotated_file(path):
    path.write_bytes(b"one\n")
    lines = now(path)
    assert list(lines) == [b"one\n"]
    old = open(path, "ab", buffering=0, opener=system.calls.open)  # which has it renamed meanwhile on Windows, too
    os.rename(path, path.with_name("app.log.1"))
    path.write_bytes(b"new\n")
    old.write(b"two\n")
    assert list(lines) == [b"two\n", b"new\n"]
    position = lines.position
    old.write(b"late\n")
    assert list(lines) == [b"late\n"]
    assert lines.position == position
    old.close()


@pytest.mark.parametrize("length", [1, 1000])
def test_a_file_that_is_cut(path, length):
    old = b"%d\n" * length % tuple(range(length))
    path.write_bytes(old + b"unended")
    lines = now(path)
    assert len(list(lines)) == length
    os.truncate(path, 0)
    add(path, b"new\n")
    assert list(lines) == [b"unended", b"new\n"]
    os.truncate(path, 0)
    assert list(lines) == []
    add(path, b"one\n")
    assert list(lines) == [b"one\n"]
    os.truncate(path, 0)
    add(path, b"two\n")  # as many bytes
    assert list(lines) == [b"two\n"]
    os.truncate(path, 0)
    add(path, b"longer\nthan before\n")
    assert list(lines) == [b"longer\n", b"than before\n"]


def test_an_end_that_is_taken_back(path):
    """As a writer does it whose write ended on a full disk: nothing before it comes twice."""
    path.write_bytes(b"".join(b"line %d\n" % i for i in range(100)))
    lines = now(path)
    size = path.stat().st_size
    assert len(list(lines)) == 100
    add(path, b"hal")
    assert list(lines) == []
    os.truncate(path, size)
    assert list(lines) == []
    add(path, b"whole\n")
    assert list(lines) == [b"whole\n"]


def test_copytruncate(births, path):
    """What was written before the copy was made and hasn't been read is in the copy."""
    path.write_bytes(b"one\ntwo\npart")
    lines = now(path)
    assert list(lines) == [b"one\n", b"two\n"]
    add(path, b"ly\nthree\n")
    shutil.copy(path, path.with_name("app.log.1"))
    os.truncate(path, 0)
    add(path, b"new\n")
    assert list(lines) == [b"partly\n", b"three\n", b"new\n"]
    assert lines.position == (path.stat().st_ino, 4)


def test_a_copy_is_no_successor(path):
    path.write_bytes(b"one\n")
    lines = now(path)
    assert list(lines) == [b"one\n"]
    shutil.copy(path, path.with_name("app.log.1"))
    os.truncate(path, 0)
    add(path, b"two\n")
    assert list(lines) == [b"two\n"]
    os.rename(path, path.with_name("app.log.2"))
    path.write_bytes(b"three\n")
    assert list(lines) == [b"three\n"]


def test_compressed_files_are_no_successors(path):
    path.write_bytes(b"one\n")
    lines = now(path)
    assert list(lines) == [b"one\n"]
    os.rename(path, path.with_name("app.log.1"))
    path.write_bytes(b"two\n")
    shutil.copy(path.with_name("app.log.1"), path.with_name("app.log.1.gz"))
    shutil.copy(path, path.with_name("app.log-error"))  # another's
    assert list(lines) == [b"two\n"]


@pytest.mark.parametrize("size", [followed.BLOCK - 1, followed.BLOCK, 3 * followed.BLOCK + 1])
def test_lines_longer_than_a_block(path, size):
    line = b"x" * size + b"\n"
    path.write_bytes(b"a\n" + line + b"b\n" + line)
    assert list(now(path)) == [b"a\n", line, b"b\n", line]


def test_bytes_of_any_kind(path):
    data = b"\0\r\n\xff\n\n\x85\x0b\x0c\xe2\x80\xa8\n"
    path.write_bytes(data)
    assert list(now(path)) == [b"\0\r\n", b"\xff\n", b"\n", b"\x85\x0b\x0c\xe2\x80\xa8\n"]


def test_inodes_that_are_used_again(births, path):
    for number in (3, 2, 1):
        path.with_name(f"app.log.{number}").write_bytes(b"old\n")
    path.touch()
    lines, found, expected = now(path), [], []
    for number in range(100):
        rotate(path, 3)
        add(path, b"%d\n" % number)
        expected.append(b"%d\n" % number)
        if number % 2 == 0:
            found += lines
    assert found + list(lines) == expected


def test_many_rotations_between_looks(path):
    resource = pytest.importorskip("resource")
    path.touch()
    lines = now(path)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) + 40, before[1]))
    try:
        for number in range(100):
            add(path, b"%d\n" % number)
            rotate(path, 200)
        assert list(lines) == [b"%d\n" % number for number in range(100)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_copy_of_what_was_not_read(births, path):
    path.touch()
    lines = now(path)
    assert list(lines) == []
    for number in range(3):
        add(path, b"%d\n" % number)
        shutil.copy(path, path.with_name(f"app.log.{number}"))
        os.truncate(path, 0)
    add(path, b"3\n")
    assert list(lines) == [b"0\n", b"1\n", b"2\n", b"3\n"]


def test_another_file_with_the_inode_of_a_position(path, tmp_path):
    path.write_bytes(b"one\nmore\n")
    secret = tmp_path / "secret"
    secret.write_bytes(b"password\n")
    with pytest.warns(RuntimeWarning, match="lines may be lost"):
        assert list(now(path, (secret.stat().st_ino, 2))) == [b"one\n", b"more\n"]
    with pytest.warns(RuntimeWarning, match="lines may be lost"):  # no line begins there
        assert list(now(path, (path.stat().st_ino, 2))) == [b"one\n", b"more\n"]


def test_a_file_that_can_not_be_opened_yet(path, monkeypatch):
    """It is tried again: who makes a file may give it its mode afterwards."""
    path.write_bytes(b"one\n")
    lines, real = now(path), follow.opened
    assert list(lines) == [b"one\n"]
    rotate(path, 3)
    add(path, b"two\n")

    def refused(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(follow, "opened", as_system(refused))
    assert list(lines) == []
    monkeypatch.setattr(follow, "opened", real)
    assert list(lines) == [b"two\n"]


def test_a_link_whose_target_is_rotated(path, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    target = data / "app.log"
    target.write_bytes(b"one\n")
    path.symlink_to(target)
    lines = now(path)
    assert list(lines) == [b"one\n"]
    for number in range(3):
        rotate(target, 5)
        add(target, b"%d\n" % number)
    assert list(lines) == [b"0\n", b"1\n", b"2\n"]


def test_a_line_of_any_length_takes_time_in_proportion(path):
    """It isn't copied again with each piece that is read of it."""
    path.write_bytes(b"x" * (64 << 20))
    lines = now(path)
    assert list(lines) == []
    assert len(lines._file.state[1]) > 32
    add(path, b"\n")
    assert len(next(lines)) == (64 << 20) + 1


@proc
def test_a_file_that_tells_no_size_is_refused():
    with pytest.raises(OSError, match="can't be followed") as caught:
        fastmmap.follow("/proc/self/status", timeout=0)
    assert caught.value.filename == "/proc/self/status"
