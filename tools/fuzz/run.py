"""Runs targets one after the other, each in a process of its own, and says what was tried and what was found."""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tools.fuzz import engines, scan

sys.path.insert(0, str(scan.ROOT / "tests"))

ALL = (*engines.TARGETS, "scan")

_RUNS, _COVERED = re.compile(r"^(?:Done |#)(\d+)", re.M), re.compile(r"\bcov: (\d+)")


@dataclass
class Result:
    """What came of one target."""

    target: str
    engine: str
    cases: int
    seconds: float
    covered: str = ""
    fault: str = ""

    def __str__(self) -> str:
        rate = self.cases / max(self.seconds, 0.001)
        line = f"{self.target:9} {self.cases:>10,} cases in {self.seconds:.0f} s ({rate:,.0f}/s), engine {self.engine}"
        if self.covered:
            line += f", {int(self.covered):,} places covered"
        return f"{line}\n{self.fault}" if self.fault else line


def run(target: str, engine: str, options: tuple[int, float, int | None], found: Path) -> Result:
    """Tries cases of one target."""
    seed, seconds, cases = options
    with tempfile.TemporaryDirectory(dir=_memory()) as name:
        folder = Path(name)
        environment = None
        if target == "scan":
            built = scan.build(folder)
            if built is None:
                return Result(target, "none", 0, 0, fault="there is no C compiler")
            program, engine = built
            command, environment = scan.command(program, engine, (seed, seconds), found), scan.environment()
        else:
            command = [sys.executable, "-m", "tools.fuzz", target, "--engine", engine, "--child", name]
            command += ["--seed", str(seed), "--seconds", str(seconds), "--found", str(found)]
            command += [] if cases is None else ["--cases", str(cases)]
        log, began = folder / "log", time.monotonic()
        with log.open("wb") as output:
            child = subprocess.Popen(command, cwd=scan.ROOT, stdout=output, stderr=output, env=environment)
            status = _wait(child, folder / "current", began + seconds + 2 * engines.PATIENCE)
        result = Result(target, engine, 0, time.monotonic() - began)
        _look(result, status, folder, found)
        return result


def _wait(child: subprocess.Popen[bytes], current: Path, end: float) -> int:
    """The status of a child, which is killed where it hangs."""
    seen, since = b"", time.monotonic()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(1)
        with contextlib.suppress(FileNotFoundError), current.open("rb") as file:
            if (head := file.read(engines.HEAD.size)) != seen:
                seen, since = head, time.monotonic()
        if time.monotonic() > (since + engines.PATIENCE if seen else end):
            child.kill()
            child.wait()
            return -signal.SIGALRM


def _look(result: Result, status: int, folder: Path, found: Path) -> None:
    """What a child has left."""
    said, data = (folder / "log").read_text(errors="replace"), b""
    result.cases = max(map(int, _RUNS.findall(said)), default=0)
    result.covered = (_COVERED.findall(said) or [""])[-1]
    current = folder / "current"
    if current.exists():
        if result.target == "scan":
            data = current.read_bytes()
        else:
            result.cases, data = engines.Current.read(current)
    if status:
        if status < 0 and data and "found:" not in said:
            said += f"found: {engines.keep(result.target, data, found)}\n"
        why = f"signal {-status}" if status < 0 else f"status {status}"
        result.fault = "\n".join([*said.splitlines()[-60:], f"{result.target} failed ({why})"])
    elif not result.cases:
        result.fault = f"{said}\n{result.target} has tried nothing"


def _memory() -> str | None:
    """Where files are in memory, if there is such a place."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def again(target: str, path: Path) -> None:
    """Tries a case that was kept."""
    with tempfile.TemporaryDirectory(dir=_memory()) as name:
        if target == "scan":
            built = scan.build(Path(name))
            sys.exit("there is no C compiler" if built is None else subprocess.run([built[0], path]).returncode)
        engines.check_of(target, Path(name))(path.read_bytes())
    print(f"{path}: nothing was found")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description="Fuzzes targets, which share the time.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one of {', '.join(ALL)}; all by default")
    parser.add_argument("--seconds", type=float, default=60, help="for all of them together")
    parser.add_argument("--cases", type=int, help="so many of each target in Python, however long that takes")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--engine", choices=("auto", "atheris", "random"), default="auto")
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"), help="the folder for cases that fail")
    parser.add_argument("--again", type=Path, metavar="FILE", help="only that case, which was found")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    targets = options.targets or list(ALL)
    if unknown := set(targets) - set(ALL):
        parser.error(f"no target: {', '.join(sorted(unknown))}")
    if options.again is not None:
        if len(targets) != 1:
            parser.error("--again needs the one target whose case it is")
        return again(targets[0], options.again)
    engine = options.engine
    if engine == "auto":
        engine = "atheris" if engines.has_atheris() else "random"
    found = options.found.absolute()
    each = options.seed, options.seconds / len(targets), options.cases
    if options.child is not None:
        child = engines.run_atheris if engine == "atheris" else engines.run_random
        return child(targets[0], options.child, (options.seed, options.seconds, options.cases), found)
    found.mkdir(parents=True, exist_ok=True)
    print(f"seed {options.seed}, {each[1]:.0f} s for each of {len(targets)} targets", flush=True)
    faults = 0
    for target in targets:
        result = run(target, engine, each, found)
        print(result, flush=True)
        faults += bool(result.fault)
    sys.exit(1 if faults else 0)
