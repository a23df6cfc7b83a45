"""What can't be mapped is read, no more of it than is asked for; descriptors stay where they are."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from support import lacks
from support.standing_in import as_system

import fastmmap
from fastmmap import cli, system


@pytest.fixture
def pipe():
    """A descriptor to read from, and a function that writes to its other end, which is closed then."""
    read, write = os.pipe()

    def fill(data):
        with os.fdopen(write, "wb") as file:
            file.write(data)

    yield read, fill
    os.close(read)


def test_a_descriptor_of_proc_is_read_from_its_start(make):
    fd = os.open("/proc/self/status", os.O_RDONLY)
    try:
        os.read(fd, 20)
        for _ in range(2):
            with fastmmap.open(fd) as m:
                assert m.backend == "memory"
                assert m[:5] == b"Name:"
        with fastmmap.open(fd, offset=5, size=3) as m:
            assert m[:] == os.pread(fd, 3, 5)
        assert os.lseek(fd, 0, os.SEEK_CUR) == 20
    finally:
        os.close(fd)


def test_a_descriptor_of_a_file_stays_where_it_is(make):
    fd = os.open(make(b"abcdef"), os.O_RDWR)
    try:
        os.read(fd, 2)
        for mode in ("r", "r+", "c"):
            with fastmmap.open(fd, mode) as m:
                assert m[:] == b"abcdef"
                assert m.read(3) == b"abc"
        assert os.read(fd, 9) == b"cdef"
    finally:
        os.close(fd)


@pytest.mark.parametrize("name", ["status", "maps", "environ"])
def test_nothing_is_written_to_what_is_read(make, name):
    path = f"/proc/self/{name}"
    fd = os.open(path, os.O_RDONLY)  # the mode is asked of the file, not of the descriptor
    try:
        for file in (path, fd):
            for mode in ("r+", "w+"):
                with pytest.raises(OSError, match="/proc|regular file") as caught:
                    fastmmap.open(file, mode)
                assert caught.value.filename == file
    finally:
        os.close(fd)
    with fastmmap.open(make(b""), "r+") as m:
        m.append(b"an empty file is one")
        assert m[:2] == b"an"


def test_no_more_of_a_device_than_is_asked_for():
    for arguments in ({"size": 128}, {"size": 128, "offset": 77}, {"size": 128, "mode": "c"}):
        with fastmmap.open("/dev/zero", **arguments) as m:
            assert m[:] == bytes(128)
    with fastmmap.open("/dev/zero", size=0) as m:
        assert m[:] == b""
    with fastmmap.open("/dev/zero", size=3 << 20) as m:
        assert m.count(b"\0") == 3 << 20
    with fastmmap.open("/dev/null") as m:
        assert m[:] == b""
    with pytest.raises(ValueError, match="past the end of '/dev/null', which has 0 bytes"):
        fastmmap.open("/dev/null", size=1)


def test_no_more_of_pagemap_than_is_asked_for():
    """The whole of it is half a TiB."""
    with fastmmap.open("/proc/self/pagemap", size=4096, offset=8192) as m:
        assert (len(m), m.backend, m.offset) == (4096, "memory", 8192)


@pytest.mark.skipif(not os.path.exists("/proc/self/pagemap"), reason="Linux has it")
def test_a_file_that_takes_reads_of_some_sizes_alone():
    """Those of pagemap are of eight bytes. What is read is about 64 GiB, where programs have nothing, fixed or not."""
    for size, offset in ((1, 0), (100, 3), ((1 << 20) + 5, 8191), (9, (1 << 20) - 1)):
        with fastmmap.open("/proc/self/pagemap", size=size, offset=(1 << 27) + offset) as m:
            assert m[:] == bytes(size)


READS = {
    "find": lambda kernel, path, *span: kernel.find(path, b"\0", *span),
    "rfind": lambda kernel, path, *span: kernel.rfind(path, b"\0", *span),
    "count": lambda kernel, path, *span: kernel.count(path, b"\0", *span),
    "find_all": lambda kernel, path, *span: kernel.find_all(path, b"\0", *span).tolist(),
    "iter_find": lambda kernel, path, *span: list(kernel.iter_find(path, b"\0", *span)),
    "empty": lambda kernel, path, *span: list(kernel.iter_find(path, b"", *span)),
    "line_starts": lambda kernel, path, *span: kernel.line_starts(path, *span).tolist(),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("path", ["/dev/zero", "/proc/self/pagemap"])
def test_no_more_of_a_path_than_up_to_the_end(kernel, path, read):
    if not os.path.exists(path):
        pytest.skip(f"{path} isn't here")
    for span in ((0, 100), (3, 5), (100, 100), (200, 100), (0, 0)):
        assert read(kernel, Path(path), *span) == read(kernel, bytes(100), *span)


def test_no_more_of_a_fifo_than_up_to_the_end(kernel, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    both = os.open(fifo, os.O_RDWR)  # so that it never ends
    try:
        os.write(both, b"0123456789")
        assert kernel.find(fifo, b"3", 0, 4) == 3
        assert os.read(both, 99) == b"456789"
    finally:
        os.close(both)


def test_a_span_that_counts_from_the_end(kernel):
    data = Path("/proc/version").read_bytes()
    for span in ((-5, None), (-5, 10_000), (0, -3), (-9, -3), (2, 10_000), (10_000, 20_000)):
        assert kernel.find(Path("/proc/version"), data[-5:-3], *span) == data.find(data[-5:-3], *span)
        assert kernel.count(Path("/proc/version"), b"", *span) == data.count(b"", *span)


def test_a_pipe(pipe):
    read, fill = pipe
    fill(b"0123456789")
    with fastmmap.open(read, offset=2, size=3) as m:
        assert (m[:], m.backend, m.find(b"3")) == (b"234", "memory", 1)
    with fastmmap.open(read) as m:
        assert m[:] == b"56789"
    with pytest.raises(ValueError, match="3 bytes at offset 0 are past the end"):
        fastmmap.open(read, size=3)
    with pytest.raises(ValueError, match="offset 3 is past the end, which is at 0 bytes"):
        fastmmap.open(read, offset=3)


def test_a_pipe_that_would_block_is_waited_for(pipe):
    read, fill = pipe
    os.set_blocking(read, False)
    writer = threading.Timer(0.05, fill, (b"late",))
    writer.start()
    with fastmmap.open(read) as m:
        assert m[:] == b"late"
    writer.join()


def test_an_offset_past_the_end_of_what_is_read():
    size = len(Path("/proc/version").read_bytes())
    with fastmmap.open("/proc/version", offset=size) as m:
        assert m[:] == b""
    with pytest.raises(ValueError, match="past the end"):
        fastmmap.open("/proc/version", offset=size + 1)
    with pytest.raises(ValueError, match="past the end"):
        fastmmap.open("/proc/version", offset=size - 1, size=2)


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_where_there_is_no_memfd(monkeypatch, number):
    @as_system
    def refuse(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "memfd_create", refuse, raising=False)
    with fastmmap.open("/proc/self/status") as m:
        assert m[:5] == b"Name:"


def test_a_block_device_is_mapped(block_device):
    with fastmmap.open(block_device, "r+") as m:
        assert (len(m), m.backend) == (1 << 20, "mmap")
        m[4096:4102] = b"mapped"
        m.flush()
        m.flush(wait=False)
        for change in (lambda: m.resize(1 << 21), lambda: m.append(b"x")):
            with pytest.raises(ValueError, match="is a device"):
                change()
    with fastmmap.open(block_device, offset=4096, size=6) as m:
        assert m[:] == b"mapped"
        assert m.count(b"p") == 2
    for mode in ("r", "r+"):
        with pytest.raises(ValueError, match=f"past the end of .*, which has {1 << 20} bytes"):
            fastmmap.open(block_device, mode, size=1 << 21)
    with pytest.raises(OSError, match="Not a regular file"):
        fastmmap.open(block_device, "w+")


def test_nothing_is_appended_to_a_block_device(block_device, capfd):
    """It would overwrite what the device begins with."""
    with pytest.raises(OSError, match="block device.*appended") as caught:
        fastmmap.Appender(block_device)
    assert caught.value.filename == block_device
    assert cli.main(["append", block_device, "text"]) == 2
    assert capfd.readouterr().err.startswith(f"fastmmap: {block_device}: A block device")
    with open(block_device, "rb") as device:
        assert device.read(100) == bytes(100)


@lacks.proc
def test_the_size_of_a_device_leaves_the_position(make):
    fd = os.open(make(b"abcdef"), os.O_RDONLY)
    os.lseek(fd, 2, os.SEEK_SET)
    assert system.device_size(fd) == 6
    assert os.lseek(fd, 0, os.SEEK_CUR) == 2
    os.close(fd)
