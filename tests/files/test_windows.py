"""What Windows does in ways of its own, by the functions of system/."""

from __future__ import annotations

import errno
import functools
import mmap
import os
import sys
import threading
import time

import pytest
from support.marks import wine

import fastmmap
from fastmmap import system
from fastmmap.descriptors import Open

pytestmark = [
    pytest.mark.any_kernel,
    pytest.mark.skipif(sys.platform != "win32", reason="this is about Windows"),
]


@pytest.fixture
def opened():
    """Opens files, and closes them behind the test."""
    fds = []

    def open_one(path, flags=os.O_RDWR):
        fds.append(system.calls.open(path, flags))
        return fds[-1]

    yield open_one
    for fd in fds:
        os.close(fd)


def test_nothing_is_translated(make, opened):
    path = make(b"one\r\ntwo\x1athree\n")
    fd = opened(path)
    assert os.read(fd, 99) == system.read_at(fd, 99, 0) == b"one\r\ntwo\x1athree\n"
    system.write_all(fd, b"\n")
    assert path.read_bytes().endswith(b"three\n\n")


def test_reads_and_writes_leave_the_position(make, opened):
    fd = opened(make(b"abcdef"))
    os.lseek(fd, 2, os.SEEK_SET)
    assert system.read_at(fd, 3, 1) == b"bcd"
    system.write_at(fd, b"XY", 4)
    assert system.append_some(fd, b"end") == 3
    block = bytearray(4)
    assert system.read_into(fd, block, 5) == 4
    assert block == b"Yend"
    assert os.lseek(fd, 0, os.SEEK_CUR) == 2
    assert system.read_at(fd, 9, 100) == b""


def test_a_pipe_has_no_offsets():
    read, write = os.pipe()
    try:
        for call in (lambda: system.read_at(read, 1, 0), lambda: system.write_at(write, b"x", 0)):
            with pytest.raises(OSError) as caught:  # noqa: PT011
                call()
            assert caught.value.errno == errno.ESPIPE
        assert not system.wait(read, seconds=0.01)
        assert system.wait(write, writes=True)
        threading.Timer(0.05, os.write, (write, b"x")).start()
        assert system.wait(read, seconds=60)
        assert os.read(read, 9) == b"x"
    finally:
        os.close(read)
    with pytest.raises(BrokenPipeError):
        system.write_all(write, b"x")
    os.close(write)


def test_a_pipe_whose_reader_is_gone(make, opened):
    read, write = os.pipe()
    try:
        assert not system.has_no_reader(write)
        assert not system.has_no_reader(opened(make(b"")))
    finally:
        os.close(read)
    assert system.has_no_reader(write)
    with pytest.raises(BrokenPipeError):
        system.write_some(write, b"x")
    os.close(write)


def test_a_pipe_that_is_full_and_does_not_wait():
    read, write = os.pipe()
    os.set_blocking(write, False)
    data, got = os.urandom(100_000), []
    reader = threading.Thread(target=lambda: got.extend(iter(lambda: os.read(read, 5000), b"")))
    try:
        fill = functools.partial(list, iter(lambda: system.write_some(write, bytes(1 << 12)), None))
        with pytest.raises(BlockingIOError):
            fill()
        reader.start()
        written = 0
        while written < len(data):
            try:
                written += system.write_some(write, data[written:])
            except BlockingIOError:
                assert system.wait(write, writes=True)
    finally:
        os.close(write)
        reader.join()
        os.close(read)
    assert b"".join(got).endswith(data)
    assert not b"".join(got).removesuffix(data).strip(b"\0")


def test_appends_of_many_do_not_overlap(make, opened):
    path = make(b"")

    def work(number):
        fd = opened(path)
        for _ in range(50):
            system.append_some(fd, b"%d\n" % number * 10)

    if wine:
        work(0)  # its appends are two steps
        work(1)
    else:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = path.read_bytes().splitlines()
    assert len(lines) == 1000 if wine else 2000
    assert all(lines[i : i + 10] == [lines[i]] * 10 for i in range(0, len(lines), 10))


def test_a_lock_is_of_an_open_file(make, opened):
    """It goes with the last descriptor, and keeps nobody from reading and writing."""
    path = make(b"abc")
    one, other = opened(path), opened(path)
    assert system.lock(one, wait=False)
    assert not system.lock(other, wait=False)
    system.write_at(other, b"x", 0)
    assert system.read_at(other, 9, 0) == b"xbc"
    system.unlock(one)
    assert system.lock(other)
    system.unlock(other)
    third = system.calls.open(path, os.O_RDWR)
    copy = os.dup(third)
    assert system.lock(third)
    os.close(third)
    assert not system.lock(one, wait=False)
    os.close(copy)
    assert system.lock(one, wait=False)


def test_a_lock_is_waited_for(make, opened):
    path = make(b"")
    one, other = opened(path), opened(path)
    assert system.lock(one)
    threading.Timer(0.1, system.unlock, (one,)).start()
    begun = time.monotonic()
    assert system.lock(other)
    assert time.monotonic() > begun


def test_open_files_can_be_renamed_and_replaced(make, opened, tmp_path):
    path = make(b"old")
    fd = opened(path)
    os.rename(path, tmp_path / "other")
    assert system.is_named(fd)
    assert make(b"new").read_bytes() == b"new"
    assert system.read_at(fd, 9, 0) == b"old"
    system.rename(str(path), str(tmp_path / "third"))
    assert (tmp_path / "third").read_bytes() == b"new"


def test_a_mapped_file_is_neither_cut_nor_replaced(make, tmp_path):
    path, other = make(b"a" * 5000), tmp_path / "other"
    other.write_bytes(b"other")
    with fastmmap.open(path, "r+") as m:
        with pytest.raises(OSError, match="mapped"), fastmmap.open(path, "r+") as same:
            same.resize(1)
        with pytest.raises(PermissionError, match="mapped"):
            system.rename(str(other), str(path))
        with pytest.raises(OSError, match="mapped"):
            fastmmap.replace_file(path, b"a", b"", in_place=True, force=True)
        assert m[:3] == b"aaa"
    fastmmap.recover(path)
    assert path.read_bytes() == b""


def test_a_mapping_of_its_own_can_be_cut(make):
    path = make(b"a" * 200_000)
    with fastmmap.open(path, "r+") as m:
        m.resize(3)
        m.append(b"bcd")
        assert m[:] == b"aaabcd"
        m.resize(100_000)
        assert m.count(b"\0") == 100_000 - 6
    assert path.stat().st_size == 100_000


def test_links_and_folders(tmp_path, make):
    with pytest.raises(IsADirectoryError):
        system.calls.open(tmp_path, os.O_RDONLY)
    with Open() as directory:
        system.open_directory_into(directory, str(tmp_path))
        system.make_names_durable(directory.fd)
    try:
        os.symlink(make(b"abc"), tmp_path / "link")
    except OSError as error:
        pytest.skip(f"links can't be made here: {error}")
    with pytest.raises(OSError, match="link") as caught:
        system.calls.open(tmp_path / "link", os.O_RDONLY | system.CAREFULLY)
    assert caught.value.errno == errno.ELOOP


def test_a_path_of_an_open_file(make, opened):
    fd = opened(make(b"abc"))
    again = opened(system.path_of(fd))
    assert os.path.samestat(os.fstat(fd), os.fstat(again))
    assert not system.is_path_of(os.fsencode(system.path_of(fd)))


def test_what_is_known_of_a_file(make, opened, tmp_path):
    path = make(b"abc")
    fd = opened(path)
    assert system.birth(fd) == system.birth(str(path))
    assert bool(system.birth(fd)) != wine
    assert system.is_local(fd)
    assert len(system.boot()) == 16
    assert system.boot() == system.boot()
    assert system.room(fd) == pytest.approx(system.room(str(tmp_path)), rel=0.1)
    assert not system.is_read_only(str(path))
    assert system.allocated(fd) >= 0
    assert system.user() == os.fstat(fd).st_uid


def test_a_new_file_is_born_when_it_is_made(tmp_path):
    """Windows would give it the birth of one that had its name within 15 seconds."""
    if wine:
        pytest.skip("Wine knows no births")
    births = []
    for _ in range(2):
        fd = system.calls.open(tmp_path / "file", os.O_RDWR | os.O_CREAT | os.O_EXCL)
        births.append(system.birth(fd))
        os.close(fd)
        os.unlink(tmp_path / "file")
        time.sleep(0.1)
    assert births[0] < births[1]


def test_attributes_are_kept(make):
    """A hidden file stays hidden, and one that may only be read so."""
    import ctypes

    path = make(b"the cat")
    hidden = 2
    assert ctypes.windll.kernel32.SetFileAttributesW(str(path), hidden)
    fastmmap.replace_file(path, b"cat", b"horse")
    assert path.read_bytes() == b"the horse"
    assert os.stat(path).st_file_attributes & hidden
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="force=True"):
        fastmmap.replace_file(path, b"horse", b"dog")
    path.chmod(0o666)


def test_shared_memory_outlives_who_made_it():
    name = f"fastmmap-test-{os.getpid()}"
    with fastmmap.open_shared(name, 100) as m:
        m[:3] = b"abc"
    with fastmmap.open_shared(name) as m, fastmmap.open_shared(name) as same:
        assert m[:4] == same[:4] == b"abc\0"
        m.unlink()
        same[0] = 1
        assert m[0] == 1
        with pytest.raises(FileNotFoundError):
            fastmmap.open_shared(name)
        with fastmmap.open_shared(name, 10) as new:
            assert new[:] == bytes(10)
            new.unlink()
    with pytest.raises(OSError, match="name"):
        fastmmap.open_shared("a:b", 10)


def test_a_mapping_made_by_others(make):
    """What the mmap module has mapped can be read, and the file can grow meanwhile."""
    path = make(b"abc")
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        with fastmmap.open(path, "r+") as m:
            m.append(b"def")
            assert m[:] == b"abcdef"
        assert mapped[:] == b"abc"


def test_what_can_t_be_made_durable_says_why(make, opened):
    path = make(b"some")
    system.make_durable(opened(path))
    with pytest.raises(PermissionError):
        system.make_durable(opened(path, os.O_RDONLY))
    reads, writes = os.pipe()
    os.write(writes, b"unread")
    for fd in (writes, opened(os.devnull, os.O_WRONLY)):
        with pytest.raises(OSError, match="Invalid argument"):
            system.make_durable(fd)
    os.close(reads)
    os.close(writes)
