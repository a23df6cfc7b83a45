"""Goes through files: those that were named, and those in folders. The order, the status, the prefix of each line."""

from __future__ import annotations

import os
import stat
import time

from .output import complain, out
from .status import ERROR, FOUND, NOT_FOUND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeAlias

    from .options import Given

    # What takes output. Searches of several files at a time each have their own, so that it comes in order.
    Put: TypeAlias = Callable[[bytes], Any]
    # Does a command's work on a file, by so many threads at most; returns whether anything was found.
    Work: TypeAlias = Callable[[str, Put, int | None], bool]

# So many files are searched at a time, each by one thread, if none of them has this size.
TOGETHER, LARGE = 64, 8 << 20

# Before that many seconds have passed they are searched one by one.
ALONE = 0.05


def on_each_file(work: Callable[[Given, str], bool], given: Given) -> int:
    """Runs a command on one file after the other; after one that fails it goes on with the rest."""
    status = Status()
    for file in given.files:
        status.attempt(work, given, file)
    return status.number


class Status:
    """How a command will end: an error wins.

    walks: whether it has -r.
    """

    def __init__(self, emit: Put = out.put, walks: bool = False) -> None:
        self.found = self.failed = False
        self.emit, self._walks = emit, walks  # emit: what is found

    def attempt(self, work: Callable[..., bool], *arguments: Any) -> None:
        """Does the work on one file. If it fails that is said, and the command goes on with the rest."""
        try:
            self.found |= work(*arguments)
        except BrokenPipeError:
            raise
        except (OSError, ValueError, Warning) as error:  # PYTHONWARNINGS=error raises what is a warning otherwise
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Says what was the matter with one file, behind what was printed before; for a folder, the way out."""
        out.flush()
        if self._walks and isinstance(error, IsADirectoryError):
            error = IsADirectoryError(error.errno, f"{error.strerror}: -r takes the files in it", error.filename)
        complain(error)
        self.failed = True

    @property
    def number(self) -> int:
        """The status."""
        return ERROR if self.failed else FOUND if self.found else NOT_FOUND


def search_files(given: Given, files: list[str], work: Work, emit: Put = out.put) -> Status:
    """Searches files, several at a time where there are several; what they print is emitted in their order.

    With -q it ends with the first match.
    """
    status = Status(emit, walks=True)
    names = found_files(given, files, status)
    if len(files) == 1 and not given.recursive:
        _search_alone(given, next(names, None), work, status)
        return status
    batch: list[str] = []
    began = time.monotonic()
    for name in names:
        # While it goes quickly, other threads would be in the way of this one.
        if given.progress or (not batch and time.monotonic() - began < ALONE) or _is_large(name):
            _search_together(given, batch, work, status)
            batch = []
            if not _is_enough(given, status):
                _search_alone(given, name, work, status)
        else:
            batch.append(name)
        if len(batch) == TOGETHER:
            _search_together(given, batch, work, status)
            batch = []
        if _is_enough(given, status):
            return status
    _search_together(given, batch, work, status)
    return status


def _is_enough(given: Given, status: Status) -> bool:
    return status.found and getattr(given, "quiet", False)


def _search_alone(given: Given, name: str | None, work: Work, status: Status) -> None:
    if name is not None:
        status.attempt(work, name, status.emit, given.threads)


def _search_together(given: Given, names: list[str], work: Work, status: Status) -> None:
    """Searches small files, each by one thread."""
    if not names:
        return
    from .kernels import run, workers

    def search(name: str) -> tuple[list[bytes], bool, Exception | None]:
        pieces: list[bytes] = []
        try:
            return pieces, work(name, pieces.append, 1), None
        except (OSError, ValueError, Warning) as error:
            return pieces, False, error

    quiet = getattr(given, "quiet", False)
    threads = min(workers(given.threads), len(names))
    enough = (lambda done: done[1]) if quiet else None
    for pieces, found, error in run(search, [(name,) for name in names], threads, enough):
        for piece in pieces:
            status.emit(piece)
        status.found |= found
        if error is not None:
            status.fail(error)


def _is_large(name: str) -> bool:
    """Whether a file is searched by all threads, or isn't a file: standard input, a pipe."""
    if name == "-":
        return True
    try:
        status = os.stat(name)
    except OSError:
        return False  # whoever opens it says so
    return not stat.S_ISREG(status.st_mode) or status.st_size >= LARGE


def found_files(given: Given, files: list[str], status: Status) -> Iterator[str]:
    """The files that were named, and those in the folders that were. Folders that can't be read are errors."""
    if not given.recursive:
        if given.glob:
            given.command.fail("--glob is for the files in folders: give -r, too")
        yield from files
        return
    from ..beside import PREFIX
    from .globs import Globs

    # What is beside a log, or a file that is edited, is nobody's to search or to change; nor are backups.
    ours, backups = f"!{PREFIX}*", [f"!*{_escaped(given.backup)}"] if getattr(given, "backup", None) else []
    globs = Globs([*given.glob, *backups, ours])
    for name in files:
        if name != "-" and os.path.isdir(name or "."):
            yield from _walked(name, "", globs, status)
        else:
            yield name


def _escaped(text: str) -> str:
    """A glob that matches a text alone."""
    return "".join(f"\\{sign}" for sign in text)


def _walked(folder: str, within: str, globs: Any, status: Status) -> Iterator[str]:
    """The regular files in a folder and its folders, by name. `within` is its path in the folder that was named."""
    try:
        with os.scandir(folder or ".") as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        status.fail(error)
        return
    for entry in entries:
        path = f"{within}{entry.name}"
        name = os.path.join(folder, entry.name)
        if entry.is_dir(follow_symlinks=False):
            if not globs.leaves_out(path):
                yield from _walked(name, f"{path}/", globs, status)
        elif entry.is_file(follow_symlinks=False) and globs.takes(path):
            yield name


def has_prefix(given: Given, files: list[str]) -> bool:
    """Whether lines begin with their file's name."""
    if given.no_filename:
        return False
    return bool(given.with_filename or given.recursive or len(files) > 1)


def label_of(file: str) -> bytes:
    """What a file is called in the output: standard input as GNU grep calls it."""
    return b"(standard input)" if file == "-" else os.fsencode(file)


def prefix(given: Given, file: str) -> str:
    """The file's name, where there are several."""
    return f"{file}:" if len(given.files) > 1 else ""
