"""append to a buffer, and Stage: the definition."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, SupportsIndex

from .arguments import data_bytes, index_or, writable

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from .arguments import Data


def append(buffer: Buffer, position: SupportsIndex, data: Data) -> int:
    """Stores `data`, bytes-like or str, at buffer[position:] and returns the position after it.

    ValueError where it doesn't fit, with nothing stored.
    """
    if position is None:
        raise TypeError("position must be an integer, not None")
    at, own = index_or(position, 0), data_bytes(data, "data")
    with writable(buffer, "append") as view:
        if at < 0 or at > len(view):
            raise ValueError(f"position {at} is outside the buffer of {len(view)} bytes")
        if len(own) > len(view) - at:
            raise ValueError(f"{len(own)} bytes don't fit at position {at} of a buffer of {len(view)} bytes")
        view[at : at + len(own)] = own
        return at + len(own)


class Stage:
    """A writable buffer that takes records until it is full.

    A record that doesn't fit goes to `overflow(data)`, which a subclass defines: it makes room or stores the record
    elsewhere. A stage without a buffer is full from the start.
    """

    def __init__(self, buffer: Buffer | None = None) -> None:
        self._memory: Any = None
        self._view = memoryview(b"")
        self._tail = 0
        self.switch(buffer)

    @property
    def tail(self) -> int:
        """How many bytes of records are in the buffer."""
        return self._tail

    def append(self, data: Data) -> None:
        """Stores one record, bytes-like or str; nothing is added to it."""
        own = data_bytes(data, "data")
        # Without a buffer not even an empty record fits: a closed stage refuses them all.
        if self._memory is not None and len(own) <= len(self._view) - self._tail:
            self._view[self._tail : self._tail + len(own)] = own
            self._tail += len(own)
        else:
            self.overflow(data)

    def append_many(self, records: Iterable[Data]) -> int:
        """Stores each record of an iterable and returns how many there were."""
        number = 0
        for record in records:
            self.append(record)
            number += 1
        return number

    def overflow(self, data: Data) -> None:
        """Called with a record that doesn't fit."""
        raise ValueError(f"the record doesn't fit in a stage of {len(self._view)} bytes with {self._tail} in use")

    def switch(self, buffer: Buffer | None) -> int:
        """Goes on at the start of another buffer, or of none, and returns how many bytes were in the one before."""
        memory, view = None, memoryview(b"")
        if buffer is not None:
            memory = writable(buffer, "Stage")
            view = memory.__enter__()
        before, used = self._memory, self._tail
        self._memory, self._view, self._tail = memory, view, 0
        if before is not None:
            before.__exit__(None, None, None)
        return used
