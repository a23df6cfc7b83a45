"""Kills processes that log to one file, which they rotate: each record whose call had returned is there once.

Four processes log through LogHandler, each killed at any time and followed by another. Files are rotated by size, by
time or by both; in some runs a rotator compresses them. In the end all are read: no record is lost, doubled or torn,
and no file is larger than it was to be, but for what dead writers had staged.

python tools/handler_kills.py          two hundred kills
python tools/handler_kills.py --long   ten thousand
"""

from __future__ import annotations

import argparse
import collections
import gzip
import logging
import mmap
import os
import random
import struct
import sys
import tempfile
import time
from pathlib import Path

from append_kills import kill, parse, record, stop, wait_for_first

import fastmmap
from fastmmap import LogHandler

PROCESSES = 4

KINDS = {
    "size": {"maxBytes": 20_000, "backupCount": 100_000},
    "size, compressed": {"maxBytes": 60_000, "backupCount": 100_000},
    "time": {"when": "S"},
    "time and size": {"when": "S", "maxBytes": 50_000},
    "time and size, compressed": {"when": "S", "maxBytes": 100_000},
}

# A run ends after so many kills: the older files are renamed with each rotation.
RUN = 50


def compress(source: str, dest: str) -> None:
    """A rotator that loses nothing when it is killed: what it was at is `work.ID`, and what it makes has that id."""
    name = os.urandom(8).hex()
    folder = os.path.dirname(source)
    work = os.path.join(folder, f"work.{name}")
    try:
        os.rename(source, work)
    except FileNotFoundError:
        return
    with open(f"{work}.part", "wb") as file, gzip.GzipFile(name, "wb", 1, file) as packed:
        packed.write(Path(work).read_bytes())
    os.rename(f"{work}.part", dest)
    os.remove(work)


def log_for_ever(path: Path, kind: str, writer: int, acknowledged: mmap.mmap, seed: float) -> None:
    """Logs until it is killed. What is acknowledged is how many records, from the first, have been logged."""
    rng = random.Random(seed)
    logging.raiseExceptions = True
    handler = LogHandler(path, **KINDS[kind])
    handler.handleError = stop  # type: ignore[method-assign]
    if "compressed" in kind:
        handler.namer, handler.rotator = lambda name: f"{name}.gz", compress
    handler.stream._interval = rng.choice((0.002, 1.0))
    sizes = rng.choice(((10, 50, 100), (10, 1000)))
    number = 0
    while True:
        text = record(writer, number, rng.choice(sizes)).decode()[:-1]
        level = logging.ERROR if rng.random() < 0.01 else logging.INFO
        handler.handle(logging.makeLogRecord({"msg": text, "levelno": level}))
        number += 1
        acknowledged[:8] = struct.pack("=q", number)
        if rng.random() < 0.02:
            time.sleep(rng.random() * 0.002)


def files_of(folder: Path) -> dict[str, bytes]:
    """What is in each file, older ones and the log itself. A file that was being compressed counts once."""
    found = {}
    for path in folder.iterdir():
        data = path.read_bytes()
        if path.suffix == ".gz":
            if (folder / f"work.{data[10 : data.index(0, 10)].decode()}").exists():
                continue
            data = gzip.decompress(data)
        elif path.suffix == ".part" or path.name.startswith(".fastmmap-"):
            continue
        found[path.name] = data
    return found


def wrong_with(folder: Path, kind: str, acknowledged: dict[int, int]) -> str | None:
    """What is wrong after all writers were killed and their stages recovered."""
    found = collections.defaultdict(list)
    most = KINDS[kind].get("maxBytes", sys.maxsize)
    for name, data in files_of(folder).items():
        numbers, wrong = parse(data, torn=False)
        if wrong:
            return f"{name}: {wrong}"
        if len(data) >= most + 2 * PROCESSES * max(most // 8, 1024):
            return f"{name} has {len(data)} bytes"
        for writer, those in numbers.items():
            found[writer] += those
    for writer, accepted in acknowledged.items():
        numbers = sorted(found[writer])
        if len(set(numbers)) < len(numbers):
            twice = [number for number, times in collections.Counter(numbers).items() if times > 1]
            return f"writer {writer}: twice: {twice[:5]}"
        if numbers != list(range(len(numbers))):
            return f"writer {writer}: lost within"
        if len(numbers) < accepted:
            return f"writer {writer}: {accepted} acknowledged, {len(numbers)} there"
    strays = [path.name for path in folder.iterdir() if path.name.startswith(".fastmmap-")]
    return f"{strays} left" if strays else None


def run(folder: Path, kind: str, kills: int, rng: random.Random) -> tuple[int, int]:
    """So many kills, and what comes of them: how many records were acknowledged, and how many files there are."""
    slots: dict[int, mmap.mmap] = {}
    living: dict[int, int] = {}

    def begin() -> None:
        writer = len(slots)
        slots[writer] = mmap.mmap(-1, 8)
        child = os.fork()
        if child == 0:
            try:  # an error mustn't come to what the parent does at its end
                log_for_ever(folder / "log", kind, writer, slots[writer], rng.random())
            finally:
                stop()
        living[child] = writer

    for number in range(kills):
        while len(living) < min(PROCESSES, kills - number):
            begin()
        child = rng.choice(list(living))
        if rng.random() < 0.9:
            wait_for_first(slots[living[child]])
        time.sleep(rng.random() * (0.5 if "time" in kind and rng.random() < 0.2 else 0.02))
        kill(child)
        del living[child]
    fastmmap.recover(folder)
    acknowledged = {writer: struct.unpack("=q", slot[:8])[0] for writer, slot in slots.items()}
    if wrong := wrong_with(folder, kind, acknowledged):
        sys.exit(f"{kind}: {wrong}")
    return sum(acknowledged.values()), len(list(folder.iterdir()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", help="where the log is: another filesystem, for instance")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    most = options.kills or (10_000 if options.long else 200)
    kills = records = files = runs = 0
    print(f"seed {options.seed}")
    while kills < most:
        kind = rng.choice(list(KINDS))
        number = min(RUN, most - kills)
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            logged, made = run(Path(folder), kind, number, rng)
        kills, records, files, runs = kills + number, records + logged, files + made, runs + 1
    if records < kills // 2:
        sys.exit(f"only {records} records were acknowledged in {kills} kills: nothing was tried")
    if files <= runs:
        sys.exit(f"no file was rotated in {kills} kills")
    print(f"{kills} kills, {records} records acknowledged, {files} files: each record once, and whole")


if __name__ == "__main__":
    main()
