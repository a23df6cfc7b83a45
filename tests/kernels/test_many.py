"""Many needles at once, of every kernel, against a search for each alone, and against re."""

from __future__ import annotations

import contextlib
import pickle
import random
import re
import threading

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.oracle import matches, occurrences
from support.standing_in import Copying

import fastmmap
from fastmmap import _backend, many, parallel, parts


def check(kernel, text, needles, *span, ignorecase=False):
    """Every verb gives what the two above give."""
    for overlapping in (False, True):
        expected = (occurrences if overlapping else matches)(text, needles, *span, ignorecase=ignorecase)
        options = {"overlapping": overlapping, "ignorecase": ignorecase}
        offsets, which = kernel.find_each(text, needles, *span, **options)
        assert (offsets.dtype, which.dtype) == (numpy.int64, numpy.int32)
        assert list(zip(offsets.tolist(), which.tolist(), strict=True)) == expected
        alone = [at for at, _ in expected]
        assert kernel.find_all(text, needles, *span, **options).tolist() == alone
        assert list(kernel.iter_find(text, needles, *span, **options)) == alone
        assert kernel.count(text, needles, *span, **options) == len(alone)
        numbers = [number for _, number in expected]
        counts = kernel.count_each(text, needles, *span, **options)
        assert counts.dtype == numpy.int64
        assert counts.tolist() == [numbers.count(number) for number in range(len(needles))]
        for limit in (0, 1, 3):
            offsets, which = kernel.find_each(text, needles, *span, limit=limit, **options)
            assert list(zip(offsets.tolist(), which.tolist(), strict=True)) == expected[:limit]
    everywhere = [at for at, _ in expected]
    assert kernel.find(text, needles, *span, ignorecase=ignorecase) == (everywhere[0] if everywhere else -1)
    assert kernel.rfind(text, needles, *span, ignorecase=ignorecase) == (everywhere[-1] if everywhere else -1)


letters = st.sampled_from([b"ab", b"aAbB", b"abc\n", b"a\0\xff"]).flatmap(
    lambda s: st.lists(st.sampled_from(s), max_size=300)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    letters.map(bytes),
    st.lists(st.lists(st.sampled_from(b"aAbBc\n\0"), min_size=1, max_size=9).map(bytes), max_size=12),
    st.integers(-5, 20),
    st.one_of(st.none(), st.integers(-10, 300)),
    st.booleans(),
)
def test_all_verbs(kernel, text, needles, start, end, ignorecase):
    check(kernel, text, needles, start, end, ignorecase=ignorecase)


@pytest.mark.parametrize("number", [1, 2, 5, 8, 9, 17, 64, 65, 300])
def test_needles_cut_from_the_text(kernel, number):
    rng = random.Random(number)
    text = b"".join(b"%d node-%x INFO [worker %d] connection closed\n" % (i, i * 77, i % 7) for i in range(400))
    if kernel.name == "python":
        text = text[:4000]
    for longest in (3, 12, 300):
        needles = []
        for _ in range(number):
            length = rng.randint(1 if longest == 3 else 4, longest)
            at = rng.randrange(len(text) - length)
            needle = bytearray(text[at : at + length])
            if rng.random() < 0.5:
                needle[rng.randrange(length)] = rng.randrange(256)
            needles.append(bytes(needle))
        check(kernel, text, needles)
        check(kernel, text.swapcase(), needles, 100, -77, ignorecase=True)


@pytest.mark.every_kernel
def test_thousands_of_needles(kernel):
    rng = random.Random(5)
    needles = [b"%x" % rng.getrandbits(60) for _ in range(300 if kernel.name == "python" else 5000)]
    text = b" ".join(rng.choices(needles, k=300)) + b"".join(rng.choices([b"%x" % i for i in range(4000)], k=9000))
    expected = matches(text, needles)
    offsets, which = kernel.find_each(text, needles)
    assert list(zip(offsets.tolist(), which.tolist(), strict=True)) == expected
    assert kernel.count(text, fastmmap.Needles(needles)) == len(expected)


def test_needles_that_begin_and_contain_each_other(kernel):
    nested = [b"a" * n for n in range(1, 301)]
    check(kernel, b"a" * 700 + b"b" + b"a" * 50, nested[::7])
    check(kernel, b"a" * 2000, [b"a", b"a" * 299 + b"b"])
    check(kernel, b"ab" * 900, [b"ab" * 100 + b"b", b"ba", b"ab" * 3, b"b"])
    check(kernel, bytes(range(256)) * 5, [bytes((i,)) for i in range(256)])


def test_the_alternatives_of_re(kernel):
    """Sorted from the longest to the shortest, that is what re finds."""
    rng = random.Random(6)
    for _ in range(60):
        needles = [bytes(rng.choices(b"abc", k=rng.randint(1, 6))) for _ in range(rng.randint(1, 9))]
        text = bytes(rng.choices(b"abc", k=500))
        pattern = re.compile(b"|".join(map(re.escape, sorted(needles, key=len, reverse=True))))
        offsets, which = kernel.find_each(text, needles)
        assert [(at, needles[number]) for at, number in zip(offsets.tolist(), which.tolist(), strict=True)] == [
            (match.start(), match.group()) for match in pattern.finditer(text)
        ]


@pytest.mark.parametrize(
    "needles", [[b"ab"], [b"a", b"xyz"], [b"a", b"ab", b"abc", b"abcd"], [b"%d" % i for i in range(90)]]
)
def test_no_byte_beyond_the_buffer(kernel, fence, needles):
    for size in (1, 2, 3, 4, 5, 31, 32, 33, 64, 65, 130, 1030):
        data = (b"xabcd12345" * 200)[:size]
        for view in (fence.at_end(data), fence.at_start(data)):
            offsets, which = kernel.find_each(view, needles)
            assert list(zip(offsets.tolist(), which.tolist(), strict=True)) == matches(data, needles)
            assert kernel.rfind(view, needles) == max(data.rfind(each) for each in needles)


@pytest.mark.every_kernel
@pytest.mark.parametrize("overlapping", [False, True])
def test_threads_and_seams(kernel, overlapping):
    """Blocks end where no match lies: here matches lie across nearly all places, and across all."""
    rng = random.Random(7)
    for needles, unit in (
        ([b"needle", b"edlenee", b"le ne", b"x"], b"needle needlenee"),
        *([] if overlapping else [([b"ab" * 9, b"ba" * 20, b"a"], b"ab")]),
        ([b"%x" % rng.getrandbits(40) for _ in range(100)], rng.randbytes(997).hex().encode()),
    ):
        text = unit * ((1 << 24) // len(unit) + 1000)
        if kernel.name == "python":
            text = text[:40_000]
        one = kernel.find_each(text, needles, 5, overlapping=overlapping, threads=1)
        more = kernel.find_each(text, needles, 5, overlapping=overlapping, threads=3)
        assert all((a == b).all() for a, b in zip(one, more, strict=True))
        counts = kernel.count_each(text, needles, 5, overlapping=overlapping, threads=3)
        assert counts.tolist() == numpy.bincount(one[1], minlength=len(needles)).tolist()
        assert kernel.count(text, needles, 5, overlapping=overlapping, threads=2) == len(one[0])
    for needles in ([b"absent", b"neither"], [b"absent", unit[::-1][:9]]):
        found = [text.find(each) for each in needles if each in text]
        assert kernel.find(text, needles, threads=2) == (min(found) if found else -1)
        assert kernel.rfind(text, needles, threads=2) == max(text.rfind(each) for each in needles)


def test_what_needles_may_be(kernel):
    text = "naïve café".encode() + b"\xff"
    several = ["café", bytearray(b"ve"), memoryview(b"na"), 0xFF, numpy.frombuffer(b" c", dtype=numpy.uint8)]
    for each in (several, tuple(several), fastmmap.Needles(several), fastmmap.Needles(iter(several))):
        assert kernel.count(text, each) == 4  # " c" lies across the start of "café"
    assert kernel.count(b"", several) == kernel.count(text, []) == kernel.count(text, fastmmap.Needles([])) == 0
    assert kernel.find(text, ()) == kernel.rfind(text, []) == -1
    for bad, error, words in (
        ([b"a", b""], ValueError, "needle 1 is empty"),
        ([b"a", 1.5], TypeError, "needle must be"),
        ([b"a", 256], ValueError, "byte must be in range"),
        ([[b"a"]], TypeError, "needle must be"),
    ):
        for verb in (kernel.find, kernel.count, kernel.find_each, kernel.count_each):
            with pytest.raises(error, match=words):
                verb(text, bad)
        with pytest.raises(error, match=words):
            fastmmap.Needles(bad)
    for bad in (b"abc", "abc", 5, None):
        with pytest.raises(TypeError):
            kernel.find_each(text, bad)
    with pytest.raises(ValueError, match="limit"):
        kernel.find_each(text, several, limit=-1)
    with pytest.raises(ValueError, match="threads"):
        kernel.count(text, several, threads=0)
    with pytest.raises(TypeError):
        kernel.count("text", several)


def test_of_equal_ones_the_first_counts(kernel):
    assert kernel.count_each(b"abab", [b"x", b"ab", b"ab"], overlapping=True).tolist() == [0, 2, 0]
    assert kernel.count_each(b"aBab", [b"x", b"AB", b"ab"], ignorecase=True).tolist() == [0, 2, 0]


def test_needles_are_values():
    needles = fastmmap.Needles(["cat", b"Dog"], ignorecase=True)
    assert (len(needles), list(needles), needles[1], needles.ignorecase) == (2, [b"cat", b"Dog"], b"Dog", True)
    copy = pickle.loads(pickle.dumps(needles))
    assert copy == needles
    assert hash(copy) == hash(needles)
    assert copy != fastmmap.Needles(["cat", b"Dog"])
    assert fastmmap.count(b"CAT dog", copy) == 2
    assert fastmmap.count(b"CAT dog", fastmmap.Needles(["cat", "dog"])) == 1
    assert fastmmap.count(b"CAT dog", fastmmap.Needles(["cat", "dog"]), ignorecase=True) == 2
    assert repr(needles).startswith("<fastmmap.Needles [b'cat', b'Dog'], 2 of them")
    with pytest.raises(AttributeError):
        needles.ignorecase = False


def test_threads_share_needles(kernel):
    rng = random.Random(8)
    texts = [rng.randbytes(30_000).hex().encode() * 3 for _ in range(4)]
    needles = fastmmap.Needles([b"%x" % rng.getrandbits(12) for _ in range(40)])
    expected = [kernel.count_each(text, list(needles)).tolist() for text in texts]
    results = {}

    def work(number):
        results[number] = [kernel.count_each(text, needles).tolist() for text in texts]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[number] for number in range(4)] == [expected] * 4


def test_nothing_stays_exported(kernel):
    text = bytearray(b"some text some" * 1000)
    needles = [b"text", b"some"]
    kernel.find(text, needles), kernel.rfind(text, needles), kernel.count(text, needles)
    kernel.find_each(text, needles, limit=3), kernel.count_each(text, needles)
    iterator = kernel.iter_find(text, needles)
    next(iterator)
    del iterator
    text += b"!"


def test_pickled_functions():
    for name in ("find_each", "count_each"):
        function = pickle.loads(pickle.dumps(getattr(fastmmap, name)))
        assert function(b"abc", [b"b"]) is not None
    assert _backend.home("many").name == fastmmap.kernel


def test_a_mapping_and_a_path(make):
    path = make(b"a catalog of dogs")
    needles = ["cat", "catalog", "dog"]
    with fastmmap.open(path) as m:
        for source in (m, path):
            assert fastmmap.find(source, needles) == 2
            assert fastmmap.rfind(source, needles) == 13
            assert fastmmap.find_each(source, needles)[1].tolist() == [1, 2]
        assert m.find(needles) == 2
        assert needles in m
        assert list(m.iter_find(fastmmap.Needles(needles))) == [2, 13]
        assert m.count_each(needles).tolist() == [0, 1, 1]
        assert m.find_each(needles)[0].tolist() == [2, 13]


def test_a_list_that_changes_while_arguments_are_converted(kernel):
    for other in (None, b"", b"x" * 5000, 7):
        needles = [b"zz", b"hello"]

        class Index:
            def __index__(self, needles=needles, other=other):
                needles[0] = other
                return 0

        with contextlib.suppress(TypeError, ValueError):  # which it is, if they are looked at afterwards
            assert kernel.find(b"hello world" * 20, needles, Index()) in (-1, 0)


@pytest.mark.every_kernel
def test_a_seam_is_where_no_match_lies_across(kernel):
    """A chain of matches moves it far, and one hangs on the chain's end that was begun before and ends beyond."""
    from fastmmap import many

    rng = random.Random(9)
    ends, middle = rng.randbytes(100), rng.randbytes(800)
    link = ends + middle + ends  # which overlaps itself
    last = link[-200:] + rng.randbytes(100) + b"#!#" + rng.randbytes(697)
    text = bytearray(60_000)
    for number in range(6):
        text[19_999 + 900 * number : 20_999 + 900 * number] = link
    text[25_299:26_299] = last
    text, needles = bytes(text), [link, last, b"#!#"]
    everything = occurrences(text, needles)
    assert [number for _, number in everything].count(1) == 1
    for bound in range(20_000, 26_500, 500):
        search = many.verbs_of(kernel.name)._search(text, needles, (0, None), False)
        seam = parts.ManySeams(search)._look(text, bound)
        assert seam is None or not [at for at, number in everything if at < seam < at + len(needles[number])], bound


@pytest.mark.parametrize("overlapping", [False, True])
def test_without_memory_for_an_automaton(kernel, overlapping):
    """The filter does it all then, in blocks as small as need be."""
    if kernel.name == "python":
        pytest.skip("the reference has no automaton")
    rng = random.Random(10)
    needles = [b"a" * 60, b"a", *(rng.randbytes(50) for _ in range(60_000))]
    text = b"a" * 3000 + b"".join(needles[2:9]) + b"aab"
    expected = (occurrences if overlapping else matches)(text, [*needles[:9], b"b"])
    offsets, which = kernel.find_each(
        text, fastmmap.Needles([*needles[:9], b"b", *needles[9:]]), overlapping=overlapping
    )
    assert list(zip(offsets.tolist(), which.tolist(), strict=True)) == expected


def test_a_search_that_was_released(kernel):
    if kernel.name == "python":
        pytest.skip("what is released there is a memoryview")
    from fastmmap import _many

    native = _many.Kernel(kernel.name)
    prepared = _many.Prepared((b"a" * 203, b"a"), False)
    scan = native.scan(b"a" * 9000, prepared, (0, 9000, 9000), False)
    scan.release()
    scan.release()
    with pytest.raises(ValueError, match="released"):
        scan.find_into(numpy.empty(5, numpy.int64))
    native.count_all(b"a" * 20_000, prepared, (0, 20_000, 20_000), True)
    for until in range(4096, 4800):
        native.count_all(b"a" * 20_000, prepared, (0, 20_000, until), False)


def test_what_is_copied_part_by_part(kernel, monkeypatch):
    monkeypatch.setattr(parallel, "BLOCK", 50)
    monkeypatch.setattr(parallel, "WORTHWHILE", 0)
    monkeypatch.setattr(parts, "SLACK", 20)
    verbs = many.ManyVerbs(Copying(many.verbs_of(kernel.name).kernel))
    rng = random.Random(11)
    for letters in (b"ab", b"abcdefg"):
        for _ in range(20):
            text = bytes(rng.choices(letters, k=700))
            needles = [bytes(rng.choices(letters, k=rng.randint(1, 9))) for _ in range(6)]
            for overlapping in (False, True):
                options = {"overlapping": overlapping, "ignorecase": False}
                expected = [at for at, _ in (occurrences if overlapping else matches)(text, needles)]
                assert list(verbs.iter_find(text, needles, 0, None, **options)) == expected
                assert verbs.find_each(text, needles, **options)[0].tolist() == expected
                assert verbs.count_each(text, needles, **options).sum() == len(expected)
            assert verbs.rfind(text, needles, 0, None, ignorecase=False, threads=None) == (
                max(map(text.rfind, needles), default=-1)
            )
            for limit in (1, 5, 40):
                options = {"overlapping": False, "ignorecase": False, "limit": limit}
                assert verbs.find_each(text, needles, **options)[0].tolist() == [
                    at for at, _ in matches(text, needles)[:limit]
                ]


@pytest.mark.parametrize("ignorecase", [False, True])
def test_a_few_needles_made_ready_in_a_few_bytes(kernel, ignorecase):
    """What a list finds there, whatever way it is looked for."""
    text = b"a Catalog of dogs, and cats"
    for needles in (["cat", "dog"], ["cats", "CAT"], ["absent"], [], ["dogs", "dog", "of"]):
        ready = fastmmap.Needles(needles, ignorecase)
        for start, end in ((0, None), (5, None), (-5, None), (3, 4), (30, 40)):
            expected = kernel.find(text, needles, start, end, ignorecase=ignorecase)
            assert kernel.find(text, ready, start, end) == expected
            assert expected == min((at for at, _ in occurrences(text, [each.encode() for each in needles], start, end,
                                                                 ignorecase=ignorecase)), default=-1)  # fmt: skip
