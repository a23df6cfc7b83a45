"""What is given to a function may itself be a mapping whose file somebody has cut: the error names that file."""

from __future__ import annotations

import mmap
import os

import numpy
import pytest
from support.marks import cut_while_mapped

import fastmmap
from fastmmap import MappedFileError, _backend

pytestmark = [cut_while_mapped, pytest.mark.skipif(not _backend.NATIVE, reason="without extensions there is no guard")]

PAGE = mmap.PAGESIZE
HAY = b"the cat sat on the mat\n" * 400

# How a mapping of somebody's may come.
KINDS = {
    "a MappedFile": lambda path, mode: fastmmap.open(path, mode),
    "a view of one": lambda path, mode: memoryview(fastmmap.open(path, mode)),
    "an array of one": lambda path, mode: numpy.frombuffer(fastmmap.open(path, mode), dtype=numpy.uint8),
    "an mmap": lambda path, mode: mapped(path, mode),
    "a view": lambda path, mode: memoryview(mapped(path, mode)),
    "an array": lambda path, mode: numpy.frombuffer(mapped(path, mode), dtype=numpy.uint8),
    "a memmap": lambda path, mode: numpy.memmap(path, mode=mode),
}


def mapped(path, mode):
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ if mode == "r" else mmap.ACCESS_WRITE)


@pytest.fixture(params=KINDS)
def lost(request, make):
    """Makes a buffer of so many bytes that has lost its file from the second page on."""

    def cut(size, mode="r"):
        path = make(b"c" * size, "lost")
        buffer = KINDS[request.param](path, mode)
        os.truncate(path, PAGE)
        cut.name = str(path)
        return buffer

    return cut


def check(lost, call, size=3 * PAGE, mode="r"):
    buffer = lost(size, mode)
    with pytest.raises(MappedFileError) as info:
        call(buffer)
    assert (info.value.filename, info.value.reason, info.value.offset) == (lost.name, "truncated", PAGE)


KERNELS = {
    "find": lambda k, x: k.find(HAY, x),
    "rfind": lambda k, x: k.rfind(HAY, x),
    "count": lambda k, x: k.count(HAY, x, ignorecase=True),
    "find_all": lambda k, x: k.find_all(HAY, x),
    "iter_find": lambda k, x: list(k.iter_find(HAY, x)),
    "old": lambda k, x: k.replace(bytearray(HAY), x, b"y"),
    "new": lambda k, x: k.replace(bytearray(HAY), b"y", x),
    "the old of a substitution": lambda k, x: k.substitution(HAY, x, b"y"),
    "the new of a substitution": lambda k, x: k.substitution(HAY, b"y", x),
    "append": lambda k, x: k.append(bytearray(1 << 20), 0, x),
    "Stage.append": lambda k, x: k.Stage(bytearray(1 << 20)).append(x),
    "Stage.append_many": lambda k, x: k.Stage(bytearray(1 << 20)).append_many([b"a", x]),
    "Stage.take": lambda k, x: k.Stage(bytearray(1 << 20))._take(x),
}


@pytest.mark.parametrize("verb", KERNELS)
def test_kernels(kernel, lost, verb):
    check(lost, lambda x: KERNELS[verb](kernel, x))


def words(buffer):
    """Its bytes as offsets: it may be anything that numpy takes."""
    return numpy.frombuffer(buffer, dtype=numpy.int64)


def field(buffer):
    """One that begins in the first page, of records whose later pages are gone."""
    records = numpy.frombuffer(buffer, dtype=[("a", "i4"), ("b", ">i8"), ("c", "i4")])
    return records["b"]


# Whatever has the memory: what is refused in the end is read before.
NUMBERS = {
    "itself": lambda x: x,
    "words": words,
    "words from the end": lambda x: words(x)[::-1],
    "a field": field,
    "rows": lambda x: words(x).reshape(8, -1)[:, ::3],
    "floats": lambda x: memoryview(x).cast("B").cast("d"),
    "an array like": lambda x: ArrayLike(words(x)),
    "arrays in a list": lambda x: [0, words(x)[-1:].reshape(())],
    "lists of arrays": lambda x: ([words(x)], [words(x)[::2]]),
}


class ArrayLike:
    """As pandas' Series."""

    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return self._array

    def __iter__(self):
        return iter(self._array)


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("size", [3 * PAGE, 1 << 20])
def test_offsets_and_lengths(kernel, lost, kind, size):
    numbers = NUMBERS[kind]
    check_gone(lost, lambda x: kernel.gather(HAY, numbers(x), 1), size)
    check_gone(lost, lambda x: kernel.gather(HAY, [1, 2], numbers(x)), size)


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_lines(make, lost, kind):
    numbers = NUMBERS[kind]
    with fastmmap.open(make(HAY)) as m:
        check_gone(lost, lambda x: m.lines[numbers(x)])
        check_gone(lost, lambda x: m.lines.number(numbers(x)))
        check_gone(lost, lambda x: m.lines.offset(numbers(x)))
        check_gone(lost, lambda x: m.gather(numbers(x), 1))


def check_gone(lost, call, size=3 * PAGE):
    """The offset is that of the numbers' own memory, which may be a part."""
    buffer = lost(size)
    with pytest.raises(MappedFileError) as info:
        call(buffer)
    assert (info.value.filename, info.value.reason) == (lost.name, "truncated")
    assert info.value.offset in (0, PAGE, PAGE - 4)


def test_numbers_that_can_be_read(kernel, make):
    """Copied by the guard, they are what they were: of every order, of every width, with any steps and axes."""
    path = make(b"".join(n.to_bytes(4, "little") for n in range(3 * PAGE)))
    for offset in (0, 4):
        m = fastmmap.open(path, offset=offset)
        for dtype in ("<i8", ">u2", "i1", "u4", [("x", "i2"), ("y", "<i8")]):
            size = numpy.dtype(dtype).itemsize
            whole = numpy.frombuffer(m, dtype=dtype, count=5040 // size * 2)
            array = whole["y"] if isinstance(dtype, list) else whole
            for part in (array, array[::-1], array[5:99:7], array[:0], array[3:4].reshape(())):
                check_equal(part)
            for axes in (
                array[:60].reshape(3, 4, 5),
                array[:60].reshape(3, 4, 5).T,
                array[:60].reshape(6, 10)[::-2, 1:7:3],
            ):
                check_equal(axes)
        offsets = numpy.frombuffer(m, dtype=numpy.int32)[:PAGE:100]
        for lengths in (3, offsets % 7, list(offsets % 7)):
            want, got = kernel.gather(HAY * 9, offsets.tolist(), lengths), kernel.gather(HAY * 9, offsets, lengths)
            assert numpy.array_equal(want, got) if isinstance(lengths, int) else all(map(numpy.array_equal, want, got))


def check_equal(array):
    safe = fastmmap.reference.arguments.safe_numbers(array)
    assert safe.base is not array
    assert (safe.dtype, safe.shape, safe.tolist()) == (array.dtype, array.shape, array.tolist())


def test_numbers_of_ones_own_are_not_copied():
    own = numpy.arange(100)
    for numbers in (5, [1, 2], (numpy.int64(3), 4), own, own[5:50:3], numpy.frombuffer(bytes(80), dtype=numpy.int64),
                    numpy.asarray(memoryview(bytearray(8)))):  # fmt: skip
        assert fastmmap.reference.arguments.safe_numbers(numbers) is numbers


METHODS = {
    "find": lambda m, x: m.find(x),
    "rfind": lambda m, x: m.rfind(x),
    "count": lambda m, x: m.count(x),
    "find_all": lambda m, x: m.find_all(x),
    "iter_find": lambda m, x: list(m.iter_find(x)),
    "in": lambda m, x: x in m,
    "ranges": lambda m, x: m.ranges(3, align=x),
    "replace": lambda m, x: m.replace(x, b"y"),
    "new": lambda m, x: m.replace(b"y", x),
    "a slice": lambda m, x: m.__setitem__(slice(0, 3 * PAGE), x),
    "append": lambda m, x: m.append(x),
}


@pytest.mark.parametrize("verb", METHODS)
def test_methods_of_a_mapping(make, lost, verb):
    path = make(HAY * 2)
    for opened in (fastmmap.open(path, "r+"), fastmmap.open(None, size=len(HAY * 2))):
        with opened as m:
            m[:] = HAY * 2
            check(lost, lambda x, m=m: METHODS[verb](m, x))
            assert m[:] == HAY * 2
    assert path.read_bytes() == HAY * 2


@pytest.mark.parametrize("size", [3 * PAGE, 1 << 20])
def test_what_is_read_into(make, lost, size):
    """Pages that are stored to are gone as those that are read."""
    with fastmmap.open(make(b"x" * (1 << 20))) as m:
        m.seek(5)
        check(lost, m.readinto, size, "r+")
        assert m.tell() == 5


@pytest.mark.parametrize("size", [3 * PAGE, 1 << 20])
def test_edits_of_files(make, lost, size):
    path = make(HAY)
    for edit in (fastmmap.replace_file, fastmmap.plan_replace):
        check(lost, lambda x, edit=edit: edit(path, x, b"y"), size)
        check(lost, lambda x, edit=edit: edit(path, b"cat", x), size)
    assert path.read_bytes() == HAY
    assert os.listdir(path.parent) == sorted({path.name, "lost"})


RECORDS = {
    "append": lambda log, x: log.append(x),
    "write": lambda log, x: log.write(x),
    "append_many": lambda log, x: log.append_many([x]),
    "append_many of others": lambda log, x: log.append_many(iter([b"before\n", x])),
}


@pytest.mark.parametrize("verb", RECORDS)
@pytest.mark.parametrize("size", [3 * PAGE, 1 << 16])
@pytest.mark.parametrize("sync", [None, "always"])
def test_records_of_a_log(tmp_path, stage, lost, verb, size, sync):
    """Nothing of the record is in the log, and it goes on."""
    path = tmp_path / "log"
    before = b"before\n" if "others" in verb else b""
    with fastmmap.Appender(path, sync=sync) as log:
        log.append(b"first\n")
        check(lost, lambda x: RECORDS[verb](log, x), size)
        assert log.position == 6 + len(before)
        log.append(b"last\n")
        log.flush()
        assert path.read_bytes() == b"first\n" + before + b"last\n"


def test_a_record_that_is_cut_in_its_midst(tmp_path, stage, make):
    """The write has begun: its part is taken back."""
    path, record = tmp_path / "log", make(b"r" * (1 << 20), "lost")
    with fastmmap.Appender(path) as log, fastmmap.open(record) as m:
        log.append(b"first\n")
        os.truncate(record, 1 << 19)
        with pytest.raises(MappedFileError) as info:
            log.append(m)
        assert (info.value.filename, info.value.offset) == (str(record), 1 << 19)
        assert log.position == 6
        log.append(b"last\n")
    assert path.read_bytes() == b"first\nlast\n"
