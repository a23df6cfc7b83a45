"""Some cases of each fuzz target, always the same; and what becomes of a case that fails."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from support.marks import beside_the_tools

from fastmmap import _backend

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.any_kernel,
    pytest.mark.skipif(sys.platform != "linux", reason="the targets leave what a killed process leaves on Linux"),
    pytest.mark.skipif(not _backend.NATIVE, reason="what is tried are kernels"),
    beside_the_tools,
]


@pytest.fixture(autouse=True)
def _tools(monkeypatch):
    if not (ROOT / "tools" / "fuzz").is_dir():
        pytest.skip("the tools aren't here")
    monkeypatch.syspath_prepend(ROOT)


def fuzz(*arguments):
    command = [sys.executable, "-m", "tools.fuzz", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("target", ["search", "patterns", "many", "replace", "journal", "stages", "lines"])
def test_some_cases(target, tmp_path):
    status, said = fuzz(target, "--cases", 200, "--seed", 1, "--engine", "random", "--found", tmp_path)
    assert status == 0, said
    assert " 200 cases in " in said
    assert list(tmp_path.iterdir()) == []


def test_each_target_is_tried():
    from tools.fuzz import engines

    folder = ROOT / "tools" / "fuzz"
    targets = {path.stem for path in folder.glob("*.py") if "\ndef case(rng" in path.read_text()}
    assert targets == set(engines.TARGETS)


def test_a_case_that_fails(tmp_path):
    """It is found, made shorter, kept, and fails again."""
    from tools.fuzz import engines
    from tools.fuzz.drawn import Drawn

    def check(data):
        drawn = Drawn(data)
        if [drawn.randrange(4) for _ in range(3)] == [1, 2, 3]:
            raise AssertionError(data)

    tried = []
    with pytest.raises(AssertionError):
        engines.at_random(check, 1, 60, None, lambda number, data: tried.append((number, data)))
    number, data = tried[-1]
    assert number == len(tried) > 1
    shorter = engines.shrunk(check, data)
    assert len(shorter) <= len(data)
    path = engines.keep("search", shorter, tmp_path)
    assert path.parent == tmp_path
    with pytest.raises(AssertionError):
        check(path.read_bytes())


def test_a_crash_leaves_its_case(tmp_path):
    from tools.fuzz import engines

    current = engines.Current(tmp_path / "current")
    current.note(7, b"the case")
    assert engines.Current.read(tmp_path / "current") == (7, b"the case")


def test_numbers_are_what_the_bytes_decide():
    from tools.fuzz.drawn import Drawn

    data = random.Random(5).randbytes(1000)
    first, again, shorter = Drawn(data), Drawn(data), Drawn(data[:100])
    drawn = [first.random() for _ in range(50)]
    assert drawn == [again.random() for _ in range(50)] == [shorter.random() for _ in range(50)]
    assert all(0 <= number < 1 for number in drawn)
    behind = [shorter.random() for _ in range(50)]
    assert len(set(behind)) > 40
    assert Drawn(b"\1\2\3").randbytes(3) == b"\1\2\3"
    assert {Drawn(bytes([byte])).randrange(4) for byte in range(256)} == {0, 1, 2, 3}


def test_what_has_tried_nothing_has_failed(tmp_path):
    status, said = fuzz("search", "--cases", 0, "--engine", "random", "--found", tmp_path)
    assert status == 1
    assert "has tried nothing" in said
