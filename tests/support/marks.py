"""Marks of tests in several files."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import pytest

import fastmmap

beside_the_tools = pytest.mark.skipif(
    Path(fastmmap.__file__).parents[1] != Path(__file__).parents[2], reason="tools run the package beside them"
)

staged = pytest.mark.skipif(
    sys.platform not in ("linux", "win32"), reason="stages are files on Linux and Windows alone"
)

cut_while_mapped = pytest.mark.skipif(sys.platform == "win32", reason="Windows cuts no file that is mapped")

resized_while_mapped = pytest.mark.skipif(
    sys.platform == "win32", reason="a mapping is empty here while its file gets another size"
)

posix_shell = pytest.mark.skipif(os.name != "posix", reason="this system has no shell of POSIX")

modes = pytest.mark.skipif(os.name != "posix", reason="modes don't tell here who may write to a file")

each_stage = pytest.mark.usefixtures("stage")

# Whether this is Wine, which answers some questions otherwise than Windows: see support/wine.
wine = sys.platform == "win32" and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")
