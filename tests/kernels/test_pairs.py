"""{old: new, ...} in memory, of every kernel, against re; and as a substitution, which is what files are edited by."""

from __future__ import annotations

import mmap
import pickle
import random
from types import MappingProxyType

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import oracle
from support.standing_in import Copying

import fastmmap
from fastmmap import many, parallel, parts
from fastmmap.pairs import Pairs


def replaced(text, pairs, count=-1):
    """What re makes of it, and how many it replaced."""
    new, counts = oracle.replaced(text, pairs, count)
    return new, sum(counts)


def rewritten(kernel, text, pairs, count=-1, block=64):
    own = many.verbs_of(kernel.name).kernel
    out, made = bytearray(), Pairs(pairs).prepared(own)
    room = bytearray(max(block, made.longest))
    with own.substitution(text, made, (0, len(text), len(text)), count) as edit:
        while filled := edit.readinto(room):
            out += room[:filled]
        return bytes(out), edit.replaced


letters = st.sampled_from([b"ab", b"abc\n", b"a\0\xff"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data(), letters, st.integers(-1, 5), st.sampled_from([1, 7, 64]))
def test_as_re_replaces(kernel, data, letters, count, block):
    some = st.lists(st.sampled_from(letters), max_size=9).map(bytes)
    text = bytes(data.draw(st.lists(st.sampled_from(letters), max_size=300)))
    olds = data.draw(st.lists(some.filter(len), max_size=9, unique=True))
    alike = {old: data.draw(st.binary(min_size=len(old), max_size=len(old))) for old in olds}
    buffer = bytearray(text)
    number = kernel.replace(buffer, alike, count=count)
    assert (bytes(buffer), number) == replaced(text, alike, count)
    pairs = {old: data.draw(st.binary(max_size=40)) for old in olds}
    assert rewritten(kernel, text, pairs, count, block) == replaced(text, pairs, count)


@pytest.mark.parametrize("number", [2, 10, 70, 500])
def test_text_with_many_matches(kernel, number):
    rng = random.Random(number)
    words = [b"%x" % rng.getrandbits(rng.choice((8, 30, 60))) for _ in range(number)]
    text = b" ".join(rng.choices(words, k=300 if kernel.name == "python" else 30_000))
    pairs = {word: word[::-1] for word in words}
    buffer = bytearray(text)
    assert (kernel.replace(buffer, pairs), bytes(buffer)) == replaced(text, pairs)[::-1]
    pairs = {word: word * rng.randint(0, 3) for word in words}
    assert rewritten(kernel, text, pairs, block=4096) == replaced(text, pairs)
    assert rewritten(kernel, text, pairs, 100, block=4096) == replaced(text, pairs, 100)


def test_what_was_replaced_is_not_searched_again(kernel):
    buffer = bytearray(b"one two one")
    assert kernel.replace(buffer, {"one": "two", "two": "one"}) == 3
    assert buffer == b"two one two"
    assert kernel.replace(buffer, {"two": "xtw", "tw": "ab", "wo": "oo"}) == 2
    assert buffer == b"xtw one xtw"
    buffer = bytearray(b"a" * 1000)
    assert kernel.replace(buffer, {"aa": "ab", "ba": "zz"}) == 500
    assert buffer == b"ab" * 500


def test_what_overlaps_across_blocks(kernel, monkeypatch):
    """In many small blocks, by two threads, whose bounds lie where no match does."""
    monkeypatch.setattr(parallel, "BLOCK", 64)
    monkeypatch.setattr(parts, "SLACK", 16)
    monkeypatch.setattr(parts.Search, "_blocks", lambda search: parallel.blocks(search.start, search.until))
    rng = random.Random(8)
    for letters in (b"ab", b"abcdefgh"):
        for _ in range(20):
            text = bytes(rng.choices(letters, k=1000))
            olds = {bytes(rng.choices(letters, k=rng.randint(1, 7))) for _ in range(5)}
            pairs = {old: bytes(rng.choices(letters, k=len(old))) for old in olds}
            buffer = bytearray(text)
            assert kernel.replace(buffer, pairs, threads=2) == replaced(text, pairs)[1]
            assert bytes(buffer) == replaced(text, pairs)[0]


def test_a_large_buffer_by_threads():
    text = b"the cat sat on the mat with a dog\n" * 700_000
    pairs = {b"cat": b"dog", b"dog": b"cat", b"with a": b"WITH A", b"never": b"NEVER", b"sat": b"sat"}
    for threads in (None, 1, 3):
        buffer = bytearray(text)
        assert fastmmap.replace(buffer, pairs, threads=threads) == 4 * 700_000
        assert bytes(buffer) == replaced(text, pairs)[0]
    assert fastmmap.replace(buffer, pairs, count=5, threads=2) == 5


def test_a_range(kernel):
    pairs = {b"aab": b"xyz", b"ba": b"QQ"}
    for span in ((2, 9), (-7, -1), (5, 2), (99, 100), (0, None), (None, 4)):
        data = bytearray(b"aabaabaabaab")
        start, end, _ = slice(*span).indices(len(data))
        end = max(start, end)
        inner, number = replaced(bytes(data[start:end]), pairs)
        expected = data[:start] + inner + data[end:]
        assert kernel.replace(data, pairs, start=span[0], end=span[1]) == number
        assert data == expected


def test_no_byte_beyond_the_buffer(kernel, fence):
    pairs = {b"ab": b"yz", b"bab.": b"zzzz", b"a": b"Y"}
    for length in range(120):
        text = (b"abab.ab" * 40)[:length]
        for view in (fence.at_end(text), fence.at_start(text)):
            assert rewritten(kernel, view, pairs) == replaced(text, pairs)
            kernel.replace(view, pairs)
            assert bytes(view) == replaced(text, pairs)[0]


def test_a_mapping_is_any_mapping_of_any_data(kernel):
    buffer = bytearray("größe one".encode())
    assert kernel.replace(buffer, MappingProxyType({"ö": bytearray("ü", "utf8"), b"one": memoryview(b"ONE")})) == 2
    assert buffer.decode() == "grüße ONE"
    assert kernel.replace(buffer, {}) == 0
    assert kernel.replace(buffer, {"ONE": "one"}) == 1
    # Of equal ones the first counts.
    assert kernel.replace(buffer, {"one": "two", b"one": "six", b"x": b"y"}) == 1
    assert buffer.endswith(b"two")
    items = numpy.frombuffer(bytearray(b"abcabc"), dtype=numpy.uint16)
    assert kernel.replace(items, {"ab": "xy", "c": "z"}) == 4
    assert items.tobytes() == b"xyzxyz"


@pytest.mark.parametrize(
    ("pairs", "new", "error", "words"),
    [
        ({"a": "b", "": "c"}, None, ValueError, "old must not be empty"),
        ({"a": "b", "c": "de"}, None, ValueError, "same length.*1 and 2.*replace_file"),
        ({"a": "b", 99: "d"}, None, TypeError, "old.*int"),
        ({"a": "b", "c": None}, None, TypeError, "new.*NoneType"),
        ({"a": "b", "c": "d"}, "e", TypeError, "no new is given beside"),
        (["a", "b"], "c", TypeError, "mapping.*list"),
        (fastmmap.Needles(["a", "b"]), "c", TypeError, "mapping.*Needles"),
    ],
)
def test_what_is_refused(kernel, pairs, new, error, words):
    buffer = bytearray(b"abcabc")
    with pytest.raises(error, match=words):
        kernel.replace(buffer, pairs, new)
    assert buffer == b"abcabc"


@pytest.mark.parametrize(
    ("buffer", "error", "words"),
    [
        (b"abc", BufferError, "read-only|not writable"),
        (memoryview(bytearray(b"abcd"))[::2], BufferError, "contiguous"),
        ("abc", TypeError, "fastmmap.open"),
        (12, TypeError, "int"),
    ],
)
def test_what_cannot_be_replaced_in(kernel, buffer, error, words):
    with pytest.raises(error, match=words):
        kernel.replace(buffer, {b"a": b"b", b"c": b"d"})


def test_the_same_is_not_stored(kernel):
    with mmap.mmap(-1, 1 << 16) as memory:
        memory[:4] = b"abab"
        assert kernel.replace(memory, {"ab": "ab", "\0ba": "\0ba"}) == 2
        assert kernel.replace(memory, {"ab": "ab", "\0ba": "\0ba"}, count=1) == 1
        assert memory[:4] == b"abab"


def test_a_mapped_file(make):
    path = make(b"one two one\n" * 10)
    with fastmmap.open(path, "r+") as m:
        assert m.lines[3] == b"one two one"
        assert m.replace({"one": "ONE", "\n": "\r"}, start=12) == 27
        assert len(m.lines) == 2
    assert path.read_bytes() == b"one two one\n" + b"ONE two ONE\r" * 9
    with fastmmap.open(path) as m, pytest.raises(BufferError, match="r\\+"):
        m.replace({"a": "b", "c": "d"})


def test_pairs_are_pickled_and_compared():
    pairs = Pairs({"a": "b", "c": ""})
    again = pickle.loads(pickle.dumps(pairs))
    assert (again, hash(again), len(again)) == (pairs, hash(pairs), 2)
    assert pairs != Pairs({"a": "b", "c": "d"})
    assert pairs != 5


def test_a_substitution_of_many_that_is_closed(kernel):
    own = many.verbs_of(kernel.name).kernel
    buffer = bytearray(b"one two")
    edit = own.substitution(buffer, Pairs({"one": "four", "two": ""}).prepared(own), (0, 7, 7), -1)
    with pytest.raises(ValueError, match="no room for a replacement of 4"):
        edit.readinto(bytearray(3))
    room = bytearray(4)
    assert (edit.readinto(room), bytes(room)) == (4, b"four")
    edit.close()
    edit.close()
    with pytest.raises(ValueError, match="closed"):
        edit.readinto(room)
    buffer += b"!"


@pytest.mark.parametrize("source", [bytes, bytearray, memoryview])
def test_any_memory_into_any_memory(kernel, source):
    own = many.verbs_of(kernel.name).kernel
    text = source(b"one two three")
    for target in (bytearray(20), memoryview(bytearray(20))):
        for edit in (
            own.substitution(text, Pairs({"one": "four", "two": ""}).prepared(own), (0, 13, 13), -1),
            kernel.substitution(text, "one two", "four ", -1, 0, 13),
        ):
            with edit:
                assert edit.readinto(target) == len(b"four  three")
            assert bytes(target[:11]) == b"four  three"


def test_a_count_where_parts_are_copied(kernel, monkeypatch):
    """Each part takes what the ones before have left of it."""
    monkeypatch.setattr(parallel, "BLOCK", 64)
    monkeypatch.setattr(parallel, "WORTHWHILE", 0)
    monkeypatch.setattr(parts, "SLACK", 16)
    verbs = many.ManyVerbs(Copying(many.verbs_of(kernel.name).kernel))
    text, pairs = b"one two thr " * 100, {b"one": b"ONE", b"two": b"TWO"}
    for count in (-1, 0, 1, 13, 1000):
        buffer = bytearray(text)
        assert verbs.replace(buffer, pairs, count, 0, None, threads=None) == replaced(text, pairs, count)[1]
        assert bytes(buffer) == replaced(text, pairs, count)[0]


def test_subclasses_of_bytes_and_str(kernel):
    olds, news = numpy.array([b"ab", b"cd"]), numpy.array([b"xy", b"zz"])
    buffer = bytearray(b"ab cd")
    assert kernel.replace(buffer, dict(zip(olds, news, strict=True))) == 2
    assert kernel.replace(buffer, dict(zip(numpy.array(["xy"]), numpy.array(["12"]), strict=True))) == 1
    assert buffer == b"12 zz"
    assert kernel.find_each(b"ab cd", list(olds))[0].tolist() == [0, 3]


@pytest.mark.parametrize("large", [2**63, 2**70, 10**40])
def test_numbers_larger_than_any_buffer(kernel, large):
    buffer = bytearray(b"ab cd")
    assert kernel.replace(buffer, {"ab": "cd", "cd": "ab"}, count=large) == 2
    assert kernel.replace(buffer, {"ab": "cd", "cd": "ab"}, count=-large) == 2
    assert kernel.replace(buffer, {"ab": "xy", "cd": "zz"}, start=large) == 0
    assert kernel.replace(buffer, {"ab": "xy", "cd": "zz"}, start=-large, end=large) == 2
    assert kernel.replace(buffer, "xy", "ab", large) == 1
    assert kernel.find_each(buffer, ["ab"], large)[0].tolist() == []
    assert kernel.find_each(buffer, ["ab"], -large, large)[0].tolist() == [0]


def test_a_hole_of_what_stays_the_same(tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(8 << 20)
    with fastmmap.open(path, "r+") as m:
        assert m.replace({bytes(3000): bytes(3000), b"x": b"y"}) == (8 << 20) // 3000
    assert path.stat().st_blocks == 0


def test_much_that_is_replaced_by_nothing(kernel):
    """A reader of small blocks lets others run, and sees signals."""
    text = b"ab" * 200_000
    own = many.verbs_of(kernel.name).kernel
    with own.substitution(text, Pairs({"a": "", "b": ""}).prepared(own), (0, len(text), len(text)), -1) as edit:
        assert edit.readinto(bytearray(1)) == 0
        assert edit.replaced == 400_000
