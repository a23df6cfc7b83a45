"""A few calls of each public entry point: nothing is left over, and none is without a case."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.marks import beside_the_tools

from fastmmap import _backend

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.any_kernel,
    pytest.mark.skipif(sys.platform != "linux", reason="what a process takes is read in /proc"),
    pytest.mark.skipif(not _backend.NATIVE, reason="without the guard a truncated file ends the process"),
    beside_the_tools,
]


def run(*arguments):
    if not (ROOT / "tools").is_dir():
        pytest.skip("the tools aren't here")
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def test_each_entry_point_has_a_case():
    status, said = run("tools.proofs.soak", "--calls", "20")
    assert status == 0, said
    assert "all flat" in said
