"""What test_in_place_faults.py runs in a child, with fail.c preloaded: an edit in place with each system call failing.

python faulty_in_place.py FAIL_LIBRARY FOLDER VARIANT ERRNO,... MODE        with tests/ in PYTHONPATH

Prints for each number how many calls an edit makes; a state that may not be is an assertion.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
from pathlib import Path

import fastmmap
from fastmmap import parallel
from fastmmap.editing import in_place, journal, moving, writing
from support import oracle
from support.fail import STICKY

TEXT = b"the cat sat on the mat\n" * 80
HOLE = bytes(12_000)
MOST = 2000  # calls that an edit never comes to

# Pairs and options.
VARIANTS = {
    "longer": ({b"cat": b"leopard"}, {}),
    "longer, in few bytes": ({b"mat": b"mats"}, {"count": 3}),
    "shorter": ({b"cat": b"a"}, {"durable": True}),
    "as long": ({b"cat": b"dog"}, {"durable": True}),
    "of all lengths": ({b"cat": b"leopard", b"the ": b"", b"sat": b"sit"}, {"threads": 2}),
    "with a journal elsewhere": ({b"cat": b"leopard"}, {"durable": True, "journal": "elsewhere"}),
    "in both cases": ({b"CAT": b"leopard", b"Sat": b""}, {"ignorecase": True, "count": 100}),
    "with holes": ({b"cat": b"leopard"}, {}),
    "named from the start": ({b"cat": b"ox"}, {"durable": True}),
}


def text_of(variant: str) -> bytes:
    return TEXT[:690] + HOLE + TEXT[:690] if variant == "with holes" else TEXT


def edited(variant: str) -> bytes:
    pairs, options = VARIANTS[variant]
    data = text_of(variant)
    return oracle.replaced(data, pairs, options.get("count", -1), options.get("ignorecase", False))[0]


def edit(path: Path, variant: str) -> None:
    pairs, options = VARIANTS[variant]
    if "journal" in options:
        options = {**options, "journal": path.parent / "elsewhere"}
    fastmmap.replace_file(path, pairs, in_place=True, **{"threads": 1, **options})


def journals(path: Path) -> list[str]:
    return [name for name in os.listdir(path.parent) if name.endswith(".journal") or name == "elsewhere"]


def check(path: Path, variant: str, inode: int, strays: bool) -> None:
    """What has no journal is old or new. What has one is brought to its end: by recover, or by the same edit again."""
    left = journals(path)
    if left:
        # A file that can't be given an attribute is found by its journal alone.
        if not fastmmap.recover(path):
            assert fastmmap.recover(path.parent / left[0])
        assert path.read_bytes() == edited(variant), "not brought to its end"
    assert path.read_bytes() in (text_of(variant), edited(variant)), "half edited, without a journal"
    assert path.stat().st_ino == inode
    assert strays or os.listdir(path.parent) == ["file"], os.listdir(path.parent)


def fresh(path: Path, variant: str) -> int:
    for name in os.listdir(path.parent):
        os.unlink(path.parent / name)
    with path.open("wb") as file:
        for piece in text_of(variant).split(HOLE):
            file.write(piece)
            file.seek(len(HOLE), os.SEEK_CUR)
    return path.stat().st_ino


def fail_each(lib: ctypes.CDLL, path: Path, variant: str, number: int, mode: int) -> int:
    """Lets one call after the other fail, until one more than there are."""
    for at in range(MOST):
        inode = fresh(path, variant)
        error = None
        lib.arm(at, number, mode)
        try:
            edit(path, variant)
        except OSError as caught:
            error = caught
        calls = lib.disarm()
        if error is None:
            assert path.read_bytes() == edited(variant)
        else:
            assert error.filename == str(path), error
            assert error.errno == number, error
            if path.read_bytes() != text_of(variant):
                assert ("half edited" in error.strerror) == bool(journals(path)), error
        check(path, variant, inode, strays=mode == STICKY)
        if calls <= at:
            assert error is None
            return calls
    raise AssertionError("an edit without end")


def kill_each(lib: ctypes.CDLL, path: Path, variant: str, mode: int) -> int:
    """Kills an edit at one call after the other."""
    for at in itertools.count():
        inode = fresh(path, variant)
        child = os.fork()
        if child == 0:
            lib.arm(at, 0, mode)
            edit(path, variant)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            assert path.read_bytes() == edited(variant)
            return at
        check(path, variant, inode, strays=True)
    raise AssertionError


def main() -> None:
    lib = ctypes.CDLL(sys.argv[1])
    path, variant = Path(sys.argv[2]) / "file", sys.argv[3]
    numbers, mode = map(int, sys.argv[4].split(",")), int(sys.argv[5])
    parallel.WORTHWHILE, in_place.PART, writing.BLOCK = 0, 400, 400  # a small file has several parts, and steps
    moving.NEAR = moving.NEAR_DURABLE = 128
    journal.SMALLEST_ROOM, in_place.LARGEST_ROOM = 64, 1000
    if variant == "with holes":
        in_place.PART = writing.BLOCK = moving.NEAR = in_place.LARGEST_ROOM = 6000
    fresh(path, variant)
    edit(path, variant)  # what is imported and cached at the first edit isn't what is tested
    lib.refuse_nameless(variant == "named from the start")
    for number in numbers:
        print(kill_each(lib, path, variant, mode) if mode > STICKY else fail_each(lib, path, variant, number, mode))


if __name__ == "__main__":
    main()
