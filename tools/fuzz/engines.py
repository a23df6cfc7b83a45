"""What makes cases, in a process of its own: atheris, which looks at what they cover, or a generator at random.

A target is a module with `case(rng, folder)`: it draws one case from `rng`, and raises what shows a fault. Whatever a
case leaves in its folder goes before the next one.
"""

from __future__ import annotations

import importlib
import importlib.util
import mmap
import os
import random
import resource
import shutil
import struct
import sys
import time
import traceback
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

from tools.fuzz.drawn import Drawn

# The targets in Python. That in C is built and run by scan.py.
TARGETS = ("search", "patterns", "many", "replace", "journal", "stages", "lines")

# Where the case is that is being tried: how many were tried before it, how long it is, and its bytes.
HEAD = struct.Struct("=QQ")
LONGEST = 1 << 14

# How long a target may be at one case, in seconds: where much else runs, what takes one second may take a minute.
PATIENCE = 300

# A case may make no larger file, whatever a journal or a stage says.
LARGEST_FILE = 1 << 28

# How many cases at random atheris begins with.
SEEDS = 50

# How long a fault's case is made shorter.
SHRINKING = 10

Check = Callable[[bytes], None]


def has_atheris() -> bool:
    return importlib.util.find_spec("atheris") is not None


def check_of(target: str, folder: Path) -> Check:
    """What tries a case of a target, by its bytes, in a folder."""
    module = importlib.import_module(f"tools.fuzz.{target}")
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    warnings.simplefilter("error")

    def check(data: bytes) -> None:
        try:
            module.case(Drawn(data), folder)
        finally:
            for entry in os.scandir(folder):
                shutil.rmtree(entry) if entry.is_dir(follow_symlinks=False) else os.unlink(entry)

    return check


class Current:
    """The case that is being tried, in a file: whoever started this process finds it there after a crash."""

    def __init__(self, path: Path) -> None:
        with open(path, "w+b") as file:
            file.truncate(HEAD.size + LONGEST)
            self._memory = mmap.mmap(file.fileno(), 0)

    def note(self, number: int, data: bytes) -> None:
        self._memory[: HEAD.size + len(data)] = HEAD.pack(number, len(data)) + data

    @staticmethod
    def read(path: Path) -> tuple[int, bytes]:
        """How many cases were tried, and the bytes of the last one."""
        content = path.read_bytes()
        number, length = HEAD.unpack_from(content)
        return number, content[HEAD.size : HEAD.size + length]


def a_case(rng: random.Random) -> bytes:
    """Bytes for a case: a few decide little, many decide all of it."""
    return rng.randbytes(rng.choice((16, 200, 2000, LONGEST, LONGEST)))


def at_random(check: Check, seed: int, seconds: float, cases: int | None, note: Callable[[int, bytes], None]) -> int:
    """Tries cases until the time is over, or so many. Returns how many."""
    rng, end, number = random.Random(seed), time.monotonic() + seconds, 0
    while (time.monotonic() < end or not number) if cases is None else number < cases:
        data = a_case(rng)
        number += 1
        note(number, data)
        check(data)
    note(number, b"")
    return number


def shrunk(check: Check, data: bytes) -> bytes:
    """A shorter case that fails as well."""
    end, size = time.monotonic() + SHRINKING, len(data)
    while size > 8 and time.monotonic() < end:
        size //= 2
        for at in range(0, len(data), size):
            shorter = data[:at] + data[at + size :]
            if time.monotonic() < end and _fails(check, shorter):
                data = shorter
                break
    return data


def _fails(check: Check, data: bytes) -> bool:
    try:
        check(data)
    except Exception:
        return True
    return False


def keep(target: str, data: bytes, found: Path) -> Path:
    """Writes a case to a file, by whose name it is tried again."""
    found.mkdir(parents=True, exist_ok=True)
    path = found / f"{target}-{zlib.crc32(data):08x}.case"
    path.write_bytes(data)
    return path


def run_random(target: str, folder: Path, options: tuple[int, float, int | None], found: Path) -> None:
    """What a child does: cases at random. A fault is told, its case is kept, and the status is 1."""
    current = Current(folder / "current")
    (folder / "work").mkdir()
    check = check_of(target, folder / "work")
    seed, seconds, cases = options
    try:
        at_random(check, seed, seconds, cases, current.note)
    except Exception:
        traceback.print_exc()
        _, data = Current.read(folder / "current")
        path = keep(target, shrunk(check, data), found)
        print(f"found: {path}", file=sys.stderr)
        sys.exit(1)


def run_atheris(target: str, folder: Path, options: tuple[int, float, int | None], found: Path) -> None:
    """What a child does: cases by atheris, which ends the process itself. Its corpus stays in the folder `found`."""
    import atheris

    with atheris.instrument_imports(include=["fastmmap"]):
        (folder / "work").mkdir()
        check = check_of(target, folder / "work")
    seed, seconds, cases = options
    corpus, seeds = found / f"corpus-{target}", folder / "seeds"
    corpus.mkdir(parents=True, exist_ok=True)
    # It begins with bytes enough for whole cases, and needn't come to them byte by byte.
    seeds.mkdir()
    rng = random.Random(seed)
    for number in range(SEEDS):
        (seeds / str(number)).write_bytes(a_case(rng))
    arguments = [
        f"-max_total_time={max(round(seconds), 1)}", f"-seed={seed}", f"-max_len={LONGEST}", f"-timeout={PATIENCE}",
        "-rss_limit_mb=4096", "-len_control=0", f"-artifact_prefix={found}/{target}-",
        f"-runs={-1 if cases is None else cases}",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *arguments, str(corpus), str(seeds)], check)
    atheris.Fuzz()
