"""Pipes, of which Windows tells little: when one can be read or written to is found by looking now and then."""

from __future__ import annotations

import errno
import os
import time

from . import windows_api as api

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# FilePipeLocalInformation: ten numbers of 32 bits, of which the ninth is NamedPipeState.
_INFORMATION, _SIZE, _STATE = 24, 40, slice(32, 36)
_CLOSING = 4  # FILE_PIPE_CLOSING_STATE

# So much is written by one call: what can't be written to has to be copied for it.
_PIECE = 1 << 20

# How many seconds pass between two tries to write.
_TRIES = 0.002


def pauses() -> Iterator[float]:
    """How many seconds pass between two looks at what can't be waited for together with signals."""
    yield from (0.0, 0.0005, 0.001, 0.002, 0.005)
    while True:
        yield 0.01


def wait(fd: int, writes: bool, seconds: float | None) -> bool:
    """A pipe can be asked whether there is something in it; whether there is room in it is tried, after a pause."""
    if writes:
        time.sleep(_TRIES if seconds is None else min(_TRIES, seconds))
        return True
    end = None if seconds is None else time.monotonic() + seconds
    waits = pauses()
    while not _is_readable(fd):
        left = 1.0 if end is None else end - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(next(waits), left))
    return True


def _is_readable(fd: int) -> bool:
    handle, there = api.handle_of(fd), api.number()
    if not api.is_pipe(fd):
        return True
    return not api.function("PeekNamedPipe")(handle, None, 0, None, api.at(there), None) or there.value > 0


def has_no_reader(fd: int) -> bool:
    """Whether a descriptor is that of a pipe whose other end is closed."""
    status, answer = api.buffer(16), api.buffer(_SIZE)
    if not api.is_pipe(fd):
        return False
    failed = api.function("NtQueryInformationFile")(api.handle_of(fd), status, answer, _SIZE, _INFORMATION)
    return not failed and int.from_bytes(answer[_STATE], "little") == _CLOSING


def write_to_pipe(fd: int, data: Any) -> int:
    """What os.write does, with the errors that it has no number for: there is no reader; it is full, and doesn't wait.

    A pipe that doesn't wait may take nothing of what it has no room for as a whole.
    """
    with memoryview(data) as view, view[:_PIECE] as piece:
        memory, size = api.memory(data if len(view) <= _PIECE else piece)
    if size == 0:
        return 0
    done = api.number()
    while size:
        if not api.function("WriteFile")(api.handle_of(fd), memory, size, api.at(done), None):
            ended = api.last_error()
            if ended in (api.ERROR_BROKEN_PIPE, api.ERROR_NO_DATA):
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
            raise api.error(ended)
        if done.value:
            return int(done.value)
        size //= 2
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
