"""The suite under AddressSanitizer and UndefinedBehaviorSanitizer.

    python -m tools.proofs.asan                  all tests
    python -m tools.proofs.asan tests/kernels    some

Python's objects are allocated by malloc, so that a byte too many of a `bytes` is one. Leaks aren't looked for: CPython
keeps what modules have made. The sanitizers leave SIGSEGV and SIGBUS to the guard.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from .builds import Build, build

# Stacks of 32 KiB, because the sanitizers' frames are larger; resident and little memory, because they keep what was
# freed; forks in the middle of other threads' work, because the lock of their own allocator may be held in the child;
# sandboxes without what they need themselves; and what starts thousands of processes, of a second each.
LEFT_OUT = (
    "test_stacks", "test_drop_behind_bounds_resident_memory", "test_a_scan_beyond_memory",
    "little_memory", "test_constant_memory", "(test_thread_faults and forks)", "test_no_proc",
    "(test_a_sandbox and (sched_getaffinity or refused14))", "test_each_call_fails",
)  # fmt: skip

VARIABLES = {
    "ASAN_OPTIONS": "detect_leaks=0:handle_segv=0:handle_sigbus=0:use_sigaltstack=0:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "PYTHONMALLOC": "malloc",
}


def runtime() -> str:
    """The sanitizers' library, which has to come before Python's own, and what exceptions of C++ need behind it."""
    found = []
    for name in ("libasan.so", "libstdc++.so"):
        done = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
        if not Path(done.stdout.strip()).is_absolute():
            sys.exit(f"gcc has no {name}")
        found.append(str(Path(done.stdout.strip()).resolve()))
    return " ".join(found)


def see_a_byte_too_many(made: Build, variables: dict[str, str]) -> None:
    """Fails where the sanitizers aren't in the build, or don't work."""
    done = made.run("tools/proofs/touching.py", "--beyond", capture_output=True, **variables)
    if b"ERROR: AddressSanitizer: " not in done.stderr:
        sys.exit(f"AddressSanitizer doesn't see that a kernel reads beyond a block: {done.stderr.decode()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="*", help="what pytest is given")
    options, more = parser.parse_known_args()
    made = build("asan", FASTMMAP_SANITIZE="address,undefined")
    variables = {**VARIABLES, "LD_PRELOAD": runtime()}
    see_a_byte_too_many(made, variables)
    words = [
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "--dist",
        "worksteal",
        "-p",
        "no:cacheprovider",
        "-k",
        " and ".join(f"not {name}" for name in LEFT_OUT),
        *options.tests,
        *more,
    ]
    sys.exit(made.run(*words, **variables).returncode)


if __name__ == "__main__":
    main()
