"""Stages: where records wait before they go to their log, in a file or in memory. `layout.py` has the layout."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from .. import beside, paths, system
from .._backend import chosen
from ..beside import Untrusted, adapt, check_trust
from ..blame import ignoring, ours
from ..descriptors import Held, Open
from ..errors import naming
from ..mapped import MappedFile
from .header import Header, words_in
from .layout import (
    DRAINS,
    HALVES_AT,
    INTENT,
    INTENT_AT,
    LOCK,
    LOCK_MAGIC,
    LOCK_VERSION,
    NO_DRAIN,
    NO_NAME,
    OWN_LOCK_AT,
    WORD,
    WORD_AT,
    Outcome,
    empty_words,
    half_of,
    length_of,
)
from .lock import Lock, StageError
from .log import Nameless

if TYPE_CHECKING:
    from ..reference.append import Stage
    from .log import Log

NOTHING = memoryview(b"")

# Why a stage can't follow to another log: it, or its folder, is gone, or elsewhere, or not ours to write to.
_ASTRAY = (errno.ENOENT, errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS)

# What comes of a drain that is done, and of one after which the lock is to be closed.
_DONE, _CLOSES = (Outcome.DONE, Outcome.KEPT), (Outcome.KEPT, Outcome.GONE)

# The id of a stage in memory. No other process looks for it.
_OWN = b"of this process.".ljust(16)


class Halves:
    """The two halves of a stage, in mapped memory."""

    def __init__(self, mapping: MappedFile, half: int) -> None:
        self._mapping, self.half = mapping, half

    def place(self, number: int) -> tuple[MappedFile, int, int, int]:
        """Where the records of a drain go: a buffer, the bounds in it, and the offset of the word."""
        start = HALVES_AT + half_of(number) * self.half
        return self._mapping, start, start + self.half, WORD_AT[half_of(number)]

    def length(self, number: int) -> int:
        """How many bytes of a drain have yet to be written. Another process may have ended it."""
        at = WORD_AT[half_of(number)]
        return length_of(WORD.unpack(self._mapping[at : at + WORD.size])[0], number)


class MemoryStage(Halves):
    """A stage in memory of this process: what is in it when the process is killed is lost.

    It has its lock in itself: nobody else drains it.
    """

    survives_kill = False
    is_astray = False

    def __init__(self, half: int, number: int) -> None:
        # Private ("c"): a forked child must not store into its parent's.
        super().__init__(MappedFile(None, "c", size=HALVES_AT + 2 * half), half)
        for at, word in empty_words(number):
            self._mapping[at : at + len(word)] = word
        self._mapping[OWN_LOCK_AT : OWN_LOCK_AT + LOCK.size] = LOCK.pack(LOCK_MAGIC, LOCK_VERSION, NO_NAME)

    def drain(self, log: Log, number: int, record: memoryview, counter: Stage) -> None:
        """Writes what a drain has to the log, and a record behind it: all of it, or none. Nameless if that is gone."""
        log.check_name()
        stage = self._mapping.view(), self.half, _OWN
        while chosen.drain(None, stage, log.file.fd, number, record, counter) is Outcome.AGAIN:
            pass

    def let_go(self) -> None:
        """Unmaps the memory."""
        self._mapping.close()

    def remove(self) -> None:
        """Unmaps the memory, which is all there is."""
        self._mapping.close()


class FileStage(Halves):
    """A stage in a file, mapped by the writer that holds its lock. Others open it only to finish its drains."""

    is_astray = False  # its log is gone, and it couldn't follow to the next: nobody would find it there

    def __init__(self, path: str, file: Held, header: Header, lock: Lock, mapping: MappedFile) -> None:
        self.path, self.file, self.header, self.lock = path, file, header, lock
        super().__init__(mapping, header.half)
        self.next_path: str | None = None  # what it is being renamed to, or was

    @property
    def survives_kill(self) -> bool:
        """Whether another process would find it."""
        return not self.is_astray

    @classmethod
    def create(cls, lock: Lock, half: int, number: int) -> FileStage:
        """A new stage in the lock's folder, ours as long as this process has it open; `number` is its first drain's."""
        while True:
            header = Header.of(lock.log, os.stat(lock.folder), half)
            path = lock.stage_path(header.id)
            made, file = Open(), Held(-1)
            try:
                named = beside.create_into(made, lock.folder, path)
                file = Held.of(made.pop, -1)
                system.lock(file.fd)
                if not named or system.is_named(file.fd):
                    stage = cls._prepare(path, file, header, lock, number)
                    if not named:
                        system.name_file(file.fd, path)
                    return stage
            except BaseException:
                file.close()
                made.close()
                with ignoring(OSError):
                    system.remove(path)
                raise
            file.close()  # somebody has found it, before it was locked, and removed it

    @classmethod
    def _prepare(cls, path: str, file: Held, header: Header, lock: Lock, number: int) -> FileStage:
        """Allocates the file, and maps it."""
        log = lock.log
        adapt(file.fd, log.status)
        size = HALVES_AT + 2 * header.half
        try:
            system.write_zeros(file.fd, 0, size)
        except ours(OSError) as error:
            error.strerror = f"{error.strerror}, for a stage of {size} bytes (stage_size is half of that)"
            raise
        system.write_at(file.fd, INTENT.pack(log.size(), 0, 0, 0, 0), INTENT_AT)
        for at, word in empty_words(number):
            system.write_at(file.fd, word, at)
        header.write(file.fd)
        mapping = _mapped(file, path)
        return cls(path, file, header, lock, mapping)

    @classmethod
    def open(cls, path: str, lock: Lock, log: Log) -> FileStage:
        """A stage that somebody has made. FileNotFoundError, Untrusted or StageError where it can't be used."""
        file = beside.adopt(path)
        check_trust(file.fd, path, log.status)
        header = Header.read(file.fd, path)
        if header is None:
            raise FileNotFoundError(path)
        return cls.of_another(path, file, header, lock, log)

    @classmethod
    def of_another(cls, path: str, file: Held, header: Header, lock: Lock, log: Log) -> FileStage:
        """A stage that somebody has made, by its open file, which is trusted. Untrusted where it isn't the log's."""
        if not header.is_of(log.status, log.birth, os.fstat(file.fd)):
            raise Untrusted(path, "it belongs to another log")
        if os.path.basename(path) != os.path.basename(lock.stage_path(header.id)):
            path = _name_of_follower(path, file, header, lock)
        mapping = _mapped(file, path)
        if len(mapping) < HALVES_AT + 2 * header.half:
            raise StageError(path, "The stage is damaged")
        return cls(path, file, header, lock, mapping)

    # --- as its writer ---

    def drain(self, log: Log, number: int, record: memoryview, counter: Stage | None) -> None:
        """Writes what a drain has to the log, and a record behind it: all of it, or none. Nameless if that is gone.

        The record is in no stage: when this process is killed, the part of it that was written is taken back.
        """
        while (outcome := self._attempt(log, number, record, counter)) not in _DONE:
            if outcome is Outcome.NAMELESS:
                raise Nameless
            if outcome is Outcome.OTHER:
                self._finish_other(log, self.lock.name())

    def _attempt(self, log: Log, number: int, record: memoryview, counter: Stage | None) -> Outcome:
        """A drain, if nothing comes in between. Descriptors are read last: a signal handler may close them."""
        stage = self._mapping.view(), self.half, self.header.id
        if self.lock.file.fd < 0:
            log.check_name()  # its folder may be gone as well
        try:
            if self.lock.file.fd < 0:
                self.lock.open()
            lock = self.lock.file
            outcome: Outcome = chosen.drain((lock.fd, lock.names), stage, log.file.fd, number, record, counter)
        except OSError:
            self.lock.close()  # which gives it back, whatever there was
            raise
        finally:
            if self.file.fd < 0:
                self.lock.remove()  # a handler has closed the stage, and this has created the lock again
        if outcome in _CLOSES:
            self.lock.close()
        return outcome

    def _finish_other(self, log: Log, identity: bytes) -> None:
        """Ends the drain of another stage, which the lock names: its writer died in it, or failed."""
        path = self.lock.stage_path(identity)
        ignored = None
        try:
            other = FileStage.open(path, self.lock, log)
            if other.header.boot == self.header.boot:
                other._attempt(log, NO_DRAIN, NOTHING, None)
                return
        except ours(FileNotFoundError):
            pass  # its writer had drained it, and removed it
        except ours(Untrusted) as error:
            if _is_held(path, log):
                raise  # its writer can still finish, and would write once more what is in the log already
            ignored = error.strerror
        self.lock.forget(identity)
        if ignored is not None:
            log.unsaid.append(ignored)

    def drain_all(self, log: Log) -> None:
        """Writes what a dead writer has left, the older half first. The caller holds the stage's own lock."""
        words = words_in(self.file.fd)
        if any(word % DRAINS > self.half for word in words):
            raise StageError(self.path, "The stage is damaged")
        first, second = (word // DRAINS for word in words)
        for number in (first, second) if (second - first) % DRAINS < DRAINS // 2 else (second, first):
            self.drain(log, number, NOTHING, None)

    # --- when its log is gone ---

    def follow(self, log: Log, folder: str) -> None:
        """Becomes the stage of another log, whose folder that is; or goes astray, where it can't be found there.

        First the header says whose it is, then the name: a writer that dies in between is recovered all the same. An
        interrupt may come anywhere: the same is done once more then.
        """
        if self.is_astray:
            return
        lock = Lock(folder, log) if paths.is_directory(folder) else self.lock
        # A descriptor that no handler closes: its number could be another file's when it is written to.
        file = Held.again(self.file)
        try:
            if not log.readable or not system.is_named(file.fd) or not system.is_local(log.file.fd):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
            lock.open()
            header = self.header.of_log(log, os.stat(folder))
            adapt(file.fd, log.status)
            header.write(file.fd)
            path = lock.stage_path(header.id)
            if self.next_path is not None and paths.leads_to(self.next_path, file.fd, follow=False):
                self.path = self.next_path  # an interrupt, or this handler, came in just then
            self.next_path = path
            if not paths.leads_to(path, file.fd, follow=False):
                system.rename(self.path, path)
        except BaseException as error:
            if lock is not self.lock:
                lock.remove()
            if not isinstance(error, OSError) or error.errno not in _ASTRAY:
                raise
            self.is_astray = True
            return
        finally:
            file.close()
        before, self.header, self.path, self.lock = self.lock, header, path, lock
        before.remove(header.id)
        if self.file.fd < 0:
            lock.remove(header.id)  # a handler has closed the stage meanwhile

    # --- the end ---

    def let_go(self) -> None:
        """Lets go of memory, file and lock, and with the file of the lock that says that its writer lives."""
        self._mapping.close()
        self.file.close()
        self.lock.close()

    def remove(self) -> None:
        """Removes the file, which has been drained; and the lock, which the next writer creates again.

        What can't be removed is an empty stage, which goes with the next recovery. It is unmapped first: Windows
        removes no file that is mapped.
        """
        self._mapping.close()
        for path in {self.path, self.next_path or self.path}:
            with ignoring(OSError):
                system.remove(path)
        self.lock.remove(self.header.id)
        self.let_go()


def _mapped(file: Held, path: str) -> MappedFile:
    """A stage's memory, which has the name of the stage, by whatever path it was opened."""
    with naming(path, always=True), Open() as own:
        system.open_again_into(own, file.fd, os.O_RDWR)
        mapping = MappedFile(own.fd, "r+")
    mapping.name = path
    return mapping


def _name_of_follower(path: str, file: Held, header: Header, lock: Lock) -> str:
    """The right name of a stage whose writer died when it had followed to another log, all but for the name."""
    name = lock.stage_path(header.id)
    if paths.leads_to(name, file.fd, follow=False):
        return name  # it was renamed after it was opened
    if os.path.basename(path).rpartition("-")[2] != os.path.basename(name).rpartition("-")[2] or paths.is_taken(name):
        raise Untrusted(path, "its name isn't the one in its header")
    system.rename(path, name)
    return name


def _is_held(path: str, log: Log) -> bool:
    """Whether a stage of one of the log's writers is held by one that lives."""
    with ignoring(OSError):
        file = beside.adopt(path)
        if os.fstat(file.fd).st_uid in (system.user(), log.status.st_uid):
            return not system.lock(file.fd, wait=False)
    return False
