"""How long a mapping and its file are, what changes that, and what is refused."""

from __future__ import annotations

import os

import numpy
import pytest
from support.marks import resized_while_mapped
from support.standing_in import as_system

import fastmmap
from fastmmap import growing, system
from fastmmap.system import files


def test_new_files(tmp_path):
    path = tmp_path / "new"
    with fastmmap.open(path, "w+") as m:
        assert len(m) == 0
        m.append(b"abc")
        m.resize(5)
        assert m[:] == b"abc\0\0"
    with fastmmap.open(path, "w+", size=3) as m:
        assert m[:] == b"\0\0\0"
        m[:] = b"xyz"
    assert path.read_bytes() == b"xyz"
    with fastmmap.open(path, "w+", size=2, offset=5000) as m:
        m[:] = b"!!"
    assert path.stat().st_size == 5002


def test_size_past_the_end(make):
    path = make(b"abc")
    for mode in ("r", "c"):
        with pytest.raises(ValueError, match="past the end.*file.*3 bytes"):
            fastmmap.open(path, mode, size=4)
        with pytest.raises(ValueError, match="past the end"):
            fastmmap.open(path, mode, offset=4)
    assert path.read_bytes() == b"abc"
    with fastmmap.open(path, "r+", size=5) as m:
        assert m[:] == b"abc\0\0"
    assert path.read_bytes() == b"abc\0\0"
    with fastmmap.open(path, size=2) as m:
        assert m[:] == b"ab"


def test_growing_allocates_blocks(tmp_path):
    with fastmmap.open(tmp_path / "new", "w+", size=1 << 20):
        assert (tmp_path / "new").stat().st_blocks * 512 >= 1 << 20


def test_append_and_resize(text):
    with fastmmap.open(text, "r+") as m:
        assert m.append(b" and more") == 27
        assert m.append("é") == 29
        assert m.append(memoryview(b"")) == 29
        assert m[-13:].decode() == "ld and moreé"
        m.resize(5000)
        assert m[28:] == "é".encode()[1:] + bytes(4971)
        m.resize(3)
        assert text.read_bytes() == m[:] == b"hel"


def test_resize_while_views_live_changes_nothing(text):
    with fastmmap.open(text, "r+") as m:
        view = m.view()
        for change in (lambda: m.resize(100), lambda: m.resize(1), lambda: m.append(b"x")):
            with pytest.raises(BufferError, match="cannot resize a mapping while"):
                change()
            assert text.stat().st_size == len(m) == 18
        view.release()
        m.resize(100)


def test_what_can_not_change_its_size(text):
    for mode in ("r", "c"):
        with fastmmap.open(text, mode) as m:
            for change in (lambda m=m: m.resize(1), lambda m=m: m.append(b"x")):
                with pytest.raises(TypeError, match=repr(mode)):
                    change()
    with fastmmap.open(text, "r+", size=5) as m, pytest.raises(ValueError, match="ends at byte 5 of .* 18 bytes"):
        m.append(b"x")
    assert text.read_bytes() == b"hello mapped world"


@resized_while_mapped
def test_a_full_disk_changes_nothing(text, monkeypatch):
    """The calls that can meet one, each failing: whatever the mapping and the file were, they are."""

    @as_system
    def full(*arguments):
        raise OSError(28, "No space left on device")

    with fastmmap.open(text, "r+") as m:
        monkeypatch.setattr(system.native, "fallocate", full)
        monkeypatch.setattr(system, "append_some", full)
        for change in (lambda: m.resize(10_000), lambda: m.append(b"x" * 10_000)):
            with pytest.raises(OSError, match=r"No space left.*file"):
                change()
            assert (len(m), text.stat().st_size) == (18, 18)
        monkeypatch.setattr(os, "ftruncate", full)
        with pytest.raises(OSError, match="No space left"):
            m.resize(3)
        assert m[:] == text.read_bytes() == b"hello mapped world"


def test_growing_where_there_is_no_fallocate(text, monkeypatch):
    monkeypatch.setattr(system.native, "fallocate", lambda *arguments: False)
    monkeypatch.setattr(growing, "_ZEROS", bytes(1000))
    with fastmmap.open(text, "r+") as m:
        m.resize(3500)
        assert m[:] == b"hello mapped world" + bytes(3482)


def test_sizes_are_integers(text):
    for mode in ("w+", "r+"):
        for bad in ({"size": 1e3}, {"size": "5"}, {"offset": 1.0}):
            with pytest.raises(TypeError):
                fastmmap.open(text, mode, **bad)
    with fastmmap.open(text, "r+") as m:
        with pytest.raises(TypeError):
            m.resize(5.0)
        m.resize(numpy.int64(18))
    assert text.read_bytes() == b"hello mapped world"


def test_a_file_grows_only_when_it_is_mapped(text, monkeypatch):
    with pytest.raises(ValueError, match="past the end"):
        fastmmap.open(text, "r+", offset=100)
    with pytest.raises(ValueError, match="needs a size"):
        fastmmap.open(text, "w+", offset=100)
    with pytest.raises(OSError, match="file"):
        fastmmap.open(text, "r+", size=1 << 62)
    assert text.read_bytes() == b"hello mapped world"


def test_kept_lines_follow(make):
    with fastmmap.open(make(b"a\nb\n"), "r+") as m:
        lines = m.lines
        assert lines[1] == b"b"
        m.append("c\nd\n")
        assert lines[1:] == [b"b", b"c", b"d"]
        m.resize(1)
        assert lines[:] == [b"a"]


def test_no_call_reads_or_writes_more_than_every_system_takes(tmp_path, monkeypatch):
    """What is longer is read and written by several."""
    most, sizes = 3, []

    class Calls:
        """Of the os module, as on a system that refuses more."""

        def __getattr__(self, name):
            call = getattr(system.calls, name)

            def limited(fd, what, *rest):
                size = what if isinstance(what, int) else sum(map(len, what)) if isinstance(what, list) else len(what)
                sizes.append(size)
                assert size <= most
                return call(fd, what, *rest)

            return limited

    monkeypatch.setattr(files, "MOST", most)
    monkeypatch.setattr(files, "calls", Calls())
    block = bytearray(8)
    with open(tmp_path / "file", "w+b", buffering=0) as file:
        system.write_at(file.fileno(), b"0123456789", 0)
        assert system.read_at(file.fileno(), 10, 0) == b"0123456789"
        assert system.read_at(file.fileno(), 99, 7) == b"789"
        assert system.read_into(file.fileno(), block, 1) == 8
        pieces = [memoryview(piece) for piece in (b"", b"abcd", b"ef")]
        assert system.write_pieces(file.fileno(), pieces) == 3
        assert system.write_pieces(file.fileno(), pieces[:1] + [pieces[2]]) == 2
    assert block == b"12345678"
    assert (tmp_path / "file").read_bytes() == (b"abcef56789" if os.name == "posix" else b"0123456789abcef")
    assert max(sizes) == most
