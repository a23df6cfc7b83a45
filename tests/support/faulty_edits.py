"""What test_edit_faults.py runs in a child process, with fail.c preloaded: replace_file with each system call failing.

python faulty_edits.py FAIL_LIBRARY FOLDER VARIANT ERRNO,... MODE        with tests/ in PYTHONPATH

Prints for each number how many calls an edit makes; a state that may not be is an assertion.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
from pathlib import Path

import fastmmap
from fastmmap import parallel, system
from support.fail import STICKY

OLD = b"the cat sat on the mat\n" * 400
NEW = OLD.replace(b"cat", b"leopard")
MOST = 500  # calls that an edit never comes to

VARIANTS = {
    "plain": {"threads": 1},
    "not durable": {"durable": False, "threads": 1},
    "with a backup": {"backup": ".orig", "threads": 1, "force": True},
    "with a backup by a link": {"backup": ".orig", "threads": 1, "force": True},
    "named from the start": {"threads": 1},
    "two threads": {"threads": 2},
}


def edit(path: Path, variant: str) -> None:
    fastmmap.replace_file(path, b"cat", b"leopard", **VARIANTS[variant])


def check(path: Path, variant: str, succeeded: bool | None, strays: bool) -> bool:
    """The file is the old or the new, its backup is the old, and nothing else is there. Returns whether it's the new.

    succeeded: whether the edit returned; None where it was killed. strays: whether names of ours may be left.
    """
    data, names = path.read_bytes(), set(os.listdir(path.parent))
    assert data in (OLD, NEW), "a mix"
    backup = Path(f"{path}.orig")
    if backup.exists():
        assert backup.read_bytes() == OLD, "a wrong backup"
    if succeeded:
        assert data == NEW
        assert backup.exists() == variant.startswith("with a backup")
    left = {name for name in names if name.startswith(".fastmmap-")}
    assert names - left <= {"file", "file.orig"}, names
    assert strays or not left, left
    return data == NEW


def fresh(path: Path) -> None:
    for name in os.listdir(path.parent):
        os.unlink(path.parent / name)
    path.write_bytes(OLD)
    os.setxattr(path, "user.note", b"kept")


def fail_each(lib: ctypes.CDLL, path: Path, variant: str, number: int, mode: int) -> int:
    """Lets one call after the other fail, until one more than there are."""
    for at in range(MOST):
        fresh(path)
        error = None
        lib.arm(at, number, mode)
        try:
            edit(path, variant)
        except OSError as caught:
            error = caught
        calls = lib.disarm()
        # Only a directory that couldn't be flushed is an error after the file was replaced. A call that fails for good
        # may be that which removes the new file.
        done = check(path, variant, error is None, strays=mode == STICKY)
        if error is not None:
            assert error.filename == str(path), error
            assert error.errno == number, error
        if calls <= at:
            assert done
            return calls
    raise AssertionError("an edit without end")


def kill_each(lib: ctypes.CDLL, path: Path, variant: str, mode: int) -> int:
    """Kills an edit at one call after the other. Then the file must be whole, and the next edit must work."""
    for at in itertools.count():
        fresh(path)
        child = os.fork()
        if child == 0:
            lib.arm(at, 0, mode)
            edit(path, variant)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        done = check(path, variant, True if status == 0 else None, strays=status != 0)
        if status == 0:
            return at
        if not done:
            edit(path, variant)
            assert check(path, variant, True, strays=True)
    raise AssertionError


def main() -> None:
    lib = ctypes.CDLL(sys.argv[1])
    path, variant = Path(sys.argv[2]) / "file", sys.argv[3]
    numbers, mode = map(int, sys.argv[4].split(",")), int(sys.argv[5])
    parallel.WORTHWHILE, parallel.BLOCK = 0, 1000  # a small file may have several blocks, and threads
    if variant == "with a backup by a link":
        system.exchange = lambda path, other: False
    fresh(path)
    edit(path, variant)  # what is imported and cached at the first edit isn't what is tested
    lib.refuse_nameless(variant == "named from the start")
    for number in numbers:
        print(kill_each(lib, path, variant, mode) if mode > STICKY else fail_each(lib, path, variant, number, mode))


if __name__ == "__main__":
    main()
