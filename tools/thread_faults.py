"""Interrupts, forks, nested calls and missing threads in the middle of large calls: answers are right, or the error is
the one that was raised, and nobody works on when the call is over.

    python tools/thread_faults.py            some cases of each kind
    python tools/thread_faults.py --long     thousands of each
    python tools/thread_faults.py forks      one kind

Blocks are small here, so that small data has many parts.
"""

from __future__ import annotations

import _thread
import argparse
import itertools
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from thread_calls import (
    CALLS,
    LINE,
    SIZES,
    TEXT,
    USER,
    Interrupt,
    Timeout,
    Wrong,
    a_call,
    attempt,
    check,
    check_quiet,
    edit,
    edited,
    searches,
)
from thread_forks import forks, forks_of_others, forks_of_progress, nested

import fastmmap
from fastmmap import _imports, many, pairs, parallel, parts
from fastmmap.editing import edit as editing
from fastmmap.editing import matching, rewrite, survey, writing

# --- interrupts ---


class Tracer:
    """Raises an error at a line of ours, counted from where it begins to trace."""

    FILES = frozenset(
        module.__file__ for module in (parallel, many, parts, pairs, matching, rewrite, survey, writing, editing)
    )

    def __init__(self, error: BaseException, line: int) -> None:
        self.error, self.left = error, line

    def __call__(self, frame, event, argument):
        caller = frame.f_back
        if frame.f_code.co_filename not in self.FILES or "__del__" in (frame.f_code.co_name, caller.f_code.co_name):
            return None  # what __del__ raises reaches nobody
        if event == "line":
            self.left -= 1
            if self.left == 0:
                raise self.error
        return self


def at_lines(folder: Path, cases: int) -> int:
    """An error at each line of Python that a call runs in the calling thread, in turn, or at some of them."""
    step = 1 if cases >= 1000 else 37
    done = 0
    for kind in (Interrupt, Timeout):
        for name in CALLS:
            for line in itertools.count(1, step):
                tracer, buffer = Tracer(kind(line), line), bytearray(TEXT)
                with edited(folder) as path:
                    sys.settrace(tracer)
                    try:
                        raised = attempt(a_call(name, path, buffer), tracer.error, buffer)
                    finally:
                        sys.settrace(None)
                    check_quiet(folder)
                done += 1
                if not raised:
                    check(tracer.left > 0, f"{name}: the error at line {line} was swallowed")
                    break
    return done


def by_timer(folder: Path, cases: int) -> int:
    """A signal at any time, whose handler raises."""
    rng, hit, error = random.Random(1), 0, None

    def handler(number, frame):
        if error is not None:  # the system may give it to another thread, which takes its time
            raise error

    signal.signal(signal.SIGALRM, handler)
    for _ in range(cases):
        buffer, error = bytearray(TEXT), rng.choice((Interrupt, Timeout))()
        with edited(folder) as path:
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.00002, 0.005))
                hit += attempt(a_call(rng.choice(CALLS), path, buffer), error, buffer)
                error = None
            except (Interrupt, Timeout):
                error = None  # it came behind the call
            signal.setitimer(signal.ITIMER_REAL, 0)
            check_quiet(folder)
    check(hit, "no signal came in the middle of a call")
    return cases


def large(folder: Path, cases: int) -> int:
    """The same with blocks and files as large as those that get threads by themselves."""
    rng, hit, error = random.Random(4), 0, None
    parallel.BLOCK, parallel.WORTHWHILE, parallel.ROOM = SIZES
    text = LINE * (5 * parallel.WORTHWHILE // 4 // len(LINE))
    new = text.replace(b"cat", b"horse")
    lines, path = len(text) // len(LINE), folder / "file"

    def handler(number, frame):
        if error is not None:
            raise error

    signal.signal(signal.SIGALRM, handler)
    path.write_bytes(text)
    for case in range(cases):
        error = rng.choice((Interrupt, Timeout))()
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.0001, 0.03))
            if case % 2:
                with fastmmap.open(path) as mapped:
                    check(mapped.count(b"dog", threads=2) == lines, "count")
                    check(mapped.find_all(b"dog", threads=2).size == lines, "find_all")
            else:
                check(fastmmap.replace_file(path, b"cat", b"horse", threads=2, durable=False).count, "replace_file")
            error = None
        except (Interrupt, Timeout) as caught:
            hit += caught is error
            error = None
        signal.setitimer(signal.ITIMER_REAL, 0)
        check_quiet(folder)
        data = path.read_bytes()
        check(data in (text, new), "the file is neither old nor new")
        if data == new:
            path.write_bytes(text)
    small_blocks()
    check(hit, "no signal came in the middle of a call")
    return cases


# --- threads ---


def starts(folder: Path, cases: int) -> int:
    """0, 1, 2, 3 threads can be had."""
    from fastmmap import _parallel

    start, left, refused = _parallel.start_new_thread, 0, 0

    def start_some(function, arguments):
        nonlocal left, refused
        if left == 0:
            refused += 1
            raise random.choice((RuntimeError, MemoryError, OSError))("no more")
        left -= 1
        return start(function, arguments)

    _parallel.start_new_thread = start_some
    try:
        for case in range(cases):
            name, left = random.choice(CALLS), case % 4
            with edited(folder) as path:
                check(a_call(name, path, bytearray(TEXT))(), f"{name}: wrong")
    finally:
        _parallel.start_new_thread = start
    check(refused, "no call has asked for a thread that wasn't to be had")
    return cases


def limits(folder: Path, cases: int) -> int:
    """No thread can be had: the system has no more for this user, or no memory for one."""
    code = "from thread_faults import *; limited(sys.argv[1], sys.argv[2])"
    kinds = ["memory"] + ["user"] * (os.geteuid() == 0)
    for kind in kinds:
        command = [sys.executable, "-c", code, kind, str(folder)]
        done = subprocess.run(command, cwd=Path(__file__).parent, env=environment(), capture_output=True, text=True)
        check(done.returncode == 0 and done.stdout == "fine\n", done.stdout + done.stderr)
    return len(kinds)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(fastmmap.__file__).parent.parent)}


def limited(kind: str, folder: str) -> None:
    """What a process does in which no thread can be had."""
    small_blocks()
    _imports.load("numpy")  # it has threads of its own
    if kind == "user":
        path = Path(folder) / "theirs"
        path.mkdir()
        os.chown(path, USER, USER)
        for parent in (path, *path.parents):
            if parent != parent.parent and parent.stat().st_uid == 0:
                parent.chmod(parent.stat().st_mode | 0o011)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        os.setgroups([])
        os.setresgid(USER, USER, USER)
        os.setresuid(USER, USER, USER)
    else:
        path = Path(folder)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        threading.stack_size(1 << 28)
        resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 27), used + (1 << 27)))
    try:
        _thread.start_new_thread(time.sleep, (0,))
    except RuntimeError:
        pass
    else:
        raise Wrong("a thread can be had")
    for name, search in searches().items():
        check(search(bytearray(TEXT)), name)
    with edited(path) as file:
        check(edit(file), "replace_file")
    print("fine")


KINDS = {  # and how many cases of each are tried
    at_lines: (1, 10_000),
    by_timer: (60, 10_000),
    large: (20, 2000),
    starts: (40, 10_000),
    limits: (1, 1),
    forks: (40, 10_000),
    forks_of_progress: (10, 1000),
    forks_of_others: (20, 2000),
    nested: (40, 10_000),
}


def small_blocks() -> None:
    parallel.BLOCK, parallel.ROOM, parallel.WORTHWHILE = 1000, 50, 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = {kind.__name__: kind for kind in KINDS}
    parser.add_argument("kinds", nargs="*", help=", ".join(names))
    parser.add_argument("--long", action="store_true")
    arguments = parser.parse_args()
    if unknown := set(arguments.kinds) - set(names):
        parser.error(f"no such kind: {', '.join(unknown)}")
    small_blocks()
    for module in ("numpy", "ctypes"):  # whose own imports bear neither errors nor nested calls
        _imports.load(module)
    for name, kind in names.items():
        if arguments.kinds and name not in arguments.kinds:
            continue
        with tempfile.TemporaryDirectory() as folder:
            done = kind(Path(folder), KINDS[kind][arguments.long])
        check(done, f"{name}: nothing was tried")
        print(f"{name}: {done} cases")


if __name__ == "__main__":
    main()
