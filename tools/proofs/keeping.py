"""Keeps what a proof has said in docs/proofs/, behind a header that says where and of what it was run."""

from __future__ import annotations

import datetime
import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import fastmmap

from .table import PROOFS, Proof

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "docs" / "proofs"
PAGE = KEPT / "index.md"
TABLE = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.S)


def cpu() -> str:
    """The CPU's model, as Linux and macOS say it."""
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
        return found[1] if found else platform.machine()
    except FileNotFoundError:
        asked = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True)
        return asked.stdout.strip() or platform.machine()


def commit() -> str:
    """The checkout's commit, and whether it is changed."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    changed = git("status", "--porcelain", "--", "src", "fastmmap", "tests", "tools", "setup.py", "pyproject.toml")
    return git("rev-parse", "--short=12", "HEAD") + (", changed" if changed else "")


def header(proof: Proof, long: bool, seconds: float) -> str:
    """What has to be known about a run."""
    system = f"{platform.system()} {platform.release()}, {os.cpu_count()} CPUs, {platform.libc_ver()[0] or 'no glibc'}"
    length = "--long" if long else "--short"
    command = shlex.join(["python", *proof.command(long)[2:]])
    lines = {
        "date": f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}, {seconds:.0f} s",
        "commit": commit(),
        "command": f"python -m tools.proofs {length} {proof.name}",
        "which runs": command,
        "CPU": cpu(),
        "kernels": " ".join(fastmmap.kernels()),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "OS": system,
    }
    return "".join(f"{name + ':':12}{text}\n" for name, text in lines.items()) + "\n"


def cleaned(output: str) -> str:
    """The output without paths of this machine."""
    places = {str(ROOT): ".", sys.prefix: "$PREFIX", tempfile.gettempdir(): "$TMPDIR", str(Path.home()): "~"}
    for place in sorted(places, key=len, reverse=True):
        output = re.sub(rf"(?<![\w.]){re.escape(place)}(?![\w.])", places[place], output)
    return "".join(line.rstrip() + "\n" for line in output.splitlines())


def keep(proof: Proof, long: bool, output: str, seconds: float) -> None:
    """Writes a proof's output, and brings the page's table up to date."""
    KEPT.mkdir(exist_ok=True)
    (KEPT / f"{proof.name}.txt").write_text(header(proof, long, seconds) + cleaned(output))
    PAGE.write_text(with_table(PAGE.read_text()))


def with_table(page: str) -> str:
    """The page with a row for each proof: its figure is that of the kept output."""
    rows = ["| proof | what it shows | what was checked |\n|---|---|---|\n"]
    for proof in PROOFS.values():
        path = KEPT / f"{proof.name}.txt"
        if path.exists():
            text = path.read_text()
            length = "long, " if "--long" in text[: text.index("\n\n")] else ""
            date = re.search(r"^date: +([\d-]+)", text, re.M)[1]
            rows.append(
                f"| [{proof.name}]({proof.name}.txt) | {proof.shows} | {proof.figure(text)} ({length}{date}) |\n"
            )
        else:
            rows.append(f"| {proof.name} | {proof.shows} | not kept yet |\n")
    return TABLE.sub(lambda match: "\n" + "".join(rows) + "\n", page)
