"""What other threads, children and arguments do to a mapping while a call has it: close, resize, fork, append."""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import subprocess
import sys
import sysconfig
import threading
import time

import numpy
import pytest
from support.lacks import without
from support.marks import resized_while_mapped

import fastmmap
from fastmmap import _backend

SIZE = 1 << 20

native_only = pytest.mark.skipif(not _backend.NATIVE, reason="without extensions MappedFile stands on the mmap module")


class Doing:
    """An integer that does something when it is asked for."""

    def __init__(self, action, value=0):
        self.action, self.value = action, value

    def __index__(self):
        self.action()
        return self.value


class Exporting:
    """A buffer that does something when it is exported, from Python 3.12 on."""

    def __init__(self, action, data):
        self.action, self.data = action, data

    def __buffer__(self, flags):
        self.action()
        return memoryview(self.data)


USES = {
    "item": lambda m, i: m[i],
    "slice": lambda m, i: m[i:],
    "store": lambda m, i: m.__setitem__(i, 1),
    "store a slice": lambda m, i: m.__setitem__(slice(i, i.value + 2), b"ab"),
    "find": lambda m, i: m.find(b"x", i),
    "rfind": lambda m, i: m.rfind(b"x", 0, i),
    "count": lambda m, i: m.count(b"x", i),
    "find_all": lambda m, i: m.find_all(b"x", i),
    "find_all with a limit": lambda m, i: m.find_all(b"x", limit=i),
    "iter_find": lambda m, i: list(m.iter_find(b"x", i)),
    "line_starts": lambda m, i: m.line_starts(i),
    "gather": lambda m, i: m.gather([i], 1),
    "gather of a length": lambda m, i: m.gather([0], i),
    "replace": lambda m, i: m.replace(b"x", b"y", i),
    "append": lambda m, i: fastmmap.append(m, i, b"x"),
}


@native_only
@pytest.mark.parametrize("use", USES)
def test_an_index_that_resizes_the_map(make, use):
    """The buffer is taken after it: it is the small one, so nothing beyond is read or written."""
    path = make(b"x" * SIZE)
    with fastmmap.open(path, "r+") as m:
        refused = use in ("item", "store", "store a slice", "append", "gather", "gather of a length")
        with pytest.raises((IndexError, ValueError)) if refused else contextlib.nullcontext():
            USES[use](m, Doing(lambda: m.resize(10), SIZE - 100))
        assert len(m) == 10
        assert path.stat().st_size == 10


@native_only
@pytest.mark.parametrize("use", USES)
def test_an_index_that_lets_it_grow(make, use):
    with fastmmap.open(make(b"x" * 10), "r+") as m:
        USES[use](m, Doing(lambda: m.resize(SIZE), 3))
        assert len(m) == SIZE


@native_only
@pytest.mark.skipif(sys.version_info < (3, 12), reason="classes export buffers from 3.12 on")
@pytest.mark.parametrize("role", ["needle", "old", "new", "record", "value"])
def test_an_argument_that_resizes_the_map(make, role):
    with fastmmap.open(make(b"x" * SIZE), "r+") as m:
        data = Exporting(lambda: m.resize(10), b"ab")
        if role == "needle":
            assert m.find(data) == -1
        elif role in ("old", "new"):
            assert m.replace(*((data, b"cd") if role == "old" else (b"xx", data))) in (0, 5)
        elif role == "record":
            with pytest.raises(ValueError, match="outside the buffer of 10"):
                fastmmap.append(m, SIZE - 10, data)
        else:
            with pytest.raises(ValueError, match="slice of 0 bytes"):
                m[SIZE - 2 : SIZE] = data
        assert len(m) == 10


@resized_while_mapped
@native_only
def test_resizing_under_readers(make):
    """A thread that resizes gets a BufferError while another one reads, or does it; nobody reads what isn't there."""
    path = make(b"x" * SIZE)
    stop = threading.Event()
    wrong = []

    def read(m):
        rng = random.Random(1)
        while not stop.is_set():
            for use in (m.count, m.find, m.rfind, lambda needle: m[rng.randrange(5000) :], lambda needle: m[-1]):
                try:
                    use(b"x")
                except IndexError:
                    wrong.append("empty")
            time.sleep(0.0005)

    resized = refused = 0
    with fastmmap.open(path, "r+") as m:
        threads = [threading.Thread(target=read, args=(m,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        # The reference's readers read all the time.
        while refused < 20 or (resized < 20 and fastmmap.kernel != "python"):
            time.sleep(0.0002)
            try:
                m.resize(random.randrange(1, 3 * SIZE))
                resized += 1
            except BufferError:
                refused += 1
        stop.set()
        for thread in threads:
            thread.join()
        assert path.stat().st_size == len(m)
    assert not wrong


@native_only
def test_closing_under_large_calls(make):
    """The memory stays until the call is done: it gets its answer, and later calls a ValueError."""
    size = 1 << 23 if fastmmap.kernel == "python" else 1 << 28
    path = make()
    os.truncate(path, size)
    for verb, answer in (("count", size), ("find", -1), ("rfind", -1)):
        needle = b"\0" if verb == "count" else b"never"
        answers = []

        def search(m, verb=verb, needle=needle, answers=answers):
            with contextlib.suppress(ValueError):  # it was closed before the call
                answers.append(getattr(m, verb)(needle))

        while not answers:
            m = fastmmap.open(path)
            thread = threading.Thread(target=search, args=(m,))
            thread.start()
            time.sleep(0.01)  # in the midst of it, as a rule
            m.close()
            thread.join()
        assert answers == [answer]
        with pytest.raises(ValueError, match="closed"):
            m.find(b"x")


def test_a_foreign_mmap_can_not_close_under_a_call(make):
    path = make()
    os.truncate(path, 1 << 28)
    if fastmmap.kernel == "python":
        pytest.skip("the reference holds the interpreter's lock")
    refused, done = 0, []

    def search(mapped):
        with contextlib.suppress(ValueError):  # it was closed before the call
            done.append(fastmmap.find(mapped, b"never"))

    while not refused:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        done.clear()
        thread = threading.Thread(target=search, args=(mapped,))
        thread.start()
        while not mapped.closed:
            try:
                mapped.close()
            except BufferError:
                refused += 1
                time.sleep(0.001)
        thread.join()
    assert done == [-1]


@without("os.fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forks_while_threads_search(make):
    """A child has one thread, and all it needs: threads to be started, guard, mapping."""
    path = make((b"." * 4095 + b"x") * 8192)
    stop = threading.Event()
    with fastmmap.open(path, "r+") as m:

        def work():
            while not stop.is_set():
                assert m.count(b"x", threads=2) == 8192

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        codes = []
        for _ in range(10):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    code = 0 if m.count(b"x", threads=2) == 8192 else 2
                finally:
                    os._exit(code)
            codes.append(os.waitpid(child, 0)[1])
        stop.set()
        for thread in threads:
            thread.join()
    assert codes == [0] * 10


def test_one_buffer_many_threads(kernel):
    """Free-threaded builds scan one buffer from many threads; here they take turns, and get the same answers."""
    text = b"the cat and the other cat\n" * 20_000
    expected = (kernel.count(text, b"cat"), kernel.find_all(text, b"the").tolist(), kernel.line_starts(text).tolist())
    answers = []

    def work():
        answers.append(
            (kernel.count(text, b"cat"), kernel.find_all(text, b"the").tolist(), kernel.line_starts(text).tolist())
        )

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 8


def test_the_gil_stays_off():
    """A free-threaded build doesn't take the lock back because of us, whatever of the package is imported."""
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("this build has the lock")
    code = """
import contextlib, importlib, pkgutil, sys, numpy
before = sys._is_gil_enabled()  # by PYTHON_GIL=1, or by numpy
import fastmmap
for module in pkgutil.walk_packages(fastmmap.__path__, "fastmmap."):
    if not module.name.endswith("__main__"):
        with contextlib.suppress(ImportError, AttributeError):  # another system's
            importlib.import_module(module.name)
extensions = [name for name, module in sys.modules.items() if str(getattr(module, "__file__", "")).endswith(".so")]
print(before, sys._is_gil_enabled(), sum(name.startswith("fastmmap._") for name in extensions))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    before, after, extensions = done.stdout.split()
    assert after == before, done.stderr
    assert int(extensions) > 5 or not _backend.NATIVE


@native_only
def test_an_iterator_in_two_threads(kernel):
    text = b"x" * 200_000
    matches = kernel.iter_find(text, b"x")
    taken, errors = [], []

    def work():
        try:
            taken.extend(matches)
        except ValueError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(errors) <= {"iterator already executing", "generator already executing"}
    assert len(set(taken)) == len(taken) == 200_000
    assert numpy.array_equal(numpy.sort(taken), numpy.arange(200_000))


@native_only
def test_subinterpreters(make):
    """The extensions are for one interpreter of a process: in another one the import fails, and harms nobody."""
    code = """
import fastmmap, os, sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
path = sys.argv[1]
open(path, "wb").write(b"x" * 65536)
m = fastmmap.open(path)
assert m.count(b"x") == 65536
other = interpreters.create()
script = '''
try:
    import fastmmap
except ImportError as error:
    assert "interpreter" in str(error), error
else:
    assert fastmmap.find(b"abc", b"c") == 2
'''
failure = None
try:
    failure = interpreters.run_string(other, script)
except Exception as error:
    failure = error
assert failure is None, failure
interpreters.destroy(other)
os.truncate(path, 0)
try:
    m.count(b"x")
    assert os.name == "nt", "only Windows cuts no file that is mapped"
except fastmmap.MappedFileError:
    pass
print("fine")
"""
    done = subprocess.run([sys.executable, "-c", code, make()], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("fine\n", "")
