"""What is killed in the demo: a program of its own, which is run by its path.

It imports this package only where that is shown: nothing of it is in the process that uses the mmap module.

    children.py NAME FILE NUMBER FOLDER...    # the folders are where modules are looked for
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

# Each has its number, so that none can be lost, or come twice, without being seen.
RECORD = b"2026-01-01 00:00:00,000 INFO record %10d of the demo: one hundred bytes, newline included ...\n"
NEEDLE = b"INFO"
READY, GO = b"ready\n", b"go\n"


def search_with_mmap(path: str, number: int) -> None:
    """Searches a file that is cut meanwhile."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        search(mapped)
        tell(b"no error")


def search_with_fastmmap(path: str, number: int) -> None:
    """The same with this package."""
    import fastmmap

    with fastmmap.open(path) as mapped:
        try:
            search(mapped)
        except fastmmap.MappedFileError as error:
            tell(f"MappedFileError at {error.offset:,}".encode())
        else:
            tell(b"no error")


def search(mapped: Any) -> None:
    """Finds all matches. After the first one, the file is cut."""
    place = mapped.find(NEEDLE)
    wait_for_the_parent()
    while place >= 0:
        place = mapped.find(NEEDLE, place + 1)


def append_to_file(path: str, number: int) -> None:
    """Appends records to a buffered file, to be killed then."""
    append(open(path, "ab").write, number)


def append_with_appender(path: str, number: int) -> None:
    """The same with an Appender."""
    import fastmmap

    log = fastmmap.Appender(path)
    append(log.append, number)


def append(call: Callable[[bytes], Any], number: int) -> None:
    for place in range(number):
        call(RECORD % place)
    wait_for_the_parent()  # which kills this process


def wait_for_the_parent() -> None:
    """Says that the time has come, and waits for an answer. Without a parent, it ends here."""
    tell(READY)
    if os.read(0, len(GO)) != GO:
        os._exit(1)


def tell(text: bytes) -> None:
    os.write(1, text)


def leave_no_core() -> None:
    """The process that is killed by SIGBUS is no crash to be kept, or reported."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: programs that take core dumps ignore that limit


def main() -> None:
    name, path, number, *folders = sys.argv[1:]
    sys.path[:] = folders
    if name == "search_with_mmap":
        leave_no_core()
    run: Callable[[str, int], None] = globals()[name]
    run(path, int(number))


if __name__ == "__main__":
    main()
