"""Ctrl-C is never lost: not in a mapping that is forgotten while a call ends, either."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import fastmmap
from fastmmap import _backend, descriptors

CALLS = {
    "count": "fastmmap.count(path, b'absent')",
    "grep": "list(fastmmap.grep(path, b'absent'))",
    "forgotten": "fastmmap.open(path).count(b'absent')",
    "closed": "m = fastmmap.open(path); m.count(b'absent'); m.close()",
}

# Sends itself the signal after other times; what isn't answered within seconds was lost.
PROGRAM = """
import os, pathlib, random, signal, sys, threading, time
import fastmmap
path, rng = pathlib.Path(sys.argv[1]), random.Random(5)
signal.signal(signal.SIGINT, signal.default_int_handler)
CALL
for turn in range(40):
    waiting = threading.Timer(rng.uniform(0.001, 0.03), os.kill, (os.getpid(), signal.SIGINT))
    began = time.monotonic()
    try:
        waiting.start()
        while time.monotonic() - began < 20:
            CALL
        print("lost", turn)
    except KeyboardInterrupt:
        pass
    waiting.join()
"""


@pytest.mark.skipif(not _backend.NATIVE or sys.platform == "win32", reason="finalizers are Python's without extensions")
@pytest.mark.parametrize("call", CALLS)
def test_none_is_lost(make, call):
    path = make(b"some text\n" * 200_000)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("CALL", CALLS[call]), path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(not _backend.NATIVE, reason="finalizers are Python's without extensions")
def test_what_mappings_are_finalized_by_is_native():
    assert not hasattr(fastmmap.MappedFile, "__del__")
    for owner in (descriptors.Open, descriptors.Descriptor):
        assert not inspect.isfunction(owner.__del__)
