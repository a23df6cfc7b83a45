"""The engines by name: what a row's columns are. Each gives the answer to a job in one way.

An engine is a name, the verbs it knows, and whether it works on a mapping that is kept (`warm`) or opens the file
itself each time. A function that can't be had here (a peer that isn't installed) is left out, with the reason.
"""

from __future__ import annotations

import importlib
import mmap
import os
import re
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy

import fastmmap
from fastmmap import _backend

READ = 100  # bytes of a random read


@dataclass
class Job:
    """What an engine is given: a file and what to do with it."""

    verb: str
    path: Path
    needle: bytes = b""
    new: bytes = b""
    places: list[int] = field(default_factory=list)
    kept: Any = None  # the mapping that warm rows share, as an mmap.mmap

    @contextmanager
    def mapping(self) -> Iterator[mmap.mmap]:
        """The kept mapping, or a fresh one."""
        if self.kept is not None:
            yield self.kept
            return
        with open(self.path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield mapped

    @contextmanager
    def mapped_file(self) -> Iterator[Any]:
        """The same by fastmmap."""
        if self.kept is not None:
            yield self.kept
            return
        with fastmmap.open(self.path) as mapped:
            yield mapped


@dataclass
class Engine:
    name: str
    verbs: dict[str, Callable[[Job], Any]]
    maps: bool = True  # whether it can use a kept mapping; the others have no warm row
    process: bool = False


def kernel_engines() -> Iterator[Engine]:
    """Each kernel with one thread, the best with all, and the reference."""
    for name in fastmmap.kernels():
        yield kernel_engine(name, _backend.load(name), 1)
    yield kernel_engine("fastmmap", _backend.chosen, None)
    yield rewriting_engine("replace_file", durable=False)
    yield rewriting_engine("replace_file, flushed", durable=True)


def kernel_engine(name: str, kernel: SimpleNamespace, threads: int | None) -> Engine:
    def on(function: Callable[[Any, Job], Any]) -> Callable[[Job], Any]:
        def run(job: Job) -> Any:
            with job.mapped_file() as mapped:
                return function(mapped, job)

        return run

    def replace(job: Job) -> Any:
        with fastmmap.open(job.path, "r+") as mapped:
            return kernel.replace(mapped, job.needle, job.new, threads=threads)

    verbs = {
        "find": on(lambda m, job: kernel.find(m, job.needle, threads=threads)),
        "rfind": on(lambda m, job: kernel.rfind(m, job.needle, threads=threads)),
        "count": on(lambda m, job: kernel.count(m, job.needle, threads=threads)),
        "find_all": on(lambda m, job: summary(kernel.find_all(m, job.needle, threads=threads))),
        "line_starts": on(lambda m, job: summary(kernel.line_starts(m, threads=threads))),
        "random": on(lambda m, job: zlib.crc32(kernel.gather(m, job.places, READ, threads=threads).tobytes())),
        "replace": replace,
    }
    if name == "fastmmap":
        verbs["read"] = on(lambda m, job: len(m[:]))
    if name == "python":
        verbs["read"] = on(lambda m, job: len(bytes(memoryview(m))))
    return Engine("reference" if name == "python" else name, verbs)


def rewriting_engine(name: str, durable: bool) -> Engine:
    """replace_file, which is an engine of its own because it changes a file in the other way."""

    def rewrite(job: Job) -> int:
        return int(fastmmap.replace_file(job.path, job.needle, job.new, durable=durable))

    return Engine(name, {"replace": rewrite, "replace_file": rewrite}, maps=False)


def summary(offsets: Any) -> list[int]:
    """How many offsets, and their sum: what two lists of offsets are compared by."""
    offsets = numpy.asarray(offsets, dtype=numpy.int64)
    return [int(offsets.size), int(offsets.sum())]


# --- the standard library and numpy ---


def text_io(path: Path) -> str:
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def binary_io(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def text_replace(job: Job) -> int:
    text = text_io(job.path)
    with open(job.path, "w", encoding="utf-8", newline="") as file:
        file.write(text.replace(job.needle.decode(), job.new.decode()))
    return text.count(job.needle.decode())


def binary_replace(job: Job) -> int:
    data = binary_io(job.path)
    with open(job.path, "wb") as file:
        file.write(data.replace(job.needle, job.new))
    return data.count(job.needle)


def mmap_replace(job: Job) -> int:
    with open(job.path, "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        data = mapped[:]
        mapped[:] = data.replace(job.needle, job.new)
        return data.count(job.needle)


def mmap_count(job: Job) -> int:
    """The mmap module has no count: finds, one after the other."""
    with job.mapping() as mapped:
        number, offset = 0, mapped.find(job.needle, 0)
        while offset >= 0:
            number, offset = number + 1, mapped.find(job.needle, offset + len(job.needle))
        return number


def on_mapping(function: Callable[[Any, Job], Any]) -> Callable[[Job], Any]:
    def run(job: Job) -> Any:
        with job.mapping() as mapped:
            return function(mapped, job)

    return run


def re_find(mapped: Any, job: Job) -> int:
    match = re.search(re.escape(job.needle), mapped)
    return match.start() if match else -1


def numpy_newlines(mapped: Any, job: Job) -> list[int]:
    after = numpy.flatnonzero(numpy.frombuffer(mapped, dtype=numpy.uint8) == 10) + 1
    if after.size and after[-1] == len(mapped):
        after = after[:-1]
    return summary(numpy.concatenate([[0], after]))


def splitlines(mapped: Any, job: Job) -> list[int]:
    lengths = numpy.fromiter(map(len, mapped[:].splitlines(True)), dtype=numpy.int64)
    return summary(numpy.cumsum(lengths) - lengths)


def text_random(job: Job) -> int:
    with open(job.path, "rb") as file:
        blocks = []
        for place in job.places:
            file.seek(place)
            blocks.append(file.read(READ))
    return zlib.crc32(b"".join(blocks))


def pread_random(job: Job) -> int:
    fd = os.open(job.path, os.O_RDONLY)
    try:
        return zlib.crc32(b"".join([os.pread(fd, READ, place) for place in job.places]))
    finally:
        os.close(fd)


def numpy_random(mapped: Any, job: Job) -> int:
    array = numpy.frombuffer(mapped, dtype=numpy.uint8)
    return zlib.crc32(array[numpy.array(job.places)[:, None] + numpy.arange(READ)].tobytes())


STANDARD = [
    Engine(
        "text I/O",
        {
            "read": lambda job: len(text_io(job.path)),
            "find": lambda job: text_io(job.path).find(job.needle.decode()),
            "count": lambda job: text_io(job.path).count(job.needle.decode()),
            "replace": text_replace,
            "replace_file": text_replace,
        },
        maps=False,
    ),
    Engine(
        "binary I/O",
        {
            "read": lambda job: len(binary_io(job.path)),
            "find": lambda job: binary_io(job.path).find(job.needle),
            "rfind": lambda job: binary_io(job.path).rfind(job.needle),
            "count": lambda job: binary_io(job.path).count(job.needle),
            "replace": binary_replace,
            "replace_file": binary_replace,
            "random": text_random,
        },
        maps=False,
    ),
    Engine("pread", {"random": pread_random}, maps=False),
    Engine(
        "mmap module",
        {
            "read": on_mapping(lambda m, job: len(m[:])),
            "find": on_mapping(lambda m, job: m.find(job.needle, 0)),
            "rfind": on_mapping(lambda m, job: m.rfind(job.needle, 0, len(m))),
            "count": mmap_count,
            "replace": mmap_replace,
            "line_starts": on_mapping(splitlines),
            "random": on_mapping(lambda m, job: zlib.crc32(b"".join([m[p : p + READ] for p in job.places]))),
        },
    ),
    Engine(
        "re",
        {
            "find": on_mapping(re_find),
            "count": on_mapping(lambda m, job: sum(1 for _ in re.finditer(re.escape(job.needle), m))),
            "find_all": on_mapping(lambda m, job: summary([f.start() for f in re.finditer(re.escape(job.needle), m)])),
        },
    ),
    Engine("numpy", {"line_starts": on_mapping(numpy_newlines), "random": on_mapping(numpy_random)}),
]


# --- peers ---


def stringzilla_engine() -> Engine:
    module: Any = importlib.import_module("stringzilla")

    def on_str(function: Callable[[Any, Job], Any]) -> Callable[[Job], Any]:
        return on_mapping(lambda m, job: function(module.Str(memoryview(m)), job))

    def lines(text: Any, job: Job) -> list[int]:
        pieces = text.split("\n")
        lengths = numpy.fromiter(map(len, pieces), dtype=numpy.int64) + 1
        starts = numpy.cumsum(lengths) - lengths
        return summary(starts[:-1] if len(pieces[-1]) == 0 else starts)

    verbs = {
        "find": on_str(lambda text, job: text.find(job.needle)),
        "rfind": on_str(lambda text, job: text.rfind(job.needle)),
        "count": on_str(lambda text, job: text.count(job.needle)),
        "line_starts": on_str(lines),
    }
    return Engine("stringzilla", verbs)


def output(*command: str | bytes | Path) -> bytes:
    """What a program prints. Status 1 is its way to say "nothing found"."""
    done = subprocess.run(command, stdout=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"})
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{command[0]!r} ended with status {done.returncode}")
    return done.stdout


def first_offset(printed: bytes) -> int:
    return int(printed.split(b":")[0]) if printed else -1


def changed(*command: str | bytes | Path) -> Callable[[], None]:
    return lambda: subprocess.run(command, check=True, env={**os.environ, "LC_ALL": "C"}) and None


def process_engines() -> dict[str, Engine]:
    """Whole programs. Their start is in their time, as it is for who types them."""
    perl_count = "$n += () = /\\Q$ENV{NEEDLE}\\E/g; END { print $n }"

    def perl(job: Job) -> int:
        environment = {**os.environ, "NEEDLE": job.needle.decode(), "LC_ALL": "C"}
        return int(
            subprocess.run(["perl", "-ne", perl_count, job.path], env=environment, stdout=subprocess.PIPE).stdout
        )

    def sed_i(job: Job) -> int:
        script = f"s/{job.needle.decode()}/{job.new.decode()}/g"
        return changed("sed", "-i", script, job.path)() or UNCOUNTED

    def sed_flushed(job: Job) -> int:
        sed_i(job)
        return changed("sync", job.path)() or UNCOUNTED

    def perl_i(job: Job) -> int:
        script = f"s/{job.needle.decode()}/{job.new.decode()}/g"
        return changed("perl", "-pi", "-e", script, job.path)() or UNCOUNTED

    return {
        "grep": Engine("grep", {
            "find": lambda job: first_offset(output("grep", "-aFobm1", job.needle, job.path)),
            "count": lambda job: output("grep", "-aFo", job.needle, job.path).count(b"\n")
            if job.needle != b"\n" else int(output("grep", "-c", "", job.path)),
        }, maps=False, process=True),
        "rg": Engine("ripgrep", {
            "find": lambda job: first_offset(output("rg", "-aFobm1", "--no-filename", "-N", job.needle, job.path)),
            "count": lambda job: int(output("rg", "-aF", "--count-matches", job.needle, job.path) or 0)
            if job.needle != b"\n" else int(output("rg", "-ac", "", job.path)),
        }, maps=False, process=True),
        "wc": Engine("wc", {
            "count": lambda job: int(output("wc", "-l", job.path).split()[0]),
        }, maps=False, process=True),
        "perl": Engine("perl", {"count": perl, "replace": perl_i, "replace_file": perl_i}, maps=False, process=True),
        "sed": Engine("sed", {"replace": sed_i, "replace_file": sed_i}, maps=False, process=True),
        "sync": Engine("sed, flushed", {"replace_file": sed_flushed}, maps=False, process=True),
    }  # fmt: skip


# A program that replaces doesn't say how often: only the file is compared.
UNCOUNTED = -1


def engines() -> tuple[list[Engine], dict[str, str]]:
    """All engines that can be had here, and why the others can't."""
    found, missing = [*STANDARD], {}
    found += kernel_engines()
    try:
        found.append(stringzilla_engine())
    except ImportError as error:
        missing["stringzilla"] = str(error)
    for program, engine in process_engines().items():
        if shutil.which(program):
            found.append(engine)
        else:
            missing[engine.name] = f"{program} is not installed"
    return found, missing


def applies(engine: Engine, job: Job) -> bool:
    """wc counts nothing but newlines."""
    return job.verb in engine.verbs and not (engine.name == "wc" and job.needle != b"\n")
