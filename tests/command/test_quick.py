"""Counting with little to import: the answers of bytes, or none, and a start without what isn't needed."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys

import pytest
from support.commands import SCRIPT, run
from support.lacks import without

from fastmmap import _backend, _kernels
from fastmmap.cli import quick
from fastmmap.reference.overlaps import cannot_overlap

pytestmark = [
    pytest.mark.any_kernel,
    pytest.mark.skipif(
        not _backend.NATIVE or "FASTMMAP_KERNEL" in os.environ, reason="a kernel is demanded, or none built"
    ),
]

# By which it is known that reading needs no disk.
looking = without("os.RWF_NOWAIT")

FOLDER = os.path.dirname(os.path.dirname(_backend.__file__))


@pytest.fixture
def count(make):
    """quick.count of a file with some bytes."""

    def of(data, needle, ignorecase=False):
        with make(data).open("rb") as file:
            return quick.count(file.fileno(), len(data), needle, ignorecase)

    return of


@looking
def test_as_bytes(count, monkeypatch):
    rng = random.Random(8)
    for _ in range(300):
        monkeypatch.setattr(quick, "PARTS", rng.choice([1, 3, 7, 1000]))
        data = bytes(rng.choices(b"abAB", k=rng.randint(1, 3000)))
        needle = bytes(rng.choices(b"abA", k=rng.randint(1, 5)))
        fold = rng.random() < 0.5
        expected = data.lower().count(needle.lower()) if fold else data.count(needle)
        number = count(data, needle, fold)
        assert number is None or number == expected
        assert (number is None) == (not cannot_overlap(needle.lower() if fold else needle))


def test_which_needles_can_not_overlap():
    for needle in (b"a", b"ab", b"abc" * 85 + b"d"):
        assert cannot_overlap(needle)
    for needle in (b"aa", b"aba", b"abab", b"a" * 257, bytes(range(256)) + b"x"):
        assert not cannot_overlap(needle)


@looking
def test_what_is_left_to_others(count, monkeypatch):
    assert count(b"abcab", b"ab") == 2
    with monkeypatch.context() as patch:
        patch.setenv("FASTMMAP_THREADS", "1")
        assert count(b"abcab", b"ab") is None
    with monkeypatch.context() as patch:
        patch.setattr(quick, "is_cached", lambda fd, size: False)
        assert count(b"abcab", b"ab") is None
    with monkeypatch.context() as patch:
        patch.setattr(_kernels, "_known", [None])
        assert count(b"abcab", b"ab") is None


def test_a_file_that_changes_meanwhile(make, monkeypatch):
    path = make(b"ab" * 1000)

    class Changing:
        def count(self, *arguments, **options):
            with path.open("ab") as file:
                file.write(b"ab")
            return 1

    monkeypatch.setattr(_kernels, "_known", [Changing()])
    with path.open("rb") as file:
        assert quick.count(file.fileno(), 2000, b"ab", False) is None
        assert quick.count(file.fileno(), 2000, b"ab", False) is None, "its size is another"


@looking
def test_a_file_that_is_cut_is_an_error(make):
    """By whoever knows what that is."""
    path = make(b"ab\n" * 1_000_000)
    cut = f"""
import os
from fastmmap.cli import quick
from fastmmap.reference.overlaps import cannot_overlap
known = quick.is_cached
def is_cached(fd, size):
    answer = known(fd, size)
    before = os.fstat
    def fstat(number):
        status = before(number)
        if number == fd:
            os.truncate({str(path)!r}, 4096)
            os.fstat = before
        return status
    os.fstat = fstat
    return answer
quick.is_cached = is_cached
"""
    done = subprocess.run([sys.executable, "-c", cut + SCRIPT, "count", "ab", path], capture_output=True, check=False)
    assert done.returncode in (0, 2)
    if done.returncode:
        assert re.fullmatch(rb"fastmmap: .*truncated.*\n", done.stderr)
    else:
        assert done.stdout == b"1366\n"


SEARCH = {"fastmmap.mapped", "fastmmap._backend", "fastmmap.system"}
LARGE = 1 << 20


@pytest.mark.parametrize(
    ("arguments", "lines", "modules"),
    [
        (["count", "x"], 1, SEARCH),
        pytest.param(["count", "x"], LARGE, SEARCH, marks=looking),
        (["grep", "absent"], 1, SEARCH),
        (["grep", "x"], 1, {"fastmmap.mapped", "numpy"}),
        (["grep", "x"], LARGE, {"fastmmap.editing", "numpy"}),
        (["count", "-e", "x", "-e", "y"], LARGE, {"fastmmap.editing", "numpy"}),
        (["lines", "1"], LARGE, {"fastmmap.grepping", "numpy"}),
    ],
)
def test_what_a_start_does_not_import(make, arguments, lines, modules):
    """Imports, not seconds: each takes its time on every machine."""
    path = make(b"x\n" * lines)
    script = "import sys; from _fastmmap_command import run; run(); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", script, *arguments, path],
        capture_output=True, text=True, cwd=FOLDER, check=False,
    )  # fmt: skip
    found = set(done.stderr.split())
    never = {
        "argparse",
        "typing",
        "inspect",
        "dataclasses",
        "threading",
        "pickle",
        "ctypes",
        "rich",
        "textwrap",
        "json",
    }
    assert "fastmmap.cli" in found
    if sys.platform == "win32":
        found -= {"ctypes", "fastmmap.system"}  # which have files opened there
    assert not found & (never | modules)


@pytest.mark.parametrize("module", ["editing.edit", "grepping", "logs.appender", "cli.lines", "mapped"])
def test_who_maps_files_has_what_faults_come_to(module):
    """Native code imports nothing, and the command has not imported the package whole."""
    script = f"import sys, _fastmmap_command as c; c.running = True; import fastmmap.{module}, fastmmap.mapped; "
    done = subprocess.run(
        [sys.executable, "-c", script + "print(*sys.modules)"], capture_output=True, text=True, cwd=FOLDER, check=False
    )
    found = set(done.stdout.split())
    assert {"fastmmap.faults", "fastmmap.sheltered", "fastmmap.errors", "fastmmap.parallel"} <= found
    assert "fastmmap._public" not in found


def test_the_installed_command_ends_itself(make, tmp_path):
    """Its status, and what was registered for the exit, are as where Python ends it."""
    script = tmp_path / "fastmmap"
    script.write_text("import atexit, sys\nfrom _fastmmap_command import main\n"
                      "atexit.register(print, 'at exit', flush=True)\nprint('first')\nsys.exit(main())\n")  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": FOLDER}
    for needle, status in (("x", 0), ("absent", 1)):
        done = subprocess.run([sys.executable, script, "count", needle, make(b"x")], capture_output=True, text=True,
                              env=environment, check=False)  # fmt: skip
        assert (done.returncode, sorted(done.stdout.split("\n"))) == (
            status,
            sorted(["", "at exit", "first", str(1 - status)]),
        )
        assert done.stderr == ""


def test_many_files_by_all_cpus(make):
    """Those that take longer than a moment are searched together, and printed in their order."""
    paths = [make(b"x\n" * (number % 7), f"f{number:03}") for number in range(300)]
    code = "import sys; from fastmmap.cli import files; files.ALONE = float(sys.argv.pop(1)); " + SCRIPT
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code, alone, "grep", "-c", "x", *paths], capture_output=True, check=False
        ).stdout
        for alone in ("1e9", "-1")
    ]
    assert outputs[0] == outputs[1] == b"".join(b"%b:%d\n" % (os.fsencode(path), n % 7) for n, path in enumerate(paths))
    assert run("grep", "-c", "x", *paths)[1] == outputs[0]
