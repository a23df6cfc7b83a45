"""Recovery of what dead writers of logs have left: stages that are whole, damaged or planted, locks, drains cut short.

A stage is made by the package, filled by hand, and left as a writer leaves it that is killed: before a drain, in the
midst of one, or behind it. What was in it comes to the log once, whole and in order. Where a stage, a lock or the log
is damaged, the answer is an OSError or a warning; what stands in the log stays there, and no record is thrown away.
"""

from __future__ import annotations

import os
import random
import warnings
from pathlib import Path

from support.writers import ours

import fastmmap
from fastmmap.logs import layout
from fastmmap.logs.lock import Lock
from fastmmap.logs.log import Log
from fastmmap.logs.stage import FileStage
from tools.fuzz import texts

OTHER = b"nobody's business\n" * 20
ODD = (0, 1, 2, 7, 255, 4096, 2**16, 2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1)


class Left:
    """A log and the stage of a writer that was killed, and what the log is to hold in the end."""

    def __init__(self, rng: random.Random, folder: Path) -> None:
        self.path = folder / "log"
        before = texts.some(rng, b"ab\n", 40)
        self.path.write_bytes(before)
        log = Log(str(self.path))
        lock = Lock(str(folder), log)
        number = rng.choice((0, 1, 2, 77, layout.DRAINS - 2, layout.DRAINS - 1))
        half = rng.choice((1, 64, 1000, 70_000))
        made = FileStage.create(lock, half, number)
        self.stage, self.lock = Path(made.path), Path(lock.path)
        memory, parts = made._mapping, [rng.randbytes(rng.randrange(half + 1)) for _ in range(2)]
        if rng.random() < 0.3:
            parts[1] = b""  # that half takes records now, and has none
        for each, data in zip((number, number + 1), parts):
            each %= layout.DRAINS
            start = layout.HALVES_AT + layout.half_of(each) * half
            memory[start : start + len(data)] = data
            word = layout.WORD.pack(layout.word_of(each, len(data)))
            at = layout.WORD_AT[layout.half_of(each)]
            memory[at : at + len(word)] = word
        self.staged = parts  # what the stage has, and the log perhaps has not
        self.want = before + b"".join(parts)
        if rng.random() < 0.6:
            self._drains(rng, made, number, half)
        made.let_go()
        log.file.close()

    def _drains(self, rng: random.Random, made: FileStage, number: int, half: int) -> None:
        """The writer dies in a drain: the intent stands, the lock names the stage, the log has a part."""
        data, memory = self.staged[0], made._mapping
        size = self.path.stat().st_size
        record = rng.randbytes(rng.choice((0, 0, 100)))
        intent = layout.INTENT.pack(size, len(data), len(record), number, 0)
        memory[layout.INTENT_AT : layout.INTENT_AT + len(intent)] = intent
        memory[layout.HEAD_AT : layout.HEAD_AT + len(record)] = record
        made.lock.open()
        made.lock.file.names[layout.NAME_AT : layout.NAME_AT + 16] = made.header.id
        written = rng.randrange(len(data) + 1)
        with self.path.open("ab") as file:
            file.write(data[:written])
        if written == len(data) and rng.random() < 0.5:  # the half was emptied, but the lock still names it
            word = layout.WORD.pack(layout.word_of(number + 2))
            at = layout.WORD_AT[layout.half_of(number)]
            memory[at : at + len(word)] = word
            self.staged = self.staged[1:]


def case(rng: random.Random, folder: Path) -> None:
    left = Left(rng, folder)
    (folder / "other").write_bytes(OTHER)
    rng.choice((whole, whole, damaged, damaged, odd, lock_damaged, log_changed))(rng, left)
    assert (folder / "other").read_bytes() == OTHER


def recovered(rng: random.Random, path: Path) -> bool | OSError:
    """What comes of recover, or of the next appender. An error says what is wrong, and of which file."""
    how = rng.choice(("log", "folder", "appender"))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            if how == "appender":
                fastmmap.Appender(path, interval=None, stage_size=64).close()
                answer = True
            else:
                answer = fastmmap.recover(path if how == "log" else path.parent)
        except OSError as error:
            texts.check_error(error)
            answer = error
    assert all(issubclass(each.category, RuntimeWarning) for each in said), said
    return answer


def whole(rng: random.Random, left: Left) -> None:
    if rng.random() < 0.2:
        left.path = left.path.rename(left.path.with_name("log.1"))
    answer = recovered(rng, left.path)
    assert answer is True, answer
    assert left.path.read_bytes() == left.want
    assert ours(left.path.parent) == []
    assert recovered(rng, left.path) in (True, False)
    assert left.path.read_bytes() == left.want


def unharmed(left: Left, before: bytes) -> None:
    """What stood in the log stands there, and each record is in the log or in its stage."""
    now = left.path.read_bytes()
    assert now.startswith(before), "the log was cut"
    if now == left.want:
        return
    kept = [name for name in os.listdir(left.path.parent) if name.endswith((".stage", ".aside"))]
    assert kept or all(data in now for data in left.staged), "records are gone"


def damaged(rng: random.Random, left: Left) -> None:
    """Bits of the stage's first pages are other ones, or it is cut: the records stay where they are."""
    data, before = left.stage.read_bytes(), left.path.read_bytes()
    if rng.random() < 0.3:
        left.stage.write_bytes(data[: rng.randrange(len(data))])
    else:
        for _ in range(rng.choice((1, 1, 2, 8))):
            at = rng.choice((rng.randrange(96), rng.choice(layout.WORD_AT) + rng.randrange(8), rng.randrange(8192)))
            data = data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        left.stage.write_bytes(data)
    recovered(rng, left.path)
    assert left.path.read_bytes().startswith(before[: len(before) - len(left.staged[0])])


def odd(rng: random.Random, left: Left) -> None:
    """Numbers in the stage are other ones: of the header, the words or the intent."""
    data = bytearray(left.stage.read_bytes())
    for _ in range(rng.choice((1, 1, 3))):
        struct, at = rng.choice(
            (
                (layout.HEADER, 0),
                (layout.WORD, rng.choice(layout.WORD_AT)),
                (layout.INTENT, layout.INTENT_AT),
                (layout.INTENT, layout.INTENT_AT),
            )
        )
        fields = list(struct.unpack_from(data, at))
        numbers = [which for which, field in enumerate(fields) if isinstance(field, int)]
        which = rng.choice(numbers)
        fields[which] = rng.choice((*ODD, fields[which] + 1, max(fields[which] - 1, 0)))
        if struct is layout.HEADER and which in (1, 2):
            fields[which] %= 1 << 32
        fields = [field % 2**64 if isinstance(field, int) else field for field in fields]
        struct.pack_into(data, at, *fields)
    left.stage.write_bytes(data)
    before = left.path.read_bytes()
    recovered(rng, left.path)
    assert left.path.read_bytes().startswith(before[: len(before) - len(left.staged[0])])


def lock_damaged(rng: random.Random, left: Left) -> None:
    """The lock is cut, longer, something else, names another stage, or is gone."""
    before, data = left.path.read_bytes(), layout.LOCK.pack(layout.LOCK_MAGIC, layout.LOCK_VERSION, rng.randbytes(16))
    kind = rng.randrange(5)
    if kind == 0:
        data = data[: rng.randrange(len(data))]
    elif kind == 1:
        data = texts.mutated(rng, data)
    elif kind == 2:
        data += bytes(rng.randrange(1, 5000))
    elif kind == 3:
        data = rng.randbytes(rng.randrange(60))
    left.lock.write_bytes(data)
    os.chmod(left.lock, 0o600)
    if kind == 4:
        left.lock.unlink()
    recovered(rng, left.path)
    unharmed(left, before)


def log_changed(rng: random.Random, left: Left) -> None:
    """Somebody has written to the log, cut it, removed it or put another in its place."""
    kind = rng.randrange(4)
    if kind == 0:
        with left.path.open("ab") as file:
            file.write(b"foreign\n")
    elif kind == 1:
        os.truncate(left.path, rng.randrange(left.path.stat().st_size + 1))
    elif kind == 2:
        left.path.unlink()
    else:
        left.path.unlink()
        left.path.write_bytes(b"another\n")
    before = left.path.read_bytes() if left.path.exists() else b""
    recovered(rng, left.path)
    if kind < 2:
        now = left.path.read_bytes()
        assert now.startswith(before)
        assert all(data in now for data in left.staged), "records are gone"
    elif left.stage.exists():
        assert all(data in left.stage.read_bytes() for data in left.staged)
    else:
        assert not any(left.staged), "a stage with records was removed"
