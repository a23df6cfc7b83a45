"""fastmmap append: text, or standard input, at the end of a file."""

from __future__ import annotations

import errno
import os
import stat

from .. import growing, system
from ..errors import naming
from ..logs.log import check_appendable
from . import shared
from .options import Argument, Command, Given, Option
from .status import FOUND
from .values import literal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# How much of standard input is appended at a time.
BLOCK = 1 << 20


def run(given: Given) -> int:
    """Each TEXT, or all of standard input, at the end of the file, also while others append to it."""
    texts, file = _texts(given), given.the_file
    if texts is None:
        with naming(0):
            os.read(0, 0)  # an error, before anything is made, where it is closed
    with naming(file):
        fd = system.calls.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | system.calls.O_CLOEXEC, 0o666)
        try:
            status = os.fstat(fd)
            check_appendable(status)
            append = growing.append_whole if stat.S_ISREG(status.st_mode) else system.write_all
            if texts is not None:
                append(fd, memoryview(b"".join(texts)))
            else:
                append_input(fd, append)
        finally:
            os.close(fd)
    return FOUND


def _texts(given: Given) -> list[bytes] | None:
    """What is appended; None for standard input. An error in it ends the command."""
    if given.texts in ([], ["-"]):
        for option in ("--escapes", "--newline"):
            if getattr(given, given.command.option(option).key):
                given.command.fail(f"option {option} needs a TEXT argument: standard input is appended as it is")
        return None
    end = b"\n" if given.newline else b""
    try:
        return [literal(text, given.escapes) + end for text in given.texts]
    except ValueError as error:
        given.command.fail(f"TEXT: {error}")


def append_input(fd: int, append: Callable[[int, memoryview], Any]) -> None:
    """Standard input, as it comes. A block that can't be appended whole is taken back, those before stay."""
    ours, theirs = os.fstat(fd), os.fstat(0)
    if stat.S_ISREG(theirs.st_mode) and os.path.samestat(ours, theirs):
        raise OSError(errno.EINVAL, "input file is output file")
    done = 0
    while True:
        with naming(0):
            block = system.read_some(0, BLOCK)
        if not block:
            return
        try:
            append(fd, memoryview(block))
        except OSError as error:
            if done and not isinstance(error, BrokenPipeError):
                text = f"{error.strerror}, after {done} bytes of standard input were appended"
                raise OSError(error.errno, text) from None
            raise
        done += len(block)


COMMAND = Command(
    "append",
    "Append text, or standard input, to a file, which is created if it doesn't exist",
    run,
    [
        Argument("FILE", "the file", by_name=True),
        Argument("TEXT", "what to append; - or none for standard input", least=0, many=True),
    ],
    about="Each call's text is in the file whole, whoever else appends to it meanwhile.",
    options=[shared.ESCAPES, Option("--newline", "end each TEXT with a newline")],
    examples=[
        ("fastmmap append --newline app.log 'deployed 1.4'", "a line"),
        ("command | fastmmap append out.log", "what a program prints"),
        (r"fastmmap append --escapes data.bin '\0\0'", "two NUL bytes"),
    ],
)
