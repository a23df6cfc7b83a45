"""fastmmap demo: a race against plain files and the mmap module, and what a kill loses."""

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
    demo.add_argument("--size", metavar="SIZE", type=size, default=128 << 20, help="of the text that is made: 128M")
    demo.add_argument("--plot", metavar="FILE", type=plain, help="draw a chart too: a png or svg, by the name's end")


def run(options: argparse.Namespace) -> int:
    """Runs the demo, and returns the status."""
    from ..demo import run as run_demo  # which imports much that no other command needs

    return FOUND if run_demo(options.file, options.size, options.plot) else NOT_FOUND
