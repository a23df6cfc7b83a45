"""Functions of a test's that stand in for the system's."""

from __future__ import annotations

import types


def as_system(function):
    """The function as one of fastmmap.system's, so that what it raises counts as the system's error.

    What any other Python function raises within a call of ours is taken for somebody else's, and left as it is.
    """
    world = {**function.__globals__, "__name__": "fastmmap.system"}
    made = types.FunctionType(function.__code__, world, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


class Copying:
    """A kernel that is told to copy what it searches, part by part, as where faults can't be caught."""

    def __init__(self, kernel):
        self.kernel, self.name = kernel, kernel.name

    def __getattr__(self, name):
        return getattr(self.kernel, name)

    def is_copied(self, buffer):
        return True
