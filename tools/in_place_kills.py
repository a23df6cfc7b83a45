"""Edits in place that are killed, or lose the machine's power, again and again until they are done.

python tools/in_place_kills.py                 a sample
python tools/in_place_kills.py --long          10,000 kills at steps, 100,000 power losses, 10,000 processes killed

Kills at steps, and power losses, are simulated around the real code: tests/support/killed_edits.py. Processes are
killed at any time, by SIGKILL. Each edit must come to the bytes that `re` makes of the old ones.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from append_kills import stop
from support.killed_edits import kill_until_done, replaced

import fastmmap

TEXT = b"the cat sat on the mat, and the other cat sat on the cat\n" * 100_000
JOBS = [
    {b"cat": b"leopard"},
    {b"cat": b"ox"},
    {b"cat": b"dog"},
    {b"cat": b""},
    {b"cat": b"a cat", b"the": b"a", b"sat": b"lay", b"on": b"under"},
]


def simulated(kills: int, rng: random.Random, power: bool) -> str:
    done = edits = 0
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        while done < kills:
            seed = rng.randrange(1 << 60)
            try:
                done += kill_until_done(Path(folder), random.Random(seed), power)
            except BaseException:
                print(f"seed of the edit: {seed}", file=sys.stderr)
                raise
            edits += 1
    return f"{done} {'power losses' if power else 'kills at steps'} of {edits} edits"


def real(kills: int, rng: random.Random) -> str:
    """Kills processes at any time."""
    done = edits = unbegun = half = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        while done < kills:
            pairs, most = rng.choice(JOBS), rng.choice((-1, -1, 170_000))
            options = {"in_place": True, "count": most, "threads": rng.choice((1, 2)), "durable": rng.random() < 0.02}
            path.write_bytes(TEXT)
            want, _ = replaced(TEXT, pairs, most)
            began = time.perf_counter()
            fastmmap.replace_file(path, pairs, **options)
            taken = time.perf_counter() - began
            path.write_bytes(TEXT)
            while True:
                child = os.fork()
                if child == 0:
                    try:  # an error mustn't come to what the parent does at its end
                        edit(path, pairs, options, want, recover_first=rng.random() < 0.5)
                    finally:
                        stop()
                time.sleep(rng.random() * (2 * taken + 0.01))
                os.kill(child, signal.SIGKILL)
                status = os.waitpid(child, 0)[1]
                if status not in (0, signal.SIGKILL):
                    sys.exit(f"an edit has ended by itself, with {status}")
                done += status != 0
                now, journals = path.read_bytes(), [name for name in os.listdir(folder) if name.endswith(".journal")]
                if not journals and now == want:
                    break
                half += bool(journals)
                unbegun += not journals
                if not journals and now != TEXT:
                    sys.exit("half edited, and no journal")
                for name in os.listdir(folder):
                    if name not in ("file", *journals):
                        os.unlink(Path(folder, name))
                if rng.random() < 0.3:
                    fastmmap.recover(path)
                    if path.read_bytes() not in (want, *(() if journals else (TEXT,))):
                        sys.exit("recovered to something else")
                    if journals:
                        break
            edits += 1
    if not half:
        sys.exit(f"none of {done} kills left an edit half done: nothing was tried")
    return f"{done} kills of processes ({unbegun} before the first byte) in {edits} edits, {half} times half done"


def edit(path: Path, pairs: dict[bytes, bytes], options: dict, want: bytes, recover_first: bool) -> None:
    """Brings an edit to its end, or begins one, and ends the process."""
    if recover_first:
        fastmmap.recover(path)
    if path.read_bytes() != want:
        fastmmap.replace_file(path, pairs, **options)
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    rng = random.Random(options.seed)
    print(f"seed {options.seed}", flush=True)
    long = options.long
    print(f"{simulated(10_000 if long else 50, rng, False)}: brought to its end each time", flush=True)
    print(f"{simulated(100_000 if long else 50, rng, True)}: brought to its end each time", flush=True)
    print(f"{real(10_000 if long else 25, rng)}: brought to its end each time", flush=True)


if __name__ == "__main__":
    main()
