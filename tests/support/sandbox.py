"""What test_lacking.py runs in a process of its own, which lacks something: python sandbox.py FOLDER REFUSED ERRNO

REFUSED: system calls, by their names with commas between, that a filter of the kernel's (seccomp) answers with ERRNO.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import warnings
from pathlib import Path

import fastmmap
from fastmmap import system

# The numbers of system calls, on x86-64 and on aarch64.
CALLS = {
    "memfd_create": (319, 279),
    "fallocate": (285, 47),
    "renameat2": (316, 276),
    "sched_getaffinity": (204, 123),
    "statx": (332, 291),
    "process_vm_readv": (310, 270),
    "sync_file_range": (277, 84),
    "copy_file_range": (326, 285),
    "pwritev2": (328, 287),
    "linkat": (265, 37),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "prlimit64": (302, 261),
    "faccessat2": (439, 439),
}

MACHINES = {"x86_64": 0, "aarch64": 1}

# Of linux/filter.h, linux/seccomp.h and linux/prctl.h.
LOAD, SAME, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2


def refuse(names: list[str], number: int) -> None:
    """Has the kernel answer calls of this process with an error, from now on."""
    program = [(LOAD, 0, 0, 0)]  # the number of the call
    for name in names:
        program += [(SAME, 0, 1, CALLS[name][MACHINES[platform.machine()]]), (RETURN, 0, 0, REFUSE | number)]
    program.append((RETURN, 0, 0, ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
    filter_ = struct.pack("@HP", len(program), ctypes.addressof(code))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    zero = ctypes.c_ulong(0)
    if prctl(NO_NEW_PRIVILEGES, ctypes.c_ulong(1), zero, zero, zero) or prctl(SECCOMP, ctypes.c_ulong(FILTER), filter_):
        print("no filter")
        sys.exit(0)


def may_have_backups(path: Path) -> bool:
    """Whether names can be exchanged, or links be made, which from Python 3.14 on is linkat's work alone."""
    other = path.with_name("other")
    if system.exchange(str(path), str(path)):
        return True
    try:
        os.link(path, other)
    except OSError:
        return False
    other.unlink()
    return True


def use(folder: Path) -> None:
    """A little of everything that works on files."""
    path = folder / "file"
    path.write_bytes(b"the cat sat on the mat\n" * 1000)
    assert fastmmap.count(path, "cat") == 1000
    assert system.cpus() >= 1
    if os.path.exists("/proc/self/status"):
        with fastmmap.open("/proc/self/status") as m:  # which has to be read
            assert m.find(b"Name:") == 0
    with fastmmap.open(path, "r+") as m:
        m.resize(30_000)
        assert m[-1] == 0
        m.resize(23_000)
        m.append(b"more\n")
        m.flush(wait=False)
        m.flush()
    backup = may_have_backups(path)
    for options in ({}, {"backup": ".orig"} if backup else {}, {"durable": False}):
        assert fastmmap.replace_file(path, "cat", "leopard", **options).count == 1000
        assert fastmmap.plan_replace(path, "leopard", "cat").apply().count == 1000
    if backup:
        assert (folder / "file.orig").read_bytes().startswith(b"the cat")
        (folder / "file.orig").unlink()
    else:
        said = ""
        try:
            fastmmap.replace_file(path, "cat", "leopard", backup=".orig")
        except OSError as error:
            said = str(error)
        assert "the backup" in said
        assert fastmmap.count(path, "cat") == 1000
    with fastmmap.Appender(folder / "log", stage_size=1000) as log:
        for i in range(1000):
            log.append(b"%d\n" % i)
    assert len((folder / "log").read_bytes().split()) == 1000
    fastmmap.recover(folder)
    assert sorted(os.listdir(folder)) == ["file", "log"], os.listdir(folder)


def use_shared(name: str) -> None:
    with fastmmap.open_shared(name, 10_000) as shared:
        shared[:3] = b"abc"
    with fastmmap.open_shared(name) as shared:
        assert shared[:4] == b"abc\0"
        shared.unlink()


def main() -> None:
    folder, names, number = Path(sys.argv[1]), sys.argv[2].split(","), int(sys.argv[3])
    refuse(names, number)
    warnings.simplefilter("ignore")
    use(folder)
    use_shared(f"fastmmap-test-{os.getpid()}")
    print("done")


if __name__ == "__main__":
    main()
