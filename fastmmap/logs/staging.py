"""The stage of an appender: how it is made, filled, drained and ended, whatever comes in between.

Signal handlers of Python run between any two lines. One that appends, flushes, reopens or closes finds an appender in
some state, and leaves it in another: so each step here looks at what there is, and what must not be left half done is
one call into a kernel.
"""

from __future__ import annotations

import enum
import errno
import os
import sys
from typing import TYPE_CHECKING, Any

from .. import descriptors, system
from .._backend import chosen
from .._imports import RLock
from ..beside import Untrusted
from ..blame import ignoring, is_ours, ours
from ..errors import add_name, naming, warn
from ..unfinished import refuse_unfinished_edit
from . import ticker
from .durability import Durability
from .ending import end_with_child, give_way, has_ended, keep
from .inheriting import Others
from .layout import LARGEST_HALF
from .lock import Lock
from .log import Log, Nameless
from .recovering import adopt
from .stage import NOTHING, FileStage, MemoryStage

if TYPE_CHECKING:
    from ..reference.append import Stage
else:
    Stage = chosen.Stage

# Records of this many bytes and more go to the file with what is in the stage, not through it: copying them there takes
# longer than it saves.
LARGE = 1 << 16

_ELSEWHERE = "on this system stages are in memory"


class State(enum.Enum):
    """Where an appender is in its life."""

    NEW = "not open yet"
    OPEN = "taking records"
    MAKING = "a stage is being made: records go to the file itself"
    ENDING = "the stage is being drained for the last time, or was: records go to the file itself"
    CLOSED = "closed"


# Asked for with each drain: a member of an enum takes longer to look up than a name.
_NEW, _ENDING = State.NEW, State.ENDING


class Staging(Stage):
    """A stage that is drained to a log. The methods here are for an appender: its lock is held, unless they say not."""

    def _prepare(self, name: Any, policy: str | None, interval: float | None, half: int, folder: str | None) -> None:
        """Sets what there is before the log is open."""
        self.name = name
        self._phase, self._is_over = State.NEW, False
        self._interval, self._half, self._stage_dir = interval, half, folder
        self._largest = min(LARGE - 1, half)
        self._durability = Durability(name, policy)
        self._stage: FileStage | MemoryStage | None = None
        self._survives = False
        self._is_armed = False  # whether the ticker knows of it
        self._reopen_is_due = False  # a handler wants it reopened, which came in while a stage was made or ended
        self._why: str | None = None  # the stage is in memory, as was said
        self._others: dict[str, Others] = {}  # by their folders
        self._lock = RLock()
        with naming(name):
            path = os.fsdecode(name)
            self._path = path if os.path.isabs(path) else os.path.join(os.getcwd(), path)  # wherever we are later

    @property
    def _draining(self) -> int:
        """The number of the drain that is being written to the log, or is next: the one before that being filled."""
        return self._filling - 1

    @property
    def _state(self) -> State:
        """Where it is in its life. What a handler has closed stays so, whatever phase it came into."""
        return State.CLOSED if self._is_over else self._phase

    @property
    def _is_closed(self) -> bool:
        return self._is_over or self._phase is _NEW

    @property
    def _takes_no_more(self) -> bool:
        """Whether the stage is drained for the last time, also by who is in the midst of an append."""
        return self._is_over or self._phase is _ENDING

    @property
    def _rests(self) -> bool:
        """Whether the next record is to overflow, also where there is room for it."""
        return self._takes_no_more

    def _check_open(self) -> None:
        if self._is_closed:
            raise ValueError(f"the appender of {self.name!r} is closed")

    # --- the log ---

    def _opened(self) -> Log:
        """The log, opened by its path. OSError for what can't be synced but should be, as a pipe can't."""
        log = Log(self._path, create=True)
        if log.named:
            refuse_unfinished_edit(log.path, log.status, log.unsaid.append)
        policy = self._durability.policy
        if policy is not None and not log.is_regular:
            try:
                system.make_durable(log.file.fd)
            except BaseException as error:
                log.file.close()
                if isinstance(error, OSError) and is_ours(error) and error.errno == errno.EINVAL:
                    error.strerror = f"sync={policy!r} needs a file that can be synced"
                raise
        return log

    def _use(self, log: Log) -> None:
        """Has records go to that log from now on. The one before is closed when the last call that is in it ends."""
        before, self._log = getattr(self, "_log", None), log
        self._durability.has_name = False
        # What a pipe has taken of a record can't be taken back: all go by the stage.
        self._largest = min(LARGE - 1, self._half) if log.is_regular else self._half
        if before is not None:
            keep(self)
            log.unsaid += before.unsaid

    def _say(self) -> None:
        """Warns of what was found out while the lock was held: a warning may be anybody's code, and wait for a lock."""
        unsaid = self._log.unsaid
        while unsaid:
            warn(unsaid.pop(0))

    def _say_outside(self) -> None:
        """Warns, unless this thread holds the lock yet, as a handler does that came into a call."""
        if not self._lock._is_owned():  # type: ignore[attr-defined]
            self._say()

    def _make_durable(self) -> None:
        try:
            self._durability.sync(lambda: self._log)
        finally:
            if self._durability.failure is not None:
                self._rest(anyway=True)

    def _tick(self) -> bool:
        """What is done after each interval, without the lock. Returns whether there may be more to do."""
        raise NotImplementedError

    # --- a stage is made ---

    def _open_stage(self) -> None:
        """Gives it a stage, if it may have one. What a signal handler appends meanwhile goes to the file itself."""
        before, lock = self._state, self._lock
        if before not in (State.NEW, State.OPEN) or has_ended():
            return
        self._phase = State.MAKING
        try:
            if self._stage is None:
                number = self._filling + 1
                stage = self._stage_in_file(number) or MemoryStage(self._half, number)
                if self._lock is not lock:  # a handler has forked: it is the parent's
                    stage.let_go()
                    return
                self._stage, self._survives = stage, stage.survives_kill
                keep(self)
                if self._takes_no_more:  # a handler has closed the appender
                    self._let_go(remove=True)
                    return
                self._switch(*stage.place(number), rests=True, filling=number - 1)
                end_with_child()
        finally:
            if self._phase is State.MAKING and self._lock is lock:
                self._phase = before
        if self._interval is None and self._durability.policy != "always":
            self._wake()

    def _stage_in_file(self, number: int) -> FileStage | None:
        """A stage that outlives this process. None where there can't be one, of which a log's user is warned once."""
        if not self._log.is_regular:
            return None
        stage, why = None, self._log.unreadable
        if why is None and not system.boot():
            why = "there is no /proc that tells when the system was started" if sys.platform == "linux" else _ELSEWHERE
        if why is None:
            try:
                stage = self._make_stage(self._folder(), number)
                why = None if stage is not None else "it isn't on a known local filesystem"
            except ours(Untrusted) as error:
                why = str(error.strerror)
            except ours(OSError) as error:
                if self._stage_dir or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                    raise
                why = f"no file can be created beside it ({error.strerror})"
        if why not in (None, self._why):
            self._log.unsaid.append(
                f"the records of {self.name!r} are staged in memory and are lost if this process is killed: {why}"
            )
        self._why = why
        return stage

    def _folder(self) -> str:
        """Where the stage belongs, and the lock."""
        return self._stage_dir or os.path.dirname(self._log.path)

    def _make_stage(self, folder: str, number: int) -> FileStage | None:
        """A stage in a folder, after those of dead writers were recovered; None where the filesystem isn't ours."""
        with descriptors.Open() as directory:
            system.open_directory_into(directory, folder)
            is_local = system.is_local(directory.fd)
        if not is_local or (not self._stage_dir and not system.is_local(self._log.file.fd)):
            if self._stage_dir:
                raise OSError(errno.EOPNOTSUPP, "A stage needs a local filesystem", self._stage_dir)
            return None
        adopt(self._log, folder)
        if self._stage_dir:
            with ignoring(PermissionError):
                adopt(self._log, os.path.dirname(self._log.path))
        lock = Lock(folder, self._log)
        try:
            lock.open()
            stage = FileStage.create(lock, self._half, number)
            try:  # once more: an edit that begins looks for stages when it has its journal
                refuse_unfinished_edit(self._log.path, self._log.status, self._log.unsaid.append)
            except BaseException:
                stage.remove()
                raise
            return stage
        except BaseException:
            lock.remove()
            raise

    def _enlarge(self, length: int) -> None:
        """Has a pipe's stage, which is memory, made anew for a record of that length."""
        if length > LARGEST_HALF:
            raise ValueError(
                f"a record of {length} bytes is too large for a pipe or a device: the limit is {LARGEST_HALF}"
            )
        if self._state is State.OPEN:
            self._end_stage()
            self._half = self._largest = length
            self._take_records_again()

    def _arm(self) -> None:
        """Has the stage drained in an interval's time, at the latest."""
        if self._interval is not None and not self._is_armed:
            self._is_armed = ticker.arm(self)

    # --- it is drained ---

    def _write(self, record: memoryview) -> None:
        """Writes to the file what couldn't be written before, what is staged, and a record.

        Where that fails, what was staged waits and the record isn't taken. A signal handler of this thread's may do the
        same at any point between two steps, so each step looks at what there is.
        """
        while True:
            stage, log, tail = self._stage, self._log, self._tail
            if tail or len(record):
                self._durability.is_pending = True
            try:
                if stage is None:
                    MemoryStage(0, 0).drain(log, 0, record, self)
                    return
                if tail or self._takes_no_more:
                    self._make_way(stage, log)
                if tail or len(record) or stage.length(self._draining):
                    stage.drain(log, self._draining, record, self)
                if stage.is_astray and self._state in (State.NEW, State.OPEN):
                    with ignoring(OSError):  # the next append tries to have a stage
                        self._change_to(None)
                return
            except ours(Nameless):
                pass
            except ours(OSError) as error:
                if (self._stage is not stage or self._log is not log) and not self._is_closed:
                    continue  # a handler has closed what this was to be written with
                add_name(error, self.name, always=True)
                raise
            except ValueError:
                if self._is_closed or self._stage is stage:
                    raise
                continue  # the stage is closed, for a handler has had another made, as by reopen
            with naming(self.name, always=True):
                self._follow(log)

    def _make_way(self, stage: FileStage | MemoryStage, log: Log) -> None:
        """Switches the stage to its other half if it has any records; for the last time until it takes no more."""
        while self._tail or (self._takes_no_more and not self._rest()):
            filling = self._filling
            if stage.length(filling - 1):  # the half that is to take records must be empty
                stage.drain(log, filling - 1, NOTHING, self)
            self._switch(*stage.place(filling + 1), rests=self._rests, filling=filling)
            if not self._takes_no_more:
                break

    def _follow(self, gone: Log) -> None:
        """Goes on at the path of a log that has no name any more, with what is staged."""
        log = self._opened()
        if log.is_regular and not log.named:
            text = "The log was removed, and its path leads to a file without a name"
            raise OSError(errno.ENOENT, text, self.name)
        stage = self._stage
        try:
            if self._log is gone and isinstance(stage, FileStage):
                stage.follow(log, self._stage_dir or os.path.dirname(log.path))
                self._survives = stage.survives_kill
        except ours(OSError, ValueError):
            if self._log is gone:
                raise
        if self._log is not gone:
            return  # a handler has done so, or has reopened it
        self._use(log)
        if self._stage is not stage:
            self._reopen_is_due = True  # a handler has reopened it between these lines

    # --- it is ended ---

    def _change_to(self, log: Log | None) -> None:
        """Ends the stage, and goes on in another log, if there is one, with a new stage."""
        before = self._log
        try:
            self._end_stage()
            # If that one was gone, what was staged has gone to the file that the path led to later than to this.
            if log is not None and self._log is before and not self._is_closed:
                durability = self._durability
                if durability.is_pending and durability.is_asked and durability.failure is None:
                    self._make_durable()
                self._use(log)
        finally:
            self._take_records_again()
        if not self._is_closed:
            with naming(self.name, always=True):
                self._open_stage()

    def _take_records_again(self) -> None:
        """Goes on after a stage was ended, unless the appender was closed meanwhile."""
        if self._phase is State.ENDING:
            self._phase = State.OPEN

    def _end_stage(self) -> None:
        """Drains the stage for the last time, and removes it. From then on records go to the file itself.

        A signal handler may append at any point of this, and even close. An interrupt leaves the appender open, with
        its records where they are.
        """
        before = self._phase
        self._phase = State.ENDING
        try:
            self._write(NOTHING)
        except BaseException:
            if self._phase is State.ENDING:
                self._phase = before
            if self._durability.failure is None and self._durability.policy != "always":
                self._arm()
                self._wake()
            raise
        if self._durability.failure is None and self._durability.is_due:
            with ignoring(OSError):  # which is raised by close
                self._make_durable()
        self._let_go(remove=True)

    def _let_go(self, remove: bool = False) -> None:
        """Closes the stage, and removes it or leaves it: to be recovered, or to its writer if this is a child."""
        stage, self._stage = self._stage, None
        self._switch(None)
        if stage is not None:
            keep(self)
            stage.remove() if remove else stage.let_go()


class Open:
    """Around a block under an appender's lock, in which a signal handler may close it: what fails for that says so.

    What there is to be warned of is said when the lock was given back.
    """

    __slots__ = ("_appender",)

    def __init__(self, appender: Staging) -> None:
        self._appender = appender

    def __enter__(self) -> None:
        if has_ended() and not self._appender._lock._is_owned():  # type: ignore[attr-defined]
            give_way(self._appender)

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, (OSError, ValueError)) and is_ours(error):
            self._appender._check_open()
        if self._appender._log.unsaid:
            self._appender._say_outside()
