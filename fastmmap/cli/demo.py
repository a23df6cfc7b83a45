"""fastmmap demo: a race against plain files and the mmap module."""

from __future__ import annotations

import argparse
from typing import Any

from .options import plain, size
from .status import FOUND, NOT_FOUND


def add(commands: Any) -> None:
    """Its arguments."""
    demo = commands.add_parser("demo", help="race this package against plain files and the mmap module")
    demo.add_argument("file", metavar="FILE", nargs="?", type=plain, help="a text to use, which isn't changed; without "
                      "FILE, one is made")  # fmt: skip
    demo.add_argument("--size", metavar="SIZE", type=size, default=256 << 20, help="of the text that is made: 256M")


def run(options: argparse.Namespace) -> int:
    """Runs the race, and returns the status."""
    from .race import demo  # which imports much that no other command needs

    return FOUND if demo(options.file, options.size) else NOT_FOUND
