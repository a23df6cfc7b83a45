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
from dataclasses import dataclass
from typing import Any, NamedTuple

from .. import beside, system
from ..blame import ours
from ..descriptors import Held, Open
from ..errors import naming
from .new_file import NewFile

# What is redone is at most so long, and at least; the journal is as small as it can be where the disk is nearly full.
LARGEST_ROOM, SMALLEST_ROOM = 1 << 22, 1 << 14

# How many bytes old and new of all pairs may have together. With two slots and this, a journal has less than 16 MiB.
LONGEST_PAIRS = 1 << 22

_MAGIC, _VERSION = b"fm-edit\n", 1
_PAGE = 4096

# Magic, checksum and length of what follows.
_HEAD = struct.Struct("<8sII")
# Version, device, inode, birth, mode, old size, growth, start, most, durable, holes, room, lengths of path and pairs.
_FIELDS = struct.Struct("<IQQQIQQQq??III")
# Sequence, phase, position, place, left, replaced, at, kind, width of offsets and of numbers, two samples.
_STATE = struct.Struct("<QBQQqQQBBBII")

# What stands in a slot before what is redone.
SLOT_HEAD = _HEAD.size + _STATE.size


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


@dataclass(frozen=True)
class Plan:
    """What is edited and how: the head of a journal.

    growth: by how many bytes the rest of the file is moved up. start: the offset of the first match. holes: whether
    blocks of zeros become holes.
    """

    device: int
    inode: int
    birth: int
    mode: int
    old_size: int
    growth: int
    start: int
    most: int
    durable: bool
    holes: bool
    path: str
    pairs: tuple[tuple[bytes, bytes], ...]

    def sizes(self, state: State) -> set[int]:
        """The sizes that the file may have in a state, but for those on its way to become longer."""
        full = self.old_size + self.growth
        return {full, state.place} if state.phase is Phase.CUT else {full}


def check_pairs(pairs: list[tuple[bytes, bytes]]) -> None:
    """ValueError for what no journal has room for."""
    total = sum(len(old) + len(new) + 8 for old, new in pairs)
    if total > LONGEST_PAIRS:
        raise ValueError(
            f"what is replaced in place, and by what, may have {LONGEST_PAIRS} bytes, and this has {total}"
        )


def head_of(plan: Plan, room: int) -> bytes:
    """The head of a journal."""
    path = os.fsencode(plan.path)
    pairs = b"".join(struct.pack("<II", len(old), len(new)) + old + new for old, new in plan.pairs)
    fields = _FIELDS.pack(
        _VERSION, plan.device, plan.inode, plan.birth, plan.mode, plan.old_size, plan.growth, plan.start, plan.most,
        plan.durable, plan.holes, room, len(path), len(pairs),
    )  # fmt: skip
    body = fields + path + pairs
    return _HEAD.pack(_MAGIC, zlib.crc32(body), len(body)) + body


class Journal:
    """A journal, open. Its file goes at the end of a with statement unless the edit is to go on later."""

    def __init__(self, path: str, file: Held | NewFile, plan: Plan, room: int, sequence: int = 0) -> None:
        self.path, self.plan, self.room = path, plan, room
        self.keep = False
        self._file, self._sequence = file, sequence
        self._slots_at = _slots_at(plan, room)
        self.block = memoryview(bytearray(SLOT_HEAD + room))  # a slot, as it will be written
        self._is_named = False

    @classmethod
    def create(cls, path: str, new: NewFile, plan: Plan, largest: int) -> Journal:
        """A new journal, complete but for its name. As small as needed where there is little space."""
        smallest = max(SMALLEST_ROOM, *(len(each) for _, each in plan.pairs))
        # Half of what is free beside what the file grows by, for the disk may be the same.
        room = max(min(LARGEST_ROOM, largest, (system.room(new.fd) - plan.growth) // 4), smallest)
        while True:
            try:
                system.write_zeros(new.fd, 0, _slots_at(plan, room) + 2 * _slot_size(room))
                break
            except ours(OSError) as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT) or room == smallest:
                    raise
                system.truncate(new.fd, 0)
                room = max(room // 4, smallest)
        system.write_at(new.fd, head_of(plan, room), 0)
        return cls(path, new, plan, room)

    @classmethod
    def read(cls, file: Held) -> Journal:
        """A journal that was left. OSError where it isn't whole."""
        path: str = file.names
        size = os.fstat(file.fd).st_size
        with naming(path):
            head = system.read_at(file.fd, _HEAD.size, 0)
            magic, checksum, length = _HEAD.unpack(head) if len(head) == _HEAD.size else (b"", 0, 0)
            body = system.read_at(file.fd, min(length, size), _HEAD.size) if magic == _MAGIC else b""
            if len(body) != length or length < _FIELDS.size or zlib.crc32(body) != checksum:
                raise damaged(path, "its head isn't whole")
            plan, room = _plan_in(path, body)
            if size < _slots_at(plan, room) + 2 * _slot_size(room):
                raise damaged(path, "it is too short")
        return cls(path, file, plan, room)

    def newest(self) -> tuple[State, Redo, tuple[int, int]]:
        """The state in the slot that counts, what is to be redone, and the samples of then."""
        best = None
        for number in (0, 1):
            at = self._slots_at + number * _slot_size(self.room)
            with naming(self.path):
                found = _slot_in(system.read_at(self._file.fd, SLOT_HEAD + self.room, at))
            if found is not None and (best is None or found[0] > best[0]):
                best = found
        if best is None:
            raise damaged(self.path, "neither of its slots is whole")
        self._sequence, state, redo, samples = best
        return state, redo, samples

    def put(self, state: State, redo: Redo, samples: tuple[int, int]) -> None:
        """Writes a slot. What is to be redone stands in the block behind the slot's head already."""
        self._sequence += 1
        fields = (*state, redo.at, redo.kind, *redo.widths, *samples)
        slot = self.block[: SLOT_HEAD + redo.length]
        _STATE.pack_into(slot, _HEAD.size, self._sequence, *fields)
        with slot[_HEAD.size :] as body:
            _HEAD.pack_into(slot, 0, _MAGIC, zlib.crc32(body), len(body))
        with naming(self.path):
            system.write_at(self._file.fd, slot, self._slots_at + self._sequence % 2 * _slot_size(self.room))
            if self.plan.durable:
                system.make_durable(self._file.fd)

    def name(self) -> None:
        """Gives a new journal its name, under which it is found after a kill."""
        assert isinstance(self._file, NewFile)
        self._is_named = True  # before it is so: an interrupt may come between
        self._file.call(self.path)

    def adapt(self, target: os.stat_result) -> None:
        """Has those who may edit the file finish the edit."""
        beside.adapt(self._file.fd, target)

    def remove(self) -> None:
        """The edit is over, or hasn't begun."""
        if self.is_there():
            system.remove(self.path)
        self.keep = False

    def is_there(self) -> bool:
        """Whether its name is that of this journal."""
        try:
            return os.path.samestat(os.lstat(self.path), os.fstat(self._file.fd))
        except ours(FileNotFoundError):
            return False

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._is_named and not self.keep:
            self.remove()


def is_journal(path: str) -> bool:
    """Whether a file begins as journals do."""
    try:
        with Open() as file:
            system.open_into(file, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY)
            return system.read_at(file.fd, len(_MAGIC), 0) == _MAGIC
    except ours(OSError):
        return False


def damaged(path: str, why: str) -> OSError:
    """The error for a journal that can't be used: nothing is touched."""
    text = f"The journal {path!r} is damaged: {why}. The file may be half edited: bring back a copy of it, and remove"
    return OSError(errno.EUCLEAN, f"{text} the journal", path)


def _slot_size(room: int) -> int:
    return -(-(SLOT_HEAD + room) // _PAGE) * _PAGE


def _slots_at(plan: Plan, room: int) -> int:
    """Where the slots begin: at a page of their own, so that the head isn't torn with them."""
    return -(-len(head_of(plan, room)) // _PAGE) * _PAGE


def _plan_in(path: str, body: bytes) -> tuple[Plan, int]:
    version, *fields, durable, holes, room, path_length, pairs_length = _FIELDS.unpack_from(body)
    if version != _VERSION:
        raise OSError(
            errno.EPROTONOSUPPORT, f"The journal is of version {version}, which this fastmmap can't read", path
        )
    at = _FIELDS.size + path_length
    target = os.fsdecode(body[_FIELDS.size : at])
    end, pairs = at + pairs_length, []
    if end != len(body) or room > LARGEST_ROOM + LONGEST_PAIRS:
        raise damaged(path, "its lengths don't fit")
    while at < end:
        old, new = struct.unpack_from("<II", body, at)
        at += 8
        pairs.append((body[at : at + old], body[at + old : at + old + new]))
        at += old + new
    device, inode, birth, mode, old_size, growth, start, most = fields
    plan = Plan(device, inode, birth, mode, old_size, growth, start, most, durable, holes, target, tuple(pairs))
    return plan, room


def _slot_in(data: bytes) -> tuple[int, State, Redo, tuple[int, int]] | None:
    """What a slot says; None where it isn't whole."""
    if len(data) < SLOT_HEAD:
        return None
    magic, checksum, length = _HEAD.unpack_from(data)
    body = data[_HEAD.size : _HEAD.size + length]
    if magic != _MAGIC or len(body) != length or length < _STATE.size or zlib.crc32(body) != checksum:
        return None
    sequence, phase, position, place, left, replaced, at, kind, offsets, numbers, done, ahead = _STATE.unpack_from(body)
    redo = Redo(Kind(kind), at, length - _STATE.size, (offsets, numbers), body[_STATE.size :])
    return sequence, State(Phase(phase), position, place, left, replaced), redo, (done, ahead)
