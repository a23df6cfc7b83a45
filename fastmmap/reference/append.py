"""append to a buffer, and Stage: the definition."""

from __future__ import annotations

import struct
import sys
from _thread import RLock

from .arguments import data_bytes, index_or, storage, writable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, SupportsIndex

    from typing_extensions import Buffer

    from .arguments import Data

# How far the records go, for those who share the memory.
WORD = struct.Struct("=Q")


def append(buffer: Buffer, position: SupportsIndex, data: Data) -> int:
    r"""Stores bytes in a buffer at a position, and returns the position behind them.

    Parameters
    ----------
    buffer : writable bytes-like
        Any C-contiguous buffer, taken as bytes.
    position : int
        Where to store, in bytes from the buffer's start.
    data : bytes-like or str
        What to store. A str is encoded as UTF-8.

    Returns
    -------
    int
        The position behind what was stored, for the next call.

    Raises
    ------
    ValueError
        `data` doesn't fit at `position`, or that is outside the buffer. Nothing is stored.
    BufferError
        The buffer is read-only, or isn't C-contiguous.
    TypeError
        `buffer` is no buffer, `position` no integer, or `data` neither bytes-like nor a str.
    MappedFileError
        The mapped file was truncated meanwhile.

    Examples
    --------
    >>> buffer = bytearray(8)
    >>> fastmmap.append(buffer, 0, "one")
    3
    >>> fastmmap.append(buffer, 3, b"two")
    6
    >>> buffer
    bytearray(b'onetwo\x00\x00')
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

    A record that doesn't fit, is longer than `_largest`, or would bring `_stored` to `_edge`, goes to
    `_overflow(data)`, which a subclass defines: it makes room or stores the record elsewhere. A stage without a buffer
    is full from the start.
    """

    def __init__(self, buffer: Buffer | None = None) -> None:
        self._storing = RLock()  # the kernel holds the interpreter's lock while it stores
        self._view: Any = None  # the buffer's memory,
        self._start = self._room = 0  # and the stretch of it for records
        self._word: int | None = None
        self._base = self._used = self._limit = self._before = self._switches = 0
        self._largest = self._edge = sys.maxsize
        self._switch(buffer)

    @property
    def _tail(self) -> int:
        """How many bytes of records are in the buffer."""
        return self._used

    @property
    def _stored(self) -> int:
        """How many bytes of records it has stored, in all its buffers."""
        return self._before + self._used

    @property
    def _filling(self) -> int:
        """The number of the drain that is being filled: how often it was switched."""
        return self._switches

    def append(self, data: Data) -> None:
        r"""Stores one record behind those before it. Nothing is added to it.

        Parameters
        ----------
        data : bytes-like or str
            The record. A str is encoded as UTF-8.

        Raises
        ------
        TypeError
            The record is neither bytes-like nor a str.
        ValueError
            The appender is closed.
        OSError
            An Appender can't write to its file. The record isn't taken; those before it wait for the next flush.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.Appender("app.log") as log:
        ...     log.append("one\n")
        ...     log.position
        4
        """
        if not self._take(data):
            self._overflow(data)

    def append_many(self, records: Iterable[Data]) -> int:
        """Stores each record of an iterable and returns how many there were. An error leaves those before it stored."""
        number = 0
        for record in records:
            self.append(record)
            number += 1
        return number

    def _take(self, data: Data) -> bool:
        """Stores one record if it fits, and returns whether it does."""
        own = data_bytes(data, "data")
        with self._storing:
            if len(own) > self._limit - self._used or len(own) > self._largest:
                return False
            if len(own) >= self._edge - self._stored:
                return False
            if own:
                place = self._start + self._used
                self._view[place : place + len(own)] = own
            if self._word is not None:
                self._view[self._word : self._word + WORD.size] = WORD.pack(self._base + self._used + len(own))
            self._used += len(own)
            return True

    def _take_line(self, text: Any, end: str) -> bool:
        """Stores a line of two strs in ASCII, if they are that and fit, and returns whether it has."""
        if type(text) is not str or not (text.isascii() and end.isascii()):
            return False
        return self._take((text + end).encode())

    def _overflow(self, data: Data) -> None:
        """Called with a record that doesn't fit."""
        raise ValueError(f"the record doesn't fit in a stage of {max(self._limit, 0)} bytes with {self._used} in use")

    def _switch(
        self,
        buffer: Buffer | None,
        start: int = 0,
        end: int | None = None,
        word: int | None = None,
        rests: bool = False,
        filling: int | None = None,
    ) -> int:
        """Goes on at buffer[start:end], or nowhere without a buffer, and returns how many bytes were stored before.

        `word` is the offset, a multiple of 8, of an integer of 64 bits in the buffer, to which the number of bytes that
        are stored is added: it is changed after them, in one store, so that whoever shares the memory sees how far
        the records go. With `rests` the stage takes no records yet. With `filling` nothing is done and -1 returned,
        unless that is the number of the drain being filled and the buffer, if there is one, holds records: else
        somebody, a signal handler perhaps, has switched it meanwhile, or has written them elsewhere.
        """
        view, stop, base = None, start, 0
        if buffer is not None:
            view = storage(buffer, "Stage")
            try:
                stop = len(view) if end is None else end
                _check_places(len(view), start, stop, word)
                if word is not None:
                    (base,) = WORD.unpack(view[word : word + WORD.size])
            except BaseException:
                view.release()
                raise
        with self._storing:
            if filling is not None and (filling != self._switches or (self._view is not None and not self._used)):
                released, used = view, -1
            else:
                released, used = self._view, self._used
                self._view, self._start, self._room, self._word = view, start, stop - start, word
                self._base, self._used = base, 0
                self._before += used
                self._switches += 1
                self._limit = -1 if rests or view is None else self._room
        if released is not None:
            released.release()
        return used

    def _count(self, length: int) -> None:
        """Adds to what it has stored the bytes of a record that was stored elsewhere."""
        with self._storing:
            self._before += length

    def _rest(self, anyway: bool = False) -> bool:
        """Lets the next record overflow, if none is stored, or anyway; returns whether it will."""
        with self._storing:
            if self._used and not anyway:
                return False
            self._limit = -1  # not even an empty record fits
            return True

    def _wake(self) -> None:
        """Lets records fit again, where there is a buffer. Without one not even an empty record does."""
        self._limit = -1 if self._view is None else self._room


def _check_places(size: int, start: int, end: int, word: int | None) -> None:
    """ValueError for what isn't inside a buffer."""
    if not 0 <= start <= end <= size:
        raise ValueError(f"[{start}, {end}) is outside the buffer of {size} bytes")
    if word is not None and (word % 8 or not 0 <= word <= size - 8 or start - 8 < word < end):
        raise ValueError(f"a word at {word} is misaligned, overlaps [{start}, {end}), or is outside {size} bytes")
