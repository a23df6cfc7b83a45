"""What holds a buffer is collected with it: a cycle through an iterator, a reader or a stage keeps nothing alive."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

import fastmmap
from fastmmap.descriptors import Descriptor, Held


@pytest.fixture(scope="module", autouse=True)
def old_objects_left_alone():
    """Collections look at what the tests here make, and not each time at all that pytest and others have imported."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


HOLDERS = {
    "iter_find": lambda k, m: k.iter_find(m, b"x"),
    "iter_find that was begun": lambda k, m: begun(k.iter_find(m, b"x")),
    "iter_find that has ended": lambda k, m: ended(k.iter_find(m, b"x")),
    "substitution": lambda k, m: k.substitution(m, b"x", b"yy"),
    "substitution that was begun": lambda k, m: read(k.substitution(m, b"x", b"yy")),
    "Stage": lambda k, m: k.Stage(m),
    "Stage that was switched": lambda k, m: switched(k.Stage(bytearray(100)), m),
}


def begun(matches):
    next(matches)
    return matches


def ended(matches):
    assert len(list(matches)) == 10_000
    return matches


def read(substitution):
    assert substitution.readinto(bytearray(100)) == 100
    return substitution


def switched(stage, m):
    stage.append(b"record")
    stage._switch(m)
    stage.append(b"record")
    return stage


class Holder:
    """What may be part of a cycle, and can be watched."""


@pytest.mark.parametrize("holds", HOLDERS)
def test_a_mapping_that_holds_what_holds_it(kernel, make, holds):
    path = make(b"x" * 10_000)
    m = fastmmap.open(path, "r+")
    m.held = HOLDERS[holds](kernel, m)
    gone = weakref.ref(m)
    del m
    gc.collect()
    assert gone() is None
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert str(path) not in maps.read_text(), "the memory is unmapped"


@pytest.mark.parametrize("holds", HOLDERS)
def test_a_view_that_is_held(kernel, holds):
    """CPython before 3.13 dies when it clears an exported memoryview: what one holds may stay, and harms nobody."""
    for order in (0, 1):
        memory, holder = bytearray(b"x" * 10_000), Holder()
        view = memoryview(memory)
        holder.everything = [view, holder] if order else [holder, view]
        holder.held = HOLDERS[holds](kernel, view)
        del view, holder
        gc.collect()


@pytest.mark.parametrize("holds", HOLDERS)
def test_what_is_collected_lets_go(kernel, holds):
    memory, holder = bytearray(b"x" * 10_000), Holder()
    holder.held, holder.myself = HOLDERS[holds](kernel, memory), holder
    del holder
    gc.collect()
    memory += b"y"  # a BufferError while it is exported


@pytest.mark.parametrize("order", ["itself first", "its files first"])
def test_an_appender_in_a_cycle(tmp_path, stage, order):
    """A collector may finalize what is in a cycle in any order."""
    path = tmp_path / "log"
    older = {Descriptor: Descriptor(-1), Held: Held(-1)}
    log = fastmmap.Appender(path, interval=None)
    log.append(b"record\n")
    gone = weakref.ref(log)
    if order == "its files first":  # a collector begins with what is oldest
        for owner in (log._log, log._stage):
            if hasattr(owner, "file"):
                kept = older[type(owner.file)]
                kept.fd, owner.file = owner.file.__dict__.pop("fd"), kept
        del owner, kept
    log.myself = log
    del log, older
    gc.collect()
    assert gone() is None
    assert path.read_bytes() == b"record\n"
    assert list(tmp_path.iterdir()) == [path], "its stage was drained and removed"


def test_what_is_searched_for_may_hold_what_is_searched(kernel, make):
    class Needle(bytearray):
        pass

    m = fastmmap.open(make(b"x" * 100), "r+")
    needle = Needle(b"x")
    needle.mapping = m
    m.held = kernel.iter_find(m, needle), kernel.substitution(m, needle, needle), needle
    gone = weakref.ref(m)
    del m, needle
    gc.collect()
    assert gone() is None
