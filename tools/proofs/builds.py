"""Builds of the package for one proof: a copy of the checkout's files, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Build:
    """`source` has the copy, with the extensions in it, which were built for `python`."""

    source: Path
    python: str = sys.executable

    def run(
        self, *words: str | Path, wrapper: tuple[str, ...] = (), capture_output: bool = False, **variables: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs that Python on the copy, behind what wraps it."""
        environment = {**os.environ, "PYTHONPATH": str(self.source), **variables}
        command = [*wrapper, self.python, *map(str, words)]
        return subprocess.run(command, cwd=self.source, env=environment, capture_output=capture_output)


def copy_to(source: Path) -> None:
    """Brings the copy up to date. What hasn't changed isn't touched, so that it isn't compiled again."""
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    names = {name for name in listed if name and (ROOT / name).is_file()}
    copied = source.parent / "copied"
    for name in set(copied.read_text().split("\n") if copied.exists() else ()) - names:
        (source / name).unlink(missing_ok=True)
    for name in names:
        new, old = ROOT / name, source / name
        if not old.exists() or old.read_bytes() != new.read_bytes():
            old.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(new, old)
    copied.write_text("\n".join(sorted(names)))


def build(name: str, python: str = sys.executable, **variables: str) -> Build:
    """Builds a copy with these variables of setup.py, in `.cache/proofs/`, by what is installed beside a Python."""
    source = ROOT / ".cache" / "proofs" / name / "source"
    source.mkdir(parents=True, exist_ok=True)
    copy_to(source)
    print("building with", *(f"{variable}={value}" for variable, value in variables.items()), flush=True)
    done = subprocess.run(
        [python, "setup.py", "-q", "egg_info", "build_ext", "--inplace"],
        cwd=source,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        sys.exit(done.stdout[-5000:] + done.stderr[-5000:])
    return Build(source, python)
