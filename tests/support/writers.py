"""Writers of logs that die, in processes of their own, and what they leave."""

from __future__ import annotations

import os
import signal

import fastmmap
from fastmmap import _backend, system
from fastmmap.reference import drain


def killed(path, *records, **options):
    """A process appends records, and is killed."""
    child = os.fork()
    if child == 0:
        log = fastmmap.Appender(path, **{"interval": None, **options})
        log.append_many(records)
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def ours(folder, end=""):
    return sorted(name for name in os.listdir(folder) if name.startswith(".fastmmap-") and name.endswith(end))


def stage_file(path):
    """The stage of a dead writer."""
    killed(path, b"staged\n")
    (name,) = ours(path.parent, ".stage")
    return path.parent / name


def interrupted(path, cut, size=3000, foreign=b"", stage_size=1 << 16):
    """A writer dies in a drain, when `cut` bytes of it are in the log; somebody else may have written before them."""
    child = os.fork()
    if child == 0:
        log = fastmmap.Appender(path, interval=None, stage_size=stage_size)
        write = system.write_pieces

        def stop(fd, pieces):
            if foreign:
                os.write(fd, foreign)
            write(fd, [memoryview(b"".join(pieces)[:cut])])
            os.kill(os.getpid(), signal.SIGKILL)

        system.write_pieces = stop
        vars(_backend.chosen).update(drain=drain.drain)  # whose steps are calls in system
        log.append(b"s" * 99 + b"\n")
        log.append(b"L" * (size - 1) + b"\n")
        log.flush()
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
