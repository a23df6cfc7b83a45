"""Reading mapped memory where its faults can't be caught, because another handler keeps taking the signal from us.

Every piece is copied by a system call, which answers a fault with an error, and the kernels work on the copy: at half
the speed and less, but a truncated file is a MappedFileError still.
"""

from __future__ import annotations

import operator
from functools import partial

from . import _imports
from ._guarded import read  # type: ignore[import-not-found]
from .parallel import Seams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Sheltered:
    """A search kernel for the blocks of parallel.py, each of which it copies first."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel

    def find(self, buffer: Any, needle: bytes, start: int, end: int, **options: Any) -> int:
        found: int = self._kernel.find(read(buffer, start, end), needle, **options)
        return found + start if found >= 0 else -1

    def rfind(self, buffer: Any, needle: bytes, start: int, end: int, **options: Any) -> int:
        found: int = self._kernel.rfind(read(buffer, start, end), needle, **options)
        return found + start if found >= 0 else -1

    def count(self, buffer: Any, needle: bytes, start: int, end: int, **options: Any) -> int:
        number: int = self._kernel.count(read(buffer, start, end), needle, **options)
        return number

    def find_into(
        self, offsets: Any, buffer: Any, needle: bytes, start: int, end: int, *, added: int = 0, **options: Any
    ) -> int:
        copy = read(buffer, start, end)
        number: int = self._kernel.find_into(offsets, copy, needle, 0, len(copy), added=added + start, **options)
        return number

    def iter_find(self, buffer: Any, needle: bytes, start: int, end: int, **options: Any) -> Iterator[int]:
        """The offsets of the matches, a block at a time."""
        for low, high in Seams(partial(self.rfind, ignorecase=options["ignorecase"]), buffer, needle, start, end):
            for found in self._kernel.iter_find(read(buffer, low, high), needle, **options):
                yield found + low


def item(mapping: Any, index: Any) -> Any:
    """mapping[index]."""
    if not isinstance(index, slice):
        try:
            position = range(len(mapping))[index]
        except IndexError:
            raise IndexError("mapping index out of range") from None
        return read(mapping, position, position + 1)[0]
    places = range(len(mapping))[index]
    if not places:
        return b""
    low, high = min(places[0], places[-1]), max(places[0], places[-1]) + 1
    return read(mapping, low, high)[:: operator.index(places.step)]


def gather(data: Any, buffer: Any, offsets: Any, lengths: Any) -> None:
    """Fills `data` with the records, one after the other, all of which lie in the buffer."""
    numpy = _imports.load("numpy")
    sizes = numpy.broadcast_to(lengths, offsets.shape).tolist()
    records = (read(buffer, start, start + size) for start, size in zip(offsets.tolist(), sizes))
    data.reshape(-1)[:] = numpy.frombuffer(b"".join(records), dtype=numpy.uint8)
