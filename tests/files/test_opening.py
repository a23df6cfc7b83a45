"""What can be opened: paths, descriptors, pipes; what can't says why, and nothing is left open."""

from __future__ import annotations

import os
import pathlib
import re
import threading

import pytest
from support.lacks import open_files

import fastmmap
from fastmmap import system
from fastmmap._backend import NATIVE


def test_descriptors_stay_the_callers(text):
    fd = os.open(text, os.O_RDWR)
    try:
        with fastmmap.open(fd, "r+") as m:
            assert m.name == fd
            m.append(b"!")
        assert os.fstat(fd).st_size == 19
        with fastmmap.open(fd) as m:
            assert m[-1:] == b"!"
        with fastmmap.open(fd, "w+", size=2) as m:
            assert m[:] == b"\0\0"
    finally:
        os.close(fd)
    with pytest.raises(OSError, match=rf"Bad file descriptor: {fd}"):
        fastmmap.open(fd)


@open_files
@pytest.mark.skipif(not NATIVE, reason="the mmap module keeps a descriptor of its own")
def test_no_descriptor_is_left_open(text):
    before = len(os.listdir("/dev/fd"))
    for mode in ("r", "c", "r+"):
        m = fastmmap.open(text, mode)
        assert len(os.listdir("/dev/fd")) == before + 1
        view = memoryview(m)
        m.close()
        assert len(os.listdir("/dev/fd")) == before
        view.release()
    fastmmap.open(text)
    for bad in ({"size": 99}, {"offset": 99}):
        with pytest.raises(ValueError, match="past the end"):
            fastmmap.open(text, **bad)
    assert len(os.listdir("/dev/fd")) == before


def test_bad_paths(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing") as caught:
        fastmmap.open(tmp_path / "missing")
    assert caught.value.filename == str(tmp_path / "missing")
    for mode in ("r", "r+", "w+", "c"):
        with pytest.raises(IsADirectoryError, match=re.escape(tmp_path.name)):
            fastmmap.open(tmp_path, mode)
    with pytest.raises(FileNotFoundError):
        fastmmap.open(tmp_path / "missing" / "file", "w+")
    for bad in (1.5, ["x"], object()):
        with pytest.raises(TypeError):
            fastmmap.open(bad)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(system.user() == 0, reason="root may read everything, and Windows knows no such modes")
def test_no_permission(make):
    path = make(b"abc")
    path.chmod(0)
    with pytest.raises(PermissionError, match="file"):
        fastmmap.open(path)


def test_bad_arguments_do_not_empty_the_file(text):
    for bad in ({"mode": "w"}, {"mode": "rb"}, {"mode": "w+", "size": -1}, {"mode": "w+", "offset": -1}):
        with pytest.raises(ValueError, match="mode|size"):
            fastmmap.open(text, **bad)
    assert text.read_bytes() == b"hello mapped world"


def test_paths_of_every_type(text):
    for path in (str(text), os.fsencode(text), text):
        with fastmmap.open(path) as m:
            assert m[:5] == b"hello"


def test_what_has_no_pages_is_read(tmp_path):
    with fastmmap.open("/proc/self/status") as m:
        assert m.backend == "memory"
        assert m[:5] == b"Name:"
        with pytest.raises(TypeError):
            m[0] = 1
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(b"through a pipe\n" * 9000,))
    writer.start()
    with fastmmap.open(fifo, "c", offset=8) as m:
        assert (len(m), m.backend) == (15 * 9000 - 8, "memory")
        m[:6] = b"A PIPE"
        assert m[:7] == b"A PIPE\n"
    writer.join()
    with pytest.raises(OSError, match="Not a regular file.*null"):
        fastmmap.open("/dev/null", "r+")
    with fastmmap.open("/dev/null") as m:
        assert len(m) == 0


def test_functions_take_paths(text, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(b"x" * 100_000 + b"needle")
    assert fastmmap.find(text, b"world") == 13
    assert fastmmap.find(big, b"needle") == fastmmap.rfind(big, b"needle") == 100_000
    assert (
        fastmmap.count(big, b"x") == fastmmap.find_all(big, b"x").size == sum(1 for _ in fastmmap.iter_find(big, b"x"))
    )
    assert fastmmap.line_starts(big).tolist() == [0]
    assert fastmmap.gather(big, [100_000], 6).tobytes() == b"needle"
    assert fastmmap.find(pathlib.Path("/proc/self/status"), b"Name:") == 0
    with pytest.raises(FileNotFoundError, match="missing"):
        fastmmap.count(tmp_path / "missing", b"x")
    with pytest.raises(IsADirectoryError, match=re.escape(tmp_path.name)):
        fastmmap.count(tmp_path, b"x")
    for function in (fastmmap.find, fastmmap.count, fastmmap.find_all, fastmmap.iter_find):
        with pytest.raises(TypeError, match=r"use pathlib\.Path or fastmmap\.open"):
            function(str(text), b"x")
    with pytest.raises(TypeError, match="fastmmap.open"):
        fastmmap.replace(text, b"x", b"y")
