"""The package's functions go to other processes: by their names, so that each runs them on its own kernel."""

from __future__ import annotations

import copy
import functools
import os
import pickle
import subprocess
import sys

import pytest
from support.lacks import processes_by

import fastmmap
from fastmmap import _backend

CALLABLE = [name for name in fastmmap.__all__ if callable(getattr(fastmmap, name))]
VERBS = [name for names in _backend.FUNCTIONS.values() for name in names if name in fastmmap.__all__]
HERE = [name for name in ("avx2", "neon", "scalar", "python") if name in _backend.kernels()]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", CALLABLE)
def test_a_public_name(name, protocol):
    function = getattr(fastmmap, name)
    assert pickle.loads(pickle.dumps(function, protocol)) == function
    again = pickle.loads(pickle.dumps(functools.partial(function, b"cat"), protocol))
    assert (again.func, again.args) == (function, (b"cat",))


@pytest.mark.parametrize("name", CALLABLE)
def test_copies(name):
    function = getattr(fastmmap, name)
    assert copy.copy(function) == copy.deepcopy(function) == function
    assert copy.deepcopy([functools.partial(function, b"cat")])[0].func == function


def test_a_kernel_that_is_not_chosen_stays_what_it_is(kernel):
    for verb, names in _backend.FUNCTIONS.items():
        for name in names:
            function = getattr(kernel, name)
            again = pickle.loads(pickle.dumps(function))
            assert (again.__name__, type(again)) == (name, type(function)), verb
    assert pickle.loads(pickle.dumps(kernel.find))(b"the cat", b"cat") == 4
    if kernel.name == "scalar" != fastmmap.kernel:
        assert pickle.loads(pickle.dumps(kernel.find)).__reduce__()[1][0].__reduce__()[1] == ("scalar",)


def test_the_other_process_has_a_kernel_of_its_own():
    """Those with extensions and those without read each other's pickles."""
    write = (
        "import fastmmap, functools, pickle, sys; functions = [getattr(fastmmap, name) for name in sys.argv[1:]]; "
        "sys.stdout.buffer.write(pickle.dumps([functions, functools.partial(fastmmap.find, b'cat', b'a')]))"
    )
    read = (
        "import fastmmap, pickle, sys; functions, partial = pickle.load(sys.stdin.buffer); "
        "assert functions == [getattr(fastmmap, name) for name in sys.argv[1:]], functions; print(partial())"
    )
    for one in HERE:
        sent = subprocess.run(
            [sys.executable, "-c", write, *VERBS], env=with_kernel(one), capture_output=True, check=True
        )
        for other in HERE:
            done = subprocess.run(
                [sys.executable, "-c", read, *VERBS], input=sent.stdout, env=with_kernel(other), capture_output=True
            )
            assert (done.returncode, done.stdout.strip(), done.stderr) == (0, b"1", b"")


def with_kernel(name):
    return {**os.environ, "FASTMMAP_KERNEL": name}


POOL = """
import functools, multiprocessing, sys
import fastmmap
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    data = b"the cat sat on the mat\\n" * 1000
    with open(sys.argv[2], "wb") as file:
        file.write(data)
    with fastmmap.open(sys.argv[2]) as m, context.Pool(2) as pool:
        parts = m.ranges(4)
        assert sum(pool.starmap(fastmmap.count, [(m, b"cat", low, high) for low, high in parts])) == 1000
        assert pool.map(functools.partial(fastmmap.rfind, m), [b"cat", b"the"]) == [len(data) - 19, len(data) - 8]
        assert pool.apply(fastmmap.line_starts, (m,)).size == 1000
        assert pool.apply(m.count, (b"cat",)) == 1000
        pool.close()
        pool.join()
    print("done")
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pool(tmp_path, method):
    if sys.version_info < (3, 12) and not _backend.NATIVE:
        pytest.skip("without extensions, a pickled mapping works from 3.12 on")
    processes_by(method)
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    environment = {**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning"}
    command = [sys.executable, script, method, tmp_path / "file"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_unbound_methods():
    import weakref

    method = fastmmap.MappedFile.find
    assert pickle.loads(pickle.dumps(method)) == copy.copy(method) == copy.deepcopy(method) == method
    assert weakref.ref(method)() is method
    with fastmmap.open(None, size=10) as m:
        assert weakref.WeakMethod(m.find)()(b"\0", 3) == 3
