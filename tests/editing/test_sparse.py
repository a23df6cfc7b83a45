"""Holes of a sparse file stay holes when it is edited."""

from __future__ import annotations

import errno
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.standing_in import as_system

import fastmmap
from fastmmap import system
from fastmmap.editing import sparse, writing


@pytest.fixture
def sparse_file(tmp_path):
    """Makes a file of some pieces in holes; skips where the filesystem has none."""

    def make(size, pieces):
        path = tmp_path / "file"
        with path.open("wb") as file:
            file.truncate(size)
            for offset, piece in pieces.items():
                file.seek(offset)
                file.write(piece)
        if path.stat().st_blocks * 512 >= size:
            pytest.skip("this filesystem has no holes")
        return path

    return make


@pytest.mark.parametrize("new", [b"ox", b"dog", b"leopard", b""])
@pytest.mark.parametrize("options", [{}, {"threads": 2, "backup": ".orig"}])
def test_holes_stay(sparse_file, new, options):
    size = 40 << 20
    path = sparse_file(size, {5_000_000: b"the cat sat", 35_000_001: b"on the mat"})
    before = path.stat()
    done = fastmmap.replace_file(path, b"cat", new, durable=False, **options)
    after = path.stat()
    assert (done.count, after.st_size, done.new_size) == (1, *(size + len(new) - 3,) * 2)
    data = path.read_bytes()
    assert data.find(b"the " + new + b" sat") == 5_000_000
    assert data.find(b"on the mat") == 35_000_001 + len(new) - 3
    assert data.count(b"\0") == size - 21
    assert after.st_blocks <= before.st_blocks + 4 * before.st_blksize // 512


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    st.dictionaries(st.integers(0, 60_000), st.sampled_from([b"a", b"aa" * 500, b"\0a\0", bytes(5000)]), max_size=6),
    st.sampled_from([b"a", b"aa", b"a\0", b"\0\0\0a"]),
    st.sampled_from([b"", b"\0", b"b", bytes(9000), b"b" * 9000]),
)
def test_as_bytes_replace(tmp_path, pieces, old, new):
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(70_000)
        for offset, piece in pieces.items():
            file.seek(offset)
            file.write(piece)
    data = path.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "BLOCK", 10_000)
        fastmmap.replace_file(path, old, new, durable=False)
    assert path.read_bytes() == data.replace(old, new)


def test_data_is_written_and_zeros_are_not(monkeypatch):
    written = []
    monkeypatch.setattr(system, "write_at", lambda fd, data, offset: written.append((offset, bytes(data))))
    sparse.write_data(0, b"\0\0" + b"ab" + b"\0" * 8 + b"c\0", 6, 4)
    assert written == [(8, b"ab\0\0"), (16, b"\0\0c\0")]
    written.clear()
    sparse.write_data(0, bytes(100), 3, 4)
    assert written == []


def test_space_for_the_data_is_enough(small_disk):
    path = small_disk / "file"
    with path.open("wb") as file:
        file.truncate(700_000)
        file.write(b"the cat" * 10_000)
    assert fastmmap.replace_file(path, "cat", "leopard").count == 10_000
    assert path.read_bytes() == b"the leopard" * 10_000 + bytes(630_000)


def test_a_disk_that_is_full_in_the_middle(sparse_file, tmp_path, monkeypatch):
    path, real, calls = sparse_file(3 << 20, {0: b"the cat", 2 << 20: b"a cat"}), system.write_at, []
    before = path.read_bytes()

    @as_system
    def full(*arguments):
        calls.append(arguments)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(*arguments)

    monkeypatch.setattr(system, "write_at", full)
    with pytest.raises(OSError, match="beside the old one.*in place") as caught:
        fastmmap.replace_file(path, "cat", "leopard")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["file"]


def test_what_is_not_sparse_is_allocated_at_once(make, monkeypatch):
    path, asked = make(b"the cat" * 10_000), []
    real = system.reserve
    monkeypatch.setattr(system, "reserve", lambda *arguments: (asked.append(arguments[1:]), real(*arguments)))
    fastmmap.replace_file(path, "cat", "dog")
    assert asked == [(70_000,)]
