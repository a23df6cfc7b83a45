"""When a log is rotated, and what its older files are called: as the standard library's handlers say."""

from __future__ import annotations

import copy
import os
import re
import time
from logging.handlers import RotatingFileHandler, TimedRotatingFileHandler
from typing import TYPE_CHECKING, Any

from ..blame import ignoring
from ..paths import is_taken

if TYPE_CHECKING:
    from .handler import LogHandler


class Rotation:
    """What both have. The names are those that the handler gives, and its users by its `namer` and `rotator`.

    It is a handler of the standard library that opens and writes nothing.
    """

    def __init__(self, owner: LogHandler, max_bytes: int, **options: Any) -> None:
        self.owner, self.max_bytes = owner, max_bytes
        # It looks at the file, which another process may rename in that moment: so it is given one that isn't there.
        nowhere = os.path.join(owner.baseFilename, "nowhere")
        super().__init__(nowhere, encoding="utf-8", delay=True, **options)  # type: ignore[call-arg]
        self.baseFilename = owner.baseFilename

    @property
    def rotates(self) -> bool:
        """Whether it does so at all."""
        return True

    @property
    def most(self) -> int:
        """The size that a file stays below; 0: any."""
        return self.max_bytes

    def is_full(self, size: int, length: int) -> bool:
        """Whether a file of that size is to be rotated before so many bytes are written to it."""
        return 0 < self.most <= size + length and size > 0

    def is_over(self) -> bool:
        """Whether the time of the file is over."""
        return False

    def begin(self, born: float) -> None:
        """A file that was made then, in seconds since the epoch, is the one that is written to now."""

    def rename(self) -> None:
        """Renames the file, and the older ones as far as that is needed; removes those that are too many."""
        raise NotImplementedError

    def rotation_filename(self, default_name: str) -> str:
        return self.owner.rotation_filename(default_name)

    def rotate(self, source: str, dest: str) -> None:
        self.owner.rotate(source, dest)


class BySize(Rotation, RotatingFileHandler):
    """Numbers: the higher, the older. Without older files there is no rotation."""

    @property
    def rotates(self) -> bool:
        return self.backupCount > 0

    @property
    def most(self) -> int:
        return self.max_bytes if self.rotates else 0

    def rename(self) -> None:
        """By the standard library's loop, which tries every number: it is told of no more than there are files.

        So a number that is free, because a process was killed here, is used first.
        """
        most, number = self.backupCount, 1
        while number < most and is_taken(self.rotation_filename(f"{self.baseFilename}.{number}")):
            number += 1
        told = copy.copy(self)  # a fork that another thread makes meanwhile must find this one as it is
        told.backupCount = number
        told.doRollover()


class ByTime(Rotation, TimedRotatingFileHandler):
    """Dates, with a number where there is a file of that date."""

    def __init__(self, owner: LogHandler, max_bytes: int, **options: Any) -> None:
        super().__init__(owner, max_bytes, **options)
        with ignoring(FileNotFoundError):
            self.begin(os.stat(self.baseFilename).st_mtime)  # as the standard library does

    @property  # type: ignore[override]
    def rolloverAt(self) -> float:
        """When the time of the file is over. It is the handler's, which looks at it with each record."""
        return self.owner._until

    @rolloverAt.setter
    def rolloverAt(self, value: float) -> None:
        self.owner._until = value

    def is_over(self) -> bool:
        return time.time() >= self.rolloverAt

    def begin(self, born: float) -> None:
        self.rolloverAt = self.computeRollover(int(born))

    def rename(self) -> None:
        over, until = self.is_over(), self.rolloverAt
        self.doRollover()
        if not over:  # it was full
            self.rolloverAt = until

    def rotation_filename(self, default_name: str) -> str:
        """A name that isn't taken, as it is when a file was full before its time: no older file is replaced."""
        numbers = [number for date, number, _ in self._older() if default_name.endswith(f".{date}")]
        number, before = max(numbers, default=-1) + 1, ""
        while True:
            name = self.owner.rotation_filename(f"{default_name}.{number:03}" if number else default_name)
            if not is_taken(name) or name == before:  # a namer may know one name alone
                return name
            number, before = number + 1, name

    def getFilesToDelete(self) -> list[str]:
        """The oldest, but for `backupCount` of them."""
        found = sorted(self._older())
        return [path for *_, path in found[: max(len(found) - self.backupCount, 0)]]

    def _older(self) -> list[tuple[str, int, str]]:
        """The older files: their dates, their numbers, of which the first has none, and their paths."""
        folder = os.path.dirname(self.baseFilename)
        date = re.sub("%(.)", lambda match: r"\d{4}" if match[1] == "Y" else r"\d\d", self.suffix)
        found = []
        for name in os.listdir(folder):
            for match in re.finditer(rf"(?<!\d){date}(\.\d{{3,}})?(?!\d)", name):
                path = self.owner.rotation_filename(f"{self.baseFilename}.{match[0]}")
                if os.path.abspath(path) == os.path.join(folder, name):
                    day, _, number = match[0].partition(".")
                    found.append((day, int(number or 0), path))
        return found


def rotation_of(owner: LogHandler, max_bytes: int, backup_count: int, when: str | None, **more: Any) -> Rotation:
    """What decides and names for a handler. ValueError for what can't be."""
    if when is not None:
        return ByTime(owner, max_bytes, backupCount=backup_count, when=when, **more)
    return BySize(owner, max_bytes, backupCount=backup_count)
