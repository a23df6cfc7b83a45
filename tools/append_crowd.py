"""Several processes, each with two threads, append to one log at the same time: no record is lost, doubled or torn.

python tools/append_crowd.py            four processes of 100,000 records
python tools/append_crowd.py --long     of 1,000,000
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import sys
import tempfile
import threading
import zlib
from pathlib import Path

import fastmmap

PROCESSES = 4


def record(writer: int, number: int) -> bytes:
    body = b"x" * (number * 7919 % 80)
    return b"%d %d %08x %s\n" % (writer, number, zlib.crc32(body, number), body)


def write(path: Path, process: int, records: int) -> None:
    """Appends from two threads, each a writer of its own: one by one, in lists, and a large one now and then."""
    rng = random.Random(process)
    with fastmmap.Appender(path, stage_size=rng.choice((1 << 14, 1 << 17, 1 << 20)), interval=0.01) as log:

        def work(writer: int) -> None:
            number = 0
            while number < records:
                if number % 1000 == 999:
                    several = [record(writer, i) for i in range(number, min(number + 50, records))]
                    number += log.append_many(several)
                else:
                    log.append(record(writer, number))
                    number += 1
                if number % 20_000 == 7:
                    log.append(b"large " + b"L" * 100_000 + b"\n")

        threads = [threading.Thread(target=work, args=(process * 2 + i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--records", type=int, help="of a process")
    options = parser.parse_args()
    each = (options.records if options.records is not None else 1_000_000 if options.long else 100_000) // 2
    if each < 1:
        sys.exit("each process needs two records: nothing would be tried")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        children = []
        for process in range(PROCESSES):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    write(path, process, each)
                    status = 0
                finally:
                    os._exit(status)
            children.append(child)
        if any(os.waitpid(child, 0)[1] for child in children):
            sys.exit("a writer failed")
        following: collections.Counter[int] = collections.Counter()
        large = b"large " + b"L" * 100_000 + b"\n"
        with open(path, "rb") as file:
            for line in file:
                if line == large:
                    continue
                writer = int(line.split(b" ", 1)[0])
                if line != record(writer, following[writer]):
                    sys.exit(f"writer {writer}: {record(writer, following[writer])!r} should be where {line!r} is")
                following[writer] += 1
        if following != dict.fromkeys(range(2 * PROCESSES), each):
            sys.exit(f"lost: {following}")
        if (names := os.listdir(folder)) != ["log"]:
            sys.exit(f"left: {names}")
    print(f"{PROCESSES} processes of {2 * each} records: none lost, doubled or torn, and each writer's in order")


if __name__ == "__main__":
    main()
