"""Writers of logs that die, in processes of their own, and what they leave."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys

import fastmmap
from fastmmap import _backend, system
from fastmmap.reference import drain
from support.commands import with_folder
from support.lacks import TESTS

# What a process does that isn't forked: a function of this module, with arguments.
_CALL = """
import pickle, sys
from support import writers
name, arguments, options = pickle.loads(bytes.fromhex(sys.argv[1]))
getattr(writers, name)(*arguments, **options)
"""


def die():
    """This process is killed: nothing that it would have done at its end is done."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # on Windows the latter is TerminateProcess


def _in_a_process(function, *arguments, **options):
    """Calls a function that dies in a process of its own: a forked one where there is fork."""
    if hasattr(os, "fork"):
        child = os.fork()
        if child == 0:
            function(*arguments, **options)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        return
    told = pickle.dumps((function.__name__, arguments, options)).hex()
    done = subprocess.run([sys.executable, "-c", _CALL, told], env=with_folder(TESTS), capture_output=True, timeout=600)
    assert done.returncode == signal.SIGTERM, done.stderr.decode()


def append_and_die(path, records, options):
    """Appends records, and is killed."""
    log = fastmmap.Appender(path, **{"interval": None, **options})
    log.append_many(records)
    die()


def die_in_a_drain(path, cut, size, foreign, stage_size):
    """Is killed in a drain, when `cut` bytes of it are in the log."""
    log = fastmmap.Appender(path, interval=None, stage_size=stage_size)
    write = system.write_pieces

    def stop(fd, pieces):
        if foreign:
            os.write(fd, foreign)
        write(fd, [memoryview(b"".join(pieces)[:cut])])
        die()

    system.write_pieces = stop
    vars(_backend.chosen).update(drain=drain.drain)  # whose steps are calls in system
    log.append(b"s" * 99 + b"\n")
    log.append(b"L" * (size - 1) + b"\n")
    log.flush()


def killed(path, *records, **options):
    """A process appends records, and is killed."""
    _in_a_process(append_and_die, path, records, options)


def ours(folder, end=""):
    return sorted(name for name in os.listdir(folder) if name.startswith(".fastmmap-") and name.endswith(end))


def stage_file(path):
    """The stage of a dead writer."""
    killed(path, b"staged\n")
    (name,) = ours(path.parent, ".stage")
    return path.parent / name


def interrupted(path, cut, size=3000, foreign=b"", stage_size=1 << 16):
    """A writer dies in a drain, when `cut` bytes of it are in the log; somebody else may have written before them."""
    _in_a_process(die_in_a_drain, path, cut, size, foreign, stage_size)
