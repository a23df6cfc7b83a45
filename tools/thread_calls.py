"""The large calls that thread_faults.py lets things happen in, and what is checked of each."""

from __future__ import annotations

import _thread
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fastmmap
from fastmmap import _backend, indexes, many, parallel

LINE = b"the cat and the other cat, the dog \n"
TEXT = LINE * 1000
NEW = TEXT.replace(b"cat", b"horse")
PAIRS = {b"cat": b"horse", b"and": b"&", b"dog": b"cat", b"absent": b"there"}
NEW_BY_PAIRS = re.sub(b"|".join(PAIRS), lambda match: PAIRS[match.group()], TEXT)
DOG = re.compile(rb"do[g]\b")
STARTS = list(range(0, len(TEXT), len(LINE)))
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


class InParts:
    """A kernel for many needles that has small buffers worked on by threads, too."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel

    def __getattr__(self, name: str) -> Any:
        return getattr(self.kernel, name)

    def workers(self, *arguments: object) -> int:
        return THREADS


def check_told(done: int, total: int) -> None:
    check(0 <= done <= total == len(TEXT), "a wrong word of how far a call is")


def searches() -> dict[str, Callable[[bytearray], object]]:
    """Calls in several threads, by name: each answers True where its answer is right."""
    kernel, end = _backend.chosen, len(TEXT)
    several = many.ManyVerbs(InParts(many.verbs_of(kernel.name).kernel))
    needles, single = [b"dog", b"absent", b"the dog"], {"ignorecase": False, "threads": THREADS}

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
        "count with progress": lambda b: (
            parallel.count(kernel, parallel.Haystack(b, 0, end, lambda *told: None), b"cat", False, False, THREADS)
            == 2000
        ),
        "the index of lines": lambda b: indexes.LineIndex().of(b, THREADS)[1] == TEXT.count(b"\n"),
        "grep": lambda b: [match.start for match in fastmmap.grep(b, DOG, threads=THREADS)] == STARTS,
        "grep, what doesn't match": lambda b: not list(fastmmap.grep(b, DOG, invert=True, threads=THREADS)),
        "find many": lambda b: several.find(b, [b"absent", b"cot"], 0, end, **single) == -1,
        "rfind many": lambda b: several.rfind(b, needles, 0, end, **single) == TEXT.rfind(b"dog"),
        "count_each": lambda b: several.count_each(b, needles, threads=THREADS).tolist() == [0, 0, 1000],
        "find_each": lambda b: (
            several.find_each(b, needles, threads=THREADS)[0].tolist()
            == list(range(LINE.index(b"the dog"), end, len(LINE)))
        ),
    }


SIZES = parallel.BLOCK, parallel.WORTHWHILE, parallel.ROOM
CALLS = (*searches(), "replace_file", "replace_file by pairs")


@contextmanager
def edited(folder: Path) -> Iterator[Path]:
    """A file to be edited, which is old or new afterwards."""
    path = folder / "file"
    path.write_bytes(TEXT)
    yield path
    check(path.read_bytes() in (TEXT, NEW, NEW_BY_PAIRS), "the file is neither old nor new")


def edit(path: Path, progress: Callable[[int, int], object] | None = None) -> bool:
    done = fastmmap.replace_file(path, b"cat", b"horse", threads=THREADS, progress=progress, durable=False)
    return int(done) == 2000 and path.read_bytes() == NEW


def edit_by_pairs(path: Path) -> bool:
    done = fastmmap.replace_file(path, PAIRS, threads=THREADS, durable=False)
    return int(done) == 4000 and path.read_bytes() == NEW_BY_PAIRS


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
    edits = {"replace_file": edit, "replace_file by pairs": edit_by_pairs}
    return (lambda: edits[name](path)) if name in edits else (lambda: searches()[name](buffer))


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
