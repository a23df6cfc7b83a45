"""A file that shrinks, grows or is written to while a call reads it: what may have been wrong is an error."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import threading

import numpy
import pytest
from support.marks import cut_while_mapped

import fastmmap
from fastmmap import MappedFile, MappedFileError, _backend
from fastmmap._backend import Mapping

pytestmark = [cut_while_mapped, pytest.mark.skipif(not _backend.NATIVE, reason="without extensions there is no guard")]

PAGE = mmap.PAGESIZE


@pytest.fixture
def meanwhile(monkeypatch):
    """Has something done to a file just when a large call begins: after it was asked what it is, before it is read."""

    def arrange(action):
        def _file_status(mapped):
            status = Mapping._file_status(mapped)
            if actions:
                actions.pop()()
            return status

        actions = [action]
        monkeypatch.setattr(MappedFile, "_file_status", _file_status, raising=False)

    return arrange


LARGE = {
    "find": lambda k, b: k.find(b, b"never"),
    "rfind": lambda k, b: k.rfind(b, b"never"),
    "count": lambda k, b: k.count(b, b"y"),
    "find_all": lambda k, b: k.find_all(b, b"never"),
    "line_starts": lambda k, b: k.line_starts(b),
    "gather": lambda k, b: k.gather(b, [0], len(b)),
}


@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.parametrize("verb", LARGE)
@pytest.mark.parametrize("zeros", [0, 5000])
def test_a_file_that_shrank_and_grew_back(kernel, make, meanwhile, mode, verb, zeros):
    """No page was touched while it was gone, so no fault tells of it: what was read may have been zeros."""
    size = 1 << 20
    path = make(b"x" * (size - zeros) + bytes(zeros))

    def swap():
        os.truncate(path, size - (1 << 18))
        os.truncate(path, size)

    with fastmmap.open(path, mode) as m:
        meanwhile(swap)
        with pytest.raises(MappedFileError, match="grew again") as info:
            LARGE[verb](kernel, m)
        assert (info.value.reason, info.value.filename) == ("changed", str(path))
        assert kernel.count(m, b"\0") == 1 << 18, "what was so before the call is the file as it is"


@pytest.mark.parametrize("verb", LARGE)
def test_holes_that_are_dug_change_no_byte(kernel, make, meanwhile, verb):
    """fallocate -d takes blocks away that hold zeros, as others do that compress: the file is what it was."""
    zeros, tool = 1 << 19, shutil.which("fallocate")
    if tool is None:
        pytest.skip("nothing digs holes here")
    contents = {
        "in the middle": b"x" * 4096 + bytes(zeros) + b"x" * 4096,
        "at the end": b"x" * zeros + bytes(zeros),
        "all of it": bytes(2 * zeros),
    }
    for name, content in contents.items():
        path = make(content)

        def dig(path=path):
            before = os.stat(path).st_blocks
            done = subprocess.run([tool, "--dig-holes", path], capture_output=True, text=True)
            if done.returncode or os.stat(path).st_blocks == before:
                pytest.skip(f"no holes are dug here: {done.stderr}")

        with fastmmap.open(path) as m:
            expected = LARGE[verb](kernel, content)
            meanwhile(dig)
            assert numpy.array_equal(LARGE[verb](kernel, m), expected), name


@pytest.mark.parametrize("buffer", ["the mapping", "a view of it", "what begins in its midst"])
def test_a_cut_within_the_last_page_that_is_read(kernel, make, meanwhile, buffer):
    size = 1 << 20
    path = make(b"x" * size)
    with fastmmap.open(path) as m, memoryview(m) as whole, whole[3 * PAGE + 1 :] as part:
        read = {"the mapping": m, "a view of it": whole}.get(buffer, part)
        skipped = size - len(read)
        meanwhile(lambda: os.truncate(path, size - 100))
        with pytest.raises(MappedFileError) as info:
            kernel.count(read, b"y")
        assert (info.value.reason, info.value.offset) == ("truncated", size - 100 - skipped)


def test_a_file_that_grows_or_is_written_to_is_no_error(make):
    path = make(b"x" * (1 << 20))
    stop = threading.Event()

    def write():
        with path.open("r+b") as file:
            while not stop.is_set():
                file.seek(0, os.SEEK_END)
                file.write(b"y" * 5000)
                file.seek(12345)
                file.write(b"x" * 9000)
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    with fastmmap.open(path) as m:
        for _ in range(100):
            assert m.find(b"y", 0, 1 << 20) == -1
    stop.set()
    writer.join()


def test_a_path_is_named_too(kernel, make, meanwhile):
    path = make()
    os.truncate(path, 1 << 20)
    meanwhile(lambda: os.truncate(path, 0))
    with pytest.raises(MappedFileError) as info:
        kernel.count(path, b"never")
    assert info.value.filename == str(path)
