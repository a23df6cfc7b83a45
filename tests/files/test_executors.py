"""Many files, and ranges of one, by the executors of concurrent.futures and of Dask: what one process finds."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

import fastmmap
from fastmmap import _backend

pytestmark = pytest.mark.any_kernel

LINES = [b"INFO %d is well" % number if number % 89 else b"ERROR %d is not" % number for number in range(2000)]
NEEDLES = fastmmap.Needles([b"INFO", b"ERROR"])
LOSS = Path(__file__).parents[1] / "support" / "cluster_loss.py"


@pytest.fixture
def paths(tmp_path):
    for number in range(12):
        (tmp_path / f"{number}.log").write_bytes(b"\n".join(LINES[number:]))
    return sorted(tmp_path.glob("*.log"))


def processes(workers):
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))


@pytest.fixture(params=[ThreadPoolExecutor, processes], ids=["threads", "processes"])
def executor(request):
    with request.param(2) as executor:
        yield executor


def test_files(executor, paths):
    counts = {path: fastmmap.count(path, b"ERROR") for path in paths}
    assert dict(zip(paths, executor.map(partial(fastmmap.count, needle=b"ERROR"), paths))) == counts
    assert dict(zip(paths, executor.map(partial(fastmmap.count, needle=NEEDLES), paths))) == {
        path: fastmmap.count(path, NEEDLES) for path in paths
    }
    each = sum(executor.map(partial(fastmmap.count_each, needles=NEEDLES), paths))
    assert each[1] == sum(counts.values())
    found = executor.map(partial(fastmmap.find, needle=b"ERROR 89"), paths)
    assert list(found) == [fastmmap.find(path, b"ERROR 89") for path in paths]


@pytest.mark.skipif(
    sys.version_info < (3, 12) and not _backend.NATIVE, reason="without extensions, it works from 3.12 on"
)
def test_ranges(executor, paths):
    with fastmmap.open(paths[0]) as m:
        assert len(m.lines) == len(LINES)  # the index goes with it
        starts, ends = zip(*m.ranges(5))
        parts = executor.map(partial(fastmmap.count, m, NEEDLES), starts, ends)
        assert sum(parts) == m.count(NEEDLES)


def test_what_goes_to_processes(paths):
    """Needles, patterns, matches and mappings with their indexes."""
    pattern = re.compile(rb"ERROR \d*7 ")
    assert pickle.loads(pickle.dumps((NEEDLES, pattern))) == (NEEDLES, pattern)
    matches = list(fastmmap.grep(paths[0], pattern, before=1))
    assert pickle.loads(pickle.dumps(matches)) == matches


def test_a_worker_that_is_killed(tmp_path):
    pytest.importorskip("distributed")
    if sys.version_info < (3, 12) and not _backend.NATIVE:
        pytest.skip("without extensions, a pickled mapping works from 3.12 on")
    log, started = tmp_path / "log", tmp_path / "started"
    log.write_bytes(b"\n".join(LINES * 20) + b"\n")
    started.mkdir()
    environment = {**os.environ, "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "critical"}
    done = subprocess.run(
        [sys.executable, LOSS, log, started], capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{log.read_bytes().count(b'INFO')} lines\n"
