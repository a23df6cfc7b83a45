"""Stages: where records wait before they go to their log.

A stage is two halves, which take records in turn: while one is written to the log, the other is filled. What a half
holds is a drain, and drains have numbers that never come back: half 0 has the even ones, half 1 the odd ones, so the
lower of the two numbers is the older drain. A word of each half says which drain it has and how many bytes of records:
drain << 32 | bytes. A store to that word is what adds a record, and what empties the half.

`draining.py` has the lock under which stages are written to a log, `reference/drain.py` the steps of that.
"""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from . import _system, paths
from ._backend import chosen
from .blame import ignoring, ours
from .draining import Held, Lock, Log, Nameless, StageError, Untrusted, adapt, check_trust, open_beside, reopened
from .mapped import MappedFile
from .reference.drain import (
    AGAIN,
    DRAINS,
    GONE,
    HALVES_AT,
    INTENT,
    INTENT_AT,
    KEPT,
    MEMORY_HALVES_AT,
    NAMELESS,
    NOTHING,
    OTHER,
    WORD,
    WORD_AT,
)

if TYPE_CHECKING:
    from .reference.append import Stage

MAGIC, VERSION = b"fmstage\0", 1

# The first page begins with magic, version, whether the log is on the stage's filesystem, id, boot, device, inode and
# birth of the log, bytes of a half, bytes of the log's path. The second page has the path.
HEADER = struct.Struct("=8sII16s16sQQQQQ")
PATH_AT = 4096
LONGEST_PATH = HALVES_AT - PATH_AT

# A word counts bytes in 32 bits.
LARGEST_HALF = 1 << 31

# Why a stage can't follow to another log: it, or its folder, is gone, or elsewhere, or not ours to write to.
_ASTRAY = (errno.ENOENT, errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS)

# Of a drain that writes nothing, but finishes what was interrupted.
NO_DRAIN = -1


class Memory:
    """A stage in memory of this process: what is in it when the process is killed is lost."""

    survives_kill = False
    is_astray = False

    def __init__(self, half: int, number: int) -> None:
        self.half = half
        # Private ("c"): a forked child must not store into its parent's.
        self._mapping = MappedFile(None, "c", size=MEMORY_HALVES_AT + 2 * half)
        for drain in (number, number + 1):
            _, _, _, at = self.place(drain)
            self._mapping[at : at + WORD.size] = WORD.pack(drain % DRAINS << 32)

    def place(self, number: int) -> tuple[MappedFile, int, int, int]:
        """Where the records of a drain go: a buffer, the bounds in it, and the offset of the word."""
        start = MEMORY_HALVES_AT + number % 2 * self.half
        return self._mapping, start, start + self.half, number % 2 * WORD.size

    def length(self, number: int) -> int:
        """How many bytes of a drain have yet to be written."""
        return _length(self._mapping, number, number % 2 * WORD.size)

    def drain(self, log: Log, number: int, record: memoryview, counter: Stage) -> None:
        """Writes what a drain has to the log, and a record behind it: all of it, or none. Nameless if that is gone."""
        log.check_name()
        while chosen.send(log.file.fd, self._mapping.view(), self.half, number, record, counter) == AGAIN:
            pass

    def let_go(self) -> None:
        """Lets go of the memory."""
        self._mapping.close()

    def remove(self) -> None:
        """Nothing is left of memory."""
        self._mapping.close()


@dataclass(frozen=True)
class Header:
    """Whose stage it is."""

    id: bytes
    boot: bytes  # since the machine has started anew, nothing is known of what the file holds
    device: int
    inode: int
    birth: int  # in nanoseconds, 0 where it isn't known
    same: bool  # whether log and stage are on one filesystem: its device number may be another the next time
    half: int
    path: str  # of the log, when the stage was made

    def write(self, fd: int) -> None:
        """Makes a file a stage: until then it is unfinished, and nobody's."""
        path = os.fsencode(self.path)
        fields = self.id, self.boot, self.device, self.inode, self.birth, self.half, len(path)
        _system.write_at(fd, path, PATH_AT)
        _system.write_at(fd, HEADER.pack(MAGIC, VERSION, self.same, *fields), 0)

    @classmethod
    def of(cls, log: Log, folder: os.stat_result, half: int) -> Header:
        """A new stage's, in a folder."""
        return cls(os.urandom(16), _system.boot(), 0, 0, 0, False, half, "").of_log(log, folder)

    def of_log(self, log: Log, folder: os.stat_result) -> Header:
        """The same stage's, of another log."""
        path = log.path if len(os.fsencode(log.path)) <= LONGEST_PATH else ""
        same = folder.st_dev == log.status.st_dev
        return replace(self, device=log.status.st_dev, inode=log.status.st_ino, birth=log.birth, same=same, path=path)

    @classmethod
    def read(cls, fd: int, path: str) -> Header | None:
        """What a stage says of itself, None where it was never finished. Untrusted for what can't be a stage."""
        block = _system.read_at(fd, HALVES_AT, 0)
        if not any(block[: len(MAGIC)]):
            return None
        if len(block) < HALVES_AT or not block.startswith(MAGIC):
            raise Untrusted(path, "it is no stage")
        _, version, same, identity, boot, device, inode, birth, half, length = HEADER.unpack_from(block)
        if version != VERSION:
            raise StageError(path, f"Version {version} of the stage is unknown to this fastmmap")
        name = os.fsdecode(block[PATH_AT : PATH_AT + length])
        if (
            not 0 < half <= LARGEST_HALF
            or length > LONGEST_PATH
            or os.fstat(fd).st_size != HALVES_AT + 2 * half
            or "\0" in name
            or not (os.path.isabs(name) or name == "")
        ):
            raise StageError(path, "The stage is damaged")
        return cls(identity, boot, device, inode, birth, bool(same), half, name)

    @staticmethod
    def known_end(fd: int) -> int:
        """Where in the log the last drain of a stage began: the log has never been shorter since."""
        return int(INTENT.unpack(_system.read_at(fd, INTENT.size, INTENT_AT))[0])

    def is_of(self, log: os.stat_result, birth: int, stage: os.stat_result) -> bool:
        """Whether a file is the log: by device and inode, and by its birth, for inodes are used again."""
        if log.st_ino != self.inode or log.st_dev != (stage.st_dev if self.same else self.device):
            return False
        return not birth or not self.birth or birth == self.birth


class File:
    """A stage in a file, mapped by the writer that holds its lock. Whoever else opens it finishes its drains."""

    is_astray = False  # its log is gone, and it couldn't follow to the next: nobody would find it there

    def __init__(self, path: str, file: Held, header: Header, lock: Lock, mapping: MappedFile) -> None:
        self.path, self.file, self.header, self.lock = path, file, header, lock
        self.half, self._mapping = header.half, mapping
        self.next_path: str | None = None  # what it is being renamed to, or was

    @property
    def survives_kill(self) -> bool:
        """Whether somebody else would find it."""
        return not self.is_astray

    @classmethod
    def create(cls, log: Log, lock: Lock, half: int, number: int) -> File:
        """A new stage in the lock's folder, ours as long as this process has it open; `number` is its first drain's."""
        while True:
            header = Header.of(log, os.stat(lock.folder), half)
            path = lock.stage_path(header.id)
            fd, named = _system.create_beside(lock.folder, path)
            file = Held(fd)
            try:
                _system.lock(file.fd)
                if not named or os.fstat(file.fd).st_nlink:
                    return cls._prepare(path, file, header, lock, log, number, named)
            except BaseException:
                file.close()
                _system.remove(path)
                raise
            file.close()  # somebody has found it, before it was locked, and removed it

    @classmethod
    def _prepare(cls, path: str, file: Held, header: Header, lock: Lock, log: Log, number: int, named: bool) -> File:
        """Allocates the file, maps it, and gives it its name if it has none yet."""
        adapt(file.fd, log.status)
        size = HALVES_AT + 2 * header.half
        try:
            _system.write_zeros(file.fd, 0, size)
        except ours(OSError) as error:
            error.strerror = f"{error.strerror}, for a stage of {size} bytes (stage_size is half of that)"
            raise
        _system.write_at(file.fd, INTENT.pack(log.size(), 0, 0, 0, 0), INTENT_AT)
        for drain in (number, number + 1):
            _system.write_at(file.fd, WORD.pack(drain % DRAINS << 32), WORD_AT[drain % 2])
        header.write(file.fd)
        mapping = _mapped(file, path)
        if not named:
            _system.name_file(file.fd, path)
        return cls(path, file, header, lock, mapping)

    @classmethod
    def open(cls, path: str, lock: Lock, log: Log) -> File:
        """A stage that somebody has made. FileNotFoundError, Untrusted or StageError where it can't be used."""
        file = open_beside(path)
        check_trust(file.fd, path, log.status)
        header = Header.read(file.fd, path)
        if header is None:
            raise FileNotFoundError(path)
        return cls.of_another(path, file, header, lock, log)

    @classmethod
    def of_another(cls, path: str, file: Held, header: Header, lock: Lock, log: Log) -> File:
        """A stage that somebody has made, by its open file, which is trusted. Untrusted where it isn't the log's."""
        if not header.is_of(log.status, log.birth, os.fstat(file.fd)):
            raise Untrusted(path, "it is another log's")
        if os.path.basename(path) != os.path.basename(lock.stage_path(header.id)):
            path = _name_of_follower(path, header, lock)
        mapping = _mapped(file, path)
        if len(mapping) < HALVES_AT + 2 * header.half:
            raise StageError(path, "The stage is damaged")
        return cls(path, file, header, lock, mapping)

    # --- as its writer ---

    def place(self, number: int) -> tuple[MappedFile, int, int, int]:
        """Where the records of a drain go: a buffer, the bounds in it, and the offset of the word."""
        start = HALVES_AT + number % 2 * self.half
        return self._mapping, start, start + self.half, WORD_AT[number % 2]

    def length(self, number: int) -> int:
        """How many bytes of a drain have yet to be written. Another process may have ended it."""
        return _length(self._mapping, number, WORD_AT[number % 2])

    def drain(self, log: Log, number: int, record: memoryview, counter: Stage | None) -> None:
        """Writes what a drain has to the log, and a record behind it: all of it, or none. Nameless if that is gone.

        The record is in no stage: when this process is killed, the part of it that was written is taken back.
        """
        while (outcome := self._attempt(log, number, record, counter)) > KEPT:
            if outcome == NAMELESS:
                raise Nameless
            if outcome == OTHER:
                self._finish_other(log, self.lock.name())

    def _attempt(self, log: Log, number: int, record: memoryview, counter: Stage | None) -> int:
        """A drain, if nothing comes in between. Descriptors are read last: a signal handler may close them."""
        view, half, name = self._mapping.view(), self.half, self.header.id
        if self.lock.file.fd < 0:
            log.check_name()  # its folder may be gone as well
        try:
            if self.lock.file.fd < 0:
                self.lock.open()
            lock = self.lock.file
            outcome: int = chosen.drain(lock.fd, lock.names, log.file.fd, view, half, name, number, record, counter)
        except OSError:
            self.lock.close()  # which gives it back, whatever there was
            raise
        finally:
            if self.file.fd < 0:
                self.lock.remove()  # a handler has closed the stage, and this has made the lock anew
        if outcome in (KEPT, GONE):
            self.lock.close()
        return outcome

    def _finish_other(self, log: Log, identity: bytes) -> None:
        """Ends the drain of another stage, which the lock names: its writer died in it, or failed."""
        path = self.lock.stage_path(identity)
        ignored = None
        try:
            other = File.open(path, self.lock, log)
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
        file = Held(os.dup(self.file.fd))
        try:
            if not log.readable or os.fstat(file.fd).st_nlink == 0 or not _system.is_local(log.file.fd):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
            lock.open()
            header = self.header.of_log(log, os.stat(folder))
            adapt(file.fd, log.status)
            header.write(file.fd)
            path = lock.stage_path(header.id)
            if self.next_path is not None and _is_at(self.next_path, file):
                self.path = self.next_path  # an interrupt, or this handler, came in just then
            self.next_path = path
            if not _is_at(path, file):
                _system.rename(self.path, path)
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
        """Removes the file, which has been drained; and the lock, which whoever needs it makes anew.

        What can't be removed is an empty stage, which goes with the next recovery.
        """
        for path in {self.path, self.next_path or self.path}:
            with ignoring(OSError):
                _system.remove(path)
        self.lock.remove(self.header.id)
        self.let_go()


def words_in(fd: int) -> list[int]:
    """The words of a stage's halves."""
    return [WORD.unpack(_system.read_at(fd, WORD.size, at))[0] for at in WORD_AT]


def _mapped(file: Held, path: str) -> MappedFile:
    """A stage's memory, which has the name of the stage, by whatever path it was opened."""
    with _system.naming(path, always=True):
        mapping = MappedFile(reopened(file), "r+")
    mapping.name = path
    return mapping


def _is_at(path: str, file: Held) -> bool:
    """Whether a file is there."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(file.fd))
    except ours(FileNotFoundError):
        return False


def _name_of_follower(path: str, header: Header, lock: Lock) -> str:
    """The right name of a stage whose writer died when it had followed to another log, all but for the name."""
    name = lock.stage_path(header.id)
    if os.path.basename(path).rpartition("-")[2] != os.path.basename(name).rpartition("-")[2] or paths.is_taken(name):
        raise Untrusted(path, "it is known by another name")
    _system.rename(path, name)
    return name


def _is_held(path: str, log: Log) -> bool:
    """Whether a stage of one of the log's writers is held by one that lives."""
    with ignoring(OSError):
        file = open_beside(path)
        if os.fstat(file.fd).st_uid in (os.geteuid(), log.status.st_uid):
            return not _system.lock(file.fd, wait=False)
    return False


def _length(mapping: MappedFile, number: int, at: int) -> int:
    """How many bytes of records a drain has, by the word of its half."""
    word: int
    (word,) = WORD.unpack(mapping[at : at + WORD.size])
    return word % DRAINS if word >> 32 == number % DRAINS else 0
