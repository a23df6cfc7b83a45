"""m[a:b] and read of much: copied by the system from the file, and the same as what is mapped."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

import fastmmap

SIZE = 3 << 20


@pytest.fixture
def path(make):
    return make(os.urandom(SIZE))


def test_slices(path):
    data = path.read_bytes()
    with fastmmap.open(path) as m:
        for start, end in ((0, SIZE), (1, 1 << 18), (5, (1 << 18) + 5), (1000, -1000), (SIZE - (1 << 18) - 1, SIZE)):
            assert m[start:end] == data[start:end]
        assert m.read() == data
    with fastmmap.open(path, offset=4096, size=1 << 20) as m:
        assert m[:] == data[4096 : 4096 + (1 << 20)]
        assert m[77:] == data[4096 + 77 : 4096 + (1 << 20)]


def test_what_was_stored_is_read(path):
    with fastmmap.open(path, "r+") as m:
        m[1000:1004] = b"abcd"
        m.replace(b"abcd", b"efgh")
        assert m[:][1000:1004] == b"efgh"
        m.resize(SIZE + 5000)
        assert m[:] == path.read_bytes()
    with fastmmap.open(path, "c") as m:  # what is stored there isn't the file's
        m[1000:1004] = b"ijkl"
        assert m[:][1000:1004] == b"ijkl"
    with fastmmap.open(None, size=SIZE) as m:
        m[1000:1004] = b"mnop"
        assert m[:] == bytes(1000) + b"mnop" + bytes(SIZE - 1004)


def test_a_mapping_that_is_closed_meanwhile(path):
    """Its descriptor's number becomes another file's at once."""
    data, other = path.read_bytes(), path.with_name("other")
    other.write_bytes(bytes(SIZE))
    for _ in range(200):
        m = fastmmap.open(path)
        seen = []

        def read(m=m, seen=seen):
            try:
                seen.append(m[:])
            except ValueError:
                seen.append(data)

        thread = threading.Thread(target=read)
        thread.start()
        m.close()
        with other.open("rb"):
            thread.join()
        assert seen == [data]


def test_record_locks_are_kept(path):
    """Closing any descriptor of a file would give up those that the process has on it."""
    fcntl = pytest.importorskip("fcntl")
    other = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    with fastmmap.open(path, "r+") as m:
        fcntl.lockf(m.fileno(), fcntl.LOCK_EX)
        assert len(m[:]) == SIZE
        done = subprocess.run([sys.executable, "-c", other, path], capture_output=True, text=True)
        assert "BlockingIOError" in done.stderr
