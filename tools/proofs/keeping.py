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
    """The last commit that has changed the package, and whether it is changed since."""

    def git(*words: str) -> str:
        command = ["git", *words, "--", "src", "fastmmap"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    return git("log", "-1", "--format=%h") + (", changed" if git("status", "--porcelain") else "")


def header(proof: Proof, long: bool, seconds: float) -> str:
    """What has to be known about a run."""
    release = ".".join(platform.release().split(".")[:2])
    libc = " ".join(platform.libc_ver()).strip() or "libc unknown"
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
        "OS": f"{platform.system()} {release}, {libc}, {os.cpu_count()} CPUs",
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
    write_page()


def write_page() -> None:
    """Brings the page's figures up to date."""
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
