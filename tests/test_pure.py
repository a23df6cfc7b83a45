"""The package without extensions: a copy of its Python files passes the suite as well."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import fastmmap
from fastmmap._backend import NATIVE

TESTS = pathlib.Path(__file__).parent


@pytest.mark.skipif(not NATIVE, reason="this fastmmap has no extensions: the whole suite is this test")
def test_the_suite_without_extensions(tmp_path):
    package = pathlib.Path(fastmmap.__file__).parent
    shutil.copytree(package, tmp_path / "fastmmap", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    (tmp_path / "fastmmap" / "_no_extensions.py").write_text("")  # on purpose
    shutil.copytree(TESTS, tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__", "test_pure.py"))
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\npythonpath = . tests\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FASTMMAP")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    probe = "import fastmmap, fastmmap._backend as b; print(fastmmap.kernel, b.NATIVE, fastmmap.__file__)"
    done = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True,
                          env={**environment, "PYTHONPATH": str(tmp_path)})  # fmt: skip
    assert done.stdout.split() == ["python", "False", str(tmp_path / "fastmmap" / "__init__.py")]
