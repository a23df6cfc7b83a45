"""MappedFile: every mode, every kind of file, memory that outlives close, and what is refused."""

from __future__ import annotations

import mmap
import os
import pathlib
import re
import sys
import threading

import numpy
import pytest
from support.standing_in import as_system

import fastmmap
from fastmmap import _system, growing
from fastmmap._backend import NATIVE

# Without extensions a Python class can't export a buffer before 3.12: view() is the way then.
EXPORTS = NATIVE or sys.version_info >= (3, 12)


@pytest.fixture
def text(make):
    return make(b"hello mapped world")


def test_read(text):
    with fastmmap.open(text) as m:
        assert len(m) == 18
        assert m.read() == m[:] == b"hello mapped world"
        assert m[6:-6] == b"mapped"
        assert (m.name, m.mode, m.backend, m.closed) == (str(text), "r", "mmap", False)
        assert m[0] == 104
        assert m[-1] == m[numpy.int64(17)] == ord("d")
        assert m[6:12] == b"mapped"
        assert m[::-3] == b"hello mapped world"[::-3]
        assert m[20:30] == b""
        assert b"mapped" in m
        assert "world" in m
        assert 104 in m
        assert b"nothing" not in m
        assert "18 bytes" in repr(m)
    assert m.closed
    assert "closed" in repr(m)


def test_the_kernels_are_methods(text):
    with fastmmap.open(text, "c") as m:
        assert m.find(b"o") == 4
        assert m.find("O", 5, ignorecase=True) == 14
        assert m.rfind(b"l") == 16
        assert m.count(b"l") == 3
        assert m.find_all(b"l", limit=2).tolist() == [2, 3]
        assert list(m.iter_find(b"l")) == [2, 3, 16]
        assert m.line_starts().tolist() == [0]
        assert m.gather([0, 6], 2).tolist() == [[104, 101], [109, 97]]
        assert m.replace(b"l", b"L", 2) == 2
        assert m[:5] == b"heLLo"


@pytest.mark.skipif(not EXPORTS, reason="a Python class can't export a buffer before 3.12")
def test_it_is_a_buffer(text):
    with fastmmap.open(text) as m:
        view = memoryview(m)
        assert view.readonly
        assert (view.format, view.itemsize, view.nbytes) == ("B", 1, 18)
        assert re.search(rb"m\w+", m).group() == b"mapped"
        assert numpy.frombuffer(m, dtype=numpy.uint8)[0] == 104
        assert bytes(m) == b"hello mapped world"
        assert fastmmap.count(m, b"o") == 2
        view.release()


def test_memory_outlives_close_while_views_live(text):
    m = fastmmap.open(text)
    view = m.view()
    part = view[6:12]
    m.close()
    view.release()
    assert bytes(part) == b"mapped"
    for use in (lambda: m[0], lambda: m[:], lambda: len(m), lambda: m.find(b"a"), lambda: m.view(), lambda: m.read(),
                lambda: m.flush(), lambda: m.lines[0], lambda: m.advise("normal")):  # fmt: skip
        with pytest.raises(ValueError, match="closed"):
            use()
    m.close()


def test_write_through(text):
    with fastmmap.open(text, "r+") as m:
        m[6:12] = b"python"
        m[0] = ord("H")
        m[-1] = 33
        m[1:5:2] = b"_!"
        m.flush()
        m.flush(3, 4, wait=False)
        assert text.read_bytes() == b"H_l!o python worl!"
    with fastmmap.open(text, "r+") as m:
        m[0:4] = m.view()[1:5]
        assert m[:5] == b"_l!oo"


def test_copy_on_write_never_reaches_the_file(text):
    with fastmmap.open(text, "c") as m:
        m[:5] = b"HELLO"
        assert m.replace(b"o", b"0") == 1
        m.flush()
        m.advise("dontneed")
        assert m[:] == b"HELLO mapped w0rld"
    assert text.read_bytes() == b"hello mapped world"


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


def test_empty_files(make):
    path = make()
    with fastmmap.open(path) as m:
        assert (len(m), m[:], m.read(), m.backend) == (0, b"", b"", "mmap")
        assert m.find(b"") == 0
        assert m.find(b"a") == -1
        assert m.line_starts().tolist() == m.lines[:] == []
        assert m.ranges(3) == []
        m.flush()
        m.advise("sequential")
        with pytest.raises(IndexError):
            m[0]
        assert bytes(m.view()) == b""
    with fastmmap.open(path, "r+") as m:
        m.append("grown")
        assert m[:] == b"grown"
        m.resize(0)
        assert m[:] == b""
        m.append(b"again")
    assert path.read_bytes() == b"again"


@pytest.mark.parametrize("offset", [0, 1, 100, 4095, 4096, 4097, 9999, 10_000])
def test_any_offset(make, offset):
    data = os.urandom(10_000)
    path = make(data)
    with fastmmap.open(path, offset=offset) as m:
        assert m[:] == data[offset:]
    size = min(7, len(data) - offset)
    with fastmmap.open(path, "r+", size=size, offset=offset) as m:
        m[:] = b"x" * size
        m.flush(0, size)
        m.advise("willneed", 0, size)
    assert path.read_bytes() == data[:offset] + b"x" * size + data[offset + size :]


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


def test_memory():
    with fastmmap.open(None, size=10) as m:
        assert (m[:], m.backend, m.name) == (bytes(10), "memory", None)
        m[2:5] = b"abc"
        m.append(b"tail")
        m.resize(20_000)
        assert m[:14] == b"\0\0abc" + bytes(5) + b"tail"
        m.flush()
        m.advise("dontneed")
        assert m[2:5] == b"abc"
        m.resize(3)
        assert m[:] == b"\0\0a"
    with pytest.raises(ValueError, match="size"):
        fastmmap.open(None)
    with fastmmap.open(None, size=0) as m:
        assert m[:] == b""


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


def test_a_full_disk_changes_nothing(text, monkeypatch):
    """The calls that can meet one, each failing: whatever the mapping and the file were, they are."""

    @as_system
    def full(*arguments):
        raise OSError(28, "No space left on device")

    with fastmmap.open(text, "r+") as m:
        monkeypatch.setattr(_system, "_fallocate", full)
        monkeypatch.setattr(_system, "append_some", full)
        for change in (lambda: m.resize(10_000), lambda: m.append(b"x" * 10_000)):
            with pytest.raises(OSError, match=r"No space left.*file"):
                change()
            assert (len(m), text.stat().st_size) == (18, 18)
        monkeypatch.setattr(os, "ftruncate", full)
        with pytest.raises(OSError, match="No space left"):
            m.resize(3)
        assert m[:] == text.read_bytes() == b"hello mapped world"


def test_growing_where_there_is_no_fallocate(text, monkeypatch):
    monkeypatch.setattr(_system, "_fallocate", lambda *arguments: False)
    monkeypatch.setattr(growing, "_ZEROS", bytes(1000))
    with fastmmap.open(text, "r+") as m:
        m.resize(3500)
        assert m[:] == b"hello mapped world" + bytes(3482)


@pytest.mark.parametrize(
    ("index", "value", "error"),
    [
        (0, 256, ValueError),
        (0, -1, ValueError),
        (0, b"a", TypeError),
        (0, 1.0, TypeError),
        (18, 1, IndexError),
        (-19, 1, IndexError),
        (2**70, 1, IndexError),
        ("a", 1, TypeError),
        (slice(0, 3), b"ab", ValueError),
        (slice(0, 3), b"abcd", ValueError),
        (slice(0, 3), "abc", TypeError),
        (slice(0, 3), 5, TypeError),
        (slice(0, 6, 2), b"ab", ValueError),
        (slice("a", None), b"ab", TypeError),
    ],
)
def test_stores_that_are_refused(text, index, value, error):
    with fastmmap.open(text, "r+") as m:
        with pytest.raises(error):
            m[index] = value
        with pytest.raises(TypeError):
            del m[index]
        assert m[:] == b"hello mapped world"


def test_read_only_is_read_only(text):
    with fastmmap.open(text) as m:
        with pytest.raises(TypeError, match="read-only"):
            m[0] = 1
        with pytest.raises(TypeError, match="read-only"):
            m[:2] = b"ab"
        for change in (lambda: m.replace(b"l", b"L"), lambda: fastmmap.replace(m, b"l", b"L")):
            with pytest.raises(BufferError, match="read-only"):
                change()
        with pytest.raises(BufferError, match="read-only"):
            fastmmap.append(m, 0, b"x")


def test_iterating_says_what_to_iterate(text):
    with fastmmap.open(text) as m, pytest.raises(TypeError, match=r"m\.lines.*memoryview\(m\)"):
        iter(m)


def test_bad_paths(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing") as caught:
        fastmmap.open(tmp_path / "missing")
    assert caught.value.filename == str(tmp_path / "missing")
    for mode in ("r", "r+", "w+", "c"):
        with pytest.raises(IsADirectoryError, match=str(tmp_path)):
            fastmmap.open(tmp_path, mode)
    with pytest.raises(FileNotFoundError):
        fastmmap.open(tmp_path / "missing" / "file", "w+")
    for bad in (1.5, ["x"], object()):
        with pytest.raises(TypeError):
            fastmmap.open(bad)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
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


def test_advice(text):
    with fastmmap.open(text, "r+") as m:
        for advice in _system.ADVICE:
            m.advise(advice)
            m.advise(advice, 3, 4)
        with pytest.raises(ValueError, match="sequential.*'faster'"):
            m.advise("faster")
        with pytest.raises(ValueError, match="not within"):
            m.advise("normal", 10, 9)
        with pytest.raises(ValueError, match="not within"):
            m.flush(19)
        with pytest.raises(ValueError, match="not within"):
            m.flush(-1, 3)
        assert m[:] == b"hello mapped world"


def test_ranges(make):
    data = b"".join(b"line %d\n" % i for i in range(100)) + b"no newline"
    with fastmmap.open(make(data)) as m:
        for n in (1, 2, 3, 7, 50, 1000):
            ranges = m.ranges(n)
            assert len(ranges) <= n
            assert [low for low, _ in ranges] == [0] + [high for _, high in ranges[:-1]]
            assert ranges[-1][1] == len(data)
            assert all(data[high - 1 : high] == b"\n" for _, high in ranges[:-1])
        assert m.ranges(4, align=None) == m.ranges(4, align=b"")
        assert len(m.ranges(4, align=None)) == 4
        assert m.ranges(5, align="line 99\n") == [(0, data.index(b"no n")), (data.index(b"no n"), len(data))]
        assert m.ranges(5, align=b"absent") == [(0, len(data))]
        for bad in (0, -1):
            with pytest.raises(ValueError, match="ranges"):
                m.ranges(bad)


def test_threads_read_while_it_closes(text):
    """Whatever comes first, a thread gets an answer or a ValueError."""
    for _ in range(50):
        m = fastmmap.open(text)
        answers = []

        def read(m=m, answers=answers):
            try:
                while True:
                    answers.append(m.find(b"world"))
            except ValueError:
                answers.append("closed")

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        m.close()
        for thread in threads:
            thread.join()
        assert set(answers) <= {13, "closed"}


def test_an_index_that_closes_the_mapping(text):
    class Closing:
        def __init__(self, m):
            self.m = m

        def __index__(self):
            self.m.close()
            return 0

    for use in (lambda m, i: m[i], lambda m, i: m.find(b"h", i), lambda m, i: m[i:],
                lambda m, i: fastmmap.count(m, b"h", i), lambda m, i: m.gather([0], i)):  # fmt: skip
        m = fastmmap.open(text)
        with pytest.raises(ValueError, match="closed"):
            use(m, Closing(m))


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
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        fastmmap.count(tmp_path, b"x")
    for function in (fastmmap.find, fastmmap.count, fastmmap.find_all, fastmmap.iter_find):
        with pytest.raises(TypeError, match=r"use pathlib\.Path or fastmmap\.open"):
            function(str(text), b"x")
    with pytest.raises(TypeError, match="fastmmap.open"):
        fastmmap.replace(text, b"x", b"y")


def test_mapping_of_an_open_mmap_can_not_close_under_a_kernel():
    memory = mmap.mmap(-1, 4096)
    matches = fastmmap.iter_find(memory, b"\0")
    next(matches)
    with pytest.raises(BufferError):
        memory.close()
    del matches
    memory.close()
    with pytest.raises(ValueError, match="closed"):
        fastmmap.find(memory, b"\0")


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


def test_huge_steps():
    with fastmmap.open(None, size=10) as m:
        m[3 :: sys.maxsize] = b"x"
        assert m[3 :: sys.maxsize] == m[3 :: -sys.maxsize] == b"x"
        with pytest.raises(TypeError):
            m[0] = None


@pytest.mark.skipif(sys.version_info < (3, 12), reason="a Python class can't export a buffer before 3.12")
def test_a_class_that_exports_a_large_buffer():
    class Exporter:
        def __init__(self, data):
            self.data = data

        def __buffer__(self, flags):
            return memoryview(self.data)

    data = bytearray(1 << 25) + b"end"
    assert fastmmap.find(Exporter(data), b"end", threads=2) == 1 << 25
    assert fastmmap.count(Exporter(data), b"end", threads=2) == 1
    assert fastmmap.replace(Exporter(data), b"end", b"dne", threads=2) == 1
