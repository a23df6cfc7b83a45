"""What this system lacks: a test that comes to it is skipped, with the name of that as the reason.

Elsewhere than on Linux, an attribute that a module of the standard library doesn't have is such a lack where a test,
and not the package, has asked for it. Modules that may not be there are imported from here.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

import pytest

TESTS = Path(__file__).parents[1]

# Modules that say what the system has.
_OF_THE_SYSTEM = ("os", "signal", "select", "socket", "mmap", "time", "errno", "stat")


# How errors of the subprocess module begin where processes are sent no signals.
_NO_SIGNALS = ("preexec_fn is not supported", "Unsupported signal")


class _Missing:
    """A module that this system lacks."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        pytest.skip(f"this system has no {self._name}.{name}")


def _module(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return _Missing(name)


fcntl, resource, pwd, pty, termios = map(_module, ("fcntl", "resource", "pwd", "pty", "termios"))


open_files = pytest.mark.skipif(os.name != "posix", reason="this system has no /dev/fd")

proc = pytest.mark.skipif(sys.platform != "linux", reason="this system has no /proc")


def lack(error):
    """Why a test has to be skipped that ended with an error, None where it hasn't."""
    if sys.platform == "linux" or error.__traceback__ is None:
        return None
    if getattr(error, "winerror", None) == 1314:  # ERROR_PRIVILEGE_NOT_HELD
        return "this user may make no symbolic links"
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, ValueError) and str(error).startswith(_NO_SIGNALS):
        return "this system sends no signals to a process that a test has started"
    if isinstance(error, UnicodeDecodeError) and frames[-1].f_code is os.fsdecode.__code__ and _is_test(frames[-2]):
        return "names of files are text on this system"
    if not isinstance(error, AttributeError) or not _is_test(frames[-1]):
        return None
    of = error.obj
    if isinstance(of, ModuleType) and of.__name__ in _OF_THE_SYSTEM:
        return f"this system has no {of.__name__}.{error.name}"
    return f"this system has no {error.name}" if isinstance(of, os.stat_result) else None


def processes_by(method):
    """The context of multiprocessing that starts processes in a way."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system starts no processes by {method}")
    return multiprocessing.get_context(method)


def _is_test(frame):
    return TESTS in Path(frame.f_code.co_filename).parents


def without(name):
    """The mark of tests that need a function, as "os.fork", in a process that they start."""
    module, _, attribute = name.rpartition(".")
    found = _module(module)
    there = not isinstance(found, _Missing) and hasattr(found, attribute)
    return pytest.mark.skipif(not there, reason=f"this system has no {name}")
