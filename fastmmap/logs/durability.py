"""Syncs a log, and knows what would not survive a power loss yet."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import system
from ..blame import ours
from ..descriptors import Open
from ..errors import naming

if TYPE_CHECKING:
    from .log import Log


class Durability:
    """When an appender's log is synced, and whether a sync failed."""

    def __init__(self, name: Any, policy: str | None) -> None:
        self._name, self.policy = name, policy
        self.is_asked = policy is not None  # whether anybody wants anything to be synced
        self.is_pending = False  # whether there is something to sync
        self.has_name = False  # whether the name of the log would survive, too
        self.failure: OSError | None = None

    @property
    def is_due(self) -> bool:
        """Whether there is something to sync in time."""
        return self.policy is not None and self.is_pending

    def check(self) -> None:
        """Raises OSError once a sync has failed: the system may have dropped what it couldn't write."""
        if self.failure is not None:
            text = f"{self.failure.strerror}: a sync failed, and what was written before it may be lost"
            raise OSError(self.failure.errno, text, self._name)

    def sync(self, log: Callable[[], Log]) -> None:
        """Syncs the log, which a handler may change meanwhile, and its name."""
        self.is_pending = False
        try:
            with naming(self._name, always=True):
                done = None
                while done is not (current := log()):
                    done = current
                    self._sync_by(system.make_durable, done.file.fd)
                if not self.has_name:
                    self.sync_name(done)
        except BaseException:
            self.is_pending = True
            raise

    def sync_name(self, log: Log) -> None:
        """Syncs the folder once, because this appender may have created the file. A folder that is gone is skipped."""
        with Open() as directory:
            try:
                system.open_directory_into(directory, os.path.dirname(log.path))
            except ours(PermissionError):
                pass
            except ours(FileNotFoundError, NotADirectoryError):
                return
            else:
                self._sync_by(system.make_names_durable, directory.fd)
        self.has_name = True

    def _sync_by(self, call: Callable[[int], None], fd: int) -> None:
        """Syncs a file or a directory. An error is kept: every later call raises it."""
        try:
            call(fd)
        except ours(OSError) as error:
            if error.errno != errno.EINVAL:  # what a pipe answers, or a device
                self.failure = error  # which the system reports only once
            raise
