"""Files that grow while others append to them: nothing of theirs is cut or overwritten, whatever fails."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from contextlib import suppress

import pytest
from support.lacks import fcntl, resource
from support.marks import cut_while_mapped, resized_while_mapped, wine
from support.standing_in import as_system

import fastmmap
from fastmmap import growing, resizing, system
from fastmmap._backend import NATIVE

# Appends numbered records to a file by os.write until it is told to end; prints how many.
WRITER = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
os.set_blocking(0, False)
number, told = 0, False
while not told:
    os.write(fd, b"%010d\\n" % number)
    number += 1
    if number == 1:
        print("ready", flush=True)
    try:
        told = os.read(0, 1) == b"!"
    except BlockingIOError:
        pass
print(number, flush=True)
"""

# Appends numbered records by MappedFile.append, or by an Appender.
APPENDS = """
import sys, fastmmap
path, way, who, number = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
log = fastmmap.open(path, "r+") if way == "mapping" else fastmmap.Appender(path, stage_size=100)
for i in range(number):
    log.append(f"{who} {i:06d}\\n")
log.close()
"""


class Beside:
    """A process that appends to a file meanwhile."""

    def __init__(self, path):
        self.path = path
        if sys.platform == "win32":
            pytest.skip("this system's O_APPEND takes two steps, in the C library")
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout.readline() == b"ready\n"

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        number, _ = self._process.communicate(b"!")
        data = self.path.read_bytes().replace(b"\0", b"")
        assert data == b"".join(b"%010d\n" % i for i in range(int(number)))


def test_a_failing_open_beside_a_writer(tmp_path):
    path = tmp_path / "log"
    with Beside(path):
        for _ in range(100):
            with pytest.raises(OSError, match="log"):
                fastmmap.open(path, "r+", size=1 << 62)


def test_growing_beside_a_writer(tmp_path):
    path = tmp_path / "log"
    with Beside(path):
        for _ in range(30):
            fastmmap.open(path, "r+", size=path.stat().st_size + 5000).close()
    with Beside(tmp_path / "other"), fastmmap.open(tmp_path / "other", "r+") as m:
        for _ in range(30):
            with suppress(ValueError):  # others have appended more than that meanwhile
                m.resize((tmp_path / "other").stat().st_size + 5000)


def test_resizing_down_cuts_nothing_that_others_appended(make):
    path = make(b"abc")
    with fastmmap.open(path, "r+") as m:
        with path.open("ab") as file:
            file.write(b"of another")
        for size in (2, 3, 5):
            with pytest.raises(ValueError, match="ends at byte 3 of .* 13 bytes"):
                m.resize(size)
        m.resize(20)
        assert m[:] == path.read_bytes() == b"abcof another" + bytes(7)


def test_append_maps_what_others_have_appended(make):
    path = make(b"one\n")
    with fastmmap.open(path, "r+") as m, fastmmap.open(path, "r+", offset=1) as other:
        assert m.lines[:] == [b"one"]
        assert other.append("two\n") == 7
        assert m.append("three\n") == 14
        assert m.lines[:] == [b"one", b"two", b"three"]
        assert other.append("") == 13
        assert other[:] == b"ne\ntwo\nthree\n"
    with fastmmap.open(path, "r+", size=3) as m, pytest.raises(ValueError, match="ends at byte 3"):
        m.append("!")


def test_append_to_a_descriptor_leaves_its_position_and_flags(make):
    fd = os.open(make(b"abc"), os.O_RDWR)
    with fastmmap.open(fd, "r+") as m:
        m.append(b"def")
        assert m[:] == b"abcdef"
    assert os.read(fd, 9) == b"abcdef"
    assert not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND
    os.close(fd)


def test_append_where_pwritev_cannot(make, monkeypatch):
    path = make(b"abc")
    monkeypatch.delattr(os, "RWF_APPEND", raising=False)
    with fastmmap.open(path, "r+") as m, path.open("ab") as file:
        file.write(b"def")
        file.flush()
        assert m.append(b"ghi") == 9
        assert m[:] == b"abcdefghi"


@pytest.mark.skipif(wine, reason="Wine appends in two steps")
def test_four_writers_of_one_log(tmp_path):
    path, number = tmp_path / "log", 500
    path.touch()
    ways = {"a": "mapping", "b": "mapping", "c": "mapping", "d": "appender"}
    processes = [
        subprocess.Popen([sys.executable, "-c", APPENDS, path, way, who, str(number)]) for who, way in ways.items()
    ]
    assert [process.wait() for process in processes] == [0] * 4
    lines = path.read_text().splitlines()
    for who in ways:
        assert [line for line in lines if line[0] == who] == [f"{who} {i:06d}" for i in range(number)]
    assert len(lines) == 4 * number


def test_a_full_disk(small_disk):
    path = small_disk / "log"
    path.write_bytes(b"abc\n")
    with pytest.raises(OSError, match="No space left"):
        fastmmap.open(path, "r+", size=4 << 20)
    with fastmmap.open(path, "r+") as m:
        for change in (lambda: m.resize(4 << 20), lambda: m.append(bytes(4 << 20))):
            with pytest.raises(OSError, match="No space left.*log"):
                change()
            assert m[:] == path.read_bytes() == b"abc\n"
        m.append("def\n")
        m.resize(1 << 19)
    assert path.read_bytes() == b"abc\ndef\n" + bytes((1 << 19) - 8)


def test_a_limit_of_the_size_of_files(make):
    path = make(b"abc\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with fastmmap.open(path, "r+") as m:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
        try:
            for change in (
                lambda: m.resize(20_000),
                lambda: m.append(bytes(20_000)),
                lambda: fastmmap.open(path, "r+", size=20_000),
            ):
                with pytest.raises(OSError, match="File too large.*file"):
                    change()
                assert m[:] == path.read_bytes() == b"abc\n"
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(("beside", "left"), [(False, b"abc\n"), (True, b"abc\n012another's\n")])
def test_a_part_of_a_record_stays_where_something_stands_behind_it(make, monkeypatch, beside, left):
    path, real = make(b"abc\n"), system.append_some

    @as_system
    def full(fd, data):
        """Writes three bytes, and then another process comes."""
        if len(data) < 8:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(fd, data[:3])
        if beside:
            real(fd, b"another's\n")
        return 3

    monkeypatch.setattr(system, "append_some", full)
    with fastmmap.open(path, "r+") as m, pytest.raises(OSError, match="No space left"):
        m.append(b"01234567")
    assert path.read_bytes() == left


@pytest.mark.parametrize("allocates", [True, False])
@pytest.mark.parametrize("change", ["open", "resize"])
def test_an_interrupt_at_any_line(tmp_path, monkeypatch, change, allocates):
    """What another process appended stays, and the mapping is one of what is there."""
    if not allocates:
        monkeypatch.setattr(system.native, "fallocate", lambda *arguments: False)
    path = tmp_path / "file"

    def resize(m):
        m.resize(5000)

    def open_larger(m):
        fastmmap.open(path, "r+", size=5000).close()

    for number in range(1, 500):
        path.write_bytes(b"abc")
        with fastmmap.open(path, "r+") as m:
            try:
                ended = interrupted_at(number, resize if change == "resize" else open_larger, m)
            except ValueError:
                ended = False  # the other process was there first
            data = path.read_bytes()
            assert b"another's" in data or ended
            assert data.replace(b"\0", b"") in (b"abc", b"abcanother's")
            assert m[:] == data[: len(m)]
        if ended:
            break
    else:
        pytest.fail("the change never came to its end")


def interrupted_at(number, change, m):
    """A change that is interrupted at one of its lines; half-way there, another process appends. Whether it ended."""
    files, left = {module.__file__ for module in (growing, resizing, system, fastmmap.mapped)}, number

    def trace(frame, event, argument):
        nonlocal left
        if frame.f_code.co_filename not in files or frame.f_code.co_name in ("close", "__del__"):
            return None
        if event == "line":
            left -= 1
            if left == number // 2:
                with open(m.name, "ab") as file:
                    file.write(b"another's")
            if left == 0:
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        change(m)
    except KeyboardInterrupt:
        return False
    finally:
        sys.settrace(None)
    return left > 0


def test_a_mapping_that_fails_leaves_the_file(make, monkeypatch):
    path = make(b"abc")
    with fastmmap.open(path, "r+") as m:
        if NATIVE:
            soft, hard = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (1 << 33, hard))
            try:
                with pytest.raises(OSError, match="file"):
                    m.resize(1 << 34)
            finally:
                resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        view = m.view()
        with pytest.raises(BufferError):
            m.append(b"x")
        view.release()
        assert m[:] == path.read_bytes() == b"abc"


@resized_while_mapped
def test_a_view_that_is_taken_during_an_append(make, monkeypatch):
    """The record is taken back if nothing stands behind it; else it stays, and the mapping is behind."""
    path = make(b"abc")
    real = growing.append_whole
    views = []

    def append_whole(fd, data):
        real(fd, data)
        views.append(m.view())
        if beside:
            real(fd, memoryview(b"another's"))

    monkeypatch.setattr(growing, "append_whole", append_whole)
    with fastmmap.open(path, "r+") as m:
        beside = False
        with pytest.raises(BufferError):
            m.append(b"x")
        assert path.read_bytes() == b"abc"
        views.pop().release()
        beside = True
        assert m.append(b"x") == 3
        assert path.read_bytes() == b"abcxanother's"
        views.pop().release()
        monkeypatch.undo()
        assert m.append(b"y") == 14


@cut_while_mapped
@pytest.mark.skipif(not NATIVE or fastmmap.kernel == "python", reason="the reference isn't guarded")
def test_a_record_that_is_a_truncated_mapping(make):
    log, other = make(b"abc", "log"), make(bytes(100_000), "other")
    with fastmmap.open(log, "r+") as m, fastmmap.open(other) as record:
        os.truncate(other, 5000)
        with pytest.raises(fastmmap.MappedFileError, match="other"):
            m.append(record)
        assert m[:] == log.read_bytes() == b"abc"


def test_threads_that_append(make):
    path = make(b"")
    with fastmmap.open(path, "r+") as m:

        def work(who):
            for i in range(200):
                m.append(b"%d %d\n" % (who, i))

        threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert m[:] == path.read_bytes()
        assert sorted(m.lines[:]) == sorted(b"%d %d" % (who, i) for who in range(4) for i in range(200))


@cut_while_mapped
def test_a_copytruncated_log_is_appended_to_where_it_ends(make):
    path = make(b"before\n")
    with fastmmap.open(path, "r+") as m:
        os.truncate(path, 0)
        assert m.append(b"after\n") == 6
        assert m[:] == path.read_bytes() == b"after\n"
