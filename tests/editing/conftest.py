"""Fixtures of tests of edits: half edited files, how new files are made, and whether files can be marked."""

from __future__ import annotations

import pytest
from support.in_place import TEXT, can_be_marked, half_edited, many_steps

from fastmmap import system


@pytest.fixture
def small(monkeypatch):
    """Files of a few KB have many parts, steps and slots."""
    many_steps(monkeypatch)


@pytest.fixture
def left(make, small):
    """A file that was left half edited."""
    return half_edited(make(TEXT))


@pytest.fixture
def marks(tmp_path):
    """Whether files can have attributes here."""
    if not can_be_marked(tmp_path):
        pytest.skip("this filesystem keeps no attributes")


@pytest.fixture(params=["unnamed", "named"])
def new_files(request, monkeypatch):
    """New files without a name until they are complete, and as systems make them that can't do so."""
    if request.param == "named":
        monkeypatch.setattr(system, "open_unnamed_into", lambda fds, folder: False)
