"""fastmmap demo: a race against plain files and the mmap module, and what a kill loses."""

from __future__ import annotations

from .options import Argument, Command, Given, Option
from .status import FOUND, NOT_FOUND
from .values import size


def run(given: Given) -> int:
    """Runs the demo, and returns the status."""
    from ..demo import run as run_demo  # which imports much that no other command needs

    return FOUND if run_demo(given.the_file, given.size, given.plot) else NOT_FOUND


COMMAND = Command(
    "demo",
    "Race this package against plain files and the mmap module, and show what a kill loses",
    run,
    [Argument("FILE", "a text to use, which isn't changed; without FILE, one is made", least=0, by_name=True)],
    about="It takes some ten seconds, and 300 MB in the folder for temporary files. Every answer is compared.",
    options=[
        Option("--size", "how large the text is that is made: 128M", "SIZE", size, default=128 << 20),
        Option("--plot", "draw a chart too: a png or svg, by the name's end", "FILE"),
    ],
    examples=[("fastmmap demo", "on a text that is made"), ("fastmmap demo --plot chart.png big.log", "on one's own")],
)
