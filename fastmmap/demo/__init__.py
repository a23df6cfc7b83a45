"""`fastmmap demo`: the same jobs done with plain files, the mmap module, the reference and the kernels, and two facts.

Every way must give the same answer. Times are of one run on this machine; what counts are the ratios.
"""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import system
from . import chart, facts
from .interrupts import held_interrupts
from .jobs import READ
from .race import Timing, race
from .table import LEGEND, open_table
from .texts import make_text


def run(file: str | None, size: int, plot: str | None = None) -> bool:
    """Runs the race on a text of `size` bytes, or on a copy of `file`, then shows the facts.

    plot: the name of a chart that is drawn of the race, png or svg. True when all answers agree and both facts hold.
    """
    if plot is not None:
        chart.check(plot, file)
    with _temporary_folder() as folder:
        text = folder / "text"
        if file is None:
            make_text(text, size)
        else:
            shutil.copyfile(file, text)
        if text.stat().st_size < READ:
            raise ValueError(f"{file or 'the text'} has fewer than {READ} bytes: too few for a race")
        machine = _machine(text.stat().st_size)
        print(f"{machine}\n")
        timings = _show_race(text, folder)
        text.unlink()
        if plot is not None:
            chart.draw(timings, "fastmmap demo: the same jobs in four ways", machine, plot)
            print(f"The chart is in {plot}.")
        print(
            '\nDone just now, by processes of their own ("recovered" is what fastmmap.recover took to the log):',
            flush=True,
        )
        holds = True
        for fact in (facts.truncation, facts.kill):
            found = fact(folder)
            print(found, flush=True)
            holds &= found.holds
        return holds and all(timing.agrees for timing in timings)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder that is gone afterwards, with what is in it, however the block ends."""
    folder = None
    try:
        with held_interrupts():
            folder = tempfile.mkdtemp(prefix="fastmmap-demo-")
        yield Path(folder)
    finally:
        if folder is not None:
            with held_interrupts():
                shutil.rmtree(folder)


def _machine(size: int) -> str:
    """What the times are of."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    length = f"{size >> 20} MiB" if size >= 1 << 20 else f"{size:,} bytes"
    number = system.cpus()
    cpus = "1 CPU" if number == 1 else f"{number} CPUs"
    return f"{python}, {platform.system()} {platform.machine()}, {cpus}, {length} of text"


def _show_race(text: Path, folder: Path) -> list[Timing]:
    """Prints the table as it grows, and whether all answers are equal."""
    timings = []
    with open_table() as table:
        for timing in race(text, folder):
            timings.append(timing)
            table.add(timing)
    print(f"\n{LEGEND}")
    differing = [timing for timing in timings if not timing.agrees]
    for timing in differing:
        print(f"{timing.job.name}: the answers differ: {timing.answers}")
    if not differing:
        print("All answers are equal.")
    return timings
