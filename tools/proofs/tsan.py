"""Many threads on the same objects under ThreadSanitizer: none of its reports is about the code of fastmmap.

    python -m tools.proofs.tsan                            with this Python, whose GIL orders much of what threads do
    python -m tools.proofs.tsan --python PATH              with one that is built without the GIL for the sanitizer
    python -m tools.proofs.tsan --seconds 600 --only Appending

The first shows the native threads of large calls, the guard and the stages. The second shows all. For it build CPython
by `./configure --disable-gil --with-thread-sanitizer CC=clang`, and make Cython, setuptools and numpy importable by it;
what compiles the extensions is what has compiled it. numpy itself isn't looked into.

Each report is about two accesses. It is ours where one of them is made by our code, or by what libc does for it. Others
are counted by the functions that made them: CPython's own counters of exports and the like.
"""

from __future__ import annotations

import argparse
import collections
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from .builds import build

OPTIONS = "exitcode=0:halt_on_error=0:handle_segv=0:handle_sigbus=0:report_thread_leaks=0:history_size=4"

# What stands at the top of a stack, but is called by whom the access is about.
CALLED = re.compile(
    r"^(?:__tsan_|__interceptor_|mem(?:cpy|move|set|chr|rchr|cmp)|free|malloc|realloc|calloc|close|pread|write|fstat)"
)
# Where glibc keeps thread-local variables: freed by another thread when theirs has ended. The sanitizer isn't told.
OF_ENDED_THREADS = re.compile(r"_dl_deallocate_tls$|^allocate_dtv")
ACCESS = re.compile(r"^ +(?:Previous )?(?:atomic )?(?:read|write) of size \d+", re.M | re.I)
FRAME = re.compile(r"^ +#\d+ (\S+) (.*)$", re.M)


def runtime() -> str:
    """The sanitizer's library, which has to be there before Python is, where Python isn't built with it."""
    done = subprocess.run(["gcc", "-print-file-name=libtsan.so"], capture_output=True, text=True, check=True)
    if not Path(done.stdout.strip()).is_absolute():
        sys.exit("gcc has no libtsan.so")
    return str(Path(done.stdout.strip()).resolve())


def accesses(report: str, extensions: list[str]) -> list[tuple[str, bool]]:
    """The function that has made each of the accesses of a report, and whether it is of one of our extensions."""
    made = []
    for part in re.split(r"\n\n+", report):
        if ACCESS.search(part):
            frames = [(function, place) for function, place in FRAME.findall(part) if not CALLED.match(function)]
            if frames:
                function, place = frames[0]
                made.append((function, any(f"{name}+0x" in place for name in extensions)))
    return made


def judge(folder: Path, extensions: list[str]) -> tuple[int, list[str], collections.Counter[str]]:
    """How many reports there are, those that are ours, and the functions that the others are about."""
    number, ours, others = 0, [], collections.Counter()
    for path in sorted(folder.iterdir()):
        for report in path.read_text(errors="replace").split("==================\n"):
            if "WARNING: ThreadSanitizer" not in report:
                continue
            number += 1
            made = accesses(report, extensions)
            is_of_ended = any(OF_ENDED_THREADS.search(function) for function, _ in made)
            if not made or (any(is_ours for _, is_ours in made) and not is_of_ended):
                ours.append(report)
            else:
                others[" and ".join(sorted({function for function, _ in made}))] += 1
    return number, ours, others


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="the Python to run; this one, if none is named")
    parser.add_argument("--seconds", default="40", help="about so long, besides the build")
    parser.add_argument("--only", action="append", default=[], help="one arena of tools/thread_stress.py")
    options = parser.parse_args()
    asked = "import sysconfig; print(sysconfig.get_config_var('CONFIG_ARGS'))"
    done = subprocess.run([options.python, "-c", asked], capture_output=True, text=True, check=True)
    is_built_for_it = "--with-thread-sanitizer" in done.stdout
    made = build("tsan-of-another" if is_built_for_it else "tsan", options.python, FASTMMAP_SANITIZE="thread")
    with tempfile.TemporaryDirectory() as folder:
        variables = {"TSAN_OPTIONS": f"{OPTIONS}:log_path={folder}/report"}
        if not is_built_for_it:
            if sysconfig.get_config_var("Py_GIL_DISABLED"):
                sys.exit(
                    "without the GIL, Python itself must be built for the sanitizer: else it sees none of its locks"
                )
            variables["LD_PRELOAD"] = runtime()
        words = ["tools/thread_stress.py", "--seconds", options.seconds]
        for name in options.only:
            words += ["--only", name]
        status = made.run(*words, **variables).returncode
        number, ours, others = judge(Path(folder), [path.name for path in (made.source / "fastmmap").glob("_*.so")])
    for names, times in others.most_common():
        print(f"{times:6} reports about {names}")
    for report in ours:
        print(report)
    print(f"{number} reports of ThreadSanitizer, {len(ours)} of them about fastmmap")
    if status or ours:
        sys.exit(1)


if __name__ == "__main__":
    main()
