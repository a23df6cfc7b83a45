"""Kills processes that edit a file, at any time: the file is the old one or the new one, whole.

python tools/edit_kills.py            a hundred kills
python tools/edit_kills.py --long     ten thousand: ten minutes
"""

from __future__ import annotations

import argparse
import collections
import itertools
import mmap
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from append_kills import kill, stop

import fastmmap

WORDS = [b"cat", b"leopard", b"ox"]
TEXT = [(b"the " + word + b" sat on the mat\n") * 60_000 for word in WORDS]


def edit_for_ever(path: Path, state: int, options: dict, told: mmap.mmap) -> None:
    """Edits, and tells of each edit in the first eight bytes of `told`, the first of which it begins with."""
    for number in itertools.count(1):
        told[:8] = number.to_bytes(8, "little")
        following = (state + 1) % len(WORDS)
        fastmmap.replace_file(path, WORDS[state], WORDS[following], **options)
        state = following


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    rng = random.Random(options.seed)
    kills = 10_000 if options.long else 100
    states: collections.Counter[int] = collections.Counter()
    strays = edits = 0
    told = mmap.mmap(-1, 8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(TEXT[0])
        began = time.perf_counter()
        fastmmap.replace_file(path, WORDS[0], WORDS[0] + WORDS[0])  # so long an edit takes, about
        taken = time.perf_counter() - began
        path.write_bytes(TEXT[0])
        state = 0
        for _ in range(kills):
            how = rng.choice(({"durable": False}, {"durable": False, "backup": "~", "force": True}, {"threads": 2}))
            child = os.fork()
            if child == 0:
                try:  # an error mustn't come to what the parent does at its end
                    edit_for_ever(path, state, how, told)
                finally:
                    stop()
            while not any(told[:8]):
                time.sleep(0.001)
            time.sleep(rng.random() * 2 * taken)
            kill(child)
            edits += int.from_bytes(told[:8], "little") - 1
            told[:8] = bytes(8)
            data = path.read_bytes()
            if data not in TEXT:
                sys.exit(f"seed {options.seed}: a mix of {len(data)} bytes")
            state = TEXT.index(data)
            states[state] += 1
            for name in os.listdir(folder):
                if name == "file~":
                    if Path(folder, name).read_bytes() not in TEXT:
                        sys.exit(f"seed {options.seed}: a backup that is none")
                elif name != "file":
                    strays += 1
                    os.unlink(Path(folder, name))
    if len(states) < len(WORDS):
        sys.exit(f"seed {options.seed}: {kills} kills between {edits} edits, which came to {dict(states)} alone")
    print(f"{kills} kills between {edits} edits: old or new each time ({dict(states)}); "
          f"{strays} times a name of ours was left")  # fmt: skip


if __name__ == "__main__":
    main()
