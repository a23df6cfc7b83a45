"""Runs the command, in a process of its own."""

from __future__ import annotations

import itertools
import os
import shlex
import signal
import subprocess
import sys

SCRIPT = "import sys; from _fastmmap_command import main; sys.exit(main())"  # what an installed command does
WAYS = {"module": ["-m", "fastmmap"], "script": ["-c", SCRIPT]}

turns = itertools.cycle(WAYS.values())


def heed_interrupts():
    """Whoever started the tests may ignore interrupts, as nohup does, and so would what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def with_folder(folder):
    """The environment, with a folder that Python looks for modules in first."""
    others = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), others] if others else [str(folder)])}


def command(*arguments, way=None):
    """Started in each of the ways in turn, where none is given."""
    return [sys.executable, *(WAYS[way] if way else next(turns)), *map(str, arguments)]


def run(*arguments, stdin=b"", way=None, **options):
    given = {"stdin": options.pop("file")} if "file" in options else {"input": stdin}
    done = subprocess.run(command(*arguments, way=way), capture_output=True, timeout=120, **given, **options)
    return done.returncode, done.stdout, done.stderr


def shell(script, **options):
    """What a line of bash ends with, in which `fastmmap` is the command: status, output, errors."""
    name = shlex.join(command())
    script = f'fastmmap() {{ {name} "$@"; }}; {script}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=120, **options)
    return done.returncode, done.stdout, done.stderr
