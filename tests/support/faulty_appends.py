"""What test_append_faults.py runs in a child process, with fail.c preloaded: an appender with each system call failing.

python faulty_appends.py FAIL_LIBRARY FOLDER VARIANT ERRNO,... MODE        with tests/ in PYTHONPATH

Prints for each number how many calls the work makes; a state that may not be is an assertion.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
import shutil
import signal
import sys
import warnings
from pathlib import Path

import fastmmap
from fastmmap import system
from support.fail import STICKY

MOST = 2000  # calls that the work never comes to

VARIANTS = {
    "plain": {},
    "in memory": {},
    "always in sync": {"sync": "always"},
    "in a folder of its own": {"stage_dir": "stages"},
    "named from the start": {},
    "after a death": {},
}

# What was there before, and what a dead writer has left in its stage.
BEFORE, LEFT = b"before\n", b"left by a dead writer\n"

# Few, because the work is done once for each call that it makes: three stages full of them.
RECORDS = [b"%d %s\n" % (i, b"r" * (i * 113 % 400)) for i in range(12)]
SINGLE = 8  # so many are appended one by one, the others as a list
LARGE = b"L" * 70_000 + b"\n"


def work(path: Path, variant: str, accept) -> None:
    """The work: small records, a drain when the stage is full, a list, a large record, flush, sync and close."""
    options = dict(VARIANTS[variant])
    if "stage_dir" in options:
        options["stage_dir"] = path.parent / "stages"
    error = None
    log = fastmmap.Appender(path, stage_size=700, interval=None, **options)

    def attempt(job, *arguments):
        nonlocal error
        before = log.position
        try:
            job(*arguments)
        except OSError as caught:
            error = error or caught
        finally:
            accept(log.position - before)

    for record in RECORDS[:SINGLE]:
        attempt(log.append, record)
    attempt(log.append_many, RECORDS[SINGLE:])
    attempt(log.append, LARGE)
    attempt(log.append, RECORDS[0])
    attempt(log.flush)
    attempt(log.append, RECORDS[1])
    attempt(log.sync)
    attempt(log.append, RECORDS[2])
    try:
        log.close()
    except OSError as caught:
        error = error or caught
    work.appender = log
    if error is not None:
        raise error


EVERYTHING = [*RECORDS, LARGE, *RECORDS[:3]]


def fresh(path: Path, variant: str) -> None:
    """A log with something in it, and a folder for stages; nothing else but the stage of a dead writer.

    The log stays the same file, so that the dead writer's stage is put there anew, in place of another death.
    """
    for name in os.listdir(path.parent):
        entry = path.parent / name
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry != path:
            entry.unlink()
    (path.parent / "stages").mkdir()
    path.write_bytes(BEFORE)
    if variant == "after a death":
        if not fresh.left:
            fresh.left.update(die(path))
        for left, data in fresh.left.items():
            left.write_bytes(data)
            left.chmod(0o600)


fresh.left = {}


def die(path: Path) -> dict[Path, bytes]:
    """Has a writer die, and returns what it has left beside the log."""
    child = os.fork()
    if child == 0:
        log = fastmmap.Appender(path, interval=None, stage_size=700)
        log.append(LEFT)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    entries = [path.parent / name for name in os.listdir(path.parent)]
    return {entry: entry.read_bytes() for entry in entries if entry.is_file() and entry != path}


def check(path: Path, variant: str, parts: list[int], sure: bool) -> None:
    """The log is what was there, and the records that were accepted, whole and in order.

    parts: how many bytes each call has accepted, as far as is known; without `sure` the last call may have done
    more, and only whole records.
    """
    data = path.read_bytes()
    assert data.startswith(BEFORE)
    data = data[len(BEFORE) :]
    if variant == "after a death":
        # First; where the dead writer's stage was out of reach for a moment, it was taken over between two drains.
        assert data.count(LEFT) == 1
        assert data.startswith(LEFT) or sure, data[:100]
        data = data.replace(LEFT, b"")
    calls = [*([record] for record in RECORDS[:SINGLE]), RECORDS[SINGLE:], [LARGE], [RECORDS[0]], [], [RECORDS[1]], [],
             [RECORDS[2]]]  # fmt: skip
    expected = b""
    for part, records in zip(parts, calls, strict=False):
        ends = [0, *itertools.accumulate(map(len, records))]
        assert part in ends, (part, ends)
        expected += b"".join(records)[:part]
    if sure:
        assert data == expected, (len(data), len(expected))
        return
    assert data.startswith(expected), (len(data), len(expected))
    rest = data[len(expected) :]
    following = calls[len(parts)] if len(parts) < len(calls) else []
    assert rest in [b"".join(following[:number]) for number in range(len(following) + 1)], (rest[:100], len(rest))


def fail_each(lib: ctypes.CDLL, path: Path, variant: str, number: int, mode: int) -> int:
    """Lets one call after the other fail, until one more than there are."""
    for at in range(MOST):
        fresh(path, variant)
        parts: list[int] = []
        error = None
        work.appender = None
        lib.arm(at, number, mode)
        try:
            work(path, variant, parts.append)
        except OSError as caught:
            error = caught
        calls = lib.disarm()
        if error is not None:
            assert error.errno == number, error
            # Before the log was open, and for the stages that somebody has left, it may be another file's name.
            assert error.filename == str(path) or not parts, error
        if work.appender is not None:
            left = "a sync failed"
            try:
                work.appender.close()
            except OSError as caught:
                left = str(caught)
            assert "a sync failed" in left, left
            assert work.appender.closed
        fastmmap.recover(path)
        fastmmap.recover(path.parent / "stages")
        check(path, variant, parts, sure=True)
        left = [name for name in [*os.listdir(path.parent), *os.listdir(path.parent / "stages")] if "stage" in name]
        assert left == ["stages"], left
        if calls <= at:
            assert error is None
            assert sum(parts) == sum(map(len, EVERYTHING))
            return calls
    raise AssertionError("work without end")


def kill_each(lib: ctypes.CDLL, path: Path, variant: str, mode: int) -> int:
    """Kills the work at one call after the other. What was accepted is in the log after the next recovery."""
    shared = mmap.mmap(-1, 4096)
    for at in itertools.count():
        fresh(path, variant)
        shared[:] = bytes(len(shared))
        child = os.fork()
        if child == 0:
            count = 0

            def accept(part):
                nonlocal count
                count += 1
                shared[count * 8 : count * 8 + 8] = part.to_bytes(8, "little")
                shared[0] = count

            lib.arm(at, 0, mode)
            work(path, variant, accept)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        parts = [int.from_bytes(shared[i * 8 : i * 8 + 8], "little") for i in range(1, shared[0] + 1)]
        if variant == "in memory":
            assert path.read_bytes().startswith(BEFORE)
        else:
            if at % 2 and variant != "in a folder of its own":
                fastmmap.Appender(path, stage_size=700).close()
            else:
                fastmmap.recover(path)
                fastmmap.recover(path.parent / "stages")
            check(path, variant, parts, sure=False)
            names = [*os.listdir(path.parent), *os.listdir(path.parent / "stages")]
            assert [name for name in names if "stage" in name] == ["stages"], names
        if status == 0:
            assert sum(parts) == sum(map(len, EVERYTHING))
            return at
    raise AssertionError


def main() -> None:
    lib = ctypes.CDLL(sys.argv[1])
    path, variant = Path(sys.argv[2]) / "file", sys.argv[3]
    numbers, mode = map(int, sys.argv[4].split(",")), int(sys.argv[5])
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    warnings.filterwarnings("ignore", "(?s).*(is ignored|is left alone): Permission denied")
    warnings.filterwarnings("ignore", "(?s).*are staged in memory")
    if variant == "in memory":
        system.is_local = lambda fd: False
    fresh(path, variant)
    work(path, variant, lambda part: None)  # what is imported and cached with the first isn't what is tested
    lib.refuse_nameless(variant == "named from the start")
    for number in numbers:
        print(kill_each(lib, path, variant, mode) if mode > STICKY else fail_each(lib, path, variant, number, mode))


if __name__ == "__main__":
    main()
