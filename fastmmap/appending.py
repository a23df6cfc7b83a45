"""Appender: many small records to the end of a file."""

from __future__ import annotations

import atexit
import errno
import operator
import os
import sys
import threading
import warnings
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from . import _system, ticking
from ._backend import chosen
from .draining import Descriptor, Lock, Log, Untrusted, let_go_in_child
from .recovering import adopt, appenders
from .reference.arguments import export, export_data
from .reference.drain import NOTHING
from .staging import LARGEST_HALF, File, Memory

if TYPE_CHECKING:
    from typing_extensions import Self

    from .mapped import Path
    from .reference.append import Stage
    from .reference.arguments import Data
else:
    Stage = chosen.Stage

# Records of this many bytes and more go to the file with what is in the stage, not through it: copying them there takes
# longer than it saves.
LARGE = 1 << 16

SYNCS = (None, "interval", "always")


class Appender(Stage):
    """Appends records to a file: into a stage, which is written to the file by one write(2) when it is full.

    path: of the file, made where it isn't there. sync: when records are safe from a power loss: "always" when append
    returns, "interval" so many seconds later, None when `sync` is called. interval: after how many seconds records are
    visible in the file at the latest; None: when the stage is full, and after `flush`, `sync` and `close`. stage_size:
    how many bytes of records are staged at most. stage_dir: the directory for the stage, that of the file when None.

    Records are bytes-like or str, and nothing is added to them. The stage is a mapped file beside the log, so a killed
    process loses nothing that was appended: the next appender of the file, or `recover`, takes it to the log, once.
    Where that can't be had (a pipe, a network filesystem, a directory that can't be written to) the stage is memory,
    and `survives_kill` is False. Threads may share an appender, and processes a file; records are never split, and
    each appender's stay in order.

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
        self._closed = True  # until it is open
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
        self.name: Any = os.fspath(path)
        self.interval = interval
        self.largest = min(LARGE - 1, stage_size)
        self._sync, self._half = sync, stage_size
        self._stage_dir = None if stage_dir is None else os.path.realpath(os.fsdecode(os.fspath(stage_dir)))
        self._stage: File | Memory | None = None
        self._survives = self._armed = False
        self._opening = self._ending = False  # a stage is being made, or drained for the last time
        self._unsynced = self._named = False  # whether there is something to sync; whether the file's name is safe
        self._failure: OSError | None = None  # of a sync
        self._lock = threading.RLock()
        with _system.naming(self.name):
            self._log = Log(os.fsdecode(self.name), create=True)
            if not self._log.is_regular:
                self.largest = stage_size  # what a pipe has taken of a record can't be taken back: all go by the stage
            try:
                if sync is not None and not self._log.is_regular:
                    self._check_sync()
                self._open_stage()
            except BaseException:
                self._log.file.close()
                raise
        self._closed = False
        appenders.add(self)

    def _check_sync(self) -> None:
        """OSError for what can't be synced, as a pipe can't."""
        try:
            _system.make_durable(self._log.file.fd)
        except OSError as error:
            if error.errno == errno.EINVAL:
                error.strerror = f"sync={self._sync!r} is for files, and this isn't one"
            raise

    def _open_stage(self) -> None:
        """Gives it a stage, if it may have one. What a signal handler appends meanwhile goes to the file itself."""
        if self._opening or self._ending or _ended:
            return
        self._opening = True
        try:
            if self._stage is None:
                number = self.turn + 1  # drains are numbered by the turns in which they are filled
                stage = self._stage_in_file(number) or Memory(self._half, number)
                self._stage, self._survives = stage, stage.survives_kill
                if self._ending:  # a handler has closed the appender
                    self._let_go(remove=True)
                    return
                self.switch(*stage.place(number), rests=True, turn=number - 1)
                _end_with_child()
        finally:
            self._opening = False
        if self.interval is None and self._sync != "always":
            self.wake()

    def _stage_in_file(self, number: int) -> File | None:
        """A stage that outlives this process, None where there can't be one."""
        try:
            if not self._log.readable or not _system.boot():
                return None
            return self._make_stage(self._stage_dir or os.path.dirname(self._log.path), number)
        except Untrusted as error:
            warnings.warn(
                f"{error.strerror}. The records of {self.name!r} are staged in memory", RuntimeWarning, stacklevel=5
            )
        except OSError as error:
            if self._stage_dir or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
        return None

    def _make_stage(self, folder: str, number: int) -> File | None:
        """A stage in a folder, after those of dead writers were recovered; None where the filesystem isn't ours."""
        directory = Descriptor(_system.open_directory(folder))
        if not _system.is_local(directory.fd) or (not self._stage_dir and not _system.is_local(self._log.file.fd)):
            if self._stage_dir:
                raise OSError(errno.EOPNOTSUPP, "A stage needs a filesystem of this machine", self._stage_dir)
            return None
        adopt(self._log, folder)
        if self._stage_dir:
            with suppress(PermissionError):
                adopt(self._log, os.path.dirname(self._log.path))
        lock = Lock(folder, self._log)
        try:
            lock.open()
            return File.create(self._log, lock, self._half, number)
        except BaseException:
            lock.remove()
            raise

    # --- what it is ---

    @property
    def closed(self) -> bool:
        """Whether close was called."""
        return self._closed

    @property
    def survives_kill(self) -> bool:
        """Whether records that were appended outlive this process when it is killed."""
        return self._survives

    @property
    def position(self) -> int:
        """How many bytes this appender has accepted."""
        return self.stored

    @property
    def size(self) -> int:
        """How many bytes the file has, with those that wait in the stage."""
        with self._lock, _Open(self):
            stage = self._stage
            waiting = 0 if stage is None else stage.length(self.turn - 1)
            return self._log.size() + waiting + self.tail

    def stage_for(self, file: os.stat_result) -> str | None:
        """What its stage is called, if a file is its log."""
        if self._closed or not os.path.samestat(self._log.status, file):
            return None
        stage = self._stage
        return os.path.basename(stage.path) if isinstance(stage, File) else "in memory of this process"

    # --- appending ---

    def append_many(self, records: Iterable[Data]) -> int:
        """Appends each record of an iterable and returns how many there were. An error leaves those before it appended.

        With sync="always" they are made durable together, before it returns.
        """
        if self._sync != "always":
            return super().append_many(records)
        number = 0
        with self._lock, _Open(self):
            try:
                for record in records:
                    self._append_through(record)
                    number += 1
            finally:
                self._make_durable()
        return number

    def write(self, data: Data) -> int:
        """append, for those who expect a file: returns how many bytes were taken."""
        if isinstance(data, str):
            data = str.encode(data)
        self.append(data)
        with export(data) as view:
            return len(view)

    def overflow(self, data: Data) -> None:
        """A record that the stage doesn't take: because it rests, is full, or isn't for records so large."""
        with self._lock:
            self._check_open()  # as _Open does, in half a microsecond less
            try:
                if self._sync == "always":
                    self._append_through(data)
                    self._make_durable()
                    return
                with export_data(data) as view:
                    self._get_ready(len(view))
                    if len(view) <= self.largest:
                        if self.take(view):
                            return
                        self._write(NOTHING)
                        if self.take(view):
                            return
                    self._write(view)  # also where there is no room, or others have taken it: so nobody waits for any
            except (OSError, ValueError):
                self._check_open()
                raise

    def _append_through(self, data: Data) -> None:
        """Appends one record to the file itself."""
        with export_data(data) as view:
            self._get_ready()
            self._write(view)

    def _get_ready(self, length: int = 0) -> None:
        """Makes the stage take records, a pipe's one of that length too, if this appender may. The lock is held."""
        self._check_synced()
        if length > self._half and not self._log.is_regular:
            self._enlarge(length)
        if self._stage is None:
            with _system.naming(self.name):
                self._open_stage()
        if self._stage is not None and not self._ending and self._sync != "always":
            self._arm()
            if self.rest():
                self.wake()

    def _enlarge(self, length: int) -> None:
        """Has a pipe's stage, which is memory, made anew for a record of that length."""
        if length > LARGEST_HALF:
            raise ValueError(
                f"a record of {length} bytes is too large for what is not a file: {LARGEST_HALF} is the most"
            )
        if not self._ending and not self._opening:
            self._end_stage()
            self._half = self.largest = length
            self._ending = False

    def _arm(self) -> None:
        """Has the stage drained in an interval's time, at the latest."""
        if self.interval is not None and not self._armed:
            self._armed = ticking.arm(self)

    # --- writing ---

    def flush(self) -> None:
        """Writes the stage to the file: what was appended before is visible to its readers."""
        with self._lock, _Open(self):
            self._check_synced()
            self._write(NOTHING)
            if self.interval is not None and not self._armed:
                self.rest()  # the next append tries to arm it

    def sync(self) -> None:
        """flush, and returns when the file would survive a power loss."""
        with self._lock, _Open(self):
            self.flush()
            self._make_durable()

    def tick(self) -> bool:
        """What is done after each interval. Returns whether there may be something to do after the next."""
        with self._lock:
            self._armed = self._has_to_do()
            if self._armed:
                # What can't be written waits: whoever appends to a full stage, flushes or closes hears of it.
                with suppress(OSError):
                    self._write(NOTHING)
                    if self._is_to_be_synced():
                        self._make_durable()
            return self._armed

    def _has_to_do(self) -> bool:
        """Whether anything is staged, or has to be synced in time."""
        stage = self._stage
        if self._closed or stage is None or self._failure is not None:
            return False
        return not self.rest() or stage.length(self.turn - 1) > 0 or self._is_to_be_synced()

    def close(self) -> None:
        """Flushes and closes, and removes the stage. A flush that fails leaves the appender open, with its records."""
        with self._lock:
            if self._closed:
                return
            try:
                self._end_stage()
            except (OSError, ValueError):
                if self._closed:  # by a signal handler
                    return
                raise
            self._closed = True
            self._log.file.close()
            self._check_synced()

    def _end_stage(self) -> None:
        """Drains the stage for the last time, and removes it. From then on records go to the file itself.

        A signal handler may append at any point of this, and even close. An interrupt leaves the appender open, with
        its records where they are.
        """
        self._ending = True
        try:
            self._write(NOTHING)
        except BaseException:
            self._ending = False
            if self._failure is None and self._sync != "always":
                self._arm()
                self.wake()
            raise
        if self._failure is None and self._is_to_be_synced():
            with suppress(OSError):  # which is raised by close
                self._make_durable()
        self._let_go(remove=True)

    def _write(self, record: memoryview) -> None:
        """Writes to the file what couldn't be written before, what is staged, and a record. The lock is held.

        Where that fails, what was staged waits and the record isn't taken. A signal handler of this thread's may do the
        same at any point between two steps, so each step looks at what there is.
        """
        while True:
            stage, tail = self._stage, self.tail
            if tail or len(record):
                self._unsynced = True
            try:
                if stage is None:
                    self._log.send(record, self)
                    return
                if tail or self._ending:
                    self._make_way(stage)
                if len(record) or stage.length(self.turn - 1):
                    stage.drain(self._log, self.turn - 1, record, self)
                return
            except OSError as error:
                _system.name(error, self.name, always=True)
                raise
            except ValueError:
                if self._closed or self._stage is stage:
                    raise
                # The stage is closed, for a handler has had another made, as for a large record to a pipe.

    def _make_way(self, stage: File | Memory) -> None:
        """Switches the stage to its other half if it has any records; for the last time until it takes no more."""
        while self.tail or (self._ending and not self.rest()):
            turn = self.turn
            if stage.length(turn - 1):  # the half that is to take records must be empty
                stage.drain(self._log, turn - 1, NOTHING, self)
            self.switch(*stage.place(turn + 1), rests=self._ending, turn=turn)
            if not self._ending:
                break

    def _is_to_be_synced(self) -> bool:
        return self._sync == "interval" and self._unsynced

    def _make_durable(self) -> None:
        self._unsynced = False
        try:
            with _system.naming(self.name, always=True):
                _system.make_durable(self._log.file.fd)
                if not self._named:
                    self._make_name_durable()
        except BaseException as error:
            self._unsynced = True
            if isinstance(error, OSError) and error.errno != errno.EINVAL:  # what a pipe answers, or a device
                # The system may have dropped what it couldn't write, and say so once alone.
                self._failure = error
                self.rest(anyway=True)
            raise

    def _make_name_durable(self) -> None:
        """Once, for this appender may have made the file."""
        with suppress(PermissionError):
            directory = Descriptor(_system.open_directory(os.path.dirname(self._log.path)))
            _system.make_names_durable(directory.fd)
        self._named = True

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError(f"the appender of {self.name!r} is closed")

    def _check_synced(self) -> None:
        if self._failure is not None:
            text = f"{self._failure.strerror}: a sync has failed, and what was written before it may be lost"
            raise OSError(self._failure.errno, text, self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_closed", True):
            return
        try:
            self.close()
        except BaseException:
            self._let_go()
            self._log.file.close()
            raise

    def _let_go(self, remove: bool = False) -> None:
        """Closes the stage, and removes it or leaves it: to be recovered, or to its writer if this is a child."""
        stage, self._stage = self._stage, None
        self.switch(None)
        if stage is not None:
            stage.remove() if remove else stage.let_go()


class _Open:
    """A block in which a signal handler may close the appender: what fails for that says that it is closed."""

    __slots__ = ("_appender",)

    def __init__(self, appender: Appender) -> None:
        self._appender = appender

    def __enter__(self) -> None:
        self._appender._check_open()

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, (OSError, ValueError)):
            self._appender._check_open()


# Whether the interpreter ends: records go to the file itself then.
_ended = False


@atexit.register
def _end_all() -> None:
    """Drains and removes all stages of this process, when it ends."""
    global _ended
    _ended = True
    failure = None
    for appender in list(appenders):
        try:
            with appender._lock:
                if not appender._closed:
                    appender._end_stage()
        except BaseException as error:
            failure = error
    if failure is not None:
        raise failure


# Whether the end of this process, if it is multiprocessing's, is known to us.
_known = False


def _end_with_child() -> None:
    """Has stages drained at the end of a process that multiprocessing has forked, which runs no exit handlers."""
    global _known
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None and not _known and sys.modules["multiprocessing.process"].parent_process() is not None:
        _known = True
        util.Finalize(None, _end_all, exitpriority=0)


def _start_anew_in_child() -> None:
    """After a fork the parent writes what is staged; the child's stage is its own, made with its first record."""
    global _known
    let_go_in_child()
    ticking.forget()
    _known = False
    for appender in list(appenders):
        appender._lock = threading.RLock()
        appender._storing = threading.RLock()  # the reference's
        appender._armed = appender._opening = appender._ending = False
        appender._let_go()


os.register_at_fork(after_in_child=_start_anew_in_child)
