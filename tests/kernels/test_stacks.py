"""Threads with the smallest stack that there is: every verb works in one, and a truncated file is an error."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.stacks import SMALLEST

from fastmmap import _backend

CHILD = """
import os, sys, threading
import numpy, fastmmap
from fastmmap import _backend

folder, name, smallest = sys.argv[1:]
kernel = _backend.load(name)
path, other = folder + "/file", folder + "/other"
text = b"the cat sat on the mat\\n" * 40_000
block = bytearray(1 << 16)
done = []

def fresh(mode="r+"):
    with open(path, "wb") as file:
        file.write(text)
    return fastmmap.open(path, mode)

def substituted(m):
    with kernel.substitution(m, b"cat", b"horse") as reader:
        while reader.readinto(block):
            pass

LONG = b"the cat sat on the mat\\nthe cat sat on the cat"
VERBS = {
    "find": lambda m: kernel.find(m, b"never"),
    "find a long needle": lambda m: kernel.find(m, LONG),
    "find what repeats": lambda m: kernel.find(m, text[:46] * 30 + b"x"),
    "rfind": lambda m: kernel.rfind(m, b"never"),
    "count": lambda m: kernel.count(m, b"the", ignorecase=True),
    "find_all": lambda m: kernel.find_all(m, b"cat"),
    "iter_find": lambda m: sum(1 for _ in kernel.iter_find(m, b"cat")),
    "line_starts": lambda m: kernel.line_starts(m),
    "gather": lambda m: kernel.gather(m, [0, len(m) - 9], 9),
    "replace": lambda m: kernel.replace(m, b"cat", b"dog"),
    "replace many": lambda m: kernel.replace(m, {b"cat": b"dog", b"never": b"NEVER"}),
    "count_each": lambda m: kernel.count_each(m, [b"cat", b"sat", b"x"]),
    "substitution": substituted,
    "append": lambda m: kernel.append(m, 0, bytes(len(m))),
    "Stage": lambda m: kernel.Stage(m).append_many([bytes(9000)] * 100),
    "slices": lambda m: (m[:], m[::-3], m[len(m) - 1], m.__setitem__(slice(0, len(m)), bytes(len(m)))),
}

def work(verb):
    m = fresh()
    VERBS[verb](m)
    m = fresh()
    os.truncate(path, 0)
    try:
        VERBS[verb](m)
    except fastmmap.MappedFileError:
        done.append(verb)

def log():
    with fastmmap.Appender(other, stage_size=4096) as log:
        log.append_many([b"x" * 100] * 1000)
        log.append(b"y" * 100_000)
        log.flush()
    done.append("log")

def edit():
    fresh().close()
    assert fastmmap.replace_file(path, b"cat", b"horse", threads=1).count == 40_000
    done.append("edit")

def in_a_small_thread(function, *arguments):
    thread = threading.Thread(target=function, args=arguments)
    thread.start()
    thread.join()

# What is done once in a process is tested below.
fastmmap.find_all(b"abc", b"b"), fastmmap.line_starts(b"a"), fastmmap.gather(b"abc", [0], 1)
log(), edit()
for verb in VERBS:
    VERBS[verb](fresh())
done.clear()
threading.stack_size(int(smallest))
for verb in VERBS:
    in_a_small_thread(work, verb)
in_a_small_thread(log)
in_a_small_thread(edit)
assert done == [*VERBS, "log", "edit"], done
print("done")
"""


@pytest.mark.skipif(not _backend.NATIVE, reason="the stacks of the standard library are its own")
def test_every_verb_in_a_small_thread(kernel, tmp_path):
    command = [sys.executable, "-c", CHILD, tmp_path, kernel.name, str(SMALLEST)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr[-500:]) == (0, "done\n", "")


# One call each: all that a process does once is still to be done, and there is the smallest stack to do it on.
COLD = """
import os, pathlib, pickle, sys, threading
import fastmmap
folder, call, smallest = sys.argv[1:]
path = folder + "/file"
with open(path, "wb") as file:
    file.write(b"the cat sat on the mat\\n" * 40_000)

def lost(m):
    os.truncate(path, 0)
    try: m.find(b"cat")
    except fastmmap.MappedFileError as error: return error.reason

def log():
    with fastmmap.Appender(path + "log") as log:
        log.append(b"record\\n")
        log.flush()

def work():
    with fastmmap.open(path, "r+") as m:
        eval(code)
    done.append(call)

assert "numpy" not in sys.modules
done = []
code = compile(call, "call", "eval")  # the parser of 3.14 needs more than that
threading.stack_size(int(smallest))
thread = threading.Thread(target=work)
thread.start()
thread.join()
assert done == [call]
assert threading.stack_size() == int(smallest), "what was asked for stays"
print("done")
"""
CALLS = [
    "m.lines[5]",
    "m.lines[5:9]",
    "m.lines[[3, 4]]",
    "len(m.lines)",
    "list(m.lines)",
    "m.lines.number(3)",
    "m.lines.offset([3])",
    "m.gather([1, 2], [3, 4])",
    "m.find_all(b'cat')",
    "m.line_starts(threads=2)",
    "list(m.iter_find(b'cat'))",
    "m.find(b'CAT' * 100, ignorecase=True)",
    "m.count(b'a', threads=2)",
    "m.rfind(b'cat')",
    "fastmmap.find(pathlib.Path(path), b'cat')",
    "m.replace(b'cat', b'dog')",
    "fastmmap.append(m, 0, b'x')",
    "m.ranges(3), m.ranges(3, align=b'aa'), m.line_at(9)",
    "m.resize(5_000_000), m.append(b'x'), m.flush(), m.flush(0, 100, wait=False), m.advise('random')",
    "m.read(10), m.readline(), m.readinto(bytearray(9)), m.readlines(), m.fileno()",
    "pickle.loads(pickle.dumps(m)), repr(m), b'x' in m",
    "lost(m)",
    "fastmmap.open(None, size=100), fastmmap.open(path + 'new', 'w+', size=100)",
    "fastmmap.open('/dev/null')",
    "fastmmap.open_shared(f'fastmmap-test-{os.getpid()}', 1000).unlink()",
    "fastmmap.replace_file(path, b'cat', b'horse', threads=1)",
    "fastmmap.replace_file(path, b'cat', b'horse', threads=2, backup='.bak')",
    "fastmmap.plan_replace(path, b'cat', b'horse').preview(3)",
    "fastmmap.plan_replace(path, b'cat', b'horse').apply()",
    "fastmmap.recover(folder)",
    "log()",
    "fastmmap.kernels()",
]


@pytest.mark.skipif(not _backend.NATIVE, reason="the stacks of the standard library are its own")
@pytest.mark.parametrize("call", CALLS)
def test_the_first_call_of_a_process(tmp_path, call):
    command = [sys.executable, "-c", COLD, tmp_path, call, str(SMALLEST)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr[-500:]) == (0, "done\n", "")
