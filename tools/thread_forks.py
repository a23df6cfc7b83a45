"""Forks, and calls within calls, in the middle of large calls: kinds of thread_faults.py."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from thread_calls import (
    CALLS,
    NEW,
    TEXT,
    a_call,
    check,
    check_quiet,
    edit,
    edited,
    searches,
)


def join(child: int) -> None:
    status = os.waitpid(child, 0)[1]
    check(status == 0, f"a forked child's answer is wrong, or it hung: {status}")


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
    for case in range(20 * cases):
        if case >= cases and hit:  # on a busy machine the alarm may always come before a call, or behind it
            break
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

    calls = fork_at = forked = 0

    def progress(done, total):
        nonlocal calls, forked
        calls += 1
        if calls == fork_at and os.getpid() == parent:
            child = os.fork()
            if child:
                forked += 1
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
    check(forked, "no call of progress came to its fork")
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
