"""Builds the target in C, of the scans, and runs it: with libFuzzer and sanitizers where there are any."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

from tools.fuzz.engines import PATIENCE

ROOT = Path(__file__).parents[2]

# In what order compilers are tried: with libFuzzer, with a driver of our own and sanitizers, without them.
_FUZZER = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=undefined"]
_SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]


def build(folder: Path) -> tuple[Path, str] | None:
    """The program, and what its engine is called; None where there is no compiler."""
    own = (sysconfig.get_config_var("CC") or "cc").split()[0]
    ways = [("clang", _FUZZER, "libFuzzer"), (own, _SANITIZERS, "random, sanitized"), (own, [], "random")]
    sources = [ROOT / "tools/fuzz/scan.c", *sorted(ROOT.glob("src/scan/*.c"))]
    program = folder / "scan"
    for compiler, flags, engine in ways:
        if shutil.which(compiler) is None:
            continue
        own_sources = sources if engine == "libFuzzer" else [*sources, ROOT / "tools/fuzz/alone.c"]
        command = [compiler, "-g", "-O1", *flags, f"-I{ROOT / 'src'}", *own_sources, "-o", program]
        if subprocess.run(command, capture_output=True).returncode == 0:
            return program, engine
    return None


def command(program: Path, engine: str, options: tuple[int, float], found: Path) -> list[str]:
    """How it is run for some seconds. A case that ends it is in `found`, or in the file `current` beside it."""
    seed, seconds = options
    if engine != "libFuzzer":
        return [str(program), str(max(round(seconds), 1)), str(seed), str(program.with_name("current"))]
    corpus = found / "corpus-scan"
    corpus.mkdir(parents=True, exist_ok=True)
    limits = [
        f"-max_total_time={max(round(seconds), 1)}",
        f"-seed={seed}",
        "-max_len=4096",
        "-len_control=0",
        f"-timeout={PATIENCE}",
    ]
    return [str(program), *limits, f"-artifact_prefix={found}/scan-", str(corpus)]


def environment() -> dict[str, str]:
    """Has a fault end the program as others do."""
    return {**os.environ, "ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1"}
