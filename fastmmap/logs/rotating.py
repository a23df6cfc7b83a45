"""RotatingAppender: an appender of whatever file is at its path, which it rotates itself, or others do."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from .. import system
from ..blame import ignoring, ours
from ..errors import naming
from ..paths import leads_to
from .appender import Appender
from .inheriting import Others
from .log import Nameless
from .stage import NOTHING, FileStage
from .staging import Open
from .turn import turn_at

if TYPE_CHECKING:
    from ..paths import Path
    from .log import Log
    from .rotation import Rotation

# The stage of a log that is rotated by size is this part of it, so that files differ little from what was asked for.
_PART = 8
_USUAL, _SMALLEST = 1 << 20, 1 << 10

# In seconds.
_TICK = 0.02


class RotatingAppender(Appender):
    """Appends to the file that is at its path: before each write it looks which one that is.

    All of its writes, and the rotations, are made in turn with those of other such appenders of the path. So nothing is
    written to a file that was rotated, and `rotator` may compress it.

    Records that a handler logs which comes into a rotation wait until that is over.
    """

    def __init__(self, path: Path, rotation: Rotation) -> None:
        self._rotation = rotation
        self._turn = turn_at(os.fsdecode(path))
        self._refusal = ""  # why others take no notice of its turn, as was said
        self._is_rotating = False
        self._is_stuck = False  # the file couldn't be rotated when it was to be
        self._late: deque[bytes] = deque()
        self._failure: Exception | None = None  # of the last rotation, if nobody has been told yet
        largest = rotation.most // _PART or _USUAL
        super().__init__(path, stage_size=min(max(largest, _SMALLEST), _USUAL))
        with ignoring(OSError):
            self._note_edge()

    # --- the file at the path ---

    def _opened(self) -> Log:
        log = super()._opened()
        if log.is_regular and log.path == self._turn.path:  # and not that of a link, which leads to a file elsewhere
            log.place = log.path
        return log

    def _write(self, record: memoryview) -> None:
        if self._is_rotating:  # a signal handler has come into that
            if len(record):
                self._late.append(bytes(record))
            return
        with self._turn:
            self._say_refusal()
            self._go_to_path()
            if self._is_full(len(record)):
                self._rotate()
            self._write_late()
            super()._write(record)
            self._note_edge()

    def _write_late(self) -> None:
        """Writes the records of signal handlers that have come into a rotation."""
        while self._late:
            late = self._late.popleft()  # before it is written: another handler may come here, too
            try:
                super()._write(memoryview(late))
            except BaseException:
                self._late.appendleft(late)
                raise

    def _say_refusal(self) -> None:
        """Warns once where other processes take no notice of this one's turn."""
        refusal = self._turn.refusal
        if refusal and refusal != self._refusal and self._rotation.rotates and self._log.is_regular:
            what = "isn't rotated by this process" if self._turn.is_refused else "is to be rotated by one process alone"
            self._log.unsaid.append(f"{self.name!r} {what}, which can't take turns with others: {refusal}")
        self._refusal = refusal

    def _go_to_path(self, rotated: bool = False) -> None:
        """Goes on in another file, if another is at the path, with what is staged. It is made where there is none.

        Others have rotated it, unless this appender has `rotated` it just now.
        """
        log = self._log
        if not log.is_regular or leads_to(self._turn.path, log.file.fd):
            return
        with suppress(Nameless):
            self._finish_drains()
        try:
            with naming(self.name, always=True):
                self._follow(log)
        except ours(OSError):
            if not system.is_named(log.file.fd):
                raise
            return  # records are better off in the file under its new name than nowhere
        if not rotated:
            self._rotation.begin(_birth(self._log))

    # --- rotation ---

    def _store(self, record: memoryview) -> None:
        if self._stored + len(record) >= self._edge and not self._is_rotating:
            self.make_room(len(record))
        super()._store(record)

    def make_room(self, length: int) -> None:
        """Rotates the file if a record of that length is to go to the next one.

        What the system refuses isn't an error here: whoever appends to a full stage, flushes or closes hears of it.
        """
        with Open(self), self._lock:
            self._check_open()
            if self._is_rotating:
                return
            with ignoring(OSError), self._turn:
                self._get_ready()
                self._write(NOTHING)  # what is staged belongs to the file as it is
                if self._is_due(length):
                    self._rotate()
            with ignoring(OSError):
                self._note_edge()

    def roll_over(self) -> None:
        """Rotates the file, whatever its size and age. An error that the rotation ends with is raised."""
        with Open(self), self._lock, self._turn:
            self._check_open()
            if self._is_rotating:
                return
            self._get_ready()
            self._write(NOTHING)
            if self._log.is_regular:
                self._rotate()
            self._note_edge()
        self.raise_failure()

    def raise_failure(self) -> None:
        """Raises the error that the last rotation ended with, once."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def is_due(self, length: int) -> bool:
        """Whether the file would be rotated before a record of that length."""
        with Open(self), self._lock:
            self._check_open()
            size = self._log.size() + self._staged()
            return self._log.is_regular and (self._rotation.is_over() or self._rotation.is_full(size, length))

    def _is_due(self, length: int) -> bool:
        return self._log.is_regular and (self._rotation.is_over() or self._is_full(length))

    def _is_full(self, length: int) -> bool:
        waiting = self._staged() + length
        return waiting > 0 and self._log.is_regular and self._rotation.is_full(self._log.size(), waiting)

    def _rotate(self) -> None:
        """Renames the file, and goes on in a new one with what is staged. The turn is this appender's."""
        if not self._rotation.rotates or self._turn.is_refused:
            return
        if not leads_to(self._turn.path, self._log.file.fd):
            self._is_stuck = True  # there was no other file to go on in
            return
        self._is_rotating = True
        try:
            with suppress(Nameless):
                self._finish_drains()
            try:
                self._rotation.rename()
            except Exception as error:  # a rotator's, perhaps: no record must be lost for that
                self._failure = error
        finally:
            self._is_rotating = False
        self._is_stuck = leads_to(self._turn.path, self._log.file.fd)
        self._go_to_path(rotated=True)

    def _finish_drains(self) -> None:
        """Finishes in the file what is half in it: what was interrupted here, or where a writer has died in it."""
        if isinstance(self._stage, FileStage):
            self._stage.drain(self._log, self._draining, NOTHING, self)

    def _note_edge(self) -> None:
        """Notes at which position the file will be full, if nobody else writes to it.

        Where it is full and couldn't be rotated, that isn't tried again with each record.
        """
        most = self._rotation.most
        if most and self._log.is_regular:
            room = most - self._log.size() - self._staged()
            self._edge = self._stored + (self._half if self._is_stuck else max(room, 0))

    # --- others ---

    def _take_over(self) -> None:
        stage = self._stage
        if isinstance(stage, FileStage) and not stage.is_astray:
            others = self._others.setdefault(stage.lock.folder, Others(self._turn.path))
            others.take_over(self._log, stage.lock.folder, os.path.basename(stage.path))

    def _is_free(self) -> bool:
        return super()._is_free() and self._turn.is_free()

    def close(self) -> None:
        super().close()
        self._turn.remove()

    def _end_if_free(self) -> bool:
        ended = super()._end_if_free()
        if ended:
            self._turn.remove()
        return ended

    def _start_anew(self) -> None:
        super()._start_anew()
        self._is_rotating = False
        self._late.clear()


def _birth(log: Log) -> float:
    """When a file was made, in seconds since the epoch; where that isn't known, when it was changed last.

    A filesystem's clock is late by up to a tick: who makes a file at midnight may find that it was made before.
    """
    return _TICK + (log.birth / 1e9 if log.birth else os.fstat(log.file.fd).st_mtime)
