"""Truncation races: a process cuts a file and lets it grow again, over and over, while kernels work on its mapping.

python tools/truncation_races.py            a thousand calls that met a fault
python tools/truncation_races.py --long     a hundred thousand: some minutes

Every call must end with an answer that is in range or with a MappedFileError; a death ends the run with the signal's
status.
"""

from __future__ import annotations

import argparse
import collections
import mmap
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import fastmmap
from fastmmap import MappedFileError, _backend

PAGES = 64
SIZE = PAGES * mmap.PAGESIZE

CUTTER = """
import os, random, sys
fd = os.open(sys.argv[1], os.O_RDWR)
size, page = int(sys.argv[2]), int(sys.argv[3])
text = b"the cat\\n" * (size // 8)
while True:
    at = random.randrange(size // page) * page + random.choice((0, 0, 0, 1, 100, page - 1))
    os.ftruncate(fd, at)
    if random.random() < 0.5:
        os.ftruncate(fd, size)
    os.pwrite(fd, text[at:], at)
"""


def calls(kernel, mapped):
    """One call of each kind, by name; each returns whether its answer can be."""
    block = bytearray(1 << 16)
    absent, there = [b"never", b"neither", b"the cats"], [b"the", b"cat", b"at"]

    def substituted():
        with kernel.substitution(mapped, b"cat", b"horse") as reader:
            while reader.readinto(block):
                pass
        return True

    return {
        "find": lambda: -1 <= kernel.find(mapped, b"never") < SIZE,
        "find in any case": lambda: -1 <= kernel.find(mapped, b"NEVER", ignorecase=True) < SIZE,
        "rfind": lambda: -1 <= kernel.rfind(mapped, b"never") < SIZE,
        "count": lambda: 0 <= kernel.count(mapped, b"the") <= SIZE // 3,
        "find_all": lambda: all(0 <= offset < SIZE for offset in kernel.find_all(mapped, b"cat")[[0, -1]]),
        "find what repeats": lambda: -1 <= kernel.find(mapped, b"\0" * 4000 + b"x") < SIZE,
        "iter_find": lambda: sum(1 for _ in kernel.iter_find(mapped, b"cat")) <= SIZE // 3,
        "find many": lambda: -1 <= kernel.find(mapped, absent) < SIZE,
        "rfind many": lambda: -1 <= kernel.rfind(mapped, absent) < SIZE,
        "count_each": lambda: kernel.count_each(mapped, there).sum() <= SIZE // 3,
        "find_each": lambda: all(0 <= offset < SIZE for offset in kernel.find_each(mapped, there)[0][[0, -1]]),
        "replace many": lambda: 0 <= kernel.replace(mapped, {b"the": b"eht", b"eht": b"the"}) <= SIZE // 3,
        "line_starts": lambda: kernel.line_starts(mapped)[-1] < SIZE,
        "gather": lambda: kernel.gather(mapped, range(0, SIZE - 10, 3000), 10).shape[1] == 10,
        "replace": lambda: 0 <= kernel.replace(mapped, b"the", b"eht") <= SIZE // 3,
        "substitution": substituted,
        "slice": lambda: len(mapped[:]) == SIZE,
        "byte": lambda: 0 <= mapped[random.randrange(SIZE)] < 256,
        "append": lambda: kernel.append(mapped, SIZE // 2, b"cat the\n" * 1000) > 0,
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--long", action="store_true")
    wanted = 100_000 if options.parse_args().long else 1000
    kernels = [_backend.load(name) for name in _backend.kernels()]
    met: collections.Counter[str] = collections.Counter()
    answered: collections.Counter[str] = collections.Counter()
    wrong: list[str] = []

    def work(mapped: fastmmap.MappedFile) -> None:
        while sum(met.values()) < wanted and not wrong:
            for kernel in kernels:
                for name, call in calls(kernel, mapped).items():
                    try:
                        if not call():
                            wrong.append(f"{kernel.name} {name}")
                        answered[name] += 1
                    except MappedFileError as error:
                        met[name] += 1
                        if not 0 <= error.offset < SIZE:
                            wrong.append(f"{kernel.name} {name}: {error.offset}")
                    except IndexError:
                        answered[name] += 1  # nothing was found, in a file of zeros
                    except BaseException as error:
                        wrong.append(f"{kernel.name} {name}: {error!r}")
                        raise

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(b"the cat\n" * (SIZE // 8))
        started = time.monotonic()
        with fastmmap.open(path, "r+") as mapped:
            kinds = set(calls(kernels[0], mapped))
            command = [sys.executable, "-c", CUTTER, str(path), str(SIZE), str(mmap.PAGESIZE)]
            with subprocess.Popen(command) as cutter:
                try:
                    threads = [threading.Thread(target=work, args=(mapped,)) for _ in range(3)]
                    for thread in threads:
                        thread.start()
                    for thread in threads:
                        thread.join()
                    if cutter.poll() is not None:
                        wrong.append("the process that cuts has ended")
                finally:
                    cutter.kill()
    for name in sorted(met | answered):
        print(f"{name:20} {met[name]:8} faults {answered[name]:8} answers")
    if silent := kinds - set(met | answered):
        wrong.append(f"never called: {silent}")
    if wrong or not answered:
        sys.exit(f"wrong: {wrong}; answers: {dict(answered)}")
    print(f"{sum(met.values())} faults and {sum(answered.values())} answers of {len(kinds)} kinds of calls "
          f"in {time.monotonic() - started:.0f} s; every call ended well")  # fmt: skip


if __name__ == "__main__":
    main()
