"""The table of the race, which grows as jobs are done: by rich on a terminal, if that is installed, else plain text."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from .jobs import WAYS
from .race import Timing

COLUMNS = ("job", *WAYS, "vs file", "vs mmap")
WIDTHS = (24, 14, 14, 14, 14, 9, 9)
LEGEND = "Milliseconds; reference: fastmmap in plain Python; vs: how many times faster the kernel is."


def cells(timing: Timing) -> list[str]:
    """A row of the table."""
    plain, mmap, _, kernel = timing.seconds
    return [timing.job.name, *map(milliseconds, timing.seconds), ratio(plain / kernel), ratio(mmap / kernel)]


def ratio(number: float) -> str:
    return f"{number:.{1 if number >= 1 else 2}f}x"


def milliseconds(seconds: float) -> str:
    """Three digits, or more where they are whole milliseconds."""
    number = seconds * 1000
    return f"{number:,.{0 if number >= 100 else 1 if number >= 10 else 2}f}"


class PlainTable:
    """Aligned text."""

    def __enter__(self) -> PlainTable:
        self._print(COLUMNS)
        return self

    def add(self, timing: Timing) -> None:
        """One more row, which is seen at once."""
        self._print(cells(timing))

    def _print(self, row: tuple[str, ...] | list[str]) -> None:
        first, *others = (cell.rjust(width) for cell, width in zip(row, WIDTHS))
        print(first.strip().ljust(WIDTHS[0]) + "".join(others), flush=True)

    def __exit__(self, *exception: object) -> None:
        pass


class RichTable:
    """The same, drawn by rich."""

    def __init__(self, rich: Any) -> None:
        console = import_module("rich.console").Console(file=sys.stdout, markup=False, highlight=False)
        self._table = import_module("rich.table").Table()
        for column in COLUMNS:
            ours = column == WAYS[-1]
            justify = "left" if column == COLUMNS[0] else "right"
            self._table.add_column(column, justify=justify, style="bold green" if ours else None)
        self._live = rich.Live(
            self._table, console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )

    def __enter__(self) -> RichTable:
        self._live.start(refresh=True)
        return self

    def add(self, timing: Timing) -> None:
        """One more row, which is seen at once."""
        self._table.add_row(*cells(timing))
        self._live.refresh()

    def __exit__(self, *exception: object) -> None:
        self._live.stop()


def open_table() -> PlainTable | RichTable:
    """The table for where standard output goes to."""
    encoding = getattr(sys.stdout, "encoding", None) or sys.getfilesystemencoding()
    if not sys.stdout.isatty() or not encoding.lower().startswith("utf"):  # its lines are no ASCII
        return PlainTable()
    try:
        return RichTable(import_module("rich.live"))
    except ImportError:
        return PlainTable()
