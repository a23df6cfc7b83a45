"""replace_file and plan_replace with {old: new, ...}."""

from __future__ import annotations

import mmap
import pickle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.marks import cut_while_mapped
from support.oracle import replaced

import fastmmap
from fastmmap import _backend, parallel

same = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


some = st.lists(st.sampled_from(b"ab\n"), max_size=5).map(bytes)


@same
@given(
    st.lists(st.sampled_from(b"ab\n"), max_size=120).map(bytes),
    st.dictionaries(some.filter(len), st.lists(st.sampled_from(b"abX\n"), max_size=9).map(bytes), max_size=5),
    st.integers(-1, 5),
    st.booleans(),
)
def test_a_file_of_many_seams(tmp_path, text, pairs, count, in_blocks):
    path = tmp_path / "file"
    path.write_bytes(text)
    expected, counts = replaced(text, pairs, count)
    with pytest.MonkeyPatch.context() as patch:
        if in_blocks:
            patch.setattr(parallel, "WORTHWHILE", 0)
            patch.setattr(parallel, "BLOCK", 7)
        plan = fastmmap.plan_replace(path, pairs, count=count)
        changes = plan.preview(1000)
        done = fastmmap.replace_file(path, pairs, count=count, durable=False, threads=3)
    assert path.read_bytes() == expected
    assert plan.counts == counts
    assert (plan.count, plan.old_size, plan.new_size) == (sum(counts), len(text), len(expected))
    assert (done.count, done.old_size, done.new_size) == (sum(counts), len(text), len(expected))
    # The changes put into the old file make the new one.
    made, end = b"", 0
    starts = [0, *(place + 1 for place, byte in enumerate(text) if byte == 10)]
    for change in changes:
        start = starts[change.number]
        assert text[start : start + len(change.before)] == change.before
        made += text[end:start] + change.after
        end = start + len(change.before)
    assert made + text[end:] == expected


def test_a_large_file(make):
    text = b"host alpha, port 80; host beta, port 8080\n" * 600_000
    pairs = {"alpha": "al", "beta": "the second one", "80": "443", "8080": "8443", "gamma": "", ";": ";"}
    path = make(text)
    expected, counts = replaced(text, {old.encode(): new.encode() for old, new in pairs.items()})
    plan = fastmmap.plan_replace(path, pairs)
    assert plan.counts == counts == (600_000, 600_000, 600_000, 600_000, 0, 600_000)
    assert len(pickle.loads(pickle.dumps(plan)).preview(3)) == 3
    calls = []
    done = plan.apply(durable=False, progress=lambda *numbers: calls.append(numbers))
    assert (done.count, done.strategy) == (3_000_000, "rewrite")
    assert path.read_bytes() == expected
    assert calls[-1] == (len(expected), len(expected))
    assert sorted(calls) == calls


def test_what_changes_nothing_leaves_the_file_alone(make):
    path = make(b"one two")
    before = path.stat()
    for pairs, count in (({"one": "one", "two": "two"}, 2), ({"x": "y", "z": ""}, 0), ({}, 0), ({"one": "one"}, 1)):
        done = fastmmap.replace_file(path, pairs)
        assert (done.count, done.strategy) == (count, "none")
    assert fastmmap.replace_file(path, {"one": "two", "two": "one"}, count=0).count == 0
    assert path.stat() == before or path.stat().st_mtime_ns == before.st_mtime_ns


def test_swapped_in_one_pass(make):
    path = make(b"one two one")
    assert fastmmap.replace_file(path, {"one": "two", "two": "one"}, backup=".orig").count == 3
    assert path.read_bytes() == b"two one two"
    assert path.with_name(path.name + ".orig").read_bytes() == b"one two one"
    assert fastmmap.plan_replace(path, "one", "three").counts == (1,)


@pytest.mark.parametrize(
    ("pairs", "new", "error", "words"),
    [
        ({"a": "b", "": "c"}, None, ValueError, "old must not be empty"),
        ({"a": "b", 99: "d"}, None, TypeError, "old.*int"),
        ({"a": "b", "c": 5}, None, TypeError, "new.*int"),
        ({"a": "b"}, "c", TypeError, "no new is given beside"),
        (["a", "b"], "c", TypeError, "mapping.*list"),
        ("a", None, TypeError, "new.*NoneType"),
    ],
)
def test_what_is_refused(make, pairs, new, error, words):
    path = make(b"abc")
    for call in (fastmmap.replace_file, fastmmap.plan_replace):
        with pytest.raises(error, match=words):
            call(path, pairs, new)
    assert path.read_bytes() == b"abc"


@cut_while_mapped
@pytest.mark.skipif(not _backend.NATIVE, reason="without extensions there is no guard")
def test_a_file_that_is_cut_short(make, monkeypatch):
    """What was counted isn't there any more: an error, and the file is what the other process made of it."""
    path = make(b"one two\n" * 4000)
    real = fastmmap.MappedFile.find

    def find(self, *arguments, **options):
        found = real(self, *arguments, **options)
        with open(path, "r+b") as file:
            file.truncate(100)
        return found

    monkeypatch.setattr(fastmmap.MappedFile, "find", find)
    with pytest.raises(OSError, match=".") as caught:
        fastmmap.replace_file(path, {"one": "1", "two": "2"})
    assert caught.value.filename == str(path)
    assert path.stat().st_size == 100
    assert len(list(path.parent.iterdir())) == 1


def test_as_many_matches_of_another_pair(make, monkeypatch):
    """The file changes behind the count, and not in size or times: an error, and nothing is cut off."""
    monkeypatch.setattr("fastmmap.progress.PAUSE", 0)
    head = b"." * (9 << 20)
    path = make(head + b"bb" + b"-" * 1000 + b"the end")
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        view[len(head) + 500] = 45  # the page is dirty now: storing to it again changes no time

        def progress(done, total):
            view[len(head) : len(head) + 2] = b"aa"

        for pairs in ({"aa": "x" * 50, "bb": "y"}, {"aa": "x", "bb": "y" * 50}):
            view[len(head) : len(head) + 2] = b"bb"
            with pytest.raises(OSError, match="changed while it was being edited"):
                fastmmap.replace_file(path, pairs, durable=False, threads=1, progress=progress)
    assert path.read_bytes().endswith(b"the end")
