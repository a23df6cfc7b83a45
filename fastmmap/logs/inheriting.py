"""A living writer takes over the stages of dead writers of the same log."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from .. import beside, system
from ..blame import ignoring, ours
from .lock import Lock
from .recovering import as_warning, is_stage, recover_stage

if TYPE_CHECKING:
    from .header import Header
    from .log import Log

# In nanoseconds: a folder that changed within this time may change again without a change of its mtime.
_RECENT = 10**9


class Others:
    """The stages of a log's other writers in one folder.

    The folder is listed only when it has changed. Those that are known are locked by their writers: whoever gets the
    lock of one takes it over, and two can't get it.
    """

    def __init__(self, place: str = "") -> None:
        self._place = place  # the path of a log that is whatever file is there
        self._seen = -1  # the folder's time when it was listed
        self._known: set[str] = set()
        self._left: set[str] = set()  # what can't be taken over

    def take_over(self, log: Log, folder: str, own: str) -> None:
        """Takes the stages of dead writers to the log.

        What the system refuses is tried again the next time. What can't be taken over for another reason is left alone
        without a word: whoever opens the log next is warned of it.
        """

        def wanted(header: Header, found: str | None) -> bool:
            return header.inode == log.status.st_ino or (header.by_path and header.path == self._place)

        with ignoring(OSError):
            self._list(log, folder)
        for name in sorted(self._known - self._left - {own}):
            path = os.path.join(folder, name)
            try:
                if _is_held(path):
                    continue
                self._known.discard(name)
                recover_stage(path, wanted, log.unsaid)
            except ours(FileNotFoundError):
                self._known.discard(name)
            except ours(OSError) as error:
                self._known.add(name)
                with ignoring(OSError):
                    as_warning(path, error)
                    self._left.add(name)

    def _list(self, log: Log, folder: str) -> None:
        changed = os.stat(folder).st_mtime_ns
        if changed != self._seen:
            lock = Lock(folder, log)
            is_one = is_stage if self._place else lock.has_stage
            self._known = {name for name in os.listdir(folder) if is_one(name)}
            self._left &= self._known
            self._seen = changed if abs(time.time_ns() - changed) > _RECENT else -1


def _is_held(path: str) -> bool:
    file = beside.adopt(path)
    try:
        return not system.lock(file.fd, wait=False)
    finally:
        file.close()
