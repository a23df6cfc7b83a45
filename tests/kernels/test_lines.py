"""line_starts and gather of every kernel, and Lines."""

from __future__ import annotations

import itertools
import re

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastmmap
from fastmmap import _backend
from fastmmap.reference import sampling


def starts_of(text, start, end):
    """The definition, in its own words."""
    return ([start] if start < end else []) + [i + 1 for i in range(start, end) if text[i] == 10 and i + 1 < end]


def test_line_starts_exhaustively(kernel):
    for length in range(7):
        for letters in itertools.product(b"a\n", repeat=length):
            text = bytes(letters)
            for start in range(length + 2):
                for end in range(length + 2):
                    expected = starts_of(text, min(start, length + 1), min(end, length))
                    assert kernel.line_starts(text, start, end).tolist() == expected


@pytest.mark.parametrize("width", [1, 15, 16, 31, 63, 64, 65, 100, 1000])
def test_line_starts_of_lines_of_one_width(kernel, width):
    text = (b"x" * (width - 1) + b"\n") * (20_000 // width + 2)
    found = kernel.line_starts(text)
    assert found.dtype == numpy.int64
    assert found.tolist() == list(range(0, len(text), width))
    assert kernel.line_starts(text + b"y").tolist() == list(range(0, len(text) + 1, width))


def test_line_starts_of_more_than_a_step(kernel):
    text = b"some line\nanother one\n\n" * 60_000
    newlines = numpy.flatnonzero(numpy.frombuffer(text, dtype=numpy.uint8) == 10)
    assert kernel.line_starts(text).tolist() == [0, *(newlines[:-1] + 1).tolist()]
    assert kernel.line_starts(text, 3, -3).tolist()[:2] == [3, 10]


def test_gather_one_length(kernel):
    text = bytes(range(200))
    rows = kernel.gather(text, [5, 0, 197, 5], 3)
    assert rows.dtype == numpy.uint8
    assert rows.tolist() == [[5, 6, 7], [0, 1, 2], [197, 198, 199], [5, 6, 7]]
    assert kernel.gather(text, [], 3).shape == (0, 3)
    assert kernel.gather(text, [1, 200], 0).shape == (2, 0)
    assert kernel.gather(text, numpy.array([7], dtype=numpy.uint8), numpy.int64(1)).tolist() == [[7]]
    rows[0, 0] = 1  # it is a copy, to be written to
    assert text[5] == 5


def test_gather_many_lengths(kernel):
    text = bytes(range(200))
    data, starts = kernel.gather(text, numpy.array([10, 20, 30, 200]), [2, 0, 3, 0])
    assert data.tolist() == [10, 11, 30, 31, 32]
    assert starts.tolist() == [0, 2, 2, 5, 5]
    assert starts.dtype == numpy.int64
    data, starts = kernel.gather(text, [], [])
    assert (data.tolist(), starts.tolist()) == ([], [0])


def test_gather_from_more_than_a_step(kernel):
    text = numpy.arange(3_000_000, dtype=numpy.uint32).tobytes()
    offsets = numpy.random.default_rng(1).integers(0, len(text) - 100, 30_000)
    rows = kernel.gather(text, offsets, 100)
    array = numpy.frombuffer(text, dtype=numpy.uint8)
    assert (rows == array[offsets[:, None] + numpy.arange(100)]).all()


@pytest.mark.parametrize(
    ("offsets", "length", "error", "words"),
    [
        ([0, 8, 3, -1], 3, IndexError, r"record 1 .* offset 8"),
        ([0, -1], 1, IndexError, "record 1 .* offset -1"),
        ([0, 2**63], 1, IndexError, "record 1"),
        ([2**70], 1, IndexError, "record 0"),
        ([0, 5], [3, 6], IndexError, "record 1 .*6 bytes at offset 5"),
        ([0], 11, IndexError, "record 0"),
        ([11], 0, IndexError, "record 0"),
        ([0], -1, ValueError, "negative"),
        ([0], [-1], ValueError, "negative"),
        ([0, 1], [1], ValueError, "2 offsets"),
        ([[0]], 1, ValueError, "dimension"),
        ([0.5], 1, TypeError, "integers"),
        ([True], 1, TypeError, "integers"),
        ([0], 1.5, TypeError, "integers"),
        (["a"], 1, TypeError, "integers"),
    ],
)
def test_gather_refuses(kernel, offsets, length, error, words):
    with pytest.raises(error, match=words):
        kernel.gather(bytes(10), offsets, length)


TEXT = b"first\nsecond\r\n\nlast"


@pytest.fixture
def mapped(make):
    with fastmmap.open(make(TEXT)) as m:
        yield m


def test_lines_by_number(mapped):
    assert len(mapped.lines) == 4
    assert mapped.lines[0] == b"first"
    assert mapped.lines[1] == b"second\r"
    assert mapped.lines[2] == b""
    assert mapped.lines[-1] == mapped.lines[numpy.int64(3)] == b"last"
    assert mapped.lines[1:3] == [b"second\r", b""]
    assert mapped.lines[::-2] == [b"last", b"second\r"]
    assert mapped.lines[numpy.array([3, 0])] == [b"last", b"first"]
    assert [bytes(line) for line in mapped.lines] == [b"first", b"second\r", b"", b"last"]
    for bad in (4, -5):
        with pytest.raises(IndexError, match=str(bad)):
            mapped.lines[bad]


def test_line_numbers_and_offsets(mapped):
    assert mapped.lines.number(0) == 0
    assert mapped.lines.number([5, 6, 14, 15, len(TEXT) - 1]).tolist() == [0, 1, 2, 3, 3]
    assert mapped.lines.offset([0, 1, 2, 3]).tolist() == [0, 6, 14, 15]
    assert mapped.lines.offset(mapped.lines.number(8)) == 6
    assert mapped.lines.number([]).tolist() == mapped.lines.offset([]).tolist() == []
    for bad in (-1, len(TEXT)):
        with pytest.raises(IndexError, match=str(bad)):
            mapped.lines.number([0, bad])
    with pytest.raises(IndexError):
        mapped.lines.offset(4)


def test_a_final_newline_opens_no_line(make):
    with fastmmap.open(make(b"a\nb\n")) as m:
        assert m.lines[:] == [b"a", b"b"]
        assert m.line_at(3) == (2, 3)
        assert m.line_at(0) == m.line_at(1) == (0, 1)
        with pytest.raises(IndexError):
            m.line_at(4)
    with fastmmap.open(make(b"")) as m:
        assert m.lines[:] == []
        with pytest.raises(IndexError):
            m.lines[0]


def test_the_index_follows_what_the_methods_change(make):
    with fastmmap.open(make(b"a\nb"), "r+") as m:
        assert len(m.lines) == 2
        m.append(b"\nc")
        assert m.lines[:] == [b"a", b"b", b"c"]
        m.replace(b"\n", b",")
        assert m.lines[:] == [b"a,b,c"]
        m.resize(1)
        assert m.lines[:] == [b"a"]


def test_gather_in_threads(kernel, monkeypatch):
    """Records of one length and of several, by as many threads as there are: as by one."""
    text = numpy.random.default_rng(3).integers(0, 256, 1 << 20, dtype=numpy.uint8)
    offsets = numpy.random.default_rng(4).integers(0, text.size - 300, 70_000)
    lengths = numpy.random.default_rng(5).integers(0, 300, offsets.size)
    if kernel.name == "python":
        offsets, lengths = offsets[:3000], lengths[:3000]
    rows = kernel.gather(text, offsets, 300, threads=3)
    assert (rows == text[offsets[:, None] + numpy.arange(300)]).all()
    data, starts = kernel.gather(text, offsets, lengths, threads=3)
    one, same = kernel.gather(text, offsets, lengths, threads=1)
    assert (data == one).all()
    assert (starts == same).all()
    assert (data[: lengths[0]] == text[offsets[0] : offsets[0] + lengths[0]]).all()
    offsets[-1] = text.size - 5
    with pytest.raises(IndexError, match=f"record {offsets.size - 1} "):
        kernel.gather(text, offsets, 300, threads=3)


@pytest.mark.parametrize("number", [1.5, "1", None, b"1", [1.5], [[0]], {}])
def test_what_numbers_no_line(make, number):
    with fastmmap.open(make(b"one\ntwo\n")) as m:
        with pytest.raises(TypeError, match="integer|index"):
            m.lines[number]
        for call in (m.lines.number, m.lines.offset):
            if number not in ([[0]], {}):
                with pytest.raises(TypeError, match="integer"):
                    call(number)


def test_offsets_outside_of_all_lines(make):
    with fastmmap.open(make(b"one\ntwo\n")) as m:
        assert (m.line_at(-1), m.line_at(numpy.int8(0))) == ((4, 7), (0, 3))
        for offset in (8, -9, 10**12, 10**30):
            with pytest.raises(IndexError, match=f"offset {offset} is outside the mapping of 8 bytes"):
                m.line_at(offset)
        with pytest.raises(TypeError, match="integer"):
            m.line_at(1.5)


def reference_lines(text):
    """What is asked of m.lines, in its own words."""
    lines = text.split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


def index_of(kernel, text):
    """The index, of a text in one part."""
    totals = numpy.zeros(-(-len(text) // sampling.TOTALLED), dtype=numpy.int64)
    inside = numpy.zeros(-(-len(text) // sampling.SAMPLED), dtype=numpy.uint16)
    kernel.count_newlines((totals, inside), text, 0, len(text))
    return numpy.concatenate([[0], totals.cumsum()]).astype(numpy.int64), inside


lines_of_texts = st.lists(
    st.one_of(st.sampled_from([b"", b"\r", b"a", b"a line"]), st.integers(1, 9000).map(lambda n: b"x" * n)),
    max_size=60,
).flatmap(lambda lines: st.sampled_from([b"\n".join(lines), b"\n".join(lines) + b"\n"]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines_of_texts, st.data())
def test_lines_of_every_kernel(kernel, text, data):
    """The functions that m.lines is made of, over entries of the index that lines lie across."""
    expected = reference_lines(text)
    index, size = index_of(kernel, text), len(text)
    assert (
        index[0].tolist()
        == [text.count(b"\n", 0, at) for at in range(0, size + sampling.TOTALLED, sampling.TOTALLED)][: len(index[0])]
    )
    numbers = numpy.array(
        data.draw(st.lists(st.integers(0, len(expected) - 1), max_size=20)) if expected else [], dtype=numpy.int64
    )
    assert kernel.lines_at(index, text, numbers) == [expected[number] for number in numbers.tolist()]
    assert kernel.lines_at(index, text, numpy.arange(len(expected))) == expected
    for number in numbers[:3].tolist():
        assert kernel.line(index, text, number) == expected[number]
    starts = kernel.line_starts(text)
    assert kernel.line_offsets(index, text, numbers).tolist() == starts[numbers].tolist()
    offsets = numpy.array(data.draw(st.lists(st.integers(0, size - 1), max_size=20)) if size else [], dtype=numpy.int64)
    assert kernel.line_numbers(index, text, offsets).tolist() == [text.count(b"\n", 0, at) for at in offsets.tolist()]
    with memoryview(text) as view:
        assert [bytes(line) for line in kernel.iter_lines(view)] == expected


def test_lines_of_a_large_file(make):
    text = b"".join(b"%d and more\n" % number for number in range(1_500_000))
    with fastmmap.open(make(text)) as m:
        assert len(m.lines) == 1_500_000
        assert m.lines[1_234_567] == m.lines[-265_433] == b"1234567 and more"
        assert m.lines[[5, 1_499_999, 6]] == [b"5 and more", b"1499999 and more", b"6 and more"]
        assert m.lines[1_000_000:1_000_003] == [b"%d and more" % number for number in range(1_000_000, 1_000_003)]
        offset = m.lines.offset(1_000_000)
        assert text[offset:].startswith(b"1000000 ")
        assert m.lines.number([offset, offset - 1]).tolist() == [1_000_000, 999_999]
        assert m.lines[iter([1, 0])] == [b"1 and more", b"0 and more"]
        for number, line in enumerate(m.lines):
            assert line == b"%d and more" % number
            if number == 3000:
                break


def test_lines_that_change_under_the_index(kernel):
    """Other lines are found then, in no case what isn't there."""
    text = bytearray(b"one line\n" * 3000)
    index = index_of(kernel, text)
    text[:] = b"x" * len(text)
    for found in kernel.lines_at(index, text, numpy.arange(3000)):
        assert found in text
    if kernel.name != "python":  # which can't read beyond an array
        with pytest.raises(ValueError, match="isn't one of"):
            kernel.lines_at((index[0], index[1][:-1]), text, numpy.arange(3))


def test_an_index_as_it_is_without_a_gil(kernel):
    """Its arrays are exported as bytes, by an object that any number of threads may take them of."""
    steady = pytest.importorskip("fastmmap._lines").Steady
    for text in (b"", b"\n", b"one line\n" * 9000):
        lines = text.splitlines()
        index = tuple(steady(memoryview(array)) for array in index_of(kernel, text))
        numbers = numpy.arange(len(lines))
        assert kernel.lines_at(index, text, numbers) == lines
        assert kernel.line_offsets(index, text, numbers).tolist() == [9 * number for number in range(len(lines))]
        assert kernel.line_numbers(index, text, 9 * numbers).tolist() == numbers.tolist()
        if lines:
            assert kernel.line(index, text, len(lines) - 1) == lines[-1]


def test_giant_lines(make):
    """Longer than what is looked at between two looks for signals."""
    giant = b"x" * 3_000_000
    with fastmmap.open(make(b"one\n" + giant + b"\ntwo\n" + giant)) as m:
        assert len(m.lines) == 4
        assert m.lines[1] == m.lines[3] == giant
        assert m.lines[:] == [b"one", giant, b"two", giant]
        assert m.lines[[3, 2, 0]] == [giant, b"two", b"one"]
        assert m.lines.offset([1, 2, 3]).tolist() == [4, 3_000_005, 3_000_009]
        assert [len(line) for line in m.lines] == [3, 3_000_000, 3, 3_000_000]


@settings(deadline=None)
@given(lines_of_texts, st.data())
def test_lines_around(text, data):
    """Of every kernel, against a walk: each line once that has one of the offsets, with the first of those."""
    low = data.draw(st.sampled_from([0, *(at + 1 for at in range(len(text)) if text[at] == 10)]))
    offsets = sorted(data.draw(st.lists(st.integers(0, len(text) + 2), max_size=20)))
    expected, at = [], low
    for line in text[low:].splitlines(keepends=True):
        inside = [offset for offset in offsets if at <= offset < at + len(line)]
        if inside:
            expected.append((inside[0] + 100, at + 100, line.removesuffix(b"\n")))
        at += len(line)
    counter = object()
    for name in fastmmap.kernels():
        found = _backend.load(name).lines_around(
            text, numpy.array(offsets, numpy.int64), low, len(text), (100, counter)
        )
        assert [(match.offset, match.start, match.line) for match in found] == expected
        assert all(match.end == match.start + len(match.line) for match in found)


def test_lines_around_refuses(kernel):
    for span in [(-1, 3), (2, 1), (0, 9)]:
        with pytest.raises(ValueError, match="isn't within 4 bytes"):
            kernel.lines_around(b"text", numpy.zeros(1, numpy.int64), *span, (0, None))


def test_lines_hit(kernel):
    lines = [b"", b"ab", b"b", b"c"]
    hits = [re.search(b"b|^$", line) for line in lines]
    found = kernel.lines_hit(lines, hits, (10, None))
    assert [(match.offset, match.start, match.end, match.line) for match in found] == [
        (10, 10, 10, b""),
        (12, 11, 13, b"ab"),
        (14, 14, 15, b"b"),
    ]
