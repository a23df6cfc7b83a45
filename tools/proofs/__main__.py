"""Runs proofs, and keeps what they say.

    python -m tools.proofs --list
    python -m tools.proofs                       all, each at most a minute or as long as its build takes
    python -m tools.proofs --long append_kills   one, as long as it takes
    python -m tools.proofs --keep append_kills   and writes its output into docs/proofs/

A proof fails if its script does, or if what it says that it has checked is nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

from . import keeping
from .table import PROOFS, Proof


def run(proof: Proof, long: bool) -> tuple[str, float]:
    """What a proof has said, and how long it took. ValueError where it has failed."""
    began = time.monotonic()
    folders = [str(keeping.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    lines = []
    with subprocess.Popen(
        proof.command(long),
        cwd=keeping.ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as child:
        for line in child.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if child.returncode != 0:
        raise ValueError(f"{proof.name}: status {child.returncode}")
    output = "".join(lines)
    proof.figure(output)
    return output, time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.proofs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="all, if none is named")
    parser.add_argument("--list", action="store_true", help="name the proofs and what they show")
    lengths = parser.add_mutually_exclusive_group()
    lengths.add_argument("--short", action="store_true", help="a sample, which is the default")
    lengths.add_argument("--long", action="store_true", help="as many cases as docs/proofs asks for")
    parser.add_argument("--keep", action="store_true", help="write the outputs into docs/proofs/")
    parser.add_argument(
        "--page", action="store_true", help="run none; write the figures of the kept outputs into the page"
    )
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in PROOFS]:
        parser.error(f"no such proof: {', '.join(unknown)}; --list names them")
    if options.page:
        keeping.write_page()
        return
    chosen = [PROOFS[name] for name in options.names or PROOFS]
    failed = []
    for proof in chosen:
        if options.list:
            print(f"{proof.name:22}{proof.shows}")
            continue
        print(f"== {proof.name}: {proof.shows}", flush=True)
        try:
            output, seconds = run(proof, options.long)
            if options.keep:
                keeping.keep(proof, options.long, output, seconds)
        except ValueError as error:
            print(f"FAILED: {error}", flush=True)
            failed.append(proof.name)
    if failed:
        sys.exit(f"{len(failed)} of {len(chosen)} proofs failed: {', '.join(failed)}")
    if not options.list:
        print(f"{len(chosen)} proofs, none failed")


if __name__ == "__main__":
    main()
