"""A MappedFile is read as binary files are: whoever takes one may be given it."""

from __future__ import annotations

import codecs
import csv
import errno
import gzip
import hashlib
import http.client
import io
import json
import os
import pickle
import random
import shutil
import sys
import tarfile
import tempfile
import threading
import zipfile

import numpy
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from support.marks import cut_while_mapped
from support.standing_in import as_system

import fastmmap
from fastmmap import system
from fastmmap._backend import NATIVE

TEXT = b"one,two\nthree,four\n\nthe last"
NUMBERS = st.one_of(st.none(), st.integers(-1, 40))


class AsAFile(RuleBasedStateMachine):
    """Every answer is that of a binary file, also beyond the end and when the size has changed."""

    def __init__(self):
        super().__init__()
        self.mapped = fastmmap.open(None, size=len(TEXT))
        self.mapped[:] = TEXT
        self.model = tempfile.TemporaryFile()
        self.model.write(TEXT)
        self.model.seek(0)

    def both(self, use):
        answers = []
        for file in (self.mapped, self.model):
            try:
                answers.append(use(file))
            except (TypeError, ValueError, OSError) as error:
                answers.append(type(error))
        assert answers[0] == answers[1]
        assert self.mapped.tell() == self.model.tell()

    @rule(n=NUMBERS)
    def read(self, n):
        self.both(lambda file: file.read(n))

    @rule(n=st.integers(-1, 40))
    def read1(self, n):
        self.both(lambda file: file.read1(n))

    @rule(n=st.integers(0, 40))
    def readinto(self, n):
        def use(file):
            buffer = bytearray(n)
            return file.readinto(buffer), buffer

        self.both(use)

    @rule(n=NUMBERS)
    def readline(self, n):
        self.both(lambda file: file.readline(n))

    @rule(n=NUMBERS)
    def readlines(self, n):
        self.both(lambda file: file.readlines(n))

    @rule(offset=st.integers(-40, 60), whence=st.sampled_from((0, 1, 2, True, numpy.int64(2), -1, 5, 1.0, None, "a")))
    def seek(self, offset, whence):
        self.both(lambda file: file.seek(offset, whence))

    @rule(data=st.binary(max_size=9))
    def append(self, data):
        position = self.model.tell()
        self.mapped.append(data)
        self.model.seek(0, os.SEEK_END)
        self.model.write(data)
        self.model.seek(position)

    @rule(size=st.integers(0, 60))
    def resize(self, size):
        self.mapped.resize(size)
        self.model.truncate(size)

    def teardown(self):
        self.model.seek(0)
        assert self.mapped[:] == self.model.read()
        self.mapped.close()
        self.model.close()


AsAFile.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestAsAFile = AsAFile.TestCase


@pytest.fixture
def text(make):
    return make(TEXT)


def test_what_it_says_of_itself(text):
    with fastmmap.open(text) as m:
        assert (m.readable(), m.seekable(), m.writable(), m.isatty(), m.tell()) == (True, True, False, False, 0)
        assert (m.readall(), m.readall(), m.tell()) == (TEXT, b"", len(TEXT))
        with pytest.raises(TypeError, match="m.lines"):
            iter(m)
    for use in (m.read, m.readall, m.readline, m.readlines, m.tell, m.readable, m.seekable, m.writable, m.fileno,
                lambda: m.seek(0), lambda: m.readinto(bytearray(3))):  # fmt: skip
        with pytest.raises(ValueError, match="closed"):
            use()


def test_arguments_that_are_refused(text):
    with fastmmap.open(text) as m:
        for bad in ("3", 3.0, b"x"):
            for use in (m.read, m.readline, m.readlines, m.seek):
                with pytest.raises(TypeError):
                    use(bad)
        with text.open("rb") as file:
            for bad in (b"abc", "abc", 3, memoryview(b"abc"), memoryview(bytearray(9))[::2], numpy.zeros((2, 2)).T):
                for use in (m.readinto, file.readinto):
                    with pytest.raises(TypeError):
                        use(bad)
            for whence in (0, 1, 2):
                for use in (m.seek, file.seek):
                    with pytest.raises(OSError, match="Invalid argument"):
                        use(-len(TEXT) - 1, whence)
        with pytest.raises(OverflowError):
            m.seek(2**64)
        with pytest.raises(TypeError):
            m.read(6, -6)
        assert m.tell() == 0


def test_readinto_buffers_of_every_kind(make):
    data = random.Random(1).randbytes(3 << 20)
    with fastmmap.open(make(data)) as m, fastmmap.open(None, size=len(data)) as other:
        wide, short = numpy.zeros((2, len(data) // 8), numpy.int32), memoryview(bytearray(99))
        for buffer, size in ((bytearray(len(data)), len(data)), (wide, len(data)), (short, 99), (numpy.zeros(0), 0)):
            m.seek(0)
            assert m.readinto(buffer) == m.tell() == size
            assert bytes(buffer) == data[:size]
        m.seek(1)
        assert m.readinto(other) == len(data) - 1
        assert other[:] == data[1:] + b"\0"


def test_lines_of_every_length(make):
    lines = [b"x" * length + b"\n" for length in (0, 1, 1022, 1023, 1024, 5000, 70_000, 300_000, 0)] + [b"y" * 2000]
    with fastmmap.open(make(b"".join(lines)), "r+") as m:
        assert m.readlines() == lines
        m.seek(0)
        assert [m.readline() for _ in range(len(lines) + 1)] == [*lines, b""]


@cut_while_mapped
@pytest.mark.skipif(not NATIVE or fastmmap.kernel == "python", reason="the reference isn't guarded")
@pytest.mark.parametrize("use", ["read", "readall", "readline", "readlines", "readinto"])
def test_a_truncated_file(make, use):
    path = make(b"x" * 100_000)
    with fastmmap.open(path) as m:
        m.seek(5)
        os.truncate(path, 0)
        with pytest.raises(fastmmap.MappedFileError, match="truncated"):
            m.readinto(bytearray(99_000)) if use == "readinto" else getattr(m, use)()
        assert m.tell() == 5


def test_threads_get_each_byte_once(make):
    data = random.Random(2).randbytes(400_000)
    blocks = []
    with fastmmap.open(make(data)) as m:

        def work():
            while block := m.read(1000):
                blocks.append(block)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(blocks) == sorted(data[i : i + 1000] for i in range(0, len(data), 1000))


# --- who takes files ---


def test_shutil(text):
    with fastmmap.open(text) as m:
        out = io.BytesIO()
        shutil.copyfileobj(m, out, 5)
        assert out.getvalue() == TEXT


def test_text_and_csv(text):
    rows = [["one", "two"], ["three", "four"], [], ["the last"]]
    m = fastmmap.open(text)
    with io.TextIOWrapper(m, encoding="ascii") as file:
        assert list(csv.reader(file)) == rows
    assert m.closed
    with fastmmap.open(text) as m:
        assert list(csv.reader(codecs.getreader("ascii")(m))) == rows
    with io.BufferedReader(fastmmap.open(text)) as file:
        assert list(file) == TEXT.splitlines(keepends=True)


def test_json_and_pickle(make):
    value = {"a": [1, 2, "three"], "b": b"x" * 100_000}
    with fastmmap.open(make(pickle.dumps(value) + pickle.dumps([value], 5))) as m:
        assert pickle.load(m) == value
        assert pickle.load(m) == [value]
    with fastmmap.open(make(b'{"a": [1, 2]}', "json")) as m:
        assert json.load(m) == {"a": [1, 2]}


def test_archives(make, text, tmp_path):
    with fastmmap.open(make(gzip.compress(TEXT), "gz"), "c") as m, gzip.open(m) as file:
        assert file.read() == TEXT
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.write(text, "text")
    with fastmmap.open(tmp_path / "zip") as m, zipfile.ZipFile(m) as archive:
        assert archive.read("text") == TEXT
    with tarfile.open(tmp_path / "tar", "w") as archive, fastmmap.open(text) as m:
        archive.addfile(archive.gettarinfo(arcname="text", fileobj=m), m)
    with fastmmap.open(tmp_path / "tar") as m, tarfile.open(fileobj=m) as archive:
        assert archive.extractfile("text").read() == TEXT


@pytest.mark.skipif(sys.version_info < (3, 11), reason="hashlib.file_digest is new in Python 3.11")
def test_hashlib(text):
    with fastmmap.open(text) as m:
        assert hashlib.file_digest(m, "sha256").digest() == hashlib.sha256(TEXT).digest()


def test_http(text):
    class Connection(http.client.HTTPConnection):
        def connect(self):
            self.sock = self

        def sendall(self, data):
            sent.extend(data)

    sent = bytearray()
    with fastmmap.open(text) as m:
        Connection("nowhere").request("PUT", "/", body=m, headers={"Content-Length": str(len(m))})
    assert sent.endswith(b"\r\n\r\n" + TEXT)


def test_numpy(make):
    numbers = numpy.arange(1000)
    with fastmmap.open(make(numbers.tobytes())) as m:
        m.seek(80)
        assert numpy.fromfile(m, numpy.int64, 5).tolist() == [10, 11, 12, 13, 14]
        assert m.tell() == 120
        assert numpy.fromfile(m, numpy.int64).tolist() == list(range(15, 1000))
    numpy.save(make(b"", "npy"), numbers)
    with fastmmap.open(make(b"", "npy").with_suffix(".npy")) as m:
        assert numpy.load(m).tolist() == numbers.tolist()


def test_a_descriptor_only_where_it_has_the_same_bytes(text):
    with fastmmap.open(text) as m:
        m.seek(4)
        assert os.read(m.fileno(), 3) == b"two"
        with text.open("ab") as file:
            file.write(b"more")
        with pytest.raises(io.UnsupportedOperation):
            m.fileno()
    for arguments in ({"offset": 1}, {"size": 3}, {"mode": "c"}):
        with fastmmap.open(text, **arguments) as m, pytest.raises(io.UnsupportedOperation):
            m.fileno()
    with fastmmap.open(None, size=3) as m, pytest.raises(io.UnsupportedOperation):
        m.fileno()


@pytest.fixture
def descriptor(text):
    """A caller's, which doesn't stand at the start."""
    fd = os.open(text, os.O_RDWR)
    os.lseek(fd, 2, os.SEEK_SET)
    yield fd
    assert os.lseek(fd, 0, os.SEEK_CUR) == 2
    os.close(fd)


needs_proc = pytest.mark.skipif(
    sys.platform == "win32" or not os.path.exists("/proc/self/fd"), reason="files are opened again by /proc"
)


@needs_proc
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_the_callers_descriptor_is_not_moved(text, descriptor, mode):
    text.unlink()
    with fastmmap.open(descriptor, mode) as m:
        m.seek(4)
        fd = m.fileno()
        assert m.fileno() == fd != descriptor
        assert (os.lseek(fd, 0, os.SEEK_CUR), os.get_inheritable(fd)) == (4, False)
        assert numpy.fromfile(m, numpy.uint8, 3).tobytes() == b"two"
        assert (m.tell(), m.read(1)) == (7, b"\n")
        if mode == "r+":
            m.append(b"!")
            assert (m[-1:], os.fstat(m.fileno()).st_size) == (b"!", len(TEXT) + 1)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)


def test_where_no_descriptor_of_our_own_can_be_had(descriptor, monkeypatch):
    @as_system
    def refuse(fds, path, flags, mode=0):
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))

    with fastmmap.open(descriptor) as m:
        monkeypatch.setattr(system, "open_into", refuse)
        for use in (m.fileno, lambda: numpy.fromfile(m, numpy.uint8)):
            with pytest.raises(io.UnsupportedOperation, match="No such file"):
                use()
        assert m.read(3) == b"one"
