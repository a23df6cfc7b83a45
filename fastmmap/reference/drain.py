"""Drains, by which staged records get to a log, each once: the definition.

Each of these functions is one step to whoever calls it: the kernels' are interrupted by no signal handler of Python's,
and these by none that drains. They know descriptors, not paths; `staging.py` has the files, docs/appending.md the order
of the steps, and why it is this.
"""

from __future__ import annotations

import errno
import gc
import mmap
import os
import stat
import struct
import threading
from collections.abc import Callable
from typing import Any

from .. import _system
from ..blame import ours
from ..errors import MappedFileError
from .arguments import data_bytes
from .arguments import memory as at

# A stage in a file: the words of its halves, in cache lines of their own; the intent of a drain (where the log ended,
# bytes of the half, bytes of the record behind it, number, bytes written) and the head of that record; the halves.
WORD, INTENT = struct.Struct("=Q"), struct.Struct("=QQQQQ")
WORD_AT, INTENT_AT, HALVES_AT = (256, 320), 512, 8192
PROGRESS_AT, HEAD_AT = INTENT_AT + INTENT.size - WORD.size, INTENT_AT + INTENT.size
HEAD = 4096 - HEAD_AT

# A stage in memory: the words, how much of a drain is in the log already, and the halves.
MEMORY_PROGRESS_AT, MEMORY_HALVES_AT = 16, 64

# A lock: magic, version, and the id of the stage whose drain is under way. It is nobody's if its first half is zeros.
MAGIC, VERSION = b"fmlock\0\0", 1
LOCK, NAME_AT, NO_NAME = struct.Struct("=8sQ16s"), 16, bytes(16)

# A word is the number of a drain, modulo this, and as many bytes of records.
DRAINS = 1 << 32

# What comes of a step. KEPT: it is DONE, but the lock has to be given back by closing it. AGAIN: a signal came, or may
# have, before all was done: when its handler has run, the same is called once more. GONE: the lock's file was removed,
# or is none of ours. OTHER: the drain of another stage has to be finished first. NAMELESS: the log was removed, and
# nothing more was written to it.
DONE, KEPT, AGAIN, GONE, OTHER, NAMELESS = range(6)

NOTHING = memoryview(b"")


def drain(
    lock: int, names: Any, log: int, memory: Any, half: int, identity: bytes, number: int, record: Any, counter: Any
) -> int:
    """Writes what a drain has to the log, and a record behind it, under the lock: all of it, or OSError and none.

    lock, log: descriptors, of the log for appending and reading. names, memory: those of the lock and of the stage,
    `half` the bytes of each of its halves. number: of the drain, -1 to write none. A drain of this stage that was
    interrupted is finished first. `counter.count` is told of the bytes of the record, which is in no stage: when this
    process is killed, the part of it that was written is cut off.
    """
    _check_name(identity)
    with memoryview(names) as view:
        if len(view) < LOCK.size:
            raise ValueError(f"a lock has {LOCK.size} bytes, not {len(view)}")
    _check_halves(memory, half, HALVES_AT)
    return _step(_drain, lock, names, log, memory, half, identity, number, record, counter)


def settle(lock: int, identity: bytes, path: str | None) -> int:
    """Takes a stage's name away from the lock, under it. With a path it is removed from there if it names nobody.

    A lock that is empty is begun.
    """
    _check_name(identity)
    return _step(_settle, lock, identity, path)


def send(log: int, memory: Any, half: int, number: int, record: Any, counter: Any) -> int:
    """Writes what a drain has to the log, and a record behind it, without a lock: the stage is in memory, or None.

    OSError where not all of it was written. What can't be taken back then, as from a pipe, is written no second time,
    but for a part of the record.
    """
    if memory is not None:
        _check_halves(memory, half, MEMORY_HALVES_AT)
    return _step(_send, log, memory, half, number, record, counter)


def _check_name(identity: bytes) -> None:
    if len(identity) != len(NO_NAME):
        raise ValueError(f"the name of a stage has {len(NO_NAME)} bytes, not {len(identity)}")


def _check_halves(memory: Any, half: int, start: int) -> None:
    with memoryview(memory) as view:
        if half < 0 or half > (len(view) - start) // 2:
            raise ValueError(f"two halves of {half} bytes from {start} on are not in {len(view)} bytes of memory")


# The threads that are in the midst of a step.
_inside: set[int] = set()


def _step(function: Callable[..., int], *arguments: Any) -> int:
    """Calls a function, in the midst of which no other step of this thread's may begin: it would wait for itself.

    A signal handler that tries gets a RuntimeError. No forgotten appender is closed meanwhile.
    """
    thread = threading.get_ident()
    if thread in _inside:
        raise RuntimeError(
            "a drain of this very thread's is under way: without extensions no handler can begin another"
        )
    enabled = gc.isenabled()
    gc.disable()
    _inside.add(thread)
    try:
        return function(*arguments)
    finally:
        _inside.discard(thread)
        if enabled:
            gc.enable()


def _take(lock: int) -> int:
    """Takes the lock, and finds out whether others take that one, too."""
    _system.lock(lock)
    return DONE if os.fstat(lock).st_nlink else GONE


def _give_back(lock: int, outcome: int) -> int:
    try:
        _system.unlock(lock)
    except ours(OSError):
        return KEPT if outcome == DONE else outcome
    return outcome


def _is_lock(block: bytes) -> bool:
    return len(block) == LOCK.size and LOCK.unpack(block)[:2] == (MAGIC, VERSION)


def _settle(lock: int, identity: bytes, path: str | None) -> int:
    outcome = OTHER
    try:
        outcome = _take(lock)
        if outcome == DONE:
            block = _system.read_at(lock, LOCK.size, 0)
            if not block:
                block = LOCK.pack(MAGIC, VERSION, NO_NAME)
                _system.write_at(lock, block, 0)
            name = block[NAME_AT:]
            if not _is_lock(block):
                outcome = GONE
            elif name == identity:
                _system.write_at(lock, NO_NAME, NAME_AT)
            if outcome == DONE and path is not None and (name == identity or _is_nobody(name)):
                _system.remove(path)
    finally:
        outcome = _give_back(lock, outcome)
    return outcome


def _is_nobody(name: bytes) -> bool:
    return name[:8] == NO_NAME[:8]


def _drain(
    lock: int, names: Any, log: int, memory: Any, half: int, identity: bytes, number: int, record: Any, counter: Any
) -> int:
    outcome = OTHER
    try:
        outcome = _take(lock)
        if outcome == DONE:
            block = _load(names, LOCK.size, 0)
            name = block[NAME_AT:]
            if not _is_lock(block):
                outcome = GONE
            elif not _is_nobody(name) and os.fstat(log).st_nlink == 0:
                outcome = NAMELESS
            elif name == identity:
                _finish(names, log, memory, half)
            elif not _is_nobody(name):
                outcome = OTHER
        if outcome == DONE and number >= 0:
            outcome = _write(names, log, memory, half, identity, number, record, counter)
    finally:
        outcome = _give_back(lock, outcome)
    return outcome


def _write(
    names: Any, log: int, memory: Any, half: int, identity: bytes, number: int, record: Any, counter: Any
) -> int:
    """What a drain does when no other is unfinished."""
    length, status = _length(memory, half, number), os.fstat(log)
    if not length and not len(record):
        return DONE
    if status.st_nlink == 0:
        return NAMELESS
    offset = status.st_size
    with memoryview(record)[:HEAD] as head:
        _store(memory, data_bytes(head, "record"), HEAD_AT)
    _store(memory, INTENT.pack(offset, length, len(record), number % DRAINS, 0), INTENT_AT)
    # Half a name is nobody's: the first half is stored last, after the intent.
    _store(names, identity[8:], NAME_AT + 8)
    _store(names, identity[:8], NAME_AT)
    start = HALVES_AT + number % 2 * half
    with memoryview(memory) as view, view[start : start + length] as content:
        written = _Written()
        try:
            # How much of a drain was written by a write that wrote less than all: only so is it known to be ours.
            _append(log, [content, record], written, lambda part: _store(memory, WORD.pack(part), PROGRESS_AT))
        except BaseException:
            if _take_back(log, offset, written.size):
                _forget(names)
            else:
                # Of the record there is this much, and no more will come: what stands behind it is another's.
                extra = max(written.size - length + 1, 0)
                _store(memory, INTENT.pack(offset, length, extra, number % DRAINS, written.size), INTENT_AT)
            raise
    if len(record):
        counter.count(len(record))
    if length:
        _empty(memory, number)
    try:
        _forget(names)
    except ours(MappedFileError):
        return KEPT  # the lock was cut when all was done but to leave it
    return DONE


def _forget(names: Any) -> None:
    """Has the lock name nobody."""
    _store(names, NO_NAME[:8], NAME_AT)


def _finish(names: Any, log: int, memory: Any, half: int) -> None:
    """Ends the drain that the lock names, from wherever it was left.

    The log says how far it came: it was as long as the intent says when it began, and has grown by what was written.
    What stands there is compared, because writers of other kinds take no lock: where it is something else, the drain is
    written behind it, once more perhaps, but none of its records is lost.
    """
    offset, length, extra, number, progress = INTENT.unpack(_load(memory, INTENT.size, INTENT_AT))
    if length <= _length(memory, half, number):  # else it was ended, all but the name
        size, start = os.fstat(log).st_size, HALVES_AT + number % 2 * half
        present, behind = min(max(size - offset, 0), length), size - offset - length
        if size < offset or _system.read_at(log, present, offset) != _load(memory, present, start):
            present = 0
            _store(memory, INTENT.pack(size, length, 0, number, 0), INTENT_AT)
        elif 0 < behind < extra and (size % mmap.PAGESIZE == 0 or size - offset == progress):
            # A part of a record that had no place in the stage, and whose append never returned. A write that is killed
            # ends with a page, and begins as the record did; what doesn't may be somebody else's.
            head = _load(memory, min(behind, HEAD), HEAD_AT)
            if _system.read_at(log, len(head), offset + length) == head:
                _cut(log, offset + length)
        with memoryview(memory) as view, view[start + present : start + length] as content:
            _append(log, [content], _Written())
        if length:
            _empty(memory, number)
    _forget(names)


def _cut(log: int, size: int) -> None:
    """Cuts a log, if it can be cut: where it may only be appended to, the part of a record stays."""
    try:
        _system.truncate(log, size)
    except ours(OSError) as error:
        if error.errno != errno.EPERM:
            raise


def _load(memory: Any, size: int, offset: int) -> bytes:
    with at(memory) as view:
        return bytes(view[offset : offset + size])


def _store(memory: Any, data: Any, offset: int) -> None:
    with at(memory, True) as view:
        view[offset : offset + len(data)] = bytes(data)


def _length(memory: Any, half: int, number: int) -> int:
    """How many bytes a drain has: none, if its half has another. ESTALE if that isn't possible."""
    (word,) = WORD.unpack(_load(memory, WORD.size, WORD_AT[number % 2]))
    if word >> 32 != number % DRAINS:
        return 0
    if word % DRAINS > half:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
    return int(word % DRAINS)


def _empty(memory: Any, number: int) -> None:
    """Ends a drain, in one store: its half has another number, and no bytes."""
    _store(memory, WORD.pack((number + 2) % DRAINS << 32), WORD_AT[number % 2])


class _Written:
    """How much an append has written, also after an error."""

    size = 0


def _append(log: int, pieces: list[Any], written: _Written, note: Callable[[int], None] | None = None) -> None:
    """Appends all of the pieces, or raises OSError. `note` is told of a part before there is more."""
    whole = [piece for piece in pieces if len(piece)]
    pieces = list(whole)
    try:
        while pieces:
            with _system.reading(*whole):
                number = _system.write_pieces(log, pieces)
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
    """Cuts off what was written from `offset` on, if nothing stands behind it; whether nothing of it is left."""
    if written == 0:
        return True
    try:
        status = os.fstat(log)
        if not stat.S_ISREG(status.st_mode) or status.st_size != offset + written:
            return False
        _system.truncate(log, offset)
    except ours(OSError):
        return False
    return True


def _send(log: int, memory: Any, half: int, number: int, record: Any, counter: Any) -> int:
    offset, written = os.fstat(log).st_size, _Written()
    if memory is None:
        try:
            _append(log, [record], written)
        except BaseException:
            _take_back(log, offset, written.size)
            raise
    else:
        place, start = number % 2 * WORD.size, MEMORY_HALVES_AT + number % 2 * half
        (word,) = WORD.unpack(_load(memory, WORD.size, place))
        length = word % DRAINS if word >> 32 == number % DRAINS else 0
        before = min(WORD.unpack(_load(memory, WORD.size, MEMORY_PROGRESS_AT))[0], length)
        with memoryview(memory) as view, view[start + before : start + length] as content:
            try:
                _append(log, [content, record], written)
            except BaseException:
                if not _take_back(log, offset, written.size):
                    _store(memory, WORD.pack(min(before + written.size, length)), MEMORY_PROGRESS_AT)
                raise
        if length:
            _store(memory, WORD.pack((number + 2) % DRAINS << 32), place)
            _store(memory, bytes(WORD.size), MEMORY_PROGRESS_AT)
    if len(record):
        counter.count(len(record))
    return DONE
