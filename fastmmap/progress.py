"""progress(done, total) of a long call: in the calling thread, at most ten times a second and at the end."""

from __future__ import annotations

from _thread import get_ident
from collections import deque
from time import monotonic

from . import _backend
from .blame import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias

    # Bytes that are done, and how many there are in all: None of a stream.
    Progress: TypeAlias = Callable[[int, Any], object]

# Seconds between two calls, at least.
PAUSE = 0.1


def check_progress(progress: Any) -> None:
    """TypeError for what can't be called."""
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be callable, as progress(done, total), not {type(progress).__name__!r}")


class Reporter:
    """Tells how many of `total` bytes are done; None if that isn't known. The calling thread alone does so.

    Others leave word of what they have done in a queue that needs no lock: `progress` may fork.
    """

    def __init__(self, progress: Progress, total: int | None) -> None:
        check_progress(progress)
        self._progress, self._total = progress, total
        self._caller = get_ident()
        self._news: deque[int] = deque()
        self._done = 0
        self._told_at = monotonic()

    def add(self, number: int) -> None:
        """So many bytes more are done."""
        self._news.append(number)
        if get_ident() == self._caller and monotonic() - self._told_at >= PAUSE:
            self._tell()

    def end(self, *, whole: bool = True) -> None:
        """The call ends: with all done, or with what it was asked for found before."""
        if whole and self._total is not None:
            self._news.append(self._total)
        self._tell()

    def _tell(self) -> None:
        while self._news:
            self._done += self._news.popleft()
        if self._total is not None:
            self._done = min(self._done, self._total)  # in a forked child some is done twice
        self._told_at = monotonic()
        call(self._progress, self._done, self._total)


def reporting(work: Callable[..., Any], reporter: Reporter, share: int) -> Callable[..., Any]:
    """Work on parts of so many bytes, which tells when one is done."""

    def do(*arguments: Any) -> Any:
        result = work(*arguments)
        reporter.add(share)
        return result

    return do


def run(
    work: Callable[..., Any], parts: Sequence[tuple[Any, ...]], threads: int, enough: Any, buffer: Any, told: Any
) -> list[Any]:
    """The backend's `run`. `told` is None, or progress(done, total) and how many bytes there are in all."""
    if told is None:
        results: list[Any] = _backend.run(work, parts, threads, enough, buffer)
        return results
    progress, total = told[0], max(told[1], 0)  # a range may begin behind its end
    reporter = Reporter(progress, total)
    work = reporting(work, reporter, total // max(len(parts), 1))
    results = _backend.run(work, parts, threads, enough, buffer)
    reporter.end(whole=len(results) == len(parts) and not (enough and results and enough(results[-1])))
    return results
