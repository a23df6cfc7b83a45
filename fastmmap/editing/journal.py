"""The journal of an edit in place: what is needed to go on after a kill or a power loss, in a file of its own.

A head says what is edited and how. Two slots, written in turns, say how far the edit is: the valid one with the higher
sequence number counts. A slot whose checksum doesn't fit, because it is torn or zeros, was never written as far as
anybody is concerned: the other one is whole.
"""

from __future__ import annotations

import enum
import errno
import os
import struct
import zlib
from typing import Any, NamedTuple

from .. import system
from ..blame import ignoring, ours
from ..descriptors import Held, Open
from ..errors import naming
from ..paths import leads_to
from ..unfinished import HEAD, LONGEST_PAIRS, MAGIC, Plan, damaged, read_plan
from .new_file import NewFile

# What is redone is at most so long, and at least; the journal is as small as it can be where the disk is nearly full.
LARGEST_ROOM, SMALLEST_ROOM = 1 << 22, 1 << 14

_PAGE = 4096

# A slot has room for a position at least.
_LEAST = 8

# Sequence, phase, position, place, left, replaced, at, kind, width of offsets and of numbers, two samples.
_STATE = struct.Struct("<QBQQqQQBBBII")

# What stands in a slot before what is redone.
SLOT_HEAD = HEAD.size + _STATE.size


class Phase(enum.IntEnum):
    """Where an edit is."""

    SHIFT = 1  # bytes are moved up, the last ones first
    EDIT = 2  # they are edited, and moved down
    PATCH = 3  # matches are replaced by what is as long
    CUT = 4  # the file is edited, and has yet to be cut


class State(NamedTuple):
    """How far an edit is.

    position: to which byte the source is used up: in SHIFT downwards, else upwards. place: to which byte the file is
    edited. left: how many matches may yet be replaced; below 0 all. replaced: how many were.
    """

    phase: Phase
    position: int
    place: int
    left: int
    replaced: int


class Kind(enum.IntEnum):
    """What a slot has to be done again, because it may have been done in part."""

    NOTHING = 0
    BYTES = 1  # are written
    POSITIONS = 2  # of matches, which are replaced: how far each is behind the one before, and the numbers of the pairs


class Redo(NamedTuple):
    """What is to be done again, from an offset on.

    widths: of a distance and of a pair's number, in bytes.
    """

    kind: Kind
    at: int
    length: int
    widths: tuple[int, int] = (0, 0)
    data: bytes = b""  # as it was read from a slot


NOTHING = Redo(Kind.NOTHING, 0, 0)


def check_pairs(pairs: list[tuple[bytes, bytes]]) -> None:
    """ValueError for what no journal has room for."""
    total = sum(len(old) + len(new) + 8 for old, new in pairs)
    if total > LONGEST_PAIRS:
        raise ValueError(
            f"what is replaced in place, and by what, may have {LONGEST_PAIRS} bytes, and this has {total}"
        )


class Journal:
    """A journal, open. Its file goes at the end of a with statement unless the edit is to go on later."""

    def __init__(self, path: str, file: Held | NewFile, plan: Plan) -> None:
        self.path, self.plan, self.durable = path, plan, plan.durable
        self.keep = False
        self._file, self._sequence = file, 0
        self._slots_at = _slots_at(plan)
        self.block = memoryview(bytearray(SLOT_HEAD + plan.room))  # a slot, as it will be written
        self._is_named = False

    @classmethod
    def create(cls, path: str, new: NewFile, plan: Plan, largest: int) -> Journal:
        """A new journal, complete but for its name. As small as needed where there is little space."""
        smallest = max(SMALLEST_ROOM, *(len(each) for _, each in plan.pairs))
        # Half of what is free beside what the file grows by, for the disk may be the same.
        room = max(min(LARGEST_ROOM, largest, (system.room(new.fd) - plan.growth) // 4), smallest)
        while True:
            try:
                plan = plan._replace(room=room)
                system.write_zeros(new.fd, 0, _slots_at(plan) + 2 * _slot_size(plan))
                break
            except ours(OSError) as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT) or room == smallest:
                    raise
                system.truncate(new.fd, 0)
                room = max(room // 4, smallest)
        system.write_at(new.fd, plan.head(), 0)
        return cls(path, new, plan)

    @classmethod
    def read(cls, file: Held) -> Journal:
        """A journal that was left. OSError where it isn't whole."""
        plan = read_plan(file)
        longest = max(_LEAST, *(len(each) for _, each in plan.pairs))
        if not longest <= plan.room <= LARGEST_ROOM + LONGEST_PAIRS:
            raise damaged(file.path, "its slots have an odd size")
        if os.fstat(file.fd).st_size < _slots_at(plan) + 2 * _slot_size(plan):
            raise damaged(file.path, "it is too short")
        journal = cls(file.path, file, plan)
        journal.keep = True
        return journal

    def newest(self) -> tuple[State, Redo, tuple[int, int]]:
        """The state in the slot that counts, what is to be redone, and the samples of then."""
        best = None
        for number in (0, 1):
            at = self._slots_at + number * _slot_size(self.plan)
            with naming(self.path):
                slot = system.read_at(self._file.fd, SLOT_HEAD + self.plan.room, at)
            try:
                found = _slot_in(slot)
            except ValueError:
                raise damaged(self.path, "a slot has what no edit writes") from None
            if found is not None and (best is None or found[0] > best[0]):
                best = found
        if best is None:
            raise damaged(self.path, "neither of its slots is whole")
        self._sequence, state, redo, samples = best
        if max(state.position, state.place, redo.at + redo.length * (redo.kind is Kind.BYTES)) > self.plan.full_size:
            raise damaged(self.path, "a slot is about places behind the file's end")
        # Each match has a byte at least. No edit comes to so many slots.
        if state.replaced > self.plan.old_size or self._sequence >= 1 << 63:
            raise damaged(self.path, "a slot counts what there can't have been")
        return state, redo, samples

    def put(self, state: State, redo: Redo, samples: tuple[int, int]) -> None:
        """Writes a slot. What is to be redone stands in the block behind the slot's head already."""
        self._sequence += 1
        fields = (*state, redo.at, redo.kind, *redo.widths, *samples)
        slot = self.block[: SLOT_HEAD + redo.length]
        _STATE.pack_into(slot, HEAD.size, self._sequence, *fields)
        with slot[HEAD.size :] as body:
            HEAD.pack_into(slot, 0, MAGIC, zlib.crc32(body), len(body))
        with naming(self.path):
            system.write_at(self._file.fd, slot, self._slots_at + self._sequence % 2 * _slot_size(self.plan))
            if self.durable:
                system.make_durable(self._file.fd)

    def name(self) -> None:
        """Gives a new journal its name, under which it is found after a kill."""
        assert isinstance(self._file, NewFile)
        self._is_named = True  # before it is so: an interrupt may come between
        self._file.call(self.path)

    def adapt(self, target: os.stat_result) -> None:
        """Has the file's owner finish the edit. Nobody else may read it: it has what they may not see of the file."""
        with ignoring(OSError):
            system.keep_owner(self._file.fd, target)

    def make_durable(self) -> None:
        """Returns when the journal would survive a power loss, its name too, where there is one."""
        system.make_durable(self._file.fd)
        if self._is_named or isinstance(self._file, Held):
            make_folder_durable(os.path.dirname(self.path))

    def remove(self) -> None:
        """The edit is over, or hasn't begun."""
        if self.is_there():
            system.remove(self.path)
        self.keep = False

    def is_there(self) -> bool:
        """Whether its name is that of this journal."""
        return leads_to(self.path, self._file.fd, follow=False)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._is_named and not self.keep:
            self.remove()


def make_folder_durable(folder: str) -> None:
    """Returns when the names in a folder would survive a power loss."""
    with Open() as directory:
        system.open_directory_into(directory, folder)
        system.make_names_durable(directory.fd)


def _slot_size(plan: Plan) -> int:
    return -(-(SLOT_HEAD + plan.room) // _PAGE) * _PAGE


def _slots_at(plan: Plan) -> int:
    """Where the slots begin: at a page of their own, so that the head isn't torn with them."""
    return -(-len(plan.head()) // _PAGE) * _PAGE


def _slot_in(data: bytes) -> tuple[int, State, Redo, tuple[int, int]] | None:
    """What a slot says; None where it isn't whole."""
    if len(data) < SLOT_HEAD:
        return None
    magic, checksum, length = HEAD.unpack_from(data)
    body = data[HEAD.size : HEAD.size + length]
    if magic != MAGIC or len(body) != length or length < _STATE.size or zlib.crc32(body) != checksum:
        return None
    sequence, phase, position, place, left, replaced, at, kind, offsets, numbers, done, ahead = _STATE.unpack_from(body)
    redo = Redo(Kind(kind), at, length - _STATE.size, (offsets, numbers), body[_STATE.size :])
    return sequence, State(Phase(phase), position, place, left, replaced), redo, (done, ahead)
