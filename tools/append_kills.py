"""Kills processes that append to one log, at any time, and recovers it: each acknowledged record is there once.

Records carry writer, number and a checksum; a writer acknowledges outside, in memory that it shares with this process,
each append that has returned. One writer or four; small records, large ones, lists of them; with flushes and without.

python tools/append_kills.py            two hundred kills
python tools/append_kills.py --long     ten thousand, by one writer and by four: half an hour
"""

from __future__ import annotations

import argparse
import collections
import mmap
import os
import random
import re
import signal
import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path

import fastmmap

RECORD = re.compile(rb"<(\d+):(\d+):([0-9a-f]{8}):([^>]*)>\n")
MOST = 1 << 20


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
        else:
            log.flush()
        acknowledged[:8] = struct.pack("=q", number)


def check(path: Path, acknowledged: dict[int, int]) -> str | None:
    """What is wrong with a log after all of its writers were killed and it was recovered."""
    data, numbers, at = path.read_bytes(), collections.defaultdict(list), 0
    while at < len(data):
        match = RECORD.match(data, at)
        if match is None:
            return f"torn at byte {at}: {data[at : at + 80]!r}"
        writer, number = int(match[1]), int(match[2])
        if zlib.crc32(match[4], number) != int(match[3], 16):
            return f"spoiled: writer {writer}, number {number}"
        numbers[writer].append(number)
        at = match.end()
    for writer, accepted in acknowledged.items():
        found = numbers[writer]
        if found != list(range(len(found))):
            return f"writer {writer}: twice, lost within or out of order near {found[:5]}...{found[-5:]}"
        if len(found) < accepted:
            return f"writer {writer}: {accepted} acknowledged, {len(found)} there"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", help="where the log is: another filesystem, for instance")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    most = options.kills or (20_000 if options.long else 200)
    kills = records = writer = recovered = 0
    slots = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "log"
        while kills < most:
            number = 1 if kills < most // 2 else 4
            children = {}
            for _ in range(number):
                slots[writer] = mmap.mmap(-1, 8)
                child = os.fork()
                if child == 0:
                    write_for_ever(path, writer, slots[writer], rng.random() * 1e9)
                children[child] = writer
                writer += 1
            for child in children:
                time.sleep(rng.random() * 0.02)
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                kills += 1
            if rng.random() < 0.5 and path.exists():  # else the next writer recovers
                recovered += fastmmap.recover(path)
            if path.exists() and (path.stat().st_size > MOST * 16 or rng.random() < 0.1 or kills >= most):
                fastmmap.recover(path)
                accepted = {each: struct.unpack("=q", slot[:8])[0] for each, slot in slots.items()}
                if found := check(path, accepted):
                    sys.exit(f"seed {options.seed}, {kills} kills: {found}")
                if strays := [name for name in os.listdir(folder) if name.endswith(".stage")]:
                    sys.exit(f"seed {options.seed}, {kills} kills: {strays} left")
                records += sum(accepted.values())
                slots.clear()
                os.truncate(path, 0)
    print(f"{kills} kills, {records} records acknowledged: each once, whole, in order; {recovered} recoveries")


if __name__ == "__main__":
    main()
