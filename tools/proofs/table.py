"""The proofs: what each shows, what it runs, and what its output says that it has checked."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Proof:
    """One script, `runs` being what Python is given to run it, and the arguments of its short and its long run.

    Each pattern of `checked` must match in the output, and each number that it captures must not be zero: a proof that
    has checked nothing has failed. What they match is the proof's figure.
    """

    name: str
    shows: str
    runs: str
    checked: tuple[str, ...]
    short: tuple[str, ...] = ()
    long: tuple[str, ...] = ("--long",)

    def command(self, long: bool) -> list[str]:
        """What is run, from the folder of the checkout."""
        return [sys.executable, "-u", *self.runs.split(), *(self.long if long else self.short)]

    def figure(self, output: str) -> str:
        """What the output says that was checked. ValueError where it doesn't, or where that is nothing."""
        found = []
        for pattern in self.checked:
            matches = list(re.finditer(pattern, output, re.M))
            if not matches:
                raise ValueError(f"{self.name}: nothing in the output is {pattern!r}")
            for match in matches:
                if any(int(number.replace(",", "")) == 0 for number in match.groups()):
                    raise ValueError(f"{self.name}: nothing was checked: {match[0]}")
                found.append(match[0])
        return "; ".join(found)


PROOFS = {
    proof.name: proof
    for proof in (
        # --- kills ---
        Proof(
            "append_steps",
            "an appender may die before, in or after each system call of a drain: each record is there once",
            "tools/append_steps.py",
            (r"(\d+) runs, (\d+) kills, (\d+) records",),
        ),
        Proof(
            "append_kills",
            "processes that append are killed at any time: what was acknowledged is there once, whole, in order",
            "tools/append_kills.py",
            (r"(\d+) kills, (\d+) records acknowledged",),
        ),
        Proof(
            "append_kills_rotated",
            "the same while the log is renamed, removed and replaced",
            "tools/append_kills.py",
            (r"(\d+) kills, (\d+) records acknowledged", r"'renamed': (\d+)", r"'removed': (\d+)"),
            ("--rotations",),
            ("--rotations", "--long"),
        ),
        Proof(
            "append_crowd",
            "several processes, two threads in each, append to one log: nothing is lost, doubled or torn",
            "tools/append_crowd.py",
            (r"(\d+) processes of (\d+) records",),
        ),
        Proof(
            "handler_kills",
            "processes that log to one file, and rotate it, are killed: each record is there once",
            "tools/handler_kills.py",
            (r"(\d+) kills, (\d+) records acknowledged, (\d+) files",),
        ),
        Proof(
            "edit_kills",
            "processes that edit a file are killed: it is the old one or the new one",
            "tools/edit_kills.py",
            (r"(\d+) kills between (\d+) edits",),
        ),
        Proof(
            "in_place_kills",
            "edits in place are killed, or lose the machine's power, until they are done: the bytes are those of `re`",
            "tools/in_place_kills.py",
            (
                r"(\d+) kills at steps of (\d+) edits",
                r"(\d+) power losses of (\d+) edits",
                r"(\d+) kills of processes \(\d+ before the first byte\) in (\d+) edits, (\d+) times half done",
            ),
        ),
        # --- faults and threads ---
        Proof(
            "truncation_races",
            "a file is cut under running kernels, again and again: an answer or a MappedFileError, never a death",
            "tools/truncation_races.py",
            (r"(\d+) faults and (\d+) answers of (\d+) kinds of calls",),
        ),
        Proof(
            "thread_faults",
            "interrupts, forks, nested calls and missing threads in the middle of large calls: right, or the error",
            "tools/thread_faults.py",
            (r"^\w+: (\d+) cases$",),
        ),
        Proof(
            "thread_stress",
            "many threads search, iterate, close, append, resize and edit, all on the same objects: right answers",
            "tools/thread_stress.py",
            (r"(\d+) calls of (\d+) kinds by (\d+) threads, 0 faults: .*",),
            long=("--seconds", "600"),
        ),
        # --- answers ---
        Proof(
            "search_long",
            "every text and needle of two letters up to a length, and random ones: the answers are those of `bytes`",
            "tools/search_long.py",
            (r"(\d+) random cases", r"(\d+) exhaustive cases"),
        ),
        Proof(
            "many_long",
            "random sets of needles and pairs, on every kernel: the answers are those of the definition",
            "tools/many_long.py",
            (r"(\d+) cases with (\d+) matches",),
        ),
        Proof(
            "lines_long",
            "a file whose every line is known: lines, offsets and numbers by an index, a saved one too",
            "tools/lines_long.py",
            (r"([\d,]+) lines, [\d,]+ MB", r"([\d,]+) lines as they should be"),
            long=("--lines", "200000000"),
        ),
        Proof(
            "worst_case",
            "needles made to cost much, of 2 to 4096 bytes: none takes many times as long by byte as a plain scan",
            "tools/worst_case.py",
            (r"(\d+) cases, none of which takes .*",),
            long=(),
        ),
        Proof(
            "fuzz",
            "cases at random, or by what they cover: searches, edits, journals, stages, indexes, and the scans in C",
            "-m tools.fuzz",
            (r"^\w+ +([\d,]+) cases in \d+ s .*",),
            long=("--seconds", "9600"),
        ),
        # --- the code ---
        Proof(
            "asan",
            "the suite under AddressSanitizer and UndefinedBehaviorSanitizer",
            "-m tools.proofs.asan",
            (r"(\d+) passed.*",),
            ("tests/kernels", "tests/guard"),
            (),
        ),
        Proof(
            "tsan",
            "the same under ThreadSanitizer: no report is about fastmmap",
            "-m tools.proofs.tsan",
            (r"(\d+) calls of (\d+) kinds by (\d+) threads, 0 faults: .*", r"\d+ reports of ThreadSanitizer, 0 of .*"),
            long=("--seconds", "600"),
        ),
        Proof(
            "memcheck",
            "kernels, appends, edits and faults under valgrind: no byte out of bounds, none read before it is written",
            "-m tools.proofs.memcheck",
            (r"(\d+) (?:passed|answers) under memcheck, .*",),
        ),
        Proof(
            "coverage",
            "which lines of Python, Cython and C the suite reaches",
            "-m tools.proofs.lines_reached",
            (r"^(?:Python|Cython|C|in all): .*?% of (\d+) lines",),
            long=(),
        ),
        Proof(
            "soak",
            "each public entry point is called again and again: memory, descriptors, threads and references stay",
            "-m tools.proofs.soak",
            (r"([\d,]+) entry points, ([\d,]+) calls in \d+ s: all flat",),
            short=("--calls", "2000"),
            long=(),
        ),
        Proof(
            "instructions",
            "instructions of the hot kernels by byte, and of small calls by call: none above its stored ceiling",
            "-m tools.proofs.instructions",
            (r"(\d+) counts on (\d+) kernels, .*",),
            long=(),
        ),
    )
}
