"""Stages: where records wait before they go to their log, and the protocol that takes them there exactly once.

A stage is two halves, which take records in turn: while one is written to the log, the other is filled. What a half
holds is a drain, and drains have numbers that never come back: half 0 has the even ones, half 1 the odd ones, so the
lower of the two numbers is the older drain. A stage that is a file says in a word of each half which drain it has and
how many bytes of records: drain << 32 | bytes. A store to that word is what adds a record, and what empties the half.

`draining.py` has the lock under which stages are written to a log, docs/appending.md the order of the steps.
"""

from __future__ import annotations

import mmap
import os
import struct
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _system
from .draining import Held, Log, StageError, Untrusted, adapt, open_trusted, takers
from .mapped import MappedFile

if TYPE_CHECKING:
    from .draining import Lock

MAGIC, VERSION = b"fmstage\0", 1

# The first page: magic, version, whether the log is on the stage's filesystem, id, boot, device, inode and birth of the
# log, bytes of a half, bytes of the log's path. Then, by themselves, the intent of a drain, how much of it was written,
# and the word of each half in a cache line of its own. The second page has the path; the halves follow.
HEADER = struct.Struct("=8sII16s16sQQQQQ")
INTENT, WORD = struct.Struct("=QQQQ"), struct.Struct("=Q")
INTENT_AT, PROGRESS_AT, WORD_AT, PATH_AT, HALVES_AT = 128, 160, (256, 320), 4096, 8192
LONGEST_PATH = HALVES_AT - PATH_AT

# A word counts bytes in 32 bits.
LARGEST_HALF = 1 << 31
DRAINS = 1 << 32


class Memory:
    """A stage in memory of this process: what is in it when the process is killed is lost."""

    survives_kill = False

    def __init__(self, half: int) -> None:
        self.half = half
        # Private ("c"): a forked child must not store into its parent's.
        self._mapping = MappedFile(None, "c", size=2 * (half + WORD.size))
        # Of the drain `_of`: how much is in the log, as it couldn't be taken back; and where in the log a write began
        # of which no more is known, since it was interrupted.
        self._of, self._written, self._began = -1, 0, -1
        self._empty(-2)
        self._empty(-1)

    def place(self, drain: int) -> tuple[MappedFile, int, int, int]:
        """Where the records of a drain go: a buffer, the bounds in it, and the offset of the word."""
        start = 2 * WORD.size + drain % 2 * self.half
        return self._mapping, start, start + self.half, drain % 2 * WORD.size

    def length(self, drain: int) -> int:
        """How many bytes of a drain have yet to be written."""
        _, _, _, at = self.place(drain)
        (word,) = WORD.unpack(self._mapping[at : at + WORD.size])
        return word % DRAINS if word >> 32 == drain % DRAINS else 0

    def drain(self, log: Log, drain: int, record: memoryview) -> None:
        """Writes what a drain has to the log, and a record behind it: all of it, or none."""
        _, start, _, _ = self.place(drain)
        length = self.length(drain)
        with self._mapping.view() as view:
            content = view[start : start + length]
            written, offset = self._known(log, drain, content), log.size()
            self._of, self._written, self._began = drain, written, offset
            try:
                log.write([content[written:], record])
            except OSError:
                if not log.take_back(offset):
                    written += min(log.written, length - written)
                self._written, self._began = written, -1
                raise
        if length:
            self._empty(drain)
        else:
            self._of = -1

    def _known(self, log: Log, drain: int, content: memoryview) -> int:
        """How much of a drain is in the log already."""
        if self._of != drain:
            return 0
        if self._began < 0 or not log.readable:
            return self._written
        present = log.read(len(content) - self._written, self._began)
        return self._written + len(present) if content[self._written :][: len(present)] == present else self._written

    def _empty(self, drain: int) -> None:
        """Ends a drain: its half has another number, and no bytes."""
        at = drain % 2 * WORD.size
        self._mapping[at : at + WORD.size] = WORD.pack((drain + 2) % DRAINS << 32)

    def close(self) -> None:
        """Lets go of the memory."""
        self._mapping.close()

    def let_go(self) -> None:
        """There is nothing else to let go of."""
        self.close()

    def remove(self) -> None:
        """Nothing is left of memory."""
        self.close()


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
        path = log.path if len(os.fsencode(log.path)) <= LONGEST_PATH else ""
        same = folder.st_dev == log.status.st_dev
        status = log.status
        return cls(os.urandom(16), _system.boot(), status.st_dev, status.st_ino, log.birth, same, half, path)

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
        if not 0 < half <= LARGEST_HALF or length > LONGEST_PATH or os.fstat(fd).st_size != HALVES_AT + 2 * half:
            raise StageError(path, "The stage is damaged")
        name = os.fsdecode(block[PATH_AT : PATH_AT + length])
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


class File(Held):
    """A stage in a file, mapped by the writer that holds its lock. Whoever else opens it reads and writes it."""

    survives_kill = True

    def __init__(self, path: str, fd: int, header: Header, lock: Lock) -> None:
        super().__init__(fd)
        self.path, self.header = path, header
        self.id, self.half = header.id, header.half
        self._lock = lock
        self._mapping: MappedFile | None = None

    @classmethod
    def create(cls, log: Log, lock: Lock, half: int) -> File:
        """A new stage in the lock's folder, ours as long as this process has it open."""
        while True:
            header = Header.of(log, os.stat(lock.folder), half)
            path = lock.stage_path(header.id)
            fd, named = _system.create_beside(lock.folder, path)
            stage = cls(path, fd, header, lock)
            try:
                _system.lock(fd)
                if not named or os.fstat(fd).st_nlink:
                    stage._prepare(log, named)
                    return stage
            except BaseException:
                stage.close()
                _system.remove(path)
                raise
            stage.close()  # somebody has found it, before it was locked, and removed it

    def _prepare(self, log: Log, named: bool) -> None:
        """Allocates the file, maps it, and gives it its name if it has none yet."""
        adapt(self.fd, log.status)
        _system.write_zeros(self.fd, 0, HALVES_AT + 2 * self.half)
        self._intend(log.size(), 0, 0, 0)
        for drain in range(2):
            _system.write_at(self.fd, WORD.pack(drain << 32), WORD_AT[drain])
        self.header.write(self.fd)
        # Opened once more: a mapping keeps its descriptor's lock, and a forked child may be unable to let go of one.
        self._mapping = MappedFile(f"/proc/self/fd/{self.fd}", "r+")
        if not named:
            _system.name_file(self.fd, self.path)

    @classmethod
    def open(cls, path: str, lock: Lock, log: Log) -> File:
        """A stage that somebody has made. FileNotFoundError, Untrusted or StageError where it can't be used."""
        try:
            fd = open_trusted(path, log.status)
        except PermissionError as error:
            raise Untrusted(path, str(error.strerror)) from None
        try:
            header = Header.read(fd, path)
            if header is None:
                raise FileNotFoundError(path)
            if not header.is_of(log.status, log.birth, os.fstat(fd)):
                raise Untrusted(path, "it is another log's")
        except BaseException:
            os.close(fd)
            raise
        return cls(path, fd, header, lock)

    def __enter__(self) -> File:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    # --- as its writer ---

    def place(self, drain: int) -> tuple[MappedFile, int, int, int]:
        """Where the records of a drain go: a buffer, the bounds in it, and the offset of the word."""
        assert self._mapping is not None
        start = HALVES_AT + drain % 2 * self.half
        return self._mapping, start, start + self.half, WORD_AT[drain % 2]

    def length(self, drain: int) -> int:
        """How many bytes of a drain have yet to be written. Another process may have ended it."""
        number, length = self._word(drain % 2)
        return length if number == drain % DRAINS else 0

    def drain(self, log: Log, drain: int, record: memoryview) -> None:
        """Writes what a drain has to the log, and a record behind it: all of it, or none.

        The record is in no stage: when this process is killed, the part of it that was written is taken back.
        """
        self._lock.check_reentry()
        try:
            with self._lock:
                self._drain(log, drain, record)
        except BaseException:
            self._lock.give_back()  # an interrupt may have come before the end of the with statement
            raise

    def _drain(self, log: Log, drain: int, record: memoryview) -> None:
        """What is done with the lock held."""
        self._finish_standing(log)
        length = self.length(drain)
        if not length and not len(record):
            return
        offset = log.size()
        self._intend(offset, length, len(record), drain)
        self._lock.name(self.id)
        content = self._content(drain, length)
        try:
            log.write([content, record], self._note)
        except OSError:
            if log.take_back(offset):
                self._lock.name(None)
            raise
        finally:
            content.release()
        # The bytes are in the log. Where what follows fails, whoever takes the lock next finds that out.
        with suppress(OSError):
            if length:
                self._empty(drain)
            self._lock.name(None)

    def _finish_standing(self, log: Log) -> None:
        """Ends the drain that the lock names: its writer died in it, or failed and couldn't take it back."""
        identity = self._lock.named()
        if identity == self.id:
            self.finish(log)
        elif identity is not None:
            try:
                with File.open(self._lock.stage_path(identity), self._lock, log) as stage:
                    if stage.header.boot == self.header.boot:
                        stage.finish(log)
            except FileNotFoundError:
                pass  # its writer had drained it, and removed it
            except Untrusted as error:
                warnings.warn(str(error.strerror), RuntimeWarning, stacklevel=2)
        if identity is not None:
            self._lock.name(None)

    def _intend(self, offset: int, length: int, extra: int, drain: int) -> None:
        """Says what is going to be written. It counts once the lock names this stage."""
        self._store(INTENT.pack(offset, length, extra, drain % DRAINS) + WORD.pack(0), INTENT_AT)

    def _content(self, drain: int, length: int) -> memoryview:
        """The records of a drain."""
        start = HALVES_AT + drain % 2 * self.half
        if self._mapping is None:
            return memoryview(_system.read_at(self.fd, length, start))
        return self._mapping.view()[start : start + length]

    def _note(self, written: int) -> None:
        """Says how much of a drain a write has written that wrote less than all: only so is it known to be ours."""
        self._store(WORD.pack(written), PROGRESS_AT)

    def _store(self, data: bytes, offset: int) -> None:
        """Writes to the header: by a store, which takes a tenth of the time of a call, where it is mapped."""
        if self._mapping is None:
            _system.write_at(self.fd, data, offset)
        else:
            self._mapping[offset : offset + len(data)] = data

    def _word(self, half: int) -> tuple[int, int]:
        """Number and length of the drain in a half."""
        at = WORD_AT[half]
        if self._mapping is None:
            (word,) = WORD.unpack(_system.read_at(self.fd, WORD.size, at))
        else:
            (word,) = WORD.unpack(self._mapping[at : at + WORD.size])
        return word >> 32, word % DRAINS

    def _empty(self, drain: int) -> None:
        """Ends a drain, in one store: its half has another number, and no bytes."""
        _system.write_at(self.fd, WORD.pack((drain + 2) % DRAINS << 32), WORD_AT[drain % 2])

    # --- as whoever finds it ---

    def finish(self, log: Log) -> None:
        """Ends the drain that was under way, from wherever it was left. The lock's holder does so, before all else.

        The log says how far it came: it was as long as the intent says when it began, and has grown by what was
        written. What stands there is compared, because writers of other kinds take no lock: where it is something
        else, the drain is written behind it, once more perhaps, but none of its records is lost.
        """
        block = _system.read_at(self.fd, INTENT.size + WORD.size, INTENT_AT)
        offset, length, extra, drain = INTENT.unpack_from(block)
        (progress,) = WORD.unpack_from(block, INTENT.size)
        if length > self.half or length > self.length(drain):
            return  # it was ended, all but its name in the lock
        size = log.size()
        content = self._content(drain, length)
        present = min(max(size - offset, 0), length)
        if log.read(present, offset) != content[:present] or size < offset:
            present = 0
            self._intend(size, length, 0, drain)
        elif 0 < size - offset - length < extra and (size % mmap.PAGESIZE == 0 or size - offset == progress):
            # A part of a record that had no place in the stage, and whose append never returned. A write that is killed
            # ends with a page; what ends elsewhere, and wasn't noted, may be somebody else's.
            _system.truncate(log.fd, offset + length)
        log.write([content[present:]])
        content.release()
        if length:
            self._empty(drain)

    def drain_all(self, log: Log) -> None:
        """Writes what a dead writer has left, the older half first. The caller holds the stage's own lock."""
        first, second = self._word(0), self._word(1)
        if (first[0] - second[0]) % DRAINS < DRAINS // 2:
            first, second = second, first
        for drain, length in (first, second):
            if length > self.half:
                raise StageError(self.path, "The stage is damaged")
            self.drain(log, drain, memoryview(b""))

    # --- the end ---

    def close(self) -> None:
        """Lets go of memory and file, and with it of the lock that says that its writer lives."""
        if self._mapping is not None:
            self._mapping.close()
        self.drop()

    def let_go(self) -> None:
        """close, and closes the lock of drains too, but removes neither."""
        self.close()
        self._lock.close()

    def remove(self) -> None:
        """Removes the file, which has been drained; and the lock, which whoever needs it makes anew.

        What can't be removed is an empty stage, which goes with the next recovery.
        """
        with suppress(OSError):
            _system.remove(self.path)
        self.close()
        self._lock.remove(self.id)


takers.add(File.drain.__code__)
