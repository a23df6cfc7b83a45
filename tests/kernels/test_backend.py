"""Which implementation runs, and that every one of them is the same function."""

from __future__ import annotations

import ctypes
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ALWAYS, load

import fastmmap
from fastmmap import _backend

FUNCTIONS = [name for names in _backend.FUNCTIONS.values() for name in names if name != "Stage"]


def run(code, **environment):
    """Runs code in a fresh interpreter; returns its status, output and last line of errors."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FASTMMAP")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env={**clean, **environment}, capture_output=True, text=True
    )
    return done.returncode, done.stdout.strip(), done.stderr.strip().splitlines()[-1:]


def test_the_native_kernel_is_the_default():
    status, output, _ = run("import fastmmap; print(fastmmap.kernel, fastmmap.find.__module__)")
    assert status == 0
    name = output.split()[0]
    assert name == fastmmap.kernels()[0]
    if _backend.NATIVE:
        assert name not in ("scalar", "python"), "no vector kernel on this machine?"
    else:
        assert name == "python"


def test_import_is_light():
    _, output, errors = run(
        "import sys; before = set(sys.modules); import fastmmap; "
        "print([name for name in ('numpy', 'ctypes', 'asyncio') if name in sys.modules.keys() - before])"
    )
    assert (output, errors) == ("[]", [])


def test_import_leaves_signals_and_threads_alone():
    code = (
        "import signal, threading; fault = getattr(signal, 'SIGBUS', signal.SIGSEGV); "
        "before = signal.getsignal(fault), threading.active_count(); "
        "import fastmmap; print(before == (signal.getsignal(fault), threading.active_count()))"
    )
    assert run(code)[1] == "True"


@pytest.mark.parametrize("name", _backend.NAMES)
def test_a_demand_is_kept(name):
    load(name)
    assert run("import fastmmap; print(fastmmap.kernel)", FASTMMAP_KERNEL=name)[1] == name


def test_the_three_refusals_differ(monkeypatch):
    status, _, errors = run("import fastmmap", FASTMMAP_KERNEL="avx3")
    assert status == 1
    assert errors[0].startswith("ValueError: FASTMMAP_KERNEL: 'avx3' is not a kernel: the names are avx512, avx2")
    missing = "neon" if "neon" not in fastmmap.kernels() else "avx2"
    status, _, errors = run("import fastmmap", FASTMMAP_KERNEL=missing)
    assert status == 1
    assert errors[0].startswith(f"ImportError: FASTMMAP_KERNEL: kernel '{missing}' is not built")
    for name in _backend.NAMES:
        if name in fastmmap.kernels():
            continue
        with pytest.raises((ImportError, RuntimeError), match="not built|this CPU"):
            _backend.load(name)


@pytest.mark.skipif(not (_backend.NATIVE and Path("/proc/cpuinfo").exists()), reason="nobody else says what it has")
def test_the_cpu_has_what_the_system_says(compiled):
    """Each feature that a kernel is compiled for is asked for, with the answer that Linux got."""
    if not (Path(__file__).parents[2] / "src" / "scan" / "instructions.h").exists():
        pytest.skip("the sources aren't here")
    cpu = ctypes.CDLL(str(compiled("instructions.c")))
    cpu.name.restype = ctypes.c_char_p
    names = []
    while (name := cpu.name(len(names))) is not None:
        names.append(name)
    if not names:
        pytest.skip("the sources ask CPUs of x86-64 alone")
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = next(line for line in lines if line.startswith("flags")).encode().split()
    assert len(names) > 10
    assert [name for i, name in enumerate(names) if cpu.answer(i)] == [name for name in names if name in flags]
    narrow = [name for name in names if not name.startswith(b"avx512")]
    assert cpu.has_avx2() == all(name in flags for name in narrow) == ("avx2" in fastmmap.kernels())
    assert cpu.has_avx512() == all(name in flags for name in names) == ("avx512" in fastmmap.kernels())


def test_kernels_are_listed_best_first():
    names = fastmmap.kernels()
    assert names == [name for name in _backend.NAMES if name in names]
    assert set(ALWAYS) <= set(names)
    assert fastmmap.kernel in names


@pytest.mark.parametrize("function", FUNCTIONS)
def test_names_signatures_and_docstrings_are_the_references(kernel, function):
    ours, definition = getattr(kernel, function), getattr(_backend.load("python"), function)
    assert ours.__name__ == definition.__name__ == function

    def shape(callable_):
        signature = inspect.signature(callable_)
        return [(p.name, p.kind, p.default) for p in signature.parameters.values()]

    assert shape(ours) == shape(definition)
    assert inspect.getdoc(ours) == inspect.getdoc(definition)


@pytest.mark.parametrize("name", ["Stage", "Substitution", "Mapping"])
def test_classes_are_the_references(name):
    modules = {"Stage": "append", "Substitution": "replace", "Mapping": "mapping"}
    definition = getattr(__import__(f"fastmmap.reference.{modules[name]}", fromlist=[name]), name)
    if not _backend.NATIVE:
        pytest.skip("this fastmmap has no extensions")
    ours = getattr(__import__(f"fastmmap._{modules[name]}", fromlist=[name]), name)
    assert inspect.getdoc(ours) == inspect.getdoc(definition)
    for member, value in vars(definition).items():
        if not member.startswith("_") and not isinstance(value, int):  # an attribute with a default has no words
            assert inspect.getdoc(getattr(ours, member)) == inspect.getdoc(getattr(definition, member)), member


def test_the_public_names_are_documented():
    for name in fastmmap.__all__:
        if name != "kernel":
            assert inspect.getdoc(getattr(fastmmap, name)), name
    assert fastmmap.__version__


@pytest.mark.parametrize("threads", [0, -1, -(2**70)])
def test_threads_are_at_least_one(kernel, threads):
    for call in (
        lambda: kernel.find(b"a", b"a", threads=threads),
        lambda: kernel.rfind(b"a", b"a", threads=threads),
        lambda: kernel.count(b"a", b"a", threads=threads),
        lambda: kernel.find_all(b"a", b"a", threads=threads),
        lambda: kernel.line_starts(b"a", threads=threads),
        lambda: kernel.gather(b"a", [0], 1, threads=threads),
        lambda: kernel.replace(bytearray(b"a"), b"a", b"b", threads=threads),
    ):
        with pytest.raises(ValueError, match="threads must be None or at least 1"):
            call()
    with pytest.raises(TypeError):
        kernel.find(b"a", b"a", threads="two")
    assert kernel.find(b"a", b"a", threads=2) == 0


class Broken:
    """A buffer that isn't one."""

    def __getattr__(self, name):
        raise AttributeError(name)


@pytest.mark.parametrize("bad", [None, 5, 1.5, [1], Broken(), "text"])
def test_what_is_no_buffer(kernel, bad):
    words = "use pathlib.Path or fastmmap.open" if isinstance(bad, str) else type(bad).__name__
    for call in (kernel.find, kernel.rfind, kernel.count, kernel.find_all, kernel.iter_find):
        with pytest.raises(TypeError, match=words):
            call(bad, b"x")
    for call in (lambda: kernel.line_starts(bad), lambda: kernel.gather(bad, [0], 1)):
        with pytest.raises(TypeError, match=words):
            call()


def test_what_is_not_contiguous(kernel):
    import numpy

    for bad in (
        memoryview(b"abcdef")[::2],
        numpy.zeros(10, dtype=numpy.uint8)[::2],
        numpy.zeros((4, 4), order="F"),
    ):
        for call in (kernel.find, kernel.count, kernel.iter_find):
            with pytest.raises(BufferError, match="contiguous"):
                call(bad, b"x")
        with pytest.raises(BufferError, match="contiguous"):
            kernel.find(b"x", bad)


def test_indices_that_are_none(kernel):
    for bad in (1.0, "1", b"1"):
        with pytest.raises(TypeError, match="slice indices must be integers or None"):
            kernel.find(b"abc", b"b", bad)
        with pytest.raises(TypeError, match="slice indices must be integers or None"):
            kernel.count(b"abc", b"b", 0, bad)


@pytest.mark.skipif(not _backend.NATIVE, reason="the standard library's ways to memory take fewer")
def test_buffers_of_any_items(kernel, tmp_path):
    import numpy

    class Exporter:
        def __buffer__(self, flags):
            return memoryview(b"abcabc")

    times = numpy.array(["2026-01-01", "2026-01-02"], dtype="datetime64[D]")
    assert kernel.count(times, bytes(times.view("u1")[:8])) == 1
    assert kernel.find(numpy.array([(1, 2.0)], dtype="i4,f8"), b"\1") == 0
    if sys.version_info >= (3, 12):
        assert kernel.find(Exporter(), b"c") == 2
        assert kernel.find(b"xxabcabc", Exporter()) == 2
        assert list(kernel.iter_find(Exporter(), b"a")) == [0, 3]
    closed = fastmmap.open(None, size=10)
    closed.close()
    for call in (lambda: kernel.find(closed, b"a"), lambda: kernel.append(closed, 0, b"a")):
        with pytest.raises(ValueError, match="the mapping is closed"):
            call()
