"""A progress bar on standard error, for long work on a terminal."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self

    from .options import Given

# A bar is shown for work that has taken so many seconds.
AFTER = 1.0


class Bar:
    """What is called as progress(done, total), in bytes. A bar appears when the work turns out to be long."""

    def __init__(self, name: str, insisted: bool) -> None:
        self._name, self._insisted = "standard input" if name == "-" else name, insisted
        self._began = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __call__(self, done: int, total: int | None) -> None:
        if self._bar is None:
            if not self._insisted and time.monotonic() - self._began < AFTER:
                return
            self._start(done, total)
        self._bar.update(self._task, completed=done, total=total)

    def _start(self, done: int, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        console = Console(stderr=True, force_terminal=True if self._insisted else None)
        columns = [TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(True),
                   TransferSpeedColumn(), TimeRemainingColumn()]  # fmt: skip
        self._bar = Progress(*columns, console=console, transient=not self._insisted)
        self._task = self._bar.add_task(os.path.basename(self._name).encode(errors="replace").decode(), total=total)
        self._bar.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._bar is not None:
            self._bar.stop()


class NoProgress:
    """Where nobody is to be told."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exception: Any) -> None:
        return


def progress_of(given: Given, name: str, size: int | None = None, *, prints: bool = False) -> Bar | NoProgress:
    """What is told how far the work on a file is: a bar, if somebody sees it, or asks for it.

    size: of the file, where it is known: no bar is needed for what takes no second. prints: whether what is found is
    printed meanwhile, and so tells enough on a terminal.
    """
    insisted = bool(given.progress)
    if not insisted and ((size is not None and size < 1 << 28) or not os.isatty(2) or (prints and os.isatty(1))):
        return NoProgress()
    return Bar(name, insisted) if _has_rich(insisted) else NoProgress()


def _has_rich(insisted: bool) -> bool:
    """Whether rich is installed. Where it was asked for, its lack is an error."""
    from importlib.util import find_spec

    if find_spec("rich") is not None:
        return True
    if insisted:
        raise ValueError("--progress needs rich: pip install 'fastmmap[progress]'")
    return False
