"""Edits of files in place: against sed -i, a new file, and dd of the bytes that are written.

What is replaced stands in nearly every line, and is replaced by what is shorter, as long and longer.
"""

from __future__ import annotations

import functools
import mmap
import os
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastmmap

from . import corpora
from .measure import Runner, WrongAnswer, row

# What is replaced in each text, and by what.
JOBS = {
    "english": (b" the ", (b" a ", b" eht ", b" these ")),
    "syslog": (b"from ", (b"by ", b"fmor ", b"coming from ")),
    "json-lines": (b'"status"', (b'"code"', b'"result"', b'"status_code"')),
}
KINDS = ("shorter", "as long", "longer")

BLOCK = 4 << 20


def edit(path: Path, old: bytes, new: bytes, **options: Any) -> int:
    fastmmap.replace_file(path, old, new, **options)
    return path.stat().st_size


def sed(path: Path, old: bytes, new: bytes) -> int:
    script = f"s/{os.fsdecode(old)}/{os.fsdecode(new)}/g"
    subprocess.run(["sed", "-i", script, path], check=True, env={**os.environ, "LC_ALL": "C"})
    return path.stat().st_size


def dd(path: Path, source: Path, times: int, size: int) -> int:
    """Writes a file over another, once or twice, and waits for the disk. Answers as if it had been edited."""
    command = ["dd", f"if={source}", f"of={path}", f"bs={BLOCK}", "conv=notrunc,fdatasync", "status=none"]
    for _ in range(times):
        subprocess.run(command, check=True)
    return size


def works_of(path: Path, source: Path, old: bytes, new: bytes, size: int) -> dict[str, Callable[[], int]]:
    """How each edits the file at `path`, a copy of the source, which has `size` bytes then."""
    job = functools.partial(edit, path, old, new)
    # In place each byte is written once, or twice where it is moved up first.
    times = 2 if len(new) > len(old) else 1
    works = {
        "fastmmap": functools.partial(job, in_place=True),
        "fastmmap, 1 thread": functools.partial(job, in_place=True, threads=1),
        "fastmmap, durable": functools.partial(job, in_place=True, durable=True),
        "fastmmap, a new file, not durable": functools.partial(job, durable=False),
    }
    if shutil.which("dd"):
        works["dd of as many bytes, durable (process)"] = functools.partial(dd, path, source, times, size)
    if shutil.which("sed"):
        works["sed -i (process)"] = functools.partial(sed, path, old, new)
    return works


def run_row(source: Path, kind: str, old: bytes, new: bytes, budget: float) -> dict[str, Any]:
    """One race, in turns, each on a copy that was written back to the disk."""
    with open(source, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        wanted = text[:].replace(old, new)
        expected, size = zlib.crc32(wanted), len(wanted)
        del wanted
        with tempfile.TemporaryDirectory(dir=source.parent) as folder:
            path = Path(folder) / "copy"

            def prepare() -> None:
                shutil.copyfile(source, path)
                with open(path, "rb") as copy:
                    os.fsync(copy.fileno())

            def check(answer: int, engine: str) -> None:
                if answer != size or (not engine.startswith("dd") and zlib.crc32(path.read_bytes()) != expected):
                    raise WrongAnswer(f"{engine}: {old!r} by {new!r} in {source.name}")

            works = works_of(path, source, old, new, size)
            runners = [
                Runner(name, work, prepare, functools.partial(check, engine=name)) for name, work in works.items()
            ]
            title = f"in place: {os.fsdecode(old)!r} by {os.fsdecode(new)!r}, {kind}, in {source.name}"
            return row(title, "in-place", text, runners, budget)


def run_all(folder: Path, largest: str, budget: float) -> Iterator[dict[str, Any]]:
    for text, (old, news) in JOBS.items():
        source = corpora.corpus_file(folder, text, largest)
        for kind, new in zip(KINDS, news, strict=True):
            yield run_row(source, kind, old, new, budget)
