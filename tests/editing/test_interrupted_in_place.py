"""Edits in place into which a signal handler comes that raises: at each line, and in the midst of long calls."""

from __future__ import annotations

import collections
import errno
import itertools
import os
from functools import partial

import pytest
from support.at_lines import STEPS, descriptors, held
from support.stepping import untried

import fastmmap
from fastmmap import system
from fastmmap.editing import in_place, moving

pytestmark = [
    pytest.mark.any_kernel,
    pytest.mark.skipif(fastmmap.kernel == "python", reason="the steps are the same, and were tried with a kernel"),
]

OLD, NEW = b"the cat sat\n" * 2, b"the leopard sat\n" * 2


def edit_in_place(path):
    fastmmap.replace_file(path, "cat", "leopard", in_place=True, progress=lambda done, total: None, threads=1)


def brought_to_its_end(path):
    """Whether a file was left half edited: then recover has finished it."""
    left = [name for name in os.listdir(path.parent) if name.endswith(".journal")]
    assert left or path.read_bytes() in (OLD, NEW)
    done = fastmmap.recover(path)
    assert done == bool(left)
    assert not done or path.read_bytes() == NEW
    assert os.listdir(path.parent) == ["file"]
    return done


def is_free(path):
    """Whether nobody has a file's lock."""
    with path.open("rb") as file:
        return system.lock(file.fileno(), wait=False)


def test_at_each_line_of_an_edit_in_place(new_files, memory_path, monkeypatch):
    """What a handler raises comes out as it was, with a note where the file is half edited."""
    monkeypatch.setattr(in_place, "PART", 16)
    monkeypatch.setattr(moving, "NEAR", 8)
    path, ends = memory_path / "file", collections.Counter()

    def make():
        for name in os.listdir(memory_path):
            os.unlink(memory_path / name)
        path.write_bytes(OLD)
        return path

    edit_in_place(make())
    before = held()
    steps = untried(STEPS.places(partial(edit_in_place, make())), collections.Counter())
    for number, error in zip(steps, itertools.cycle((OSError, KeyboardInterrupt))):
        theirs, job = error(errno.EACCES, "theirs"), partial(edit_in_place, make())

        def raise_it(theirs=theirs):
            raise theirs

        with pytest.raises(error) as caught:
            STEPS.run(job, number, raise_it)
        assert caught.value is theirs
        assert theirs.args == (errno.EACCES, "theirs")
        notes = getattr(theirs, "__notes__", [])
        loses = theirs.__context__ is not None
        theirs.__traceback__ = theirs.__context__ = None
        del caught
        if loses and not is_free(path):
            os.unlink(path)  # with the lock that the lost frame holds
            continue
        half = brought_to_its_end(path)
        assert not half or "half edited" in str(notes)
        ends[half] += 1
        if descriptors() != before:
            assert held() == before or loses
            before = descriptors()
    assert min(ends.values()) > 10, ends
