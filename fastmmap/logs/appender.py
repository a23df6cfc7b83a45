"""Appender: many small records to the end of a file."""

from __future__ import annotations

import operator
import os
import threading
from _thread import RLock
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from .. import paths
from ..blame import ignoring, ours
from ..errors import naming
from ..reference.arguments import export, export_data
from .ending import appenders, has_ended
from .inheriting import Others
from .layout import LARGEST_HALF
from .stage import NOTHING, FileStage
from .staging import Open, Staging, State

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..mapped import Path
    from ..reference.arguments import Data

SYNCS = (None, "interval", "always")


class Appender(Staging):
    """Appends records to a file: into a stage, which is written to the file by one write(2) when it is full.

    path: of the file, made where it isn't there. sync: when records are safe from a power loss: "always" when append
    returns, "interval" so many seconds later, None when `sync` is called. interval: after how many seconds records are
    visible in the file at the latest; None: when the stage is full, and after `flush`, `sync` and `close`. stage_size:
    how many bytes of records are staged at most. stage_dir: the directory for the stage, that of the file when None.

    Records are bytes-like or str, and nothing is added to them. The stage is a mapped file beside the log, so a killed
    process loses nothing that was appended: the next appender of the file, or `recover`, takes it to the log, once.
    Where that can't be had (a network filesystem, a directory that can't be written to) the stage is memory, with a
    RuntimeWarning that says why, and `survives_kill` is False; so it is for a pipe or a device. Threads may share an
    appender, and processes a file; records are never split, and each appender's stay in order.

    A log that is renamed is written to under its new name, as every open file is, until `reopen`. One that was removed,
    or that another was renamed over, is opened anew at its path before the next write, and made if need be: no record
    goes to a file without a name.

    A write that fails raises OSError and loses nothing: what was accepted is written with the next flush. An append
    that raises hasn't taken its record. When the system fails to sync, what had been written before may be lost, and
    every later call but `close` raises that error.
    """

    def __init__(
        self,
        path: Path,
        *,
        sync: str | None = None,
        interval: float | None = 1.0,
        stage_size: int = 1 << 20,
        stage_dir: Path | None = None,
    ) -> None:
        self._is_over = True  # until it is open
        stage_size = operator.index(stage_size)
        if not 1 <= stage_size <= LARGEST_HALF:
            raise ValueError(f"stage_size must be from 1 to {LARGEST_HALF}, not {stage_size}")
        if sync not in SYNCS:
            raise ValueError(f"sync must be one of {', '.join(map(repr, SYNCS))}, not {sync!r}")
        if interval is not None and not (0 < interval <= threading.TIMEOUT_MAX):
            most = threading.TIMEOUT_MAX
            raise ValueError(f"interval must be None or seconds above 0 and at most {most:.0f}, not {interval!r}")
        if sync == "interval" and interval is None:
            raise ValueError("sync='interval' needs an interval")
        super().__init__()
        folder = None if stage_dir is None else paths.resolved(os.fsdecode(os.fspath(stage_dir)))
        self._prepare(os.fspath(path), sync, interval, stage_size, folder)
        with naming(self.name):
            self._use(self._opened())
            try:
                try:
                    self._open_stage()
                finally:
                    self._say()
            except BaseException:
                self._is_over = True
                self._let_go(remove=True)
                self._log.file.close()
                raise
        self._phase = State.OPEN
        appenders.add(self)

    # --- what it is ---

    @property
    def closed(self) -> bool:
        """Whether close was called."""
        return self._is_closed

    @property
    def survives_kill(self) -> bool:
        """Whether records that were appended outlive this process when it is killed."""
        return self._survives

    @property
    def position(self) -> int:
        """How many bytes this appender has accepted."""
        return self._stored

    @property
    def size(self) -> int:
        """How many bytes the file has, with those that wait in the stage."""
        with Open(self), self._lock:
            self._check_open()
            stage, log = self._stage, self._log
            waiting = 0 if stage is None else stage.length(self._draining)
            return log.size() + waiting + self._tail

    def _stage_for(self, file: os.stat_result) -> str | None:
        """What its stage is called, if a file is its log."""
        if self._is_closed or not os.path.samestat(self._log.status, file):
            return None
        stage = self._stage
        return os.path.basename(stage.path) if isinstance(stage, FileStage) else "in memory of this process"

    # --- appending ---

    def append_many(self, records: Iterable[Data]) -> int:
        """Appends each record of an iterable and returns how many there were. An error leaves those before it appended.

        With sync="always" they are made durable together, before it returns.
        """
        if self._durability.policy != "always":
            return super().append_many(records)
        number = 0
        try:
            for record in records:  # whoever makes them may take their time: no lock is held
                with export_data(record) as view, Open(self), self._lock:
                    self._check_open()
                    self._append_through(view)
                number += 1
        finally:
            with self._lock:
                if not self._is_closed and self._durability.is_pending:
                    self._make_durable()
                self._durability.check()
        return number

    def writelines(self, lines: Iterable[Data]) -> None:
        """append_many, for those who expect a file. As there, nothing is added to the lines."""
        self.append_many(lines)

    def write(self, data: Data) -> int:
        """append, for those who expect a file: returns how many bytes were taken."""
        if isinstance(data, str):
            data = str.encode(data)
        if type(data) is bytes:
            self.append(data)
            return len(data)
        with export(data) as view:
            self.append(view)
            return len(view)

    def _overflow(self, data: Data) -> None:
        """A record that the stage doesn't take: because it rests, is full, or isn't for records so large."""
        with export_data(data) as view, Open(self), self._lock:  # exported by anybody's code, and so without the lock
            self._check_open()
            self._store(view)

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

    # --- writing ---

    def flush(self) -> None:
        """Writes the stage to the file: what was appended before is visible to its readers."""
        with Open(self), self._lock:
            self._check_open()
            self._durability.check()
            if self._reopen_is_due:
                self._reopen()
            self._write(NOTHING)
            if self._interval is not None and not self._is_armed:
                self._rest()  # the next append tries to arm it

    def sync(self) -> None:
        """flush, and returns when the file would survive a power loss."""
        with Open(self), self._lock:
            self._check_open()
            self._durability.is_asked = True
            self.flush()
            self._make_durable()

    def reopen(self) -> None:
        """Goes on in the file that the path leads to now, as after a rotation; makes it where there is none.

        What is staged goes to the file as it was open, under whatever name it has now, or to the new one if it has
        none any more. `position` goes on counting. The path is the one that was given, from the directory where the
        appender was made. A signal handler may call it, of SIGHUP for instance, whatever it came into.

        Raises
        ------
        OSError
            The path can't be opened, or the old file can't be written to. The appender goes on as it was, with its
            records. Where only the new stage can't be made, the next append tries again.
        ValueError
            The appender is closed.
        """
        with Open(self), self._lock:
            self._check_open()
            self._durability.check()
            self._reopen()

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

    def close(self) -> None:
        """Flushes and closes, and removes the stage. A flush that fails leaves the appender open, with its records."""
        if self._is_closed:
            return
        self._take_over()
        try:
            with self._lock:
                if self._is_closed:
                    return
                try:
                    self._end_stage()
                except ours(OSError, ValueError):
                    if self._is_closed:  # by a signal handler
                        return
                    raise
                self._is_over = True
                self._log.file.close()
                self._durability.check()
        finally:
            self._say_outside()

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_is_over", True) or has_ended is None or has_ended():
            return  # what was staged was drained when the interpreter began to end
        try:
            self.close()
        except BaseException:
            self._let_go()
            self._log.file.close()
            raise

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"an Appender can't be copied or pickled: open another one with the path {self.name!r}")
