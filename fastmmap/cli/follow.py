"""fastmmap follow: the lines of a log as they arrive."""

from __future__ import annotations

import os
import time

from .. import system
from ..errors import naming
from .options import Argument, Command, Given, Option
from .output import out
from .status import FOUND, NOT_FOUND
from .values import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..logs.follow import Follower

# How many seconds pass until it is noticed that nobody reads the output any more.
_LOOK = 1.0


def run(given: Given) -> int:
    """Prints lines until it is interrupted, or nothing has come for a time."""
    from ..logs.follow import follow  # now: no other command needs it

    saved = None if given.state is None else _saved(given.state)
    start = next(each for each in (saved, given.start, "end") if each is not None)
    most = float("inf") if given.timeout is None else given.timeout
    status, end = NOT_FOUND, time.monotonic() + most
    with follow(given.the_file, start=start, timeout=min(most, _LOOK)) as lines:
        if given.state is not None:
            _save(given.state, lines)  # killed before the first line, it goes on here
        while True:
            batch = lines._batch()
            if not batch:
                if time.monotonic() >= end:
                    break
                out.check_open()
                continue
            status, end = FOUND, time.monotonic() + most
            out.put(b"".join(batch))
            if not batch[-1].endswith(b"\n"):  # it was rotated before its end
                out.put(b"\n")
            out.flush()
            if given.state is not None:
                _save(given.state, lines)
    return status


def _start(text: str) -> Any:
    """What --start says."""
    if text == "end":
        return text
    if text.isascii() and text.isdigit():
        return int(text)
    position = _position(text)
    if position is None:
        raise ValueError(f"{text!r} is neither end, nor an offset, nor INODE:OFFSET")
    return position


def _position(text: str) -> tuple[int, int] | None:
    """INODE:OFFSET; None for what isn't that."""
    inode, _, offset = text.partition(":")
    return (int(inode), int(offset)) if text.isascii() and inode.isdigit() and offset.isdigit() else None


def _saved(state: str) -> Any:
    """The position that a file keeps; None where there is no file."""
    try:
        with naming(state), open(state, "rb", opener=system.calls.open) as file:
            words = file.read(100).decode(errors="replace").strip()
    except FileNotFoundError:
        return None
    position = _position(words)
    if position is None:
        raise ValueError(f"{state} keeps no position: {words[:40]!r} isn't INODE:OFFSET")
    return position


def _save(state: str, lines: Follower) -> None:
    """Keeps a position: the old one or the new, whenever it is killed."""
    if lines.position is not None:
        new = os.path.join(os.path.dirname(state), f".{os.path.basename(state)}.new")
        with naming(state, always=True):
            try:
                with open(new, "w") as file:
                    file.write(":".join(map(str, lines.position)) + "\n")
                system.rename(new, state)
            except OSError:
                if os.path.lexists(new):
                    os.unlink(new)
                raise


COMMAND = Command(
    "follow",
    "Print the lines of a log as they arrive, through rotations",
    run,
    [Argument("FILE", "the log, which need not be there yet", by_name=True)],
    about="Status 0: there were lines; 1: there were none. Without --timeout only an interrupt ends it.",
    options=[
        Option("--start", "end (the default), an offset in bytes, or INODE:OFFSET, where an earlier one has come to",
               "WHERE", _start),
        Option("--state", "a file that keeps INODE:OFFSET: goes on there if it is there, and writes it after the lines "
               "are written", "STATE"),
        Option("--timeout", "end when no line has come for so many seconds", "SECONDS", seconds),
    ],
    examples=[
        ("fastmmap follow app.log", "as tail -F"),
        ("fastmmap follow --start 0 --timeout 0 app.log", "all that is there, and no more"),
        ("fastmmap follow --state seen app.log | ship", "goes on where it was, after a kill"),
    ],
)  # fmt: skip
