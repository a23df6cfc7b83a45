"""Tests under valgrind's memcheck, with each kernel that valgrind knows: AVX-512 isn't one.

    python -m tools.proofs.memcheck               tests of the kernels and of truncated files
    python -m tools.proofs.memcheck --long        more of them: an hour and more
    python -m tools.proofs.memcheck TEST ...      what pytest is given

Python's objects are allocated by malloc. An error counts if one of the package's extensions is in its stack: reads and
writes out of bounds, decisions by bytes that were never written, blocks freed twice, and blocks lost for good.
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

SHORT = (
    "tests/kernels/test_search.py", "tests/kernels/test_many.py", "tests/kernels/test_lines.py",
    "tests/kernels/test_replace.py", "tests/kernels/test_pairs.py", "tests/kernels/test_append.py",
    "tests/kernels/test_memory.py",
)  # fmt: skip
LONG = ("tests/kernels", "tests/guard", "tests/files/test_mapped.py", "tests/files/test_indexes.py")
# Limits of memory and of stacks are those of valgrind itself here, and what waits for a clock waits too long.
LEFT_OUT = "not limit and not stack and not deadline and not thread_faults"


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("tests", nargs="*")
    options, more = parser.parse_known_args()
    tests = options.tests or (LONG if options.long else SHORT)
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "valgrind", "-q", "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
            "--num-callers=30", "--xml=yes", f"--xml-file={folder}/%p.xml",
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:faulthandler",
            "-k", LEFT_OUT, *tests, *more,
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONMALLOC": "malloc", "FASTMMAP_KERNEL": "avx2", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        print(done.stdout, end="")
        passed = re.search(r"^(\d+) passed", done.stdout, re.M)
        if done.returncode != 0 or not passed:
            sys.exit(done.stderr[-3000:] or "the tests have failed under valgrind")
        errors = [error for path in Path(folder).glob("*.xml") for error in ElementTree.parse(path).iter("error")]
    ours = [error for error in errors if is_ours(error)]
    kinds = collections.Counter(error.findtext("kind") for error in errors if error not in ours)
    print(f"of others: {dict(kinds)}")
    if ours:
        sys.exit("\n".join(map(shown, ours)))
    print(f"{passed[1]} tests under memcheck, no error in the package's frames")


if __name__ == "__main__":
    main()
