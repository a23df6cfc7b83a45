"""Whose an error is: the system's, which we explain, or another code's, which passes through us unchanged.

Python runs signal handlers between any two lines, also of ours; callbacks, iterators and `__fspath__` of the caller's
run within our calls. What they raise says nothing about our file: it is raised as it is, whatever its type. It is told
by its traceback, which has a frame that isn't of this package. A handler that is written in C has no frame and can't
be told apart; a callback is called through `call`, and so always can. A function that somebody has put in the place of
a system call, as eventlet does with os.open, is that call: what comes of it is the system's.
"""

from __future__ import annotations

import sys
from types import CodeType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Result = TypeVar("Result")
    Error = TypeVar("Error", bound=BaseException)

# Modules of the standard library's whose functions we call, and which hand errors through.
_BETWEEN = frozenset((
    "concurrent.futures._base", "concurrent.futures.thread", "contextlib", "ctypes", "genericpath",
    "importlib", "importlib._bootstrap", "importlib._bootstrap_external",
    "_frozen_importlib", "_frozen_importlib_external", "ntpath", "os", "posixpath", "tempfile", "threading",
))  # fmt: skip


# Where the system's calls stand, in whose place others may be put at any time.
_CALLS = ("os", "builtins", "fcntl", "select", "time")


def call(function: Callable[..., Result], *arguments: Any) -> Result:
    """Calls what is the caller's: an error of its own is told even where it is written in C."""
    return function(*arguments)


def is_ours(error: BaseException) -> bool:
    """Whether an error that was just caught came up through frames of this package alone.

    Without a GIL `get` locks a dictionary: if another thread forks just then, it stays locked in the child.
    """
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        variables = frame.f_globals
        name = (variables["__name__"] if "__name__" in variables else None) or ""  # noqa: SIM401
        if frame.f_code is call.__code__:
            return False
        if name.partition(".")[0] != "fastmmap" and name not in _BETWEEN and not _is_system_call(frame.f_code):
            return False
        traceback = traceback.tb_next
    return True


def _is_system_call(code: CodeType) -> bool:
    """Whether a function in Python stands where one of the system's did."""
    modules = [sys.modules[name] for name in _CALLS if name in sys.modules]
    return any(getattr(value, "__code__", None) is code for module in modules for value in vars(module).values())


def ours(*kinds: type[Error]) -> tuple[type[Error], ...]:
    """The kinds of error, for `except ours(OSError):`; none of them while the error that is looked at is another's."""
    error = sys.exc_info()[1]
    return kinds if error is None or is_ours(error) else ()


class ignoring:
    """contextlib.suppress for errors of ours alone."""

    __slots__ = ("_kinds",)

    def __init__(self, *kinds: type[BaseException]) -> None:
        self._kinds = kinds

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> bool:
        return isinstance(error, self._kinds) and is_ours(error)
