"""What the tests of logs and handlers share."""

from __future__ import annotations

import logging
import os

import pytest

import fastmmap
from fastmmap import system


@pytest.fixture
def path(tmp_path):
    return tmp_path / "app.log"


@pytest.fixture
def handler(path):
    """Makes handlers, and closes them."""
    made = []

    def make(**options):
        made.append(fastmmap.LogHandler(options.pop("filename", path), **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def logger():
    """A logger of its own, without handlers."""
    log = logging.getLogger(f"test{os.urandom(8).hex()}")
    log.setLevel(logging.DEBUG)
    log.propagate = False
    return log


@pytest.fixture
def births(tmp_path):
    """For what is known by when files were made."""
    if system.birth(str(tmp_path)) == 0:
        pytest.skip("when files were made isn't told here")


@pytest.fixture(params=["watched", "looked at"])
def way(request, monkeypatch):
    """How a follower knows of changes."""
    if request.param == "looked at":
        monkeypatch.setattr(system, "open_watch", lambda: -1)
    return request.param
