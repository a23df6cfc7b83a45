"""Counts the instructions of the hot kernels, under callgrind, against a stored ceiling.

    python -m tools.proofs.instructions             compares with tools/proofs/instructions.json
    python -m tools.proofs.instructions --update    writes it anew

What is counted is what the package's own extensions run, without Python and libc: it is the same on each machine that
has the kernel, if the compiler is the same. Where it is another one, the ceiling is higher. Needles made to cost much
are counted in a text and in one twice as long.
"""

from __future__ import annotations

import argparse
import collections
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from .builds import ROOT

STORED = Path(__file__).with_name("instructions.json")
MARGIN, OF_ANOTHER_COMPILER = 1.03, 1.5
GROWTH = 1.2  # times the instructions by byte for twice the text: 1 is linear, 2 quadratic


def compiler() -> str:
    """The one that has made the extensions, which is named in them."""
    from fastmmap import _search

    found = re.search(
        rb"GCC: \([^)]*\) [\d.]+|(?:Apple |Debian )?clang version [\d.]+", Path(_search.__file__).read_bytes()
    )
    return found[0].decode() if found else "unknown"


def own_instructions(dump: str) -> int:
    """The instructions of a dump of callgrind that are in the package's extensions, without those that they call."""
    names: dict[str, str] = {}
    total, ours, called = 0, False, False
    for line in dump.splitlines():
        if match := re.match(r"(c?ob)=(\(\d+\))(?: (.+))?$", line):
            if match[3]:
                names[match[2]] = match[3]
            if match[1] == "ob":
                ours = re.search(r"/fastmmap/_\w+\.[^/]*$", names[match[2]]) is not None
        elif line.startswith("calls="):
            called = True  # the next line is the cost of what is called
        elif re.match(r"[+*\d-]", line):
            if ours and not called:
                total += int(line.split()[1])
            called = False
    return total


def count() -> dict[str, dict[str, float]]:
    """Instructions by kernel and case: by byte, or by call."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "callgrind.so"
        source = Path(__file__).with_name("callgrind.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
        options = [f"--callgrind-out-file={folder}/out", "--instr-atstart=no", "--combine-dumps=no"]
        child = [sys.executable, Path(__file__).with_name("counting.py"), library]
        command = ["valgrind", "--tool=callgrind", "-q", *options, *child]
        environment = {
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": str(ROOT),
            "PATH": "/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stdout + done.stderr)
        found: dict[str, dict[str, float]] = collections.defaultdict(dict)
        for path in Path(folder).glob("out.*"):
            dump = path.read_text()
            if match := re.search(r"^desc: Trigger: Client Request: (\w+)\|(\d+)\|(.+)$", dump, re.M):
                found[match[1]][match[3]] = float(f"{own_instructions(dump) / int(match[2]):.4g}")
    return found


def dearest(counts: dict[str, dict[str, float]]) -> dict[str, list[tuple[float, str]]]:
    """The needle made to cost much that takes most by byte, in a text and in twice that, by verb.

    Each alone may take more in the longer text, or less: another sample of it chooses other bytes to look for.
    """
    found: dict[str, list[tuple[float, str]]] = {}
    for cases in counts.values():
        hard = [name for name in cases if name.startswith("hard ")]
        for name in hard:
            _, verb, size, label = name.split(" ", 3)
            row = (cases.pop(name), label)
            rows = found.setdefault(verb, [(0.0, ""), (0.0, "")])
            rows[size == "twice"] = max(rows[size == "twice"], row)
    return found


def compare(counts: dict[str, dict[str, float]], stored: dict[str, dict[str, float]], margin: float) -> list[str]:
    """Prints a row for each case, and returns those that are above the ceiling or aren't stored."""
    wrong = []
    for case in next(iter(counts.values())):
        print(f"{case:34}", *(f"{cases[case]:>10.4g}" for cases in counts.values()))
    for kernel, cases in counts.items():
        for case, number in cases.items():
            ceiling = stored.get(kernel, {}).get(case, 0) * margin
            if number > ceiling:
                wrong.append(f"{kernel}: {case}: {number:.4g} instructions, and {ceiling:.4g} is the most")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="store what is counted")
    options = parser.parse_args()
    counts, made_by = count(), compiler()
    hard_cases = sum(name.startswith("hard ") for cases in counts.values() for name in cases)
    hard = dearest(counts)
    if not counts or not hard:
        sys.exit("nothing was counted")
    if options.update:
        STORED.write_text(json.dumps({"compiler": made_by, "counts": counts}, indent=2, sort_keys=True) + "\n")
    stored = json.loads(STORED.read_text())
    same = made_by == stored["compiler"]
    margin = MARGIN if same else OF_ANOTHER_COMPILER
    print(f"compiled by {made_by}; the ceiling was counted with {stored['compiler']}, and is {margin} times that")
    print(f"{'instructions by byte, or by call':34}", *(f"{kernel:>10}" for kernel in counts))
    wrong = compare(counts, stored["counts"], margin)
    for verb, (once, twice) in hard.items():
        times = twice[0] / once[0]
        print(f"{verb}: the dearest needle takes {once[0]:.3g} by byte ({once[1]}), "
              f"and in twice the text {twice[0]:.3g} ({twice[1]})")  # fmt: skip
        if times > GROWTH:
            wrong.append(f"{verb}: {times:.2f} times the instructions by byte for twice the text")
    if wrong:
        sys.exit("\n".join(wrong))
    number = sum(map(len, counts.values()))
    print(f"{number} counts on {len(counts)} kernels, none above its ceiling; {hard_cases} hard cases, "
          f"of which the dearest take no more by byte in twice the text")  # fmt: skip


if __name__ == "__main__":
    main()
