"""Drives appenders through random work, and kills one of them at a random step of its drains, again and again.

A step is a call of the system; a writer dies before it or after it, or in a write that has written a part. What dies
leaves its files as a killed process would. Now and then the log is renamed, and its writers reopen it. In the end a
last recovery must give each record that an append returned for once, whole, and in its writer's order.

python tools/append_steps.py            two thousand runs: a minute
python tools/append_steps.py --long     a hundred thousand
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import re
import sys
import tempfile
import time
import warnings
from pathlib import Path

import fastmmap
from fastmmap import _backend, beside, system
from fastmmap.logs import ending, lock, staging
from fastmmap.reference import drain

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.standing_in import as_system

STEPS = (
    "write_pieces", "write_at", "write_zeros", "read_at", "lock", "unlock", "truncate", "remove", "name_file",
)  # fmt: skip


class Dead(BaseException):
    """A writer's end: no code of its own may do anything more."""


class Fate:
    """Lets the k-th step from `arm` on be the last, or fail."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.left, self.dead, self.fails = rng, -1, False, False
        # The drains whose steps are calls in system: the definition.
        vars(_backend.chosen).update({name: getattr(drain, name) for name in _backend.FUNCTIONS["drain"]})
        for name in STEPS:
            setattr(system, name, self.wrap(name, getattr(system, name)))
        for name in ("_open", "create_into"):
            setattr(beside, name, self.wrap(name, getattr(beside, name)))
        lock._unlink = self.wrap("unlink", lock._unlink)
        drain._store = self.wrap("store", drain._store)

    def arm(self, left: int, fails: bool) -> None:
        self.left, self.fails, self.dead = left, fails, False

    def wrap(self, name, real):
        @as_system
        def step(*arguments, **options):
            if self.dead:
                raise Dead  # what `finally` and `except` would still do
            self.left -= 1
            if self.left != -1:
                return real(*arguments, **options)
            if self.fails:
                if name == "write_pieces" and self.rng.random() < 0.5:
                    self.left = 0  # a short write, then an error
                    return self.short(real, *arguments)
                if name == "store":
                    return real(*arguments, **options)  # which can't fail
                raise OSError(28, "No space left on device")
            self.dead = True
            before = self.rng.random() < 0.4
            if not before:
                if name == "write_pieces" and self.rng.random() < 0.6:
                    self.short(real, *arguments, page=True)
                else:
                    real(*arguments, **options)
            raise Dead

        return step

    def short(self, real, fd, pieces, page=False) -> int:
        """Writes a part. A write that is killed ends with a page of the file: they are copied whole."""
        data = b"".join(pieces)
        number = self.rng.randrange(1, len(data) + 1)
        if page:
            end = os.fstat(fd).st_size + number
            number -= end % 4096
            if number <= 0:
                return 0
        return real(fd, [memoryview(data[:number])])


class Writer:
    """An appender, with what it has accepted."""

    def __init__(self, number: int, path: Path, options: dict) -> None:
        self.number, self.accepted, self.sequence = number, [], 0
        self.appender = fastmmap.Appender(path, interval=None, **options)

    def record(self, rng: random.Random) -> bytes:
        size = rng.choice((0, 0, 10, 100, 300, 5000))
        self.sequence += 1
        return b"<%d:%d:%s>" % (self.number, self.sequence, b"x" * size)

    def work(self, rng: random.Random) -> None:
        what = rng.random()
        if what < 0.7:
            record = self.record(rng)
            self.appender.append(record)
            self.accepted.append(record)
        elif what < 0.85:
            records = [self.record(rng) for _ in range(rng.randrange(20))]
            before = self.appender.position
            try:
                self.appender.append_many(records)
            finally:
                taken = self.appender.position - before
                for record in records:
                    if taken < len(record):
                        break
                    taken -= len(record)
                    self.accepted.append(record)
        elif what < 0.97:
            self.appender.flush()
        else:
            self.appender.reopen()

    def die(self) -> None:
        """Closes what the process had open, and nothing else."""
        appender = self.appender
        appender._is_over = True
        ending._appenders.pop(id(appender), None)
        stage = appender._stage
        if stage is not None:
            appender._switch(None)
            stage.let_go()
        appender._log.file.close()


def run(seed: int, folder: Path, counted: collections.Counter) -> str | None:
    """One run; what went wrong in it."""
    rng = random.Random(seed)
    path = folder / "log"
    options = {"stage_size": rng.choice((64, 400, 1000))}
    fate = FATE
    fate.rng = rng
    fate.arm(-1, False)
    staging.LARGE = 2000
    ended: list[Writer] = []
    writers: list[Writer] = []
    number = 0
    for _ in range(rng.randrange(20, 120)):
        if not writers or (len(writers) < 3 and rng.random() < 0.3):
            number += 1
            fate.arm(rng.randrange(60) if rng.random() < 0.2 else -1, rng.random() < 0.4)
            writer = Writer.__new__(Writer)
            try:
                writer.__init__(number, path, options)
                writers.append(writer)
            except Dead:
                counted["killed while it opened"] += 1
                forget_open(folder)
            except OSError:
                counted["failed to open"] += 1
            fate.arm(-1, False)
            continue
        if rng.random() < 0.02 and path.exists():
            path.rename(folder / f"log.{counted['renamed']}")
            counted["renamed"] += 1
        writer = rng.choice(writers)
        fate.arm(rng.randrange(16) if rng.random() < 0.3 else -1, rng.random() < 0.4)
        try:
            writer.work(rng) if rng.random() < 0.97 else writer.appender.close()
            fate.arm(-1, False)
            if writer.appender.closed:
                writers.remove(writer)
                ended.append(writer)
        except Dead:
            counted["killed"] += 1
            fate.arm(-1, False)
            writers.remove(writer)
            ended.append(writer)
            writer.die()
            forget_open(folder)
        except OSError:
            counted["failed"] += 1
            fate.arm(-1, False)
    for writer in writers:
        writer.die() if rng.random() < 0.5 else writer.appender.close()
    fastmmap.recover(folder)
    counted["records"] += sum(len(writer.accepted) for writer in ended + writers)
    logs = sorted(folder.glob("log.*"), key=lambda each: int(each.suffix[1:]))
    content = b"".join(each.read_bytes() for each in [*logs, path] if each.exists())
    return wrong(content, ended + writers) or left(folder)


def forget_open(folder: Path) -> None:
    """Closes what a writer had open that died within a call. Objects that are yet to go close the number only."""
    living = set()
    for appender in ending.appenders():
        living.add(appender._log.file.fd)
        if appender._stage is not None:
            living |= {appender._stage.file.fd, appender._stage.lock.file.fd, appender._stage._mapping._descriptor}
    nowhere = os.open(os.devnull, os.O_RDWR)
    for name in os.listdir("/proc/self/fd"):
        try:
            if int(name) not in living and os.readlink(f"/proc/self/fd/{name}").startswith(str(folder)):
                os.dup2(nowhere, int(name))
        except FileNotFoundError:
            pass  # that of the listing itself
    os.close(nowhere)


def wrong(log: bytes, writers: list[Writer]) -> str | None:
    """What is wrong with a log: records lost, twice, out of order or torn."""
    found = collections.defaultdict(list)
    for match in re.finditer(rb"<(\d+):(\d+):x*>", log):
        found[int(match[1])].append(match[0])
    if rest := re.sub(rb"<\d+:\d+:x*>", b"", log):
        return f"torn: {rest[:60]!r}"
    for writer in writers:
        records = found.pop(writer.number, [])
        sequence = [int(record.split(b":")[1]) for record in records]
        if len(set(sequence)) != len(sequence):
            return f"twice: writer {writer.number}"
        if sequence != sorted(sequence):
            return f"out of order: writer {writer.number}"
        if missing := set(writer.accepted) - set(records):
            return f"lost: {[record[:30] for record in missing]}"
    return f"from nobody: {list(found)}" if found else None


def left(folder: Path) -> str | None:
    names = [name for name in os.listdir(folder) if not name.startswith("log") and not name.endswith(".lock")]
    return f"left: {names}" if names else None


FATE: Fate


def main() -> None:
    global FATE
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--runs", type=int)
    options = parser.parse_args()
    runs = options.runs or (100_000 if options.long else 2000)
    FATE = Fate(random.Random())
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    counted: collections.Counter[str] = collections.Counter()
    for seed in range(options.seed, options.seed + runs):
        with tempfile.TemporaryDirectory() as folder:
            if found := run(seed, Path(folder), counted):
                sys.exit(f"seed {seed}: {found}")
    if counted["killed"] < runs // 10 or counted["records"] < runs:
        sys.exit(f"nothing was tried in {runs} runs: {dict(counted)}")
    print(f"{runs} runs, {counted['killed']} kills, {counted['records']} records: "
          f"every record once and in order; {dict(counted)}")  # fmt: skip


if __name__ == "__main__":
    main()
