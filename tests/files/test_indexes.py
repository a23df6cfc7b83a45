"""The index of the lines: kept in a file, in a pickle, extended, and refused where it is another file's."""

from __future__ import annotations

import itertools
import os
import pickle
import random
import signal
import warnings

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.marks import cut_while_mapped

import fastmmap
from fastmmap import _backend, indexes, saved_index

pytestmark = pytest.mark.any_kernel

LINES = [b"%06d line" % number for number in range(9000)]
TEXT = b"\n".join(LINES) + b"\n"


@pytest.fixture
def log(tmp_path):
    (tmp_path / "log").write_bytes(TEXT)
    return tmp_path / "log"


@pytest.fixture
def index(log):
    with fastmmap.open(log) as m:
        m.lines.save(log.with_name("index"))
    return log.with_name("index")


@pytest.fixture
def scanned(monkeypatch):
    """How many bytes were looked through for newlines."""
    spans = []
    count = indexes.chosen.count_newlines

    def counted(arrays, view, start, end):
        spans.append(end - start)
        return count(arrays, view, start, end)

    monkeypatch.setattr(indexes.chosen, "count_newlines", counted)
    return spans


def test_a_saved_index_is_used(log, index, scanned):
    with fastmmap.open(log, index=index) as m:
        assert m.lines[4321] == LINES[4321]
        assert (len(m.lines), m.lines[[0, -1]]) == (len(LINES), [LINES[0], LINES[-1]])
    assert sum(scanned) <= 2 * indexes.TOTALLED
    assert sorted(os.listdir(log.parent)) == ["index", "log"]


def test_an_index_of_a_file_that_has_grown_is_extended(log, index, scanned):
    with log.open("ab") as file:
        file.write(b"more\nlast")
    with fastmmap.open(log, index=index) as m:
        assert m.lines[-2:] == [b"more", b"last"]
        assert m.lines[8999] == LINES[8999]
    assert sum(scanned) <= 2 * indexes.TOTALLED


def touched(path):
    os.utime(path, ns=(0, 0))


def replaced(path):
    path.rename(path.with_name("old"))
    path.write_bytes(TEXT)


def regrown(path):
    """As copytruncate leaves a log that is written on."""
    with path.open("r+b") as file:
        file.truncate()
        file.write(b"another\n" + TEXT)


def cut(path):
    os.truncate(path, 1000)


@pytest.mark.parametrize("change", [touched, replaced, regrown, cut])
def test_an_index_of_another_state_is_not_used(log, index, change):
    change(log)
    with pytest.warns(RuntimeWarning, match="isn't the index of .*log' as it is") as caught:
        m = fastmmap.open(log, index=index)
    assert caught[0].filename == __file__
    assert list(m.lines) == log.read_bytes().splitlines()
    assert m.lines[:] == log.read_bytes().splitlines()
    m.close()


def test_an_index_of_another_part_is_not_used(log, index):
    with pytest.warns(RuntimeWarning, match="isn't the index"), fastmmap.open(log, offset=7, index=index) as m:
        assert m.lines[0] == b"line"
    with pytest.warns(RuntimeWarning, match="isn't the index"), fastmmap.open(log, size=100, index=index) as m:
        assert m.lines[1] == LINES[1]


def test_an_index_of_a_part(log):
    with fastmmap.open(log, offset=12, size=1200) as m:
        m.lines.save(log.with_name("part"))
    with fastmmap.open(log, offset=12, size=1200, index=log.with_name("part")) as m:
        assert m.lines[:] == LINES[1:101]


@pytest.mark.parametrize("keep", [lambda data: data[:-100], lambda data: b"", lambda data: b"text\n" * 20])
def test_what_is_no_index(log, index, keep):
    index.write_bytes(keep(index.read_bytes()))
    with pytest.raises(ValueError, match="index' is no index of lines, or isn't whole"):
        fastmmap.open(log, index=index)


def test_a_damaged_index(log, index):
    """Each byte of it is covered by a checksum, or of no consequence."""
    data = index.read_bytes()
    for at in range(0, len(data), 97):
        index.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                m = fastmmap.open(log, index=index)
            except (ValueError, NotImplementedError):
                continue
        assert m.lines[[77, 8000]] == [LINES[77], LINES[8000]]
        m.close()


def test_an_index_that_is_not_there(log):
    with pytest.raises(FileNotFoundError, match="nothing"):
        fastmmap.open(log, index=log.with_name("nothing"))


@pytest.mark.parametrize("arguments", [(None, "w+"), ("new", "w+"), ("log", "c")])
def test_where_an_index_makes_no_sense(log, index, arguments):
    path = arguments[0] and log.with_name(arguments[0])
    with pytest.raises(ValueError, match="an index is for files"):
        fastmmap.open(path, arguments[1], size=10, index=index)
    assert not log.with_name("new").exists()


def test_what_has_no_file_saves_no_index(tmp_path, log):
    with fastmmap.open(None, size=10) as m, pytest.raises(ValueError, match="has no file"):
        m.lines.save(tmp_path / "index")
    with fastmmap.open(log, "c") as m, pytest.raises(ValueError, match="has no file"):
        m.lines.save(tmp_path / "index")
    with fastmmap.open(log) as m:
        with pytest.raises(ValueError, match="is the file itself"):
            m.lines.save(log)
        with pytest.raises(FileNotFoundError):
            m.lines.save(tmp_path / "nowhere" / "index")
        with pytest.raises(TypeError):
            m.lines.save(None)
    assert os.listdir(tmp_path) == ["log"]
    assert log.read_bytes() == TEXT


def test_a_pickle_carries_the_index(log, scanned):
    with fastmmap.open(log) as m:
        assert len(pickle.dumps(m)) < 1000
        assert len(m.lines) == len(LINES)
        pickled = pickle.dumps(m)
        with pickle.loads(pickled) as again:
            del scanned[:]
            assert again.lines[[5, 8765]] == [LINES[5], LINES[8765]]
    assert sum(scanned) <= 2 * indexes.TOTALLED
    touched(log)
    with pickle.loads(pickled) as again:
        del scanned[:]
        assert again.lines[5] == LINES[5]
    assert sum(scanned) == len(TEXT)


@cut_while_mapped
def test_refresh_after_copytruncate(log):
    """The file is longer, and isn't what it was."""
    with fastmmap.open(log) as m:
        assert m.lines[1] == LINES[1]
        regrown(log)
        m.refresh()
        assert (m.lines[:2], len(m.lines)) == ([b"another", LINES[0]], len(LINES) + 1)


@cut_while_mapped
@given(
    st.lists(st.sampled_from([b"", b"x", b"x" * 500, b"\r", b"y" * 3000]), max_size=60), st.integers(0, 60), st.data()
)
def test_growth_under_hypothesis(tmp_path_factory, parts, first, data):
    """Lines of a file that grows, against a list; its index is saved, extended and refreshed."""
    folder = tmp_path_factory.mktemp("growing")
    path = folder / "log"
    texts = [b"\n".join(parts[:first]), b"\n".join(parts)]
    path.write_bytes(texts[0])
    with fastmmap.open(path, "r+") as m:
        assert m.lines[:] == texts[0].split(b"\n")[: len(m.lines)]
        if texts[0]:
            m.lines.save(folder / "index")
        path.write_bytes(b"")
        path.write_bytes(texts[1])
        m.refresh()
        expected = texts[1].removesuffix(b"\n").split(b"\n") if texts[1] else []
        assert m.lines[:] == expected
        assert [bytes(line) for line in m.lines] == expected
        if expected:
            numbers = data.draw(st.lists(st.integers(-len(expected), len(expected) - 1), max_size=5))
            assert m.lines[numbers] == [expected[number] for number in numbers]
            together, starts = m.lines.gather(numbers)
            assert [together[a:b].tobytes() for a, b in itertools.pairwise(starts)] == m.lines[numbers]


def test_gather_refuses(log):
    with fastmmap.open(log) as m:
        for wrong, error in [([9000], IndexError), (["x"], TypeError), (5, TypeError), ([[1]], TypeError)]:
            with pytest.raises(error):
                m.lines.gather(wrong)
        data, starts = m.lines.gather([])
        assert data.size == 0
        assert starts.tolist() == [0]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=40), st.integers(-1, 31), st.booleans())
def test_bisect(groups, value, ended):
    """Against a walk over all lines: groups of a line with a key, and lines without one behind it."""
    keys = []
    for key, without in sorted(groups):
        keys += [key] + [None] * without
    lines = [b"%02d x" % key if key is not None else b"   more" for key in keys]
    text = b"\n".join(lines) + b"\n" * (ended and bool(lines))
    expected, at = len(text), 0
    for key, line in zip(keys, lines):
        if key is not None and key >= value:
            expected = at
            break
        at += len(line) + 1
    with fastmmap.open(None, size=len(text)) as m:
        m[:] = text
        asked = []

        def key(line):
            asked.append(line)
            return int(line[:2]) if line[:1].isdigit() else None

        assert m.lines.bisect(key, value) == expected
        assert set(asked) <= set(lines)


def test_bisect_looks_at_few_lines(log):
    with fastmmap.open(log) as m:
        asked = []
        offset = m.lines.bisect(lambda line: asked.append(line) or line[:6], b"004242")
        assert m.lines.number(offset) == 4242
        assert len(asked) < 25
        assert m.lines.bisect(None, b"") == 0
        assert m.lines.bisect(None, b"x") == len(m)
        with pytest.raises(TypeError):
            m.lines.bisect(None, 5)


def test_prepare_tells_how_far_it_is(log):
    with fastmmap.open(log) as m:
        told = []
        m.lines.prepare(progress=lambda *numbers: told.append(numbers))
        assert told[-1] == (len(TEXT), len(TEXT))
        with pytest.raises(ValueError, match="threads"):
            m.lines.prepare(threads=0)


# --- indexes of another text than the one that is looked at ---


def garbage(size, seed):
    """Arrays of the right shapes, of anything."""
    rng = random.Random(seed)
    values = [0, 1, 2, size, -1, -(2**63), 2**63 - 1, 2**62, 7]
    before = numpy.array([rng.choice(values) for _ in range(-(-size // indexes.TOTALLED) + 1)], numpy.int64)
    inside = numpy.array([rng.choice([0, 1, 9, 65535, 500]) for _ in range(-(-size // indexes.SAMPLED))], numpy.uint16)
    return memoryview(before), memoryview(inside)


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 40_000, 100_000])
def test_arrays_of_anything_lead_nowhere_else(size):
    """Of every kernel: to other places of the text, never outside, and soon."""
    text = (b"a line\n" * (size // 7 + 1))[:size]
    numbers = numpy.array([0, 1, 2, 5, 6, 1000, 2**31, 2**61, 2**63 - 2], numpy.int64)
    for seed in range(30):
        arrays = garbage(size, seed)
        for name in fastmmap.kernels():
            kernel = _backend.load(name)
            assert all(0 <= offset <= size for offset in kernel.line_offsets(arrays, text, numbers).tolist())
            starts, ends = kernel.line_spans(arrays, text, numbers).tolist()
            assert all(0 <= start <= end <= size for start, end in zip(starts, ends))
            assert len(kernel.lines_at(arrays, text, numbers)) == numbers.size
            assert isinstance(kernel.line(arrays, text, 5), bytes)
            for outside in (-1, size, size + 5, 2**62):
                with pytest.raises(IndexError, match="is outside of"):
                    kernel.line_numbers(arrays, text, numpy.array([outside], numpy.int64))


def kept(path, m, before, inside, **facts):
    counted = indexes.Counted((before, inside), len(m), indexes.sample_of(m, len(m)), 0, indexes.state_of(m))
    for name, value in facts.items():
        setattr(counted, name, value)
    saved_index.save(path, counted)


def test_a_file_that_was_made_up(log):
    """Of the right shapes, and wrong in what it says."""
    index, other = log.with_name("index"), log.with_name("index.npz")
    with fastmmap.open(log) as m:
        before = numpy.zeros(-(-len(m) // indexes.TOTALLED) + 1, numpy.int64)
        inside = numpy.zeros(-(-len(m) // indexes.SAMPLED), numpy.uint16)
        for wrong in (
            lambda: kept(index, m, before + 5, inside),
            lambda: kept(index, m, before - numpy.arange(before.size), inside),
            lambda: kept(index, m, before.astype(float), inside),
            lambda: kept(index, m, before, inside.astype("U4")),
            lambda: kept(index, m, before[:-1], inside),
            lambda: kept(index, m, before, inside[None]),
            lambda: numpy.savez(other, facts=before.astype(complex), before=before, inside=inside),
            lambda: numpy.savez(other, before=before),
            lambda: index.write_bytes(pickle.dumps(before)),
        ):
            wrong()
            if other.exists():
                other.replace(index)
            with pytest.raises(ValueError, match="index' is no index of lines, or isn't whole"):
                fastmmap.open(log, index=index)


def test_a_mapping_that_shrinks_behind_the_look_at_its_size(log):
    with fastmmap.open(None, size=len(TEXT)) as m:
        m[:] = TEXT
        lines = m.lines
        of = lines._index.of

        def shrink(*arguments):
            lines._index.of = of
            m.resize(10)
            return of(*arguments)

        lines._index.of = shrink
        with pytest.raises(IndexError, match="offset 99999 is outside of 10 bytes"):
            lines.number([5, 99_999])


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.append(b"zzz\n" * 1000),
        lambda m: m.append(b"z\n"),
        lambda m: m.replace(b"e\n", b"ee"),
        lambda m: m.resize(500),
    ],
)
def test_a_change_while_lines_are_counted(log, change):
    with fastmmap.open(log, "r+") as m:
        done = []

        def once(*told):
            if not done:
                done.append(change(m))

        m.lines.prepare(progress=once)
        assert m.lines[:] == m[:].removesuffix(b"\n").split(b"\n")


def test_a_change_at_each_count(log):
    """It ends, and what the last count says isn't kept."""
    with fastmmap.open(log, "r+") as m:
        m.lines.prepare(progress=lambda *told: m.append(b"more\n"))
        assert m.lines[-1] == b"more"


@cut_while_mapped
def test_a_file_that_is_written_anew_in_its_size(log):
    with fastmmap.open(log) as m:
        assert m.lines[0] == LINES[0]
        log.write_bytes(TEXT[5:] + b"x\ny\n\n")
        os.utime(log, ns=(0, 0))
        m.refresh()
        assert m.lines[-3:] == [b"x", b"y", b""]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_while_lines_are_counted(log):
    with fastmmap.open(log) as m, m.lines._index._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            os._exit(len(m.lines) != len(LINES))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
