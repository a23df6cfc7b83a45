"""The command from a shell, a process against a process: its start, one file, many small ones, several needles.

Each run is a process of its own, with all that its start takes. The command is what pip has installed; its answers are
those of bytes. Peers that aren't installed are left out.
"""

from __future__ import annotations

import functools
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import corpora
from .measure import Runner, WrongAnswer, row

# The text is of lines that programs write, as most that is searched from a shell.
TEXT = "syslog"
FREQUENT, ABSENT = b"sshd", b"sshd[0]: no such"
FIVE = [b"segfault", b"oom-killer", b"nf_conntrack: table full", b"refused connect", b"kernel panic"]

# Many files, as they lie in a folder of logs.
FILES, FILE_SIZE = 300, 100_000

# The command as pip installs it, beside this Python.
COMMAND = Path(sys.executable).parent / "fastmmap"

# Where each program stands, and its name in the tables.
OURS, RIPGREP, GREP = "fastmmap (process)", "ripgrep (process)", "grep (process)"


@dataclass
class Question:
    """What is asked of each program, and what the answers add up to."""

    title: str
    commands: dict[str, list[Any]]
    expected: int
    quiet: bool = False  # whether it counts nothing: then the status is what is looked at

    def ask(self, program: str) -> int:
        """Runs a program, and adds up what it prints: its lines' numbers, or without any its lines."""
        done = subprocess.run([*map(os.fsencode, self.commands[program])], stdout=subprocess.PIPE, env=environment())
        if self.quiet:
            return done.returncode
        numbers = [line.rpartition(b":")[2].partition(b"\t")[0] for line in done.stdout.splitlines()]
        return sum(map(int, numbers)) if all(number.isdigit() for number in numbers) else len(numbers)


@functools.cache
def environment() -> dict[str, str]:
    """The environment, in which Python keeps what it has compiled, as for any user, and grep compares bytes."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "LC_ALL": "C"}


def programs(ours: list[Any], rg: list[Any], grep: list[Any] | None) -> dict[str, list[Any]]:
    """The command lines of those that are installed."""
    found = {OURS: [COMMAND if COMMAND.exists() else shutil.which("fastmmap"), *ours]}
    if shutil.which("rg"):
        found[RIPGREP] = ["rg", "--no-config", *rg]
    if grep is not None and shutil.which("grep"):
        found[GREP] = ["grep", *grep]
    return found


def needles(flags: list[bytes]) -> list[bytes]:
    return [part for needle in flags for part in (b"-e", needle)]


def questions(file: Path, small: list[Path], text: mmap.mmap) -> Iterator[Question]:
    """What is asked about a large file and many small ones."""
    name = file.name
    matched = sum(FREQUENT in line for line in text[:].splitlines())
    for needle in (ABSENT, FREQUENT):
        shown = os.fsdecode(needle)
        yield Question(
            f"count {shown!r} in {name}",
            programs(["count", needle, file], ["-F", "--count-matches", "--include-zero", needle, file], None),
            text[:].count(needle),
        )
        lines = matched if needle == FREQUENT else 0
        yield Question(
            f"lines with {shown!r} in {name}",
            programs(["grep", needle, file], ["-FN", needle, file], ["-aF", needle, file]),
            lines,
        )
    five = needles(FIVE)
    yield Question(
        f"lines with one of five needles in {name}",
        programs(["grep", *five, file], ["-FN", *five, file], ["-aF", *five, file]),
        sum(any(needle in line for needle in FIVE) for line in text[:].splitlines()),
    )
    each = sum(path.read_bytes().count(FREQUENT) for path in small)
    yield Question(
        f"count {os.fsdecode(FREQUENT)!r} in {len(small)} files of 100 KB",
        programs(["count", FREQUENT, *small], ["-F", "--count-matches", "--include-zero", FREQUENT, *small], None),
        each,
    )


def starting(folder: Path) -> Question:
    """What a start takes: a file of one line, beside a Python that only imports argparse."""
    path = folder / "one-line"
    path.write_bytes(b"nothing\n")
    commands = programs(["count", "absent", path], ["-c", "absent", path], None)
    commands["python -c 'import argparse'"] = [sys.executable, "-c", "import argparse, sys; sys.exit(1)"]
    return Question("a start: count in a file of one line", commands, 1, quiet=True)


def run_row(question: Question, text: mmap.mmap, budget: float) -> dict[str, Any]:
    """One question, in turns."""

    def check(answer: int, program: str) -> None:
        if answer != question.expected:
            raise WrongAnswer(f"{program}: {question.title}: {answer}, and not {question.expected}")

    runners = [
        Runner(name, functools.partial(question.ask, name), nothing, functools.partial(check, program=name))
        for name in question.commands
    ]
    return row(question.title, "shell", text, runners, budget)


def nothing() -> None:
    pass


def run_all(folder: Path, largest: str, budget: float) -> Iterator[dict[str, Any]]:
    """The start, and each question; 200 MB of text are asked about, too, where there may be as many."""
    file = corpora.corpus_file(folder, TEXT, largest)
    ask: Callable[[Question, mmap.mmap], dict[str, Any]] = functools.partial(
        run_row, budget=max(budget, 1.0) if budget else 0
    )
    with tempfile.TemporaryDirectory(dir=folder) as made:
        small = small_files(Path(made), file)
        smaller = Path(made) / "200MB"
        with file.open("rb") as whole, smaller.open("wb") as out:
            shutil.copyfileobj(Limited(whole, 200_000_000), out, 1 << 20)
        for each in dict.fromkeys((smaller, file)):
            with each.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as text:
                if each is smaller:
                    yield ask(starting(Path(made)), text)
                for question in questions(each, small, text):
                    if each is smaller or "files" not in question.title:
                        yield ask(question, text)


class Limited:
    """A file's first bytes."""

    def __init__(self, file: Any, size: int) -> None:
        self._file, self._left = file, size

    def read(self, size: int) -> bytes:
        block: bytes = self._file.read(min(size, self._left))
        self._left -= len(block)
        return block


def small_files(folder: Path, source: Path) -> list[Path]:
    """Parts of a text, each in a file of its own."""
    data = source.read_bytes()[: FILES * FILE_SIZE]
    made = []
    for number in range(FILES):
        path = folder / f"{number:03}.log"
        start = number * FILE_SIZE // 4 % max(len(data) - FILE_SIZE, 1)
        path.write_bytes(data[start : start + FILE_SIZE])
        made.append(path)
    return made
