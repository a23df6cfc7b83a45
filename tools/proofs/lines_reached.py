"""The lines of Python, Cython and C that the suite reaches, and the files with the lowest shares.

    python -m tools.proofs.lines_reached                  the whole suite
    python -m tools.proofs.lines_reached tests/kernels    some of it
    python -m tools.proofs.lines_reached --missing src/_search.pyx ...    which lines of these weren't, last time

Needs the extra `proofs`. Python's lines are counted by coverage. Those of Cython and C are counted by gcov, in a build
without optimisation: Cython's C names the line that it was made from. That works below the GIL too, where Cython's own
tracing would have to take it. What a process had counted that is killed isn't in the figures.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from .builds import Build, build

LAYERS = {"Python": (".py",), "Cython": (".pyx", ".pxd", ".pxi"), "C": (".c", ".h")}
LOWEST = 5

# By file and line, whether it was reached.
Lines = dict[str, dict[int, bool]]


def compiled_lines(source: Path) -> Lines:
    """Those of Cython and C. A header's, or an included file's, are reached if they are in any extension."""
    notes = sorted(str(path.relative_to(source)) for path in source.glob("build/temp*/**/*.gcno"))
    asked = ["gcov", "--json-format", "--stdout", *notes]
    done = subprocess.run(asked, cwd=source, capture_output=True, text=True, check=True)
    found: Lines = {}
    for report in done.stdout.splitlines():
        for file in json.loads(report)["files"] if report.startswith("{") else ():
            name = os.path.normpath(os.path.relpath(source / file["file"], source))
            if name.startswith("src/") and not (name.startswith("src/_") and name.endswith(".c")):
                reached = found.setdefault(name, {})
                for line in file["lines"]:
                    number = line["line_number"]
                    reached[number] = reached.get(number, False) or line["count"] > 0
    return {name: of_code(source / name, lines) for name, lines in found.items()}


def of_code(path: Path, lines: dict[int, bool]) -> dict[int, bool]:
    """Those that have code. Some of what Cython adds behind a function is counted as lines behind it."""
    text = path.read_text().splitlines()
    return {
        number: reached
        for number, reached in lines.items()
        if number <= len(text) and text[number - 1].strip() and not text[number - 1].lstrip().startswith(("#", '"""'))
    }


def combine(source: Path) -> None:
    """Puts together what all processes have counted: coverage's own command ends at what a killed one has half written.

    Each process has left a database with a bit for each line of each file: tens of thousands of them, from all forks.
    """
    coverage = importlib.import_module("coverage")
    numbers = importlib.import_module("coverage.numbits").numbits_to_nums
    found: dict[str, int] = {}
    pieces = list(source.glob(".coverage.*"))
    for path in pieces:
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as data:
            for name, bits in data.execute("SELECT path, numbits FROM line_bits JOIN file ON file.id = file_id"):
                found[name] = found.get(name, 0) | int.from_bytes(bits, "little")
    whole = coverage.CoverageData(basename=str(source / ".coverage"))
    whole.erase()
    whole.add_lines(
        {name: numbers(bits.to_bytes(-(-bits.bit_length() // 8), "little")) for name, bits in found.items()}
    )
    whole.write()
    for path in pieces:  # which the reports would look into once more
        path.unlink()


def python_lines(source: Path) -> Lines:
    """Those of the package's modules."""
    combine(source)
    words = [sys.executable, "-m", "coverage", "json", "-q", "-o", "coverage.json"]
    subprocess.run(words, cwd=source, check=True, stdout=subprocess.DEVNULL)
    files = json.loads((source / "coverage.json").read_text())["files"]
    return {
        name: {**dict.fromkeys(file["executed_lines"], True), **dict.fromkeys(file["missing_lines"], False)}
        for name, file in files.items()
    }


def share(files: Lines) -> str:
    """How many of the lines were reached."""
    lines = [reached for file in files.values() for reached in file.values()]
    return f"{100 * sum(lines) / max(len(lines), 1):5.1f} % of {len(lines)} lines"


def report(files: Lines) -> None:
    """The figures, by layer and in all."""
    for layer, endings in LAYERS.items():
        those = {name: lines for name, lines in files.items() if name.endswith(endings) and lines}
        if not those:
            sys.exit(f"no line of {layer} was counted")
        print(f"{layer + ':':8}{share(those)}, in {len(those)} files")
        for name in sorted(those, key=lambda name: sum(those[name].values()) / len(those[name]))[:LOWEST]:
            print(f"        {share({name: those[name]}):24} {name}")
    print(f"{'in all:':8}{share(files)}")


def ranges(numbers: list[int]) -> str:
    """As in 3, 5-8."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in found)


def run_suite(made: Build, tests: list[str]) -> None:
    """Counts anew."""
    for path in (*made.source.glob(".coverage*"), *made.source.glob("build/temp*/**/*.gcda")):
        path.unlink()
    words = ["-q", "--tb=no", "-n", "2", "--dist", "worksteal", "-p", "no:cacheprovider", *tests]
    status = made.run("-m", "coverage", "run", "-m", "pytest", *words).returncode
    if status not in (0, 1):
        sys.exit(f"pytest: status {status}")
    if status:
        print(
            "What has failed is about time, tracing, or stacks of code that is not optimised; what was reached counts."
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--missing", nargs="+", metavar="FILE", help="don't run; print the lines that weren't reached")
    options, tests = parser.parse_known_args()
    made = build("coverage", FASTMMAP_COVERAGE="1")
    if not options.missing:
        run_suite(made, tests)
        (made.source.parent / "lines.json").write_text(
            json.dumps({**python_lines(made.source), **compiled_lines(made.source)})
        )
    stored = json.loads((made.source.parent / "lines.json").read_text())
    files: Lines = {name: {int(number): reached for number, reached in stored[name].items()} for name in stored}
    for name in options.missing or ():
        print(f"{name}: {ranges(sorted(number for number, reached in files[name].items() if not reached))}")
    if not options.missing:
        report(files)


if __name__ == "__main__":
    main()
