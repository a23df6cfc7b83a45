"""Storing: what an appender tells of itself, and the steps that its methods are made of."""

from __future__ import annotations

import os

from .._imports import RLock
from ..blame import ignoring, ours
from ..errors import naming
from .inheriting import Others
from .stage import NOTHING, FileStage
from .staging import Staging, State


class Storing(Staging):
    """Where records go, and what is done with them in time and as the process ends."""

    # --- what it is ---

    @property
    def closed(self) -> bool:
        """Whether the appender is closed, a bool."""
        return self._is_closed

    @property
    def survives_kill(self) -> bool:
        """Whether records that were appended outlive this process when it is killed, a bool.

        False where the stage is memory: for a pipe, a device, and where a RuntimeWarning said so. A killed process
        loses up to `stage_size` bytes there.
        """
        return self._survives

    def _staged(self) -> int:
        """How many bytes are in the stage. The lock is held."""
        return self._tail + (0 if self._stage is None else self._stage.length(self._draining))

    def _stage_for(self, file: os.stat_result) -> str | None:
        """What its stage is called, if a file is its log."""
        if self._is_closed or not os.path.samestat(self._log.status, file):
            return None
        stage = self._stage
        return os.path.basename(stage.path) if isinstance(stage, FileStage) else "in memory of this process"

    # --- storing ---

    def _store_unended(self, *threads: int) -> None:
        """Stores what waits for more of its line, that of some threads or of all. The lock is held."""
        raise NotImplementedError

    def _store(self, record: memoryview) -> None:
        """Stores a record in the stage, or in the file behind what is staged. The lock is held."""
        if self._durability.policy == "always":
            self._append_through(record)
            self._make_durable()
            return
        self._get_ready(len(record))
        if len(record) <= self._largest:
            if self._take(record):
                return
            self._write(NOTHING)
            if self._take(record):
                return
        self._write(record)  # also where there is no room, or others have taken it: so nobody waits for any

    def _append_through(self, record: memoryview) -> None:
        """Appends one record to the file itself. What fails before the write has taken nothing."""
        self._get_ready()
        if not self._durability.has_name:
            with naming(self.name, always=True):
                self._durability.sync_name(self._log)
        self._write(record)

    def _get_ready(self, length: int = 0) -> None:
        """Makes the stage take records, a pipe's one of that length too, if this appender may. The lock is held."""
        self._durability.check()
        if self._reopen_is_due:
            self._reopen()
        if length > self._half and not self._log.is_regular:
            self._enlarge(length)
        if self._stage is None:
            with naming(self.name):
                self._open_stage()
        if self._stage is not None and not self._takes_no_more and self._durability.policy != "always":
            self._arm()
            if self._rest():
                self._wake()

    def _reopen(self) -> None:
        """reopen, or notes that it is due, where this came into what makes or ends a stage. The lock is held."""
        self._reopen_is_due = True
        if self._state is not State.OPEN:
            self._rest(anyway=True)  # the next append comes to it
            return
        try:
            with naming(self.name, always=True):
                log = self._opened()
            if isinstance(self._stage, FileStage) and os.path.samestat(log.status, self._log.status):
                self._write(NOTHING)
            else:
                self._change_to(log)
            self._reopen_is_due = False
        except ours(OSError):
            self._reopen_is_due = False
            raise

    # --- in time ---

    def _tick(self) -> bool:
        """What is done after each interval. Returns whether there may be something to do after the next."""
        with self._lock:
            works = self._is_armed = self._has_to_do()
            if works:
                # What can't be written waits: whoever appends to a full stage, flushes or closes hears of it.
                with ignoring(OSError):
                    if self._reopen_is_due:
                        self._reopen()
                    self._write(NOTHING)
                    if self._durability.is_due:
                        self._make_durable()
        if works:
            self._take_over()
            self._say_outside()
        return works

    def _take_over(self) -> None:
        """Takes to the log what writers have left that died since this one was opened. No lock is held."""
        stage, log = self._stage, self._log
        if isinstance(stage, FileStage) and not stage.is_astray:
            own = os.path.basename(stage.path)
            for folder in {stage.lock.folder, os.path.dirname(log.path)}:
                self._others.setdefault(folder, Others()).take_over(log, folder, own)

    def _has_to_do(self) -> bool:
        """Whether anything is staged, or has to be synced in time."""
        stage = self._stage
        if self._is_closed or stage is None or self._durability.failure is not None:
            return False
        return not self._rest() or stage.length(self._draining) > 0 or self._durability.is_due

    # --- as the process ends, and in its children ---

    def _end_if_free(self) -> bool:
        """Ends the stage as the process ends, if that can be done at once; whether there is nothing more to do."""
        if not self._lock.acquire(False):
            return False
        try:
            if self._is_closed:
                return True
            if not self._is_free():
                return False
            self._take_over()
            if not self._log.is_regular:
                self._log.stop_waiting()
            try:
                self._store_unended()
                self._end_stage()
            except ours(BlockingIOError):
                return False
        finally:
            self._lock.release()
        self._say_outside()
        return True

    def _is_free(self) -> bool:
        """Whether a drain would wait for no other writer, as far as one look tells."""
        stage = self._stage
        if isinstance(stage, FileStage):
            try:
                return stage.lock.is_free()
            except ours(OSError):
                return True  # which the drain will tell
        return True

    def _start_anew(self) -> None:
        """In a forked child: the stage, and whatever its threads were at, is the parent's."""
        self._lock = RLock()
        self._storing = RLock()  # the reference's
        self._is_armed = False
        if self._state in (State.MAKING, State.ENDING):
            self._phase = State.OPEN
        self._others = {}
        self._let_go()
