"""replace_file and plan_replace with ignorecase=True: by a new file and in place, stopped and gone on with."""

from __future__ import annotations

import errno
import os
import pickle
import random
import struct
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.in_place import Stop, edit, journals
from support.killed_edits import kill_until_done
from support.marks import cut_while_mapped
from support.oracle import replaced

import fastmmap
from fastmmap import _backend, beside, parallel
from fastmmap.editing.preparing import edit_of
from fastmmap.editing.writing import write_parts
from fastmmap.unfinished import Plan, read_plan

same = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

texts = st.text("aAbB\n", max_size=300).map(str.encode)
olds = st.text("aAbB\n", min_size=1, max_size=5).map(str.encode)
mappings = st.dictionaries(olds, st.text("aAbX\n", max_size=9).map(str.encode), min_size=1, max_size=5)
as_long = st.lists(olds, min_size=1, max_size=4, unique=True).map(lambda some: {old: old.swapcase() for old in some})


@same
@given(texts, mappings | as_long, st.integers(-1, 6), st.booleans())
def test_a_new_file_as_re_replaces(tmp_path, text, pairs, count, in_pieces):
    path = tmp_path / "file"
    path.write_bytes(text)
    expected, counts = replaced(text, pairs, count, ignorecase=True)
    with pytest.MonkeyPatch.context() as patch:
        if in_pieces:
            patch.setattr(parallel, "WORTHWHILE", 0)
            patch.setattr(parallel, "BLOCK", 50)
        plan = fastmmap.plan_replace(path, pairs, count=count, ignorecase=True)
        done = fastmmap.replace_file(path, pairs, count=count, ignorecase=True, durable=False, threads=2)
    assert path.read_bytes() == expected
    assert (plan.counts, plan.count) == (counts, sum(counts))
    assert (plan.old_size, plan.new_size) == (len(text), len(expected))
    assert (done.count, done.old_size, done.new_size) == (sum(counts), len(text), len(expected))


@same
@given(texts, mappings | as_long, st.integers(-1, 6))
def test_in_place_as_re_replaces(tmp_path, small, text, pairs, count):
    path = tmp_path / "file"
    path.write_bytes(text)
    expected, counts = replaced(text, pairs, count, ignorecase=True)
    done = edit(path, pairs, count=count, ignorecase=True, threads=1)
    assert (path.read_bytes(), done.count) == (expected, sum(counts))
    assert os.listdir(tmp_path) == ["file"]


@same
@given(texts, olds, st.text("aAbX", max_size=7).map(str.encode), st.integers(-1, 6))
def test_one_pair(tmp_path, text, old, new, count):
    path = tmp_path / "file"
    expected, (number,) = replaced(text, {old: new}, count, ignorecase=True)
    for in_place in (False, True):
        path.write_bytes(text)
        done = fastmmap.replace_file(path, old, new, count, in_place=in_place, ignorecase=True, durable=False)
        assert (path.read_bytes(), done.count) == (expected, number)


def test_a_large_file_by_threads(make):
    text = b"The cat, THE CAT and the Cat.\n" * (30_000 if fastmmap.kernel == "python" else 600_000)
    pairs = {b"the": b"a", b"CAT": b"leopard"}
    expected, counts = replaced(text, pairs, ignorecase=True)
    for in_place in (False, True):
        path = make(text)
        done = fastmmap.replace_file(path, pairs, in_place=in_place, ignorecase=True, durable=False)
        assert done.count == sum(counts)
        assert path.read_bytes() == expected


def test_only_ascii_letters_fold(make):
    """Neither what differs in one bit from another byte, nor letters of other alphabets."""
    text = "@[`{ \u00df \u00c4 \u00e4 \u212a \u017f \0 ".encode() * 20  # a sign for kelvin and a long s, too
    path = make(text)
    for old in ("`", "{", "[", "\u00e4", "k", "s", "  "):
        data = path.read_bytes()
        fastmmap.replace_file(path, old, "<>", ignorecase=True, durable=False)
        assert path.read_bytes() == data.replace(old.encode(), b"<>")


def test_the_same_letters_change_what_is_in_another_case(make, tmp_path):
    path = make(b"abc ABC aBc")
    assert fastmmap.replace_file(path, "abc", "abc", ignorecase=True).strategy == "rewrite"
    assert path.read_bytes() == b"abc abc abc"
    before = path.stat()
    for pairs in ({" ": " "}, {"x": "x"}, {" ": " ", "12": "12"}):
        assert fastmmap.replace_file(path, pairs, ignorecase=True).strategy == "none"
    assert fastmmap.replace_file(path, "abc", "abc").strategy == "none"
    assert path.stat() == before
    assert os.listdir(tmp_path) == ["file"]


def test_of_equal_ones_the_first_counts(make):
    path = make(b"one ONE One")
    pairs = {"One": "1", "ONE": "2", b"one": "3", "two": "4"}
    assert fastmmap.plan_replace(path, pairs, ignorecase=True).counts == (3, 0, 0, 0)
    fastmmap.replace_file(path, pairs, ignorecase=True)
    assert path.read_bytes() == b"1 1 1"


@pytest.mark.parametrize(("given", "folds"), [(True, True), (1, True), ("yes", True), (0, False), (None, False)])
def test_what_is_no_bool(make, given, folds):
    path = make(b"Cat cat")
    assert fastmmap.plan_replace(path, "cat", "x", ignorecase=given).count == 1 + folds
    assert fastmmap.replace_file(path, "cat", "x", ignorecase=given).count == 1 + folds


def test_a_plan(make):
    text = b"The Cat\nno match\nand a CAT\n" * 50
    path = make(text)
    plan = fastmmap.plan_replace(path, "cat", "dog", ignorecase=True)
    first, second = pickle.loads(pickle.dumps(plan)).preview(2)
    assert (first.offset, first.number, first.before, first.after) == (4, 0, b"The Cat", b"The dog")
    assert (second.number, second.before, second.after) == (2, b"and a CAT", b"and a dog")
    assert len(plan.preview(1000)) == 100
    done = pickle.loads(pickle.dumps(plan)).apply(in_place=True)
    assert (done.count, done.strategy) == (100, "in_place")
    assert path.read_bytes() == text.replace(b"Cat", b"dog").replace(b"CAT", b"dog")
    path.write_bytes(text)
    assert fastmmap.plan_replace(path, {"cat": "", "THE": "A"}, count=3, ignorecase=True).apply().count == 3
    assert path.read_bytes() == b"A \nno match\nand a \n" + text[27:]


@cut_while_mapped
@pytest.mark.skipif(not _backend.NATIVE, reason="without extensions there is no guard")
@pytest.mark.parametrize("in_place", [False, True])
def test_a_file_that_is_cut_short(make, monkeypatch, in_place):
    path = make(b"One two\n" * 40_000)
    real = fastmmap.MappedFile.find

    def find(self, *arguments, **options):
        found = real(self, *arguments, **options)
        with open(path, "r+b") as file:
            file.truncate(100)
        return found

    monkeypatch.setattr(fastmmap.MappedFile, "find", find)
    with pytest.raises(OSError, match=".") as caught:
        fastmmap.replace_file(path, {"one": "1", "two": "2"}, in_place=in_place, ignorecase=True)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == (b"One two\n" * 40_000)[:100]
    assert os.listdir(path.parent) == ["file"]


@cut_while_mapped
@pytest.mark.skipif(not _backend.NATIVE, reason="without extensions there is no guard")
def test_a_part_that_is_cut_short_while_it_is_read(tmp_path):
    """It is replaced in by a kernel, which survives that."""
    path = tmp_path / "file"
    path.write_bytes(b"One two\n" * 40_000)
    job = edit_of("ONE", "1", -1, True)
    with fastmmap.open(path) as source:
        first = fastmmap.editing.survey.survey(source, job, 0, 1)
        os.truncate(path, 100)
        with pytest.raises(OSError, match="."):
            write_parts(source, job, [(part, 0) for part in first], 1, lambda data, at: None)


# --- what is left, and goes on ---

TEXT = b"the Cat sat on THE mat\nthe cAt is here\n" * 60
WAYS = {
    "longer": {"CAT": "leopard"},
    "shorter": {"CAT": "ox", "the": "a"},
    "of all lengths": {"cat": "leopard", "The ": "", "sat": "SIT"},
    "as long": {"CAT": "cat", "The": "THE", "mat": "rug"},
    "as long, one": {"cat": "CAT"},
}


@pytest.fixture
def stopped_at(tmp_path):
    """Stops an edit of a file at a call of `progress`. Whether it hasn't come to its end before."""
    path = tmp_path / "file"

    def stopped(call, pairs, **options):
        path.write_bytes(TEXT)
        left = call

        def progress(done, total):
            nonlocal left
            left -= 1
            if left < 0:
                raise Stop

        try:
            edit(path, pairs, progress=progress, threads=1, **options)
        except Stop:
            return path
        return None

    return stopped


def as_bytes(pairs):
    return {old.encode(): new.encode() for old, new in pairs.items()}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count", [-1, 70])
def test_stopped_at_each_step(stopped_at, small, tmp_path, way, count):
    pairs, call, stopped = WAYS[way], 0, 0
    options = {"count": count, "ignorecase": True}
    expected, counts = replaced(TEXT, as_bytes(pairs), count, ignorecase=True)
    while (path := stopped_at(call, pairs, **options)) is not None:
        if journals(tmp_path):
            stopped += 1
            if call % 2:
                assert fastmmap.recover(path) is True
            else:
                done = edit(path, pairs, **options)
                assert (done.count, done.new_size) == (sum(counts), len(expected))
        assert path.read_bytes() == expected
        assert os.listdir(tmp_path) == ["file"]
        call += 1
    assert stopped > 4


@pytest.mark.parametrize("power", [False, True])
def test_killed_at_any_step(memory_path, power):
    kills = 0
    for seed in range(60):
        kills += kill_until_done(memory_path, random.Random(seed), power, ignorecase=True)
    assert kills > 30


def test_an_edit_that_differs_in_case_alone_is_another(stopped_at, small):
    """What was left is brought to its end as it began; then comes what was asked for."""
    pairs = {"cat": "dog", "dog": "CAT"}
    both, _ = replaced(TEXT, as_bytes(pairs), ignorecase=True)
    once_more, counts = replaced(both, as_bytes(pairs))
    path = stopped_at(3, pairs, ignorecase=True)
    assert len(journals(path.parent)) == 1
    assert edit(path, pairs).count == sum(counts) > 0
    assert path.read_bytes() == once_more
    as_written, _ = replaced(TEXT, as_bytes({"cAt": "ox"}))
    path = stopped_at(9, {"cAt": "ox"})
    assert edit(path, {"cAt": "ox"}, ignorecase=True).count == 60
    assert path.read_bytes() == replaced(as_written, {b"cat": b"ox"}, ignorecase=True)[0]


@pytest.mark.parametrize("ignorecase", [False, True])
@pytest.mark.parametrize("new", ["leopard", "DOG"])
def test_equal_pairs_go_on_by_the_first(stopped_at, small, ignorecase, new):
    """A dict of the journal's pairs would have the last one's replacement, and fewer numbers."""
    pairs = {"cAt": new, b"cAt": "x" * len(new), "sat": "SAT" if new == "DOG" else "is sitting"}
    path = stopped_at(5, pairs, ignorecase=ignorecase)
    assert len(journals(path.parent)) == 1
    assert fastmmap.recover(path) is True
    del pairs[b"cAt"]
    assert path.read_bytes() == replaced(TEXT, as_bytes(pairs), ignorecase=ignorecase)[0]


# --- the journal's head ---


def head(version, pairs, path=b"/folder/file"):
    """A head as it stands in the file: written by hand, as fastmmap writes it today or wrote it before ignorecase."""
    body = struct.pack("<IQQqQQQq??I", version, 1, 2, 3, 1000, 10, 20, -1, True, False, 64)
    packed = b"".join(struct.pack("<II", len(old), len(new)) + old + new for old, new in pairs)
    body += struct.pack("<II", len(path), len(packed)) + path + packed
    return struct.pack("<8sII", b"\xfdfmedit\0", zlib.crc32(body), len(body)) + body


def plan_in(path):
    file = beside.adopt(str(path))
    try:
        return read_plan(file)
    finally:
        file.close()


@pytest.mark.parametrize(("version", "ignorecase"), [(1, False), (2, True)])
def test_heads(make, version, ignorecase):
    pairs = ((b"cat", b"dog"), (b"a", b""))
    path = make(head(version, pairs))
    plan = Plan(1, 2, 3, 1000, 10, 20, -1, True, False, 64, "/folder/file", pairs, ignorecase)
    assert plan_in(path) == plan
    assert plan.head() == path.read_bytes()


@pytest.mark.parametrize("version", [0, 3])
def test_heads_of_other_versions_are_refused(make, version):
    path = make(head(version, [(b"cat", b"dog")]))
    with pytest.raises(OSError, match=f"is of version {version}, which this fastmmap can't read") as caught:
        plan_in(path)
    assert caught.value.errno == errno.EPROTONOSUPPORT


@pytest.mark.parametrize("ignorecase", [False, True])
def test_the_version_that_is_written(stopped_at, small, ignorecase):
    """An edit that an older fastmmap can finish is left to it as it was; another it refuses."""
    path = stopped_at(5, {"cAt": "leopard"}, ignorecase=ignorecase)
    journal = path.parent / journals(path.parent)[0]
    assert struct.unpack_from("<I", journal.read_bytes(), 16) == (2 if ignorecase else 1,)
    assert plan_in(journal).ignorecase is ignorecase
