"""Edits in place that are killed at any step, or lose their machine's power there, until they are done.

What changes a file goes through `fastmmap.system`. Here each such call is a step. A kill comes before one, or in the
midst of a write, which has written a part then. From there on nothing is done any more, whatever the edit tries.

A power loss is a kill, and then of each page that was written since the last sync the disk has the old or the new, or
of some of its sectors the old and of others the new. A name that was given or taken away since is there or not. Pages
and sectors are small here, so that small files have many. Between two power losses there may be kills without one: what
is read then may not be on the disk.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fastmmap
from fastmmap import parallel, system
from fastmmap.editing import in_place, journal, moving, writing
from support import oracle
from support.in_place import can_be_marked

PAGE, SECTOR = 64, 8

# What changes files, but for writes.
CHANGES = (
    "truncate",
    "lengthen",
    "allocate",
    "punch",
    "name_file",
    "rename",
    "remove",
    "mark",
    "remove_mark",
    "set_mode",
)


class Killed(BaseException):
    """The process is gone."""


class Machine:
    """One on which edits are killed: at the step that `left` counts down to. Its disk is kept for a power loss."""

    def __init__(self, folder: Path, rng: random.Random, power: bool = False) -> None:
        self.folder, self.rng, self.power = folder, rng, power
        self.left, self.dead = -1, False
        self._durable: dict[int, bytearray] = {}  # by inode: what is on the disk
        self._dirty: dict[int, set[int]] = {}  # pages that were written since
        self._removed: list[tuple[str, int]] = []  # names that may come back
        self._named: set[str] = set()  # names that may go

    def arm(self, left: int) -> None:
        """The next process is killed at its n-th step from here."""
        self.left, self.dead = left, False

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        """Has the calls of the system be steps."""
        for name in CHANGES:
            patch.setattr(system, name, self._changing(name, getattr(system, name)))
        patch.setattr(system, "write_at", self._writing(system.write_at))
        patch.setattr(system, "write_zeros", self._zeroing(system.write_zeros))
        patch.setattr(system, "make_durable", self._syncing)
        patch.setattr(system, "make_attributes_durable", self._syncing)
        patch.setattr(system, "make_names_durable", self._syncing_names)

    def _step(self, inside: Callable[[], object] = lambda: None) -> None:
        if self.dead:
            raise Killed
        if self.left == 0:
            self.dead = True
            inside()
            raise Killed
        self.left -= 1

    def _changing(self, name: str, real: Any) -> Any:
        def change(*arguments: Any) -> Any:
            self._step()
            if name == "remove" and os.path.lexists(arguments[0]):
                inode = os.stat(arguments[0]).st_ino
                kept = f"{arguments[0]}.kept"
                if self.power and arguments[0].endswith(".journal"):
                    os.link(arguments[0], kept)
                    self._removed.append((arguments[0], inode))
            answer = real(*arguments)
            if self.power and name in ("name_file", "rename"):
                self._named.add(os.fspath(arguments[1]))
            if name in ("truncate", "lengthen") and self.power:
                self._resize(arguments[0])
            return answer

        return change

    def _writing(self, real: Any) -> Any:
        def write(fd: int, data: Any, offset: int) -> None:
            def part() -> None:
                with memoryview(data) as view, view[: self.rng.randint(0, len(view))] as some:
                    if len(some):
                        self._note(fd, offset, len(some))
                        real(fd, some, offset)

            self._step(part)
            self._note(fd, offset, len(data))
            real(fd, data, offset)

        return write

    def _zeroing(self, real: Any) -> Any:
        def write(fd: int, offset: int, end: int) -> None:
            self._step()
            self._note(fd, offset, end - offset)
            real(fd, offset, end)

        return write

    # --- the disk ---

    def _disk(self, fd: int) -> bytearray:
        inode = os.fstat(fd).st_ino
        if inode not in self._durable:
            self._durable[inode] = bytearray(os.pread(fd, os.fstat(fd).st_size, 0))
        return self._durable[inode]

    def _note(self, fd: int, offset: int, length: int) -> None:
        if self.power and length:
            self._disk(fd)
            pages = range(offset // PAGE, (offset + length - 1) // PAGE + 1)
            self._dirty.setdefault(os.fstat(fd).st_ino, set()).update(pages)

    def _resize(self, fd: int) -> None:
        """A file's size is on the disk at once, as on filesystems that keep a journal of such changes."""
        disk, size = self._disk(fd), os.fstat(fd).st_size
        del disk[size:]
        disk.extend(bytes(size - len(disk)))

    def _syncing(self, fd: int) -> None:
        self._step()
        if self.power:
            disk, inode = self._disk(fd), os.fstat(fd).st_ino
            for page in self._dirty.pop(inode, ()):
                block = os.pread(fd, PAGE, page * PAGE)
                disk.extend(bytes(max(page * PAGE + len(block) - len(disk), 0)))
                disk[page * PAGE : page * PAGE + len(block)] = block

    def _syncing_names(self, directory: int) -> None:
        self._step()
        self._forget_names()

    def _forget_names(self) -> None:
        for name, _ in self._removed:
            os.unlink(f"{name}.kept")
        self._removed.clear()
        self._named.clear()

    def lose_power(self) -> None:
        """Has files be what the disk has of them."""
        for name, _ in self._removed:
            if self.rng.random() < 0.5 and not os.path.exists(name):
                os.rename(f"{name}.kept", name)
            else:
                os.unlink(f"{name}.kept")
        self._removed.clear()
        for name in self._named:
            if self.rng.random() < 0.5 and os.path.exists(name):
                os.unlink(name)
        self._named.clear()
        for path in self.folder.iterdir():
            inode = path.stat().st_ino
            if inode not in self._durable:
                continue
            disk, now = self._durable[inode], path.read_bytes()
            for page in sorted(self._dirty.get(inode, ())):
                for sector in self._sectors_written(page):
                    block = now[sector : sector + SECTOR]
                    disk.extend(bytes(max(sector + len(block) - len(disk), 0) if block else 0))
                    disk[sector : sector + len(block)] = block
            with path.open("r+b") as file:
                file.write(disk)
                file.truncate(len(disk))
        self._durable.clear()
        self._dirty.clear()

    def _sectors_written(self, page: int) -> list[int]:
        sectors = range(page * PAGE, (page + 1) * PAGE, SECTOR)
        kind = self.rng.random()
        if kind < 0.4:
            return []
        if kind < 0.8:
            return list(sectors)
        return [sector for sector in sectors if self.rng.random() < 0.5]


def replaced(data: bytes, pairs: dict[bytes, bytes], most: int, ignorecase: bool = False) -> tuple[bytes, int]:
    """What an edit makes of bytes, and how many it replaces: by re."""
    new, counts = oracle.replaced(data, pairs, most, ignorecase)
    return new, sum(counts)


def a_case(rng: random.Random) -> tuple[bytes, dict[bytes, bytes], int]:
    """Bytes, pairs, and how many to replace: by what is shorter, as long, longer; needles that overlap themselves."""
    data = bytes(rng.choice(b"aab") for _ in range(rng.randint(0, 700)))
    pairs = {}
    for _ in range(rng.choice((1, 1, 2, 10))):
        old = rng.choice((b"a", b"aa", b"aba", b"abab", b"b", b"ba", b"bb", b"aab"))
        kind = rng.choice(("any", "none", "longer", "equal", "holds the needle"))
        new = bytes(rng.choice(b"abX") for _ in range({"none": 0, "equal": len(old)}.get(kind, rng.randint(0, 9))))
        pairs[old] = new + old + new if kind == "holds the needle" else new
    if rng.random() < 0.3:
        pairs = {old: (new * 9 + old)[: len(old)] for old, new in pairs.items()}
    return data, pairs, rng.choice((-1, -1, -1, 0, 1, 5, 40))


def in_any_case(rng: random.Random, data: bytes) -> bytes:
    """The same letters, each in one case or the other."""
    return bytes(rng.choice((byte, byte ^ 0x20)) for byte in data)


def small_steps(patch: pytest.MonkeyPatch, rng: random.Random) -> None:
    """Has a file of a few hundred bytes have many parts, steps and slots."""
    patch.setattr(in_place, "PART", rng.choice((16, 64, 1 << 20)))
    near = rng.choice((8, 64, 1 << 18))
    patch.setattr(moving, "NEAR", near)
    patch.setattr(moving, "NEAR_DURABLE", near)
    patch.setattr(moving, "STEP", rng.choice((32, 200, 1 << 26)))
    patch.setattr(moving, "SAMPLE", rng.choice((4, 4096)))
    patch.setattr(journal, "SMALLEST_ROOM", rng.choice((16, 64)))
    patch.setattr(in_place, "LARGEST_ROOM", rng.choice((32, 100, 1 << 22)))
    patch.setattr(writing, "BLOCK", rng.choice((16, 1 << 20)))
    patch.setattr(parallel, "WORTHWHILE", 0)


def kill_until_done(folder: Path, rng: random.Random, power: bool = False, ignorecase: bool = False) -> int:
    """Edits a file, killed until it is done. Returns how often, of power losses if `power`; asserts the rest."""
    data, pairs, most = a_case(rng)
    if ignorecase:
        data, pairs = in_any_case(rng, data), {in_any_case(rng, old): new for old, new in pairs.items()}
    want, number = replaced(data, pairs, most, ignorecase)
    path, kills, losses = folder / "file", 0, 0
    path.write_bytes(data)
    inode = path.stat().st_ino
    elsewhere = rng.random() < 0.2 and can_be_marked(folder)  # by which the journal is found
    options = {
        "in_place": True,
        "durable": power or rng.choice((None, True)),
        "threads": rng.choice((1, 2)),
        "count": most,
        "ignorecase": ignorecase,
    }
    if elsewhere:
        options["journal"] = folder / "elsewhere.journal"
    machine = Machine(folder, rng, power)
    with pytest.MonkeyPatch.context() as patch:
        small_steps(patch, rng)
        machine.patch(patch)
        while True:
            machine.arm(rng.randint(0, rng.choice((6, 20, 60)) + 20 * kills))  # enough for a whole step one day
            try:
                again = rng.random() < 0.5
                if not kills or again:
                    done = fastmmap.replace_file(path, pairs, **options)
                    assert done.count == number, (done, number)
                else:
                    assert fastmmap.recover(path) in (True, False)
            except Killed:
                kills += 1
                if power and rng.random() < 0.6:
                    machine.lose_power()
                    losses += 1
            left = [name for name in os.listdir(folder) if name.endswith(".journal")]
            if not left:
                now = path.read_bytes()
                if now == want:
                    break
                assert now == data, f"{kills} kills: neither old nor new, and no journal"
    assert path.stat().st_ino == inode
    for name in os.listdir(folder):
        os.unlink(folder / name)
    return losses if power else kills
