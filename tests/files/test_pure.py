"""The package without extensions works. `.ci/run` builds it so, and runs the whole suite against it."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import fastmmap

PROBE = """
import fastmmap, fastmmap._backend as b, pathlib, sys
print(fastmmap.kernel, b.NATIVE, fastmmap.__file__)
path = pathlib.Path(sys.argv[1])
path.write_bytes(b"one two one")
print(fastmmap.count(path, b"one"), fastmmap.replace_file(path, b"one", b"three").count, path.read_bytes())
with fastmmap.Appender(path) as log:
    log.append(b" four")
with fastmmap.open(path) as m:
    print(m.find(b"four"), m.lines[0])
"""


def test_a_copy_without_extensions(tmp_path):
    package = pathlib.Path(fastmmap.__file__).parent
    shutil.copytree(package, tmp_path / "fastmmap", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FASTMMAP")}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, tmp_path / "text"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(tmp_path), "FASTMMAP_KERNEL": "python"},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"python False {tmp_path / 'fastmmap' / '__init__.py'}",
        "2 2 b'three two three'",
        "16 b'three two three four'",
    ]
