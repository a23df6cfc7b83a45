"""Descriptors that are closed even if a signal handler raises an exception."""

from __future__ import annotations

import operator
import os
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from typing_extensions import Self

# Where `pop` takes from.
_LAST = (-1,)

# A mark for each descriptor that a thread is just opening or closing: after a fork, the child has some that nobody
# there knows of.
unsettled: set[object] = set()

# What `_of_first` sets, and what reads it.
_NAMES = ("fd",)
_NUMBER = operator.attrgetter(*_NAMES)


class Open(list[int]):
    """A list of descriptors, open until the end of a with statement or until it is forgotten, whatever is raised where.

    `system.open_into` and `add` fill it. Each is taken out and closed in one step of the interpreter's, so that none
    is closed twice: its number may be another file's by then.
    """

    __slots__ = ()

    @property
    def fd(self) -> int:
        """The one descriptor."""
        return self[0]

    def add(self, function: Callable[..., int], *arguments: Any) -> None:
        """Keeps the descriptor that a function written in C returns, as open_into does it."""
        self.extend(map(function, *zip(arguments)))

    def close(self) -> None:
        """Closes them; closing twice does nothing."""
        any(map(os.close, map(self.pop, _LAST * len(self))))  # os.close returns None, so any goes through them all

    def __enter__(self) -> Open:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if self and os is not None:  # when Python ends, it closes everything
            self.close()


class Descriptor:
    """What has a file open, and closes it when it is forgotten."""

    fd = -1

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def of(cls, function: Callable[..., int], *arguments: Any) -> Self:
        """One of the descriptor that a function written in C returns, which no handler can lose."""
        return cls._of_first(map(function, *zip(arguments)))

    @classmethod
    def again(cls, other: Descriptor) -> Self:
        """Another one of the same file. The other's number is read in the same step: a handler may close that one."""
        return cls._of_first(map(os.dup, map(_NUMBER, (other,))))

    @classmethod
    def _of_first(cls, numbers: Iterator[int]) -> Self:
        """One of the first number, which is made and kept in one step of the interpreter's."""
        made, change = cls(-1), object()
        unsettled.add(change)
        try:
            made.__dict__.update(zip(_NAMES, numbers))
        finally:
            unsettled.discard(change)
        return made

    def close(self) -> None:
        """Closes it; closing twice does nothing. It takes no lock: the thread that holds one may be gone.

        It is taken out in one step, so that two threads don't close the same number.
        """
        change = object()
        unsettled.add(change)
        try:
            fd = self.__dict__.pop("fd", -1)
            if fd >= 0:
                os.close(fd)
        finally:
            unsettled.discard(change)

    def __del__(self) -> None:
        if os is not None and self.fd >= 0:  # when Python ends, it closes everything
            self.close()


class Held(Descriptor):
    """What has a descriptor that carries a lock: a forked child must not keep it."""

    path = ""  # where it was opened, if that is known
    names: Any = None  # what is in it, mapped, where it is the lock of a log

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        _held.add(self)


_held: weakref.WeakSet[Held] = weakref.WeakSet()


def let_go_in_child() -> bool:
    """In a forked child: locks are the parent's. Whether there may be more of them than those that were closed."""
    are_unknown = bool(unsettled)
    unsettled.clear()
    for each in list(_held):
        each.close()
    return are_unknown
