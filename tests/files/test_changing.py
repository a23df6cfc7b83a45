"""Searching a file into which another process writes: any answer may be right, but none is a crash or out of range."""

from __future__ import annotations

import subprocess
import sys

import numpy
import pytest

import fastmmap

SIZE = 1 << 21

# Stores over and over: lines, none, needles that nearly stand there, needles that overlap.
WRITER = """
import mmap, sys
with open(sys.argv[1], "r+b") as file, mmap.mmap(file.fileno(), 0) as m:
    size = len(m)
    texts = [(piece * size)[:size] for piece in (b"abcd\\n", b"x", b"a" * 40 + b"b", b"a", b" the the ")]
    print("ready", flush=True)
    while True:
        for text in texts:
            for low in range(0, size, 1 << 16):
                m[low:low + (1 << 16)] = text[low:low + (1 << 16)]
"""


@pytest.mark.skipif(fastmmap.kernel == "python", reason="re, which the reference is made of, isn't ours")
def test_another_process_writes(kernel, make):
    if kernel.name == "python":
        pytest.skip("re, which the reference is made of, isn't ours")
    path = make(b"\n" * SIZE)
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE) as writer:
        try:
            assert writer.stdout.readline().split() == [b"ready"]
            with fastmmap.open(path) as m:
                seen = set()  # first bytes: the writer has been through all of its texts in between
                while len(seen) < len(b"ax "):
                    for needle in (b"\n", b" the ", b"a" * 40 + b"b", b"a" * 20, b"ab" * 20):
                        for overlapping in (False, True):
                            found = kernel.find_all(m, needle, overlapping=overlapping)
                            assert ((found >= 0) & (found <= SIZE - len(needle))).all()
                            assert (numpy.diff(found) >= (1 if overlapping else len(needle))).all()
                            assert 0 <= kernel.count(m, needle, overlapping=overlapping) <= SIZE
                        assert -1 <= kernel.find(m, needle) <= SIZE - len(needle)
                        assert -1 <= kernel.rfind(m, needle) <= SIZE - len(needle)
                    seen.add(m[0])
                    starts = kernel.line_starts(m)
                    assert starts[0] == 0
                    assert (numpy.diff(starts) > 0).all()
                    assert starts[-1] < SIZE
        finally:
            writer.kill()
