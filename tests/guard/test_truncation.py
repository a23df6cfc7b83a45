"""A file that is truncated under its mapping is an error, not the end: in each kernel, at each page, in any buffer."""

from __future__ import annotations

import errno
import gc
import mmap
import os
import pickle
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy
import pytest
from support.marks import cut_while_mapped

import fastmmap
from fastmmap import MappedFileError, _backend, faults

pytestmark = [cut_while_mapped, pytest.mark.skipif(not _backend.NATIVE, reason="without extensions there is no guard")]


PAGE = mmap.PAGESIZE


PAGES = 64


SIZE = PAGES * PAGE


# How many pages are left: none, one, few, such that a vector or a block begins there, and all but one.
LEFT = [0, 1, 2, 3, 7, 8, 31, 32, 33, 47, PAGES - 2, PAGES - 1]


# What reads all of a buffer, in whatever order: from its end, in parts, or as the C library likes to copy.
# None of these stands there; the last makes the filter find candidates everywhere.
MANY = [b"never", b"neither", b"xxxxxxxxxxxxy"]

READS = {
    "find": lambda k, b: k.find(b, b"never"),
    "find a byte": lambda k, b: k.find(b, b"y"),
    "find in any case": lambda k, b: k.find(b, b"NEVER", ignorecase=True),
    "find what repeats": lambda k, b: k.find(b, b"x" * 300 + b"y"),
    "rfind": lambda k, b: k.rfind(b, b"never"),
    "count": lambda k, b: k.count(b, b"xx"),
    "count overlapping": lambda k, b: k.count(b, b"x" * 40, overlapping=True),
    "find_all": lambda k, b: k.find_all(b, b"xxx"),
    "iter_find": lambda k, b: list(k.iter_find(b, b"never")),
    "line_starts": lambda k, b: k.line_starts(b),
    "gather": lambda k, b: k.gather(b, [0, SIZE - 10], 10),
    "gather of lengths": lambda k, b: k.gather(b, [0, SIZE // 2], [SIZE // 2, SIZE // 2]),
    "substitution": lambda k, b: drain(k.substitution(b, b"never", b"ever")),
    "a needle": lambda k, b: k.find(b"abc", b),
    "a record": lambda k, b: k.append(bytearray(SIZE), 0, b),
    "a stage's record": lambda k, b: k.Stage(bytearray(SIZE)).append(b),
    "find many": lambda k, b: k.find(b, MANY),
    "rfind many": lambda k, b: k.rfind(b, MANY),
    "count many": lambda k, b: k.count(b, MANY),
    "find_each": lambda k, b: k.find_each(b, MANY),
    "count_each": lambda k, b: k.count_each(b, MANY, overlapping=True),
    "iter_find many": lambda k, b: list(k.iter_find(b, MANY)),
}


WRITES = {
    "replace": lambda k, b: k.replace(b, b"x", b"y"),
    "replace by the same": lambda k, b: k.replace(b, b"x", b"x"),
    "replace many": lambda k, b: k.replace(b, {b"x": b"y", b"zz": b"yy"}),
    "replace many by the same": lambda k, b: k.replace(b, {b"x": b"x", b"zz": b"zz"}),
    "append": lambda k, b: k.append(b, 0, bytes(SIZE)),
}


def drain(substitution):
    block = bytearray(1 << 16)
    with substitution:
        while substitution.readinto(block):
            pass


@pytest.fixture
def path(make):
    return make(b"x" * SIZE)


def stays_usable(path):
    """What must be so after any fault: the handler is there still, and other mappings work."""
    path.write_bytes(b"x" * SIZE)
    with fastmmap.open(path) as m:
        assert m.count(b"x") == SIZE


@pytest.mark.parametrize("verb", [*READS, *WRITES])
def test_truncation_at_many_pages(kernel, path, verb):
    call = (READS | WRITES)[verb]
    for left in LEFT:
        path.write_bytes(b"x" * SIZE)
        with fastmmap.open(path, "r+") as m:
            os.truncate(path, left * PAGE)
            with pytest.raises(MappedFileError) as info:
                call(kernel, m)
            error = info.value
            assert (error.reason, error.errno, error.filename) == ("truncated", errno.ESTALE, str(path))
            assert error.offset == left * PAGE, "the first page that is gone"
    stays_usable(path)


def test_what_lies_before_the_end_can_be_read(kernel, path):
    with fastmmap.open(path) as m:
        os.truncate(path, 10 * PAGE)
        assert kernel.count(m, b"x", 0, 10 * PAGE) == 10 * PAGE
        assert kernel.find(m, b"xx", PAGE) == PAGE
        assert kernel.rfind(m, b"xx", 0, 10 * PAGE) == 10 * PAGE - 2
        assert m[: 10 * PAGE] == b"x" * 10 * PAGE


@pytest.mark.parametrize(
    "read",
    [
        lambda m: m[SIZE - 1],
        lambda m: m[:],
        lambda m: m[::-1],
        lambda m: m[:: PAGE + 1],
        lambda m: m.read(),
        lambda m: m.lines[0],
        lambda m: list(m.lines),
        lambda m: m.lines.prepare(),
        lambda m: m.lines.gather([0]),
        lambda m: m.lines.bisect(None, b"y"),
        lambda m: m.lines.save(os.devnull),
        lambda m: list(fastmmap.grep(m, b"never")),
        lambda m: list(fastmmap.grep(m, b"x", after=1)),
        lambda m: list(fastmmap.grep(m, re.compile(rb"xx\d"), invert=True)),
        lambda m: list(fastmmap.grep(m, re.compile(rb"\d"))),
        lambda m: m.count(b"never", progress=print),
        lambda m: m.find_all([b"never", b"ever"], progress=print),
        lambda m: b"never" in m,
        lambda m: m.line_at(0),
        lambda m: m.ranges(3),
        lambda m: m.__setitem__(SIZE - 1, 1),
        lambda m: m.__setitem__(slice(0, SIZE), bytes(SIZE)),
        lambda m: m.__setitem__(slice(None, None, -1), bytes(SIZE)),
    ],
)
def test_a_mapping_of_its_own(path, read):
    with fastmmap.open(path, "r+") as m:
        os.truncate(path, PAGE)
        with pytest.raises(MappedFileError, match="truncated") as info:
            read(m)
        assert (info.value.offset, info.value.filename) == (PAGE, str(path))
        assert m[0] in b"x\0\1"
    stays_usable(path)


@pytest.mark.parametrize("kind", ["mmap", "view", "array", "memmap", "copy"])
def test_buffers_of_others(kernel, path, kind):
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY if kind == "copy" else mmap.ACCESS_WRITE)
    buffer = {
        "mmap": lambda: mapped,
        "copy": lambda: mapped,
        "view": lambda: memoryview(mapped),
        "array": lambda: numpy.frombuffer(mapped, dtype=numpy.uint8),
        "memmap": lambda: numpy.memmap(path, mode="r"),
    }[kind]()
    os.truncate(path, 5 * PAGE)

    for call in READS.values():
        with pytest.raises(MappedFileError, match="truncated") as info:
            call(kernel, buffer)
        assert (info.value.offset, info.value.filename) == (5 * PAGE, str(path))
    if isinstance(buffer, memoryview):
        buffer.release()
    del buffer, info
    gc.collect()  # the errors hold frames, and frames the buffer
    mapped.close()  # a BufferError if one of the failed calls had kept an export
    stays_usable(path)


def test_an_offset_is_of_the_buffer(path):
    with fastmmap.open(path, offset=3 * PAGE) as m, memoryview(m)[PAGE:] as view:
        os.truncate(path, 10 * PAGE)
        for buffer, gone in ((m, 7), (view, 6)):
            with pytest.raises(MappedFileError) as info:
                fastmmap.count(buffer, b"x")
            assert info.value.offset == gone * PAGE
            assert info.value.reason == "truncated"


RANGED = {
    "find": lambda k, b, *range: k.find(b, b"never", *range),
    "rfind": lambda k, b, *range: k.rfind(b, b"never", *range),
    "count": lambda k, b, *range: k.count(b, b"never", *range),
    "find_all": lambda k, b, *range: k.find_all(b, b"never", *range),
    "iter_find": lambda k, b, *range: list(k.iter_find(b, b"never", *range)),
    "line_starts": lambda k, b, *range: k.line_starts(b, *range),
    "find many": lambda k, b, *range: k.find(b, MANY, *range),
    "rfind many": lambda k, b, *range: k.rfind(b, MANY, *range),
    "count many": lambda k, b, *range: k.count(b, MANY, *range),
    "find_each": lambda k, b, *range: k.find_each(b, MANY, *range),
    "count_each": lambda k, b, *range: k.count_each(b, MANY, *range, overlapping=True),
    "iter_find many": lambda k, b, *range: list(k.iter_find(b, MANY, *range)),
}


@pytest.mark.parametrize("verb", RANGED)
def test_an_offset_does_not_depend_on_the_range(kernel, make, verb):
    """Where the first page of the buffer begins that is gone, even if the call reads no byte of that page."""
    page = mmap.PAGESIZE
    path = make(b"x" * (170 * page))
    with fastmmap.open(path) as m:
        os.truncate(path, 48 * page + 100)
        for end in (48 * page + 200, 49 * page, 49 * page + 1, 60 * page, len(m)):
            with pytest.raises(MappedFileError) as info:
                RANGED[verb](kernel, m, 0, end)
            assert (info.value.offset, info.value.reason) == (49 * page, "truncated"), end
        with m.view()[1000 : 48 * page + 200] as part, pytest.raises(MappedFileError) as info:
            RANGED[verb](kernel, part)
        assert info.value.offset == 48 * page + 100 - 1000, "no page of it is gone: the file's new end"


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("verb", ["find", "rfind", "count", "find_all", "line_starts", "replace"])
def test_an_offset_does_not_depend_on_the_number_of_threads(make, verb, threads):
    """Parts end somewhere: here the cut lies within the page before each place where one may."""
    size = 1 << 22 if fastmmap.kernel == "python" else 1 << 25
    arguments = {"line_starts": (), "replace": (b"never", b"NEVER")}.get(verb, (b"never",))
    for cut in (size // 4 - 77, size // 2 - 77, size // 4 * 3 - 77):
        with fastmmap.open(make(b"x" * size, "file"), "r+") as m:
            os.truncate(m.name, cut)
            with pytest.raises(MappedFileError) as info:
                getattr(m, verb)(*arguments, threads=threads)
            assert info.value.offset == cut + 77


def test_a_failed_iterator_lets_go(path):
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    matches = fastmmap.iter_find(mapped, b"x")
    assert next(matches) == 0
    os.truncate(path, 0)
    with pytest.raises(MappedFileError):
        list(matches)
    mapped.close()
    assert list(matches) == []


def test_large_calls_and_their_threads(make):
    path = make()
    for verb in ("find", "rfind", "count", "find_all", "line_starts", "replace"):
        path.write_bytes(b"")
        os.truncate(path, 1 << 26)
        with fastmmap.open(path, "r+") as m:
            os.truncate(path, 1 << 24)
            with pytest.raises(MappedFileError) as info:
                getattr(m, verb)(*{"line_starts": (), "replace": (b"a", b"b")}.get(verb, (b"a",)))
            assert info.value.offset == 1 << 24
            assert m.find(b"a", 0, 1 << 24) == -1


def test_truncated_by_another_thread_in_the_middle(make):
    """The recipe against ripgrep: a long search in a sparse file, cut while it goes on."""
    path = make()
    os.truncate(path, 1 << 34)
    with fastmmap.open(path) as m:
        cutter = threading.Thread(target=os.truncate, args=(path, 0))
        cutter.start()  # it gets the interpreter when the search releases it
        with pytest.raises(MappedFileError) as info:
            m.find(b"never")
        cutter.join()
    assert (info.value.reason, info.value.filename) == ("truncated", str(path))


def test_other_threads_go_on(path, make):
    healthy = make(b"x" * SIZE, "healthy")
    counts = []
    stop = threading.Event()

    def work():
        with fastmmap.open(healthy) as m:
            while not stop.is_set():
                counts.append(m.count(b"x" * 40))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(30):
        path.write_bytes(b"x" * SIZE)
        with fastmmap.open(path) as m:
            os.truncate(path, PAGE)
            with pytest.raises(MappedFileError):
                m.count(b"x")
    stop.set()
    for thread in threads:
        thread.join()
    assert set(counts) == {SIZE // 40}


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
def test_a_cut_within_a_page_shows_zeros_and_is_reported(path, mode):
    with fastmmap.open(path, mode) as m:
        os.truncate(path, SIZE - 100)
        with pytest.raises(MappedFileError) as info:
            m.count(b"x")
        assert (info.value.reason, info.value.offset) == ("truncated", SIZE - 100)
        assert m.count(b"x", 0, SIZE - 100) == SIZE - 100


@pytest.mark.parametrize("stores", [False, True])
def test_a_page_that_is_back_is_not_the_disks_fault(path, monkeypatch, stores):
    """The file is long enough again when it is asked what was the matter."""
    reason_of = faults.reason_of

    def grown(*question):
        os.truncate(path, SIZE)
        return reason_of(*question)

    monkeypatch.setattr(faults, "reason_of", grown)
    with fastmmap.open(path, "r+") as m:
        os.truncate(path, 5 * PAGE)
        with pytest.raises(MappedFileError) as info:
            m.replace(b"x", b"y") if stores else m.find(b"never")
        assert (info.value.reason, info.value.offset, info.value.errno) == ("changed", 5 * PAGE, errno.ESTALE)
        assert m[5 * PAGE] == 0, "the page was touched, not changed"


@pytest.mark.parametrize("kind", ["mmap", "memmap"])
def test_others_mappings_that_begin_within_a_file(path, kind):
    """They don't say where they begin, and a truncation isn't taken for a broken disk for that."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 10 * PAGE, prot=mmap.PROT_READ, offset=20 * PAGE)
    buffer = mapped if kind == "mmap" else numpy.memmap(path, mode="r", offset=20 * PAGE, shape=10 * PAGE)
    os.truncate(path, 25 * PAGE)
    with pytest.raises(MappedFileError) as info:
        fastmmap.count(buffer, b"x")
    assert (info.value.reason, info.value.offset, info.value.filename) == ("truncated", 5 * PAGE, str(path))


def test_the_error_is_an_oserror_that_can_be_pickled(path):
    with fastmmap.open(path) as m:
        os.truncate(path, 0)
        with pytest.raises(OSError, match="truncated") as info:
            m.find(b"never")
    copy = pickle.loads(pickle.dumps(info.value))
    assert type(copy) is MappedFileError
    assert (copy.errno, copy.filename, copy.offset, copy.reason) == (
        errno.ESTALE,
        str(path),
        info.value.offset,
        "truncated",
    )


def test_truncation_races():
    """A sample of what tools/truncation_races.py does for minutes."""
    script = Path(__file__).parents[2] / "tools" / "truncation_races.py"
    if not script.exists():
        pytest.skip("the tools aren't here")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert "every call ended well" in done.stdout
