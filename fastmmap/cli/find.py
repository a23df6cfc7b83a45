"""fastmmap find: the byte offset of every match."""

from __future__ import annotations

import argparse
import os
from typing import Any

from .files import how, on_each_file, prefix
from .options import Parser, whole
from .output import out
from .streaming import Source


def add(commands: Any, needle: Parser) -> None:
    """Its arguments."""
    find = commands.add_parser("find", parents=[needle], help="print the byte offset of every match")
    find.add_argument("-m", "--max-count", metavar="N", type=whole, help="stop after N matches in a file")


def run(options: argparse.Namespace) -> int:
    """Runs it on each file, and returns the status."""
    return on_each_file(find_in, options)


def find_in(options: argparse.Namespace, file: str) -> bool:
    label, found = os.fsencode(prefix(options, file)), False
    with Source(file) as source:
        for offsets in source.matches(options.needle, options.max_count, **how(options)):
            found = True
            out.put(b"".join([b"%b%d\n" % (label, offset) for offset in offsets]))
            out.flush()
    return found
