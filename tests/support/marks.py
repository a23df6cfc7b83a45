"""Marks of tests in several files."""

from __future__ import annotations

import sys

import pytest

staged = pytest.mark.skipif(
    sys.platform not in ("linux", "win32"), reason="stages are files on Linux and Windows alone"
)

forking = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

each_stage = pytest.mark.usefixtures("stage")
