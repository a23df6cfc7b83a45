"""Each kernel that valgrind knows, appends, edits and faults under its memcheck. AVX-512 isn't known to it.

    python -m tools.proofs.memcheck               some cases: touching.py says what they are
    python -m tools.proofs.memcheck --long        many
    python -m tools.proofs.memcheck TEST ...      tests, by pytest, instead

Python's objects are allocated by malloc. An error counts if one of the package's extensions is in its stack: reads and
writes out of bounds, decisions by bytes that were never written, blocks freed twice. What is lost for good counts too.
"""

from __future__ import annotations

import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from .builds import ROOT

TOUCHING = str(Path(__file__).with_name("touching.py"))
CASES = {False: 40, True: 5000}


def is_ours(error: ElementTree.Element) -> bool:
    """Whether one of the package's extensions is in the stack, or in that of what it is about."""
    return any(re.search(r"/fastmmap/_\w+\.[^/]*$", each.text or "") for each in error.iter("obj"))


def shown(error: ElementTree.Element) -> str:
    """The kind of an error, and its stack."""
    frames = [
        f"    {frame.findtext('fn') or frame.findtext('ip')} ({Path(frame.findtext('obj') or '?').name})"
        for frame in error.iter("frame")
    ]
    return "\n".join([f"{error.findtext('kind')}: {error.findtext('what') or error.findtext('xwhat/text')}", *frames])


def under_memcheck(child: list[str]) -> tuple[str, list[ElementTree.Element]]:
    """What a run of Python has printed, and what memcheck has found in it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "valgrind", "-q", "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
            "--num-callers=30", "--xml=yes", f"--xml-file={folder}/%p.xml", sys.executable, *child,
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONMALLOC": "malloc", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        print(done.stdout, end="", flush=True)
        if done.returncode != 0:
            sys.exit(done.stderr[-3000:] or "what was to be tried has failed under valgrind")
        reports = [ElementTree.parse(path) for path in Path(folder).glob("*.xml")]
        return done.stdout, [error for report in reports for error in report.iter("error")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("tests", nargs="*")
    options = parser.parse_args()
    if not any(is_ours(error) for error in under_memcheck([TOUCHING, "--beyond"])[1]):
        sys.exit("memcheck doesn't see that a kernel reads beyond a block")
    child = [TOUCHING, str(CASES[options.long]), str(options.seed)]
    if options.tests:
        child = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *options.tests]
    output, errors = under_memcheck(child)
    ours = [error for error in errors if is_ours(error)]
    kinds = collections.Counter(error.findtext("kind") for error in errors if not is_ours(error))
    print(f"in CPython's and numpy's frames alone: {dict(kinds)}")
    if ours:
        sys.exit("\n".join(map(shown, ours)))
    did = re.search(r"\d+ (passed|answers)", output)
    print(f"{did[0] if did else 0} under memcheck, no error in the package's frames")


if __name__ == "__main__":
    main()
