"""The layout of a stage and of a lock: written once, for the kernel, the reference and the modules of logs/.

A stage is two halves, which take records in turn: while one is drained, which is written to the log, the other is
filled. What a half holds is a drain, and drains have numbers that never come back: half 0 has the even ones, half 1 the
odd ones, so the lower of the two numbers is the older drain. A word of each half says which drain it has, and how many
bytes of records: number << 32 | bytes. A store to that word is what adds a record, and what empties the half.

Headers and locks are little-endian, so that every machine knows what it finds on a disk, and that it isn't of its boot.
Words and intents have the machine's own order: they are stored by its instructions, and count in its boot alone.
"""

from __future__ import annotations

import enum
from struct import Struct

# A stage, from byte 0 on: the header, the lock of a stage in memory, the words of the halves in cache lines of their
# own, the intent of a drain, the head of the record that goes with it, the path of the log, and the halves.
MAGIC, VERSION = b"fmstage\0", 1

# Magic, version, flags, id, boot, device, inode and birth of the log, bytes of a half, bytes of the log's path.
HEADER = Struct("<8sII16s16sQQQQQ")

# The flags of a header: the log is on the stage's filesystem; the log is whatever file is at the path.
SAME, BY_PATH = 1, 2

OWN_LOCK_AT = 128

WORD, WORD_AT = Struct("=Q"), (256, 320)

# A word is the number of a drain, modulo this, and as many bytes of records.
DRAINS = 1 << 32

# Where the log ended when the drain began, bytes of the half, bytes of the record behind it, the drain's number, and
# how many bytes were written by a write that wrote less than all.
INTENT, INTENT_AT = Struct("=QQQQQ"), 512

PROGRESS_AT, HEAD_AT = INTENT_AT + INTENT.size - WORD.size, INTENT_AT + INTENT.size
HEAD_SIZE = 4096 - HEAD_AT

PATH_AT, HALVES_AT = 4096, 8192
LONGEST_PATH = HALVES_AT - PATH_AT

# A word counts bytes in 32 bits.
LARGEST_HALF = 1 << 31

# A lock: magic, version, and the id of the stage whose drain is under way. It names nobody if the first half of that is
# zeros.
LOCK_MAGIC, LOCK_VERSION = b"fmlock\0\0", 1
LOCK, NAME_AT, NO_NAME = Struct("<8sQ16s"), 16, bytes(16)

# The number that stands for no drain, where only what was interrupted is to be finished.
NO_DRAIN = -1


def half_of(drain: int) -> int:
    """Which half a drain is in."""
    return drain % 2


def word_of(drain: int, length: int = 0) -> int:
    """The word of a half that has so many bytes of a drain."""
    return drain % DRAINS << 32 | length


def length_of(word: int, drain: int) -> int:
    """How many bytes of a drain there are, by the word of its half: none where that has another drain."""
    return word % DRAINS if word >> 32 == drain % DRAINS else 0


def empty_words(drain: int) -> list[tuple[int, bytes]]:
    """The words of a new stage, which has nothing of a drain and of the next one yet, and where they stand."""
    return [(WORD_AT[half_of(number)], WORD.pack(word_of(number))) for number in (drain, drain + 1)]


class Outcome(enum.IntEnum):
    """What comes of a step of a drain."""

    DONE = 0
    KEPT = 1  # all is done, but only closing the lock's file releases it
    AGAIN = 2  # a signal came before all was done: when its handler has run, the same is called once more
    GONE = 3  # the lock's file was removed, or isn't a lock: it has to be opened again
    OTHER = 4  # the drain of another stage, which the lock names, has to be finished first
    NAMELESS = 5  # the log was removed, and nothing more was written to it
