"""The steps of what the package does at which a test raises what a signal handler may raise there."""

from __future__ import annotations

import gc
import genericpath
import os

import fastmmap
from fastmmap import descriptors as descriptors_
from fastmmap.descriptors import Open
from fastmmap.editing.new_file import NewFile
from support.stepping import Steps

PACKAGE = os.path.dirname(fastmmap.__file__)

# What of these comes out of a __del__ is lost: Python prints it. A descriptor's close has no point at which Python runs
# handlers between the two lines that must not come apart.
CLOSING = {
    descriptors_.Descriptor.close.__code__, descriptors_.Descriptor.__del__.__code__,
    Open.__del__.__code__, Open.close.__code__,
    fastmmap.Appender.__del__.__code__, NewFile.__del__.__code__,
}  # fmt: skip

# Whose functions we call, and some of which take an OSError for an answer.
LIBRARY = {function.__code__.co_filename for function in (os.path.join, genericpath.exists)}

# Windows' take any OSError for an answer, a signal handler's as well: what is raised there is lost.
LOSING = {os.path.realpath.__code__, os.path.abspath.__code__} if os.name == "nt" else set()


def is_nearby(code):
    """Whether code is ours, or that of a library of whose errors we take some for answers."""
    is_ours = code.co_filename.startswith(PACKAGE) or code.co_filename in LIBRARY
    return is_ours and code not in CLOSING and code not in LOSING


STEPS = Steps(is_nearby, ("line", "c_return"))


def descriptors():
    return len(os.listdir("/proc/self/fd")) if os.name == "posix" and os.path.isdir("/proc/self/fd") else 0


def held():
    """How many descriptors there are without those of what nobody holds any more, be it another test's."""
    gc.collect()
    return descriptors()
