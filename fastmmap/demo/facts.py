"""The two facts that the demo ends with: what becomes of a search whose file is cut, and of appends before a kill -9.

Both are done by processes of their own, and what is said is what became of those.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from .. import _backend
from ..logs.appender import Appender
from ..recovering import recover
from . import children
from .children import GO, READY, RECORD
from .interrupts import held_interrupts

APPENDS = 1_000_000
RECORD_SIZE = len(RECORD % 0)
FILE_SIZE = 9 << 18  # a third of it is whole pages everywhere
BLOCK = 10_000  # records that are made, and compared, together

PROGRAM = children.__file__
PACKAGES = str(Path(__file__).parents[2])  # the folder that this package is in


class Fact(NamedTuple):
    """What was done, what became of it without this package and with it, and whether that is as it should be."""

    title: str
    theirs: str
    ours: str
    holds: bool

    def __str__(self) -> str:
        line = f"{self.title:33}{self.theirs:30}{self.ours}".rstrip()
        return line if self.holds else f"{line}  (not as it should be)"


class Unexpected(Exception):
    """A process that did something else than it was to do."""


def truncation(folder: Path, size: int = FILE_SIZE) -> Fact:
    """Two processes search a file. When both have found something, it is cut to a third, and they go on."""
    title = "file truncated during a search"
    why_not = what_is_missing()
    if not why_not and not _backend.NATIVE:
        why_not = "there are no extensions"
    if why_not:
        return not_shown(title, why_not)
    file, rest = folder / "searched", size // 3
    with file.open("wb") as out:
        for place in range(0, size, BLOCK * RECORD_SIZE):
            out.write(records(0, BLOCK)[: size - place])
    try:
        with ExitStack() as stack:
            theirs = stack.enter_context(child("mmap module", "search_with_mmap", file))
            ours = stack.enter_context(child("fastmmap", "search_with_fastmmap", file))
            theirs.wait_until_ready()
            ours.wait_until_ready()
            os.truncate(file, rest)
            theirs.go_on()
            ours.go_on()
            they_ended, we_ended = theirs.ending(), ours.ending()
    except Unexpected as error:
        return Fact(title, str(error), "", False)
    finally:
        file.unlink()
    holds = (they_ended, we_ended) == ("killed (SIGBUS)", f"MappedFileError at {rest:,}")
    return Fact(title, f"mmap module: {they_ended}", f"fastmmap: {we_ended}", holds)


def kill(folder: Path, number: int = APPENDS) -> Fact:
    """Two processes append records, and are killed when they have appended the last. Then the records are counted."""
    title = f"kill -9 after {number:,} appends"
    file, log = folder / "buffered", folder / "log"
    why_not = what_is_missing() or why_a_kill_loses(log)
    if why_not:
        return not_shown(title, why_not)
    try:
        with ExitStack() as stack:
            theirs = stack.enter_context(child("buffered file", "append_to_file", file, number))
            ours = stack.enter_context(child("Appender", "append_with_appender", log, number))
            for writer in (theirs, ours):
                writer.wait_until_ready()
            for writer in (theirs, ours):
                writer.kill()
                if (ending := writer.ending()) != "killed (SIGKILL)":
                    raise Unexpected(f"{writer.name}: {ending}")
    except Unexpected as error:
        return Fact(title, str(error), "", False)
    lost = number - count_records(file)
    seen = count_records(log)
    recover(log)
    kept = count_records(log)
    said = f"Appender: lost {number - kept:,}, {kept - seen:,} recovered"
    if others := log.stat().st_size - kept * RECORD_SIZE:
        said += f", {others:,} bytes too many"
    return Fact(title, f"buffered file: lost {lost:,}", said, kept == number and not others)


def not_shown(title: str, why: str) -> Fact:
    return Fact(title, f"not shown here: {why}", "", True)


def what_is_missing() -> str:
    """Why such processes can't be had here; nothing where they can."""
    if sys.platform != "linux":
        return "it is for Linux"
    if not sys.executable or not os.path.isfile(PROGRAM):
        return "it takes a Python that can be started, and this package as files"
    return ""


def why_a_kill_loses(log: Path) -> str:
    """Why an Appender's stage isn't a file there; nothing where it is one."""
    with held_interrupts(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with Appender(log) as appender:
            survives = appender.survives_kill
    return "" if survives else " ".join(str(warning.message) for warning in said)


def records(first: int, number: int) -> bytes:
    return b"".join([RECORD % place for place in range(first, first + number)])


def count_records(file: Path) -> int:
    """How many records the file begins with, each in its place. A part of one isn't counted."""
    count = 0
    with file.open("rb") as source:
        while block := source.read(BLOCK * RECORD_SIZE):
            number = len(block) // RECORD_SIZE
            if not block.startswith(records(count, number)):
                found = (block[place * RECORD_SIZE :] for place in range(number))
                return next(place for place, rest in enumerate(found, count) if not rest.startswith(RECORD % place))
            count += number
    return count


class Child:
    """A process that runs one of the functions of children.py."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin
        assert process.stdout
        self.name, self._process = name, process
        self._input, self._output = process.stdin, process.stdout

    def wait_until_ready(self) -> None:
        """Returns when it has come to where it waits for us."""
        line = self._output.readline()
        if line != READY:
            raise Unexpected(f"{self.name}: {_last_line(line + self._output.read())}")

    def go_on(self) -> None:
        with suppress(BrokenPipeError):  # it has ended: `ending` says how
            self._input.write(GO)

    def kill(self) -> None:
        """As kill -9 does."""
        self._process.kill()

    def ending(self) -> str:
        """How it ended: by which signal, or what it said."""
        said, status = self._output.read(), self._process.wait()
        return f"killed ({signal.Signals(-status).name})" if status < 0 else _last_line(said)

    def stop(self) -> None:
        """It is no more when this returns, nor is there anything left of it."""
        self._process.kill()
        self._process.wait()
        self._input.close()
        self._output.close()


@contextmanager
def child(name: str, function: str, file: Path, number: int = 0) -> Iterator[Child]:
    """A process for a function of children.py, named for the reader, which is gone at the end of the block.

    It knows this process's folders of modules, and nothing of its environment that is for Python: no fault handler, no
    warnings, no bytecode that is written. It ends by itself if this process is killed.
    """
    options = ["-I", "-B", "-W", "ignore"]
    if sys.pycache_prefix:
        options += ["-X", f"pycache_prefix={sys.pycache_prefix}"]
    command = [sys.executable, *options, PROGRAM, function, str(file), str(number), PACKAGES, *sys.path]
    started = None
    try:
        with held_interrupts():
            process = subprocess.Popen(
                command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            started = Child(name, process)
        yield started
    finally:
        if started is not None:
            with held_interrupts():
                started.stop()


def _last_line(said: bytes) -> str:
    """Of a traceback, for one, the error."""
    return (said.decode(errors="replace").strip().splitlines() or ["it ended"])[-1]
