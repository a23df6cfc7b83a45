"""Marks of tests in several files."""

from __future__ import annotations

import sys

import pytest

linux = pytest.mark.skipif(sys.platform != "linux", reason="stages are files on Linux alone")

forking = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

each_stage = pytest.mark.usefixtures("stage")
