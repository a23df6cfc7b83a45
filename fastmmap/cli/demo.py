"""fastmmap demo: a race against plain files and the mmap module."""

from __future__ import annotations

from .options import Argument, Command, Given, Option
from .status import FOUND, NOT_FOUND
from .values import size


def run(given: Given) -> int:
    """Runs the race, and returns the status."""
    from .race import demo  # which imports much that no other command needs

    return FOUND if demo(given.the_file, given.size) else NOT_FOUND


COMMAND = Command(
    "demo",
    "Race this package against plain files and the mmap module, on this machine",
    run,
    [Argument("FILE", "a text to use, which isn't changed; without FILE, one is made", least=0, by_name=True)],
    options=[
        Option("--size", "how large the text is that is made: 256M", "SIZE", size, default=256 << 20),
    ],
    examples=[("fastmmap demo", "ten seconds"), ("fastmmap demo --size 64M", "a smaller text")],
)
