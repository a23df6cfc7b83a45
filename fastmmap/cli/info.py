"""fastmmap info: what is running, and what a file is to it."""

from __future__ import annotations

import os
import stat
import sys

from .files import on_each_file
from .options import Argument, Command, Given
from .output import out
from .status import ERROR, FOUND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def run(given: Given) -> int:
    """Prints what is running, then what is to be known of each file."""
    _print(_running())
    status = on_each_file(_about, given)
    return ERROR if status == ERROR else FOUND


def _running() -> Iterable[tuple[str, object]]:
    import platform

    from .. import __version__, system
    from .._backend import NATIVE, chosen, kernels
    from ..parallel import workers

    python = f"{platform.python_implementation()} {platform.python_version()}"
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        python += " without a GIL"
    demand = os.environ.get("FASTMMAP_KERNEL")
    return [
        ("fastmmap", __version__),
        ("kernel", chosen.name + (" (FASTMMAP_KERNEL)" if demand else "")),
        ("kernels here", ", ".join(kernels())),
        ("extensions", "yes" if NATIVE else "no: plain Python"),
        ("threads", f"{workers(None)} at most, of {system.cpus()} CPUs"),
        ("python", f"{python}, {sys.executable}"),
        ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("page size", f"{os.sysconf('SC_PAGE_SIZE')} bytes" if hasattr(os, "sysconf") else "unknown"),
        ("package", os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
    ]


def _about(given: Given, file: str) -> bool:
    from .. import system
    from ..mapped import MappedFile
    from ..unfinished import unfinished_edit

    if file != "-" and not stat.S_ISREG(os.stat(file).st_mode) and not os.path.isdir(file):
        out.put(b"\n")
        _print([("file", file), ("access", "no regular file: what is read of it is searched as it comes")])
        return True
    with MappedFile(0 if file == "-" else file) as mapped:
        mapped.name = "standard input" if file == "-" else file
        fd = 0 if file == "-" else system.calls.open(file, os.O_RDONLY | system.calls.O_CLOEXEC)
        try:
            local = system.is_local(fd)
            status = os.fstat(fd)
        finally:
            if fd:
                os.close(fd)
        ends = "" if not len(mapped) or mapped[-1] == 10 else ", the last without a newline"
        how = "mapped" if mapped.backend == "mmap" else "read into memory: it has no pages to map"
        lines = mapped.count(b"\n") + bool(ends)
        facts: list[tuple[str, object]] = [
            ("file", file),
            ("size", f"{len(mapped)} bytes"),
            ("lines", f"{lines}{ends}"),
            ("access", how),
            ("filesystem", "local" if local else "shared with other machines, or unknown"),
            ("links", status.st_nlink),
        ]
    if file != "-":
        journal = unfinished_edit(os.path.abspath(file), status, say=lambda text: None)
        if journal is not None:
            journal.close()
            facts.append(("half edited", f"`fastmmap recover {file}` goes on"))
    out.put(b"\n")
    _print(facts)
    return True


def _print(facts: Iterable[tuple[str, object]]) -> None:
    for name, fact in facts:
        print(f"{name:14}{fact}")


COMMAND = Command(
    "info",
    "Show what is running: version, kernels, Python; and of each FILE its size, lines, and how it is accessed",
    run,
    [Argument("FILE", "a file, or - for standard input; without FILE, what is running is all", least=0, many=True)],
    options=[],
    examples=[("fastmmap info", "what to put into a bug report"), ("fastmmap info app.log", "and what this file is")],
)
