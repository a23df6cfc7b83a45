"""Edits in place of small files in many steps, and what is left of those that are stopped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import fastmmap
from fastmmap import parallel, progress, system
from fastmmap.editing import in_place, journal, moving, writing
from fastmmap.unfinished import MARK

TEXT = b"the cat sat on the mat\n" * 2000


def edit(path, *arguments, **options):
    return fastmmap.replace_file(path, *arguments, in_place=True, **options)


def can_be_marked(folder):
    """Whether files there can have attributes."""
    path = Path(folder) / "a file that is marked"
    with path.open("wb") as file:
        marked = system.mark(file.fileno(), MARK, b"x")
    path.unlink()
    return marked


def journals(folder):
    return [name for name in os.listdir(folder) if name.endswith(".journal")]


def is_done(path, new=b"leopard"):
    return path.read_bytes() == TEXT.replace(b"cat", new) and os.listdir(path.parent) == [path.name]


class Stop(BaseException):
    """Ends an edit."""


def many_steps(monkeypatch):
    """A file of a few KB has many parts, steps and slots."""
    monkeypatch.setattr(parallel, "WORTHWHILE", 0)
    monkeypatch.setattr(progress, "PAUSE", 0)
    for module, name, value in (
        (in_place, "PART", 100), (moving, "NEAR", 64), (moving, "NEAR_DURABLE", 64), (moving, "STEP", 300),
        (writing, "BLOCK", 50),
        (journal, "SMALLEST_ROOM", 64), (in_place, "LARGEST_ROOM", 128),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)


def half_edited(path, names=1):
    """Has a cat be a leopard in about half of a file."""

    def stop(done, total):
        if done > 0.6 * total:
            raise Stop

    with pytest.raises(Stop) as caught:
        edit(path, "cat", "leopard", progress=stop)
    assert "half edited" in caught.value.__notes__[0]
    assert len(journals(path.parent)) == names
    assert path.read_bytes() not in (TEXT, TEXT.replace(b"cat", b"leopard"))
    return path
