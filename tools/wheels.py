"""Builds the source distribution, from it a wheel for every CPython found, and runs the suite against each wheel.

    python tools/wheels.py [VERSION ...]        as in 3.10 3.13; without any, those of 3.10 to 3.13 that are found

CPythons are looked for on PATH, and in ~/.pyenv. Each wheel is installed in an environment of its own, and tested from
an empty folder, so that nothing but the wheel is tested. The distributions are left in dist/.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.10", "3.11", "3.12", "3.13")


def run(*command: str | Path, cwd: Path) -> None:
    print("+", *command, flush=True)
    subprocess.run([str(word) for word in command], cwd=cwd, check=True)


def find_python(version: str) -> Path | None:
    """An interpreter of a version that runs: pyenv puts a stand-in on PATH even for those it doesn't have."""
    installed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [Path(found)] if (found := shutil.which(f"python{version}")) else []
    candidates += sorted(installed.glob(f"{version}.*/bin/python"), reverse=True)
    probe = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    for python in candidates:
        done = subprocess.run([python, "-c", probe], capture_output=True, text=True)
        if done.returncode == 0 and done.stdout.strip() == version:
            return python
    return None


def environment(python: Path, folder: Path) -> Path:
    """A new virtual environment's bin folder."""
    run(python, "-m", "venv", folder, cwd=folder.parent)
    run(folder / "bin" / "pip", "install", "-q", "-U", "pip", cwd=folder.parent)
    return folder / "bin"


def build_sdist(folder: Path) -> Path:
    venv.create(folder / "build", with_pip=True)
    run(folder / "build" / "bin" / "pip", "install", "-q", "build", cwd=folder)
    run(folder / "build" / "bin" / "python", "-m", "build", "-q", "--sdist", "--outdir", folder, ROOT, cwd=folder)
    (sdist,) = folder.glob("*.tar.gz")
    return sdist


def test_wheel(python: Path, sdist: Path, sources: Path, folder: Path) -> Path:
    """Builds a wheel from the source distribution and runs the suite against it."""
    bin_folder = environment(python, folder / "venv")
    run(bin_folder / "pip", "wheel", "-q", "--no-deps", "-w", folder, sdist, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    run(bin_folder / "pip", "install", "-q", f"{wheel}[test]", cwd=folder)
    empty = folder / "empty"
    empty.mkdir()
    run(bin_folder / "pytest", "-q", "-c", sources / "pyproject.toml", sources / "tests", cwd=empty)
    return wheel


def main(versions: list[str]) -> int:
    pythons = {version: find_python(version) for version in versions or VERSIONS}
    missing = [version for version, python in pythons.items() if python is None]
    if missing:
        print(f"not on this machine: CPython {', '.join(missing)}")
    if (versions and missing) or len(missing) == len(pythons):
        return 1
    (ROOT / "dist").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fastmmap-wheels-") as temporary:
        folder = Path(temporary)
        sdist = build_sdist(folder)
        shutil.copy(sdist, ROOT / "dist")
        with tarfile.open(sdist) as archive:
            archive.extractall(folder / "sources", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        (sources,) = (folder / "sources").iterdir()
        for version, python in pythons.items():
            if python is not None:
                (folder / version).mkdir()
                shutil.copy(test_wheel(python, sdist, sources, folder / version), ROOT / "dist")
                print(f"CPython {version}: the wheel passes the suite", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
