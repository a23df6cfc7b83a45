"""What a mapping takes of memory and of descriptors, and what is done where files can't be mapped."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from support.commands import preloading
from support.lacks import resource

import fastmmap
from fastmmap import _backend

SIZE = 1 << 28
# What a scan that drops its pages may take. The system's counters of resident pages are kept for each CPU and added up
# only roughly, so what is compared are multiples of this, never bytes.
BOUND = 48 << 20

SCAN = """
import sys, fastmmap
path, verb, drop, threads = sys.argv[1], sys.argv[2], sys.argv[3] == "drop", int(sys.argv[4])
fastmmap.find(bytes(1 << 24), b"x")  # starts the threads
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) << 10
with fastmmap.open(path, "r+" if verb == "replace" else "r", drop_behind=drop) as m:
    before = peak()
    if verb == "iter_find":
        answer = sum(1 for _ in m.iter_find(b"never"))
    elif verb == "replace":
        answer = m.replace(b"never", b"truly", threads=threads)
    else:
        answer = getattr(m, verb)(b"never", threads=threads)
    print(peak() - before, answer)
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "file"
    with path.open("wb") as file:
        for _ in range(SIZE >> 20):
            file.write(b"the cat\n" * (1 << 17))
    yield path
    path.unlink()


def scan(path, verb, drop, threads, limit=None):
    """Peak of resident memory of a scan, in a process of its own."""
    command = [sys.executable, "-c", SCAN, path, verb, "drop" if drop else "keep", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, preexec_fn=limit)
    assert done.returncode == 0, done.stderr
    taken, answer = done.stdout.split()
    assert answer in ("-1", "0", "[]")
    return int(taken)


needs_proc = pytest.mark.skipif(
    not _backend.NATIVE or fastmmap.kernel == "python" or sys.platform != "linux",
    reason="the reference's scans can't drop, and what is resident is read in /proc",
)


@needs_proc
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("verb", ["find", "rfind", "count", "find_all", "iter_find", "replace"])
def test_drop_behind_bounds_resident_memory(large, verb, threads):
    assert scan(large, verb, True, threads) < BOUND


@needs_proc
def test_without_it_what_was_read_stays_resident(large):
    """The measure sees what isn't dropped: without this the test above would pass with nothing measured."""
    assert scan(large, "find", False, 1) > 4 * BOUND


class MemoryGroup:
    """A control group whose processes may use so much memory, page cache included."""

    def __init__(self, size):
        own = dict(line.split(":")[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
        for root, limit, self._failures in (
            (f"/sys/fs/cgroup/memory{own.get('memory', '')}", "memory.limit_in_bytes", "memory.failcnt"),
            (f"/sys/fs/cgroup{own.get('', '')}", "memory.max", "memory.events"),
        ):
            self._path = Path(root, f"fastmmap-{os.getpid()}")
            try:
                self._path.mkdir()
                (self._path / limit).write_text(str(size))
                return
            except OSError:
                self.remove()
        pytest.skip("no control group for memory can be made here")

    def join(self):
        (self._path / "cgroup.procs").write_text(str(os.getpid()))

    def failures(self):
        """How often the limit was met."""
        return int((self._path / self._failures).read_text().split("max ")[-1].split()[0])

    def remove(self):
        if self._path.exists():
            self._path.rmdir()


@pytest.fixture
def memory_group():
    group = MemoryGroup(128 << 20)
    yield group
    group.remove()


@needs_proc
@pytest.mark.parametrize("verb", ["find", "rfind", "count"])
def test_a_scan_beyond_memory(large, memory_group, verb):
    """256 MiB in a group of 128: a scan that keeps its pages meets the limit, one that drops them never does."""
    os.sync()
    with large.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    scan(large, verb, True, 2, memory_group.join)
    assert memory_group.failures() == 0
    scan(large, verb, False, 2, memory_group.join)
    assert memory_group.failures() > 0


@pytest.mark.skipif(not _backend.NATIVE, reason="the reference drops nothing")
def test_nothing_outside_the_mapping_is_dropped(make):
    """A search for a long needle that turned linear steps beyond the end where it comes to: not so what is dropped."""
    size, length = 300_000, 40_000
    needle = bytearray(b"ab" * (length // 2))
    needle[24_245] = ord("c")
    path, kept = make(b"ab" * (size // 2)), []
    for _ in range(100):
        m = fastmmap.open(path, drop_behind=True)
        ours = fastmmap.open(None, "c", size=-(-size // mmap.PAGESIZE) * mmap.PAGESIZE)
        addresses = [numpy.frombuffer(each.view(), numpy.uint8).ctypes.data for each in (ours, m)]
        kept.append((m, ours))
        if addresses[0] + len(ours) == addresses[1]:
            break
    else:
        pytest.skip("the system maps nothing below what was mapped before")
    ours[:] = b"w" * len(ours)
    for kernel in map(_backend.load, _backend.kernels()):
        if kernel.name != "python":
            assert kernel.rfind(m, needle) == -1
    assert ours[:] == b"w" * len(ours)


def test_drop_behind_keeps_what_was_stored(make):
    path = make(b"the cat\n" * (1 << 20))
    with fastmmap.open(path, "r+", drop_behind=True) as m:
        assert m.replace(b"cat", b"dog") == 1 << 20
        assert m.count(b"dog") == 1 << 20
        m[0] = ord("T")
        assert m.find(b"never") == -1
        assert m[:7] == b"The dog"
    assert path.read_bytes() == b"The dog\n" + b"the dog\n" * ((1 << 20) - 1)


def test_where_nothing_can_be_dropped(make):
    path = make(b"abc")
    for arguments in ((path, "c"), (path, "w+")):
        with pytest.raises(ValueError, match="drop_behind"):
            fastmmap.open(*arguments, drop_behind=True)
    with pytest.raises(ValueError, match="drop_behind"):
        fastmmap.open(None, size=10, drop_behind=True)
    assert path.read_bytes() == b"abc"


@pytest.mark.skipif(not _backend.NATIVE, reason="the mmap module keeps a descriptor for each mapping")
def test_more_mappings_than_descriptors(make):
    path = make(b"abc")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        mapped = [fastmmap.open(path) for _ in range(500)]
        assert all(m[:] == b"abc" for m in mapped)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --- files that can't be mapped ---

READ = """
import sys, fastmmap
for mode in ("r", "c"):
    with fastmmap.open(sys.argv[1], mode) as m:
        print(mode, m.backend, m[:], m.find(b"cat"))
try:
    fastmmap.open(sys.argv[1], "r+")
except OSError as error:
    print(error.strerror, error.filename == sys.argv[1])
import pathlib
print(fastmmap.count(pathlib.Path(sys.argv[1]), b"cat"))
"""


@pytest.mark.skipif(not _backend.NATIVE, reason="the mmap module's answer is an error")
@pytest.mark.parametrize(("refuse", "backend"), [("shared", "mmap"), ("all", "memory")])
def test_a_filesystem_that_refuses(make, compiled, refuse, backend):
    path = make(b"the cat")
    environment = preloading(compiled("refuse.c"), REFUSE=refuse)
    done = subprocess.run(
        [sys.executable, "-c", READ, path], capture_output=True, text=True, env=environment, timeout=60
    )
    private = "mmap" if refuse == "shared" else "memory"
    assert done.stdout == (f"r {backend} b'the cat' 4\nc {private} b'the cat' 4\nNo such device True\n1\n"), done.stderr


def test_views_keep_no_references(make):
    """A view of a mapping gives back all that it took: None too, whose count Cython raises before __getbuffer__."""
    with fastmmap.open(make(b"abc" * 100)) as m:
        calls = [m.view, lambda: m.find(b"cab"), lambda: m[:]]
        if _backend.NATIVE:
            calls += [lambda: memoryview(m), lambda: bytes(m)]  # a Python class exports no buffer before 3.12
        for call in calls:
            before = sys.getrefcount(None), sys.getrefcount(m)
            for _ in range(1000):
                call()
            after = sys.getrefcount(None), sys.getrefcount(m)
            assert all(b - a < 100 for a, b in zip(before, after)), (before, after)
