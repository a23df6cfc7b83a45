"""fastmmap count: how many matches there are."""

from __future__ import annotations

import argparse
from typing import Any

from .files import how, on_each_file, prefix
from .options import Parser
from .streaming import Source


def add(commands: Any, needle: Parser) -> None:
    """Its arguments."""
    commands.add_parser("count", parents=[needle], help="print the number of matches")


def run(options: argparse.Namespace) -> int:
    """Runs it on each file, and returns the status."""
    return on_each_file(count_in, options)


def count_in(options: argparse.Namespace, file: str) -> bool:
    with Source(file) as source:
        number = source.count(options.needle, **how(options))
    print(f"{prefix(options, file)}{number}")
    return number > 0
