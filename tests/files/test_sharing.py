"""Every kind of mapping, and who sees what is stored in it: processes, threads, tasks. The examples are run as well."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from multiprocessing import shared_memory
from pathlib import Path

import pytest
from support import sharing_child

import fastmmap
from fastmmap import _backend, system

EXAMPLES = Path(__file__).parents[2] / "examples"
PRINTS = {
    "write_through": "one TWO THREE\nfour\n",
    "copy_on_write": "here: Dear Emma, thank you.\nfile: Dear NAME, thank you.\n",
    "fork": "the child wrote b'hello'\n",
    "shared": "the other process wrote b'hello'\n",
    "processes": "100000 errors in 4 ranges\n",
    "threads": "INFO 100000\nERROR 100000\nFATAL 0\n",
    "many_files": ("220 errors in 20 files; [19780, 220] of each word\n97 [b'INFO 96 is well'] b'ERROR 97 is not'\n"),
    "cluster": (
        "110 errors in 10 files; [9890, 110] of each word\n"
        "2200 errors in 8 ranges of one file; the last: (3377490, b'ERROR 970 is not')\n"
    ),
    "tasks": "INFO 100000\nERROR 100000\nFATAL 0\n",
}


@pytest.mark.parametrize("name", PRINTS)
def test_example(name):
    script = EXAMPLES / f"{name}.py"
    if not script.exists():
        pytest.skip("the examples aren't here")
    if name == "fork" and not hasattr(os, "fork"):
        pytest.skip("this system has no os.fork")
    if name == "cluster":
        pytest.importorskip("distributed")
    if sys.version_info < (3, 12) and not _backend.NATIVE and name in ("processes", "cluster"):
        pytest.skip("without extensions, a pickled mapping works from 3.12 on")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == (PRINTS[name], "", 0)


def test_no_example_goes_untested():
    if EXAMPLES.exists():
        assert {path.stem for path in EXAMPLES.glob("*.py")} == set(PRINTS)


def test_the_first_lines_of_the_readme(tmp_path):
    """As whoever tries them does: in a folder of nothing."""
    readme = EXAMPLES.parent / "README.md"
    if not readme.exists():
        pytest.skip("the README isn't here")
    script = readme.read_text().partition("```python\n")[2].partition("```")[0]
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.stdout[:7], done.returncode) == ("100000\n", 0), done.stderr
    assert os.listdir(tmp_path) == ["big.log"]


# --- by name ---


@pytest.fixture
def name():
    unique = f"fastmmap-test-{os.getpid()}"
    yield unique
    with contextlib.suppress(FileNotFoundError):
        fastmmap.open_shared(unique).unlink()


def test_shared_memory_by_name(name):
    with fastmmap.open_shared(name, 10_000) as m, fastmmap.open_shared(name) as other:
        assert (len(m), len(other), m[:], m.mode, m.name) == (10_000, 10_000, bytes(10_000), "r+", name)
        m[5:10] = b"hello"
        assert other.find(b"hello") == 5
        other.replace(b"hello", b"HELLO")
        assert m[5:10] == b"HELLO"
        m.flush()
    with fastmmap.open_shared(name) as again:
        assert again[5:10] == b"HELLO", "it outlives its mappings"
        again.unlink()
        assert again[5:10] == b"HELLO", "and its name"
        with pytest.raises(FileNotFoundError):
            fastmmap.open_shared(name)
        with pytest.raises(FileNotFoundError):
            again.unlink()


def test_shared_memory_grows_and_is_mapped_in_part(name):
    with fastmmap.open_shared(name, 100) as m:
        m[:] = b"x" * 100
        with fastmmap.open_shared(name, 60) as part:
            assert part[:] == b"x" * 60
            with pytest.raises(ValueError, match="ends at"):
                part.resize(70)
        with fastmmap.open_shared(name, 5000) as larger:
            assert larger[:] == b"x" * 100 + bytes(4900)
        assert len(m) == 100
    with fastmmap.open_shared(name) as m:
        m.resize(6000)
        m.append(b"tail")
        m.resize(10)
        assert m[:] == b"x" * 10
    with fastmmap.open_shared(name + "-empty", 0) as empty:
        empty.unlink()
        assert empty[:] == b""


@pytest.mark.parametrize("bad", ["", ".", "..", "a/b", "/a", "a\0b", "x" * 256])
def test_bad_names(bad):
    with pytest.raises((ValueError, OSError)):
        fastmmap.open_shared(bad, 10)


@pytest.mark.parametrize(("bad", "error"), [(-1, ValueError), (1.5, TypeError), ("10", TypeError), (1 << 62, OSError)])
def test_bad_sizes_leave_nothing(name, bad, error):
    with pytest.raises(error):
        fastmmap.open_shared(name, bad)
    with pytest.raises(FileNotFoundError):
        fastmmap.open_shared(name)
    with pytest.raises(TypeError, match="str"):
        fastmmap.open_shared(Path(name), 10)


def test_no_tracker_removes_it(name):
    lines = f"import fastmmap; m = fastmmap.open_shared({name!r}, 100); m[:5] = b'hello'"
    for ending in ("", "; m.close()", "; import os; os.kill(os.getpid(), 9)"):
        done = subprocess.run([sys.executable, "-c", lines + ending], capture_output=True, text=True, timeout=60)
        assert done.stderr == ""
        with fastmmap.open_shared(name) as m:
            assert m[:5] == b"hello"


@pytest.mark.skipif(sys.platform == "win32", reason="there the standard library's memory goes with its last process")
def test_it_is_the_memory_of_the_standard_library(name):
    with fastmmap.open_shared(name, 4096) as m:
        m[:5] = b"hello"
        options = {"track": False} if sys.version_info >= (3, 13) else {}
        theirs = shared_memory.SharedMemory(name, **options)
        assert bytes(theirs.buf[:5]) == b"hello"
        assert fastmmap.find(theirs.buf, b"llo") == 2
        theirs.close()
        if not options:
            from multiprocessing import resource_tracker

            resource_tracker.unregister(f"/{name}", "shared_memory")


def test_many_open_it_at_once(name):
    lengths = []
    barrier = threading.Barrier(8)

    def work():
        barrier.wait()
        with fastmmap.open_shared(name, 5000) as m:
            lengths.append(len(m))
        with fastmmap.open_shared(name) as m:
            lengths.append(len(m))

    for _ in range(20):
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        fastmmap.open_shared(name).unlink()
    assert set(lengths) == {5000}
    assert len(lengths) == 320


# --- by path ---


@pytest.mark.parametrize("mode", ["r", "r+", "c", "w+"])
def test_a_pickle_is_path_mode_and_range(make, mode, monkeypatch):
    path = make(b"0123456789")
    monkeypatch.chdir(path.parent)
    m = fastmmap.open(path.name, mode, offset=3, size=5)
    if mode == "w+":
        m[:] = b"34567"
    pickled = pickle.dumps(m)
    monkeypatch.chdir("/")
    with pickle.loads(pickled) as copy:
        assert (copy[:], copy.mode, copy.offset) == (b"34567", "r+" if mode == "w+" else mode, 3)
        assert copy.name == str(path)
        if mode in ("r+", "w+"):
            copy[0] = ord("X")
            assert m[0] == ord("X")
    if not system.CUTS_MAPPED:
        return
    size = path.stat().st_size
    os.truncate(path, 4)
    with pytest.raises(ValueError, match="had 8 bytes when its mapping was pickled, and has 4"):
        pickle.loads(pickled)
    assert path.stat().st_size == 4 < size, "nothing grows by being loaded"


def test_what_has_no_path_can_not_be_pickled(make):
    with make(b"abc").open() as file:
        for m in (fastmmap.open(None, size=10), fastmmap.open(file.fileno()), fastmmap.open("/proc/self/status")):
            with pytest.raises(TypeError, match="cannot pickle"):
                pickle.dumps(m)
    m.close()
    with pytest.raises(ValueError, match="closed"):
        pickle.dumps(m)


def test_a_pickle_of_shared_memory(name):
    with fastmmap.open_shared(name, 100) as m, pickle.loads(pickle.dumps(m)) as copy:
        copy[0] = 65
        assert (m[0], len(copy)) == (65, 100)


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_sent_to_another_process(make, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    if sys.version_info < (3, 12) and not _backend.NATIVE:
        pytest.skip("without extensions a mapping is no buffer")
    context = multiprocessing.get_context(method)
    here, there = context.Pipe()
    with fastmmap.open(make(b"x" * 5000 + b"needle" + b"end")) as m:
        process = context.Process(target=sharing_child.search, args=(there,))
        process.start()
        there.close()  # so that a child which dies is an error, not a wait
        here.send(m)
        assert here.recv() == (5000, b"end", "r")
        process.join()
    assert process.exitcode == 0


@pytest.mark.parametrize("mode", ["r+", "c"])
def test_a_forked_child(make, mode):
    """A child has the mapping: what it stores is seen in "r+" alone."""
    with fastmmap.open(make(b"x" * 10_000), mode) as m:
        pid = os.fork()
        if pid == 0:
            m[0:5] = b"child"
            m.close()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert m[0:5] == (b"child" if mode == "r+" else b"xxxxx")


def test_anonymous_memory_in_mode_c_is_not_shared():
    with fastmmap.open(None, "c", size=100) as m:
        pid = os.fork()
        if pid == 0:
            m[0] = 1
            os._exit(0)
        os.waitpid(pid, 0)
        assert m[0] == 0
