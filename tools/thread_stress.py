"""Many threads that search, iterate, close, append, resize, follow and edit, all on the same objects.

python tools/thread_stress.py                  some seconds
python tools/thread_stress.py --seconds 600    ten minutes
python tools/thread_stress.py --only Reading   one arena

What is shared is in thread_arenas.py. Every answer is checked. Figures are printed for each kind of call; a kind that
was never called, or a fault, ends the run with status 1. It runs on each build; on one without the GIL it says most,
and under ThreadSanitizer (tools/proofs/tsan.py) it finds what no answer shows.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import sys
import tempfile
import threading
import time
import traceback
import warnings
from pathlib import Path

import thread_calls
from thread_arenas import ARENAS, Arena

import fastmmap
from fastmmap import parallel

# So many wrong answers of an arena are enough to look at.
ENOUGH = 5


def run(arena: Arena, seconds: float, threads: int) -> tuple[collections.Counter[str], list[str]]:
    """How often each kind of call was made, and what was wrong."""
    made: collections.Counter[str] = collections.Counter()
    wrong: list[str] = []
    barrier, counting = threading.Barrier(threads), threading.Lock()
    end = time.monotonic() + seconds

    def work(seed: int) -> None:
        rng, mine = random.Random(seed), collections.Counter(dict.fromkeys(arena.calls, 0))
        barrier.wait()
        # Each kind once, in an order of its own, however long that takes; then any, until the time is over.
        first = rng.sample(sorted(arena.calls), len(arena.calls))
        while (first or time.monotonic() < end) and len(wrong) < ENOUGH:
            name = first.pop() if first else rng.choice(sorted(arena.calls))
            try:
                if not arena.calls[name](rng):
                    wrong.append(f"{name}: a wrong answer")
            except BaseException:
                wrong.append(f"{name}: {traceback.format_exc()}")
            mine[name] += 1
        with counting:
            made.update(mine)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return made, wrong + arena.end()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=8, help="about so long, in all")
    options.add_argument("--threads", type=int, default=6)
    options.add_argument("--only", action="append", choices=[kind.__name__ for kind in ARENAS])
    chosen = options.parse_args()
    warnings.simplefilter("error")
    # As many parts as large calls have, in small texts.
    parallel.BLOCK, parallel.WORTHWHILE, parallel.ROOM = len(thread_calls.TEXT) // 16, 1 << 10, 256
    kinds = [kind for kind in ARENAS if not chosen.only or kind.__name__ in chosen.only]
    all_made: collections.Counter[str] = collections.Counter()
    faults = []
    for kind in kinds:
        # Where a removed file that is open keeps its name, some may be there until this process ends.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=os.name == "nt") as folder:
            arena = kind(Path(folder))
            made, wrong = run(arena, chosen.seconds / len(kinds), chosen.threads)
        for name in arena.calls:
            print(f"{kind.__name__:10} {name:32} {made[name]:8} calls")
        print(*(f"{kind.__name__:10} WRONG: {text}" for text in wrong), sep="\n", end="\n" if wrong else "", flush=True)
        faults += wrong
        all_made += made
    lock = "with" if getattr(sys, "_is_gil_enabled", lambda: True)() else "without"
    number = sum(all_made.values())
    figures = f"{number} calls of {len(all_made)} kinds by {chosen.threads} threads, {len(faults)} faults"
    print(f"{figures}: Python {sys.version.split()[0]} {lock} the GIL, kernel {fastmmap.kernel}")
    if faults or not all(all_made.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
