"""Fixtures of tests of edits: half edited files, and whether files can be marked."""

from __future__ import annotations

import pytest
from support.in_place import TEXT, half_edited, many_steps

from fastmmap import system
from fastmmap.unfinished import MARK


@pytest.fixture
def small(monkeypatch):
    """Files of a few KB have many parts, steps and slots."""
    many_steps(monkeypatch)


@pytest.fixture
def left(make, small):
    """A file that was left half edited."""
    return half_edited(make(TEXT))


@pytest.fixture
def marks(make):
    """Whether files can have attributes here."""
    path = make(b"", "a file that is marked")
    with path.open("rb") as file:
        marked = system.mark(file.fileno(), MARK, b"x")
    path.unlink()
    if not marked:
        pytest.skip("this filesystem keeps no attributes")
