"""Appender: many small records to the end of a file."""

from __future__ import annotations

import errno
import operator
import os
import sys
import threading
from _thread import RLock
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from . import _system, paths, ticking
from ._backend import chosen
from .blame import ignoring, is_ours, ours
from .draining import Descriptor, Lock, Log, Nameless, Untrusted
from .ending import appenders, end_with_child, give_way, has_ended
from .errors import warn
from .inheriting import Others
from .recovering import adopt
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

_ELSEWHERE = "on this system stages are in memory"


class Appender(Stage):
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
        self._stage_dir = None if stage_dir is None else paths.resolved(os.fsdecode(os.fspath(stage_dir)))
        self._stage: File | Memory | None = None
        self._survives = self._armed = False
        self._opening = self._ending = False  # a stage is being made, or drained for the last time
        self._over = False  # it was closed, and so no stage is made any more, whoever is in the midst of an append
        self._due = False  # a handler wants it reopened, which came in while a stage was made or ended
        self._unsynced = self._named = False  # whether there is something to sync; whether the file's name is safe
        self._asked = sync is not None  # whether anybody wants anything to be synced
        self._failure: OSError | None = None  # of a sync
        self._why: str | None = None  # the stage is in memory, as was said
        self._others: dict[str, Others] = {}  # by their folders
        self._lock = RLock()
        with _system.naming(self.name):
            path = os.fsdecode(self.name)
            self._path = path if os.path.isabs(path) else os.path.join(os.getcwd(), path)  # wherever we are later
            self._use(self._opened())
            try:
                try:
                    self._open_stage()
                finally:
                    self._say()
            except BaseException:
                self._let_go(remove=True)
                self._log.file.close()
                raise
        self._closed = False
        appenders.add(self)

    def _opened(self) -> Log:
        """The log, opened by its path. OSError for what can't be synced but should be, as a pipe can't."""
        log = Log(self._path, create=True)
        if self._sync is not None and not log.is_regular:
            try:
                _system.make_durable(log.file.fd)
            except BaseException as error:
                log.file.close()
                if isinstance(error, OSError) and is_ours(error) and error.errno == errno.EINVAL:
                    error.strerror = f"sync={self._sync!r} is for files, and this isn't one"
                raise
        return log

    def _use(self, log: Log) -> None:
        """Has records go to that log from now on. The one before is closed when the last call that is in it ends."""
        before, self._log = getattr(self, "_log", None), log
        self._named = False
        # What a pipe has taken of a record can't be taken back: all go by the stage.
        self.largest = min(LARGE - 1, self._half) if log.is_regular else self._half
        if before is not None:
            log.unsaid += before.unsaid

    def _say(self) -> None:
        """Warns of what was found out while the lock was held: a warning may be anybody's code, and wait for a lock."""
        unsaid = self._log.unsaid
        while unsaid:
            warn(unsaid.pop(0))

    def _open_stage(self) -> None:
        """Gives it a stage, if it may have one. What a signal handler appends meanwhile goes to the file itself."""
        if self._opening or self._ending or self._over or has_ended():
            return
        self._opening = True
        try:
            if self._stage is None:
                number = self.turn + 1  # drains are numbered by the turns in which they are filled
                stage = self._stage_in_file(number) or Memory(self._half, number)
                self._stage, self._survives = stage, stage.survives_kill
                if self._ending or self._over:  # a handler has closed the appender
                    self._let_go(remove=True)
                    return
                self.switch(*stage.place(number), rests=True, turn=number - 1)
                end_with_child()
        finally:
            self._opening = False
        if self.interval is None and self._sync != "always":
            self.wake()

    def _stage_in_file(self, number: int) -> File | None:
        """A stage that outlives this process. None where there can't be one, of which a log's user is warned once."""
        if not self._log.is_regular:
            return None
        stage, why = None, self._log.unreadable
        if why is None and not _system.boot():
            why = "this system has no /proc that tells when it was started" if sys.platform == "linux" else _ELSEWHERE
        if why is None:
            try:
                stage = self._make_stage(self._folder(), number)
                why = None if stage is not None else "it is on no filesystem of this machine that is known"
            except ours(Untrusted) as error:
                why = str(error.strerror)
            except ours(OSError) as error:
                if self._stage_dir or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                    raise
                why = f"no file can be made beside it ({error.strerror})"
        if why not in (None, self._why):
            self._log.unsaid.append(
                f"the records of {self.name!r} are staged in memory, and lost if this process is killed: {why}"
            )
        self._why = why
        return stage

    def _folder(self) -> str:
        """Where the stage belongs, and the lock."""
        return self._stage_dir or os.path.dirname(self._log.path)

    def _make_stage(self, folder: str, number: int) -> File | None:
        """A stage in a folder, after those of dead writers were recovered; None where the filesystem isn't ours."""
        directory = Descriptor(_system.open_directory(folder))
        if not _system.is_local(directory.fd) or (not self._stage_dir and not _system.is_local(self._log.file.fd)):
            if self._stage_dir:
                raise OSError(errno.EOPNOTSUPP, "A stage needs a filesystem of this machine", self._stage_dir)
            return None
        adopt(self._log, folder)
        if self._stage_dir:
            with ignoring(PermissionError):
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
        with _Open(self), self._lock:
            self._check_open()
            stage, log = self._stage, self._log
            waiting = 0 if stage is None else stage.length(self.turn - 1)
            return log.size() + waiting + self.tail

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
        try:
            for record in records:  # whoever makes them may take their time: no lock is held
                with export_data(record) as view, _Open(self), self._lock:
                    self._check_open()
                    self._append_through(view)
                number += 1
        finally:
            with self._lock:
                if not self._closed and self._unsynced:
                    self._make_durable()
                self._check_synced()
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

    def overflow(self, data: Data) -> None:
        """A record that the stage doesn't take: because it rests, is full, or isn't for records so large."""
        with export_data(data) as view, _Open(self), self._lock:  # exported by anybody's code, and so without the lock
            self._check_open()
            self._store(view)

    def _store(self, record: memoryview) -> None:
        """Stores a record in the stage, or in the file behind what is staged. The lock is held."""
        if self._sync == "always":
            self._append_through(record)
            self._make_durable()
            return
        self._get_ready(len(record))
        if len(record) <= self.largest:
            if self.take(record):
                return
            self._write(NOTHING)
            if self.take(record):
                return
        self._write(record)  # also where there is no room, or others have taken it: so nobody waits for any

    def _append_through(self, record: memoryview) -> None:
        """Appends one record to the file itself. What fails before the write has taken nothing."""
        self._get_ready()
        if not self._named:
            with _system.naming(self.name, always=True):
                self._make_name_durable()
        self._write(record)

    def _say_outside(self) -> None:
        """Warns, unless this thread holds the lock yet, as a handler does that came into a call."""
        if not self._lock._is_owned():  # type: ignore[attr-defined]
            self._say()

    def _get_ready(self, length: int = 0) -> None:
        """Makes the stage take records, a pipe's one of that length too, if this appender may. The lock is held."""
        self._check_synced()
        if self._due:
            self._reopen()
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
            self._ending = self._over

    def _arm(self) -> None:
        """Has the stage drained in an interval's time, at the latest."""
        if self.interval is not None and not self._armed:
            self._armed = ticking.arm(self)

    # --- writing ---

    def flush(self) -> None:
        """Writes the stage to the file: what was appended before is visible to its readers."""
        with _Open(self), self._lock:
            self._check_open()
            self._check_synced()
            if self._due:
                self._reopen()
            self._write(NOTHING)
            if self.interval is not None and not self._armed:
                self.rest()  # the next append tries to arm it

    def sync(self) -> None:
        """flush, and returns when the file would survive a power loss."""
        with _Open(self), self._lock:
            self._check_open()
            self._asked = True
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
        with _Open(self), self._lock:
            self._check_open()
            self._check_synced()
            self._reopen()

    def _reopen(self) -> None:
        """reopen, or notes that it is due, where this came into what makes or ends a stage. The lock is held."""
        self._due = True
        if self._opening or self._ending:
            self.rest(anyway=True)  # the next append comes to it
            return
        try:
            with _system.naming(self.name, always=True):
                log = self._opened()
            if isinstance(self._stage, File) and os.path.samestat(log.status, self._log.status):
                self._write(NOTHING)
            else:
                self._change_to(log)
            self._due = False
        except ours(OSError):
            self._due = False
            raise

    def _change_to(self, log: Log | None) -> None:
        """Ends the stage, and goes on in another log, if there is one, with a new stage."""
        before = self._log
        try:
            self._end_stage()
            # If that one was gone, what was staged has gone to the file that the path led to later than to this.
            if log is not None and self._log is before and not self._closed:
                if self._unsynced and self._asked and self._failure is None:
                    self._make_durable()
                self._use(log)
        finally:
            self._ending = self._over
        if not self._closed:
            with _system.naming(self.name, always=True):
                self._open_stage()

    def tick(self) -> bool:
        """What is done after each interval. Returns whether there may be something to do after the next."""
        with self._lock:
            works = self._armed = self._has_to_do()
            if works:
                # What can't be written waits: whoever appends to a full stage, flushes or closes hears of it.
                with ignoring(OSError):
                    if self._due:
                        self._reopen()
                    self._write(NOTHING)
                    if self._is_to_be_synced():
                        self._make_durable()
        if works:
            self._take_over()
            self._say_outside()
        return works

    def _take_over(self) -> None:
        """Takes to the log what writers have left that died since this one was opened. No lock is held."""
        stage, log = self._stage, self._log
        if isinstance(stage, File) and not stage.is_astray:
            own = os.path.basename(stage.path)
            for folder in {stage.lock.folder, os.path.dirname(log.path)}:
                self._others.setdefault(folder, Others()).take_over(log, folder, own)

    def _has_to_do(self) -> bool:
        """Whether anything is staged, or has to be synced in time."""
        stage = self._stage
        if self._closed or stage is None or self._failure is not None:
            return False
        return not self.rest() or stage.length(self.turn - 1) > 0 or self._is_to_be_synced()

    def close(self) -> None:
        """Flushes and closes, and removes the stage. A flush that fails leaves the appender open, with its records."""
        if self._closed:
            return
        self._take_over()
        try:
            with self._lock:
                if self._closed:
                    return
                try:
                    self._end_stage()
                except ours(OSError, ValueError):
                    if self._closed:  # by a signal handler
                        return
                    raise
                self._closed = self._over = True
                self._log.file.close()
                self._check_synced()
        finally:
            self._say_outside()

    def end_if_free(self) -> bool:
        """Ends the stage as the process ends, if that can be done at once; whether there is nothing more to do."""
        if not self._lock.acquire(False):
            return False
        try:
            if self._closed:
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
        if isinstance(stage, File):
            try:
                return stage.lock.is_free()
            except ours(OSError):
                return True  # which the drain will tell
        return True

    def start_anew(self) -> None:
        """In a forked child: the stage, and whatever its threads were at, is the parent's."""
        self._lock = RLock()
        self._storing = RLock()  # the reference's
        self._armed = self._opening = self._ending = False
        self._others = {}
        self._let_go()

    def _end_stage(self) -> None:
        """Drains the stage for the last time, and removes it. From then on records go to the file itself.

        A signal handler may append at any point of this, and even close. An interrupt leaves the appender open, with
        its records where they are.
        """
        self._ending = True
        try:
            self._write(NOTHING)
        except BaseException:
            self._ending = self._over
            if self._failure is None and self._sync != "always":
                self._arm()
                self.wake()
            raise
        if self._failure is None and self._is_to_be_synced():
            with ignoring(OSError):  # which is raised by close
                self._make_durable()
        self._let_go(remove=True)

    def _write(self, record: memoryview) -> None:
        """Writes to the file what couldn't be written before, what is staged, and a record. The lock is held.

        Where that fails, what was staged waits and the record isn't taken. A signal handler of this thread's may do the
        same at any point between two steps, so each step looks at what there is.
        """
        while True:
            stage, log, tail = self._stage, self._log, self.tail
            if tail or len(record):
                self._unsynced = True
            try:
                if stage is None:
                    log.send(record, self)
                    return
                if tail or self._ending:
                    self._make_way(stage, log)
                if len(record) or stage.length(self.turn - 1):
                    stage.drain(log, self.turn - 1, record, self)
                if stage.is_astray and not self._ending and not self._opening:
                    with ignoring(OSError):  # the next append tries to have a stage
                        self._change_to(None)
                return
            except ours(Nameless):
                pass
            except ours(OSError) as error:
                if (self._stage is not stage or self._log is not log) and not self._closed:
                    continue  # a handler has closed what this was to be written with
                _system.name(error, self.name, always=True)
                raise
            except ValueError:
                if self._closed or self._stage is stage:
                    raise
                continue  # the stage is closed, for a handler has had another made, as by reopen
            with _system.naming(self.name, always=True):
                self._follow(log)

    def _follow(self, gone: Log) -> None:
        """Goes on at the path of a log that has no name any more, with what is staged."""
        log = self._opened()
        if log.is_regular and not log.named:
            text = "The log was removed, and its path leads to a file without a name"
            raise OSError(errno.ENOENT, text, self.name)
        stage = self._stage
        try:
            if self._log is gone and isinstance(stage, File):
                stage.follow(log, self._stage_dir or os.path.dirname(log.path))
                self._survives = stage.survives_kill
        except ours(OSError, ValueError):
            if self._log is gone:
                raise
        if self._log is not gone:
            return  # a handler has done so, or has reopened it
        self._use(log)
        if self._stage is not stage:
            self._due = True  # a handler has reopened it between these lines

    def _make_way(self, stage: File | Memory, log: Log) -> None:
        """Switches the stage to its other half if it has any records; for the last time until it takes no more."""
        while self.tail or (self._ending and not self.rest()):
            turn = self.turn
            if stage.length(turn - 1):  # the half that is to take records must be empty
                stage.drain(log, turn - 1, NOTHING, self)
            self.switch(*stage.place(turn + 1), rests=self._ending, turn=turn)
            if not self._ending:
                break

    def _is_to_be_synced(self) -> bool:
        return self._sync is not None and self._unsynced

    def _make_durable(self) -> None:
        self._unsynced = False
        try:
            with _system.naming(self.name, always=True):
                log = None
                while log is not self._log:  # a handler may have reopened it
                    log = self._log
                    self._sync_by(_system.make_durable, log.file.fd)
                if not self._named:
                    self._make_name_durable()
        except BaseException:
            self._unsynced = True
            raise

    def _sync_by(self, call: Callable[[int], None], fd: int) -> None:
        """Syncs a file or a directory. An error is for life: the system may have dropped what it couldn't write."""
        try:
            call(fd)
        except ours(OSError) as error:
            if error.errno != errno.EINVAL:  # what a pipe answers, or a device
                self._failure = error  # which the system says once alone
                self.rest(anyway=True)
            raise

    def _make_name_durable(self) -> None:
        """Once, for this appender may have made the file. What has left its folder is synced without its name."""
        try:
            directory = Descriptor(_system.open_directory(os.path.dirname(self._log.path)))
        except ours(PermissionError):
            pass
        except ours(FileNotFoundError, NotADirectoryError):
            return
        else:
            self._sync_by(_system.make_names_durable, directory.fd)
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
        if getattr(self, "_closed", True) or has_ended is None or has_ended():
            return  # what was staged was drained when the interpreter began to end
        try:
            self.close()
        except BaseException:
            self._let_go()
            self._log.file.close()
            raise

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            f"an Appender can't be copied or pickled, for its stage is its own: open another by the path {self.name!r}"
        )

    def _let_go(self, remove: bool = False) -> None:
        """Closes the stage, and removes it or leaves it: to be recovered, or to its writer if this is a child."""
        stage, self._stage = self._stage, None
        self.switch(None)
        if stage is not None:
            stage.remove() if remove else stage.let_go()


class _Open:
    """Around a block under an appender's lock, in which a signal handler may close it: what fails for that says so.

    What there is to be warned of is said when the lock was given back.
    """

    __slots__ = ("_appender",)

    def __init__(self, appender: Appender) -> None:
        self._appender = appender

    def __enter__(self) -> None:
        if has_ended() and not self._appender._lock._is_owned():  # type: ignore[attr-defined]
            give_way(self._appender)

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, (OSError, ValueError)) and is_ours(error):
            self._appender._check_open()
        if self._appender._log.unsaid:
            self._appender._say_outside()
