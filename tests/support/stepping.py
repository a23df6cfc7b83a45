"""Steps of a job: lines of some files, and calls that return to them, at which a test has something happen.

They are where Python runs signal handlers.
"""

from __future__ import annotations

import collections
import sys
from collections.abc import Callable, Hashable, Iterator
from types import CodeType, FrameType

# So often a place is tried: what a loop comes to a third time is as it was the second time.
VISITS = 2


def untried(places: list[Hashable], tried: collections.Counter[Hashable]) -> Iterator[int]:
    """The numbers of those steps whose places haven't been tried as often as is useful; counts them as tried."""
    visits: collections.Counter[Hashable] = collections.Counter()
    for number, place in enumerate(places, 1):
        visits[place] += 1
        if tried[place] < visits[place] <= VISITS:
            tried[place] += 1
            yield number


class Steps:
    """The steps of a job, counted from one."""

    def __init__(self, is_ours: Callable[[CodeType], bool], kinds: tuple[str, ...] = ("line",)):
        """
        is_ours : whether what a code object does are steps
        kinds : of steps: "line" before a line, "return" before a function returns, "c_return" behind a call of what is
            written in C
        """
        self._is_ours, self._kinds = is_ours, kinds

    def run(self, job: Callable[[], object], number: int, event: Callable[[], object]) -> bool:
        """Does a job and calls `event` at its n-th step, in its place. Returns whether it came so far."""
        left = number

        def step(frame: FrameType, kind: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self._watch(None)
                event()

        self._do(job, step)
        return left <= 0

    def places(self, job: Callable[[], object]) -> list[Hashable]:
        """Does a job and returns where its steps are: each line with the lines that called it."""
        found: list[Hashable] = []

        def step(frame: FrameType, kind: str) -> None:
            place, each = [kind], frame
            while each.f_code is not Steps._do.__code__:
                place += [each.f_code, each.f_lineno]
                each = each.f_back
            found.append(tuple(place))

        self._do(job, step)
        return found

    def _do(self, job: Callable[[], object], step: Callable[[FrameType, str], None]) -> None:
        before = sys.gettrace()
        try:
            self._watch(step)
            next(_alone(job), None)
        finally:
            self._watch(None)
            sys.settrace(before)

    def _watch(self, step: Callable[[FrameType, str], None] | None) -> None:
        if step is None:
            sys.settrace(None)
            sys.setprofile(None)
            return
        is_ours, kinds = self._is_ours, self._kinds

        def trace(frame, kind, _):
            if not is_ours(frame.f_code):
                return None
            if kind in kinds:
                step(frame, kind)
            return trace

        def profile(frame, kind, _):
            if kind == "c_return" and is_ours(frame.f_code):
                step(frame, kind)

        if "c_return" in kinds:
            sys.setprofile(profile)
        sys.settrace(trace)


def _alone(job: Callable[[], object]) -> Iterator[None]:
    """Does a job in a generator, whose handled exceptions are its own and end with it.

    Where a line begins with the end of an exception's handler, what is raised there by a trace function, as no signal
    handler can, leaves that exception to the caller, and with it the files and mappings in its frames.
    """
    job()
    yield
