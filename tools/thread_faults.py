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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fastmmap
from fastmmap import _backend, _imports, editing, parallel, rewriting

LINE = b"the cat and the other cat, the dog \n"
TEXT = LINE * 1000
NEW = TEXT.replace(b"cat", b"horse")
THREADS = 4
USER = 4321


class Interrupt(KeyboardInterrupt):
    """Ctrl-C, but of ours."""


class Timeout(Exception):
    """What a signal handler may raise just as well."""


class Wrong(Exception):
    """A promise that wasn't kept."""


def check(condition: object, text: str) -> None:
    if not condition:
        raise Wrong(text)


# --- what is tried ---


def searches() -> dict[str, Callable[[bytearray], object]]:
    """Calls in several threads, by name: each answers True where its answer is right."""
    kernel, end = _backend.chosen, len(TEXT)

    def hay(buffer: bytearray) -> parallel.Haystack:
        return parallel.Haystack(buffer, 0, end)

    return {
        "find": lambda b: parallel.find(kernel, hay(b), b"absent", False, THREADS) == -1,
        "rfind": lambda b: parallel.rfind(kernel, hay(b), b"dog", False, THREADS) == TEXT.rfind(b"dog"),
        "count": lambda b: parallel.count(kernel, hay(b), b"cat", False, False, THREADS) == 2000,
        "find_all": lambda b: (
            parallel.find_all(kernel, hay(b), b"dog", False, False, THREADS).tolist()
            == list(range(LINE.index(b"dog"), end, len(LINE)))
        ),
        "line_starts": lambda b: (
            parallel.line_starts(kernel, hay(b), THREADS).tolist() == list(range(0, end, len(LINE)))
        ),
    }


SIZES = parallel.BLOCK, parallel.WORTHWHILE, parallel.ROOM
CALLS = (*searches(), "replace_file")


@contextmanager
def edited(folder: Path) -> Iterator[Path]:
    """A file to be edited, which is old or new afterwards."""
    path = folder / "file"
    path.write_bytes(TEXT)
    yield path
    check(path.read_bytes() in (TEXT, NEW), "the file is neither old nor new")


def edit(path: Path, progress: Callable[[int, int], object] | None = None) -> bool:
    done = fastmmap.replace_file(path, b"cat", b"horse", threads=THREADS, progress=progress, durable=False)
    return int(done) == 2000 and path.read_bytes() == NEW


def check_quiet(folder: Path) -> None:
    """Nobody writes to a descriptor that the call has closed: other files get its number at once."""
    others = [open(folder / f"other{i}", "w+b") for i in range(4)]
    deadline = time.monotonic() + 60
    while _thread._count() > 0:
        check(time.monotonic() < deadline, "threads go on when the call is over")
        time.sleep(0.0005)
    for other in others:
        check(os.fstat(other.fileno()).st_size == 0, "a thread has written into somebody else's file")
        other.close()


def a_call(name: str, path: Path, buffer: bytearray) -> Callable[[], bool]:
    return (lambda: edit(path)) if name == "replace_file" else (lambda: searches()[name](buffer))


def attempt(call: Callable[[], bool], error: BaseException, buffer: bytearray) -> bool:
    """Whether the call ended with this error; it must have, or be right. The buffer is free even while it is held."""
    try:
        check(call(), "a wrong answer")
    except (Interrupt, Timeout) as caught:
        check(caught is error, "another error than was raised")
        if fastmmap.kernel != "python":  # whose own frames hold on to it
            buffer.append(0)
            buffer.pop()
        return True
    return False


# --- interrupts ---


class Tracer:
    """Raises an error at a line of ours, counted from where it begins to trace."""

    FILES = frozenset(module.__file__ for module in (parallel, rewriting, editing))

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

    start, left = _parallel.start_new_thread, 0

    def start_some(function, arguments):
        nonlocal left
        if left == 0:
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


# --- forks and nested calls ---


def join(child: int) -> None:
    check(os.waitpid(child, 0)[1] == 0, "a forked child's answer is wrong, or it hung")


def in_child(call: Callable[[], bool]) -> None:
    """Ends a forked child with what the call answers, or as hung."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(60)
    status = 1
    try:
        status = 0 if call() else 2
    finally:
        os._exit(status)


def forks(folder: Path, cases: int) -> int:
    """A signal handler forks in the middle of a call: parent and child both come to its end."""
    rng, parent, children = random.Random(2), os.getpid(), []

    def handler(number, frame):
        signal.setitimer(signal.ITIMER_REAL, 0)
        children.append(os.fork())
        if children[-1] == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(60)

    signal.signal(signal.SIGALRM, handler)
    hit = 0
    for _ in range(cases):
        name = rng.choice(list(searches()))
        inside, right = True, False
        signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.00002, 0.003))
        try:
            right = searches()[name](bytearray(TEXT))
            hit += len(children)
            signal.setitimer(signal.ITIMER_REAL, 0)
            inside = False
        finally:
            if os.getpid() != parent:
                os._exit(0 if right else 1)
        check(right and not inside, f"{name}: wrong after a fork")
        while children:
            join(children.pop())
    check(hit, "no fork came in the middle of a call")
    return cases


def forks_of_progress(folder: Path, cases: int) -> int:
    """`progress` forks, and the child alone comes to the end of the edit: nothing is left out."""
    parent = os.getpid()

    class Enough(Exception):
        pass

    calls = fork_at = 0

    def progress(done, total):
        nonlocal calls
        calls += 1
        if calls == fork_at and os.getpid() == parent:
            child = os.fork()
            if child:
                join(child)
                raise Enough
            signal.alarm(60)

    for case in range(cases):
        calls, fork_at = 0, 1 + case % 5
        path = folder / "file"
        path.write_bytes(TEXT)
        try:
            right = edit(path, progress)
        except Enough:
            right = path.read_bytes() == NEW
        finally:
            if os.getpid() != parent:
                os._exit(0 if path.read_bytes() == NEW else 1)
        check(right and calls, "the child has left something out")
        check_quiet(folder)
    return cases


def forks_of_others(folder: Path, cases: int) -> int:
    """Another thread forks in the middle of a call; its child makes calls of its own."""
    stop = threading.Event()
    wrong = []

    def work():
        while not stop.is_set():
            wrong.extend(name for name, search in searches().items() if not search(bytearray(TEXT)))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for case in range(cases):
            name = list(searches())[case % len(searches())]
            child = os.fork()
            if child == 0:
                in_child(lambda name=name: searches()[name](bytearray(TEXT)))
            join(child)
    finally:
        stop.set()
        thread.join()
    check(not wrong, f"{wrong} gave wrong answers")
    return cases


def nested(folder: Path, cases: int) -> int:
    """A signal handler that makes a call, in the middle of a call, and of such a handler's."""
    rng, wrong, depth, hit = random.Random(3), [], 0, 0

    def handler(number, frame):
        nonlocal depth, hit
        hit, depth = hit + 1, depth + 1
        if depth < 4:
            signal.setitimer(signal.ITIMER_REAL, 0.0003)
        name = rng.choice(list(searches()))
        if not searches()[name](bytearray(TEXT)):
            wrong.append(name)
        depth -= 1

    signal.signal(signal.SIGALRM, handler)
    for _ in range(cases):
        name = rng.choice(CALLS)
        with edited(folder) as path:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.00002, 0.003))
            check(a_call(name, path, bytearray(TEXT))(), f"{name}: wrong")
        signal.setitimer(signal.ITIMER_REAL, 0)
    check(not wrong, f"{wrong} gave wrong answers in a handler")
    check(hit, "no signal came")
    return cases


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
