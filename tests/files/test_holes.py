"""Holes that are read, or stored to, on a full disk."""

from __future__ import annotations

import errno
import os

import numpy
import pytest

import fastmmap
from fastmmap import _backend

pytestmark = pytest.mark.skipif(not _backend.NATIVE, reason="without extensions there is no guard")

SIZE = 4 << 20


@pytest.fixture
def sparse(small_disk):
    """A file of holes, in memory, that is larger than its disk."""
    path = small_disk / "file"
    path.touch()
    os.truncate(path, SIZE)
    return path


def within(path, read, **place):
    with fastmmap.open(path, **place) as m:
        return read(m)


READS = {
    "a path": lambda path: fastmmap.count(path, "x"),
    "a mapping": lambda path: within(path, lambda m: m.rfind("x")),
    "a part": lambda path: within(path, lambda m: m.find_all("x"), offset=5000, size=SIZE - 5000),
    "an array": lambda path: fastmmap.count(numpy.memmap(path, dtype=numpy.uint8, mode="r"), "x"),
    "every second byte": lambda path: within(path, lambda m: m[::2]),
}


@pytest.mark.parametrize("read", READS)
def test_reading_holes_takes_memory_where_memory_is_the_disk(sparse, read):
    with pytest.raises(fastmmap.MappedFileError, match="no space on the disk") as caught:
        READS[read](sparse)
    caught.value.__traceback__ = None  # its frames hold what is mapped
    assert (caught.value.reason, caught.value.errno) == ("no-space", errno.ENOSPC)
    assert os.fspath(caught.value.filename) == str(sparse)


def test_large_copies_take_none(sparse):
    """The system is asked for them, not the mapping."""
    assert within(sparse, lambda m: m[:]) == within(sparse, lambda m: m.read()) == bytes(SIZE)


def test_storing_to_holes(sparse):
    with fastmmap.open(sparse, "r+") as m, pytest.raises(fastmmap.MappedFileError, match="no space") as caught:
        m[:] = b"x" * SIZE
    assert caught.value.reason == "no-space"


def test_the_disk_s_fault_is_no_lack_of_space(sparse, monkeypatch):
    """A disk that can't be read may be full as well."""
    monkeypatch.setattr("fastmmap.faults._next_data", lambda file, place: place)
    with pytest.raises(fastmmap.MappedFileError, match="can't be accessed") as caught:
        fastmmap.count(sparse, "x")
    assert caught.value.reason == "io"
