"""Drains, by which staged records get to a log, each once: the definition.

Each of these functions is one step to whoever calls it: the kernels' are interrupted by no signal handler of Python's,
and these by none that drains. They know descriptors, not paths; `logs/` has the files, docs/explanation/appending.md
the order of the steps, and why it is this.
"""

from __future__ import annotations

import errno
import gc
import mmap
import os
import stat
import threading
from collections.abc import Callable
from typing import Any

from .. import system
from ..blame import ours
from ..errors import MappedFileError, reading
from ..logs.layout import (
    DRAINS,
    HALVES_AT,
    HEAD_AT,
    HEAD_SIZE,
    INTENT,
    INTENT_AT,
    LOCK,
    LOCK_MAGIC,
    LOCK_VERSION,
    NAME_AT,
    NO_NAME,
    OWN_LOCK_AT,
    PROGRESS_AT,
    WORD,
    WORD_AT,
    Outcome,
    half_of,
    length_of,
    word_of,
)
from .arguments import data_bytes
from .arguments import memory as at


def drain(
    lock: tuple[int, Any] | None, stage: tuple[Any, int, bytes], log: int, number: int, record: Any, counter: Any
) -> Outcome:
    """Writes what a drain has to the log, and a record behind it, under the lock: all of it, or OSError and none.

    lock: its descriptor and its memory; None for a stage in memory of this process alone, which has its lock in itself.
    stage: its memory, how many bytes each of its halves has, and its id. log: a descriptor for appending, and for
    reading where there is a lock. number: of the drain, -1 to write none. A drain of this stage that was interrupted is
    finished first. `counter._count` is told of the bytes of the record, which is in no stage: when this process is
    killed, the part of it that was written is cut off. What can't be taken back after an error, as from a pipe, is
    written no second time, but for a part of the record.
    """
    memory, half, identity = stage
    _check_name(identity)
    with memoryview(memory) as view:
        if half < 0 or half > (len(view) - HALVES_AT) // 2:
            raise ValueError(f"two halves of {half} bytes from {HALVES_AT} on don't fit in {len(view)} bytes of memory")
    if lock is not None:
        with memoryview(lock[1]) as view:
            if len(view) < LOCK.size:
                raise ValueError(f"a lock has {LOCK.size} bytes, not {len(view)}")
    return _step(_Drain(lock, stage, log, number, record, counter).run)


def settle(lock: int, identity: bytes, remove: Callable[[], Any] | None = None) -> Outcome:
    """Takes a stage's name away from the lock, under it, and calls `remove` if it names nobody then.

    lock: a descriptor. A lock that is empty is begun.
    """
    _check_name(identity)
    return _step(lambda: _settle(lock, identity, remove))


def _check_name(identity: bytes) -> None:
    if len(identity) != len(NO_NAME):
        raise ValueError(f"the name of a stage has {len(NO_NAME)} bytes, not {len(identity)}")


# The threads that are in a step.
_inside: set[int] = set()


def _step(work: Callable[[], Outcome]) -> Outcome:
    """Does the work. Meanwhile no other step of this thread may begin, because it would wait for itself.

    A signal handler that tries gets a RuntimeError. No forgotten appender is closed meanwhile.
    """
    thread = threading.get_ident()
    if thread in _inside:
        raise RuntimeError("this thread is in a drain: without extensions, a signal handler can't begin another one")
    enabled = gc.isenabled()
    gc.disable()
    _inside.add(thread)
    try:
        return work()
    finally:
        _inside.discard(thread)
        if enabled:
            gc.enable()


def _take(lock: int) -> Outcome:
    """Takes the lock, and finds out whether others take that one, too."""
    system.lock(lock)
    return Outcome.DONE if system.is_named(lock) else Outcome.GONE


def _give_back(lock: int, outcome: Outcome) -> Outcome:
    try:
        system.unlock(lock)
    except ours(OSError):
        return Outcome.KEPT if outcome is Outcome.DONE else outcome
    return outcome


def _is_lock(block: bytes) -> bool:
    return len(block) == LOCK.size and LOCK.unpack(block)[:2] == (LOCK_MAGIC, LOCK_VERSION)


def _is_nobody(name: bytes) -> bool:
    return name[:8] == NO_NAME[:8]


def _settle(lock: int, identity: bytes, remove: Callable[[], Any] | None) -> Outcome:
    outcome = Outcome.OTHER
    try:
        outcome = _take(lock)
        if outcome is Outcome.DONE:
            block = system.read_at(lock, LOCK.size, 0)
            if not block:
                block = LOCK.pack(LOCK_MAGIC, LOCK_VERSION, NO_NAME)
                system.write_at(lock, block, 0)
            name = block[NAME_AT:]
            if not _is_lock(block):
                outcome = Outcome.GONE
            elif name == identity:
                system.write_at(lock, NO_NAME, NAME_AT)
            if outcome is Outcome.DONE and remove is not None and (name == identity or _is_nobody(name)):
                remove()
    finally:
        outcome = _give_back(lock, outcome)
    return outcome


class _Drain:
    """What is done under a lock."""

    def __init__(
        self,
        lock: tuple[int, Any] | None,
        stage: tuple[Any, int, bytes],
        log: int,
        number: int,
        record: Any,
        counter: Any,
    ) -> None:
        self.memory, self.half, self.identity = stage
        self.is_shared = lock is not None  # the log and the lock are other processes', too
        self.lock, self.names, self.names_at = (-1, self.memory, OWN_LOCK_AT) if lock is None else (*lock, 0)
        self.log, self.number, self.record, self.counter = log, number, record, counter

    def run(self) -> Outcome:
        if not self.is_shared:
            return self._work()
        outcome = Outcome.OTHER
        try:
            outcome = _take(self.lock)
            if outcome is Outcome.DONE:
                outcome = self._work()
        finally:
            outcome = _give_back(self.lock, outcome)
        return outcome

    def _work(self) -> Outcome:
        block = _load(self.names, LOCK.size, self.names_at)
        name = block[NAME_AT:]
        if not _is_lock(block):
            return Outcome.GONE
        if not _is_nobody(name):
            if self.is_shared and not system.is_named(self.log):
                return Outcome.NAMELESS
            if name != self.identity:
                return Outcome.OTHER
            self._finish()
        return self._write() if self.number >= 0 else Outcome.DONE

    def _write(self) -> Outcome:
        """What a drain does when no other is unfinished."""
        number, record = self.number, self.record
        length, status = self._length(number), os.fstat(self.log)
        if not length and not len(record):
            return Outcome.DONE
        if self.is_shared and not system.is_named(self.log):
            return Outcome.NAMELESS
        offset = status.st_size
        with memoryview(record)[:HEAD_SIZE] as head:
            _store(self.memory, data_bytes(head, "record"), HEAD_AT)
        _store(self.memory, INTENT.pack(offset, length, len(record), number % DRAINS, 0), INTENT_AT)
        # The first half of a name is stored last, after the intent: until then the lock names nobody.
        self._name(self.identity[8:], 8)
        self._name(self.identity[:8])
        start = HALVES_AT + half_of(number) * self.half
        with memoryview(self.memory) as view, view[start : start + length] as content:
            written = _Written()
            try:
                # How much of a drain was written by a write that wrote less than all: only so is it known to be ours.
                _append(self.log, [content, record], written, self._note)
            except BaseException:
                if _take_back(self.log, offset, written.size):
                    self._forget()
                else:
                    # Of the record there is this much, and no more will come: what stands behind it is another's.
                    extra = max(written.size - length + 1, 0)
                    intent = INTENT.pack(offset, length, extra, number % DRAINS, written.size)
                    _store(self.memory, intent, INTENT_AT)
                raise
        if len(record):
            self.counter._count(len(record))
        if length:
            self._empty(number)
        try:
            self._forget()
        except ours(MappedFileError):
            return Outcome.KEPT  # the lock was cut when all was done but to leave it
        return Outcome.DONE

    def _finish(self) -> None:
        """Ends the drain that the lock names, after whichever step it was interrupted."""
        offset, length, extra, number, progress = INTENT.unpack(_load(self.memory, INTENT.size, INTENT_AT))
        if length <= self._length(number):  # else it was ended, all but the name
            present = self._find_rest(offset, length, extra, number, progress) if self.is_shared else progress
            present, start = min(present, length), HALVES_AT + half_of(number) * self.half
            with memoryview(self.memory) as view, view[start + present : start + length] as content:
                _append(self.log, [content], _Written(present), None if self.is_shared else self._note)
            if length:
                self._empty(number)
        self._forget()

    def _find_rest(self, offset: int, length: int, extra: int, number: int, progress: int) -> int:
        """How much of a half is in the log. What there is of a record behind it is cut off, if the log can be cut.

        The log says how far the drain came: it was as long as the intent says when it began, and has grown by what was
        written. What stands there is compared, because writers of other kinds take no lock: where it is something else,
        the drain is written behind it, once more perhaps, but none of its records is lost.
        """
        size, start = os.fstat(self.log).st_size, HALVES_AT + half_of(number) * self.half
        present, behind = min(max(size - offset, 0), length), size - offset - length
        if size < offset or system.read_at(self.log, present, offset) != _load(self.memory, present, start):
            _store(self.memory, INTENT.pack(size, length, 0, number, 0), INTENT_AT)
            return 0
        if 0 < behind < extra and (size % mmap.PAGESIZE == 0 or size - offset == progress):
            # A part of a record that had no place in the stage, and whose append never returned. A write that is killed
            # ends with a page, and begins as the record did. Other bytes may be another writer's.
            head = _load(self.memory, min(behind, HEAD_SIZE), HEAD_AT)
            if system.read_at(self.log, len(head), offset + length) == head:
                _truncate(self.log, offset + length)
        return present

    def _note(self, written: int) -> None:
        _store(self.memory, WORD.pack(written), PROGRESS_AT)

    def _name(self, name: bytes, place: int = 0) -> None:
        _store(self.names, name, self.names_at + NAME_AT + place)

    def _forget(self) -> None:
        """Has the lock name nobody."""
        self._name(NO_NAME[:8])

    def _length(self, number: int) -> int:
        """How many bytes a drain has: none, if its half has another. ESTALE if that isn't possible."""
        (word,) = WORD.unpack(_load(self.memory, WORD.size, WORD_AT[half_of(number)]))
        length = length_of(word, number)
        if length > self.half:
            raise OSError(errno.ESTALE, "Stale file handle")
        return length

    def _empty(self, number: int) -> None:
        """Ends a drain, in one store: its half has another number, and no bytes."""
        _store(self.memory, WORD.pack(word_of(number + 2)), WORD_AT[half_of(number)])


def _truncate(log: int, size: int) -> None:
    """Truncates a log, if it can be: where it may only be appended to, the part of a record stays."""
    try:
        system.truncate(log, size)
    except ours(OSError) as error:
        if error.errno != errno.EPERM:
            raise


def _load(memory: Any, size: int, offset: int) -> bytes:
    with at(memory) as view:
        return bytes(view[offset : offset + size])


def _store(memory: Any, data: Any, offset: int) -> None:
    with at(memory, True) as view:
        view[offset : offset + len(data)] = bytes(data)


class _Written:
    """How much an append has written, also after an error."""

    def __init__(self, size: int = 0) -> None:
        self.size = size


def _append(log: int, pieces: list[Any], written: _Written, note: Callable[[int], None] | None = None) -> None:
    """Appends all of the pieces, or raises OSError. `note` is told of a part before there is more."""
    whole = [piece for piece in pieces if len(piece)]
    pieces = list(whole)
    try:
        while pieces:
            with reading(*whole):
                number = system.write_pieces(log, pieces)
            written.size += number
            while pieces and number >= len(pieces[0]):
                number -= len(pieces.pop(0))
            if pieces:
                pieces[0] = pieces[0][number:]
                if note is not None:
                    note(written.size)
    finally:
        pieces.clear()  # an error's traceback would keep views of the caller's memory alive


def _take_back(log: int, offset: int, written: int) -> bool:
    """Truncates what was written from `offset` on, if nothing stands behind it; whether nothing of it is left."""
    if written == 0:
        return True
    try:
        status = os.fstat(log)
        if not stat.S_ISREG(status.st_mode) or status.st_size != offset + written:
            return False
        system.truncate(log, offset)
    except ours(OSError):
        return False
    return True
