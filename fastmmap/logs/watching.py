"""Waiting for changes of files: told by the system where it can, by looking now and then elsewhere."""

from __future__ import annotations

import os
import time
from typing import Any

from .. import _imports, system
from ..blame import ignoring
from ..descriptors import Descriptor

# How many seconds pass at most between two looks, whether or not the watch has told of changes. Without one there are
# more, the fewer the longer nothing comes.
_MOST = 1.0
_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.25)


class Watch:
    """What tells that files or folders have changed, if the system has that."""

    def __init__(self) -> None:
        self._file = Descriptor(system.open_watch())

    def add(self, path: Any) -> int:
        """Has a file or folder watched; the number of its watch. -1 if it isn't: it is looked at now and then."""
        if self._file.fd >= 0:
            with ignoring(OSError):
                return system.add_watch(self._file.fd, path)
        return -1

    def remove(self, number: int) -> None:
        """Ends a watch, unless the file is gone."""
        if self._file.fd >= 0 and number >= 0:
            with ignoring(OSError):
                system.remove_watch(self._file.fd, number)

    def close(self) -> None:
        """Closes it."""
        self._file.close()

    def patience(self, timeout: float | None) -> Patience:
        """How long is waited from now on."""
        return Patience(timeout, () if self._file.fd >= 0 else _PAUSES)

    def wait(self, seconds: float) -> bool:
        """Waits so long at most; whether there was a change, as far as it is told."""
        fd = self._file.fd
        if fd < 0:
            time.sleep(seconds)
            return False
        changed = system.wait(fd, seconds=seconds)
        if changed:
            self._forget()
        return changed

    async def wait_async(self, seconds: float) -> bool:
        """wait, for a task of asyncio's."""
        asyncio = _imports.load("asyncio")
        changed, loop, fd = asyncio.Event(), asyncio.get_running_loop(), self._file.fd
        try:
            if fd < 0:
                raise NotImplementedError
            loop.add_reader(fd, changed.set)
        except NotImplementedError:  # as by a loop of Windows
            await asyncio.sleep(seconds)
            return False
        try:
            await asyncio.wait_for(changed.wait(), seconds)
        except asyncio.TimeoutError:
            return False
        finally:
            loop.remove_reader(fd)
        self._forget()
        return True

    def _forget(self) -> None:
        """Takes what it has told: that there is something is all that is of interest."""
        with ignoring(OSError):  # a forked process may have taken it, or it was closed meanwhile
            while len(os.read(self._file.fd, 1 << 16)) > 1 << 15:
                pass


class Patience:
    """How long is waited for lines."""

    def __init__(self, timeout: float | None, pauses: tuple[float, ...]) -> None:
        self._end = None if timeout is None else time.monotonic() + timeout
        self._pauses = iter(pauses)
        self._longest = pauses[-1] if pauses else _MOST

    def pause(self) -> float | None:
        """How many seconds there are until the next look; None when no more is to be waited."""
        pause = next(self._pauses, self._longest)
        if self._end is None:
            return pause
        left = self._end - time.monotonic()
        return min(pause, left) if left > 0 else None
