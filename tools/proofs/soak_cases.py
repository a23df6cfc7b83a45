"""The calls of soak.py on memory, on mappings and on their lines."""

from __future__ import annotations

import copy
import inspect
import io
import itertools
import operator
import os
import pathlib
import pickle
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy

import fastmmap

TEXT = b"the cat sat on the mat\nand the dog sat on the cat\n" * 20
NEEDLES = [b"cat", b"dog", b"absent"]
PATTERN = re.compile(rb"d[o]g\b")


@dataclass
class Case:
    """A call that is made again and again.

    name: of the entry point, and behind a blank what is special about it. every: only one of so many calls is made,
    because each is costly. refused: what it raises.
    """

    name: str
    call: Callable[..., object]
    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    every: int = 1
    refused: tuple[type[BaseException], ...] = ()

    @property
    def entry(self) -> str:
        return self.name.partition(" ")[0]

    def run(self, times: int) -> None:
        call, arguments, options = self.call, self.arguments, self.options
        if not self.refused:
            for _ in itertools.repeat(None, times):
                call(*arguments, **options)
            return
        for _ in itertools.repeat(None, times):
            try:
                call(*arguments, **options)
            except self.refused:
                continue
            raise AssertionError(f"{self.name} wasn't refused")


def case(name: str, call: Callable[..., object], *arguments: Any, every: int = 1, **options: Any) -> Case:
    return Case(name, call, arguments, options, every)


Errors = type[BaseException] | tuple[type[BaseException], ...]


def refused(name: str, errors: Errors, call: Callable[..., object], *arguments: Any, **options: Any) -> Case:
    return Case(name, call, arguments, options, refused=errors if isinstance(errors, tuple) else (errors,))


def with_wrong_ones(good: Case) -> Iterator[Case]:
    """The call, and the same with each of its arguments, in turn, being what no function takes."""
    yield good
    if good.refused or good.every > 100:
        return
    try:
        parameters = list(inspect.signature(good.call).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [each.name for each in parameters if each.kind == each.KEYWORD_ONLY]
    wrong, given = object(), good.arguments
    ways = [((*given[:at], wrong, *given[at + 1 :]), good.options) for at in range(len(given))]
    ways += [(good.arguments, {**good.options, name: wrong}) for name in names]
    kept = [way for way in ways if _is_refused(good.call, *way)]
    if kept:
        turns = itertools.cycle(kept)

        def call() -> None:
            arguments, options = next(turns)
            good.call(*arguments, **options)

        yield Case(f"{good.entry} (wrong)", call, every=good.every, refused=(TypeError, ValueError, OSError))


def _is_refused(call: Callable[..., object], arguments: tuple[Any, ...], options: dict[str, Any]) -> bool:
    try:
        call(*arguments, **options)
    except (TypeError, ValueError, OSError):
        return True
    except Exception:
        pass
    return False


def drained(call: Callable[..., Any], *arguments: Any, **options: Any) -> int:
    """How many an iterator gives."""
    return sum(1 for _ in call(*arguments, **options))


def left_early(call: Callable[..., Any], *arguments: Any, **options: Any) -> object:
    """The first of what an iterator gives, which is then dropped."""
    return next(iter(call(*arguments, **options)))


def pickled(thing: object) -> object:
    return pickle.loads(pickle.dumps(thing))


def functions(folder: Path) -> Iterator[Case]:
    """Those on memory, and on a path."""
    path = folder / "text"
    path.write_bytes(TEXT)
    ready = fastmmap.Needles(NEEDLES)
    for source, kind in ((TEXT, ""), (bytearray(TEXT), " (writable)"), (path, " (a path)")):
        every = 10 if source is path else 1
        for name in ("find", "rfind", "count", "find_all"):
            yield case(name + kind, getattr(fastmmap, name), source, b"dog", every=every)
        yield case(f"line_starts{kind}", fastmmap.line_starts, source, every=every)
        yield case(f"gather{kind}", fastmmap.gather, source, [5, 9], 3, every=every)
    for name in ("find", "rfind", "count", "find_all", "find_each", "count_each"):
        yield case(f"{name} (needles)", getattr(fastmmap, name), TEXT, NEEDLES, every=10)
        yield case(f"{name} (ready)", getattr(fastmmap, name), TEXT, ready)
        yield case(f"{name} (folded)", getattr(fastmmap, name), TEXT, [b"CAT"], 3, -3, ignorecase=True, every=10)
    for name in ("find", "rfind", "count", "find_all"):
        yield case(f"{name} (in parts)", getattr(fastmmap, name), TEXT * 20_000, b"absent", threads=2, every=2000)
    yield case("iter_find", drained, fastmmap.iter_find, TEXT, b"dog")
    yield case("iter_find (dropped)", left_early, fastmmap.iter_find, TEXT, b"dog")
    yield case("iter_find (needles)", left_early, fastmmap.iter_find, TEXT, NEEDLES, every=10)
    yield case("iter_find (pickled)", pickled, fastmmap.iter_find)
    yield case("gather (lengths)", fastmmap.gather, TEXT, numpy.array([5, 9]), numpy.array([3, 0]))
    yield refused("gather (outside)", IndexError, fastmmap.gather, TEXT, [5, 10**6], 3)
    buffer = bytearray(TEXT)
    yield case("replace", fastmmap.replace, buffer, b"cat", b"CAT")
    yield case("replace (pairs)", fastmmap.replace, buffer, {b"cat": b"CAT", b"CAT": b"cat"}, every=10)
    yield case("append", fastmmap.append, buffer, 5, b"record")
    yield refused("append (full)", ValueError, fastmmap.append, buffer, len(buffer) - 3, b"record")
    yield case("grep", drained, fastmmap.grep, TEXT, b"dog", every=10)
    yield case("grep (pattern)", drained, fastmmap.grep, TEXT, PATTERN, before=1, after=1, every=10)
    yield case("grep (dropped)", left_early, fastmmap.grep, TEXT, PATTERN, every=10)
    yield case("grep (a path)", left_early, fastmmap.grep, path, NEEDLES, before=2, every=10)
    yield case("grep (a stream)", lambda: drained(fastmmap.grep, io.BytesIO(TEXT), b"dog"), every=10)
    yield case("kernels", fastmmap.kernels, every=100)
    yield case("kernel", getattr, fastmmap, "kernel")
    yield case("Needles", fastmmap.Needles, NEEDLES)
    yield refused("Needles (empty)", ValueError, fastmmap.Needles, [b"a", b""])
    for name, call in {
        "__len__": len, "__iter__": list, "__hash__": hash, "__repr__": repr, "__reduce__": pickled,
        "__getitem__": lambda needles: needles[-1], "__eq__": lambda needles: needles == ready,
        "ignorecase": operator.attrgetter("ignorecase"),
    }.items():  # fmt: skip
        yield case(f"Needles.{name}", call, ready)
    yield refused("Needles.__getitem__ (none)", IndexError, lambda: ready[9])


def matches(folder: Path) -> Iterator[Case]:
    """What is found, and errors."""
    one, other = list(fastmmap.grep(TEXT, b"dog", before=1, after=1))[:2]
    for name in ("eq", "ne"):
        yield case(f"Match.__{name}__", getattr(operator, name), one, other)
    for name in ("lt", "le", "gt", "ge"):
        yield refused(f"Match.__{name}__", TypeError, getattr(operator, name), one, other)
    for name in ("offset", "start", "end", "line", "before", "after", "number"):
        yield case(f"Match.{name}", operator.attrgetter(name), one)
    for name, call in {"__hash__": hash, "__repr__": repr, "__reduce__": pickled, "": copy.copy}.items():
        yield case(f"Match.{name}" if name else "Match", call, one)
    yield case("MappedFileError", fastmmap.MappedFileError, 5, "text", "name")
    yield case("MappedFileError.because", fastmmap.MappedFileError.because, "truncated", 4096, "name")


def mappings(folder: Path) -> Iterator[Case]:
    """MappedFile: made and closed, and its methods, open, closed, and where the file was truncated."""
    path = folder / "text"
    path.write_bytes(TEXT)
    for mode in ("r", "r+", "c"):
        yield case(f"open ({mode})", lambda mode=mode: fastmmap.open(path, mode).close(), every=5)
    yield case("open (memory)", lambda: fastmmap.open(None, size=5000).close(), every=5)
    yield case("open (forgotten)", fastmmap.open, path, every=5)
    yield case("MappedFile", lambda: fastmmap.MappedFile(path).close(), every=5)
    yield refused("open (absent)", FileNotFoundError, fastmmap.open, folder / "absent")
    yield refused("open (mode)", ValueError, fastmmap.open, path, "x")
    yield refused("open (behind)", ValueError, fastmmap.open, path, offset=10**6)
    fresh = folder / "new"
    yield case("open (w+)", lambda: fastmmap.open(fresh, "w+", size=5000).close(), every=10)
    with fastmmap.open(path, "r+") as m:
        yield from of_a_mapping(m, folder)
    for each in closed_ones(m):
        yield Case(f"{each.entry} (closed)", each.call, each.arguments, each.options, refused=(ValueError,))
    gone = folder / "gone"
    gone.write_bytes(bytes(1 << 16))
    m = fastmmap.open(gone)
    os.truncate(gone, 0)
    for name in ("find", "rfind", "count", "find_all"):
        yield refused(f"MappedFile.{name} (truncated)", fastmmap.MappedFileError, getattr(m, name), b"x")
    yield refused("MappedFile.__getitem__ (truncated)", fastmmap.MappedFileError, operator.getitem, m, 9)
    yield refused("MappedFile.read (truncated)", fastmmap.MappedFileError, m.read)
    m.close()


def closed_ones(m: fastmmap.MappedFile) -> Iterator[Case]:
    """Methods that a mapping refuses which is closed."""
    for name, arguments in {
        "find": (b"x",), "rfind": (b"x",), "count": (b"x",), "find_all": (b"x",), "find_each": ([b"x"],),
        "count_each": ([b"x"],), "line_starts": (), "gather": ([0], 1), "line_at": (0,), "ranges": (2,), "read": (),
        "replace": (b"x", b"y"), "resize": (5,), "append": (b"x",), "flush": (), "seek": (0,), "advise": ("normal",),
        "__getitem__": (0,), "__contains__": (b"x",), "view": (), "refresh": (), "grep": (b"x",),
    }.items():  # fmt: skip
        call = getattr(m, name)
        if name == "grep":
            yield Case("MappedFile.grep", lambda: list(m.grep(b"x")))
        elif _is_refused(call, arguments, {}):
            yield Case(f"MappedFile.{name}", call, arguments)


def of_a_mapping(m: fastmmap.MappedFile, folder: Path) -> Iterator[Case]:
    """Methods of a mapping that is open to be written to."""
    block, size = bytearray(100), len(m)
    for name, arguments in {
        "find": (b"dog",), "rfind": (b"dog",), "count": (b"dog",), "find_all": (b"dog",), "line_starts": (),
        "gather": ([1, 5], 3), "line_at": (30,), "replace": (b"cat", b"CAT"), "refresh": (), "tell": (),
        "seek": (5,), "readable": (), "seekable": (), "writable": (), "isatty": (), "fileno": (), "ranges": (3,),
        "__contains__": (b"dog",), "__getitem__": (slice(3, 30),), "__len__": (), "__repr__": (),
        "__setitem__": (slice(3, 6), b"xyz"), "__enter__": (),
    }.items():  # fmt: skip
        yield case(f"MappedFile.{name}", getattr(m, name), *arguments)
    for name in ("find", "rfind", "count", "find_all", "find_each", "count_each"):
        yield case(f"MappedFile.{name} (needles)", getattr(m, name), NEEDLES, every=10)
    yield case("MappedFile.iter_find", drained, m.iter_find, b"dog")
    yield case("MappedFile.grep", left_early, m.grep, b"dog", every=10)
    for name, arguments in {
        "read": (10,), "read1": (10,), "readall": (), "readinto": (block,), "readinto1": (block,), "readline": (),
        "readlines": (50,),
    }.items():  # fmt: skip
        method = getattr(m, name)
        yield case(f"MappedFile.{name}", lambda *given, method=method: (m.seek(0), method(*given)), *arguments)
    for name in ("closed", "offset", "drop_behind", "lines", "name", "mode", "backend"):
        yield case(f"MappedFile.{name}", operator.attrgetter(name), m)
    yield case("MappedFile.view", lambda: m.view().release())
    yield case("MappedFile.view (a part)", lambda: memoryview(m)[3:9])
    yield case("MappedFile.__getitem__ (stepping)", operator.getitem, m, slice(None, None, 7))
    yield case("MappedFile.__setitem__ (a byte)", operator.setitem, m, 5, 120)
    yield refused("MappedFile.__getitem__ (outside)", IndexError, operator.getitem, m, 10**6)
    yield refused("MappedFile.__setitem__ (outside)", IndexError, operator.setitem, m, 10**6, 1)
    yield refused("MappedFile.__delitem__", TypeError, operator.delitem, m, 5)
    yield refused("MappedFile.__iter__", TypeError, iter, m)
    yield case("MappedFile.flush", m.flush, every=100)
    yield case("MappedFile.flush (no wait)", m.flush, 0, size, wait=False, every=10)
    yield case("MappedFile.advise", m.advise, "sequential")
    yield case("MappedFile.resize", lambda: (m.resize(size + 5000), m.resize(size)), every=20)
    yield case("MappedFile.append", lambda: (m.append(b"record"), m.resize(size)), every=20)
    yield case("MappedFile.__reduce__", lambda: pickled(m).close(), every=20)
    yield case("MappedFile.__exit__", lambda: fastmmap.open(m.name).__exit__(None, None, None), every=5)
    yield case("MappedFile.close", lambda: fastmmap.open(m.name).close(), every=5)
    view = m.view()
    yield refused("MappedFile.resize (exported)", BufferError, m.resize, size + 5000)
    view.release()
    yield from of_lines(m, folder)


def of_lines(m: fastmmap.MappedFile, folder: Path) -> Iterator[Case]:
    """Its lines, and an index in a file."""
    lines, index = m.lines, folder / "index"
    lines.save(index)
    for name, arguments in {
        "bisect": (None, b"the"), "number": ([5, 50],), "offset": ([0, -1],), "gather": ([1, 3],), "prepare": (),
        "__getitem__": ([2, 0],), "__len__": (), "__repr__": (),
    }.items():  # fmt: skip
        yield case(f"Lines.{name}", getattr(lines, name), *arguments)
    yield case("Lines", lambda: fastmmap.Lines(m)[1], every=10)
    yield case("Lines.__getitem__ (one)", operator.getitem, lines, 7)
    yield case("Lines.__getitem__ (a slice)", operator.getitem, lines, slice(3, None, 2))
    yield refused("Lines.__getitem__ (none)", IndexError, operator.getitem, lines, 10**6)
    yield refused("Lines.offset (none)", IndexError, lines.offset, [10**6])
    yield refused("Lines.number (outside)", IndexError, lines.number, [10**6])
    yield case("Lines.__iter__", drained, iter, lines)
    yield case("Lines.__iter__ (dropped)", left_early, iter, lines)
    yield case("Lines.save", lines.save, index, every=100)
    yield case("open (an index)", lambda: fastmmap.open(m.name, index=index).close(), every=100)
    index.write_bytes(b"no index")
    yield refused("open (no index)", ValueError, lambda: fastmmap.open(pathlib.Path(m.name), index=index))
