"""How arguments are converted before memory is touched, and the texts of the errors that refuse them.

The kernels use the same checks off their fastest paths. Arguments are converted first and buffers taken last, because
a conversion may run Python code that resizes a mapping.
"""

from __future__ import annotations

import operator
import os
import sys
from _collections_abc import Mapping
from contextlib import contextmanager, suppress

from .. import _imports

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence
    from typing import Any, Protocol, SupportsIndex, TypeAlias

    import numpy
    from typing_extensions import Buffer

    from ..needles import Needles

    class Stream(Protocol):
        """What is read as a binary file is. It may have readinto or read1 besides."""

        def read(self, size: int = ..., /) -> bytes | None: ...

    Offsets: TypeAlias = numpy.ndarray[tuple[int], numpy.dtype[numpy.int64]]
    Which: TypeAlias = numpy.ndarray[tuple[int], numpy.dtype[numpy.int32]]  # needles, by their places
    Index: TypeAlias = SupportsIndex | None
    Integers: TypeAlias = Sequence[int] | numpy.ndarray[Any, Any]
    Array: TypeAlias = numpy.ndarray[Any, Any]  # a Buffer, too, which its stubs say from Python 3.12 on alone
    Readable: TypeAlias = Buffer | Array | os.PathLike[str]  # what a function that only reads takes
    Data: TypeAlias = Buffer | Array | str
    Needle: TypeAlias = Buffer | str | SupportsIndex
    Several: TypeAlias = Sequence[Needle] | "Needles"
    Pairs: TypeAlias = Mapping[Any, Data]  # {old: new, ...}; a mapping of bytes is none of bytes or str

# The default of every `end`: no buffer is longer.
END = sys.maxsize


def open_path(source: os.PathLike[Any], end: int) -> Any:
    """A buffer of what is at a path. The file layer puts its own in the place of this."""
    raise TypeError(f"a buffer is needed, not {type(source).__name__!r}")


def as_buffer(source: Any, end: int = END) -> Any:
    """Makes a buffer of something that isn't one.

    Nothing from `end` on is looked at, and so it may be left out.
    """
    if isinstance(source, str):
        raise TypeError("a buffer or an os.PathLike is needed, not 'str': use pathlib.Path or fastmmap.open")
    if isinstance(source, os.PathLike):
        return open_path(source, end)
    hint = ": what is read is searched by count, find, iter_find and grep" if hasattr(source, "read") else ""
    raise TypeError(f"a buffer or an os.PathLike is needed, not {type(source).__name__!r}{hint}")


def buffer_within(source: Any, start: int, end: int) -> Any:
    """as_buffer, for a function that is given a range, which may count from the end: then all is needed."""
    return as_buffer(source, end if start >= 0 and end >= 0 else END)


# Our own classes that have a `view` and no buffer protocol: the reference's Mapping.
viewed: tuple[type[Any], ...] = ()


def export(source: Any) -> memoryview:
    """The memory of a C-contiguous buffer as bytes, whatever its items are. What isn't a buffer is a TypeError."""
    if isinstance(source, viewed):
        view: memoryview = source.view()
        return view
    buffer = _imports.load("_pickle").PickleBuffer(source)
    with memoryview(buffer) as items:
        if not items.c_contiguous:
            raise BufferError("the buffer is not C-contiguous")
    raw: memoryview = buffer.raw()
    return raw


def unsafe_memory(source: Any, writable: bool) -> Any:
    """The memory of what may be a mapping that loses its file: guarded.py puts its own in the place of this."""
    return export(source)


def memory(source: Any, writable: bool = False) -> Any:
    """The memory of a buffer, for the reference to read and store to, in a with statement.

    It is used as a memoryview of bytes is, but for one thing: a slice may be bytes.
    """
    return memoryview(source) if isinstance(source, (bytes, bytearray)) else unsafe_memory(source, writable)


def export_data(data: Data) -> memoryview:
    """The memory of a record: bytes-like, or str as UTF-8."""
    if type(data) is bytes:  # most are, and what follows takes a microsecond
        return memoryview(data)
    return export(str.encode(data) if isinstance(data, str) else data)


def haystack(source: Any, start: int = 0, end: int = END) -> Any:
    """The memory of a haystack, of which a range is looked at. It is the caller's to release."""
    try:
        return memory(source)
    except TypeError:
        return memory(buffer_within(source, start, end))


@contextmanager
def held(view: memoryview) -> Iterator[None]:
    """Releases a view at the end of the with statement.

    An error that goes up keeps the frames it came through, and with them parts of the view: it isn't replaced by a
    BufferError about those. The memory goes with the last of them.
    """
    try:
        yield
    except BaseException:
        with suppress(BufferError):
            view.release()
        raise
    view.__exit__(None, None, None)  # not `release` alone: guarded memory has a last look at its file


@contextmanager
def readable(source: Any, start: int = 0, end: int = END) -> Iterator[memoryview]:
    """The bytes of a haystack, of which a range is looked at, until the end of the with statement."""
    view = haystack(source, start, end)
    with held(view):
        yield view


def storage(target: Any, verb: str) -> Any:
    """The memory of a buffer to be changed in place, which is the caller's to release."""
    try:
        view = memory(target, True)
    except TypeError:
        raise TypeError(
            f"{verb} needs a writable buffer, not {type(target).__name__!r}: "
            f"use fastmmap.open(path, 'r+') to change a file in place"
        ) from None
    if view.readonly:
        view.release()
        raise BufferError("the buffer is read-only")
    return view


@contextmanager
def writable(target: Any, verb: str) -> Iterator[memoryview]:
    """The bytes of a buffer to be changed in place, until the end of the with statement."""
    view = storage(target, verb)
    with held(view):
        yield view


def data_bytes(data: Data, name: str) -> bytes:
    """bytes-like or str, as bytes that nobody else can change."""
    if type(data) is bytes:
        return data
    if isinstance(data, str):
        return str.encode(data)
    try:
        view = memory(data)
    except TypeError:
        raise TypeError(f"{name} must be bytes-like or str, not {type(data).__name__!r}") from None
    with view:
        return bytes(view)


# What those may have meant who give something else as a needle.
_HINTS = {
    "Pattern": ": fastmmap.grep takes patterns",
    **dict.fromkeys(("set", "frozenset", "dict", "generator"), ": several needles are a list or a tuple"),
    **dict.fromkeys(("PosixPath", "WindowsPath", "MappedFile"), ": what is searched in comes first"),
}


def needle_bytes(needle: Needle | Several) -> bytes:
    """A needle as bytes: bytes-like, str as UTF-8, or one byte as an integer, as bytes.find takes it."""
    try:
        return data_bytes(needle, "needle")  # type: ignore[arg-type]
    except TypeError:
        if not hasattr(type(needle), "__index__"):
            refuse_needle(needle)
    byte = operator.index(needle)  # type: ignore[arg-type]
    if not 0 <= byte <= 255:
        raise ValueError("byte must be in range(0, 256)")
    return bytes((byte,))


def refuse_needle(needle: Any) -> None:
    """The TypeError for what is no needle, with a guess at what was meant."""
    name = type(needle).__name__
    text = f"needle must be bytes-like, str or an integer in range(256), not {name!r}{_HINTS.get(name, '')}"
    raise TypeError(text) from None


# The types of more than one needle. needles.py adds its own.
several: tuple[type[Any], ...] = (list, tuple)


def search_many(kernel: str, verb: str, *arguments: Any, **options: Any) -> Any:
    """What a kernel's search does with more than one needle, which many.py knows: it is imported when it is needed."""
    return getattr(_imports.load("fastmmap.many").verbs_of(kernel), verb)(*arguments, **options)


def is_stream(source: Any) -> bool:
    """Whether that is no buffer, but can be read as a binary file is."""
    if isinstance(source, (bytes, bytearray, memoryview, str, os.PathLike, *viewed)) or not hasattr(source, "read"):
        return False
    try:
        memoryview(source).release()
    except TypeError:
        return True
    except (BufferError, ValueError):
        pass
    return False


def in_stream(verb: str, stream: Any, needle: Any, span: tuple[Any, Any], options: dict[str, Any]) -> Any:
    """What a search does in a stream, which stepwise.py knows: it is imported when it is needed."""
    return _imports.load("fastmmap.stepwise").in_stream("python", verb, stream, needle, span, options)


def in_blocks(verb: str, buffer: Any, needle: Any, span: tuple[Any, Any], options: dict[str, Any]) -> Any:
    """The same block by block, with word of how far it is."""
    return _imports.load("fastmmap.stepwise").in_blocks(verb, buffer, needle, span, options)


def replace_in_blocks(buffer: Any, old: bytes, new: bytes, span: tuple[int, int], progress: Any) -> int:
    """The reference's replace, likewise."""
    return _imports.load("fastmmap.stepwise").replace_in_blocks(buffer, old, new, span, progress)  # type: ignore[no-any-return]


def needles_bytes(needles: Any) -> tuple[bytes, ...]:
    """Several needles as bytes. ValueError for an empty one: it would stand everywhere."""
    if isinstance(needles, (str, bytes, bytearray, memoryview)):
        raise TypeError(f"several needles are a list or a tuple of them, not {type(needles).__name__!r}")
    own = tuple(needle_bytes(needle) for needle in needles)
    if not all(own):
        raise ValueError(f"needle {own.index(b'')} is empty: of several, none may be")
    return own


def index_or(index: Index, default: int) -> int:
    """A slice index, or the default for None."""
    if index is None:
        return default
    if not hasattr(type(index), "__index__"):
        raise TypeError("slice indices must be integers or None or have an __index__ method")
    return operator.index(index)


def clamp(start: int, end: int, length: int) -> tuple[int, int]:
    """Slice semantics as in bytes.find: start may stay beyond the end, and then nothing matches, not even b""."""
    if end < 0:
        end = max(end + length, 0)
    if start < 0:
        start = max(start + length, 0)
    return start, min(end, length)


def check_threads(threads: SupportsIndex | None) -> None:
    """None for as many as pay, or a number of 1 and more."""
    if threads is not None and operator.index(threads) < 1:
        raise ValueError(f"threads must be None or at least 1, not {operator.index(threads)}")


def check_limit(limit: SupportsIndex | None) -> int:
    """How many results are wanted at most."""
    most = END if limit is None else operator.index(limit)
    if most < 0:
        raise ValueError(f"limit must be None or not negative, not {most}")
    return min(most, END)


def are_pairs(old: Any, new: Any) -> bool:
    """Whether `old` is {old: new, ...}, beside which there is no `new`."""
    if not isinstance(old, Mapping):
        if isinstance(old, several):
            raise TypeError(f"old must be bytes-like, str or a mapping {{old: new, ...}}, not {type(old).__name__!r}")
        return False
    if new is not None:
        raise TypeError("old is a mapping, which has each new: no new is given beside it. A count is named: count=1")
    return True


def check_old(old: bytes) -> None:
    """ValueError for an empty `old`, which would match everywhere."""
    if not old:
        raise ValueError("old must not be empty")


def check_same_length(old: bytes, new: bytes) -> None:
    """What a replacement in memory needs."""
    check_old(old)
    if len(old) != len(new):
        raise ValueError(
            f"old and new must be of the same length in a buffer, not {len(old)} and {len(new)}: "
            f"fastmmap.replace_file takes any lengths"
        )


def as_records(offsets: Integers, length: Any) -> tuple[Offsets, Offsets]:
    """The offsets of records, and their lengths: as many, or of no dimension where one length is every record's.

    Both are copies of our own: what is checked here is what is read later.
    """
    starts = integers(offsets, "offsets")
    if starts.ndim != 1:
        raise ValueError(f"offsets must have one dimension, not {starts.ndim}")
    lengths = integers(length, "length")
    if lengths.ndim > 0 and lengths.shape != starts.shape:
        raise ValueError(f"there are {starts.size} offsets, but lengths of shape {lengths.shape}")
    return starts, lengths


def check_lengths(lengths: Offsets) -> None:
    """ValueError for a negative one."""
    if (lengths < 0).any():
        raise ValueError(f"length must not be negative: {int(lengths.min())}")


def safe_numbers(numbers: Any) -> Any:
    """Numbers that numpy may read: what has lost its file is an error before.

    Extensions find that out; fastmmap/guarded.py puts theirs in the place of this.
    """
    return numbers


def integers(numbers: Any, name: str) -> Any:
    numpy = _imports.load("numpy")
    numbers = safe_numbers(numbers)
    array = numpy.asarray(numbers)
    if array.dtype.kind == "f" and not hasattr(numbers, "dtype"):
        array = numpy.asarray(numbers, dtype=object)  # numpy makes floats of [] and of [1, 2**63]
    if array.dtype.kind not in "iuO" or (
        array.dtype.kind == "O" and not all(hasattr(type(item), "__index__") for item in array.flat)
    ):
        raise TypeError(f"{name} must be integers, not {numpy.asarray(numbers).dtype}")
    if array.dtype.kind in "uO":
        # Beyond int64 no offset is in range, whatever the buffer: the largest that int64 holds says so as well.
        most = numpy.iinfo(numpy.int64).max
        flat = [min(max(operator.index(item), -most), most) for item in array.ravel().tolist()]
        return numpy.array(flat, dtype=numpy.int64).reshape(array.shape)
    return numpy.array(array, dtype=numpy.int64, order="C", copy=True)


def check_within(offsets: Offsets, lengths: Offsets, size: int) -> None:
    """IndexError for the first record that isn't wholly in a buffer of `size` bytes."""
    outside = (offsets < 0) | (offsets > size - lengths)
    if outside.any():
        first = int(outside.argmax())
        length = int(lengths if lengths.ndim == 0 else lengths[first])
        raise IndexError(
            f"record {first} is out of range: {length} bytes at offset {int(offsets[first])} "
            f"of a buffer of {size} bytes"
        )
    if lengths.ndim and float(lengths.sum(dtype="float64")) > END // 2:
        raise MemoryError(f"{lengths.size} records don't fit in memory")
