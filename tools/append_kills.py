"""Kills processes that append to one log, at any time, and recovers it: each acknowledged record is there once.

Records carry writer, number and a checksum; a writer acknowledges outside, in memory that it shares with this process,
each append that has returned. One writer or four; small records, large ones, lists of them; with flushes and without.
With rotations the log is renamed under them, removed, or another is renamed over it; what goes away is read under a
second name. A removed log is removed for good in one step, so what a writer had written to it in that moment counts.

python tools/append_kills.py                two hundred kills
python tools/append_kills.py --rotations    the same, with rotations
python tools/append_kills.py --long         ten thousand, by one writer and by four: half an hour
"""

from __future__ import annotations

import argparse
import collections
import itertools
import mmap
import os
import random
import re
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from pathlib import Path

import fastmmap
from fastmmap.logs import stage

RECORD = re.compile(rb"<(\d+):(\d+):([0-9a-f]{8}):([^>]*)>\n")
MOST = 1 << 20
ROTATIONS = ("renamed", "removed", "replaced")


def record(writer: int, number: int, size: int) -> bytes:
    body = bytes(97 + (writer * 31 + number + i) % 26 for i in range(min(size, 64))) * (size // 64 + 1)
    return b"<%d:%d:%08x:%s>\n" % (writer, number, zlib.crc32(body, number), body)


def write_for_ever(path: Path, writer: int, acknowledged: mmap.mmap, seed: int) -> None:
    """Appends until it is killed. What is acknowledged is how many records, from the first, are accepted."""
    rng = random.Random(seed)
    log = fastmmap.Appender(
        path, stage_size=rng.choice((1 << 12, 1 << 16, 1 << 20)), interval=rng.choice((0.001, None))
    )
    sizes = rng.choice(((10, 50, 100), (10, 5000), (100, 100_000, 300_000)))
    number = 0
    while True:
        how = rng.random()
        if how < 0.9:
            log.append(record(writer, number, rng.choice(sizes)))
            number += 1
        elif how < 0.97:
            number += log.append_many([record(writer, number + i, rng.choice(sizes[:2])) for i in range(20)])
        elif how < 0.99:
            log.flush()
        else:
            log.reopen()
        acknowledged[:8] = struct.pack("=q", number)


def parse(data: bytes, torn: bool) -> tuple[dict[int, list[int]], str | None]:
    """The numbers of each writer's records, and what is wrong with them. `torn`: the last may be a part."""
    numbers, at = collections.defaultdict(list), 0
    while at < len(data):
        match = RECORD.match(data, at)
        if match is None:
            return numbers, None if torn and b">" not in data[at:] else f"torn at byte {at}: {data[at : at + 80]!r}"
        writer, number = int(match[1]), int(match[2])
        if zlib.crc32(match[4], number) != int(match[3], 16):
            return numbers, f"spoiled: writer {writer}, number {number}"
        numbers[writer].append(number)
        at = match.end()
    return numbers, None


class Files:
    """The log, and those that were the log before, in their order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.before: list[int] = []
        self.counted: collections.Counter[str] = collections.Counter()

    def rotate(self, rng: random.Random) -> None:
        """Takes the log's name away. What is written in that very moment is read by its descriptor."""
        try:
            self.before.append(os.open(self.path, os.O_RDONLY))
        except FileNotFoundError:
            return
        how = rng.choice(ROTATIONS)
        self.counted[how] += 1
        if how == "renamed":
            os.rename(self.path, f"{self.path}.{sum(self.counted.values())}")
        elif how == "removed":
            os.unlink(self.path)
        else:
            new = self.path.with_name("new")
            new.touch()
            os.rename(new, self.path)

    def check(self, acknowledged: dict[int, int]) -> str | None:
        """What is wrong after all writers were killed and their stages recovered."""
        found: dict[int, list[int]] = collections.defaultdict(list)
        self.before.append(os.open(self.path, os.O_RDONLY | os.O_CREAT))
        for fd in self.before:
            status = os.fstat(fd)
            numbers, wrong = parse(os.pread(fd, status.st_size, 0), torn=status.st_nlink == 0)
            if wrong:
                return wrong
            for writer, those in numbers.items():
                found[writer] += those
        left, wrong = self.left()
        if wrong:
            return wrong
        for writer, accepted in acknowledged.items():
            numbers = found[writer]
            wrong = [(one, other) for one, other in itertools.pairwise(numbers) if one >= other]
            if wrong:
                return (
                    f"writer {writer}: {'twice' if len(set(numbers)) < len(numbers) else 'out of order'}: {wrong[:5]}"
                )
            # Only what was staged for a log that is gone may also be there, in part.
            those = sorted({*numbers, *left[writer]})
            if those != list(range(len(those))):
                return f"writer {writer}: lost within, near {those[:5]}...{those[-5:]}"
            if len(those) < accepted:
                return f"writer {writer}: {accepted} acknowledged, {len(those)} there"
        return None

    def left(self) -> tuple[dict[int, list[int]], str | None]:
        """What is in the stages of logs that are gone, which nobody takes anywhere."""
        found: dict[int, list[int]] = collections.defaultdict(list)
        for path in self.path.parent.glob(".fastmmap-*.stage"):
            with open(path, "rb") as file:
                header = stage.Header.read(file.fileno(), str(path))
                words = stage.words_in(file.fileno())
            if header is None:
                return found, f"{path} is unfinished"
            for half, word in enumerate(words):
                start = stage.HALVES_AT + half * header.half
                numbers, wrong = parse(path.read_bytes()[start : start + word % stage.DRAINS], torn=False)
                if wrong:
                    return found, f"{path}: {wrong}"
                for writer, those in numbers.items():
                    found[writer] += those
            self.counted["stages of logs that are gone"] += 1
            path.unlink()
        return found, None

    def clear(self) -> None:
        """Begins anew."""
        for fd in self.before:
            os.close(fd)
        self.before.clear()
        for path in self.path.parent.glob("log.*"):
            path.unlink()
        os.truncate(self.path, 0)


def recover(folder: str, counted: collections.Counter[str]) -> None:
    """Recovers what can be: the stage of a log that is gone stays, as an error tells."""
    try:
        counted["recoveries"] += fastmmap.recover(folder)
    except OSError as error:
        if "is gone" not in str(error):
            raise


def wait_for_first(slot: mmap.mmap) -> None:
    """Until a writer has acknowledged anything: else a slow machine would kill those alone that had nothing to lose."""
    end = time.monotonic() + 60
    while slot[:8] == bytes(8):
        if time.monotonic() > end:
            sys.exit("a writer never came to append anything")
        time.sleep(0.0005)


def kill(child: int) -> None:
    """A process that works until it is killed. One that has ended by itself was no kill."""
    os.kill(child, signal.SIGKILL)
    if (status := os.waitpid(child, 0)[1]) != signal.SIGKILL:
        sys.exit(f"a process has ended by itself, with {status}")


def stop(*_: object) -> None:
    """Ends a child by what it tells of, which is no kill's."""
    traceback.print_exc()
    os._exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--rotations", action="store_true")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", help="where the log is: another filesystem, for instance")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", ".*is left alone: The log")
    rng = random.Random(options.seed)
    most = options.kills or (20_000 if options.long else 200)
    kills = records = writer = 0
    slots = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "log"
        files = Files(path)
        while kills < most:
            number = 1 if kills < most // 2 else 4
            children = {}
            for _ in range(number):
                slots[writer] = mmap.mmap(-1, 8)
                child = os.fork()
                if child == 0:
                    try:  # an error mustn't come to what the parent does at its end
                        write_for_ever(path, writer, slots[writer], rng.random() * 1e9)
                    finally:
                        stop()
                children[child] = writer
                writer += 1
            for child, each in children.items():
                if rng.random() < 0.9:
                    wait_for_first(slots[each])
                while options.rotations and rng.random() < 0.6:
                    files.rotate(rng)
                    time.sleep(rng.random() * 0.005)
                time.sleep(rng.random() * 0.02)
                kill(child)
                kills += 1
            if rng.random() < 0.5 and path.exists():  # else the next writer recovers
                recover(folder, files.counted)
            size = path.stat().st_size if path.exists() else 0
            if size > MOST * 16 or rng.random() < 0.1 or kills >= most or len(files.before) > 100:
                recover(folder, files.counted)
                accepted = {each: struct.unpack("=q", slot[:8])[0] for each, slot in slots.items()}
                if found := files.check(accepted):
                    sys.exit(f"seed {options.seed}, {kills} kills: {found}")
                if not options.rotations and files.counted["stages of logs that are gone"]:
                    sys.exit(f"seed {options.seed}, {kills} kills: a stage was left")
                if strays := [name for name in os.listdir(folder) if name.endswith(".stage")]:
                    sys.exit(f"seed {options.seed}, {kills} kills: {strays} left")
                records += sum(accepted.values())
                slots.clear()
                files.clear()
    if records < kills // 2:
        sys.exit(f"only {records} records were acknowledged in {kills} kills: nothing was tried")
    if kills >= 50 and not files.counted["recoveries"]:
        sys.exit(f"nothing was recovered after {kills} kills")
    if kills >= 50 and options.rotations and not all(files.counted[how] for how in ROTATIONS):
        sys.exit(f"not each kind of rotation came between {kills} kills: {dict(files.counted)}")
    print(f"{kills} kills, {records} records acknowledged: each once, whole, in order; {dict(files.counted)}")


if __name__ == "__main__":
    main()
