"""fastmmap follow: the lines of a log as they arrive."""

from __future__ import annotations

import argparse
import math
import os
import time
from typing import TYPE_CHECKING, Any

from ..errors import naming
from .options import plain
from .output import out
from .status import FOUND, NOT_FOUND

if TYPE_CHECKING:
    from ..logs.follow import Follower

# How many seconds pass until it is noticed that nobody reads the output any more.
_LOOK = 1.0


def add(commands: Any) -> None:
    """Its arguments."""
    follow = commands.add_parser("follow", help="print the lines of a log as they arrive, through rotations",
                                 description="Status 0: there were lines; 1: there were none. Without --timeout only "
                                 "an interrupt ends it.")  # fmt: skip
    follow.add_argument("file", metavar="FILE", type=plain)
    follow.add_argument("--start", metavar="WHERE", type=_start, help="end (the default), an offset in "
                        "bytes, or INODE:OFFSET, where an earlier one has come to")  # fmt: skip
    follow.add_argument("--state", metavar="STATE", type=plain, help="a file that keeps INODE:OFFSET: goes on there "
                        "if it is there, and writes it after the lines are written")  # fmt: skip
    follow.add_argument("--timeout", metavar="SECONDS", type=_seconds, help="end when no line has come for so long")


def run(options: argparse.Namespace) -> int:
    """Prints lines until it is interrupted, or nothing has come for a time."""
    from ..logs.follow import follow  # now: no other command needs it

    saved = None if options.state is None else _saved(options.state)
    start = next(each for each in (saved, options.start, "end") if each is not None)
    most = math.inf if options.timeout is None else options.timeout
    status, end = NOT_FOUND, time.monotonic() + most
    with follow(options.file, start=start, timeout=min(most, _LOOK)) as lines:
        if options.state is not None:
            _save(options.state, lines)  # killed before the first line, it goes on here
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
            if options.state is not None:
                _save(options.state, lines)
    return status


def _start(text: str) -> Any:
    """What --start says."""
    text = plain(text)
    if text == "end":
        return text
    if text.isascii() and text.isdigit():
        return int(text)
    position = _position(text)
    if position is None:
        raise argparse.ArgumentTypeError(f"{text!r} is neither end, nor an offset, nor INODE:OFFSET")
    return position


def _position(text: str) -> tuple[int, int] | None:
    """INODE:OFFSET; None for what isn't that."""
    inode, _, offset = text.partition(":")
    return (int(inode), int(offset)) if text.isascii() and inode.isdigit() and offset.isdigit() else None


def _seconds(text: str) -> float:
    """A number of seconds."""
    text = plain(text)
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not seconds >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 on")
    return seconds


def _saved(state: str) -> Any:
    """The position that a file keeps; None where there is no file."""
    try:
        with naming(state), open(state, "rb") as file:
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
            with open(new, "w") as file:
                file.write(":".join(map(str, lines.position)) + "\n")
            os.replace(new, state)
