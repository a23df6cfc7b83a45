"""fastmmap append: text, or standard input, at the end of a file."""

from __future__ import annotations

import argparse
import errno
import os
import stat
from collections.abc import Callable
from typing import Any

from .. import growing, system
from ..errors import naming
from ..logs.log import check_appendable
from .options import Parser, literal, plain
from .status import FOUND

# How much of standard input is appended at a time.
BLOCK = 1 << 20


def add(commands: Any, escape: Parser) -> None:
    """Its arguments."""
    append = commands.add_parser("append", parents=[escape], help="append text, or standard input, to a file, which is "
                                 "created if it doesn't exist")  # fmt: skip
    append.add_argument("file", metavar="FILE", type=plain)
    append.add_argument("text", metavar="TEXT", nargs="*", type=literal, help="standard input if none is given")
    append.add_argument("-n", "--newline", action="store_true", help="end each TEXT with a newline")


def run(options: argparse.Namespace) -> int:
    """Each TEXT, or all of standard input, at the end of the file, also while others append to it."""
    with naming(0):
        if not options.text:
            os.read(0, 0)  # an error, before anything is made, where it is closed
    with naming(options.file):
        fd = os.open(options.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            status = os.fstat(fd)
            check_appendable(status)
            append = growing.append_whole if stat.S_ISREG(status.st_mode) else system.write_all
            if options.text:
                end = b"\n" if options.newline else b""
                append(fd, memoryview(b"".join([text + end for text in options.text])))
            else:
                append_input(fd, append)
        finally:
            os.close(fd)
    return FOUND


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
