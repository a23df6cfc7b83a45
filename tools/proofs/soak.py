"""Calls each public entry point again and again: memory, descriptors, threads and mappings stay as they are.

    python -m tools.proofs.soak                     100,000 calls of each; of what is costly fewer, as each line says
    python -m tools.proofs.soak --calls 2000        a sample
    python -m tools.proofs.soak MappedFile.find     one entry point, and what is refused of it

Entry points are the functions of `fastmmap.__all__`, the classes and their methods and properties, as far as this
package defines them, and the classes of what those return. One without a case is a failure. Calls with wrong arguments,
of what is closed and of what is truncated count as well: they raise as often, and take as little.

The calls are made in two halves, after some to warm up. What the second half adds is compared with a bound; what is
above it is tried again three times, for a leak adds as much each time, and an allocator doesn't.

Flat: no descriptor and no thread more than before, at most 8 mappings; and where there were 100 calls at least,
30 blocks of Python's and 30 references, 4 KiB by malloc and 512 KiB of resident pages, and a little for each call: a
block in 200 calls, a byte by malloc in 10, 4 bytes of pages.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import fastmmap
from fastmmap.logs.follow import Follower
from fastmmap.shared import SharedFile

from . import soak_cases, soak_files
from .soak_cases import Case

GROUPS = (
    soak_cases.functions, soak_cases.matches, soak_cases.mappings, soak_files.edits, soak_files.logs,
    soak_files.handlers, soak_files.shared,
)  # fmt: skip

# Classes that no name of the package is, but that its functions return.
RETURNED = (SharedFile, Follower)


@dataclass
class _Plain:
    field: int


# What a class has without anybody calling it, or what this Python makes of a dataclass, or of an extension. Buffers are
# taken by the cases of `view`.
_NO_ENTRY = set(vars(_Plain)) - {"__eq__", "__hash__", "__repr__"} | {
    "__buffer__", "__delattr__", "__new__", "__pyx_vtable__", "__release_buffer__", "__setattr__", "__setstate__",
    "__slotnames__", "__slots__",
}  # fmt: skip

# How often what has grown is tried again. What is no leak doesn't grow each time.
AGAIN = 3

# Fewer calls than this in a half tell nothing of memory.
ENOUGH = 50

# How long a thread may take to end whose call is over.
ENDING = 2

# Objects that each call may use, whose counts of references must stay.
_SHARED = (None, True, False, NotImplemented, -1, 0, 1, 2, 10, 255, (), "", b"")


def entry_points() -> set[str]:
    """The names of all that a user may call."""
    names = set(fastmmap.__all__)
    classes = [each for name in fastmmap.__all__ if isinstance(each := getattr(fastmmap, name), type)]
    for each in (*classes, *RETURNED):
        names |= {f"{each.__name__}.{name}" for name in _own(each)} | {each.__name__}
    # A SharedFile is a MappedFile, with these besides.
    names = {name for name in names if not name.startswith("SharedFile.")}
    return names | {"SharedFile.unlink", "SharedFile.__reduce__"}


def _own(kind: type) -> set[str]:
    """What this package defines of a class."""
    names: set[str] = set()
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] == "fastmmap":
            names |= {name for name in vars(base) if not name.startswith("_") or name.endswith("__")}
    return names - _NO_ENTRY


@dataclass(frozen=True)
class Taken:
    """What this process takes: by Python's objects, by malloc, by pages; and descriptors, threads and mappings."""

    blocks: int
    allocated: int
    resident: int
    descriptors: int
    threads: int
    mappings: int
    references: int

    def over(self, before: Taken, calls: int) -> dict[str, int]:
        """By how much more than is allowed there is now, after so many calls."""
        if calls < ENOUGH:
            before = replace(self, descriptors=before.descriptors, threads=before.threads, mappings=before.mappings)
        bounds = Taken(
            blocks=30 + calls // 200, allocated=4096 + calls // 10, resident=(1 << 19) + 4 * calls, descriptors=0,
            threads=0, mappings=8, references=30 + calls // 200,
        )  # fmt: skip
        grown = {name: getattr(self, name) - getattr(before, name) for name in vars(self)}
        return {name: more for name, more in grown.items() if more > getattr(bounds, name)}


class _Info(ctypes.Structure):
    """struct mallinfo2 of glibc."""

    _names = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    _fields_ = [(name, ctypes.c_size_t) for name in _names]


def _malloc_info():
    with contextlib.suppress(AttributeError, OSError):
        call = ctypes.CDLL(None).mallinfo2
        call.restype = _Info
        return call
    return None


_mallinfo = _malloc_info()


def taken(case: Case) -> Taken:
    gc.collect()
    info = _mallinfo() if _mallinfo is not None else None
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Taken(
        blocks=sys.getallocatedblocks(),
        allocated=0 if info is None else info.uordblks + info.hblkhd,
        resident=pages * os.sysconf("SC_PAGESIZE"),
        descriptors=len(os.listdir("/proc/self/fd")),
        threads=len(os.listdir("/proc/self/task")),
        mappings=Path("/proc/self/maps").read_bytes().count(b"\n"),
        references=sum(map(sys.getrefcount, (*_SHARED, *case.arguments, *case.options.values()))),
    )


def soaked(case: Case, calls: int) -> dict[str, int]:
    """What the second half of the calls takes for good, and each time that it is tried again."""
    half = max(calls // 2, 1)
    case.run(max(half // 5, min(half, 20)))
    taken(case)  # which takes something itself, the first time
    case.run(half)
    for _ in range(1 + AGAIN):
        before = taken(case)
        case.run(half)
        end = time.monotonic() + ENDING
        while len(os.listdir("/proc/self/task")) > before.threads and time.monotonic() < end:
            time.sleep(0.001)
        over = taken(case).over(before, half)
        if not over:
            return {}
    return over


def where(case: Case, calls: int) -> str:
    """Which lines allocate what stays."""
    tracemalloc.start()
    try:
        case.run(100)
        before = tracemalloc.take_snapshot()
        case.run(min(calls, 2000))
        found = tracemalloc.take_snapshot().compare_to(before, "lineno")[:5]
        return "\n".join(f"    {each}" for each in found)
    finally:
        tracemalloc.stop()


def cases(wanted: list[str]) -> Iterator[Case]:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        for group in GROUPS:
            place = Path(folder, group.__name__)
            place.mkdir()
            for case in group(place):
                if not wanted or case.entry in wanted:
                    yield from soak_cases.with_wrong_ones(case)


def soak(calls: int, wanted: list[str]) -> tuple[set[str], int, list[str]]:
    """Makes the calls. Which entry points there were, how many calls, and what failed."""
    seen, number, failed = set(), 0, []
    for case in cases(wanted):
        times = max(calls // case.every, 2)
        began = time.perf_counter()
        over = soaked(case, times)
        seconds = time.perf_counter() - began
        seen.add(case.entry)
        number += times
        what = ", ".join(f"{name} +{more}" for name, more in over.items()) or "flat"
        print(f"{case.name:45} {times:>9,} calls {seconds:7.2f} s  {what}", flush=True)
        if over:
            failed.append(f"{case.name}: {what}\n{where(case, times)}")
    return seen, number, failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("entry", nargs="*", help="only these entry points")
    parser.add_argument("--calls", type=int, default=100_000)
    options = parser.parse_args()
    print(f"{options.calls:,} calls of each. Flat: {(__doc__ or '').rpartition('Flat: ')[2].strip()}", flush=True)
    began = time.perf_counter()
    gc.freeze()  # what is there already needn't be looked through each time
    seen, number, failed = soak(options.calls, options.entry)
    for each in failed:
        print(each, file=sys.stderr)
    absent = set() if options.entry else entry_points() - seen
    if absent:
        sys.exit(f"no case for {', '.join(sorted(absent))}")
    if failed or not number:
        sys.exit(f"{len(failed)} cases aren't flat" if number else "nothing was called")
    print(f"{len(seen)} entry points, {number:,} calls in {time.perf_counter() - began:.0f} s: all flat")


if __name__ == "__main__":
    main()
