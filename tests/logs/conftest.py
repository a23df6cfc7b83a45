"""What the tests of logs and handlers share."""

from __future__ import annotations

import logging
import os

import pytest

import fastmmap


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
